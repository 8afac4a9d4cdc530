"""Metrics, confidence intervals by patient-level bootstrap, and comparisons of arms, tables and experts."""

from ictal.evaluation.arm_comparison import ArmComparisonSettings, compare_arms
from ictal.evaluation.arm_results import ArmResult, Comparison, Interaction, Way
from ictal.evaluation.bootstrap import Estimate, PatientBootstrap, ResamplingSettings
from ictal.evaluation.calibration import Calibration, calibrate_out_of_fold, fit_calibration
from ictal.evaluation.calibration_check import CalibrationCheck, best_temperature, mean_shares
from ictal.evaluation.calibration_trial import CalibrationTrial, try_calibration
from ictal.evaluation.compare_files import compare
from ictal.evaluation.differences import Difference, paired_differences
from ictal.evaluation.evaluate import Evaluation, evaluate
from ictal.evaluation.expert_labels import ExpertLabels, read_expert_labels
from ictal.evaluation.experts import ExpertAgreement, PanelComparison, compare_with_experts
from ictal.evaluation.learning_curve import CurvePoint, LearningCurve, learning_curve
from ictal.evaluation.metric_table import MEASURES, Measure, Measured, measure_table, reliability_estimates
from ictal.evaluation.metrics import (
    balanced_accuracy,
    brier_score,
    cohen_kappa,
    confusion_of_votes,
    kl_divergence,
    top2_correct,
)
from ictal.evaluation.permutation import holm, permutation_p
from ictal.evaluation.prediction_tables import ColumnNames, read_patients, read_table
from ictal.evaluation.ranking import CONTRASTS, auprc, auroc, contrast
from ictal.evaluation.reliability import Reliability, expected_calibration_error, reliability_curve
from ictal.evaluation.table_comparison import TableComparisonSettings, compare_tables
from ictal.evaluation.table_results import TableComparison, TableResult

__all__ = [
    "CONTRASTS",
    "MEASURES",
    "ArmComparisonSettings",
    "ArmResult",
    "Calibration",
    "CalibrationCheck",
    "CalibrationTrial",
    "ColumnNames",
    "Comparison",
    "CurvePoint",
    "Difference",
    "Estimate",
    "Evaluation",
    "ExpertAgreement",
    "ExpertLabels",
    "Interaction",
    "LearningCurve",
    "Measure",
    "Measured",
    "PanelComparison",
    "PatientBootstrap",
    "Reliability",
    "ResamplingSettings",
    "TableComparison",
    "TableComparisonSettings",
    "TableResult",
    "Way",
    "auprc",
    "auroc",
    "balanced_accuracy",
    "best_temperature",
    "brier_score",
    "calibrate_out_of_fold",
    "cohen_kappa",
    "compare",
    "compare_arms",
    "compare_tables",
    "compare_with_experts",
    "confusion_of_votes",
    "contrast",
    "evaluate",
    "expected_calibration_error",
    "fit_calibration",
    "holm",
    "kl_divergence",
    "learning_curve",
    "mean_shares",
    "measure_table",
    "paired_differences",
    "permutation_p",
    "read_expert_labels",
    "read_patients",
    "read_table",
    "reliability_curve",
    "reliability_estimates",
    "top2_correct",
    "try_calibration",
]
