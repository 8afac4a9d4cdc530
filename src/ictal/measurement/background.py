"""The background of a window: voltage, suppression and attenuation, bursts, and the posterior rhythm."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from ictal.core.montage import ELECTRODES
from ictal.core.windows import CENTRE_S
from ictal.measurement.shape import formed_pairs
from ictal.measurement.signal import HZ, MeasuredSignal

Floats = npt.NDArray[np.float64]
Voltages = npt.NDArray[np.float32]

STEP_S, STRETCH_S = 0.1, 0.5
"""Voltages are measured in steps of the first, over the second: suppression lasts half a second or more (ACNS 2021,
A, continuity)."""
STEP, STEPS = round(STEP_S * HZ), round(STRETCH_S / STEP_S)
CONTEXT_S = 30
"""How far around a window its usual voltage is taken."""
CENTRE, CONTEXT = round(CENTRE_S / STEP_S), round(CONTEXT_S / STEP_S)
WIDE = CENTRE + 2 * CONTEXT
SUPPRESSED_UV = 10.0
"""Suppression is below 10 µV from peak to trough (ACNS 2021, A, voltage)."""
SHARES = (1 / 2, 2 / 3)
"""Shares of the derivations that are below the voltage for suppression, and for the usual voltage."""
USUAL, ATTENUATED = 0.9, 0.35
"""Attenuation is below this share of the 90th percentile of the voltage. The terminology demands less than half of
the voltage of the background; continuous EEG varies so much that half would often find attenuation in it."""
DEPTH = 0.4
"""What is attenuated has at most this share of the voltage of the rest; otherwise the voltage merely varies."""
BURSTS, BETWEEN = 0.95, 0.4
"""Quantiles of the voltage whose ratio tells bursts on a suppressed background from continuous EEG."""
OCCIPITAL = [ELECTRODES.index(name) for name in ("O1", "O2")]
ANTERIOR = [ELECTRODES.index(name) for name in ("F3", "F4", "Fz")]
SEGMENT = 4 * HZ
ALPHA_HZ, BESIDE_HZ = (6.0, 13.0), ((3.0, 5.0), (15.0, 18.0))
"""Where a posterior rhythm is searched, and the bands beside it that show the power without one."""
PROMINENT, POSTERIOR_RATIO = 4.0, 1.5
"""A posterior rhythm has this many times the power that the bands beside it lead to expect, and this many times the
power at the frontal electrodes."""


@dataclass(frozen=True)
class BackgroundNumbers:
    """The background in the 10 s of a window that its votes concern; NaN where unknown.

    Attributes
    ----------
    voltage_uv
        Median amplitude from peak to trough within 0.5 s, of the longitudinal derivation that a third of them exceed.
    suppressed
        Share of the time that is suppressed or attenuated.
    burst_uv, between_uv
        Voltage of bursts and between them, in the 70 s around; their ratio is about 2 in continuous EEG.
    posterior_hz
        Frequency of the posterior rhythm; 0 if none is seen.
    """

    voltage_uv: float
    suppressed: float
    burst_uv: float
    between_uv: float
    posterior_hz: float


def measure_backgrounds(signal: MeasuredSignal, starts: Sequence[int]) -> list[BackgroundNumbers]:
    """Measure the background of several stretches of 10 s of a signal.

    Parameters
    ----------
    starts
        First sample of each stretch at `HZ`.
    """
    if not len(starts):
        return []
    typical, upper = voltage_courses(signal)
    begins = np.asarray(starts) // STEP
    around, centre = _around(typical, begins - CONTEXT, WIDE), slice(CONTEXT, CONTEXT + CENTRE)
    ordered = np.sort(around, axis=1)
    known = np.isfinite(around[:, centre])
    low = (is_suppressed(around, ordered)[:, centre] & known).sum(axis=1)
    uv = _quantile(np.sort(_around(upper, begins, CENTRE), axis=1), 0.5)
    burst_uv, between_uv = (_quantile(ordered, share) for share in (BURSTS, BETWEEN))
    n_known = known.sum(axis=1)
    suppressed = low / np.where(n_known, n_known, np.nan)
    hertz = posterior_rhythms_hz([signal.cut(start, start + CENTRE_S * HZ) for start in starts])
    numbers = np.where(n_known, [uv, suppressed, burst_uv, between_uv, hertz], np.nan).T.tolist()
    return [BackgroundNumbers(*row) for row in numbers]


def _around(course: Voltages, begins: npt.NDArray[np.intp], length: int) -> Voltages:
    """Return pieces of a course [step], [piece, step]; NaN before its start and after its end."""
    places = begins[:, None] + np.arange(length)
    inside = (places >= 0) & (places < len(course))
    return np.asarray(np.where(inside, course.take(places, mode="clip"), np.float32(np.nan)))


def voltage_courses(signal: MeasuredSignal) -> Voltages:
    """Return the amplitude from peak to trough within the 0.5 s around each step of 0.1 s, [2, step], µV.

    They are those of the median derivation of the longitudinal bipolar montage, of those that are recorded, and of
    the one that a third exceed: the voltage is low if most activity is. NaN if none is recorded.
    """
    formed, n_steps = formed_pairs(signal.groups), signal.eeg.shape[1] // STEP
    if not len(formed) or n_steps < STEPS:
        return np.full((len(SHARES), n_steps), np.nan, dtype=np.float32)
    voltage = (signal.eeg[formed[:, 0]] - signal.eeg[formed[:, 1]])[:, : n_steps * STEP]
    parts = voltage.reshape(len(formed), n_steps, STEP)
    margins, ends = ((0, 0), (STEPS // 2, STEPS // 2)), []
    for furthest in (np.maximum, np.minimum):  # of slices: faster than along short axes
        steps = np.pad(reduce(furthest, (parts[..., place] for place in range(STEP))), margins, mode="edge")
        ends.append(reduce(furthest, (steps[:, place : place + n_steps] for place in range(STEPS))))
    spans = ends[0] - ends[1]
    missing = signal.missing[:, : n_steps * STEP].reshape(len(signal.missing), n_steps, STEP)[..., 0]
    spans[missing[formed[:, 0]] | missing[formed[:, 1]]] = np.nan
    ordered = np.sort(spans.T, axis=1)
    return np.stack([_quantile(ordered, share) for share in SHARES])


def _quantile(ordered: Voltages, share: float) -> Voltages:
    """Return a quantile of each row of values, ordered and NaN last (`numpy.nanquantile` is slower)."""
    return _at(ordered, share * (np.isfinite(ordered).sum(axis=1) - 1))


def _at(ordered: Voltages, places: Floats) -> Voltages:
    """Return the value of each row [row, value] at a place between two of its values; the first if it is negative."""
    places = np.maximum(places, 0)
    low, rows = np.floor(places).astype(int), np.arange(len(ordered))
    below, above = ordered[rows, low], ordered[rows, np.ceil(places).astype(int)]
    return np.asarray(below + (above - below) * (places - low), dtype=np.float32)


def is_suppressed(voltages: Voltages, ordered: Voltages) -> npt.NDArray[np.bool_]:
    """Return which steps are part of a stretch of 0.5 s or more that is suppressed or attenuated, [window, step].

    Parameters
    ----------
    voltages
        [window, step], µV.
    ordered
        The same, ordered within each window, NaN last.
    """
    attenuated = voltages < ATTENUATED * _quantile(ordered, USUAL)[:, None]
    n_low, n_known = attenuated.sum(axis=1), np.isfinite(ordered).sum(axis=1)
    inside, beside = _at(ordered, (n_low - 1) / 2), _at(ordered, (n_low + n_known - 1) / 2)  # medians
    attenuated &= (inside <= DEPTH * beside)[:, None]
    low: npt.NDArray[np.bool_] = attenuated | (voltages < SUPPRESSED_UV)
    return np.asarray(binary_dilation(low, np.ones((1, STEPS), dtype=bool)), dtype=bool)


def posterior_rhythms_hz(signals: Sequence[MeasuredSignal]) -> Floats:
    """Return the frequency of the rhythm of 6 to 13 Hz over the occipital electrodes; 0 if none stands out.

    NaN if no occipital, or no frontal electrode is known.
    """
    powers = np.array([_power_of_regions(signal) for signal in signals])
    hertz = np.fft.rfftfreq(SEGMENT, 1 / HZ)
    behind, before = powers[:, 0], powers[:, 1]
    beside = [(hertz >= low) & (hertz <= high) for low, high in BESIDE_HZ]
    (x0, y0), (x1, y1) = (
        (np.log(hertz[band]).mean(), np.log(behind[:, band] + 1e-9).mean(axis=1, keepdims=True)) for band in beside
    )
    inside = (hertz >= ALPHA_HZ[0]) & (hertz <= ALPHA_HZ[1])
    hertz, behind, before = hertz[inside], behind[:, inside], before[:, inside]
    ratio = _sums_of_three(behind / np.exp(y0 + (np.log(hertz) - x0) * (y1 - y0) / (x1 - x0))) / 3
    best, rows = ratio.argmax(axis=1), np.arange(len(ratio))
    stands_out = (ratio[rows, best] >= PROMINENT) & (best > 0) & (best < len(hertz) - 1)
    is_posterior = _sums_of_three(behind)[rows, best] >= POSTERIOR_RATIO * _sums_of_three(before)[rows, best]
    found = np.where(stands_out & is_posterior, hertz[best], 0.0)
    return np.where(np.isfinite(powers[:, 0, 0]), found, np.nan)


def _power_of_regions(signal: MeasuredSignal) -> Floats:
    """Return the power at the back and at the front, [2, frequency]; NaN if either is not known."""
    n_segments, known = signal.eeg.shape[1] // SEGMENT, signal.known
    back, front = ([row for row in rows if row in known] for rows in (OCCIPITAL, ANTERIOR))
    if not back or not front or not n_segments:
        return np.full((2, SEGMENT // 2 + 1), np.nan)
    eeg = signal.referenced()[[*back, *front], : n_segments * SEGMENT].reshape(len(back) + len(front), -1, SEGMENT)
    spectrum = np.fft.rfft(eeg * np.hanning(SEGMENT))
    power = (spectrum.real**2 + spectrum.imag**2).mean(axis=1)
    return np.stack([power[: len(back)].mean(axis=0), power[len(back) :].mean(axis=0)])


def _sums_of_three(rows: Floats) -> Floats:
    """Return the sums of each value and its neighbours in rows."""
    padded = np.pad(rows, ((0, 0), (1, 1)))
    return np.asarray(padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:])
