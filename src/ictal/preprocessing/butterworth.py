"""Butterworth filters at 200 Hz as zeros, poles and gain, by the bilinear transform.

`scipy.signal.butter` gives the same, but importing it, with SciPy's statistics, splines and optimisers, takes a tenth
of the time in which an hour of EEG is scored.
"""

import numpy as np
import numpy.typing as npt

from ictal.core.windows import RATE_HZ

Complex = npt.NDArray[np.complex128]
ZerosPolesGain = tuple[Complex, Complex, float]


def low_pass(order: int, edge_hz: float) -> ZerosPolesGain:
    """Return the zeros, poles and gain of a low-pass whose gain is 1 at 0 Hz and -3 dB at its edge."""
    return _digital(_warped(edge_hz) * _prototype(order), n_at_zero=0, passed_hz=0)


def band_pass(order: int, band_hz: tuple[float, float]) -> ZerosPolesGain:
    """Return the zeros, poles and gain of a band-pass, -3 dB at both edges; it has twice as many poles as `order`."""
    low, high = map(_warped, band_hz)
    half = (high - low) / 2 * _prototype(order)
    root = np.sqrt(half**2 - low * high)
    centre_hz = np.arctan(np.sqrt(low * high)) * RATE_HZ / np.pi
    return _digital(np.concatenate([half + root, half - root]), n_at_zero=order, passed_hz=centre_hz)


def _warped(edge_hz: float) -> float:
    """Return the frequency of the analogue filter that the bilinear transform brings to an edge."""
    return float(np.tan(np.pi * edge_hz / RATE_HZ))


def _prototype(order: int) -> Complex:
    """Return the poles of the analogue low-pass with its edge at 1: on the unit circle's left half, exact pairs."""
    angle = np.pi / 2 * (np.arange(1 - order, order, 2) / order)
    return np.asarray(-np.cos(angle) + 1j * np.sin(angle))


def _digital(poles: Complex, n_at_zero: int, passed_hz: float) -> ZerosPolesGain:
    """Transform an analogue filter, `n_at_zero` of whose zeros are at 0 and the others at infinity.

    The gain is 1 at the frequency that is passed. The transform is z = (1 + s) / (1 - s): 0 becomes 1, and infinity
    becomes -1.
    """
    zeros = np.repeat([1.0 + 0j, -1.0 + 0j], [n_at_zero, len(poles) - n_at_zero])
    digital = (1 + poles) / (1 - poles)
    passed = np.exp(2j * np.pi * passed_hz / RATE_HZ)
    return zeros, digital, float(abs(((passed - digital) / (passed - zeros)).prod()))
