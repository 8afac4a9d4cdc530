"""All measures of a table of predictions, with their values in every resample of patients."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ictal.core.intervals import EDGE, Bounded, bounded_mean, newcombe_auroc, square_and_add, wilson
from ictal.core.labels import N_PATTERNS, PATTERN_TITLES, PATTERNS
from ictal.evaluation.binning import bins_of_levels
from ictal.evaluation.bootstrap import Estimate, PatientBootstrap
from ictal.evaluation.metrics import (
    agreement_parts,
    brier_score,
    kappa_of,
    kl_divergence,
    pattern_shares,
    top2_correct,
)
from ictal.evaluation.ranking import CONTRASTS, Contrast, Levels, areas, contrast, levels_of, one_against_rest
from ictal.evaluation.reliability import N_BINS, claims, expected_calibration_error, reliability_curve

Floats = npt.NDArray[np.float64]

SCORE_BINS = 256
"""Largest number of bins of scores when rankings are resampled."""
SPARSE = 0.1
"""If less than this share of a matrix is not zero, sparse multiplication is faster than dense."""
AT_A_TIME = 250
"""Resamples of rankings at a time, so that those of thousands of patients fit in the CPU cache."""


@dataclass(frozen=True)
class Measure:
    """The name of a measure in tables, its title for readers, and which direction is better."""

    name: str
    title: str
    higher_is_better: bool


def _of_patterns(name: str, title: str) -> list[Measure]:
    mean = Measure(name, f"{title}, mean of patterns", True)
    return [
        mean,
        *(Measure(f"{name}_{pattern}", f"{title}, {PATTERN_TITLES[pattern]}", True) for pattern in PATTERNS),
    ]


MEASURES = {
    measure.name: measure
    for measure in (
        Measure("kl", "KL divergence", False),
        Measure("balanced_accuracy", "Balanced accuracy", True),
        Measure("balanced_accuracy_any", "Balanced accuracy, any tied pattern right", True),
        Measure("kappa", "Cohen's kappa", True),
        Measure("top2", "Top-2 accuracy", True),
        *_of_patterns("auroc", "AUROC"),
        *_of_patterns("auprc", "AUPRC"),
        Measure("lateralized_auroc", "AUROC, lateralized", True),
        Measure("periodic_auroc", "AUROC, periodic", True),
        Measure("brier", "Brier score", False),
        Measure("ece", "Calibration error", False),
    )
}
"""All measures, in the order of a table."""


@dataclass(frozen=True)
class Measured:
    """A measure of one table; for two tables with the same resamples, `a - b` is the paired difference.

    Attributes
    ----------
    value
        NaN if the measure is undefined, for example an AUROC without a positive or without a negative window.
    resampled
        Values in the resamples, [resample]; NaN where it is undefined.
    n_effective
        Effective number of patients behind the measure. For the ranking of a pattern: of patients with a positive
        window or of those with a negative one, whichever is smaller.
    bounded
        Its range, and an interval by formula that applies if the resampled values reach an end of the range.
    parts
        Minuend and subtrahend of a difference.
    """

    value: float
    resampled: Floats
    n_effective: float
    bounded: Bounded | None = None
    parts: "tuple[Measured, Measured] | None" = None

    def __sub__(self, other: "Measured") -> "Measured":
        n_effective = min(self.n_effective, other.n_effective)
        return Measured(self.value - other.value, self.resampled - other.resampled, n_effective, parts=(self, other))

    def settled(self, bootstrap: PatientBootstrap) -> "Measured":
        """Return the same, without the formula if the resampled values stay within the range."""
        plain = replace(self, bounded=None)
        estimate = plain.estimate(bootstrap)
        needed = self.bounded and estimate.interval and self.bounded.reached(estimate.low, estimate.high)
        return self if needed else plain

    def estimate(self, bootstrap: PatientBootstrap) -> Estimate:
        """Return the value with its confidence interval; resamples where it is undefined are left out.

        If a part of a difference reaches an end of its range, the interval combines those of both parts as if they
        were independent: two tables that are right in all windows have a difference of zero in every resample.
        """
        if np.isnan(self.resampled).all():
            return Estimate(self.value, float("nan"), float("nan"), bootstrap.confidence)
        estimate = bootstrap.estimate(self.value, self.resampled, self.n_effective, self.bounded)
        if self.parts is None or estimate.interval is None or not any(part.bounded for part in self.parts):
            return estimate
        one, other = (part.estimate(bootstrap) for part in self.parts)
        low, high = square_and_add(one.value, (one.low, one.high), other.value, (other.low, other.high))
        return Estimate(estimate.value, low, high, estimate.confidence)


def measure_table(
    bootstrap: PatientBootstrap, votes: npt.ArrayLike, probabilities: npt.ArrayLike
) -> dict[str, Measured]:
    """Return every measure in `MEASURES`, in that order.

    Parameters
    ----------
    bootstrap
        Patients and weights of the windows; tables that share it get the same resamples.
    votes
        Counts or shares, [window, 6].
    probabilities
        [window, 6].
    """
    votes, probabilities = np.asarray(votes), np.asarray(probabilities, dtype=np.float64)
    measured = _means(bootstrap, votes, probabilities) | _agreement(bootstrap, votes, probabilities)
    measured |= _rankings(bootstrap, votes, probabilities)
    return {name: measured[name].settled(bootstrap) for name in MEASURES}


def reliability_estimates(
    bootstrap: PatientBootstrap,
    votes: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    pattern: str | None = None,
    n_bins: int = N_BINS,
) -> tuple[Estimate, ...]:
    """Return the observed shares of a reliability curve by bin, with confidence intervals.

    The parameters and the values are those of `reliability_curve`; all resamples use the bins of the table itself.
    """
    bins = reliability_curve(votes, probabilities, bootstrap.weights, pattern, n_bins).bins
    _, outcomes = claims(votes, probabilities, pattern)
    return tuple(bootstrap.mean(outcomes, (bins == number).astype(float), (0, 1)) for number in range(bins.max() + 1))


def _means(bootstrap: PatientBootstrap, votes: npt.NDArray[np.generic], probabilities: Floats) -> dict[str, Measured]:
    """Return the measures that are means over windows."""
    n, confidence = bootstrap.n_effective, bootstrap.confidence
    found = {}
    # One at a time, so that each equals `PatientBootstrap.mean` to the last digit.
    for name, losses, most in (
        ("kl", kl_divergence(votes, probabilities), None),
        ("top2", top2_correct(votes, probabilities), 1.0),
        ("brier", brier_score(votes, probabilities), 2.0),
    ):
        value = float(np.average(losses, weights=bootstrap.weights))
        bounded = bounded_mean(value, n, confidence, 0.0, most) if most else None
        found[name] = Measured(value, bootstrap.means(losses)[:, 0], n, bounded)
    return found


def _agreement(
    bootstrap: PatientBootstrap, votes: npt.NDArray[np.generic], probabilities: Floats
) -> dict[str, Measured]:
    """Return the measures that are functions of a few means: balanced accuracy, kappa and calibration error."""
    shares, chosen = pattern_shares(votes), probabilities.argmax(axis=1)
    parts = agreement_parts(shares, chosen)
    value = float(kappa_of(bootstrap.weights @ parts / bootstrap.weights.sum()))
    named, in_top = np.eye(N_PATTERNS, dtype=bool)[chosen], np.take_along_axis(shares, chosen[:, None], axis=1) > 0
    return {
        "balanced_accuracy": _balanced(bootstrap, shares, named),
        "balanced_accuracy_any": _balanced(bootstrap, shares, np.broadcast_to(in_top, shares.shape)),
        "kappa": kappa_measured(bootstrap, parts, value, kappa_of(bootstrap.means(parts))),
        "ece": _calibration_error(bootstrap, votes, probabilities),
    }


def _balanced(bootstrap: PatientBootstrap, shares: Floats, right: npt.ArrayLike) -> Measured:
    """Return the balanced accuracy: the mean over patterns of the share of their windows that is right."""
    right = np.asarray(right)
    masses = [share * bootstrap.weights for share in shares.T]
    mass = np.array([of_pattern.sum() for of_pattern in masses])
    hits = np.array([(of_pattern * column).sum() for of_pattern, column in zip(masses, right.T, strict=True)])
    there = mass > 0
    recalls = hits[there] / mass[there]
    ends = [
        wilson(float(recall), bootstrap.effective(share), bootstrap.confidence)
        for recall, share in zip(recalls, shares[:, there].T, strict=True)
    ]
    # Different patterns have different windows: deviations of independent recalls add in quadrature.
    value, (lows, highs) = float(recalls.mean()), np.array(ends).T
    low, high = (float(np.sqrt(((end - recalls) ** 2).sum())) / len(recalls) for end in (lows, highs))
    bounded = Bounded(0.0, 1.0, value - low, value + high)
    return Measured(value, _mean_of_patterns(bootstrap.means(right, shares)), bootstrap.n_effective, bounded)


def kappa_measured(
    bootstrap: PatientBootstrap, parts: Floats, value: float, resampled: Floats, there: npt.ArrayLike | None = None
) -> Measured:
    """Return Cohen's kappa; if it is 1, its interval is that of the agreement with the observed chance agreement.

    Parameters
    ----------
    parts
        As returned by `agreement_parts`, [window, 13].
    value, resampled
        Kappa, and its values in the resamples, [resample].
    there
        Which windows count, [window]; all if None.
    """
    n = bootstrap.effective(there)
    weights = bootstrap.weights if there is None else bootstrap.weights * np.asarray(there, dtype=np.float64)
    means = weights @ parts / weights.sum()
    low, high = (np.concatenate([[end], means[1:]]) for end in wilson(float(means[0]), n, bootstrap.confidence))
    bounded = Bounded(-np.inf, 1.0, float(kappa_of(low)), float(kappa_of(high))) if np.isfinite(value) else None
    return Measured(value, resampled, n, bounded)


def _calibration_error(
    bootstrap: PatientBootstrap, votes: npt.NDArray[np.generic], probabilities: Floats
) -> Measured:
    """Return the calibration error; all resamples use the bins of the table itself.

    A resample contains the noise of the windows and that of resampling, and both count as error. The resampled values
    are therefore shifted so that their mean is the value itself, but not below zero.
    """
    bins = reliability_curve(votes, probabilities, bootstrap.weights).bins
    confidence, right = claims(votes, probabilities)
    gaps = bootstrap.weights * (right - confidence)
    of_bins = (np.where(bins == number, gaps, 0.0) for number in range(bins.max() + 1))
    resampled = abs(bootstrap.ratios(bootstrap.sums(of_bins), bootstrap.sums([bootstrap.weights]))).sum(axis=1)
    value, n = expected_calibration_error(votes, probabilities, bootstrap.weights), bootstrap.n_effective
    # Only an error of exactly 0 is at an end of the range; others get there only by the shift below.
    bounded = bounded_mean(value, n, bootstrap.confidence) if value <= EDGE else None
    return Measured(value, np.maximum(resampled + value - resampled.mean(), 0), n, bounded)


def _rankings(
    bootstrap: PatientBootstrap, votes: npt.NDArray[np.generic], probabilities: Floats
) -> dict[str, Measured]:
    """Return AUROC and AUPRC of each pattern and their means, and the AUROC of each of `CONTRASTS`."""
    of_patterns = [_ranked(bootstrap, one) for one in one_against_rest(votes, probabilities)]
    measured = {}
    for number, name in enumerate(("auroc", "auprc")):
        columns = [both[number] for both in of_patterns]
        value = float(_mean_of_patterns(np.array([[column.value for column in columns]]))[0])
        resampled = _mean_of_patterns(np.stack([column.resampled for column in columns], axis=1))
        # All patterns are ranked on the same windows: bounds are averaged, as if fully correlated.
        ends = [(one.bounded.low, one.bounded.high) for one in columns if one.bounded]
        bounded = Bounded(0.0, 1.0, *np.mean(ends, axis=0).tolist()) if ends else None
        measured[name] = Measured(value, resampled, bootstrap.n_effective, bounded)
        measured |= {f"{name}_{pattern}": column for pattern, column in zip(PATTERNS, columns, strict=True)}
    return measured | {name: _ranked(bootstrap, contrast(votes, probabilities, name))[0] for name in CONTRASTS}


def _ranked(bootstrap: PatientBootstrap, ranked: Contrast) -> list[Measured]:
    """Return AUROC and AUPRC: exact values, and resampled values of binned scores, corrected for the binning."""
    levels = levels_of(ranked, bootstrap.weights) if ranked.decided else None
    exact = levels.areas() if levels else np.full(2, np.nan)
    n_positive, n_negative = bootstrap.effective(ranked.positive), bootstrap.effective(ranked.negative)
    fewer = min(n_positive, n_negative)
    if levels is None:
        unknown = np.full(bootstrap.n_resamples, np.nan)
        return [Measured(float(value), unknown, fewer) for value in exact]
    # The sample of average precision is the positives (Boyd, Eng and Page 2013).
    auroc, auprc, confidence = float(exact[0]), float(exact[1]), bootstrap.confidence
    ends = newcombe_auroc(auroc, n_positive, n_negative, confidence), wilson(auprc, n_positive, confidence)
    resampled = np.clip(_resampled_areas(bootstrap, ranked, levels, exact), 0, 1)
    return [
        Measured(value, row, fewer, Bounded(0.0, 1.0, *end))
        for value, row, end in zip((auroc, auprc), resampled, ends, strict=True)
    ]


def _resampled_areas(bootstrap: PatientBootstrap, ranked: Contrast, levels: Levels, exact: Floats) -> Floats:
    """Return AUROC and AUPRC in every resample, [2, resample]."""
    # The draws are those of all other measures; a resample is a sum over patients of their weights in each bin.
    counts = bootstrap.draws[1]
    sides = _sums_of_bins(bootstrap, ranked, levels)
    n_bins = len(sides) // 2
    held = sparse.csr_array(sides) if np.count_nonzero(sides) < SPARSE * sides.size else sides
    everyone = sides.sum(axis=1)
    binned = np.array(areas(everyone[:n_bins], everyone[n_bins:]))
    resampled = np.empty((2, bootstrap.n_resamples))
    for begin in range(0, bootstrap.n_resamples, AT_A_TIME):
        drawn = held @ counts[begin : begin + AT_A_TIME].T.astype(np.float64)
        resampled[:, begin : begin + AT_A_TIME] = areas(drawn[:n_bins], drawn[n_bins:])
    return np.asarray(resampled + (exact - binned)[:, None])


def _sums_of_bins(bootstrap: PatientBootstrap, ranked: Contrast, levels: Levels) -> Floats:
    """Return the weight of positive windows, then of negative ones, [2 x bin, patient], from the highest score down.

    For the bins, the masses of positives and of negatives each sum to one, so that the few scores that matter for a
    rare pattern are resolved as well as those of a common one.
    """
    codes, counts = bootstrap.draws
    masses = levels.positive / levels.positive.sum() + levels.negative / levels.negative.sum()
    of_level = bins_of_levels(masses, SCORE_BINS)
    n_bins, n_patients = int(of_level[-1]) + 1, counts.shape[1]
    own, negative = codes[levels.counted], ranked.negative[levels.counted]
    rows = of_level[levels.of_window] + n_bins * negative
    sums = np.bincount(rows * n_patients + own, bootstrap.weights[levels.counted], 2 * n_bins * n_patients)
    return sums.astype(np.float64).reshape(2 * n_bins, n_patients)


def _mean_of_patterns(values: Floats) -> Floats:
    """Return the mean of each row over values that are not NaN, [row]; NaN if there is none."""
    defined = np.isfinite(values)
    n_defined = defined.sum(axis=1)
    total = np.where(defined, values, 0).sum(axis=1)
    return np.asarray(np.divide(total, n_defined, out=np.full(len(values), np.nan), where=n_defined > 0))
