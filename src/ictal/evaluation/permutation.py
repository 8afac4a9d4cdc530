"""Tests of differences: a permutation test that keeps patients together, and Holm's correction over a family."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.evaluation.bootstrap import CHUNK


def permutation_p(
    differences: npt.ArrayLike,
    patients: npt.ArrayLike,
    weights: npt.ArrayLike,
    n_permutations: int = 10_000,
    seed: int = 0,
) -> float:
    """Return the p of one difference of each window, [window]; the rest as `permutation_p_values`."""
    return permutation_p_values(differences, patients, weights, n_permutations, seed)[0]


def permutation_p_values(
    differences: npt.ArrayLike,
    patients: npt.ArrayLike,
    weights: npt.ArrayLike,
    n_permutations: int = 10_000,
    seed: int = 0,
) -> list[float]:
    """Return the two-sided p of a paired permutation test by patient, for each column of differences.

    Were two predictors alike, which of them gave which of the two losses would be chance, for all windows of a
    patient at once: the sign of each patient's summed difference is drawn anew (Good 2005, *Permutation, Parametric
    and Bootstrap Tests of Hypotheses*, chapter 3). Where no more than `n_permutations` sets of signs differ, each is
    looked at once and p is exact; else they are drawn at random, and what was observed counts as one of them, so p is
    never zero (Phipson and Smyth 2010).

    Parameters
    ----------
    differences
        Of the two losses of each window, [window] or [window, column].
    patients, weights
        Of each window, [window].
    """
    codes, names = pd.factorize(np.asarray(patients))
    weights = np.asarray(weights, dtype=np.float64)
    of_window = np.asarray(differences, dtype=np.float64).reshape(len(weights), -1) * weights[:, None]
    sums = np.stack([np.bincount(codes, column, minlength=len(names)) for column in of_window.T], axis=1)
    # A permutation that gives the same sum in another order of addition is as extreme.
    observed = abs(sums.sum(axis=0)) - 1e-12 * abs(sums).sum(axis=0)
    exact = len(names) - 1 <= np.log2(n_permutations)
    # All signs turned round give the same size of the sum, so one patient's sign may stay.
    total = 2 ** (len(names) - 1) if exact else n_permutations
    generator = np.random.default_rng(seed)
    as_extreme = np.zeros(sums.shape[1])
    for begin in range(0, total, CHUNK):
        n_rows = min(CHUNK, total - begin)
        if exact:
            signs = (np.arange(begin, begin + n_rows)[:, None] >> np.arange(len(names))) & 1
        else:
            signs = generator.integers(0, 2, (n_rows, len(names)), dtype=np.int8)
        as_extreme += (abs((1 - 2.0 * signs) @ sums) >= observed).sum(axis=0)
    p_values = as_extreme / total if exact else (1 + as_extreme) / (1 + total)
    return [float(p) for p in p_values]


def least_p(n_effective: float) -> float:
    """Return the smallest two-sided p that the signs of so many patients can give: 2 of 2^n sets of signs.

    Patients of unequal weight count as fewer equal ones, since the signs of those who hardly weigh tell nothing.
    """
    return float(min(1.0, 2.0 ** (1 - n_effective)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p of each test of a family, corrected so that few are small by chance (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    ranked = np.asarray(p_values, dtype=np.float64)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(ranked), 1.0)
    return corrected.tolist()
