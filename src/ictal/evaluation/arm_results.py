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
