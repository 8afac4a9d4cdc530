"""Metrics as pure functions of votes and probabilities."""

import numpy as np
import numpy.typing as npt
from scipy.special import rel_entr

from ictal.core.labels import N_PATTERNS, distribution, top_patterns

Floats = npt.NDArray[np.float64]

FLOOR = 1e-15
"""Smallest probability in a logarithm, as in Kaggle's metric: a model that predicts 0 for a pattern with votes loses
about 34 instead of infinity."""


def kl_divergence(votes: npt.ArrayLike, probabilities: npt.ArrayLike) -> Floats:
    """Return the Kullback-Leibler divergence KL(votes || probabilities) of each window, natural logarithm.

    Parameters
    ----------
    votes, probabilities
        [window, 6]; each row is normalised to sum 1, and probabilities below `FLOOR` are raised to it.

    Returns
    -------
    ndarray
        [window]; 0 is perfect.
    """
    predicted = np.maximum(np.asarray(probabilities, dtype=np.float64), FLOOR)
    predicted = predicted / predicted.sum(axis=-1, keepdims=True)
    return np.asarray(rel_entr(distribution(votes), predicted).sum(axis=-1))


def correct(votes: npt.ArrayLike, probabilities: npt.ArrayLike) -> Floats:
    """Return 1 where the most probable pattern is the top-voted one, [window]; 1 / m if it is one of m in a tie."""
    return _share_of(votes, np.asarray(probabilities).argmax(axis=-1)[:, None])


def top2_correct(votes: npt.ArrayLike, probabilities: npt.ArrayLike) -> Floats:
    """Return 1 where the top-voted pattern is among the two most probable, [window]; in a tie of m, 1 / m for each.

    Equal probabilities are ranked in the order of `PATTERNS`.
    """
    ranked = np.argsort(-np.asarray(probabilities, dtype=np.float64), axis=-1, kind="stable")
    return _share_of(votes, ranked[:, :2])


def _share_of(votes: npt.ArrayLike, patterns: npt.NDArray[np.integer]) -> Floats:
    """Return how much of each window counts for some patterns, [window], by their indices [window, n]."""
    return np.asarray(np.take_along_axis(pattern_shares(votes), patterns, axis=1).sum(axis=1))


def brier_score(votes: npt.ArrayLike, probabilities: npt.ArrayLike) -> Floats:
    """Return the squared differences of probabilities and shares of votes, summed over patterns, [window].

    This is the score of Brier (1950), from 0 (perfect) to 2 (certain of a pattern without votes), with the
    distribution of votes as the outcome. Some authors halve it or average it over patterns.
    """
    return np.asarray(((np.asarray(probabilities, dtype=np.float64) - distribution(votes)) ** 2).sum(axis=-1))


def pattern_shares(votes: npt.ArrayLike) -> Floats:
    """Return how much of each window counts for each pattern, [window, 6]: 1 / m for each of m tied top votes."""
    top = top_patterns(votes).astype(np.float64)
    return np.asarray(top / top.sum(axis=1, keepdims=True))


def balanced_accuracy(
    votes: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike, *, any_tied: bool = False
) -> float:
    """Return the mean over patterns of the share of their windows that are right.

    A window counts for its top-voted pattern. If m tie, it counts 1 / m for each and is right for the one that was
    predicted; a constant prediction then scores one over the number of patterns. Patterns without a window are left
    out.

    Parameters
    ----------
    votes, probabilities
        [window, 6].
    weights
        [window].
    any_tied
        Count a window as right for all of its tied patterns if one of them was predicted. This is higher: up to 0.246
        for a constant prediction on the 32 real IIIC segments, 12 of which tie.
    """
    shares = pattern_shares(votes) * np.asarray(weights, dtype=np.float64)[:, None]
    named = np.eye(N_PATTERNS)[np.asarray(probabilities).argmax(axis=-1)]
    if any_tied:
        named = np.broadcast_to((named * shares).sum(axis=1, keepdims=True) > 0, named.shape)
    right, total = (shares * named).sum(axis=0), shares.sum(axis=0)
    return float((right[total > 0] / total[total > 0]).mean())


def agreement_parts(shares: npt.ArrayLike, chosen: npt.ArrayLike) -> Floats:
    """Return the terms whose means give Cohen's kappa, [window, 13].

    Parameters
    ----------
    shares
        How much of each window counts for each pattern, [window, 6], from `pattern_shares`.
    chosen
        Index of the other rater's pattern, [window].

    Returns
    -------
    ndarray
        Agreement, then the patterns of the first rater [6] and of the second [6].
    """
    one, other = np.asarray(shares, dtype=np.float64), np.eye(N_PATTERNS)[np.asarray(chosen)]
    return np.concatenate([(one * other).sum(axis=1, keepdims=True), one, other], axis=1)


def kappa_of(means: npt.ArrayLike) -> Floats:
    """Return Cohen's kappa, [...], from the weighted means of `agreement_parts`, [..., 13].

    It is (agreement - chance) / (1 - chance); chance is the agreement of two independent raters who use each pattern
    as often as these two (Cohen 1960). NaN if both use only one and the same pattern.
    """
    means = np.asarray(means, dtype=np.float64)
    chance = (means[..., 1 : 1 + N_PATTERNS] * means[..., 1 + N_PATTERNS :]).sum(axis=-1)
    room = np.where(chance < 1 - 1e-12, 1 - chance, np.nan)
    return np.asarray((means[..., 0] - chance) / room)


def cohen_kappa(votes: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike) -> float:
    """Return Cohen's kappa between the most probable and the top-voted pattern.

    If m patterns tie for the top vote, 1 / m of the window counts for each: predicting one of two counts half.

    Parameters
    ----------
    votes, probabilities
        [window, 6].
    weights
        [window].

    Returns
    -------
    float
        1 is perfect, 0 is chance; NaN if both name one and the same pattern for all windows.
    """
    parts = agreement_parts(pattern_shares(votes), np.asarray(probabilities).argmax(axis=-1))
    return float(kappa_of(np.average(parts, axis=0, weights=np.asarray(weights, dtype=np.float64))))


def confusion_of_votes(votes: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike) -> Floats:
    """Return the confusion matrix of votes and predicted probabilities, [voted, predicted].

    Row i is the mean predicted distribution over windows, weighted by their shares of votes for pattern i. It sums to
    one, or is NaN if nobody voted for i. If panels disagree, the matrix of a perfect model is not diagonal: with the
    votes' own distribution as the prediction, it is the panel's confusion with itself.
    """
    shares = distribution(votes) * np.asarray(weights, dtype=np.float64)[:, None]
    total = shares.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.asarray((shares.T @ np.asarray(probabilities, dtype=np.float64)) / total[:, None])
