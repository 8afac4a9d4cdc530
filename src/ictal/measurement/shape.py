"""What a discharge looks like: amplitude, duration of its main phase, number of phases, and lag to the back."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ictal.core.montage import ELECTRODES, MONTAGES, derivations_of
from ictal.measurement.signal import HZ

Floats = npt.NDArray[np.float64]
Groups = Sequence[Sequence[int]]
"""Electrodes with a common reference; voltages between groups are unknown."""

LONGITUDINAL = np.array(
    [[ELECTRODES.index(name) for name in pair] for pair in derivations_of(MONTAGES["double_banana"])]
)
"""Electrodes of the 18 derivations of the longitudinal bipolar montage, [derivation, 2]."""
PHASE = 0.25
"""A phase of a discharge reaches this share of the main one."""
FRONT, BACK = ([ELECTRODES.index(name) for name in names.split()] for names in ("Fp1 Fp2 F3 F4 Fz", "P3 P4 Pz O1 O2"))
LONGEST_LAG_S = 0.25
CONCORDANT = 0.5
"""Front and back have a lag if their mean waves are correlated at least as much."""


@dataclass(frozen=True)
class WaveShape:
    """The shape of the typical discharge or wave.

    Attributes
    ----------
    amplitude_uv
        From peak to trough in the derivation of the longitudinal bipolar montage where it is largest: the median over
        discharges.
    duration_s
        Duration of the main phase at the baseline, at the electrode with the largest amplitude.
    phases
        Number of phases there: baseline crossings, plus one.
    """

    amplitude_uv: float
    duration_s: float
    phases: int


def wave_shape(events: Floats, amplitude: Floats, groups: Groups) -> WaveShape:
    """Measure the shape of events [electrode, event, time] with an amplitude at each electrode."""
    return WaveShape(peak_to_trough(events, groups), *main_phase(_typical(events, amplitude)))


def formed_pairs(groups: Groups) -> npt.NDArray[np.intp]:
    """Return the longitudinal derivations whose electrodes are in one group, [derivation, 2]."""
    return LONGITUDINAL[np.any([np.isin(LONGITUDINAL, group).all(axis=1) for group in groups], axis=0)]


def peak_to_trough(events: Floats, groups: Groups) -> float:
    """Return the largest median amplitude of the longitudinal derivations that are recorded, µV."""
    formed = formed_pairs(groups)
    if not len(formed):
        return float("nan")
    voltage = events[formed[:, 0]] - events[formed[:, 1]]
    return float(np.median(np.ptp(voltage, axis=2), axis=1).max())


def _typical(events: Floats, amplitude: Floats) -> Floats:
    """Return the mean event of the electrode with the largest amplitude, relative to the median electrode, [time]."""
    average = events.mean(axis=1)
    average = average - np.median(average[np.isfinite(amplitude)], axis=0)
    wave = average[int(np.nanargmax(amplitude))]
    return np.asarray(wave - np.median(wave))


def main_phase(wave: Floats) -> tuple[float, int]:
    """Return the duration of the largest phase of a wave [time] at the baseline, s, and the number of its phases."""
    signs = np.signbit(wave)
    borders = np.flatnonzero(signs[1:] != signs[:-1]) + 1
    parts = np.split(wave, borders)
    heights = np.array([np.abs(part).max() for part in parts])
    main = int(heights.argmax())
    return len(parts[main]) / HZ, int((heights >= PHASE * heights[main]).sum())


def front_to_back_s(events: Floats, known: list[int]) -> float:
    """Return by how much the front leads the back (negative: follows), s; NaN if their waves are not alike."""
    average = events.mean(axis=1)
    ends = [[row for row in rows if row in known] for rows in (FRONT, BACK)]
    if not all(ends):
        return float("nan")
    front, back = ((wave := average[rows].mean(axis=0)) - wave.mean() for rows in ends)
    norm = np.sqrt((front @ front) * (back @ back))
    if not norm > 0:
        return float("nan")
    both = np.correlate(back, front, "full") / norm
    middle, reach = len(front) - 1, round(LONGEST_LAG_S * HZ)
    near = both[max(middle - reach, 0) : middle + reach + 1]
    best = int(np.abs(near).argmax())
    return (best - min(middle, reach)) / HZ if abs(near[best]) >= CONCORDANT else float("nan")
