"""Figures of one table of predictions: overall, per pattern, per stratum and per panel size."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ictal.evaluation.metrics import (
    balanced_accuracy,
    confusion_of_votes,
    correct,
    kl_divergence,
    pattern_shares,
)
from ictal.evaluation.resampling import Estimate, PatientBootstrap
from ictal.labels import PANELS, PATTERNS, STRATA, panels, strata
from ictal.predictions import Predictions

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """Figures of a part of the windows.

    Attributes
    ----------
    n_windows, n_patients
        That count in it (a window whose top votes tie counts in part, and is counted here as one).
    kl
        Mean KL with its interval; None where there is no window.
    accuracy
        Share of windows whose most probable pattern is right.
    """

    n_windows: int
    n_patients: int
    kl: Estimate | None
    accuracy: float | None


@dataclass(frozen=True)
class Evaluation:
    """What can be said of one table of predictions, each EEG weighing the same.

    Attributes
    ----------
    kl, balanced_accuracy
        With intervals by resampling patients.
    per_pattern
        By top-voted pattern; where several tie, a window counts in part for each.
    per_stratum
        By `STRATA`, then by `PANELS`.
    confusion
        Where the votes of a pattern find the predicted probability, [6, 6].
    panel_confusion
        The same with the votes' own distribution as prediction.
    """

    n_windows: int
    n_eegs: int
    n_patients: int
    kl: Estimate
    balanced_accuracy: Estimate
    per_pattern: dict[str, Group]
    per_stratum: dict[str, Group]
    confusion: Floats
    panel_confusion: Floats

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain numbers, lists and None."""
        return {
            "n_windows": self.n_windows,
            "n_eegs": self.n_eegs,
            "n_patients": self.n_patients,
            "kl": self.kl.value,
            "kl_interval": self.kl.interval,
            "balanced_accuracy": self.balanced_accuracy.value,
            "balanced_accuracy_interval": self.balanced_accuracy.interval,
            "per_pattern": {name: group_json(group) for name, group in self.per_pattern.items()},
            "per_stratum": {name: group_json(group) for name, group in self.per_stratum.items()},
        }


def group_json(group: Group) -> dict[str, Any]:
    """Return a group as plain numbers and None."""
    return {
        "n_windows": group.n_windows,
        "n_patients": group.n_patients,
        "kl": group.kl.value if group.kl else None,
        "kl_interval": group.kl.interval if group.kl else None,
        "accuracy": group.accuracy,
    }


def evaluate(
    predictions: Predictions, n_resamples: int = 10_000, seed: int = 0, confidence: float = 0.95
) -> Evaluation:
    """Evaluate a table with one row per window.

    Parameters
    ----------
    predictions
        Of one arm, averaged over folds.
    n_resamples, seed, confidence
        Of the intervals.
    """
    return evaluate_with(bootstrap_of(predictions, n_resamples, seed, confidence), predictions)


def bootstrap_of(predictions: Predictions, n_resamples: int, seed: int, confidence: float) -> PatientBootstrap:
    """Return resamples of the patients of a table."""
    return PatientBootstrap(predictions.patients, predictions.weights, n_resamples, seed, confidence)


def evaluate_with(bootstrap: PatientBootstrap, predictions: Predictions) -> Evaluation:
    """Evaluate a table by resamples that other tables of the same windows share."""
    votes, probabilities, weights = predictions.votes, predictions.probabilities, predictions.weights
    kl, right = kl_divergence(votes, probabilities), correct(votes, probabilities)
    shares = pattern_shares(votes)
    of_stratum, of_panel = strata(votes), panels(votes)

    def group(counts: Floats) -> Group:
        there = counts > 0
        n_patients = len(set(predictions.patients[there]))
        if not there.any():
            return Group(0, 0, None, None)
        accuracy = float(np.average(right, weights=counts * weights))
        return Group(int(there.sum()), n_patients, bootstrap.mean(kl, counts), accuracy)

    recalls = bootstrap.means(np.repeat(right[:, None], len(PATTERNS), axis=1), shares)
    present = shares.sum(axis=0) > 0
    # A pattern that a resample lacks is left out of that resample's mean, as in the metric itself.
    accuracies = np.nanmean(recalls[:, present], axis=1)
    return Evaluation(
        n_windows=len(predictions),
        n_eegs=int(predictions.frame["eeg_id"].nunique()),
        n_patients=len(set(predictions.patients)),
        kl=bootstrap.mean(kl),
        balanced_accuracy=bootstrap.estimate(balanced_accuracy(votes, probabilities, weights), accuracies),
        per_pattern={name: group(shares[:, index]) for index, name in enumerate(PATTERNS)},
        per_stratum={
            **{name: group((of_stratum == name).astype(float)) for name in STRATA},
            **{name: group((of_panel == name).astype(float)) for name in PANELS},
        },
        confusion=confusion_of_votes(votes, probabilities, weights),
        panel_confusion=confusion_of_votes(votes, votes / votes.sum(axis=1, keepdims=True), weights),
    )
