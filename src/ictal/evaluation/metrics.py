"""Metrics as pure functions of votes and probabilities; all take weights per window."""

import numpy as np
import numpy.typing as npt
from scipy.special import rel_entr

from ictal.labels import distribution, top_patterns

Floats = npt.NDArray[np.float64]

FLOOR = 1e-15
"""The least probability that a logarithm is taken of, that of Kaggle's metric: a model that says 0 where the
panel voted loses about 34, and not infinity."""


def kl_divergence(votes: npt.ArrayLike, probabilities: npt.ArrayLike) -> Floats:
    """Return KL(votes || probabilities) of each window, natural logarithm.

    Parameters
    ----------
    votes, probabilities
        [window, 6], each row brought to sum one; probabilities below `FLOOR` are raised to it.

    Returns
    -------
    ndarray
        [window]; 0 is perfect.
    """
    predicted = np.maximum(np.asarray(probabilities, dtype=np.float64), FLOOR)
    predicted = predicted / predicted.sum(axis=-1, keepdims=True)
    return np.asarray(rel_entr(distribution(votes), predicted).sum(axis=-1))


def correct(votes: npt.ArrayLike, probabilities: npt.ArrayLike) -> Floats:
    """Return 1 where the most probable pattern is the top-voted one, or one of those that tie, [window]."""
    predicted = np.asarray(probabilities).argmax(axis=-1)
    return np.take_along_axis(top_patterns(votes), predicted[:, None], axis=1)[:, 0].astype(np.float64)


def pattern_shares(votes: npt.ArrayLike) -> Floats:
    """Return how much of each window counts for each pattern, [window, 6]: one over the number that tie."""
    top = top_patterns(votes).astype(np.float64)
    return np.asarray(top / top.sum(axis=1, keepdims=True))


def balanced_accuracy(votes: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike) -> float:
    """Return the mean over patterns of the share of windows that are right.

    A window counts for its top-voted pattern; where two tie, either is right and the window counts half for
    each. Patterns without a window are left out of the mean.

    Parameters
    ----------
    votes, probabilities
        [window, 6].
    weights
        [window].
    """
    shares = pattern_shares(votes) * np.asarray(weights, dtype=np.float64)[:, None]
    right = (shares * correct(votes, probabilities)[:, None]).sum(axis=0)
    total = shares.sum(axis=0)
    return float((right[total > 0] / total[total > 0]).mean())


def confusion_of_votes(votes: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike) -> Floats:
    """Return where the votes of each pattern find the predicted probability, [voted, predicted].

    Row i is the mean predicted distribution over windows, each weighed by its share of votes for pattern i; it
    sums to one, or is NaN where nobody voted for i. No model can be diagonal where a panel is divided: with
    the votes' own distribution as the prediction, this is the panel's confusion with itself.
    """
    shares = distribution(votes) * np.asarray(weights, dtype=np.float64)[:, None]
    total = shares.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.asarray((shares.T @ np.asarray(probabilities, dtype=np.float64)) / total[:, None])
