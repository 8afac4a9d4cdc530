"""Evaluation: metrics, intervals by resampling patients, and the tables of the ablation."""

from ictal.evaluation.ablation import ArmResult, Comparison, Difference, Way, compare_arms
from ictal.evaluation.compare import (
    ColumnNames,
    TableComparison,
    TableDifference,
    TableResult,
    compare_tables,
    read_patients,
    read_table,
)
from ictal.evaluation.metrics import balanced_accuracy, confusion_of_votes, kl_divergence
from ictal.evaluation.permutation import holm, permutation_p
from ictal.evaluation.resampling import Estimate, PatientBootstrap
from ictal.evaluation.tables import Evaluation, evaluate

__all__ = [
    "ArmResult",
    "ColumnNames",
    "Comparison",
    "Difference",
    "Estimate",
    "Evaluation",
    "PatientBootstrap",
    "TableComparison",
    "TableDifference",
    "TableResult",
    "Way",
    "balanced_accuracy",
    "compare_arms",
    "compare_tables",
    "confusion_of_votes",
    "evaluate",
    "holm",
    "kl_divergence",
    "permutation_p",
    "read_patients",
    "read_table",
]
