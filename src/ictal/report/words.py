"""The tables in words: what an interval says, and what it does not."""

from ictal.evaluation import ArmResult, Difference, Way

SPLITS = {"cv": "in cross-validation", "test": "on the held-out test patients"}


def difference_in_words(difference: Difference) -> str:
    """Say who is better by how much, or that the data cannot tell."""
    estimate = difference.estimate
    where = SPLITS[difference.split]
    if estimate.interval is None:
        return f"{difference.a} against {difference.b} {where}: there are too few patients for an interval."
    low, high = estimate.interval
    interval = f"{100 * estimate.confidence:g} % interval"
    span = f"difference {estimate.value:+.3f}, {interval} {low:+.3f} to {high:+.3f}"
    if high < 0:
        return f"{difference.a} has a lower KL than {difference.b} {where} ({span})."
    if low > 0:
        return f"{difference.a} has a higher KL than {difference.b} {where} ({span})."
    return f"Between {difference.a} and {difference.b} {where} this data cannot tell ({span})."


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
