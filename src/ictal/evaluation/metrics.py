"""Metrics as pure functions of votes and probabilities; all take weights per window."""

import numpy as np
import numpy.typing as npt
from scipy.special import rel_entr

from ictal.core.labels import N_PATTERNS, distribution, top_patterns

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
    """Return 1 where the most probable pattern is the top-voted one, 1 / m if it is one of m that tie, [window]."""
    return _share_of(votes, np.asarray(probabilities).argmax(axis=-1)[:, None])


def top2_correct(votes: npt.ArrayLike, probabilities: npt.ArrayLike) -> Floats:
    """Return 1 where the top-voted pattern is among the two most probable, [window]; of m that tie, 1 / m for each.

    Of equal probabilities, those of the first patterns in the order of `PATTERNS` count as the higher ones.
    """
    ranked = np.argsort(-np.asarray(probabilities, dtype=np.float64), axis=-1, kind="stable")
    return _share_of(votes, ranked[:, :2])


def _share_of(votes: npt.ArrayLike, patterns: npt.NDArray[np.integer]) -> Floats:
    """Return how much of each window counts for the named patterns, [window], from [window, named]."""
    return np.asarray(np.take_along_axis(pattern_shares(votes), patterns, axis=1).sum(axis=1))


def brier_score(votes: npt.ArrayLike, probabilities: npt.ArrayLike) -> Floats:
    """Return the squared differences of probabilities and shares of votes, summed over patterns, [window].

    It is the score of Brier 1950, from 0 (perfect) to 2 (sure of a pattern that nobody voted for), with the votes'
    distribution as what came true; some authors halve it, or take the mean over patterns.
    """
    return np.asarray(((np.asarray(probabilities, dtype=np.float64) - distribution(votes)) ** 2).sum(axis=-1))


def pattern_shares(votes: npt.ArrayLike) -> Floats:
    """Return how much of each window counts for each pattern, [window, 6]: one over the number that tie."""
    top = top_patterns(votes).astype(np.float64)
    return np.asarray(top / top.sum(axis=1, keepdims=True))


def balanced_accuracy(
    votes: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike, *, any_tied: bool = False
) -> float:
    """Return the mean over patterns of the share of their windows that are right.

    A window counts for its top-voted pattern; where m tie, it counts 1 / m for each, and is right for the one that
    was predicted. So a constant gets one over the number of patterns. Patterns without a window are left out of the
    mean.

    Parameters
    ----------
    votes, probabilities
        [window, 6].
    weights
        [window].
    any_tied
        Take a window as right for all of its tied patterns where one of them was predicted. That is higher, up to
        0.246 for a constant on the 32 real segments of IIIC, of which 12 tie.
    """
    shares = pattern_shares(votes) * np.asarray(weights, dtype=np.float64)[:, None]
    named = np.eye(N_PATTERNS)[np.asarray(probabilities).argmax(axis=-1)]
    if any_tied:
        named = np.broadcast_to((named * shares).sum(axis=1, keepdims=True) > 0, named.shape)
    right, total = (shares * named).sum(axis=0), shares.sum(axis=0)
    return float((right[total > 0] / total[total > 0]).mean())


def agreement_parts(shares: npt.ArrayLike, chosen: npt.ArrayLike) -> Floats:
    """Return what Cohen's kappa takes the mean of, [window, 13].

    Parameters
    ----------
    shares
        How much of each window counts for each pattern, [window, 6], as `pattern_shares` gives it.
    chosen
        Number of the pattern that the other rater says, [window].

    Returns
    -------
    ndarray
        How much of the window they agree on, then the patterns of the one [6] and of the other [6].
    """
    one, other = np.asarray(shares, dtype=np.float64), np.eye(N_PATTERNS)[np.asarray(chosen)]
    return np.concatenate([(one * other).sum(axis=1, keepdims=True), one, other], axis=1)


def kappa_of(means: npt.ArrayLike) -> Floats:
    """Return Cohen's kappa, [...], from the weighted means of `agreement_parts`, [..., 13].

    It is (agreement - chance) / (1 - chance), chance being the agreement of two raters who use the patterns as
    often as these two and know nothing of each other (Cohen 1960). NaN where both only ever say one and the same.
    """
    means = np.asarray(means, dtype=np.float64)
    chance = (means[..., 1 : 1 + N_PATTERNS] * means[..., 1 + N_PATTERNS :]).sum(axis=-1)
    room = np.where(chance < 1 - 1e-12, 1 - chance, np.nan)
    return np.asarray((means[..., 0] - chance) / room)


def cohen_kappa(votes: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike) -> float:
    """Return Cohen's kappa between the most probable and the top-voted pattern.

    Where m patterns tie for the top vote, 1 / m of the window counts for each of them, so that a model that says one
    of two agrees by half.

    Parameters
    ----------
    votes, probabilities
        [window, 6].
    weights
        [window].

    Returns
    -------
    float
        1 is perfect, 0 chance; NaN where both name one and the same pattern for all windows.
    """
    parts = agreement_parts(pattern_shares(votes), np.asarray(probabilities).argmax(axis=-1))
    return float(kappa_of(np.average(parts, axis=0, weights=np.asarray(weights, dtype=np.float64))))


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
