"""The ablation: every arm's KL in cross-validation and test, baselines, and paired differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.core.labels import N_PATTERNS, TRUE_COLUMNS, distribution
from ictal.core.predictions import PROBABILITY_COLUMNS, SPLITS, Predictions
from ictal.core.summary_table import SummaryTable, html_of
from ictal.evaluation.bootstrap import Estimate, PatientBootstrap
from ictal.evaluation.calibration import calibrated_kl
from ictal.evaluation.differences import Difference, paired_differences
from ictal.evaluation.metric_table import measure_table, reliability_estimates
from ictal.evaluation.metrics import kl_divergence
from ictal.evaluation.reliability import reliability_curve
from ictal.evaluation.tables import Evaluation, bootstrap_of, evaluate_with
from ictal.evaluation.variance import VarianceSplit, split_variance
from ictal.evaluation.vote_likelihood import PanelLikelihood, panel_likelihood

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
    calibrated
        Cross-validation KL after a calibration that was fitted on the other folds, by its name; empty for baselines.
    variance, panel
        Of cross-validation: where the uncertainty comes from, and the likelihood of the votes; None for baselines.
    reliability
        Of cross-validation: mean confidence in the most probable pattern and how often it was right, by bins.
    """

    name: str
    cv: Estimate
    test: Estimate | None
    difference: Estimate | None
    evaluations: dict[str, Evaluation]
    calibrated: dict[str, Estimate] = field(default_factory=dict)
    variance: VarianceSplit | None = None
    panel: PanelLikelihood | None = None
    reliability: tuple[tuple[float, Estimate], ...] = ()


@dataclass(frozen=True)
class Interaction:
    """What joint training gains beyond averaging, in cross-validation.

    Attributes
    ----------
    of_average, of_joint
        How much lower the KL of the average, and that of the arm that is trained jointly, is than the branches' mean.
    pair
        The joint arm minus the average, as it stands among the differences: the branches cancel.
    """

    of_average: Estimate
    of_joint: Estimate
    pair: Difference

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, lists and None."""
        return {
            "joint": self.pair.a,
            "average": self.pair.b,
            "gain_of_average": [self.of_average.value, self.of_average.interval],
            "gain_of_joint": [self.of_joint.value, self.of_joint.interval],
            "joint_minus_average": self.pair.to_json(),
        }


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
        Of pairs of arms, which are one family of tests per split, and of the arms to the baselines, another one.
    reference
        The arm that reports compare the others with.
    interactions
        One per arm that is trained jointly.
    ensembles
        Of each weighted average, the weights of its parts in each fold.
    floor, ways
        Where the distribution behind the votes is known: the figures of a predictor that answers with it, which none
        can beat but by luck, and how near each arm comes.
    """

    arms: tuple[ArmResult, ...]
    baselines: tuple[ArmResult, ...]
    differences: tuple[Difference, ...]
    reference: str
    interactions: tuple[Interaction, ...] = ()
    ensembles: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    floor: ArmResult | None = None
    ways: tuple[Way, ...] = ()

    @property
    def rows(self) -> tuple[ArmResult, ...]:
        """Arms, baselines and floor, as a table lists them."""
        return (*self.arms, *self.baselines, *([self.floor] if self.floor else []))

    def summary(self, title: str = "KL (lower is better)", *, with_test: bool = True) -> SummaryTable:
        """Return the table of arms, baselines and floor."""
        rows = []
        for arm in self.rows:
            gap = f"{arm.difference.value:+.3f}" if arm.difference else "–"
            rows.append((arm.name, str(arm.cv), *((str(arm.test or "–"), gap) if with_test else ())))
        columns = ("arm", "cross-validation", *(("held-out test", "test − c.-v.") if with_test else ()))
        minor = frozenset(range(len(self.arms), len(rows)))
        return SummaryTable(columns, tuple(rows), title, minor, min_width=9)

    def _repr_html_(self) -> str:
        return html_of(self.summary())

    def between(self, split: str = "cv") -> tuple[Difference, ...]:
        """Return the differences of pairs of arms."""
        names = {arm.name for arm in self.arms}
        return tuple(d for d in self.differences if d.split == split and d.b in names)

    def to_reference(self, split: str) -> tuple[Difference, ...]:
        """Return the differences of the arms to the reference."""
        return tuple(d for d in self.between(split) if d.b == self.reference)

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
            "reference": self.reference,
            "differences": [difference.to_json() for difference in self.differences],
            "interactions": [interaction.to_json() for interaction in self.interactions],
            "ensembles": self.ensembles,
        }


def compare_arms(
    predictions: Predictions,
    reference: str | None = None,
    n_resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
    truth: pd.DataFrame | None = None,
    averages: Mapping[str, Sequence[str]] | None = None,
    joint: Mapping[str, str] | None = None,
    ensembles: Mapping[str, dict[str, list[float]]] | None = None,
    all_pairs: bool = True,
) -> Comparison:
    """Make the tables of an ablation.

    Parameters
    ----------
    predictions
        All arms on the same windows and seeds: a row per window of split 'cv', and a row per window and fold of
        'test', which are averaged (their mean is what is judged). With several seeds, what is judged is a model of
        one seed, on average.
    reference
        The arm that all others are compared with; the last one if None.
    n_resamples, seed, confidence
        Of the intervals. All figures of a split use the same resamples of patients, so differences are paired.
    truth
        The distribution behind the votes of each window, where it is known: `TRUE_COLUMNS`, by window_id.
    averages
        The parts of arms that are plain averages.
    joint
        The average to which an arm that is trained jointly is compared, which must be the reference; its parts must
        be among the arms.
    ensembles
        Of averages whose weights were fitted, these weights by fold; they go into the result as they are.
    all_pairs
        Whether all pairs of arms are compared, or each arm with the reference alone.
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
    measured = {key: measure_table(bootstraps[key[1]], part.votes, part.probabilities) for key, part in parts.items()}
    results = {}
    for name in tables:
        evaluations = {
            split: evaluate_with(bootstraps[split], parts[name, split], measured[name, split]) for split in splits
        }
        of_split = {split: evaluation.kl for split, evaluation in evaluations.items()}
        difference = None
        if "test" in splits:
            # Test patients are others than those of cross-validation, so the two are resampled apart: one is
            # turned round, or the same seed would tie them together.
            cv, test = (measured[name, split]["kl"].resampled for split in SPLITS)
            value = of_split["test"].value - of_split["cv"].value
            difference = bootstraps["test"].estimate(value, test[::-1] - cv)
        more = _of_arm(bootstraps["cv"], parts[name, "cv"], losses[name, "cv"]) if name in names else {}
        results[name] = ArmResult(name, of_split["cv"], of_split.get("test"), difference, evaluations, **more)
    differences = [
        difference
        for split in splits
        for pairs in (
            _pairs(names, reference, all_pairs),
            [(name, other) for other in (PRIOR, UNIFORM) for name in names],
        )
        for difference in paired_differences(
            pairs,
            {name: losses[name, split] for name in tables},
            {name: measured[name, split] for name in tables},
            bootstraps[split],
            split,
            parts[names[0], split].seeds,
        )
    ]
    interactions = [
        _interaction(bootstraps["cv"], pair, {name: losses[name, "cv"] for name in names}, averages[pair.b])
        for pair in differences
        if pair.split == "cv" and (joint or {}).get(pair.a) == pair.b and averages and {*averages[pair.b]} <= {*names}
    ]
    ways = [
        Way(name, split, _way(bootstraps[split], *(losses[key, split] for key in (name, PRIOR, FLOOR))))
        for split in splits
        for name in names
        if truth is not None
    ]
    arms, baselines = ([results[name] for name in chosen] for chosen in (names, (PRIOR, UNIFORM)))
    return Comparison(
        tuple(arms),
        tuple(baselines),
        tuple(differences),
        reference,
        tuple(interactions),
        dict(ensembles or {}),
        results.get(FLOOR),
        tuple(ways),
    )


def _pairs(names: Sequence[str], reference: str, all_pairs: bool) -> list[tuple[str, str]]:
    """Return every pair of arms once; those with the reference have it second, others the earlier one."""
    if not all_pairs:
        return [(name, reference) for name in names if name != reference]
    return [(b, a) if a == reference else (a, b) if b == reference else (b, a) for a, b in combinations(names, 2)]


def _of_arm(bootstrap: PatientBootstrap, table: Predictions, losses: Floats) -> dict[str, Any]:
    """Return what else is asked of an arm in cross-validation."""
    folds, votes, probabilities = table.folds, table.votes, table.probabilities
    several = len(np.unique(folds)) > 1
    return {
        "calibrated": calibrated_kl(bootstrap, votes, probabilities, folds),
        "variance": split_variance(losses, table.seeds, folds, bootstrap),
        "panel": panel_likelihood(bootstrap, votes, probabilities, folds, table.concentrations) if several else None,
        "reliability": tuple(
            zip(
                reliability_curve(votes, probabilities, bootstrap.weights).confidence.tolist(),
                reliability_estimates(bootstrap, votes, probabilities),
                strict=True,
            )
        ),
    }


def _interaction(
    bootstrap: PatientBootstrap, pair: Difference, losses: Mapping[str, Floats], branches: Sequence[str]
) -> Interaction:
    of_branches = np.mean([losses[branch] for branch in branches], axis=0)
    of_average, of_joint = (bootstrap.mean(of_branches - losses[arm]) for arm in (pair.b, pair.a))
    return Interaction(of_average, of_joint, pair)


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
    return Predictions(table.frame.sort_values(["window_id", "seed"]).reset_index(drop=True))


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
        "calibrated_kl": {name: [row.value, row.interval] for name, row in arm.calibrated.items()},
        "variance": arm.variance.to_json() if arm.variance else None,
        "reliability": [[confidence, right.value, right.interval] for confidence, right in arm.reliability],
        "panel_log_likelihood": arm.panel.to_json() if arm.panel else None,
        "per_split": {split: evaluation.to_json() for split, evaluation in arm.evaluations.items()},
    }
