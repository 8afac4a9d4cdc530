"""Evaluation: metrics, intervals by resampling patients, and the tables of the ablation."""

from ictal.evaluation.ablation import ArmResult, Comparison, Difference, Way, compare_arms
from ictal.evaluation.metrics import balanced_accuracy, confusion_of_votes, kl_divergence
from ictal.evaluation.resampling import Estimate, PatientBootstrap
from ictal.evaluation.tables import Evaluation, evaluate

__all__ = [
    "ArmResult",
    "Comparison",
    "Difference",
    "Estimate",
    "Evaluation",
    "PatientBootstrap",
    "Way",
    "balanced_accuracy",
    "compare_arms",
    "confusion_of_votes",
    "evaluate",
    "kl_divergence",
]
