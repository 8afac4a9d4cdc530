"""Times for readers: clock times if the start of the recording is known, else since its start; and durations."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from ictal.terminology.english import HOUR_S as HOUR_S
from ictal.terminology.english import MINUTE_S as MINUTE_S
from ictal.terminology.english import duration_in_words as duration_in_words

DAY_S = 24 * HOUR_S
STEPS_S = (
    *(1, 2, 5, 10, 15, 30),
    *(step * MINUTE_S for step in (1, 2, 5, 10, 15, 30)),
    *(step * HOUR_S for step in (1, 2, 3, 6, 12)),
)
"""Distances between ticks that suit a clock; beyond them, whole days."""
MOST_TICKS = 13


def interval_in_words(duration_s: float) -> str:
    """Write a duration as used after 'each': 'hour', not '1 h'."""
    return "hour" if duration_s == HOUR_S else duration_in_words(duration_s)


def counted(number: int, what: str) -> str:
    """Write how many there are: '1 event', '2 events'."""
    return f"{number} {what}{'' if number == 1 else 's'}"


@dataclass(frozen=True)
class Clock:
    """The clock of a recording.

    Attributes
    ----------
    start
        When it began; None if unknown: then times count from the start.
    """

    start: datetime | None

    def date(self) -> str:
        """Write when the recording began, day and time; empty if unknown."""
        return f"{self.start.day} {self.start:%B %Y, %H:%M:%S}" if self.start else ""

    def text(self, time_s: float, seconds: bool = True) -> str:
        """Write a time of the recording, with the day if it differs from that of the start.

        Examples
        --------
        >>> Clock(datetime(2030, 1, 2, 23, 59)).text(90), Clock(None).text(90)
        ('3 Jan 00:00:30', '0:01:30')
        """
        if self.start is None:
            whole = round(time_s)
            text = f"{whole // HOUR_S}:{whole % HOUR_S // MINUTE_S:02d}"
            return f"{text}:{whole % MINUTE_S:02d}" if seconds else text
        moment = self.start + timedelta(seconds=round(time_s))
        day = "" if moment.date() == self.start.date() else f"{_day(moment)} "
        return f"{day}{moment:%H:%M:%S}" if seconds else f"{day}{moment:%H:%M}"

    def span(self, start_s: float, stop_s: float) -> str:
        """Write an interval in hours and minutes; the day is written once."""
        first, last = self.text(start_s, seconds=False), self.text(stop_s, seconds=False)
        return f"{first}–{last.split()[-1]}"

    def ticks(self, span_s: float) -> tuple[list[float], list[str]]:
        """Return the ticks of a time axis, in seconds of the recording, and their labels.

        Ticks are at round clock times; the first of each day has the date.
        """
        step = next((step for step in STEPS_S if span_s / step <= MOST_TICKS - 1), None)
        step = step or DAY_S * int(np.ceil(span_s / DAY_S / MOST_TICKS))
        midnight_s = 0.0
        if self.start is not None:
            midnight_s = (self.start - self.start.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
        first = np.ceil(midnight_s / step) * step - midnight_s
        places = np.arange(first, span_s + 1e-6, step).tolist()
        return places, self._labels(places, seconds=step < MINUTE_S)

    def _labels(self, places: list[float], seconds: bool) -> list[str]:
        if self.start is None:
            return [self.text(place, seconds) for place in places]
        labels, day = [], None
        for place in places:
            moment = self.start + timedelta(seconds=place)
            name = f"\n{_day(moment)}" if moment.date() != day else ""
            labels.append(self.text(place, seconds).split()[-1] + name)
            day = moment.date()
        return labels


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%b}"
