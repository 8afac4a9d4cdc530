"""The ablation: every arm's KL in cross-validation and test, baselines, and paired differences."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.evaluation.metrics import kl_divergence
from ictal.evaluation.resampling import Estimate, PatientBootstrap
from ictal.evaluation.tables import Evaluation, bootstrap_of, evaluate_with
from ictal.labels import N_PATTERNS, TRUE_COLUMNS, distribution
from ictal.predictions import PROBABILITY_COLUMNS, SPLITS, Predictions

Floats = npt.NDArray[np.float64]

PRIOR, UNIFORM, FLOOR = "prior", "uniform", "floor"


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
        Everything else, per split.
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
        return self.estimate.excludes_zero


@dataclass(frozen=True)
class Way:
    """How much of the way from the prior's KL to the floor an arm has gone: 0 at the prior, 1 at the floor.

    There is no estimate where the data do not tell prior and floor apart, so that there is no way to go.
    """

    arm: str
    split: str
    estimate: Estimate | None


@dataclass(frozen=True)
class Comparison:
    """The ablation's tables.

    Attributes
    ----------
    arms, baselines
        Figures of each.
    differences
        Of the arms to the reference and to the baselines.
    floor, ways
        Where the distribution behind the votes is known: the figures of a predictor that answers with it, which none
        can beat but by luck, and how near each arm comes.
    """

    arms: tuple[ArmResult, ...]
    baselines: tuple[ArmResult, ...]
    differences: tuple[Difference, ...]
    floor: ArmResult | None = None
    ways: tuple[Way, ...] = ()

    @property
    def rows(self) -> tuple[ArmResult, ...]:
        """Arms, baselines and floor, as a table lists them."""
        return (*self.arms, *self.baselines, *([self.floor] if self.floor else []))

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, lists and None."""
        return {
            "arms": [_arm_json(arm) for arm in self.arms],
            "baselines": [_arm_json(arm) for arm in self.baselines],
            "floor": _arm_json(self.floor) if self.floor else None,
            "way_to_floor": [
                {
                    "arm": way.arm,
                    "split": way.split,
                    "share": way.estimate.value if way.estimate else None,
                    "interval": way.estimate.interval if way.estimate else None,
                }
                for way in self.ways
            ],
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
    truth: pd.DataFrame | None = None,
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
    truth
        The distribution behind the votes of each window, where it is known: `TRUE_COLUMNS`, by window_id.
    """
    averaged = predictions.average()
    names = averaged.arms
    reference = reference or names[-1]
    tables = {name: averaged.select(arm=name) for name in names}
    tables |= {name: baseline(tables[names[0]], name) for name in (PRIOR, UNIFORM)}
    if truth is not None:
        tables[FLOOR] = _floor(tables[names[0]], truth)
    splits = [split for split in SPLITS if (averaged.frame["split"] == split).any()]
    # Rows in one order for all arms, so that differences are of the same windows.
    parts = {(name, split): _sorted(tables[name].select(split=split)) for name in tables for split in splits}
    losses = {key: kl_divergence(part.votes, part.probabilities) for key, part in parts.items()}
    bootstraps = {split: bootstrap_of(parts[PRIOR, split], n_resamples, seed, confidence) for split in splits}
    results = {}
    for name in tables:
        of_split = {split: bootstraps[split].mean(losses[name, split]) for split in splits}
        evaluations = {split: evaluate_with(bootstraps[split], parts[name, split]) for split in splits}
        difference = None
        if "test" in splits:
            # Test patients are others than those of cross-validation, so the two are resampled apart: one is
            # turned round, or the same seed would tie them together.
            cv, test = (bootstraps[split].means(losses[name, split])[:, 0] for split in SPLITS)
            value = of_split["test"].value - of_split["cv"].value
            difference = bootstraps["test"].estimate(value, test[::-1] - cv)
        results[name] = ArmResult(name, of_split["cv"], of_split.get("test"), difference, evaluations)
    differences = [
        Difference(name, other, split, bootstraps[split].mean(losses[name, split] - losses[other, split]))
        for split in splits
        for other in (reference, PRIOR, UNIFORM)
        for name in names
        if name != other
    ]
    ways = [
        Way(name, split, _way(bootstraps[split], *(losses[key, split] for key in (name, PRIOR, FLOOR))))
        for split in splits
        for name in names
        if truth is not None
    ]
    arms, baselines = ([results[name] for name in chosen] for chosen in (names, (PRIOR, UNIFORM)))
    return Comparison(tuple(arms), tuple(baselines), tuple(differences), results.get(FLOOR), tuple(ways))


def _way(bootstrap: PatientBootstrap, arm: Floats, prior: Floats, floor: Floats) -> Estimate | None:
    """Return the share of the way from prior to floor, by the losses of each window."""
    whole = bootstrap.mean(prior - floor)
    if not whole.low > 0:
        return None
    gone = bootstrap.mean(prior - arm)
    resampled = bootstrap.means(np.stack([prior - arm, prior - floor], axis=1))
    return bootstrap.estimate(gone.value / whole.value, resampled[:, 0] / resampled[:, 1])


def _floor(table: Predictions, truth: pd.DataFrame) -> Predictions:
    """Return what a predictor would say that knows the distribution behind the votes."""
    frame = table.frame.copy()
    frame[list(PROBABILITY_COLUMNS)] = truth.loc[frame["window_id"], list(TRUE_COLUMNS)].to_numpy()
    frame["arm"] = FLOOR
    return Predictions(frame)


def _sorted(table: Predictions) -> Predictions:
    return Predictions(table.frame.sort_values("window_id").reset_index(drop=True))


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
        cv, fold = (frame["split"] == "cv").to_numpy(), frame["fold"].to_numpy()
        for own in {*fold[cv], None}:  # None: the test windows, which no fold has seen
            judged = ~cv if own is None else cv & (fold == own)
            total = shares[cv & ~judged].sum(axis=0) + 1 / N_PATTERNS
            probabilities[judged] = total / total.sum()
    frame[list(PROBABILITY_COLUMNS)] = probabilities
    frame["arm"] = name
    return Predictions(frame)


def _arm_json(arm: ArmResult) -> dict[str, Any]:
    return {
        "name": arm.name,
        "cv_kl": arm.cv.value,
        "cv_kl_interval": arm.cv.interval,
        "test_kl": arm.test.value if arm.test else None,
        "test_kl_interval": arm.test.interval if arm.test else None,
        "test_minus_cv": arm.difference.value if arm.difference else None,
        "test_minus_cv_interval": arm.difference.interval if arm.difference else None,
        "per_split": {split: evaluation.to_json() for split, evaluation in arm.evaluations.items()},
    }
