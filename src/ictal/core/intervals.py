"""Confidence intervals for few observations: bootstrap tails, and formulas that are valid at the ends of a range."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import chi2, norm, t

Interval = tuple[float, float]

EDGE = 1e-12
"""A value closer than this to an end of its range counts as being at that end."""


@dataclass(frozen=True)
class Bounded:
    """The range of a metric, and its confidence interval from a formula.

    A bootstrap has no spread where every resample is at the end of the range: 10 of 10 correct is correct in every
    resample. If the bootstrap interval reaches an end of the range, the formula's interval replaces it.

    Attributes
    ----------
    least, most
        The range.
    low, high
        The interval from the formula.
    """

    least: float
    most: float
    low: float
    high: float

    def reached(self, low: float, high: float) -> bool:
        """Whether an interval reaches an end of the range."""
        return low <= self.least + EDGE or high >= self.most - EDGE

    def instead(self, low: float, high: float) -> Interval:
        """Return the given interval, or the formula's interval if the given one reaches an end of the range."""
        return (self.low, self.high) if self.reached(low, high) else (low, high)


def wilson(share: float, n: float, confidence: float = 0.95) -> Interval:
    """Return the score interval of a proportion (Wilson 1927).

    Parameters
    ----------
    share
        From 0 to 1.
    n
        Number of independent observations; it need not be a whole number.
    """
    if not n > 0:
        return 0.0, 1.0
    z2 = float(norm.ppf((1 + confidence) / 2) ** 2)
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    # Ends at 0 and 1 are exact but for rounding.
    return (0.0 if share <= 0 else float(centre - half)), (1.0 if share >= 1 else float(centre + half))


def bounded_mean(mean: float, n: float, confidence: float = 0.95, least: float = 0.0, most: float = 1.0) -> Bounded:
    """Return the interval of a mean of values between `least` and `most`, as if every value were at one of the ends.

    No other values with this mean vary more, so the interval is never too narrow.
    """
    low, high = wilson((mean - least) / (most - least), n, confidence)
    return Bounded(least, most, least + low * (most - least), least + high * (most - least))


def poisson_rate(count: float, exposure: float, confidence: float = 0.95) -> Interval:
    """Return the exact interval of a rate from a Poisson count (Garwood, *Biometrika* 1936;28:437-442).

    Parameters
    ----------
    count
        Number of events.
    exposure
        The time or amount in which they were counted, above zero; the rate is per unit of it.
    """
    tail = (1 - confidence) / 2
    low = float(chi2.ppf(tail, 2 * count)) / 2 if count > 0 else 0.0
    return low / exposure, float(chi2.ppf(1 - tail, 2 * count + 2)) / 2 / exposure


def newcombe_auroc(auroc: float, n_positive: float, n_negative: float, confidence: float = 0.95) -> Interval:
    """Return the interval of an area under the ROC curve (AUROC) by Newcombe's method 5 (*Stat Med* 2006;25:559-573).

    It evaluates the variance of Hanley and McNeil (1982), with the mean of both group sizes in place of either, at
    the ends of the interval instead of the observed value. So the variance is not zero if the value is 0 or 1.

    Parameters
    ----------
    auroc
        From 0 to 1.
    n_positive, n_negative
        Numbers of independent observations; they need not be whole numbers.
    """
    if not (n_positive > 0 and n_negative > 0):
        return 0.0, 1.0
    z, others = float(norm.ppf((1 + confidence) / 2)), (n_positive + n_negative) / 2 - 1

    def beyond(theta: float) -> float:
        more = others * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        variance = theta * (1 - theta) * max(1 + more, 0.0) / (n_positive * n_negative)
        return float(abs(auroc - theta) - z * np.sqrt(variance))

    # The bound is not reached next to the observed value, and is exceeded at the far end of the range.
    low = brentq(beyond, 0.0, auroc - EDGE) if auroc > 10 * EDGE and beyond(auroc - EDGE) < 0 else auroc
    high = brentq(beyond, auroc + EDGE, 1.0) if auroc < 1 - 10 * EDGE and beyond(auroc + EDGE) < 0 else auroc
    return (0.0 if auroc <= EDGE else float(low)), (1.0 if auroc >= 1 - EDGE else float(high))


def square_and_add(a: float, of_a: Interval, b: float, of_b: Interval) -> Interval:
    """Return the interval of the difference a - b from the intervals of a and b (Newcombe 1998; Zou and Donner 2008).

    It treats a and b as independent. The interval is too wide if they are positively correlated, as are two
    predictors on the same windows.
    """
    low = a - b - float(np.hypot(a - of_a[0], of_b[1] - b))
    high = a - b + float(np.hypot(of_a[1] - a, b - of_b[0]))
    return low, high


def expanded_tail(n_effective: float, confidence: float) -> float:
    """Return the share of resampled values beyond each end of an interval.

    Bootstrap percentile intervals are too narrow with few patients: resamples vary only (n - 1) / n as much as
    samples do, and ignore the uncertainty of their own spread. The expanded percentile interval corrects both
    (Hesterberg, *Am Stat* 2015;69:371-386). n is the effective number of patients, which is lower if they weigh
    unequally.
    """
    n = n_effective
    return float(norm.cdf(np.sqrt(n / (n - 1)) * t.ppf((1 - confidence) / 2, n - 1)))
