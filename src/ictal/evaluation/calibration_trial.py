"""Choose a calibration by cross-validation by patient, and judge it, with its choice, by a nested one."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ictal.core.summary_table import SummaryTable, html_of
from ictal.errors import TableError
from ictal.evaluation.bootstrap import FEW_PATIENTS, Estimate, PatientBootstrap
from ictal.evaluation.calibration import Calibration, calibrate_out_of_fold, fit_calibration, patient_folds
from ictal.evaluation.calibration_check import MeanShare, mean_shares
from ictal.evaluation.metrics import kl_divergence

Floats = npt.NDArray[np.float64]
Verdict = Literal["helps", "does not help", "not distinguished"]

PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, math.inf)
"""Penalties on the biases to choose from, in nats of KL per squared bias; the last leaves only a temperature."""
FOLDS = 10
"""Folds of patients, outer and inner."""


@dataclass(frozen=True)
class CalibrationTrial:
    """A calibration, and how it would do on other patients.

    Attributes
    ----------
    calibration
        Fitted to all windows.
    penalty
        The chosen one of `PENALTIES`.
    n_windows, n_patients, n_effective
        Number of windows and patients, and effective number of patients.
    before, after
        Mean KL divergence; `after` a calibration that was chosen and fitted on the patients of other folds.
    difference
        After minus before, paired: negative if calibration helps.
    shares_before, shares_after
        Mean predicted and voted share of each pattern; `shares_after` with the same calibrations as `after`.
    """

    calibration: Calibration
    penalty: float
    n_windows: int
    n_patients: int
    n_effective: float
    before: Estimate
    after: Estimate
    difference: Estimate
    shares_before: dict[str, MeanShare]
    shares_after: dict[str, MeanShare]

    @property
    def verdict(self) -> Verdict:
        """Whether calibration lowers the KL of other patients."""
        if not self.difference.excludes_zero:
            return "not distinguished"
        return "helps" if self.difference.value < 0 else "does not help"

    def in_words(self) -> str:
        """Return the verdict as a sentence."""
        level = f"{100 * self.difference.confidence:g} % confidence interval"
        span = f"KL {self.difference.value:+.3f}"
        if self.difference.interval:
            span += f", {level} {self.difference.low:+.3f} to {self.difference.high:+.3f}"
        return {
            "helps": f"Calibration helps on patients that it was not fitted to ({span}).",
            "does not help": f"Calibration does not help: on patients that it was not fitted to, it makes the "
            f"predictions worse ({span}).",
            "not distinguished": f"The data do not distinguish the calibrated model from the one before ({span}).",
        }[self.verdict]

    def choice_in_words(self) -> str:
        """State what was fitted."""
        temperature = f"temperature {self.calibration.temperature:.3f}"
        if math.isinf(self.penalty):
            return f"{temperature}, no biases"
        return f"{temperature}, and biases with the penalty {self.penalty:g}"

    def summary(self) -> tuple[SummaryTable, SummaryTable]:
        """Return the table of the KL before and after, and that of shares and biases."""
        rows = (
            ("KL before", f"{self.before}"),
            ("KL calibrated, out of fold", f"{self.after}"),
            ("calibrated minus before", f"{self.difference:+.3f}"),
        )
        shares = tuple(
            (name, f"{before.voted:.3f}", f"{before.predicted:.3f}", f"{after.predicted:.3f}", f"{bias:+.2f}")
            for (name, before), after, bias in zip(
                self.shares_before.items(), self.shares_after.values(), self.calibration.bias, strict=True
            )
        )
        columns = ("mean share", "voted", "predicted before", "calibrated, out of fold", "bias")
        return SummaryTable(("figure", "with interval"), rows), SummaryTable(columns, shares)

    def _repr_html_(self) -> str:
        windows = f"{self.n_windows} windows of {self.n_patients} patients. Fitted: {self.choice_in_words()}"
        return html_of(windows, *self.summary(), self.in_words())

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, lists and None."""
        figures: dict[str, Any] = {}
        for name, estimate in (("kl_before", self.before), ("kl", self.after), ("difference", self.difference)):
            figures |= {name: estimate.value, f"{name}_interval": estimate.interval}
        return {
            "n_windows": self.n_windows,
            "n_patients": self.n_patients,
            "n_effective_patients": self.n_effective,
            "temperature": self.calibration.temperature,
            "bias": self.calibration.bias.tolist(),
            "penalty": None if math.isinf(self.penalty) else self.penalty,
            **figures,
            "verdict": self.verdict,
            "shares_before": {name: share.to_json() for name, share in self.shares_before.items()},
            "shares_after": {name: share.to_json() for name, share in self.shares_after.items()},
        }


def check_patients(n_patients: int) -> None:
    """Refuse to calibrate with too few patients.

    Raises
    ------
    TableError
        If there are fewer than `FEW_PATIENTS`.
    """
    if n_patients < FEW_PATIENTS:
        raise TableError(
            f"a calibration needs labelled windows of at least {FEW_PATIENTS} patients, these are of {n_patients}: "
            "with fewer, it would follow chance in which patients were labelled, and cross-validation could not show "
            "whether it helps"
        )


def try_calibration(
    bootstrap: PatientBootstrap, votes: npt.ArrayLike, probabilities: npt.ArrayLike
) -> CalibrationTrial:
    """Choose and fit a calibration, and estimate by nested cross-validation by patient what it changes.

    The choice is made on the patients of the other folds each time, so the estimate includes the choice.

    Parameters
    ----------
    bootstrap
        Patients and weights of the windows; its seed also draws the folds.
    votes, probabilities
        [window, 6].

    Raises
    ------
    TableError
        See `check_patients`.
    """
    check_patients(bootstrap.n_patients())
    votes, probabilities = np.asarray(votes), np.asarray(probabilities, dtype=np.float64)
    known = votes, probabilities, bootstrap.weights
    penalty = choose_penalty(*known, bootstrap.patients, bootstrap.seed)
    nested = calibrate_nested(*known, bootstrap.patients, bootstrap.seed)
    before, after = kl_divergence(votes, probabilities), kl_divergence(votes, nested)
    return CalibrationTrial(
        calibration=fit_calibration(*known, **_settings(penalty)),
        penalty=penalty,
        n_windows=len(votes),
        n_patients=bootstrap.n_patients(),
        n_effective=bootstrap.n_effective,
        before=bootstrap.mean(before),
        after=bootstrap.mean(after),
        difference=bootstrap.mean(after - before),
        shares_before=mean_shares(bootstrap, votes, probabilities),
        shares_after=mean_shares(bootstrap, votes, nested),
    )


def calibrate_nested(
    votes: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike, patients: npt.ArrayLike, seed: int = 0
) -> Floats:
    """Return calibrated probabilities, [window, 6]; those of each fold are chosen and fitted on the other patients.

    The parameters are those of `choose_penalty`.
    """
    votes, probabilities, weights, patients = map(np.asarray, (votes, probabilities, weights, patients))
    folds, nested = patient_folds(patients, FOLDS, seed), np.empty(probabilities.shape)
    for fold in range(FOLDS):
        own, rest = folds == fold, folds != fold
        known = votes[rest], probabilities[rest], weights[rest]
        nested[own] = choose_calibration(*known, patients[rest], seed).apply(probabilities[own])
    return nested


def choose_calibration(
    votes: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike, patients: npt.ArrayLike, seed: int = 0
) -> Calibration:
    """Return the calibration that is fitted with the chosen penalty.

    The parameters are those of `choose_penalty`.
    """
    penalty = choose_penalty(votes, probabilities, weights, patients, seed)
    return fit_calibration(votes, probabilities, weights, **_settings(penalty))


def choose_penalty(
    votes: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike, patients: npt.ArrayLike, seed: int = 0
) -> float:
    """Return the one of `PENALTIES` with the lowest KL divergence out of fold.

    Parameters
    ----------
    votes, probabilities, weights
        As in `fit_calibration`.
    patients
        Patient of each window, [window].
    seed
        Draws the folds of patients.
    """
    folds = patient_folds(patients, FOLDS, seed)

    def loss(penalty: float) -> float:
        calibrated = calibrate_out_of_fold(votes, probabilities, weights, folds, **_settings(penalty))
        return float(np.average(kl_divergence(votes, calibrated), weights=np.asarray(weights)))

    return min(PENALTIES[::-1], key=loss)  # of equals, the strongest


def _settings(penalty: float) -> dict[str, Any]:
    with_bias = math.isfinite(penalty)
    return {"with_bias": with_bias, "penalty": penalty if with_bias else 0.0}
