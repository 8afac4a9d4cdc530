"""The results of comparing arms: figures of each arm, differences, and what joint training gains."""

from dataclasses import dataclass, field
from typing import Any

from ictal.core.summary_table import SummaryTable, html_of
from ictal.evaluation.bootstrap import Estimate
from ictal.evaluation.differences import Difference
from ictal.evaluation.evaluate import Evaluation
from ictal.evaluation.variance import VarianceSplit
from ictal.evaluation.vote_likelihood import PanelLikelihood


@dataclass(frozen=True)
class ArmResult:
    """The figures of one arm or baseline.

    Attributes
    ----------
    name
        Its name.
    cv, test
        Mean Kullback-Leibler (KL) divergence in cross-validation and test; `test` is None if no patients are held
        out.
    difference
        KL in the test minus KL in cross-validation (the study's "CV score difference").
    evaluations
        All other figures, by split.
    calibrated
        KL in cross-validation after calibrations that were fitted on the other folds, by name of the calibration;
        empty for baselines.
    variance, panel
        In cross-validation: the sources of uncertainty, and the likelihood of the votes; None for baselines.
    reliability
        In cross-validation, for each bin of confidence: mean confidence in the most probable pattern, and how often
        it is right.
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
    """What joint training gains over averaging, in cross-validation.

    Attributes
    ----------
    of_average, of_joint
        Mean KL of the branches minus KL of the average, and minus KL of the jointly trained arm.
    pair
        The joint arm minus the average, as in the table of differences; the branches cancel out.
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
    """The share of the way from the prior's KL to the floor that an arm covers: 0 at the prior, 1 at the floor.

    The estimate is None if the data do not distinguish prior and floor.
    """

    arm: str
    split: str
    estimate: Estimate | None


@dataclass(frozen=True)
class Comparison:
    """The tables of an ablation.

    Attributes
    ----------
    arms, baselines
        The figures of each.
    differences
        Between pairs of arms, which form one family of tests per split, and from arms to baselines, which form
        another.
    reference
        The arm with which reports compare the others.
    interactions
        One per jointly trained arm.
    ensembles
        The weights of the parts of each weighted average, by fold.
    floor, ways
        If the distribution behind the votes is known: the figures of a predictor that returns it, which no model can
        beat except by chance, and how close each arm comes.
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
        """Arms, baselines and floor, in the order of a table."""
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
        """Return the differences between arms."""
        names = {arm.name for arm in self.arms}
        return tuple(d for d in self.differences if d.split == split and d.b in names)

    def to_reference(self, split: str) -> tuple[Difference, ...]:
        """Return the differences between each arm and the reference."""
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
