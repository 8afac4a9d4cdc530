"""The zero-phase band-pass."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ictal.core.recording import Signal
from ictal.core.windows import RATE_HZ

FILTERED_AT_ONCE = 2**16
"""Samples that are filtered together: half a megabyte in float64, which stays in the processor's cache. Fewer rows at
once are slow where they are short, more where they are long."""


def band_pass(signal: Signal, band_hz: tuple[float, float], order: int) -> Signal:
    """Filter [channel, time] at 200 Hz with a Butterworth band-pass, forward and backward; reckoned in float64."""
    from scipy import signal as sp  # takes half a second, which looking at a file need not wait for

    sections, pad = _sections(band_hz, order), min(signal.shape[1] - 1, filter_pad(band_hz))
    n_rows = max(1, FILTERED_AT_ONCE // (signal.shape[1] + 2 * pad))
    output = np.empty_like(signal)
    for first in range(0, len(signal), n_rows):
        rows = slice(first, first + n_rows)
        output[rows] = sp.sosfiltfilt(sections, signal[rows].astype(np.float64), axis=1, padlen=pad)
    return output


def filter_pad(band_hz: tuple[float, float]) -> int:
    """Return by how many samples a signal is continued at each end for filtering: a period of the lower edge."""
    return round(RATE_HZ / band_hz[0])


@lru_cache(maxsize=8)
def _sections(band_hz: tuple[float, float], order: int) -> npt.NDArray[np.float64]:
    from scipy import signal as sp  # see `band_pass`

    return np.asarray(sp.butter(order, band_hz, "bandpass", fs=RATE_HZ, output="sos"))
