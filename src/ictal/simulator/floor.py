"""The floor: how well the best possible predictor would do, who knows the distribution behind the votes."""

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy
from scipy.stats import binom

Floats = npt.NDArray[np.float64]


def expected_kl(probabilities: npt.ArrayLike, panel_size: int) -> Floats:
    """Return the mean KL of the votes of a panel from the distribution that they are drawn from.

    Votes v of a panel of n are multinomial, and each v_k alone is binomial, so the expectation
    E[sum_k v_k/n log(v_k / (n p_k))] is a sum over k and v_k, without simulation. It is above zero for any finite
    panel: about (number of patterns - 1) / (2 n) where all p_k are well above 1 / n. Raters drawn from a
    small pool, each for one vote, agree a little better with its mean than that.

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
    chances = np.where(chances < 1e-300, 0.0, chances)  # at which scipy's binomial overflows
    counts = np.arange(panel_size + 1)
    weights = binom.pmf(counts, panel_size, chances[..., None])
    terms = (weights * xlogy(counts / panel_size, counts / panel_size)).sum(axis=-1)
    return np.asarray((terms - xlogy(chances, chances)).sum(axis=-1))
