"""The learning curve: the KL divergence of an arm by the number of training patients."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.core.predictions import Predictions
from ictal.evaluation.bootstrap import Estimate, PatientBootstrap
from ictal.evaluation.metrics import kl_divergence

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class CurvePoint:
    """One arm, trained on a number of patients from each fold's training patients.

    Attributes
    ----------
    arm, n_patients
        The arm, and the number of patients.
    n_draws
        How many times per fold patients were drawn and the arm was trained on them.
    kl
        Mean KL divergence in cross-validation, over draws.
    gain
        Decrease from the next smaller number of patients; None for the smallest.
    """

    arm: str
    n_patients: int
    n_draws: int
    kl: Estimate
    gain: Estimate | None

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, lists and None."""
        return {
            "arm": self.arm,
            "n_patients": self.n_patients,
            "n_draws": self.n_draws,
            "kl": self.kl.value,
            "kl_interval": self.kl.interval,
            "gain": self.gain.value if self.gain else None,
            "gain_interval": self.gain.interval if self.gain else None,
        }


@dataclass(frozen=True)
class LearningCurve:
    """The points of all arms, in order of arm and number of patients."""

    points: tuple[CurvePoint, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """Return the points as plain numbers, lists and None."""
        return [point.to_json() for point in self.points]

    def of_arm(self, arm: str) -> list[CurvePoint]:
        """Return the points of one arm."""
        return [point for point in self.points if point.arm == arm]

    @property
    def arms(self) -> list[str]:
        """Names of the arms."""
        return list(dict.fromkeys(point.arm for point in self.points))

    def to_frame(self) -> pd.DataFrame:
        """Return a row per point."""
        rows = []
        for point in self.points:
            row: dict[str, Any] = {"arm": point.arm, "n_patients": point.n_patients, "n_draws": point.n_draws}
            for name, estimate in (("kl", point.kl), ("gain", point.gain)):
                values = (estimate.value, estimate.low, estimate.high) if estimate else (np.nan,) * 3
                row |= dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
            rows.append(row)
        return pd.DataFrame(rows)


def learning_curve(
    tables: Mapping[tuple[str, int], Predictions],
    n_resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> LearningCurve:
    """Calculate learning curves.

    Parameters
    ----------
    tables
        By arm and number of patients: cross-validation predictions of the same windows, a row per window and draw
        of training patients; the column 'seed' identifies the draw.
    n_resamples, seed, confidence
        See `ResamplingSettings`. Each resample redraws both the patients of the evaluation and the draws of training
        patients, so an interval reflects chance in the selection of either.
    """
    points: list[CurvePoint] = []
    rng = np.random.default_rng((seed, 1))
    before: tuple[str, float, Floats] | None = None
    arms = list(dict.fromkeys(arm for arm, _ in tables))
    for arm, n_patients in sorted(tables, key=lambda key: (arms.index(key[0]), key[1])):
        table = Predictions(tables[arm, n_patients].frame.sort_values(["window_id", "seed"]).reset_index(drop=True))
        n_draws = int(table.frame["seed"].nunique())
        losses = kl_divergence(table.votes, table.probabilities).reshape(-1, n_draws)
        patients, weights = table.patients[::n_draws], table.weights[::n_draws]
        bootstrap = PatientBootstrap(patients, weights, n_resamples, seed, confidence)
        picked = rng.integers(0, n_draws, (n_resamples, n_draws))
        resampled = np.take_along_axis(bootstrap.means(losses), picked, axis=1).mean(axis=1)
        value = float(np.average(losses.mean(axis=1), weights=bootstrap.weights))
        gain = None
        if before and before[0] == arm:
            gain = bootstrap.estimate(before[1] - value, before[2] - resampled)
        points.append(CurvePoint(arm, n_patients, n_draws, bootstrap.estimate(value, resampled), gain))
        before = (arm, value, resampled)
    return LearningCurve(tuple(points))
