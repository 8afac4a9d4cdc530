"""Events from probabilities over time: smoothing, hysteresis, least gap and least duration."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from pydantic import Field, model_validator

from ictal.core.labels import PATTERN_TITLES, PATTERNS
from ictal.core.predictions import ALWAYS_KNOWN, PROBABILITY_COLUMNS, require_columns
from ictal.core.settings import Settings
from ictal.terminology.terms import duration_word

EVENT_PATTERNS = tuple(pattern for pattern in PATTERNS if pattern != "other")
"""The patterns that form events; 'other' forms none."""

SHOWN_EVENTS = 60
"""Rows of events in a notebook; the middle ones are left out if there are more."""

ROUNDING_S = 1e-6
"""Tolerance of comparisons of times, so that rounding errors have no effect."""

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Span:
    """A pattern from one time to another, in true seconds from the start of the recording."""

    start_s: float
    stop_s: float
    pattern: str

    @property
    def duration_s(self) -> float:
        """Seconds from start to stop."""
        return self.stop_s - self.start_s

    @property
    def duration_word(self) -> str:
        """The ACNS term for this duration, see `ictal.terminology.terms.DURATION`."""
        return duration_word(self.duration_s)


@dataclass(frozen=True)
class Event(Span):
    """A span in which the model finds a pattern.

    Attributes
    ----------
    peak, mean
        Largest and mean smoothed probability of the rows from start to stop.
    """

    peak: float
    mean: float


class Events(list[Event]):
    """A list of events that a notebook shows as a table."""

    def to_frame(self) -> pd.DataFrame:
        """Return a row per event: pattern, start_s, stop_s, duration_s, mean and peak probability."""
        columns = ["pattern", "start_s", "stop_s", "duration_s", "mean", "peak"]
        return pd.DataFrame([[getattr(event, name) for name in columns] for event in self], columns=columns)

    def _repr_html_(self) -> str:
        if not self:
            return "<p>No events.</p>"
        table = self.to_frame().assign(pattern=[PATTERN_TITLES[event.pattern] for event in self])
        formats = dict.fromkeys(("start_s", "stop_s", "duration_s"), "{:.1f}".format)
        formats |= dict.fromkeys(("mean", "peak"), "{:.2f}".format)
        count = f"{len(self)} event{'' if len(self) == 1 else 's'}"
        return f"<p>{count}</p>{table.to_html(index=False, border=0, formatters=formats, max_rows=SHOWN_EVENTS)}"


class EventSettings(Settings):
    """How probabilities become events; docs/events.md gives the source of each default.

    Attributes
    ----------
    smoothing, smooth_rows
        Each probability is replaced by the centred median or mean over this many rows, an odd number (1: no change).
        Beyond both ends of a series, probabilities count as 0, so that a single row at an end is treated like one in
        the middle. A recording of fewer rows is not smoothed.
    on, off
        An event begins where the smoothed probability reaches `on`, and continues while it is at least `off`.
    min_gap_s
        Events of one pattern that are closer than this, touch or overlap are merged.
    min_duration_s
        Shorter events are dropped, after merging.
    max_unscored_s
        More time than this in rows without a prediction ends a series: neither smoothing nor an event crosses it.
        Gaps of any length end a series.
    """

    smoothing: Literal["median", "mean"] = "median"
    smooth_rows: int = Field(default=3, ge=1)
    on: float = Field(default=0.5, gt=0, le=1)
    off: float = Field(default=0.3, gt=0, le=1)
    min_gap_s: float = Field(default=30.0, ge=0)
    min_duration_s: float = Field(default=10.0, ge=0)
    max_unscored_s: float = Field(default=10.0, ge=0)

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.smooth_rows % 2 == 0:
            raise ValueError(f"smooth_rows is {self.smooth_rows}; allowed are odd numbers, which have a middle")
        if self.off > self.on:
            raise ValueError(f"off is {self.off} and on {self.on}; allowed is an off of at most on")
        return self


def find_events(
    frame: pd.DataFrame,
    settings: EventSettings | None = None,
    gaps: Sequence[tuple[float, float]] = (),
    step_s: float | None = None,
) -> Events:
    """Return the events of all patterns but 'other', ordered by start.

    Events of one pattern are disjoint; those of two patterns may overlap. An event runs from the start of its
    first row to the stop of its last. It never crosses a gap: time for which the table has no row, or a given gap.

    Parameters
    ----------
    frame
        Scores: a row per window with the columns start_s, stop_s and `PROBABILITY_COLUMNS`, which are empty (NaN)
        where there is no prediction, and throughout for a pattern that the model does not know. Rows may overlap,
        touch, or be separated by a constant time.
    gaps
        Start and duration of each gap of the recording, in seconds. They matter if rows are further apart than they
        are long, since a gap may then be between two of them.
    step_s
        From the start of a row to that of the next in the same run; None: the median.

    Raises
    ------
    TableError
        If a column is missing.
    """
    settings = settings or EventSettings()
    track = smooth(frame, settings, gaps, step_s)
    events = [event for pattern in EVENT_PATTERNS for event in _events_of(track, pattern, settings)]
    return Events(sorted(events, key=lambda event: event.start_s))


def scored_rows(frame: pd.DataFrame, *also: str) -> pd.DataFrame:
    """Return the rows that have a prediction, ordered by start: start_s, stop_s and `PROBABILITY_COLUMNS`.

    Parameters
    ----------
    also
        Further columns of numbers to return; rows with an empty value are left out.

    Raises
    ------
    TableError
        If a column is missing.
    """
    columns = ["start_s", "stop_s", *PROBABILITY_COLUMNS, *also]
    require_columns("scores", frame, columns)
    given = frame[columns].astype(float).dropna(subset=["start_s", "stop_s", ALWAYS_KNOWN, *also])
    return given.sort_values("start_s", kind="stable", ignore_index=True)


def smooth(
    frame: pd.DataFrame,
    settings: EventSettings,
    gaps: Sequence[tuple[float, float]] = (),
    step_s: float | None = None,
) -> pd.DataFrame:
    """Return the scored rows with smoothed probabilities, and in the column 'series' the number of their series.

    A series is a run of rows without a gap, and with at most `max_unscored_s` of unscored time between neighbours.
    If rows are further apart than they are long, the time that the usual step leaves between them does not count.
    """
    columns = ["start_s", "stop_s", *PROBABILITY_COLUMNS]
    require_columns("scores", frame, columns)
    ordered = frame[columns].astype(float).sort_values("start_s", kind="stable", ignore_index=True)
    step = _usual_step(ordered) if step_s is None else step_s
    rows = scored_rows(ordered.assign(run=_run_numbers(ordered, step, gaps)), "run")
    starts, stops, run = (rows[name].to_numpy() for name in ("start_s", "stop_s", "run"))
    unscored = starts[1:] - np.maximum(stops, starts + step)[:-1]
    broken = (unscored > settings.max_unscored_s + ROUNDING_S) | (run[1:] != run[:-1])
    rows["series"] = np.concatenate([np.zeros(min(len(rows), 1), int), np.cumsum(broken)])
    rows = rows.drop(columns="run")
    if len(rows) < settings.smooth_rows:
        return rows  # all that there is, such as a page of 15 s
    columns = list(PROBABILITY_COLUMNS)
    parts = np.split(rows[columns].to_numpy(), np.flatnonzero(broken) + 1) if len(rows) else []
    rows[columns] = np.concatenate([np.empty((0, len(columns))), *(_smoothed(part, settings) for part in parts)])
    return rows


def _usual_step(frame: pd.DataFrame) -> float:
    """Return the median time from the start of a row to that of the next, s; 0 if there is only one."""
    steps = np.diff(frame["start_s"].to_numpy(dtype=np.float64))
    return float(np.median(steps)) if len(steps) else 0.0


def _run_numbers(frame: pd.DataFrame, step: float, gaps: Sequence[tuple[float, float]]) -> npt.NDArray[np.intp]:
    """Return the number of the gapless run of each row, [row]; a row without a prediction is not a gap."""
    starts, stops = (frame[name].to_numpy(dtype=np.float64) for name in ("start_s", "stop_s"))
    reach = np.maximum(np.maximum.accumulate(stops), starts + step)
    holes = np.cumsum(starts[1:] > reach[:-1] + ROUNDING_S)
    onsets = np.sort([start_s for start_s, _ in gaps])
    before = np.searchsorted(onsets, (starts + stops) / 2)
    return np.asarray(before + np.concatenate([np.zeros(min(len(frame), 1), int), holes]))


def _smoothed(values: Floats, settings: EventSettings) -> Floats:
    """Smooth one series [row, pattern]."""
    half = settings.smooth_rows // 2
    padded = np.pad(values, ((half, half), (0, 0)))
    windows = sliding_window_view(padded, settings.smooth_rows, axis=0)
    return np.asarray(np.median(windows, axis=-1) if settings.smoothing == "median" else windows.mean(axis=-1))


def _events_of(track: pd.DataFrame, pattern: str, settings: EventSettings) -> Iterator[Event]:
    starts, stops, series = (track[name].to_numpy() for name in ("start_s", "stop_s", "series"))
    values = track[f"{pattern}_probability"].to_numpy()
    first, last = _bounds(values, series, settings)
    gaps = starts[first[1:]] - stops[last[:-1]]
    near = (gaps <= ROUNDING_S) | (gaps < settings.min_gap_s - ROUNDING_S)
    apart = ~(near & (series[first[1:]] == series[last[:-1]]))
    for a, b in zip(first[np.r_[True, apart][: len(first)]], last[np.r_[apart, True][: len(last)]], strict=True):
        if stops[b] - starts[a] >= settings.min_duration_s - ROUNDING_S:
            inside = values[a : b + 1]
            yield Event(float(starts[a]), float(stops[b]), pattern, float(inside.max()), float(inside.mean()))


def _bounds(values: Floats, series: npt.NDArray[np.int64], settings: EventSettings) -> tuple[Indices, Indices]:
    """Return the first and last row of each event: from the first that reaches `on` to the last not below `off`."""
    holds = values >= settings.off
    changes = (holds[1:] != holds[:-1]) | (series[1:] != series[:-1])
    run = np.concatenate([np.zeros(min(len(values), 1), int), np.cumsum(changes)])
    begins = np.flatnonzero(values >= settings.on)
    numbers, earliest = np.unique(run[begins], return_index=True)
    return begins[earliest], np.searchsorted(run, numbers, side="right") - 1
