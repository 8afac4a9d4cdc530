"""Ranking metrics: the areas under the ROC curve (AUROC) and the precision-recall curve (AUPRC)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ictal.core.labels import PATTERNS, distribution
from ictal.evaluation.metrics import FLOOR

Floats = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]

POSITIVE_SHARE = 0.5
"""Share of votes from which a window is positive for a pattern; it can be positive for two."""

CONTRASTS = {
    "lateralized_auroc": (("lpd", "lrda"), ("gpd", "grda")),
    "periodic_auroc": (("lpd", "gpd"), ("lrda", "grda")),
}
"""Two properties of the four patterns below: those that have it, and those that do not."""
_CUT = ("lpd", "gpd", "lrda", "grda")


@dataclass(frozen=True)
class Contrast:
    """Windows of one kind and of another, ranked by a score; other windows are left out.

    Attributes
    ----------
    positive, negative
        Which windows are of either kind, [window]; no window is both.
    scores
        Higher means more likely positive, [window].
    """

    positive: Marks
    negative: Marks
    scores: Floats

    @property
    def decided(self) -> bool:
        """Whether there are windows of both kinds; otherwise nothing can be ranked."""
        return bool(self.positive.any() and self.negative.any())


def one_against_rest(votes: npt.ArrayLike, probabilities: npt.ArrayLike) -> list[Contrast]:
    """Return a contrast for each pattern: its `positives` and all other windows, ranked by its probability."""
    positive, scores = positives(votes), np.asarray(probabilities, dtype=np.float64)
    return [Contrast(there, ~there, of_pattern) for there, of_pattern in zip(positive.T, scores.T, strict=True)]


def contrast(votes: npt.ArrayLike, probabilities: npt.ArrayLike, name: str) -> Contrast:
    """Return the contrast of lateralized and generalized windows, or of periodic and rhythmic ones.

    A window counts if lateralized and generalized periodic discharges and rhythmic delta activity (LPD, GPD, LRDA,
    GRDA) together have at least half of its votes. It belongs to the kind with more of these votes; with a tie, it is
    left out. The score is the logarithm of the ratio of the probabilities of both kinds.

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

    AUROC is the probability that the positive of a pair has the higher score; a tie counts half (Hanley and McNeil
    1982). AUPRC is average precision: the precision at each score, weighted by the recall gained there (Davis and
    Goadrich 2006 show why not to interpolate). Both are NaN without positives or without negatives.

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
    """Return the area under the receiver operating characteristic (ROC) of each pattern against the rest, [6].

    Parameters
    ----------
    votes, probabilities
        [window, 6]; see `positives` for which windows are positive.
    weights
        [window].

    Returns
    -------
    ndarray
        0.5 is chance, 1 is perfect; NaN if no window, or every window, is positive.
    """
    return np.asarray(ranking(votes, probabilities, weights)[0])


def auprc(votes: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike) -> Floats:
    """Return the average precision of each pattern against the rest, [6]; for the parameters, see `auroc`.

    Chance is the share of positives, so it compares models on the same windows only.
    """
    return np.asarray(ranking(votes, probabilities, weights)[1])


def ranking(votes: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike) -> Floats:
    """Return `auroc` and `auprc` at once, [2, 6]."""
    return np.array([areas_under(one, weights) for one in one_against_rest(votes, probabilities)]).T


def areas_under(ranked: Contrast, weights: npt.ArrayLike) -> Floats:
    """Return AUROC and AUPRC of a contrast, [2], with weighted windows; NaN without windows of both kinds."""
    return levels_of(ranked, weights).areas() if ranked.decided else np.full(2, np.nan)


@dataclass(frozen=True)
class Levels:
    """The distinct scores of a contrast, from the highest to the lowest.

    Attributes
    ----------
    counted
        Indices of the windows that count, [n].
    of_window
        Level of each of them, [n].
    positive, negative
        Total weight of the windows of either kind at each level, [level].
    """

    counted: npt.NDArray[np.intp]
    of_window: npt.NDArray[np.intp]
    positive: Floats
    negative: Floats

    def areas(self) -> Floats:
        """Return AUROC and AUPRC, [2]."""
        return np.array(areas(self.positive, self.negative))


def levels_of(ranked: Contrast, weights: npt.ArrayLike) -> Levels:
    """Return the levels of a contrast, so that its windows are sorted only once."""
    counted = np.flatnonzero(ranked.positive | ranked.negative)
    own, positive = np.asarray(weights, dtype=np.float64)[counted], ranked.positive[counted]
    levels, of_window = np.unique(-ranked.scores[counted], return_inverse=True)
    with_it = np.bincount(of_window, np.where(positive, own, 0.0), len(levels))
    without = np.bincount(of_window, np.where(positive, 0.0, own), len(levels))
    return Levels(counted, of_window, with_it.astype(np.float64), without.astype(np.float64))
