"""Events of a recording that is still going on: what was announced of one never changes.

The rules are those of `ictal.scoring.events`. An event is announced as soon as the rows so far contain it. Since
probabilities beyond the last row count as 0 there, later rows can make an event longer, but can neither remove it nor
move its start. Its end is announced when no later row can extend it or be merged with it. When a recording has ended,
the announced events are therefore those that `find_events` finds in all rows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ictal.core.predictions import ALWAYS_KNOWN
from ictal.scoring.events import EVENT_PATTERNS, ROUNDING_S, EventSettings, find_events


@dataclass(frozen=True)
class LiveEvent:
    """What was announced of an event.

    Attributes
    ----------
    pattern, start_s
        Its pattern and start, in true seconds from the start of the recording.
    stop_s
        Its end; None while it goes on.
    announced_at_s
        End of the last row when the event was announced.
    until_s
        Until when it lasts for certain, while it goes on: its end if no more rows came. It only ever grows.
    """

    pattern: str
    start_s: float
    stop_s: float | None
    announced_at_s: float
    until_s: float = 0.0

    @property
    def last_s(self) -> float:
        """Its end, or until when it lasts for certain."""
        return max(self.start_s, self.until_s) if self.stop_s is None else self.stop_s

    @property
    def duration_s(self) -> float:
        """Its duration, as far as that is certain."""
        return self.last_s - self.start_s

    @property
    def key(self) -> tuple[str, float]:
        """What identifies it."""
        return self.pattern, self.start_s


def new_announcements(
    rows: pd.DataFrame,
    known: Sequence[LiveEvent],
    step_s: float,
    settings: EventSettings = EventSettings(),  # noqa: B008 (frozen)
    gaps: Sequence[tuple[float, float]] = (),
    *,
    ended: bool = False,
) -> list[LiveEvent]:
    """Return what the rows so far say of events that is not known yet: those that begin, last longer, or end.

    Parameters
    ----------
    rows
        All rows so far, or the last of them, see `rows_that_matter`.
    known
        What was announced, the last word on each event.
    step_s
        From the start of a row to that of the next.
    settings, gaps
        See `ictal.scoring.events.find_events`.
    ended
        Whether no rows will follow.

    Returns
    -------
    list of LiveEvent
        New events, those known ones that go on, if `until_s` has grown, and those that have ended, with `stop_s`.
        An event that ended with a recording goes on if the recording does after all.
    """
    if rows[ALWAYS_KNOWN].count() < settings.smooth_rows and not ended:
        return []  # a recording of fewer rows is not smoothed, but this one will have more
    last_s = float(rows["stop_s"].max()) if len(rows) else 0.0
    settled_s, changes_s = (math.inf, math.inf) if ended else _settled(rows, step_s, settings)
    announced = {event.key: event for event in known}
    found: list[LiveEvent] = []
    for event in find_events(rows, settings, gaps, step_s):
        apart_s = changes_s - event.stop_s
        over = settled_s > event.stop_s and apart_s > ROUNDING_S and apart_s >= settings.min_gap_s - ROUNDING_S
        stop_s = event.stop_s if over else None
        before = announced.get((event.pattern, event.start_s))
        if before is None:
            found.append(LiveEvent(event.pattern, event.start_s, stop_s, last_s, event.stop_s))
        elif event.stop_s > before.last_s + ROUNDING_S or (over and before.stop_s is None):
            found.append(replace(before, stop_s=stop_s, until_s=event.stop_s))
    return found


def rows_that_matter(
    rows: pd.DataFrame,
    step_s: float,
    settings: EventSettings = EventSettings(),  # noqa: B008 (frozen)
) -> pd.DataFrame:
    """Return the rows at the end that announcements of later rows depend on, once all of these rows are announced.

    They begin within the last stretch in which no pattern is probable, if it is so long that no event crosses it.
    """
    values = rows[[f"{pattern}_probability" for pattern in EVENT_PATTERNS]].to_numpy(dtype=np.float64)
    numbers = np.arange(len(rows))
    high = (np.nan_to_num(values, nan=0.0) >= settings.off).any(axis=1)
    since = numbers - np.maximum.accumulate(np.where(high, numbers, -1))
    quiet = np.flatnonzero(since >= math.ceil(settings.min_gap_s / step_s) + 2 * settings.smooth_rows)
    if not len(quiet):
        return rows
    scored = np.flatnonzero(rows[ALWAYS_KNOWN].notna().to_numpy()[: quiet[-1] + 1])[-settings.smooth_rows :]
    if len(scored) < settings.smooth_rows or scored[0] <= quiet[-1] - since[quiet[-1]]:
        return rows
    return rows.iloc[scored[0] :]


def _settled(rows: pd.DataFrame, step_s: float, settings: EventSettings) -> tuple[float, float]:
    """Return when the last row ends whose smoothed probabilities are final, and when the next row begins."""
    next_s = float(rows["start_s"].iloc[-1]) + step_s
    scored = rows.loc[rows[ALWAYS_KNOWN].notna(), ["start_s", "stop_s"]].to_numpy(dtype=np.float64)
    if not len(scored) or next_s - max(scored[-1] + (step_s, 0)) > settings.max_unscored_s + ROUNDING_S:
        return math.inf, math.inf  # a later row begins a new series
    half = settings.smooth_rows // 2
    if len(scored) <= half:
        return -math.inf, -math.inf
    return float(scored[-half - 1, 1]), float(scored[-half, 0]) if half else next_s
