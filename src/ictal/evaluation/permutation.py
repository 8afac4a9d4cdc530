"""Tests of differences: a permutation test by patient, and Holm's correction over a family of tests."""

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
    """Return the p-value for one column of differences, [window]; see `permutation_p_values`."""
    return permutation_p_values(differences, patients, weights, n_permutations, seed)[0]


def permutation_p_values(
    differences: npt.ArrayLike,
    patients: npt.ArrayLike,
    weights: npt.ArrayLike,
    n_permutations: int = 10_000,
    seed: int = 0,
) -> list[float]:
    """Return the two-sided p-value of a paired permutation test by patient, for each column of differences.

    Under the null hypothesis, the losses of the two predictors are exchangeable within each patient, so the sign of
    each patient's summed difference is random (Good 2005, *Permutation, Parametric and Bootstrap Tests of
    Hypotheses*, chapter 3). If there are at most `n_permutations` sets of signs, all are enumerated and p is exact.
    Otherwise they are drawn at random, and the observed one is counted among them, so p is never zero (Phipson and
    Smyth 2010).

    Parameters
    ----------
    differences
        Difference between the two losses of each window, [window] or [window, column].
    patients, weights
        Patient and weight of each window, [window].
    n_permutations, seed
        Number of random sets of signs, and the seed for them.
    """
    codes, names = pd.factorize(np.asarray(patients))
    weights = np.asarray(weights, dtype=np.float64)
    of_window = np.asarray(differences, dtype=np.float64).reshape(len(weights), -1) * weights[:, None]
    sums = np.stack([np.bincount(codes, column, minlength=len(names)) for column in of_window.T], axis=1)
    # The tolerance makes equal sums count as equal although their terms are added in another order.
    observed = abs(sums.sum(axis=0)) - 1e-12 * abs(sums).sum(axis=0)
    exact = len(names) - 1 <= np.log2(n_permutations)
    # Reversing all signs keeps the size of the sum, so one patient's sign can be fixed.
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
    """Return the smallest two-sided p-value that is possible with n patients: 2 of 2^n sets of signs.

    n is the effective number, because the signs of patients with little weight hardly matter.
    """
    return float(min(1.0, 2.0 ** (1 - n_effective)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values of a family of tests with Holm's correction (Holm 1979)."""
    order = np.argsort(p_values, kind="stable")
    ranked = np.asarray(p_values, dtype=np.float64)[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(ranked), 1.0)
    return corrected.tolist()
