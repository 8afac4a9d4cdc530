"""Compare the arms of an ablation: the KL of each, baselines, and paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from ictal.core.predictions import SPLITS, Predictions
from ictal.evaluation.arm_results import ArmResult, Comparison, Interaction, Way
from ictal.evaluation.baselines import FLOOR, PRIOR, UNIFORM, baseline, floor
from ictal.evaluation.bootstrap import Estimate, PatientBootstrap, ResamplingSettings
from ictal.evaluation.calibration import calibrated_kl
from ictal.evaluation.differences import Difference, paired_differences
from ictal.evaluation.evaluate import bootstrap_of, evaluate_with
from ictal.evaluation.metric_table import Measured, measure_table, reliability_estimates
from ictal.evaluation.metrics import kl_divergence
from ictal.evaluation.reliability import reliability_curve
from ictal.evaluation.variance import split_variance
from ictal.evaluation.vote_likelihood import panel_likelihood

Floats = npt.NDArray[np.float64]


class ArmComparisonSettings(ResamplingSettings):
    """How arms are compared.

    All figures of a split use the same resamples of patients, so differences are paired.

    Attributes
    ----------
    averages
        The parts of each arm that is a plain average.
    joint
        For each arm that is trained jointly, the average that it is compared with. This must be the reference or all
        pairs must be compared, and the parts of the average must be among the arms.
    ensembles
        The fitted weights of each weighted average, by fold; they are copied to the result.
    all_pairs
        Compare all pairs of arms instead of each arm with the reference only.
    n_resamples, seed, confidence
        See `ResamplingSettings`.
    """

    averages: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    joint: dict[str, str] = Field(default_factory=dict)
    ensembles: dict[str, dict[str, list[float]]] = Field(default_factory=dict)
    all_pairs: bool = True


def compare_arms(
    predictions: Predictions,
    reference: str | None = None,
    settings: ArmComparisonSettings | None = None,
    *,
    truth: pd.DataFrame | None = None,
    **changes: Any,
) -> Comparison:
    """Compare arms on the same windows and seeds.

    Parameters
    ----------
    predictions
        All arms: a row per window of split 'cv', and a row per window and fold of 'test'. The folds of 'test' are
        averaged, and their mean is evaluated. With several seeds, a figure is the average over models of one seed.
    reference
        The arm that all others are compared with; the last one if None.
    settings
        How they are compared; defaults if None.
    truth
        The distribution behind the votes of each window, if it is known: `TRUE_COLUMNS`, by window_id.
    **changes
        Single fields of `settings` to change.
    """
    settings = (settings or ArmComparisonSettings()).changed(changes)
    averaged = predictions.average()
    names = averaged.arms
    reference = reference or names[-1]
    tables = {name: averaged.select(arm=name) for name in names}
    first = tables[names[0]]
    tables |= {name: baseline(first, name) for name in (PRIOR, UNIFORM)}
    if truth is not None:
        tables[FLOOR] = floor(first, truth)
    present = [split for split in SPLITS if (averaged.frame["split"] == split).any()]
    splits = {split: _measure_split(split, tables, settings) for split in present}
    results = {name: _result(name, splits, is_arm=name in names) for name in tables}
    pairs = _pairs(names, reference, settings.all_pairs)
    to_baselines = [(name, other) for other in (PRIOR, UNIFORM) for name in names]
    # Each list of pairs is a separate family of tests.
    differences = [d for split in splits.values() for family in (pairs, to_baselines) for d in split.compare(family)]
    return Comparison(
        arms=tuple(results[name] for name in names),
        baselines=tuple(results[name] for name in (PRIOR, UNIFORM)),
        differences=tuple(differences),
        reference=reference,
        interactions=_interactions(splits["cv"], differences, settings),
        ensembles=settings.ensembles,
        floor=results.get(FLOOR),
        ways=tuple(Way(name, key, split.way(name)) for key, split in splits.items() for name in names)
        if truth is not None
        else (),
    )


@dataclass(frozen=True)
class _Split:
    """One split: resamples that all figures share, and the tables, losses and measures of each predictor.

    Rows have the same order for all predictors, so that differences are of the same windows.
    """

    name: str
    bootstrap: PatientBootstrap
    tables: Mapping[str, Predictions]
    losses: Mapping[str, Floats]
    measured: Mapping[str, Mapping[str, Measured]]

    def compare(self, pairs: Sequence[tuple[str, str]]) -> tuple[Difference, ...]:
        """Return the differences of pairs, which are one family of tests."""
        seeds = next(iter(self.tables.values())).seeds
        return paired_differences(pairs, self.losses, self.measured, self.bootstrap, self.name, seeds)

    def way(self, arm: str) -> Estimate | None:
        """Return the share of the way from the prior's KL to the floor; None if the data do not distinguish them."""
        prior, floor = self.losses[PRIOR], self.losses[FLOOR]
        whole = self.bootstrap.mean(prior - floor)
        if not whole.low > 0:
            return None
        gain = prior - self.losses[arm]
        resampled = self.bootstrap.means(np.stack([gain, prior - floor], axis=1))
        share = self.bootstrap.mean(gain).value / whole.value
        return self.bootstrap.estimate(share, resampled[:, 0] / resampled[:, 1])


def _measure_split(split: str, tables: Mapping[str, Predictions], settings: ResamplingSettings) -> _Split:
    parts = {name: _sorted(table.select(split=split)) for name, table in tables.items()}
    bootstrap = bootstrap_of(parts[PRIOR], settings.n_resamples, settings.seed, settings.confidence)
    losses = {name: kl_divergence(part.votes, part.probabilities) for name, part in parts.items()}
    measured = {name: measure_table(bootstrap, part.votes, part.probabilities) for name, part in parts.items()}
    return _Split(split, bootstrap, parts, losses, measured)


def _sorted(table: Predictions) -> Predictions:
    return Predictions(table.frame.sort_values(["window_id", "seed"]).reset_index(drop=True))


def _result(name: str, splits: Mapping[str, _Split], *, is_arm: bool) -> ArmResult:
    evaluations = {
        key: evaluate_with(split.bootstrap, split.tables[name], split.measured[name]) for key, split in splits.items()
    }
    kl = {key: evaluation.kl for key, evaluation in evaluations.items()}
    difference = None
    if "test" in splits:
        # Test patients differ from those of cross-validation, so the two are resampled independently: one is
        # reversed, because the same seed would pair them.
        cv, test = (splits[key].measured[name]["kl"].resampled for key in SPLITS)
        difference = splits["test"].bootstrap.estimate(kl["test"].value - kl["cv"].value, test[::-1] - cv)
    details = _details(splits["cv"], name) if is_arm else {}
    return ArmResult(name, kl["cv"], kl.get("test"), difference, evaluations, **details)


def _details(split: _Split, name: str) -> dict[str, Any]:
    """Return the further figures of an arm in cross-validation; baselines have none."""
    bootstrap, table = split.bootstrap, split.tables[name]
    folds, votes, probabilities = table.folds, table.votes, table.probabilities
    several = len(np.unique(folds)) > 1
    return {
        "calibrated": calibrated_kl(bootstrap, votes, probabilities, folds),
        "variance": split_variance(split.losses[name], table.seeds, folds, bootstrap),
        "panel": panel_likelihood(bootstrap, votes, probabilities, folds, table.concentrations) if several else None,
        "reliability": tuple(
            zip(
                reliability_curve(votes, probabilities, bootstrap.weights).confidence.tolist(),
                reliability_estimates(bootstrap, votes, probabilities),
                strict=True,
            )
        ),
    }


def _pairs(names: Sequence[str], reference: str, all_pairs: bool) -> list[tuple[str, str]]:
    """Return every pair of arms once: the reference is second; without it, the arm that is named first."""
    if not all_pairs:
        return [(name, reference) for name in names if name != reference]
    return [(b, a) if a == reference else (a, b) if b == reference else (b, a) for a, b in combinations(names, 2)]


def _interactions(
    split: _Split, differences: Sequence[Difference], settings: ArmComparisonSettings
) -> tuple[Interaction, ...]:
    """Return an interaction for each arm that is trained jointly and whose average's parts are all present."""
    found = []
    for pair in differences:
        parts = settings.averages.get(pair.b)
        joint = pair.split == split.name and settings.joint.get(pair.a) == pair.b
        if joint and parts and {*parts} <= {*split.losses}:
            branches = np.mean([split.losses[part] for part in parts], axis=0)
            of_average, of_joint = (split.bootstrap.mean(branches - split.losses[arm]) for arm in (pair.b, pair.a))
            found.append(Interaction(of_average, of_joint, pair))
    return tuple(found)
