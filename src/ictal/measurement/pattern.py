"""Measure the pattern of one window: times and rate of its discharges or waves, place, amplitude and shape."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ictal.core.labels import PERIODIC, RHYTHMIC
from ictal.core.windows import CENTRE_S
from ictal.measurement.discharges import Search, Track, find_discharges
from ictal.measurement.field import (
    LEFT,
    RIGHT,
    amplitudes,
    events_around,
    faulty_electrode,
    is_posterior,
    lateral_index,
)
from ictal.measurement.rhythm import SEIZURE_HZ, find_waves, strongest_hz, without_alpha
from ictal.measurement.shape import WaveShape, front_to_back_s, wave_shape
from ictal.measurement.signal import HZ, MeasuredSignal

Floats = npt.NDArray[np.float64]

AROUND_S = 2.0
"""Seconds on both sides of the labelled 10 s in which discharges are followed, so that their first and last interval
are whole."""
AROUND, CENTRE = round(AROUND_S * HZ), CENTRE_S * HZ
SEIZURE_SEARCH = Search(fastest_hz=8.0, blur=2.5, faster=0.1)
LEAST_EXPLAINED = dict.fromkeys(PERIODIC, 0.28) | dict.fromkeys(RHYTHMIC, 0.33) | {"seizure": 0.2}
"""A pattern whose cycles have less of the power in common is not measured. Of clear simulated patterns, 98 of 100
have more; of EEGs without a pattern, nearly 90 of 100 have less (seizures: 75)."""
SLOWEST_ALPHA_HZ = 7.0
"""A pattern with the field of the posterior rhythm is taken for it if the strongest frequency is higher."""
FEWEST_ELECTRODES = 4
TRIES = 3
"""How many faulty electrodes are left out before nothing is measured."""
INDEPENDENT_S, INDEPENDENT, INDEPENDENT_EXPLAINED = 0.1, 0.3, 0.25
"""Discharges of two sides belong together within this time. Sides are independent if at least this share of the
discharges of either belongs to none of the other, and if those of the other side explain this share of its power."""
FEWEST_APART = 4
"""With fewer discharges on a side, too many are apart by chance."""
LOCKED = 3.0
"""The other side takes part in discharges if its average around them has this many times the power of chance."""


@dataclass(frozen=True)
class PatternNumbers:
    """A pattern in the 10 s of a window that its votes concern; NaN where unknown.

    Attributes
    ----------
    cycles_s
        Times of the discharges or waves from the start of the 10 s.
    rate_hz, low_hz, high_hz
        The median rate of the cycles, and the 10th and 90th percentile of the rates of pairs of intervals.
    explained
        Share of the power that the cycles have in common, 0 to 1.
    involvement
        Amplitude of the mean cycle at each of the 19 electrodes, µV (root mean square).
    lateral
        (right - left) / (right + left) of these amplitudes.
    independent
        Whether both sides have discharges at times of their own.
    shape
        Of the typical discharge or wave.
    lag_s
        By how much the front leads the back.
    """

    cycles_s: Floats
    rate_hz: float
    low_hz: float
    high_hz: float
    explained: float
    involvement: Floats
    lateral: float
    independent: bool
    shape: WaveShape
    lag_s: float


def measure_pattern(signal: MeasuredSignal, start: int, pattern: str) -> PatternNumbers | None:
    """Measure a pattern in 10 s of a signal; None if there is nothing that repeats, or only an artifact.

    Parameters
    ----------
    signal
        Of a run; it should reach `AROUND_S` beyond the 10 s.
    start
        First sample of the 10 s at `HZ`.
    pattern
        One of `ictal.core.labels.PATTERNS` but 'other': it decides what repeats, discharges or waves.
    """
    before = min(AROUND, start)
    part = signal.cut(start - before, start + CENTRE + AROUND)
    for _ in range(TRIES):
        if len(part.known) < FEWEST_ELECTRODES:
            return None
        eeg = part.referenced().astype(np.float64)
        if pattern in PERIODIC:
            eeg = without_alpha(eeg)
        track = find_cycles(eeg, pattern, part.known)
        if track is None or track.explained < LEAST_EXPLAINED[pattern]:
            return None
        events = events_around(eeg, track.at)
        amplitude = amplitudes(events, part.groups)
        faulty = faulty_electrode(amplitude)
        if pattern not in RHYTHMIC and is_posterior(amplitude) and strongest_hz(eeg, SEIZURE_HZ) > SLOWEST_ALPHA_HZ:
            return None
        if faulty is None:
            numbers = _numbers(track, events, amplitude, part, before)
            if numbers and pattern in PERIODIC:
                numbers = replace(numbers, independent=is_independent(eeg, track, numbers.lateral, part.known))
            return numbers
        part = part.without(faulty)
    return None


def find_cycles(eeg: Floats, pattern: str, known: Sequence[int]) -> Track | None:
    """Return what repeats in a pattern [electrode, time]: discharges, waves, or in a seizure either."""
    if pattern in PERIODIC:
        track = find_discharges(eeg)
        if track and track.explained >= LEAST_EXPLAINED[pattern]:
            return track
        # The discharges of one side may be hidden by others of the other side.
        sides = [find_discharges(_of_side(eeg, rows, known)) for rows in (LEFT, RIGHT)]
        return max((side for side in sides if side), key=lambda side: side.explained, default=None)
    if pattern in RHYTHMIC:
        return find_waves(eeg)
    waves = find_waves(eeg, SEIZURE_HZ)
    return find_discharges(eeg, SEIZURE_SEARCH, (waves.rate_hz,) if waves else ()) or waves


def _numbers(
    track: Track, events: Floats, amplitude: Floats, part: MeasuredSignal, before: int
) -> PatternNumbers | None:
    at_s = (track.at - before) / HZ
    near = at_s[(at_s >= -0.1) & (at_s <= CENTRE_S + 0.1)]
    intervals = np.diff(near)
    if len(intervals) < 2:
        return None
    pairs = 2 / (intervals[1:] + intervals[:-1])
    low_hz, high_hz = np.percentile(pairs, [10, 90])
    return PatternNumbers(
        cycles_s=at_s[(at_s >= 0) & (at_s < CENTRE_S)],
        rate_hz=float(1 / np.median(intervals)),
        low_hz=float(low_hz),
        high_hz=float(high_hz),
        explained=track.explained,
        involvement=amplitude,
        lateral=lateral_index(amplitude),
        independent=False,
        shape=wave_shape(events, amplitude, part.groups),
        lag_s=front_to_back_s(events, part.known),
    )


def _of_side(eeg: Floats, side: Sequence[int], known: Sequence[int]) -> Floats:
    """Return the known electrodes of a side relative to their mean."""
    rows = [row for row in side if row in known]
    return np.asarray(eeg[rows] - eeg[rows].mean(axis=0)) if rows else np.zeros((1, eeg.shape[1]))


def is_independent(eeg: Floats, track: Track, lateral: float, known: Sequence[int]) -> bool:
    """Return whether the other side has discharges of its own, given those of one side and their lateral index.

    It has none if its mean around the given discharges is more than what an average of as many events has by chance;
    otherwise they are searched.
    """
    other_side = _of_side(eeg, LEFT if lateral > 0 else RIGHT, known)
    events = events_around(other_side, track.at)
    if events.shape[1] * (events.mean(axis=1) ** 2).sum() > LOCKED * (events**2).sum() / events.shape[1]:
        return False
    other = find_discharges(other_side)
    if other is None or other.explained < INDEPENDENT_EXPLAINED or min(len(track.at), len(other.at)) < FEWEST_APART:
        return False
    apart = np.abs(track.at[:, None] - other.at) > INDEPENDENT_S * HZ
    return min(float(apart.all(axis=1).mean()), float(apart.all(axis=0).mean())) > INDEPENDENT
