"""Intervals of few observations: tails of a bootstrap, and formulas that do not collapse at the end of a range."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, norm, t

Interval = tuple[float, float]

EDGE = 1e-12
"""Closer to an end of its range than this, a figure is taken to be there."""


@dataclass(frozen=True)
class Bounded:
    """The range of a figure, and its interval by a formula.

    A bootstrap cannot say how far a figure that every resample puts at the end of its range may be from there: 10 of
    10 right is right in every resample. Where its interval reaches an end, that of the formula takes its place.

    Attributes
    ----------
    least, most
        The range.
    low, high
        The interval by the formula.
    """

    least: float
    most: float
    low: float
    high: float

    def reached(self, low: float, high: float) -> bool:
        """Whether an interval reaches an end of the range."""
        return low <= self.least + EDGE or high >= self.most - EDGE

    def instead(self, low: float, high: float) -> Interval:
        """Return an interval, or that of the formula where it reaches an end of the range."""
        return (self.low, self.high) if self.reached(low, high) else (low, high)


def wilson(share: float, n: float, confidence: float = 0.95) -> Interval:
    """Return the score interval of a proportion (Wilson 1927).

    Parameters
    ----------
    share
        From 0 to 1.
    n
        Number of independent observations, which need not be whole.
    """
    if not n > 0:
        return 0.0, 1.0
    z2 = float(norm.ppf((1 + confidence) / 2) ** 2)
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # The ends of 0 and 1 are exact, but for rounding.
    return (0.0 if share <= 0 else float(centre - half)), (1.0 if share >= 1 else float(centre + half))


def bounded_mean(mean: float, n: float, confidence: float = 0.95, least: float = 0.0, most: float = 1.0) -> Bounded:
    """Return the interval of a mean of values from `least` to `most` as if all of them lay at the ends.

    No values of that mean vary more than those, so the interval is not too narrow.
    """
    low, high = wilson((mean - least) / (most - least), n, confidence)
    return Bounded(least, most, least + low * (most - least), least + high * (most - least))


def poisson_rate(count: float, exposure: float, confidence: float = 0.95) -> Interval:
    """Return the exact interval of a rate from a Poisson count (Garwood, *Biometrika* 1936;28:437-442).

    Parameters
    ----------
    count
        Events.
    exposure
        What they are counted in, above zero; the rate is per unit of it.
    """
    tail = (1 - confidence) / 2
    low = float(chi2.ppf(tail, 2 * count)) / 2 if count > 0 else 0.0
    return low / exposure, float(chi2.ppf(1 - tail, 2 * count + 2)) / 2 / exposure


def newcombe_auroc(auroc: float, n_positive: float, n_negative: float, confidence: float = 0.95) -> Interval:
    """Return the interval of an AUROC by method 5 of Newcombe (*Stat Med* 2006;25:559-573).

    The variance of Hanley and McNeil (1982), with the mean of both group sizes in place of either, is taken at the
    ends of the interval and not at the observed value, so that it is not zero where the value is 0 or 1.

    Parameters
    ----------
    auroc
        From 0 to 1.
    n_positive, n_negative
        Independent observations of either kind, which need not be whole.
    """
    if not (n_positive > 0 and n_negative > 0):
        return 0.0, 1.0
    z, others = float(norm.ppf((1 + confidence) / 2)), (n_positive + n_negative) / 2 - 1

    def beyond(theta: float) -> float:
        more = others * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        variance = theta * (1 - theta) * max(1 + more, 0.0) / (n_positive * n_negative)
        return float(abs(auroc - theta) - z * np.sqrt(variance))

    # Just beside the observed value the bound is not reached; at the far end of the range it is passed.
    low = brentq(beyond, 0.0, auroc - EDGE) if auroc > 10 * EDGE and beyond(auroc - EDGE) < 0 else auroc
    high = brentq(beyond, auroc + EDGE, 1.0) if auroc < 1 - 10 * EDGE and beyond(auroc + EDGE) < 0 else auroc
    return (0.0 if auroc <= EDGE else float(low)), (1.0 if auroc >= 1 - EDGE else float(high))


def square_and_add(a: float, of_a: Interval, b: float, of_b: Interval) -> Interval:
    """Return the interval of the difference a - b from those of its parts (Newcombe 1998; Zou and Donner 2008).

    It takes the parts as independent, which is too wide where they rise and fall together, as for two predictors on
    the same windows.
    """
    low = a - b - float(np.hypot(a - of_a[0], of_b[1] - b))
    high = a - b + float(np.hypot(of_a[1] - a, b - of_b[0]))
    return low, high


def expanded_tail(n_effective: float, confidence: float) -> float:
    """Return which share of the resampled values lies beyond each end of an interval.

    Percentiles of a bootstrap are too narrow where patients are few: resamples vary (n - 1) / n as much as samples
    do, and know nothing of the uncertainty of their own spread. The expanded percentile interval makes up for both
    (Hesterberg, *Am Stat* 2015;69:371-386); n is the effective number, since unequal patients tell less.
    """
    n = n_effective
    return float(norm.cdf(np.sqrt(n / (n - 1)) * t.ppf((1 - confidence) / 2, n - 1)))
