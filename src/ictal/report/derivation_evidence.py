"""Evidence by derivation, as EEG readers see it, in figures and in the viewer."""

import numpy as np
import numpy.typing as npt

from ictal.core.montage import ELECTRODES, MONTAGES, derivations_of, montage_matrix

LEAST_NATS = 0.001
"""The least value of the strongest colour, so that rounding errors are not coloured."""


def of_derivations(grid: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return a map [19, time] as one of the double banana's derivations, [18, time]: the mean of two electrodes."""
    matrix = np.abs(montage_matrix(derivations_of(MONTAGES["double_banana"])))[:, : len(ELECTRODES)]
    return np.asarray(matrix @ grid / 2)
