"""Bins of equal mass: what is told of scores without a width of bins that somebody chose."""

import numpy as np
import numpy.typing as npt


def equal_mass_bins(scores: npt.ArrayLike, masses: npt.ArrayLike, n_bins: int) -> npt.NDArray[np.intp]:
    """Return the bin of each score, [window], numbered from the lowest score; every bin has a score.

    Parameters
    ----------
    scores
        [window]. Equal scores are always in one bin, so that bins can be fewer than asked for and of unequal mass.
    masses
        [window], above 0: a score belongs where the middle of its mass lies in the cumulated mass.
    n_bins
        At most so many; where there are no more distinct scores, each is a bin.
    """
    levels, of_level = np.unique(np.asarray(scores, dtype=np.float64), return_inverse=True)
    mass = np.bincount(of_level, np.asarray(masses, dtype=np.float64), len(levels)).astype(np.float64)
    return bins_of_levels(mass, n_bins)[of_level]


def bins_of_levels(masses: npt.NDArray[np.float64], n_bins: int) -> npt.NDArray[np.intp]:
    """Return the bin of each distinct score, [level], by their masses from the lowest to the highest."""
    if len(masses) <= n_bins:
        return np.arange(len(masses))
    middle = (np.cumsum(masses) - masses / 2) / masses.sum()
    bins = np.minimum((middle * n_bins).astype(np.intp), n_bins - 1)
    return np.asarray(np.unique(bins, return_inverse=True)[1])
