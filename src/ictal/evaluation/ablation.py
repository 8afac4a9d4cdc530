"""The ablation: every arm's KL in cross-validation and test, baselines, and paired differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ictal.evaluation.metrics import kl_divergence
from ictal.evaluation.resampling import Estimate, PatientBootstrap
from ictal.evaluation.tables import Evaluation, evaluate
from ictal.labels import N_PATTERNS, distribution
from ictal.predictions import PROBABILITY_COLUMNS, Predictions

Floats = npt.NDArray[np.float64]

PRIOR, UNIFORM = "prior", "uniform"
SPLIT_WORDS = {"cv": "cross-validation", "test": "held-out test"}


@dataclass(frozen=True)
class ArmResult:
    """The figures of one arm.

    Attributes
    ----------
    name
        Of the arm or baseline.
    cv, test
        Mean KL; test is None where no patients are held out.
    difference
        Test minus cross-validation KL (the study's "CV score difference").
    evaluations
        Everything else, per split; baselines have none.
    """

    name: str
    cv: Estimate
    test: Estimate | None
    difference: Estimate | None
    evaluations: dict[str, Evaluation]


@dataclass(frozen=True)
class Difference:
    """The KL of arm `a` minus that of arm `b` on the same windows; negative where `a` is better."""

    a: str
    b: str
    split: str
    estimate: Estimate

    @property
    def decided(self) -> bool:
        """Whether the interval excludes zero."""
        low, high = self.estimate.low, self.estimate.high
        return bool(low > 0 or high < 0)


@dataclass(frozen=True)
class Comparison:
    """The ablation's tables."""

    arms: tuple[ArmResult, ...]
    baselines: tuple[ArmResult, ...]
    differences: tuple[Difference, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, lists and None."""
        return {
            "arms": [_arm_json(arm) for arm in self.arms],
            "baselines": [_arm_json(arm) for arm in self.baselines],
            "differences": [
                {
                    "a": difference.a,
                    "b": difference.b,
                    "split": difference.split,
                    "difference": difference.estimate.value,
                    "interval": difference.estimate.interval,
                }
                for difference in self.differences
            ],
        }


def compare_arms(
    predictions: Predictions,
    reference: str | None = None,
    n_resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> Comparison:
    """Make the tables of an ablation.

    Parameters
    ----------
    predictions
        All arms on the same windows: a row per window of split 'cv', and a row per window and fold of 'test',
        which are averaged (their mean is what is judged).
    reference
        The arm that all others are compared with; the last one if None.
    n_resamples, seed, confidence
        Of the intervals. All figures of a split use the same resamples of patients, so differences are paired.
    """
    averaged = predictions.average()
    names = averaged.arms
    reference = reference or names[-1]
    tables = {name: averaged.select(arm=name) for name in names}
    tables |= {name: baseline(tables[names[0]], name) for name in (PRIOR, UNIFORM)}
    results, resampled, losses = [], {}, {}
    for name, table in tables.items():
        estimates: dict[str, Estimate] = {}
        for split in SPLIT_WORDS:
            part = table.select(split=split)
            if not len(part):
                continue
            # Rows in one order for all arms, so that differences are of the same windows.
            part = Predictions(part.frame.sort_values("window_id").reset_index(drop=True))
            kl = kl_divergence(part.votes, part.probabilities)
            bootstrap = PatientBootstrap(part.patients, part.weights, n_resamples, seed, confidence)
            losses[name, split] = (kl, bootstrap)
            resampled[name, split] = bootstrap.means(kl)[:, 0]
            estimates[split] = bootstrap.mean(kl)
        results.append(_result(name, table, estimates, resampled, (n_resamples, seed, confidence)))
    differences = []
    for split in SPLIT_WORDS:
        for other in (reference, PRIOR):
            for name in names:
                if name != other and (name, split) in losses:
                    own, bootstrap = losses[name, split]
                    estimate = bootstrap.mean(own - losses[other, split][0])
                    differences.append(Difference(name, other, split, estimate))
    return Comparison(tuple(results[:-2]), tuple(results[-2:]), tuple(differences))


def baseline(table: Predictions, name: str) -> Predictions:
    """Return predictions that do not look at the EEG, for the windows of a table.

    Parameters
    ----------
    table
        One arm, a row per window, with the folds of split 'cv'.
    name
        'uniform': one sixth each; 'prior': the mean distribution of votes, each EEG weighing the same, over the
        cross-validation windows of the other folds (for 'test': of all folds), with one more window of
        one sixth each, so that no pattern has probability zero.
    """
    frame = table.frame.copy()
    probabilities = np.full((len(frame), N_PATTERNS), 1 / N_PATTERNS)
    if name == PRIOR:
        shares = distribution(table.votes) * table.weights[:, None]
        cv = (frame["split"] == "cv").to_numpy()
        fold = frame["fold"].to_numpy()
        for own in set(fold):
            seen = cv & ((fold != own) if (cv & (fold == own)).any() else True)
            total = shares[seen].sum(axis=0) + 1 / N_PATTERNS
            probabilities[fold == own] = total / total.sum()
        if (~cv).any():
            total = shares[cv].sum(axis=0) + 1 / N_PATTERNS
            probabilities[~cv] = total / total.sum()
    frame[list(PROBABILITY_COLUMNS)] = probabilities
    frame["arm"] = name
    return Predictions(frame)


def _result(
    name: str,
    table: Predictions,
    estimates: dict[str, Estimate],
    resampled: dict[tuple[str, str], Floats],
    options: tuple[int, int, float],
) -> ArmResult:
    evaluations = {}
    if name not in (PRIOR, UNIFORM):
        evaluations = {split: evaluate(table.select(split=split), *options) for split in estimates}
    difference = None
    if "test" in estimates:
        # Test patients are others than those of cross-validation, so the two are resampled on their own: the
        # test's resamples are turned round, or the same seed would tie them together.
        between = resampled[name, "test"][::-1] - resampled[name, "cv"]
        tail = (1 - options[2]) / 2
        low, high = np.quantile(between, [tail, 1 - tail])
        value = estimates["test"].value - estimates["cv"].value
        difference = Estimate(value, float(low), float(high))
    return ArmResult(name, estimates["cv"], estimates.get("test"), difference, evaluations)


def _arm_json(arm: ArmResult) -> dict[str, Any]:
    return {
        "name": arm.name,
        "cv_kl": arm.cv.value,
        "cv_kl_interval": arm.cv.interval,
        "test_kl": arm.test.value if arm.test else None,
        "test_kl_interval": arm.test.interval if arm.test else None,
        "test_minus_cv": arm.difference.value if arm.difference else None,
        "test_minus_cv_interval": arm.difference.interval if arm.difference else None,
        **({"per_split": {split: e.to_json() for split, e in arm.evaluations.items()}} if arm.evaluations else {}),
    }


def best(arms: Sequence[ArmResult]) -> ArmResult:
    """Return the arm with the lowest cross-validation KL."""
    return min(arms, key=lambda arm: arm.cv.value)
