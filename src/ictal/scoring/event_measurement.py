"""Events in numbers: what was measured of the windows of an event, put together."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import bdtr

from ictal.core.labels import PERIODIC
from ictal.core.montage import ELECTRODES, ROWS
from ictal.measurement.field import lateral_index
from ictal.scoring.events import Span
from ictal.terminology.evolution import PAUSE, evolution_of
from ictal.terminology.findings import EventFinding, Frequency, Location, MainTerm, Shape, Side
from ictal.terminology.terms import LAG_S, REGIONS, sharpness_word

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

INVOLVED = 0.5
"""An electrode is involved if it has at least this share of the largest amplitude."""
ONE_SIDED, UNDETERMINED = 0.18, 0.08
"""Least lateral index of a lateralized seizure, and of a side that can be told. Of clear simulated patterns, 95 % of
the generalized ones are below 0.12, and 95 % of the lateralized ones above 0.24."""
CONFIDENCE = 0.95
FRONT_TO_BACK = [name for row in ROWS for name in row.split()]


@dataclass(frozen=True)
class MeasuredRows:
    """What was measured in rows of a table of scores, as arrays: a table takes long to give the rows of an event.

    Attributes
    ----------
    start_s, stop_s
        Of each row, in the order of time, [row].
    measured
        The pattern that was measured; '' if none was, [row].
    cycles_s
        Times of its cycles from the start of each row, [row] of arrays.
    involvement_uv
        [row, electrode]; NaN where unknown.
    independent, amplitude_uv, phase_s, phases, lag_s
        See docs/outputs.md, [row]; NaN where unknown.
    """

    start_s: Floats
    stop_s: Floats
    measured: npt.NDArray[np.object_]
    cycles_s: npt.NDArray[np.object_]
    involvement_uv: Floats
    independent: Floats
    amplitude_uv: Floats
    phase_s: Floats
    phases: Floats
    lag_s: Floats

    @classmethod
    def of(cls, frame: pd.DataFrame) -> "MeasuredRows":
        """Take the columns of scores that are ordered by time."""
        numbers = ("start_s", "stop_s", "independent", "amplitude_uv", "phase_s", "phases", "lag_s")
        return cls(
            measured=frame["measured"].to_numpy(dtype=object),
            cycles_s=frame["cycles_s"].to_numpy(dtype=object),
            involvement_uv=np.reshape([*frame["involvement_uv"]], (-1, len(ELECTRODES))).astype(np.float64),
            **{name: frame[name].to_numpy(dtype=np.float64) for name in numbers},
        )

    def take(self, rows: Indices) -> "MeasuredRows":
        """Return some of the rows."""
        return MeasuredRows(**{name: column[rows] for name, column in vars(self).items()})

    def within(self, event: Span | EventFinding) -> Indices:
        """Return the rows of an event in which its pattern was measured.

        The middle of their 10 s is in the event: an event may begin and end in the middle of a row that is measured.
        """
        first, last = np.searchsorted((self.start_s + self.stop_s) / 2, [event.start_s, event.stop_s])
        return np.asarray(np.flatnonzero(self.measured[first:last] == event.pattern) + first)


@dataclass(frozen=True)
class Together:
    """What was measured in some windows of one pattern; see `EventFinding`."""

    frequency: Frequency | None
    location: Location | None
    shape: Shape | None
    lag_s: float | None
    cycles_s: Floats


def measured_event(rows: MeasuredRows, event: Span) -> EventFinding:
    """Return what was measured of an event of a recording."""
    own = rows.take(rows.within(event))
    found = measured_together(own, event.pattern)
    cycles_s = found.cycles_s[(found.cycles_s >= event.start_s) & (found.cycles_s < event.stop_s)]
    return EventFinding(
        pattern=event.pattern,
        start_s=event.start_s,
        stop_s=event.stop_s,
        frequency=found.frequency,
        location=found.location,
        shape=found.shape,
        lag_s=found.lag_s,
        evolution=evolution_of(cycles_s),
        cycles_s=tuple(cycles_s.round(3).tolist()),
        measured_s=float((own.stop_s - own.start_s).sum()),
    )


def measured_together(rows: MeasuredRows, pattern: str) -> Together:
    """Put together what was measured in rows of one pattern."""
    parts = [np.asarray(part, np.float64) + onset for part, onset in zip(rows.cycles_s, rows.start_s, strict=True)]
    location = location_of(rows, pattern)
    return Together(
        frequency=frequency_of(parts),
        location=location,
        shape=shape_of(rows, pattern),
        lag_s=_lag_s(rows, location),
        cycles_s=np.concatenate([np.empty(0), *parts]),
    )


def frequency_of(parts: Iterable[Floats]) -> Frequency | None:
    """Return how often cycles repeat, from their times in separate parts of EEG; None if too few are known.

    The interval of the median is the exact one of order statistics.
    """
    intervals = [np.diff(part) for part in parts if len(part) > 2]
    if not intervals:
        return None
    limit = PAUSE * float(np.median(np.concatenate(intervals)))
    kept = [part[part <= limit] for part in intervals]
    every = np.sort(np.concatenate(kept))
    pairs = np.concatenate([2 / (part[1:] + part[:-1]) for part in kept])
    if not len(pairs):
        return None
    low_hz, high_hz = np.percentile(pairs, [10, 90])
    typical_hz = 1 / float(np.median(every))
    # The cumulative binomial distribution; scipy.stats would take half a second to import.
    rank = int(np.searchsorted(bdtr(np.arange(len(every) + 1), len(every), 0.5), (1 - CONFIDENCE) / 2))
    shortest, longest = every[max(rank - 1, 0)], every[min(len(every) - rank, len(every) - 1)]
    return Frequency(
        typical=typical_hz,
        low=min(float(low_hz), typical_hz),
        high=max(float(high_hz), typical_hz),
        interval=(float(1 / longest), float(1 / shortest)),
    )


def location_of(rows: MeasuredRows, pattern: str) -> Location | None:
    """Return where a pattern is, from the mean involvement of the rows; None if it was not measured."""
    known = np.isfinite(rows.involvement_uv)
    total, count = np.where(known, rows.involvement_uv, 0).sum(axis=0), known.sum(axis=0)
    field = np.divide(total, count, out=np.full(len(ELECTRODES), np.nan), where=count > 0)
    if not np.nan_to_num(field).max() > 0:
        return None
    involvement = dict(zip(ELECTRODES, (field / np.nanmax(field)).round(3).tolist(), strict=True))
    electrodes = tuple(name for name in FRONT_TO_BACK if involvement[name] >= INVOLVED)
    index = lateral_index(field)
    main_term = _main_term(pattern, index, float(rows.independent.mean()))
    return Location(
        main_term=main_term,
        side=_side(main_term, index),
        regions=tuple(dict.fromkeys(REGIONS[name] for name in electrodes)),
        electrodes=electrodes,
        involvement=tuple(involvement.values()),
    )


def _main_term(pattern: str, index: float, independent: float) -> MainTerm:
    if pattern in PERIODIC and independent > 0.5:
        return "bilateral independent"
    if pattern == "seizure":
        return "lateralized" if abs(index) >= ONE_SIDED else "generalized"
    return "lateralized" if pattern.startswith("l") else "generalized"


def _side(main_term: MainTerm, index: float) -> Side | None:
    if main_term == "generalized" or not abs(index) >= UNDETERMINED:
        return None
    return "right" if index > 0 else "left"


def shape_of(rows: MeasuredRows, pattern: str) -> Shape | None:
    """Return the typical shape of the rows; sharpness and phases are those of periodic discharges."""
    amplitude_uv = _median(rows.amplitude_uv)
    if not amplitude_uv > 0:
        return None
    if pattern not in PERIODIC:
        return Shape(amplitude_uv, None, None)
    return Shape(amplitude_uv, sharpness_word(1000 * _median(rows.phase_s)), round(_median(rows.phases)))


def _lag_s(rows: MeasuredRows, location: Location | None) -> float | None:
    lag_s = _median(rows.lag_s)
    if location is None or location.main_term != "generalized" or not abs(lag_s) > LAG_S:
        return None
    return lag_s


def _median(values: Floats) -> float:
    """Return the median of the known values; NaN if there is none."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")
