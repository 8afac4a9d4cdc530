"""What the last hour shows: rolling burden, the criterion of status epilepticus, and since when nothing is scored."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.core.predictions import ALWAYS_KNOWN
from ictal.live.announcements import LiveEvent
from ictal.scoring.burden import Cover, cover_of, share_between
from ictal.scoring.events import EVENT_PATTERNS, ROUNDING_S, Span
from ictal.scoring.quality import flaws_in_words
from ictal.terminology.findings import StatusFinding
from ictal.terminology.terms import ROUNDING, STATUS_S, STATUS_SHARE

HOUR_S = 3600.0
LOOK_BACK_S = 2 * HOUR_S
"""Rows that matter: those of an hour, and of the hour that the burden at its beginning concerns."""
WINDOWS_S = {"5min": 300.0, "60min": HOUR_S}
Window = Literal["5min", "60min"]
Floats = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Recent:
    """The time of the last two hours that is scored and in events.

    Attributes
    ----------
    ends_s
        [row]: ends of the rows of the last hour, ordered; the last one is now.
    scored
        Time with a prediction.
    covers
        Time in events of each pattern that has any.
    """

    ends_s: Floats
    scored: Cover
    covers: dict[str, Cover]

    def scored_s(self, window: Window, ends_s: Floats) -> Floats:
        """Return the scored seconds of the windows that end at some times, [time]."""
        return self.scored.before(ends_s) - self.scored.before(ends_s - WINDOWS_S[window])

    def burden(self, window: Window, pattern: str, ends_s: Floats) -> Floats:
        """Return the share of the scored time in events, of the windows that end at some times, [time]."""
        cover = self.covers.get(pattern, Cover.of([], []))
        return share_between(self.scored, cover, ends_s - WINDOWS_S[window], ends_s)

    def hour_of_seizures(self) -> Truths:
        """Return whether seizures take 20 % of the 60 minutes before each end, [row]."""
        cover = self.covers.get("seizure", Cover.of([], []))
        seizure_s = cover.before(self.ends_s) - cover.before(self.ends_s - HOUR_S)
        return np.asarray(seizure_s >= STATUS_SHARE * HOUR_S - ROUNDING_S)

    def since(self, holds: Truths) -> float | None:
        """Return the first of the ends since which a condition [row] has held until now; None if it does not."""
        if not len(holds) or not holds[-1]:
            return None
        broken = np.flatnonzero(~holds)
        return float(self.ends_s[broken[-1] + 1 if len(broken) else 0])


@dataclass(frozen=True)
class Trends:
    """What is known at the end of a row.

    Attributes
    ----------
    at_s
        End of the last row, in true seconds from the start of the recording.
    burden_5min, burden_60min
        Share of the scored time of the last 5 and 60 minutes in events of each pattern; NaN where nothing was scored.
    scored_5min_s, scored_60min_s
        How much of that time was scored.
    status
        The electrographic status epilepticus of the last hour (ACNS 2021, section D): the latest seizure of at least
        10 minutes that touches it, or seizures for 20 % of it; None if there is neither.
    status_since_s
        When its criterion was met, as far as an hour back; None without status.
    without_prediction_s
        Seconds since the last row with a prediction; 0 if the last row has one. If none of the rows has, since the
        first.
    why
        Which flaws the electrodes had in that time; empty if they explain nothing.
    recent
        From which the burden of earlier times follows.
    """

    at_s: float
    burden_5min: dict[str, float]
    burden_60min: dict[str, float]
    scored_5min_s: float
    scored_60min_s: float
    status: StatusFinding | None
    status_since_s: float | None
    without_prediction_s: float
    why: str
    recent: Recent = field(repr=False, compare=False)

    def burden(self, pattern: str, window: Window) -> float:
        """Return the burden of a pattern in the last 5 or 60 minutes."""
        return (self.burden_5min if window == "5min" else self.burden_60min)[pattern]

    def scored_s(self, window: Window) -> float:
        """Return how much of the last 5 or 60 minutes was scored."""
        return self.scored_5min_s if window == "5min" else self.scored_60min_s

    def burden_above_since(self, pattern: str, window: Window, above: float, scored_share: float) -> float | None:
        """Return since when the burden of a pattern has been above a share, in seconds of the recording.

        Parameters
        ----------
        pattern, window
            As in `burden`.
        above
            The burden must be larger than this.
        scored_share
            So much of the window must be scored, or the burden is not known.

        Returns
        -------
        float or None
            As far as an hour back; None if the burden is not above it, or not known.
        """
        if not self.burden(pattern, window) > above + ROUNDING:
            return None
        ends_s, least_s = self.recent.ends_s, scored_share * WINDOWS_S[window] - ROUNDING_S
        high = self.recent.burden(window, pattern, ends_s) > above + ROUNDING
        return self.recent.since(high & (self.recent.scored_s(window, ends_s) >= least_s))


def trends_of(rows: pd.DataFrame, events: Sequence[LiveEvent], at_s: float) -> Trends:
    """Return what is known at the end of a row.

    Parameters
    ----------
    rows
        Scores (`ictal.scoring.scores.COLUMNS`), ordered by time, of at least the last hour. With the last
        `LOOK_BACK_S` the burden of each time of the last hour is exact, too; earlier rows change nothing.
    events
        What was announced, at least of the last two hours. An event that goes on counts as far as it is certain, so
        that burden is that of `find_events` for the rows so far.
    at_s
        End of the last row.
    """
    rows = rows[rows["stop_s"].to_numpy() > at_s - LOOK_BACK_S]
    starts, stops, other = (rows[name].to_numpy(dtype=np.float64) for name in ("start_s", "stop_s", ALWAYS_KNOWN))
    known = ~np.isnan(other)
    spans = [
        Span(event.start_s, event.last_s, event.pattern)
        for event in events
        if event.stop_s is None or event.stop_s > at_s - LOOK_BACK_S
    ]
    recent = Recent(
        ends_s=np.unique(stops[stops > at_s - HOUR_S]),
        scored=Cover.of(starts[known], stops[known]),
        covers={pattern: cover_of(spans, pattern) for pattern in dict.fromkeys(span.pattern for span in spans)},
    )
    status, status_since_s = _status(recent, [span for span in spans if span.pattern == "seizure"], at_s)
    now = np.array([at_s])
    last_s = stops[known].max() if known.any() else starts.min(initial=at_s)
    return Trends(
        at_s=at_s,
        burden_5min={pattern: float(recent.burden("5min", pattern, now)[0]) for pattern in EVENT_PATTERNS},
        burden_60min={pattern: float(recent.burden("60min", pattern, now)[0]) for pattern in EVENT_PATTERNS},
        scored_5min_s=float(recent.scored_s("5min", now)[0]),
        scored_60min_s=float(recent.scored_s("60min", now)[0]),
        status=status,
        status_since_s=status_since_s,
        without_prediction_s=float(at_s - last_s),
        why=flaws_in_words(rows[stops > last_s]) if last_s < at_s else "",
        recent=recent,
    )


def _status(recent: Recent, seizures: Sequence[Span], at_s: float) -> tuple[StatusFinding | None, float | None]:
    """Return the status of the last hour, and when its criterion was met."""
    start_s = max(at_s - HOUR_S, 0.0)
    for seizure in reversed(seizures):
        if seizure.duration_s >= STATUS_S - ROUNDING_S and seizure.stop_s > start_s:
            found = StatusFinding("10 minutes", seizure.start_s, seizure.stop_s, seizure.duration_s)
            return found, seizure.start_s + STATUS_S
    since_s = recent.since(recent.hour_of_seizures())
    if since_s is None:
        return None, None
    cover = recent.covers["seizure"]
    seizure_s = float(cover.total_s - cover.before(start_s))
    return StatusFinding("20 % of an hour", start_s, at_s, seizure_s), since_s
