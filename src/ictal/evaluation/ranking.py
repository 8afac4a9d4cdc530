"""How well probabilities rank windows of one kind above windows of another: AUROC and AUPRC."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ictal.core.labels import PATTERNS, distribution
from ictal.evaluation.metrics import FLOOR

Floats = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]

POSITIVE_SHARE = 0.5
"""A window is one of the pattern where at least this share of the votes is for it; two patterns can share one."""

CONTRASTS = {
    "lateralized_auroc": (("lpd", "lrda"), ("gpd", "grda")),
    "periodic_auroc": (("lpd", "gpd"), ("lrda", "grda")),
}
"""Two properties that cut the four patterns in halves: patterns that have it, and those that do not."""
_CUT = ("lpd", "gpd", "lrda", "grda")


@dataclass(frozen=True)
class Contrast:
    """Windows of one kind against windows of another, by a score; the others are left out.

    Attributes
    ----------
    positive, negative
        Which windows are of the one and of the other kind, [window]; none is of both.
    scores
        The higher, the likelier positive, [window].
    """

    positive: Marks
    negative: Marks
    scores: Floats

    @property
    def decided(self) -> bool:
        """Whether there are windows of both kinds, without which nothing can be ranked."""
        return bool(self.positive.any() and self.negative.any())


def one_against_rest(votes: npt.ArrayLike, probabilities: npt.ArrayLike) -> list[Contrast]:
    """Return for each pattern the windows that `positives` marks, against all others by its probability."""
    positive, scores = positives(votes), np.asarray(probabilities, dtype=np.float64)
    return [Contrast(there, ~there, of_pattern) for there, of_pattern in zip(positive.T, scores.T, strict=True)]


def contrast(votes: npt.ArrayLike, probabilities: npt.ArrayLike, name: str) -> Contrast:
    """Return the windows that are lateralized against those that are generalized, or periodic against rhythmic.

    Windows count whose votes for LPD, GPD, LRDA and GRDA together are at least half of all, and a window is of the
    kind that has more of them; where both have as many, it is left out. The score is the logarithm of the ratio of
    the probabilities of both kinds.

    Parameters
    ----------
    votes, probabilities
        [window, 6].
    name
        One of `CONTRASTS`.
    """
    shares, predicted = distribution(votes), np.asarray(probabilities, dtype=np.float64)
    one, other = ([PATTERNS.index(pattern) for pattern in side] for side in CONTRASTS[name])
    four = shares[:, [PATTERNS.index(pattern) for pattern in _CUT]].sum(axis=1) >= POSITIVE_SHARE - 1e-9
    more = shares[:, one].sum(axis=1) - shares[:, other].sum(axis=1)
    of_one, of_other = (np.log(np.maximum(predicted[:, side].sum(axis=1), FLOOR)) for side in (one, other))
    return Contrast(four & (more > 1e-9), four & (more < -1e-9), of_one - of_other)


def positives(votes: npt.ArrayLike) -> Marks:
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
    return np.array([areas_under(one, weights) for one in one_against_rest(votes, probabilities)]).T


def areas_under(ranked: Contrast, weights: npt.ArrayLike) -> Floats:
    """Return AUROC and AUPRC of a contrast, [2], by the weight of each window; NaN without windows of both kinds."""
    return levels_of(ranked, weights).areas() if ranked.decided else np.full(2, np.nan)


@dataclass(frozen=True)
class Levels:
    """The distinct scores of a contrast, from the highest to the lowest.

    Attributes
    ----------
    counted
        Numbers of the windows that take part, [n].
    of_window
        The level of each of them, [n].
    positive, negative
        Weight of the windows of either kind at each level, [level].
    """

    counted: npt.NDArray[np.intp]
    of_window: npt.NDArray[np.intp]
    positive: Floats
    negative: Floats

    def areas(self) -> Floats:
        """Return AUROC and AUPRC, [2]."""
        return np.array(areas(self.positive, self.negative))


def levels_of(ranked: Contrast, weights: npt.ArrayLike) -> Levels:
    """Sort the windows of a contrast by their scores, once for all that is asked of them."""
    counted = np.flatnonzero(ranked.positive | ranked.negative)
    own, positive = np.asarray(weights, dtype=np.float64)[counted], ranked.positive[counted]
    levels, of_window = np.unique(-ranked.scores[counted], return_inverse=True)
    with_it = np.bincount(of_window, np.where(positive, own, 0.0), len(levels))
    without = np.bincount(of_window, np.where(positive, 0.0, own), len(levels))
    return Levels(counted, of_window, with_it.astype(np.float64), without.astype(np.float64))
