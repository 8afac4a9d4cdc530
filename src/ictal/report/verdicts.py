"""Verdicts in sentences: what the intervals show, and what they do not."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ictal.evaluation import ArmResult, Comparison, Difference, Interaction, LearningCurve, TableComparison, Way
from ictal.evaluation.bootstrap import FEW_PATIENTS
from ictal.evaluation.differences import FEWEST_SEEDS

if TYPE_CHECKING:
    from ictal.explanations.sanity import Sanity  # which needs torch

SPLITS = {"cv": "in cross-validation", "test": "on the held-out test patients"}


def difference_in_words(difference: Difference) -> str:
    """State which side has the lower KL and by how much, or that the data do not distinguish them."""
    estimate = difference.estimate
    where = SPLITS[difference.split]
    if reason := _undecidable(difference):
        return f"{difference.a} against {difference.b} {where}: {reason}."
    span = _span(difference)
    if not difference.decided:
        return f"The data do not distinguish {difference.a} and {difference.b} {where} ({span})."
    trained = f"over {difference.n_seeds} trainings each" if difference.of_arms else "as trained here"
    sign = "lower" if estimate.value < 0 else "higher"
    return f"{difference.a}, {trained}, has a {sign} KL than {difference.b} {where} ({span})."


def _undecidable(difference: Difference) -> str:
    """Return why there can be no verdict; empty if there can be one."""
    if difference.estimate.interval is None:
        return "there are too few patients for an interval"
    if difference.decidable:
        return ""
    return f"{_patients(difference.n_effective)} are too few for any verdict ({_span(difference)})"


def _patients(n_effective: float) -> str:
    return f"{n_effective:.1f}".removesuffix(".0") + " effective patients"


def patients_in_words(n_patients: int, n_effective: float) -> str:
    """State how many patients there are, and how many of equal weight would carry as much information."""
    return f"{n_patients} patients (effective number {n_effective:.1f})"


def few_patients_in_words(n_effective: float, what: str = "patients") -> str:
    """Return a warning if intervals and tests rest on too few patients; else nothing."""
    if n_effective >= FEW_PATIENTS:
        return ""
    return (
        f"Intervals and tests rest on {n_effective:.1f} effective {what}; below {FEW_PATIENTS}, do not rely on them."
    )


def scope_in_words(n_seeds: int) -> str:
    """Return whether a verdict is about arms or only about these trained networks."""
    if n_seeds >= FEWEST_SEEDS:
        return f"Intervals and tests of these differences reflect both patients and the {n_seeds} seeds of training."
    once = "once" if n_seeds == 1 else f"from {n_seeds} seeds"
    return (
        f"Each arm was trained {once}, so this holds only for these trained networks: other seeds may give "
        f"another result. A verdict about arms needs {FEWEST_SEEDS} seeds or more (--set seeds={FEWEST_SEEDS})."
    )


def verdict_of_arms(comparison: Comparison, split: str = "cv") -> str:
    """State which arm has the lowest KL, and which others the data do not distinguish from it."""
    pairs = comparison.between(split)
    if not pairs:
        return "There is only one arm, so there is no comparison."
    where, n_seeds = SPLITS[split], pairs[0].n_seeds
    best = min(comparison.arms, key=lambda arm: getattr(arm, split).value)
    own = [pair for pair in pairs if best.name in (pair.a, pair.b)]
    beaten = [pair for pair in own if pair.decided]
    tied = [pair for pair in own if not pair.decided]
    trained = "" if pairs[0].of_arms else " as trained here"
    start = f"Of {len(comparison.arms)} arms{trained}, {best.name} has the lowest KL {where}"
    sentences = [f"{start}: {getattr(best, split)}."]
    if beaten:
        names = _others(beaten, best.name)
        sentences.append(f"That is lower than that of {names}, after correction for all {len(pairs)} pairs of arms.")
    if reason := _undecidable(pairs[0]):
        sentences.append(f"There is no verdict: {reason.split(' (')[0]}.")
    elif tied:
        least = max(pair.detectable or 0.0 for pair in tied)
        sentences.append(
            f"The data do not distinguish it from {_others(tied, best.name)}; a difference of {least:.3f} or more "
            "would have been detected in four of five such studies, after correction."
        )
    sentences += [interaction_in_words(interaction) for interaction in comparison.interactions if split == "cv"]
    return " ".join([*sentences, scope_in_words(n_seeds)])


def _others(pairs: Sequence[Difference], name: str) -> str:
    names = [pair.b if pair.a == name else pair.a for pair in pairs]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def interaction_in_words(interaction: Interaction) -> str:
    """State whether joint training gained more than averaging, or that the data do not distinguish them."""
    pair = interaction.pair
    start = (
        f"Compared with single branches, averaging changed the KL by {-interaction.of_average.value:+.3f} and joint "
        f"training ({pair.a}) by {-interaction.of_joint.value:+.3f}"
    )
    if reason := _undecidable(pair):
        return f"{start}; {reason}."
    span = _span(pair)
    if not pair.decided:
        return f"{start}: the data do not show which gained more ({span})."
    return f"{start}: {'joint training' if pair.estimate.value < 0 else 'averaging'} gained more ({span})."


def verdict_in_words(comparison: TableComparison) -> str:
    """State in a paragraph which tables have the lower KL, and which ones the data do not distinguish."""
    if not comparison.differences:
        return "There is only one table, so there is no comparison."
    sentences = []
    for difference in comparison.differences:
        estimate, pair = difference.estimate, f"{difference.a} and {difference.b}"
        if reason := _undecidable(difference):
            sentences.append(f"{difference.a} against {difference.b}: {reason}.")
            continue
        span = _span(difference)
        if difference.decided:
            better, other = (difference.a, difference.b) if estimate.value < 0 else (difference.b, difference.a)
            sentences.append(f"{better} has a lower KL than {other} ({span}).")
        else:
            sentences.append(
                f"The data do not distinguish {pair} ({span}); a difference of {difference.detectable:.3f} or more "
                "would have been detected in four of five such studies."
            )
    return " ".join(
        [*sentences, "This holds for these predictions: if either model were trained again, the result may differ."]
    )


def _span(difference: Difference) -> str:
    estimate = difference.estimate
    interval = f"{100 * estimate.confidence:g} % confidence interval {estimate.low:+.3f} to {estimate.high:+.3f}"
    return f"difference {estimate.value:+.3f}, {interval}; p {difference.p_holm:.2g} after correction"


def way_in_words(way: Way) -> str:
    """State how much of the distance from the prior to the floor an arm covers."""
    where = SPLITS[way.split]
    if way.estimate is None:
        return f"{way.arm} {where}: the prior and the floor are too close to each other to place it between them."
    text = f"{way.arm} is {way.estimate.value:.0%} of the way from the prior to the floor {where}"
    if way.estimate.interval is None:
        return f"{text}; there are too few patients for an interval."
    low, high = way.estimate.interval
    return f"{text} ({100 * way.estimate.confidence:g} % confidence interval {low:.0%} to {high:.0%})."


def curve_in_words(curve: LearningCurve) -> list[str]:
    """State for each arm whether more training patients would help, by the last step of its learning curve."""
    sentences = []
    for arm in curve.arms:
        *_, last = curve.of_arm(arm)
        if last.gain is None or last.gain.interval is None:
            sentences.append(f"{arm}: there are too few patients for a learning curve.")
            continue
        fewer = curve.of_arm(arm)[-2].n_patients
        low, high = -last.gain.high, -last.gain.low
        change = (
            f"From {fewer} to {last.n_patients} training patients the KL of {arm} changes by {-last.gain.value:+.3f} "
            f"({100 * last.gain.confidence:g} % confidence interval {low:+.3f} to {high:+.3f})"
        )
        verdict = (
            "it still falls, so more patients are likely to lower it further"
            if low < 0 and high < 0
            else "these data do not show that more patients would lower it"
        )
        sentences.append(f"{change}: {verdict}.")
    return sentences


def gap_in_words(arm: ArmResult) -> str:
    """Compare the test KL with that of cross-validation."""
    if arm.difference is None:
        return f"{arm.name}: no held-out test."
    sign = "higher" if arm.difference.value > 0 else "lower"
    text = f"{arm.name}: {abs(arm.difference.value):.3f} {sign} on the test patients than in cross-validation"
    if arm.difference.interval is None:
        return f"{text}; there are too few test patients for an interval."
    low, high = arm.difference.interval
    if low <= 0 <= high:
        return f"{text}, within the variation between patients ({low:+.3f} to {high:+.3f})."
    return f"{text}, more than the variation between patients ({low:+.3f} to {high:+.3f})."


def sanity_in_words(sanity: "Sanity") -> str:
    """State whether an explanation changes when the weights are randomised."""
    verdict = (
        "it changes with the weights, as it should"
        if sanity.differs
        else "it hardly changes, so it may reflect the EEG rather than the model"
    )
    return f"Rank correlation with an explanation under random weights {sanity.correlations[-1]:+.2f}: {verdict}."
