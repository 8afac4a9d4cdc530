"""Random signals for the simulator: coloured noise, bands, envelopes, switches."""

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len

from ictal.core.windows import RATE_HZ

Floats = npt.NDArray[np.float64]
Signal = npt.NDArray[np.float32]


def shaped_noise(rng: np.random.Generator, n_rows: int, n_samples: int, low_hz: float, gain: Floats) -> Signal:
    """Return noise [row, time] at 200 Hz with the given amplitude spectrum.

    Parameters
    ----------
    low_hz
        Frequency of the first entry of `gain`; for the other frequencies, see `bins`.
    gain
        Amplitude per bin, [bin] or [row, bin]; the variance of the result is the mean over rows of the sum of its
        squares.
    """
    length = next_fast_len(n_samples, real=True)
    first = max(1, round(low_hz * length / RATE_HZ))
    n_bins = min(gain.shape[-1], length // 2 - first)
    spectrum = np.zeros((n_rows, length // 2 + 1), dtype=np.complex64)
    normal = rng.standard_normal((n_rows, n_bins, 2), dtype=np.float32).view(np.complex64)[..., 0]
    spectrum[:, first : first + n_bins] = normal * (gain[..., :n_bins] * (length / 2)).astype(np.float32)
    return np.asarray(irfft(spectrum, length, axis=1)[:, :n_samples])


def bins(n_samples: int, low_hz: float, high_hz: float) -> Floats:
    """Return the frequencies that `shaped_noise` fills between two limits, Hz."""
    length = next_fast_len(n_samples, real=True)
    first = max(1, round(low_hz * length / RATE_HZ))
    last = min(round(high_hz * length / RATE_HZ), length // 2 - 1)
    return np.asarray(np.arange(first, max(last, first) + 1) * (RATE_HZ / length), dtype=np.float64)


def unit(gain: Floats) -> Floats:
    """Scale an amplitude spectrum [..., bin] so that its noise has unit variance."""
    return np.asarray(gain / np.sqrt((gain**2).sum(axis=-1, keepdims=True)))


def coloured_noise(rng: np.random.Generator, n_rows: int, n_samples: int, exponent: float, high_hz: float) -> Signal:
    """Return noise [row, time] of unit variance whose power decreases as 1 / f ** exponent from 0.5 Hz to `high_hz`.

    Below 0.5 Hz it is constant, since slow drifts of the electrodes are simulated separately.
    """
    frequency = bins(n_samples, 0.1, high_hz)
    return shaped_noise(rng, n_rows, n_samples, 0.1, unit(np.maximum(frequency, 0.5) ** (-exponent / 2)))


def band_noise(rng: np.random.Generator, n_rows: int, n_samples: int, centre_hz: float, width_hz: float) -> Signal:
    """Return noise [row, time] of unit variance around a frequency, with a Gaussian spectrum."""
    low_hz = max(0.2, centre_hz - 3 * width_hz)
    frequency = bins(n_samples, low_hz, centre_hz + 3 * width_hz)
    gain = np.exp(-(((frequency - centre_hz) / width_hz) ** 2) / 4)
    return shaped_noise(rng, n_rows, n_samples, low_hz, unit(gain))


def envelope(rng: np.random.Generator, n_samples: int, seconds: float, spread: float, n_rows: int = 1) -> Signal:
    """Return positive factors [row, time] with median one that vary slowly, over about `seconds`.

    Parameters
    ----------
    spread
        Standard deviation of the factor's logarithm.
    """
    n_knots = max(2, int(n_samples / RATE_HZ / seconds) + 2)
    knots = np.linspace(0, n_samples - 1, n_knots)
    logs = rng.normal(0, spread, (n_rows, n_knots))
    time = np.arange(n_samples)
    return np.exp(np.stack([np.interp(time, knots, row) for row in logs]).astype(np.float32))


def switch(
    rng: np.random.Generator,
    n_samples: int,
    on_s: float,
    off_s: float,
    ramp_s: float = 0.2,
    *,
    on: bool | None = None,
) -> Floats:
    """Return a signal [time] that alternates between 0 and 1, for exponentially distributed times of given means.

    Parameters
    ----------
    on
        Whether it starts at 1; None for a random state, as if the process had been running before.
    """
    state = bool(rng.random() < on_s / (on_s + off_s)) if on is None else on
    level = np.empty(n_samples)
    begin = 0
    while begin < n_samples:
        mean_s = on_s if state else off_s
        end = begin + max(1, int(rng.exponential(mean_s) * RATE_HZ) + int(0.1 * mean_s * RATE_HZ))
        level[begin:end] = state
        begin, state = end, not state
    n_ramp = max(1, int(ramp_s * RATE_HZ))
    return smooth(level, n_ramp)


def smooth(values: Floats, n_samples: int) -> Floats:
    """Return the moving average over `n_samples`, [time], with constant padding at the ends."""
    if n_samples <= 1:
        return values
    padded = np.pad(values, (n_samples // 2, n_samples - 1 - n_samples // 2), mode="edge")
    sums = np.cumsum(np.concatenate([[0.0], padded]))
    return np.asarray((sums[n_samples:] - sums[:-n_samples]) / n_samples)


def delayed(values: Floats, n_samples: int) -> Floats:
    """Return values [time] delayed by `n_samples`, or advanced if it is negative, padded with zeros."""
    moved = np.zeros_like(values)
    if n_samples >= 0:
        moved[n_samples:] = values[: len(values) - n_samples]
    else:
        moved[:n_samples] = values[-n_samples:]
    return moved


def sigmoid(x: npt.ArrayLike) -> Floats:
    """Return the logistic function."""
    return np.asarray(1 / (1 + np.exp(-np.asarray(x, dtype=np.float64))))
