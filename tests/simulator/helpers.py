"""What several modules of the simulator's tests start from: a plain head, and the power of a band."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import signal as sp

from ictal.core.montage import MIRROR
from ictal.core.windows import RATE_HZ
from ictal.simulator.head import SITES, HeadModel, forward_models, source_positions

Floats = npt.NDArray[np.float64]

MIRRORED = (*MIRROR[:-1], SITES.index("A2"), SITES.index("A1"))
"""Index map over `SITES` to the other side."""


@lru_cache
def plain_head(skull: int = 1) -> HeadModel:
    """Return the head whose electrodes are where they should be, with one of the solved conductivities."""
    gain = forward_models()[skull, 0]
    radial = np.einsum("esd,sd->es", gain, source_positions())
    return HeadModel(gain / np.median(radial.max(axis=1)))


def power(rows: npt.ArrayLike, low_hz: float, high_hz: float) -> Floats:
    """Return the variance of each row within a band, from its periodogram."""
    rows = np.asarray(rows, dtype=np.float64)
    frequency, density = sp.periodogram(rows, RATE_HZ)
    band = (frequency >= low_hz) & (frequency <= high_hz)
    return np.asarray(density[..., band].sum(axis=-1) * (frequency[1] - frequency[0]))


def rms(rows: npt.ArrayLike) -> Floats:
    """Return the root mean square of each row."""
    return np.asarray(np.sqrt((np.asarray(rows, dtype=np.float64) ** 2).mean(axis=-1)))


def at(*names: str) -> list[int]:
    """Return the rows of some sites."""
    return [SITES.index(name) for name in names]
