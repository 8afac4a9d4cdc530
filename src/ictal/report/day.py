"""What a report of a recording looks at: its scores, and what follows from them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ictal.report.clock import Clock
from ictal.report.score_columns import Floats, column_means
from ictal.scoring.events import Event, EventSettings
from ictal.scoring.scores import Scores

N_COLUMNS = 1200
"""Columns of time that the figure's images have: about as many as a screen shows."""


@dataclass(frozen=True)
class Day:
    """Scores with their events, clock and columns of time.

    Attributes
    ----------
    scores
        Of a recording, however long it is.
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
    def span_s(self) -> float:
        """How long the axis of time is; never zero."""
        return max(self.scores.recording.span_s, 1.0)

    @property
    def clock(self) -> Clock:
        """What the axis of time says."""
        return Clock(self.scores.recording.start)

    @cached_property
    def events(self) -> list[Event]:
        """The events of all patterns but other."""
        return self.scores.events(self.settings)

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
        """Return columns of the scores as columns of time, [column of time, name]."""
        return column_means(self.edges, self.frame, self.frame[list(names)].to_numpy(dtype=np.float64))
