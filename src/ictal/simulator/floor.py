"""The floor: the KL divergence of a predictor that knows the distribution behind the votes."""

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy
from scipy.stats import binom

Floats = npt.NDArray[np.float64]


def expected_kl(probabilities: npt.ArrayLike, panel_size: int) -> Floats:
    """Return the mean Kullback-Leibler divergence of a panel's votes from the distribution that they are drawn from.

    The votes v of a panel of n are multinomial, and each v_k alone is binomial, so the expectation
    E[sum_k v_k/n log(v_k / (n p_k))] is a sum over k and v_k that needs no simulation. It is above zero for any
    finite panel: about (number of patterns - 1) / (2 n) if all p_k are well above 1 / n. Raters who are drawn from a
    small pool, with one vote each, agree slightly better with its mean.

    Parameters
    ----------
    probabilities
        [..., 6].
    panel_size
        Number of votes, n.

    Returns
    -------
    ndarray
        [...], natural logarithm.
    """
    chances = np.asarray(probabilities, dtype=np.float64)
    chances = np.where(chances < 1e-300, 0.0, chances)  # below which scipy's binomial overflows
    counts = np.arange(panel_size + 1)
    weights = binom.pmf(counts, panel_size, chances[..., None])
    terms = (weights * xlogy(counts / panel_size, counts / panel_size)).sum(axis=-1)
    return np.asarray((terms - xlogy(chances, chances)).sum(axis=-1))
