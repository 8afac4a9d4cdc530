"""Bins of equal mass, which need no choice of a bin width."""

import numpy as np
import numpy.typing as npt


def equal_mass_bins(scores: npt.ArrayLike, masses: npt.ArrayLike, n_bins: int) -> npt.NDArray[np.intp]:
    """Return the bin of each score, [window], numbered from the lowest score; no bin is empty.

    Parameters
    ----------
    scores
        [window]. Equal scores share a bin, so there may be fewer bins than requested, and their masses may differ.
    masses
        [window], above 0. A score belongs to the bin that contains the midpoint of its mass in the cumulative mass.
    n_bins
        Largest number of bins. If there are no more distinct scores than that, each is a bin.
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
