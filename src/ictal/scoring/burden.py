"""Burden (the share of the scored time in events of each pattern), longest events, and left-right symmetry."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.errors import IctalError
from ictal.scoring.events import EVENT_PATTERNS, Event, Span, scored_rows
from ictal.terminology.terms import MARKED_RATIO, prevalence_word

SHORTEST_INTERVAL_S = 1.0
DIGITS = 6
"""Decimals of seconds, so that rounding errors give no share of 0.899999 or 1e-16."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cover:
    """Time covered by spans, which are disjoint and ordered.

    Attributes
    ----------
    starts, stops
        [span], s.
    """

    starts: Floats
    stops: Floats

    @classmethod
    def of(cls, starts: npt.ArrayLike, stops: npt.ArrayLike) -> "Cover":
        """Join spans, [span] in any order, that overlap or touch."""
        starts, stops = np.asarray(starts, dtype=np.float64), np.asarray(stops, dtype=np.float64)
        order = np.argsort(starts, kind="stable")
        starts, reach = starts[order], np.maximum.accumulate(stops[order])
        apart = starts[1:] > reach[:-1]
        return cls(starts[np.r_[True, apart][: len(starts)]], reach[np.r_[apart, True][: len(reach)]])

    def before(self, times: npt.ArrayLike) -> Floats:
        """Return the covered seconds before each time, [time]."""
        times = np.asarray(times, dtype=np.float64)
        if not len(self.starts):
            return np.zeros(times.shape)
        edges = np.stack([self.starts, self.stops], axis=1).ravel()
        lengths = self.stops - self.starts
        covered = np.stack([np.cumsum(lengths) - lengths, np.cumsum(lengths)], axis=1).ravel()
        return np.asarray(np.interp(times, edges, covered))

    @property
    def total_s(self) -> float:
        """All covered seconds."""
        return float((self.stops - self.starts).sum())

    def share_of(self, other: "Cover") -> float:
        """Return the share of the covered time that another cover also covers; 0 if nothing is covered."""
        both = float((self.before(other.stops) - self.before(other.starts)).sum())
        return both / self.total_s if self.total_s > 0 else 0.0


def most_covered(cover: Cover, seconds: float) -> tuple[float, float]:
    """Return when the stretch of a length begins that is covered most, and how much of it is, s.

    Such a stretch begins where a span begins, or ends where one ends; of equal ones, the first is returned.
    """
    candidates = np.sort(np.concatenate([cover.starts, np.maximum(cover.stops - seconds, 0)]))
    if not len(candidates):
        return 0.0, 0.0
    covered = cover.before(candidates + seconds) - cover.before(candidates)
    best = int((covered.round(DIGITS)).argmax())
    return float(candidates[best]), float(covered[best])


def rolling_burden(
    frame: pd.DataFrame, events: Sequence[Span], window: str = "1h", every: str = "1min"
) -> pd.DataFrame:
    """Return the burden of each pattern in a window that moves over the recording.

    Parameters
    ----------
    frame, events
        As for `burden`.
    window
        Length of the window, as pandas writes it, such as '5min' or '1h'.
    every
        By how much it moves.

    Returns
    -------
    DataFrame
        A row per position and pattern: stop_s, the end of the window, from one step after the start of the recording;
        pattern; scored_s, the time in the window for which there is a prediction; and burden, the share of it in
        events; NaN where nothing was scored.

    Raises
    ------
    TableError, IctalError
        As `burden`.
    """
    ends, length = interval_edges(frame, every)[1:], duration_s(window)
    rows = scored_rows(frame)
    scored = Cover.of(rows["start_s"], rows["stop_s"])
    scored_s = scored.before(ends) - scored.before(ends - length)
    tables = []
    for pattern in EVENT_PATTERNS:
        share = share_between(scored, cover_of(events, pattern), ends - length, ends)
        tables.append(pd.DataFrame({"stop_s": ends, "pattern": pattern, "scored_s": scored_s, "burden": share}))
    return pd.concat(tables, ignore_index=True).sort_values("stop_s", kind="stable", ignore_index=True)


def share_between(scored: Cover, cover: Cover, starts: npt.ArrayLike, stops: npt.ArrayLike) -> Floats:
    """Return the share of the scored time from `starts` to `stops` that a cover takes, [time]; NaN if none is."""
    # On a clock that runs only in scored time, the length of an event is its scored time.
    on_clock = Cover.of(scored.before(cover.starts), scored.before(cover.stops))
    before, after = scored.before(starts), scored.before(stops)
    event_s, scored_s = on_clock.before(after) - on_clock.before(before), after - before
    return np.asarray(np.divide(event_s, scored_s, out=np.full(scored_s.shape, np.nan), where=scored_s > 0))


def cover_of(spans: Iterable[Span], pattern: str) -> Cover:
    """Return the time covered by spans of a pattern; they may overlap."""
    chosen = [span for span in spans if span.pattern == pattern]
    return Cover.of([span.start_s for span in chosen], [span.stop_s for span in chosen])


def burden(frame: pd.DataFrame, events: Sequence[Span], every: str = "1h") -> pd.DataFrame:
    """Return the share of the scored time in events of each pattern, by interval.

    Parameters
    ----------
    frame
        Scores, as for `ictal.scoring.events.find_events`.
    events
        Events of one recording, of any patterns.
    every
        Length of an interval, as pandas writes it ('1h', '30min'); the first begins with the recording.

    Returns
    -------
    DataFrame
        A row per interval and pattern of `EVENT_PATTERNS`:

        - start_s, stop_s: the interval; the last one may end after the recording.
        - scored_s: time of the interval for which there is a prediction, overlapping windows counted once.
        - event_s: the part of it in events of the pattern; NaN if the model does not know the pattern.
        - burden: event_s / scored_s; NaN where nothing was scored.
        - prevalence: the ACNS term for the burden, see `prevalence_word`.
        - mean_probability: mean over the windows whose middle is in the interval, not smoothed; NaN if there is none.

    Raises
    ------
    TableError
        If a column is missing.
    IctalError
        If `every` is not a duration, or less than a second.
    """
    rows = scored_rows(frame)
    edges = interval_edges(frame, every)
    scored = Cover.of(rows["start_s"], rows["stop_s"])
    clock = scored.before(edges)
    scored_s = np.diff(clock).round(DIGITS)
    groups = rows.groupby(_interval_of(rows, edges))
    # On a clock that runs only in scored time, the length of an event is its scored time.
    tables = []
    for pattern in EVENT_PATTERNS:
        cover = cover_of(events, pattern)
        on_clock = Cover.of(scored.before(cover.starts), scored.before(cover.stops))
        event_s = np.diff(on_clock.before(clock)).round(DIGITS)
        table = pd.DataFrame({"start_s": edges[:-1], "stop_s": edges[1:], "pattern": pattern, "scored_s": scored_s})
        if len(rows) and rows[f"{pattern}_probability"].isna().all():
            event_s = np.full(len(scored_s), np.nan)  # the model does not know the pattern
        share = np.divide(event_s, scored_s, out=np.full(len(scored_s), np.nan), where=scored_s > 0)
        table["event_s"], table["burden"] = event_s, share
        table["prevalence"] = [prevalence_word(value) for value in table["burden"]]
        table["mean_probability"] = groups[f"{pattern}_probability"].mean()
        tables.append(table)
    return pd.concat(tables, ignore_index=True).sort_values("start_s", kind="stable", ignore_index=True)


def longest_events(events: Iterable[Event]) -> dict[str, Event]:
    """Return the longest event of each pattern that has one, ordered by pattern; the first of equal ones."""
    longest: dict[str, Event] = {}
    for event in events:
        if event.pattern not in longest or event.duration_s > longest[event.pattern].duration_s:
            longest[event.pattern] = event
    return {pattern: longest[pattern] for pattern in EVENT_PATTERNS if pattern in longest}


def left_right(frame: pd.DataFrame, every: str = "1h") -> pd.DataFrame:
    """Return how the amplitudes of the two hemispheres compare, by interval.

    Windows without a prediction or with an unknown ratio are left out.

    Parameters
    ----------
    frame
        Scores with the column left_right, the ratio of the two rms amplitudes.
    every
        As for `burden`.

    Returns
    -------
    DataFrame
        A row per interval: start_s, stop_s, n_windows; ratio, the median of left over right; and marked, the share
        of windows with an asymmetry of 50 % or more, see `MARKED_RATIO`. NaN if there is no window.

    Raises
    ------
    TableError, IctalError
        As `burden`.
    """
    rows = scored_rows(frame, "left_right")
    rows = rows[(rows["left_right"] > 0) & np.isfinite(rows["left_right"])]
    edges = interval_edges(frame, every)
    # The median of logarithms, so that exchanging left and right gives the inverse ratio.
    rows["log"] = np.log(rows["left_right"])
    rows["marked"] = rows["log"].abs() >= math.log(MARKED_RATIO) - 1e-9
    groups = rows.groupby(_interval_of(rows, edges))
    table = pd.DataFrame({"start_s": edges[:-1], "stop_s": edges[1:]})
    table["n_windows"] = groups.size().reindex(table.index, fill_value=0)
    table["ratio"] = np.exp(groups["log"].median())
    table["marked"] = groups["marked"].mean()
    return table


def interval_edges(frame: pd.DataFrame, every: str) -> Floats:
    """Return the borders of the intervals, [interval + 1], s: from 0 to the end of the last window."""
    seconds, end_s = duration_s(every), frame["stop_s"].max() if len(frame) else 0.0
    return np.asarray(seconds * np.arange(math.ceil(end_s / seconds) + 1))


def duration_s(text: str) -> float:
    """Return the seconds of a duration such as '1h'; it must be at least a second."""
    try:
        seconds = float(pd.Timedelta(text).total_seconds())
    except ValueError as error:
        raise IctalError(f"'{text}' is not a duration; allowed are, for example, 1h or 30min") from error
    if not seconds >= SHORTEST_INTERVAL_S:
        raise IctalError(f"an interval of '{text}' is too short; allowed are {SHORTEST_INTERVAL_S:g} s or more")
    return seconds


def _interval_of(rows: pd.DataFrame, edges: Floats) -> npt.NDArray[np.intp]:
    """Return the number of the interval that the middle of each row is in, [row]."""
    middles = (rows["start_s"] + rows["stop_s"]).to_numpy(dtype=np.float64) / 2
    return np.searchsorted(edges, middles, side="right") - 1
