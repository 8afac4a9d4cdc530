"""Evaluate a table of predictions: overall, per pattern, per stratum and per panel size."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.core.labels import PANELS, PATTERNS, STRATA, distribution, panels, strata
from ictal.core.predictions import Predictions
from ictal.core.summary_table import SummaryTable, html_of
from ictal.evaluation.bootstrap import Estimate, PatientBootstrap
from ictal.evaluation.calibration_check import CalibrationCheck, check_calibration
from ictal.evaluation.metric_table import Measured, measure_table
from ictal.evaluation.metrics import confusion_of_votes, correct, kl_divergence, pattern_shares
from ictal.evaluation.ranking import CONTRASTS, Contrast, contrast

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """Figures of a part of the windows.

    Attributes
    ----------
    n_windows, n_patients
        Number of windows and patients (a window with tied top votes counts in part, but is counted here as one).
    kl
        Mean Kullback-Leibler (KL) divergence with its confidence interval; None without windows.
    accuracy
        Share of windows whose most probable pattern is right; None without windows.
    """

    n_windows: int
    n_patients: int
    kl: Estimate | None
    accuracy: Estimate | None

    def cells(self) -> tuple[str, str, str]:
        """Return the number of windows, KL and accuracy as text."""
        accuracy = f"{self.accuracy:.2f}" if self.accuracy else "–"
        return str(self.n_windows), f"{self.kl}" if self.kl else "–", accuracy


@dataclass(frozen=True)
class Evaluation:
    """All figures of a table of predictions; each EEG has the same weight.

    Attributes
    ----------
    n_effective
        Effective number of patients, see `PatientBootstrap.effective`.
    kl, balanced_accuracy
        With confidence intervals by patient-level bootstrap.
    constant_kl, difference_to_constant
        KL divergence of the best constant prediction, which is the mean distribution of these votes (and is the same
        in every resample); and KL divergence of the predictions minus that, paired: negative if they are better.
    contrasts
        Number of windows of either kind, by the names of `CONTRASTS`; if one is 0, the measure of that name is
        undefined.
    per_pattern
        By top-voted pattern; a window with a tie counts in part for each.
    per_stratum
        By `STRATA` and, if votes are counts, also by `PANELS`.
    confusion
        Mean predicted distribution for the votes of each pattern, [6, 6], see `confusion_of_votes`.
    panel_confusion
        The same with the votes' own distribution as prediction.
    measures
        Each of `MEASURES` by its name, including `kl` and `balanced_accuracy`; NaN if it is undefined.
    calibration
        Predicted against voted shares, and the best temperature; only `evaluate` provides them.
    """

    n_windows: int
    n_eegs: int
    n_patients: int
    n_effective: float
    kl: Estimate
    balanced_accuracy: Estimate
    constant_kl: Estimate
    difference_to_constant: Estimate
    contrasts: dict[str, tuple[int, int]]
    per_pattern: dict[str, Group]
    per_stratum: dict[str, Group]
    confusion: Floats
    panel_confusion: Floats
    measures: dict[str, Estimate]
    calibration: CalibrationCheck | None = None

    def summary(self) -> tuple[SummaryTable, ...]:
        """Return the tables of overall figures, of patterns and strata, and of predicted and voted shares."""
        return self._overall(), self._by_group(), *([self.calibration.summary()] if self.calibration else [])

    def _repr_html_(self) -> str:
        return html_of(
            f"{self.n_windows} windows of {self.n_eegs} EEGs of {self.n_patients} patients",
            *self.summary(),
            *([self.calibration.in_words()] if self.calibration else []),
        )

    def _overall(self) -> SummaryTable:
        windows = str(self.n_windows)
        rows = [
            ("KL", f"{self.kl}", windows),
            ("KL of the best constant", f"{self.constant_kl}", windows),
            ("model minus constant", f"{self.difference_to_constant:+.3f}", windows),
            ("balanced accuracy", f"{self.balanced_accuracy}", windows),
            ("... any tied pattern right", f"{self.measures['balanced_accuracy_any']}", windows),
        ]
        if self.calibration:
            rows.append(("best temperature", f"{self.calibration.temperature}", windows))
        for one, other in (("lateralized", "generalized"), ("periodic", "rhythmic")):
            name = f"{one}_auroc"
            counts = self.contrasts[name]
            lacking = [side for side, count in zip((one, other), counts, strict=True) if not count]
            auroc = f"– (none {' or '.join(lacking)})" if lacking else f"{self.measures[name]}"
            rows.append((f"AUROC, {one} against {other}", auroc, f"{counts[0]} : {counts[1]}"))
        return SummaryTable(("figure", "with interval", "of windows"), tuple(rows), minor=frozenset({1, 4}))

    def _by_group(self) -> SummaryTable:
        rows = [
            (name, *group.cells(), _or_dash(self.measures[f"auroc_{name}"]))
            for name, group in self.per_pattern.items()
        ]
        rules = frozenset({len(rows)})
        rows += [(name, *group.cells(), "") for name, group in self.per_stratum.items()]
        columns = ("windows by", "n", "KL", "accuracy", "AUROC against the rest")
        return SummaryTable(columns, tuple(rows), rules=rules)

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain numbers, lists and None."""
        overall = {
            "kl": self.kl,
            "balanced_accuracy": self.balanced_accuracy,
            "constant_kl": self.constant_kl,
            "difference_to_constant": self.difference_to_constant,
            **{name: self.measures[name] for name in self.contrasts},
        }
        figures: dict[str, Any] = {}
        for name, estimate in overall.items():
            figures |= {name: _number(estimate.value), f"{name}_interval": estimate.interval}
        return {
            "n_windows": self.n_windows,
            "n_eegs": self.n_eegs,
            "n_patients": self.n_patients,
            "n_effective_patients": self.n_effective,
            **figures,
            **{f"{name}_windows": list(counts) for name, counts in self.contrasts.items()},
            "per_pattern": {name: group_json(group) for name, group in self.per_pattern.items()},
            "per_stratum": {name: group_json(group) for name, group in self.per_stratum.items()},
            "measures": {name: estimate_json(estimate) for name, estimate in self.measures.items()},
            **(self.calibration.to_json() if self.calibration else {}),
        }


def estimate_json(estimate: Estimate) -> dict[str, Any]:
    """Return the value and interval as plain numbers and None."""
    return {"value": _number(estimate.value), "interval": estimate.interval}


def _or_dash(estimate: Estimate) -> str:
    return "–" if np.isnan(estimate.value) else f"{estimate:.2f}"


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value


def group_json(group: Group) -> dict[str, Any]:
    """Return a group as plain numbers and None."""
    return {
        "n_windows": group.n_windows,
        "n_patients": group.n_patients,
        "kl": group.kl.value if group.kl else None,
        "kl_interval": group.kl.interval if group.kl else None,
        "accuracy": group.accuracy.value if group.accuracy else None,
        "accuracy_interval": group.accuracy.interval if group.accuracy else None,
    }


def evaluate(
    predictions: Predictions, n_resamples: int = 10_000, seed: int = 0, confidence: float = 0.95
) -> Evaluation:
    """Evaluate a table with one row per window.

    Parameters
    ----------
    predictions
        Predictions of one arm, averaged over folds.
    n_resamples, seed, confidence
        See `ResamplingSettings`.
    """
    bootstrap = bootstrap_of(predictions, n_resamples, seed, confidence)
    checked = check_calibration(bootstrap, predictions.votes, predictions.probabilities)
    return replace(evaluate_with(bootstrap, predictions), calibration=checked)


def bootstrap_of(predictions: Predictions, n_resamples: int, seed: int, confidence: float) -> PatientBootstrap:
    """Return resamples of the patients in a table."""
    return PatientBootstrap(predictions.patients, predictions.weights, n_resamples, seed, confidence)


def evaluate_with(
    bootstrap: PatientBootstrap, predictions: Predictions, measured: Mapping[str, Measured] | None = None
) -> Evaluation:
    """Evaluate a table with resamples that are shared with other tables of the same windows.

    Parameters
    ----------
    bootstrap, measured
        As in `evaluate_votes`.
    predictions
        A row per window and seed.
    """
    frame = predictions.frame
    votes, probabilities, n_seeds = predictions.votes, predictions.probabilities, frame["seed"].nunique()
    return evaluate_votes(bootstrap, votes, probabilities, frame["eeg_id"], measured, n_seeds)


def evaluate_votes(
    bootstrap: PatientBootstrap,
    votes: npt.NDArray[np.integer | np.floating],
    probabilities: Floats,
    eegs: "pd.Series[str]",
    measured: Mapping[str, Measured] | None = None,
    rows_per_window: int = 1,
) -> Evaluation:
    """Evaluate probabilities by votes, with the weights of the bootstrap.

    Parameters
    ----------
    bootstrap
        Patients and weights of the windows.
    votes
        Counts as integers, or shares as floats (the size of the panel is then unknown), [window, 6].
    probabilities
        [window, 6].
    eegs
        EEG of each window, [window].
    measured
        The measures of this table with this bootstrap, if they are already known.
    rows_per_window
        One per training seed; the result counts windows, not rows.
    """
    kl, right = kl_divergence(votes, probabilities), correct(votes, probabilities)
    named = np.eye(len(PATTERNS))[np.asarray(probabilities).argmax(axis=1)]
    shares, of_stratum = pattern_shares(votes), strata(votes)
    parts = {name: of_stratum == name for name in STRATA}
    if np.issubdtype(votes.dtype, np.integer):
        parts |= {name: panels(votes) == name for name in PANELS}

    def group(counts: Floats, right: Floats) -> Group:
        there = counts > 0
        n_patients = bootstrap.n_patients(there)
        if not there.any():
            return Group(0, 0, None, None)
        accuracy = bootstrap.mean(right, counts, (0, 1))
        return Group(int(there.sum()) // rows_per_window, n_patients, bootstrap.mean(kl, counts), accuracy)

    best = np.average(distribution(votes), axis=0, weights=bootstrap.weights)
    of_constant = kl_divergence(votes, np.broadcast_to(best, probabilities.shape))
    measured = measure_table(bootstrap, votes, probabilities) if measured is None else measured
    measures = {name: one.estimate(bootstrap) for name, one in measured.items()}
    return Evaluation(
        n_windows=len(votes) // rows_per_window,
        n_eegs=int(eegs.nunique()),
        n_patients=bootstrap.n_patients(),
        n_effective=bootstrap.n_effective,
        kl=measures["kl"],
        balanced_accuracy=measures["balanced_accuracy"],
        constant_kl=bootstrap.mean(of_constant),
        difference_to_constant=bootstrap.mean(kl - of_constant),
        contrasts={name: _sides(contrast(votes, probabilities, name), rows_per_window) for name in CONTRASTS},
        per_pattern={name: group(shares[:, index], named[:, index]) for index, name in enumerate(PATTERNS)},
        per_stratum={name: group(part.astype(float), right) for name, part in parts.items()},
        confusion=confusion_of_votes(votes, probabilities, bootstrap.weights),
        panel_confusion=confusion_of_votes(votes, distribution(votes), bootstrap.weights),
        measures=measures,
    )


def _sides(ranked: Contrast, rows_per_window: int) -> tuple[int, int]:
    return int(ranked.positive.sum()) // rows_per_window, int(ranked.negative.sum()) // rows_per_window
