"""The content of the report of a recording: its scores, and what is derived from them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ictal.report.clock import Clock
from ictal.report.score_columns import Floats, column_means
from ictal.scoring.events import Event, EventSettings
from ictal.scoring.scores import Scores
from ictal.terminology.findings import RecordingFinding

N_COLUMNS = 1200
"""Time columns of the figure's images: about as many as a screen shows."""


@dataclass(frozen=True)
class Day:
    """Scores with their events, clock and time columns.

    Attributes
    ----------
    scores
        Of a recording of any length.
    settings
        How probabilities become events.
    """

    scores: Scores
    settings: EventSettings

    @property
    def frame(self) -> pd.DataFrame:
        """The windows."""
        return self.scores.frame

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns that form events and that the model knows."""
        return self.scores.event_patterns

    @property
    def span_s(self) -> float:
        """Length of the time axis; never zero."""
        return max(self.scores.recording.span_s, 1.0)

    @property
    def clock(self) -> Clock:
        """The clock of the time axis."""
        return Clock(self.scores.recording.start)

    @cached_property
    def events(self) -> list[Event]:
        """The events of all patterns but other."""
        return self.scores.events(self.settings)

    @cached_property
    def findings(self) -> RecordingFinding:
        """What a report says of the recording; its events are those of `events`, in the same order."""
        return self.scores.findings(self.settings)

    def events_of(self, pattern: str) -> list[Event]:
        """Return the events of one pattern."""
        return [event for event in self.events if event.pattern == pattern]

    @cached_property
    def edges(self) -> Floats:
        """Of the columns, [column + 1], in seconds."""
        return np.linspace(0, self.span_s, N_COLUMNS + 1)

    @property
    def middles(self) -> Floats:
        """Of the columns, [column], in seconds."""
        return np.asarray((self.edges[1:] + self.edges[:-1]) / 2)

    def column(self, *names: str) -> Floats:
        """Return columns of the scores as time columns, [time column, name]."""
        return column_means(self.edges, self.frame, self.frame[list(names)].to_numpy(dtype=np.float64))
