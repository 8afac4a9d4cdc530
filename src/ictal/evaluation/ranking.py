"""How well the probability of a pattern ranks windows with it above windows without: AUROC and AUPRC."""

import numpy as np
import numpy.typing as npt

from ictal.labels import N_PATTERNS, distribution

Floats = npt.NDArray[np.float64]

POSITIVE_SHARE = 0.5
"""A window is one of the pattern where at least this share of the votes is for it; two patterns can share one."""


def positives(votes: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Mark the patterns with at least half of a window's votes, [window, 6]."""
    return np.asarray(distribution(votes) >= POSITIVE_SHARE - 1e-9)


def areas(positive: Floats, negative: Floats) -> tuple[Floats, Floats]:
    """Return AUROC and AUPRC from the weight of positives and negatives at each score, [...] each.

    AUROC is the chance that a positive has the higher score of a pair, a tie counting half (Hanley and McNeil
    1982). AUPRC is average precision: the precision at each score, weighed by the recall gained there (Davis and
    Goadrich 2006 show why not to interpolate between them). Both are NaN without a positive or without a negative.

    Parameters
    ----------
    positive, negative
        [score, ...], from the highest score to the lowest.
    """
    caught, false = np.cumsum(positive, axis=0), np.cumsum(negative, axis=0)
    pairs = caught[-1] * false[-1]
    below = false[-1] - false + negative / 2
    alarms = caught + false
    precision = np.divide(caught, alarms, out=np.zeros_like(alarms), where=alarms > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        auroc = (positive * below).sum(axis=0) / pairs
        auprc = np.where(pairs > 0, (positive * precision).sum(axis=0) / caught[-1], np.nan)
    return np.asarray(auroc), auprc


def auroc(votes: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike) -> Floats:
    """Return the area under the receiver operating characteristic of each pattern against the rest, [6].

    Parameters
    ----------
    votes, probabilities
        [window, 6]; positive are the windows that `positives` marks.
    weights
        [window].

    Returns
    -------
    ndarray
        0.5 is chance, 1 perfect; NaN where no window, or every window, is positive.
    """
    return np.asarray(ranking(votes, probabilities, weights)[0])


def auprc(votes: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike) -> Floats:
    """Return the average precision of each pattern against the rest, [6]; the parameters are those of `auroc`.

    Chance is the share of positives, so that it compares models on the same windows only.
    """
    return np.asarray(ranking(votes, probabilities, weights)[1])


def ranking(votes: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike) -> Floats:
    """Return `auroc` and `auprc` at once, [2, 6]."""
    positive, scores = positives(votes), np.asarray(probabilities, dtype=np.float64)
    weights = np.asarray(weights, dtype=np.float64)
    result = np.empty((2, N_PATTERNS))
    for pattern in range(N_PATTERNS):
        levels, level = np.unique(-scores[:, pattern], return_inverse=True)
        sides = np.zeros((2, len(levels)))
        np.add.at(sides, (1 - positive[:, pattern], level), weights)
        result[:, pattern] = areas(*sides)
    return result
