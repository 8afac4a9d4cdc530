"""Calibration: reliability curves and the expected calibration error."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ictal.core.labels import PATTERNS, distribution
from ictal.errors import UnknownNameError
from ictal.evaluation.binning import equal_mass_bins
from ictal.evaluation.metrics import correct

Floats = npt.NDArray[np.float64]

N_BINS = 15
"""As in Guo et al. 2017, but with bins of equal mass, as Nixon et al. 2019 recommend."""


@dataclass(frozen=True)
class Reliability:
    """A reliability curve, from the least confident bin to the most.

    Attributes
    ----------
    confidence, observed
        Mean predicted and mean observed share, [bin]; they are equal for a calibrated model.
    n_windows
        Number of windows, [bin].
    bins
        Bin of each window, [window].
    """

    confidence: Floats
    observed: Floats
    n_windows: npt.NDArray[np.int64]
    bins: npt.NDArray[np.intp]


def claims(votes: npt.ArrayLike, probabilities: npt.ArrayLike, pattern: str | None = None) -> tuple[Floats, Floats]:
    """Return the predicted probability and outcome, [window] each.

    Parameters
    ----------
    votes, probabilities
        [window, 6].
    pattern
        One of `PATTERNS`, for its probability and its share of the votes. None for the highest probability, and
        whether its pattern is right, see `ictal.evaluation.metrics.correct`.
    """
    predicted = np.asarray(probabilities, dtype=np.float64)
    if pattern is None:
        return predicted.max(axis=1), correct(votes, predicted)
    if pattern not in PATTERNS:
        raise UnknownNameError("pattern", pattern, PATTERNS)
    column = PATTERNS.index(pattern)
    return predicted[:, column], distribution(votes)[:, column]


def reliability_curve(
    votes: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    weights: npt.ArrayLike,
    pattern: str | None = None,
    n_bins: int = N_BINS,
) -> Reliability:
    """Return the reliability curve of the top label, or of one pattern.

    Parameters
    ----------
    votes, probabilities
        [window, 6].
    weights
        [window].
    pattern
        See `claims`.
    n_bins
        Number of bins of equal weight, see `equal_mass_bins`.
    """
    predicted, outcomes = claims(votes, probabilities, pattern)
    weights = np.asarray(weights, dtype=np.float64)
    bins = equal_mass_bins(predicted, weights, n_bins)
    weight = np.bincount(bins, weights)
    confidence, observed = (np.bincount(bins, weights * values) / weight for values in (predicted, outcomes))
    return Reliability(confidence, observed, np.bincount(bins), bins)


def expected_calibration_error(
    votes: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike, n_bins: int = N_BINS
) -> float:
    """Return the expected calibration error (ECE): the mean distance between accuracy and confidence over bins.

    Bins are of the highest probability (Naeini et al. 2015) and of equal mass (Nixon et al. 2019). Accuracy, by
    `correct`, concerns the top-voted pattern only, so a model that predicts divided votes perfectly is less confident
    than accurate. Noise within bins counts as error, so even a calibrated model is above zero.

    Parameters
    ----------
    votes, probabilities
        [window, 6].
    weights
        [window].
    n_bins
        See `equal_mass_bins`.
    """
    curve = reliability_curve(votes, probabilities, weights, n_bins=n_bins)
    mass = np.bincount(curve.bins, np.asarray(weights, dtype=np.float64))
    return float(np.average(abs(curve.observed - curve.confidence), weights=mass))
