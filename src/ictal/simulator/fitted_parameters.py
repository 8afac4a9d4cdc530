"""Parameters that `benchmarks/fit_raters.py` fitted to the votes of real panels.

Source: the votes on 50,697 segments of 2,711 subjects in bdsp-core/IIIC-SPaRCNet (ODC-By 1.0; Jing et al., Neurology
2023;100:e1750-e1762). Only these summary figures are taken from it.
"""

from itertools import combinations_with_replacement

import numpy as np
import numpy.typing as npt

from ictal.core.labels import PATTERNS

Kind = tuple[str, str]
KINDS: tuple[Kind, ...] = tuple(combinations_with_replacement(PATTERNS, 2))
"""Kinds of windows: clearly one pattern (named twice), or between two."""

# FIT BEGIN
SLOPE = 2.6
"""Slope of the average rater's logistic curve, per unit of a coordinate."""
BIAS = 0.9
"""Standard deviation of the raters' own limits, in units of the coordinates."""
LAPSE = 0.015
"""Share of votes that are random."""

FEW_SHARES = {
    "seizure-seizure": 0.6394,
    "seizure-lpd": 0.002,
    "seizure-gpd": 0.002,
    "seizure-lrda": 0.002,
    "seizure-grda": 0.002,
    "seizure-other": 0.002,
    "lpd-lpd": 0.0919,
    "lpd-gpd": 0.0302,
    "lpd-lrda": 0.002,
    "lpd-grda": 0.002,
    "lpd-other": 0.0383,
    "gpd-gpd": 0.0237,
    "gpd-lrda": 0.002,
    "gpd-grda": 0.002,
    "gpd-other": 0.002,
    "lrda-lrda": 0.0023,
    "lrda-grda": 0.002,
    "lrda-other": 0.0228,
    "grda-grda": 0.0579,
    "grda-other": 0.0121,
    "other-other": 0.0599,
}
MANY_SHARES = {
    "seizure-seizure": 0.002,
    "seizure-lpd": 0.052,
    "seizure-gpd": 0.0524,
    "seizure-lrda": 0.002,
    "seizure-grda": 0.002,
    "seizure-other": 0.032,
    "lpd-lpd": 0.1028,
    "lpd-gpd": 0.1721,
    "lpd-lrda": 0.002,
    "lpd-grda": 0.002,
    "lpd-other": 0.1449,
    "gpd-gpd": 0.0411,
    "gpd-lrda": 0.002,
    "gpd-grda": 0.002,
    "gpd-other": 0.0279,
    "lrda-lrda": 0.0028,
    "lrda-grda": 0.0528,
    "lrda-other": 0.0912,
    "grda-grda": 0.002,
    "grda-other": 0.2099,
    "other-other": 0.002,
}
"""Share of each kind among the windows with few (1 to 9) and with many votes."""

FEW_SIZES = {
    1: 0.2007,
    2: 0.1268,
    3: 0.578,
    4: 0.0393,
    5: 0.048,
    6: 0.0071,
}
MANY_SIZES = {
    11: 0.0216,
    12: 0.0555,
    13: 0.1632,
    14: 0.0916,
    15: 0.1303,
    16: 0.0552,
    17: 0.0946,
    18: 0.1084,
    19: 0.0744,
    20: 0.1206,
    21: 0.03,
    22: 0.0227,
    23: 0.0111,
    24: 0.0037,
    25: 0.007,
    26: 0.0059,
    27: 0.0022,
    28: 0.0013,
    29: 0.0003,
    30: 0.0003,
}
"""Share of each panel size, among panels of few and of many."""
# FIT END


def _weights(shares: dict[str, float]) -> npt.NDArray[np.float64]:
    values = np.array([shares["-".join(kind)] for kind in KINDS])
    return np.asarray(values / values.sum())


FEW, MANY = _weights(FEW_SHARES), _weights(MANY_SHARES)
"""The shares in the order of `KINDS`, [21]."""
