"""The named measures of a table of predictions, and their values in every resample of patients."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ictal.evaluation.binning import equal_mass_bins
from ictal.evaluation.metrics import (
    agreement_parts,
    balanced_accuracy,
    brier_score,
    cohen_kappa,
    correct,
    kappa_of,
    kl_divergence,
    pattern_shares,
    top2_correct,
)
from ictal.evaluation.ranking import CONTRASTS, Contrast, areas, areas_under, contrast, one_against_rest
from ictal.evaluation.reliability import N_BINS, claims, expected_calibration_error, reliability_curve
from ictal.evaluation.resampling import Estimate, PatientBootstrap
from ictal.labels import PATTERN_TITLES, PATTERNS

Floats = npt.NDArray[np.float64]

SCORE_BINS = 256
"""Scores are told apart in at most so many bins when rankings are resampled."""
AT_A_TIME = 250
"""Resamples of rankings, so that those of thousands of patients fit in a processor's cache."""


@dataclass(frozen=True)
class Measure:
    """The name of a measure in tables, its title for a reader, and which way is better."""

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
    """A measure of one table; of two tables with the same resamples, `a - b` is their paired difference.

    Attributes
    ----------
    value
        NaN where the measure is not defined, as an AUROC without a positive or without a negative window.
    resampled
        [resample]; NaN in those where it is not defined.
    n_patients
        Whom it rests on. For the ranking of a pattern: those with a positive window or those with a negative one,
        whichever are fewer.
    """

    value: float
    resampled: Floats
    n_patients: int

    def __sub__(self, other: "Measured") -> "Measured":
        n_patients = min(self.n_patients, other.n_patients)
        return Measured(self.value - other.value, self.resampled - other.resampled, n_patients)

    def estimate(self, bootstrap: PatientBootstrap) -> Estimate:
        """Return the value with its interval; resamples where it is not defined are left out."""
        if np.isnan(self.resampled).all():
            return Estimate(self.value, float("nan"), float("nan"), bootstrap.confidence)
        return bootstrap.estimate(self.value, self.resampled, self.n_patients)


def measure_table(
    bootstrap: PatientBootstrap, votes: npt.ArrayLike, probabilities: npt.ArrayLike
) -> dict[str, Measured]:
    """Return every measure of `MEASURES`, in their order.

    Parameters
    ----------
    bootstrap
        Its patients and weights are those of the windows; tables that share it are resampled alike.
    votes
        Counts or shares, [window, 6].
    probabilities
        [window, 6].
    """
    votes, probabilities = np.asarray(votes), np.asarray(probabilities, dtype=np.float64)
    n_patients = len(set(bootstrap.patients))
    found = _means(bootstrap, votes, probabilities) | _agreement(bootstrap, votes, probabilities)
    measured = {name: Measured(float(value), resampled, n_patients) for name, (value, resampled) in found.items()}
    measured |= _rankings(bootstrap, votes, probabilities)
    return {name: measured[name] for name in MEASURES}


def reliability_estimates(
    bootstrap: PatientBootstrap,
    votes: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    pattern: str | None = None,
    n_bins: int = N_BINS,
) -> tuple[Estimate, ...]:
    """Return what was observed in each bin of a reliability curve, with intervals.

    The parameters are those of `reliability_curve`, whose `observed` has the same values; bins are those of the table
    itself in every resample.
    """
    bins = reliability_curve(votes, probabilities, bootstrap.weights, pattern, n_bins).bins
    _, outcomes = claims(votes, probabilities, pattern)
    return tuple(bootstrap.mean(outcomes, (bins == number).astype(float)) for number in range(bins.max() + 1))


Pair = tuple[float, Floats]
"""A value and its resampled values."""


def _means(bootstrap: PatientBootstrap, votes: npt.NDArray[np.generic], probabilities: Floats) -> dict[str, Pair]:
    """Return the measures that are means over windows."""
    losses = {
        "kl": kl_divergence(votes, probabilities),
        "top2": top2_correct(votes, probabilities),
        "brier": brier_score(votes, probabilities),
    }
    # One by one, so that each is to the last digit what `PatientBootstrap.mean` says.
    return {
        name: (float(np.average(loss, weights=bootstrap.weights)), bootstrap.means(loss)[:, 0])
        for name, loss in losses.items()
    }


def _agreement(bootstrap: PatientBootstrap, votes: npt.NDArray[np.generic], probabilities: Floats) -> dict[str, Pair]:
    """Return the measures that are functions of a few means: balanced accuracy, kappa and calibration error."""
    weights, shares = bootstrap.weights, pattern_shares(votes)
    right = np.broadcast_to(correct(votes, probabilities)[:, None], shares.shape)
    parts = agreement_parts(shares, probabilities.argmax(axis=1))
    return {
        "balanced_accuracy": (
            balanced_accuracy(votes, probabilities, weights),
            _mean_of_patterns(bootstrap.means(right, shares)),
        ),
        "kappa": (cohen_kappa(votes, probabilities, weights), kappa_of(bootstrap.means(parts))),
        "ece": _calibration_error(bootstrap, votes, probabilities),
    }


def _calibration_error(bootstrap: PatientBootstrap, votes: npt.NDArray[np.generic], probabilities: Floats) -> Pair:
    """Return the error, and in each resample that of the table's own bins.

    A resample has the noise of the windows and that of the drawing, both of which count as error, so that the
    resampled values are moved to lie around the figure, but not below zero.
    """
    bins = reliability_curve(votes, probabilities, bootstrap.weights).bins
    confidence, right = claims(votes, probabilities)
    of_bin = np.eye(bins.max() + 1)[bins] * (right - confidence)[:, None]
    resampled = abs(bootstrap.means(of_bin)).sum(axis=1)
    value = expected_calibration_error(votes, probabilities, bootstrap.weights)
    return value, np.maximum(resampled + value - resampled.mean(), 0)


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
        measured[name] = Measured(value, resampled, len(set(bootstrap.patients)))
        measured |= {f"{name}_{pattern}": column for pattern, column in zip(PATTERNS, columns, strict=True)}
    return measured | {name: _ranked(bootstrap, contrast(votes, probabilities, name))[0] for name in CONTRASTS}


def _ranked(bootstrap: PatientBootstrap, ranked: Contrast) -> list[Measured]:
    """Return AUROC and AUPRC: exact values, and resampled ones of binned scores moved by what binning changes."""
    exact = areas_under(ranked, bootstrap.weights)
    sides = ranked.positive, ranked.negative
    n_patients = min(len(set(bootstrap.patients[side])) for side in sides)
    resampled = np.full((2, bootstrap.n_resamples), np.nan)
    if ranked.decided:
        resampled = np.clip(_resampled_areas(bootstrap, ranked, exact), 0, 1)
    return [Measured(float(value), row, n_patients) for value, row in zip(exact, resampled, strict=True)]


def _resampled_areas(bootstrap: PatientBootstrap, ranked: Contrast, exact: Floats) -> Floats:
    """Return AUROC and AUPRC in every resample, [2, resample]."""
    # The draws are those of all other measures; a resample is a sum over patients of what each has in each bin.
    codes, counts = bootstrap.draws
    with_it, without = _sums_of_bins(codes, counts.shape[1], bootstrap.weights, ranked)
    everyone = np.ones(counts.shape[1])
    binned = np.array(areas(with_it @ everyone, without @ everyone))
    resampled = np.empty((2, bootstrap.n_resamples))
    for begin in range(0, bootstrap.n_resamples, AT_A_TIME):
        drawn = np.ascontiguousarray(counts[begin : begin + AT_A_TIME].T, dtype=np.float64)
        resampled[:, begin : begin + AT_A_TIME] = areas(with_it @ drawn, without @ drawn)
    return np.asarray(resampled + (exact - binned)[:, None])


def _sums_of_bins(
    codes: npt.NDArray[np.intp], n_patients: int, weights: Floats, ranked: Contrast
) -> list[sparse.csr_array]:
    """Return the weight of positive and of negative windows, [bin, patient] each, from the highest scores down.

    Half of the mass of a bin is that of positives, half that of negatives, each side summing to one: the few scores
    that a rare pattern turns on are told apart as well as those of a common one.
    """
    counted = ranked.positive | ranked.negative
    codes, weights, positive = codes[counted], weights[counted], ranked.positive[counted]
    sides = positive, ~positive
    masses = weights / np.where(positive, *(weights[side].sum() for side in sides))
    bins = equal_mass_bins(-ranked.scores[counted], masses, SCORE_BINS)
    shape = bins.max() + 1, n_patients
    return [sparse.csr_array((weights[side], (bins[side], codes[side])), shape=shape) for side in sides]


def _mean_of_patterns(values: Floats) -> Floats:
    """Return the mean of each row without its NaN, [row]; NaN where there is nothing else."""
    defined = np.isfinite(values)
    n_defined = defined.sum(axis=1)
    total = np.where(defined, values, 0).sum(axis=1)
    return np.asarray(np.divide(total, n_defined, out=np.full(len(values), np.nan), where=n_defined > 0))
