"""A bed: one recording that grows, what is said about it, and its journal."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Literal

import pandas as pd

from ictal.core.recording import Recording
from ictal.errors import IctalError, RunError, reason
from ictal.io.growing import Growing
from ictal.live.actions import Done, actions_of
from ictal.live.alarms import LATE_S, Alarm, Bedside, new_alarms
from ictal.live.announcements import LiveEvent, new_announcements, rows_that_matter
from ictal.live.journal import Journal
from ictal.live.live_scorer import LiveScorer
from ictal.live.rules import Rules
from ictal.live.trends import LOOK_BACK_S, Trends, trends_of
from ictal.scoring.engines import Engine
from ictal.scoring.events import EventSettings
from ictal.scoring.pipeline import ScoreSettings, score
from ictal.scoring.scores import Scores
from ictal.scoring.writers import scores_file

log = logging.getLogger(__name__)

State = Literal["waiting", "live", "stale", "ended"]
STALE_S = 30.0
"""Without new data for so long, a bed is stale."""
FINISH_AGAIN_S = 300.0
"""After so long, a final scoring that failed is tried again."""
Act = Callable[[str, Alarm, Done], None]


@dataclass
class Bed:
    """One recording that grows.

    Attributes
    ----------
    name
        Label, unique in a ward.
    folder
        Its journal and, when the recording has ended, its scores.
    source, journal
        The recording, and what was said about it.
    engine, settings
        How it is scored.
    rules
        Which alarms are raised.
    act
        Called once with each alarm that has something untold, when it is in the journal, with the name of the bed and
        where to report what is done: see `ictal.live.actions.Actions.act`.
    recording
        What there is so far; None if there is nothing yet.
    trends
        What is known at the end of the last row; None before the first.
    scores
        Scores of the recording that has ended; None before.
    version
        Grows with each change, so that readers notice it.
    """

    name: str
    folder: Path
    source: Growing
    journal: Journal
    engine: Engine
    settings: ScoreSettings
    rules: Rules
    act: Act
    recording: Recording | None = None
    trends: Trends | None = None
    scores: Scores | None = None
    version: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def __post_init__(self) -> None:
        self._scorer = LiveScorer(self.engine, self.settings)
        self._data_at = time.monotonic()
        self._open_rows = self._recent = self.journal.rows
        self.journal.forget_rows()
        self._announced, self._caught_up = not len(self._recent), False
        self._finished: Recording | None = None
        self._failed_at = -FINISH_AGAIN_S
        self._is_other = False
        self._n_handed, self._unnoted = 0, list[tuple[int, str, str]]()
        self._problems: dict[str, str] = {}

    @property
    def problem(self) -> str:
        """Why nothing is scored at present, or the recording that has ended was not; '' if all is well."""
        return next(filter(None, self._problems.values()), "")

    @property
    def age_s(self) -> float:
        """Seconds since data arrived, by the clock of this machine."""
        return time.monotonic() - self._data_at

    @property
    def state(self) -> State:
        """'waiting' for the first data, 'live', 'stale' without new data for `STALE_S`, or 'ended'."""
        if self.recording is None:
            return "waiting"
        if self.scores is not None:
            return "ended"
        return "stale" if self.age_s >= STALE_S else "live"

    @property
    def recent(self) -> pd.DataFrame:
        """The rows of at least the last hour, in the order of time; none if they are of another recording."""
        return self._recent.iloc[:0] if self._is_other else self._recent

    @property
    def scores_so_far(self) -> Scores | None:
        """All rows as scores of what there is of the recording; None before the first."""
        rows = self.journal.rows
        return self._scorer.scores(self.recording, rows) if self.recording is not None and len(rows) else None

    @property
    def events(self) -> list[LiveEvent]:
        """The announced events, in the order of their starts; none if they are of another recording."""
        return [] if self._is_other else sorted(self.journal.events.values(), key=lambda event: event.start_s)

    @property
    def alarms(self) -> list[Alarm]:
        """The alarms, in the order of their numbers; none if they are of another recording."""
        return [] if self._is_other else list(self.journal.alarms.values())

    def poll(self) -> None:
        """Score what is new, and announce what it means. A failure becomes `problem`; the next call tries again.

        If much is new, as after a pause of the watcher, each call scores a part, so that other beds need not wait.
        """
        with self._lock:
            with self._failing("scoring"):
                self._poll()
            with self._failing("announcing"):
                self._raise_alarms()  # also if the recording cannot be read
            self._act()

    @property
    def to_be_finished(self) -> bool:
        """Whether the recording has ended, all its rows are made, and it was not scored as a whole yet."""
        waits = time.monotonic() - self._failed_at < FINISH_AGAIN_S
        return self._caught_up and self._finished is not self.recording and not waits and self.source.ended

    def finish(self) -> None:
        """Score the recording that has ended as a whole; its scores replace the live ones."""
        recording = self.recording
        assert recording is not None  # it has ended
        self._failed_at = time.monotonic()  # unless it succeeds
        with self._failing("finishing"):
            scores = score(recording, self.engine, self.settings)
            scores.write(self.folder / scores_file(self.name))
            with self._lock:
                if recording is self.recording:
                    self._announce(ended=True)
                    self.scores, self.version = scores, self.version + 1
                    self._act()
            self._finished, self._failed_at = recording, -FINISH_AGAIN_S

    def acknowledge(self, number: int) -> None:
        """Note that somebody has seen an alarm."""
        with self._lock:
            self.journal.acknowledge(number)
            self.version += 1

    def _poll(self) -> None:
        recording = self.source.now()
        if recording is not None and recording is not self.recording:
            self._begin(recording)
            if self.recording is None or recording.n_samples > self.recording.n_samples:
                self._data_at = time.monotonic()
            self.recording, self.scores, self._failed_at = recording, None, -FINISH_AGAIN_S
            self._problems.pop("finishing", None)
        if self.recording is None:
            return
        if not self._announced:  # it was killed, or the disk was full, between the last row and what it means
            self._announce()
        after_s = self._recent["start_s"].iloc[-1] if len(self._recent) else float("-inf")
        rows = next(self._scorer.new_rows(self.recording, after_s), None)
        self._caught_up = rows is None
        if rows is not None:
            for number in range(len(rows)):  # one by one, as if none had been late
                self._add(rows.iloc[number : number + 1])

    def _begin(self, recording: Recording) -> None:
        """Check that the journal is about this recording."""
        try:
            self.journal.begin(_identity(recording))
        except RunError:
            self._is_other = True
            raise
        self._is_other = False

    def _add(self, row: pd.DataFrame) -> None:
        """Write a row, and announce what it means."""
        self.journal.add_rows(row)
        self._announced = False
        self._open_rows, self._recent = (_joined(before, row) for before in (self._open_rows, self._recent))
        self._announce()

    def _announce(self, *, ended: bool = False) -> None:
        """Announce events that begin and end, and raise alarms."""
        if not len(self._recent):
            return
        rows, step_s = self._open_rows, self.settings.step_s
        gaps = [(gap.start_s, gap.duration_s) for gap in self.recording.gaps] if self.recording else []
        events = new_announcements(rows, self.events, step_s, EventSettings(), gaps, ended=ended)
        self.journal.add(events)
        self._open_rows = rows_that_matter(rows, step_s)
        at_s = float(self._recent["stop_s"].iloc[-1])
        self._recent = self._recent[self._recent["stop_s"] > at_s - LOOK_BACK_S]
        self.trends = trends_of(self._recent, self.events, at_s)
        self.version += 1
        self._raise_alarms()
        self._announced = True

    def _raise_alarms(self) -> None:
        """Raise the alarms of the last row, and of data that do not arrive, also if none ever has."""
        if self._is_other or (self.recording is None and self.journal.recording is None):
            return
        at_s = float(self._recent["stop_s"].iloc[-1]) if len(self._recent) else 0.0
        trends = self.trends or trends_of(self._recent, self.events, at_s)
        late = self.recording is not None and self.recording.span_s - at_s > LATE_S
        start = (self.journal.recording or {}).get("start")  # known also while the recording cannot be read
        bedside = Bedside(self.name, datetime.fromisoformat(start) if start else None, late)
        age_s = 0.0 if self.scores is not None or self.source.closed else self.age_s
        alarms = new_alarms(self.rules, trends, self.events, self.alarms, bedside, age_s)
        if alarms:
            self.journal.add([], [self._to_be_told(alarm) for alarm in alarms])
            self.version += 1

    def _to_be_told(self, alarm: Alarm) -> Alarm:
        rule = self.rules.rule(alarm.rule)
        actions = actions_of(rule) if rule and not alarm.late else ()
        return replace(alarm, raised_at=time.time(), untold=actions)

    def _act(self) -> None:
        """Let the actions of alarms be done; at first, also those that an earlier watcher has left."""
        with suppress(IctalError, OSError):  # the disk is still full
            while self._unnoted:
                self.journal.tell(*self._unnoted[0])
                del self._unnoted[0]
        for alarm in self.alarms[self._n_handed :]:
            self._n_handed += 1
            if alarm.untold:
                self.act(self.name, alarm, self._note)

    def _note(self, number: int, action: str, why: str) -> None:
        """Write that an action is done; if that fails, it is tried again at the next poll."""
        try:
            self.journal.tell(number, action, why)
        except (IctalError, OSError):
            self._unnoted.append((number, action, why))
            raise

    @contextmanager
    def _failing(self, task: str) -> Iterator[None]:
        """Make an error the problem of a task; without one, it has none."""
        problem = ""
        try:
            yield
        except IctalError as error:
            problem = str(error)
        except OSError as error:  # such as a network folder that is gone for a while
            problem = f"{self.source.name}: {reason(error)}"
        if problem != self._problems.get(task, ""):
            self._problems[task], self.version = problem, self.version + 1
            if problem:
                log.warning("%s: %s", self.name, problem)


def _identity(recording: Recording) -> dict[str, object]:
    """Return what identifies a recording that grows."""
    return {"start": recording.start and recording.start.isoformat(), "rate_hz": recording.rate_hz}


def _joined(rows: pd.DataFrame, more: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([rows, more], ignore_index=True) if len(rows) else more
