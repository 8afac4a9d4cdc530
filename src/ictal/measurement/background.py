"""The background of a window: voltage, suppression and attenuation, bursts, and the posterior rhythm."""

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


def measure_background(signal: MeasuredSignal, voltages: Voltages, start: int) -> BackgroundNumbers:
    """Measure the background of 10 s of a signal.

    Parameters
    ----------
    voltages
        Those of the whole signal, see `voltage_courses`.
    start
        First sample of the 10 s at `HZ`.
    """
    begin, end = start // STEP, (start + CENTRE_S * HZ) // STEP
    first = max(0, begin - round(CONTEXT_S / STEP_S))
    around = voltages[0, first : end + round(CONTEXT_S / STEP_S)]
    unknown = float("nan")
    if not np.isfinite(voltages[0, begin:end]).any():
        return BackgroundNumbers(unknown, unknown, unknown, unknown, unknown)
    low = is_suppressed(around)[begin - first : end - first]
    ordered = np.sort(around)
    return BackgroundNumbers(
        voltage_uv=float(_quantile(np.sort(voltages[1, begin:end]), 0.5)),
        suppressed=float(low[np.isfinite(voltages[0, begin:end])].mean()),
        burst_uv=float(_quantile(ordered, BURSTS)),
        between_uv=float(_quantile(ordered, BETWEEN)),
        posterior_hz=posterior_rhythm_hz(signal.cut(start, start + CENTRE_S * HZ)),
    )


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
    return np.stack([_quantile(np.sort(spans, axis=0), share) for share in SHARES])


def _quantile(ordered: Voltages, share: float) -> Voltages:
    """Return a quantile of values along the first axis, ordered and NaN last (`numpy.nanquantile` is slower)."""
    place = share * np.maximum(np.isfinite(ordered).sum(axis=0) - 1, 0)
    low = np.floor(place).astype(int)
    below, above = (np.take_along_axis(ordered, at[None], axis=0)[0] for at in (low, np.ceil(place).astype(int)))
    return np.asarray(below + (above - below) * (place - low), dtype=np.float32)


def is_suppressed(voltages: Voltages) -> npt.NDArray[np.bool_]:
    """Return which steps are part of a stretch of 0.5 s or more that is suppressed or attenuated, [step]."""
    usual = _quantile(np.sort(voltages), USUAL)
    attenuated = voltages < ATTENUATED * usual
    if attenuated.any() and np.median(voltages[attenuated]) > DEPTH * np.nanmedian(voltages[~attenuated]):
        attenuated[:] = False
    low: npt.NDArray[np.bool_] = attenuated | (voltages < SUPPRESSED_UV)
    return np.asarray(binary_dilation(low, np.ones(STEPS, dtype=bool)), dtype=bool)


def posterior_rhythm_hz(signal: MeasuredSignal) -> float:
    """Return the frequency of the rhythm of 6 to 13 Hz over the occipital electrodes; 0 if none stands out.

    NaN if no occipital, or no frontal electrode is known.
    """
    back, front = ([row for row in rows if row in signal.known] for rows in (OCCIPITAL, ANTERIOR))
    n_segments = signal.eeg.shape[1] // SEGMENT
    if not back or not front or not n_segments:
        return float("nan")
    eeg = signal.referenced()[[*back, *front], : n_segments * SEGMENT].reshape(len(back) + len(front), -1, SEGMENT)
    spectrum = np.fft.rfft(eeg * np.hanning(SEGMENT))
    power = (spectrum.real**2 + spectrum.imag**2).mean(axis=1)
    hertz = np.fft.rfftfreq(SEGMENT, 1 / HZ)
    behind, before = power[: len(back)].mean(axis=0), power[len(back) :].mean(axis=0)
    beside = [(hertz >= low) & (hertz <= high) for low, high in BESIDE_HZ]
    (x0, y0), (x1, y1) = ((np.log(hertz[band]).mean(), np.log(behind[band] + 1e-9).mean()) for band in beside)
    inside = (hertz >= ALPHA_HZ[0]) & (hertz <= ALPHA_HZ[1])
    expected = np.exp(y0 + (np.log(hertz[inside]) - x0) * (y1 - y0) / (x1 - x0))
    ratio = np.convolve(behind[inside] / expected, np.full(3, 1 / 3), "same")
    best = int(ratio.argmax())
    near = slice(max(best - 1, 0), best + 2)
    stands_out = ratio[best] >= PROMINENT and 0 < best < len(ratio) - 1
    is_posterior = behind[inside][near].sum() >= POSTERIOR_RATIO * before[inside][near].sum()
    return float(hertz[inside][best]) if stands_out and is_posterior else 0.0
