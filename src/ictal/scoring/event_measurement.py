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

INVOLVED = 0.5
"""An electrode is involved if it has at least this share of the largest amplitude."""
ONE_SIDED, UNDETERMINED = 0.18, 0.08
"""Least lateral index of a lateralized seizure, and of a side that can be told. Of clear simulated patterns, 95 % of
the generalized ones are below 0.12, and 95 % of the lateralized ones above 0.24."""
CONFIDENCE = 0.95
FRONT_TO_BACK = [name for row in ROWS for name in row.split()]


@dataclass(frozen=True)
class Together:
    """What was measured in some windows of one pattern; see `EventFinding`."""

    frequency: Frequency | None
    location: Location | None
    shape: Shape | None
    lag_s: float | None
    cycles_s: Floats


def measured_event(frame: pd.DataFrame, event: Span) -> EventFinding:
    """Return what was measured of an event, from scores that are ordered by time."""
    rows = measured_rows(frame, event)
    found = measured_together(rows, event.pattern)
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
        measured_s=float((rows["stop_s"] - rows["start_s"]).sum()),
    )


def measured_rows(frame: pd.DataFrame, event: Span | EventFinding) -> pd.DataFrame:
    """Return the rows of an event in which its pattern was measured, from scores that are ordered by time.

    The middle of their 10 s is in the event: an event may begin and end in the middle of a row that is measured.
    """
    middles = frame[["start_s", "stop_s"]].to_numpy(dtype=np.float64).mean(axis=1)
    rows = frame.iloc[slice(*np.searchsorted(middles, [event.start_s, event.stop_s]))]
    return rows[(rows["measured"] == event.pattern).to_numpy()]


def measured_together(rows: pd.DataFrame, pattern: str) -> Together:
    """Put together what was measured in rows of one pattern."""
    onsets = rows["start_s"].to_numpy(dtype=np.float64)
    parts = [np.asarray(part, dtype=np.float64) + onset for part, onset in zip(rows["cycles_s"], onsets, strict=True)]
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


def location_of(rows: pd.DataFrame, pattern: str) -> Location | None:
    """Return where a pattern is, from the mean involvement of the rows; None if it was not measured."""
    fields = [np.asarray(field, dtype=np.float64) for field in rows["involvement_uv"]]
    if not fields:
        return None
    known = np.isfinite(fields)
    total, count = np.where(known, fields, 0).sum(axis=0), known.sum(axis=0)
    field = np.divide(total, count, out=np.full(len(ELECTRODES), np.nan), where=count > 0)
    if not np.nan_to_num(field).max() > 0:
        return None
    involvement = dict(zip(ELECTRODES, (field / np.nanmax(field)).round(3).tolist(), strict=True))
    electrodes = tuple(name for name in FRONT_TO_BACK if involvement[name] >= INVOLVED)
    index = lateral_index(field)
    main_term = _main_term(pattern, index, float(rows["independent"].astype(float).mean()))
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


def shape_of(rows: pd.DataFrame, pattern: str) -> Shape | None:
    """Return the typical shape of the rows; sharpness and phases are those of periodic discharges."""
    amplitude_uv = float(rows["amplitude_uv"].median())
    if not amplitude_uv > 0:
        return None
    if pattern not in PERIODIC:
        return Shape(amplitude_uv, None, None)
    return Shape(amplitude_uv, sharpness_word(1000 * float(rows["phase_s"].median())), round(rows["phases"].median()))


def _lag_s(rows: pd.DataFrame, location: Location | None) -> float | None:
    lag_s = float(rows["lag_s"].median())
    if location is None or location.main_term != "generalized" or not abs(lag_s) > LAG_S:
        return None
    return lag_s
