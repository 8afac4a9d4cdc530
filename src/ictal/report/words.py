"""The tables in words: what an interval says, and what it does not."""

from collections.abc import Sequence

from ictal.evaluation import ArmResult, Comparison, Difference, Interaction, LearningCurve, TableComparison, Way

SPLITS = {"cv": "in cross-validation", "test": "on the held-out test patients"}


def difference_in_words(difference: Difference) -> str:
    """Say who is better by how much, or that the data cannot tell."""
    estimate = difference.estimate
    where = SPLITS[difference.split]
    if estimate.interval is None:
        return f"{difference.a} against {difference.b} {where}: there are too few patients for an interval."
    span = _span(difference)
    if not difference.decided:
        return f"Between {difference.a} and {difference.b} {where} this data cannot tell ({span})."
    sign = "lower" if estimate.value < 0 else "higher"
    return f"{difference.a} has a {sign} KL than {difference.b} {where} ({span})."


def verdict_of_arms(comparison: Comparison, split: str = "cv") -> str:
    """Say in a paragraph which arm is best, which others it cannot be told from, and what joint training gains."""
    pairs = comparison.between(split)
    if not pairs:
        return "One arm alone has nothing to be compared with."
    where = SPLITS[split]
    best = min(comparison.arms, key=lambda arm: getattr(arm, split).value)
    own = [pair for pair in pairs if best.name in (pair.a, pair.b)]
    beaten = [pair for pair in own if pair.decided]
    tied = [pair for pair in own if not pair.decided]
    sentences = [f"Of {len(comparison.arms)} arms, {best.name} has the lowest KL {where}: {getattr(best, split)}."]
    if beaten:
        names = _others(beaten, best.name)
        sentences.append(f"That is lower than that of {names}, after correction for all {len(pairs)} pairs of arms.")
    if tied:
        least = max(pair.detectable for pair in tied)
        sentences.append(
            f"From {_others(tied, best.name)} these data cannot tell it; a difference of {least:.3f} or more would "
            "have been seen in four of five such studies, correction included."
        )
    sentences += [interaction_in_words(interaction) for interaction in comparison.interactions if split == "cv"]
    return " ".join(sentences)


def _others(pairs: Sequence[Difference], name: str) -> str:
    names = [pair.b if pair.a == name else pair.a for pair in pairs]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def interaction_in_words(interaction: Interaction) -> str:
    """Say whether joint training gains more than averaging, or that the data cannot tell."""
    pair = interaction.pair
    start = (
        f"Against its branches alone, averaging changes the KL by {-interaction.of_average.value:+.3f} and joint "
        f"training ({pair.a}) by {-interaction.of_joint.value:+.3f}"
    )
    if pair.estimate.interval is None:
        return f"{start}; there are too few patients to compare the two."
    span = _span(pair)
    if not pair.decided:
        return f"{start}: which gains more these data cannot tell ({span})."
    return f"{start}: {'joint training' if pair.estimate.value < 0 else 'averaging'} gains more ({span})."


def verdict_in_words(comparison: TableComparison) -> str:
    """Say in a paragraph which tables are better than which, and where the data cannot tell."""
    if not comparison.differences:
        return "One table alone has nothing to be compared with."
    sentences = []
    for difference in comparison.differences:
        estimate, pair = difference.estimate, f"{difference.a} and {difference.b}"
        if estimate.interval is None:
            sentences.append(f"Between {pair} nothing can be said: there are too few patients for an interval.")
            continue
        span = _span(difference)
        if difference.decided:
            better, other = (difference.a, difference.b) if estimate.value < 0 else (difference.b, difference.a)
            sentences.append(f"{better} has a lower KL than {other} ({span}).")
        else:
            sentences.append(
                f"Between {pair} this data cannot tell ({span}); it would have shown a "
                f"difference of {difference.detectable:.3f} or more in four of five such studies."
            )
    return " ".join(sentences)


def _span(difference: Difference) -> str:
    estimate = difference.estimate
    interval = f"{100 * estimate.confidence:g} % interval {estimate.low:+.3f} to {estimate.high:+.3f}"
    return f"difference {estimate.value:+.3f}, {interval}; p {difference.p_holm:.2g} after correction"


def way_in_words(way: Way) -> str:
    """Say how much of the way from the prior to the floor an arm has gone."""
    where = SPLITS[way.split]
    if way.estimate is None:
        return f"{way.arm} {where}: prior and floor are too near to each other to say how far it has come."
    text = f"{way.arm} has gone {way.estimate.value:.0%} of the way from prior to floor {where}"
    if way.estimate.interval is None:
        return f"{text}; there are too few patients for an interval."
    low, high = way.estimate.interval
    return f"{text} ({100 * way.estimate.confidence:g} % interval {low:.0%} to {high:.0%})."


def curve_in_words(curve: LearningCurve) -> list[str]:
    """Say of each arm whether more training patients would help, judging by the last step of its learning curve."""
    sentences = []
    for arm in curve.arms:
        *_, last = curve.of_arm(arm)
        if last.gain is None or last.gain.interval is None:
            sentences.append(f"{arm}: there are too few patients for a learning curve.")
            continue
        fewer = curve.of_arm(arm)[-2].n_patients
        low, high = -last.gain.high, -last.gain.low
        told = (
            f"From {fewer} to {last.n_patients} training patients the KL of {arm} changes by {-last.gain.value:+.3f} "
            f"({100 * last.gain.confidence:g} % interval {low:+.3f} to {high:+.3f})"
        )
        verdict = (
            "it still falls, so that more patients are likely to lower it further"
            if low < 0 and high < 0
            else "these data do not show that more patients would lower it"
        )
        sentences.append(f"{told}: {verdict}.")
    return sentences


def gap_in_words(arm: ArmResult) -> str:
    """Say how the test KL compares with that of cross-validation."""
    if arm.difference is None:
        return f"{arm.name}: no held-out test."
    sign = "higher" if arm.difference.value > 0 else "lower"
    text = f"{arm.name}: {abs(arm.difference.value):.3f} {sign} on the test than in cross-validation"
    if arm.difference.interval is None:
        return f"{text}; there are too few test patients for an interval."
    low, high = arm.difference.interval
    if low <= 0 <= high:
        return f"{text}, within what other patients alone would do ({low:+.3f} to {high:+.3f})."
    return f"{text}, more than other patients alone would do ({low:+.3f} to {high:+.3f})."
