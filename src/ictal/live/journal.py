"""The journal of a bed: everything that was said about its recording, in one file to which lines are appended.

Each line is a JSON object with the time at which it was written, *at*, and one of these: *recording* (which one it
is), *row* (a scored window, the values of `COLUMNS`), *event* (what was announced of an event), *alarm*,
*acknowledged* (the number of an alarm) or *told* (an action of an alarm is done, or *why* it was given up). A watcher
that was killed reads its journal, does what is not told yet, and goes on after the last row.
"""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pandas as pd

from ictal.core.line_file import LineFile, claim_lines, read_lines
from ictal.errors import RunError
from ictal.live.alarms import Alarm
from ictal.live.announcements import LiveEvent
from ictal.measurement.columns import LISTS
from ictal.scoring.quality import FLAWS
from ictal.scoring.scores import COLUMNS, SPECTRUM_COLUMNS

JOURNAL = "journal.jsonl"
ARRAYS = dict.fromkeys((*SPECTRUM_COLUMNS, *LISTS), np.float32) | {"marks": np.uint8}
"""Columns with an array in each row, and its type."""
TYPES: dict[str, Any] = {
    **dict.fromkeys(COLUMNS, float),
    **dict.fromkeys(("reason", "measured"), str),
    **dict.fromkeys(FLAWS, int),
    "independent": bool,
    **dict.fromkeys(ARRAYS, object),
}
"""Types of all columns."""


@dataclass
class Journal:
    """The journal of a bed, for the only process that may write it; its methods may be called by any thread.

    Attributes
    ----------
    file
        The open file.
    recording
        What identifies the recording; None before the first row.
    events
        The last word on each event, by pattern and start.
    alarms
        By number, from 1.
    """

    file: LineFile
    recording: dict[str, Any] | None = None
    events: dict[tuple[str, float], LiveEvent] = field(default_factory=dict)
    alarms: dict[int, Alarm] = field(default_factory=dict)
    _parts: list[pd.DataFrame] | None = field(default=None, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @property
    def rows(self) -> pd.DataFrame:
        """All rows, in the order of time; any thread may ask for them.

        They are read from the file when they are first asked for, and kept from then on.
        """
        with self._lock:
            if self._parts is None:
                entries = read_lines(self.file.path, _entry)
                self._parts = [_frame([content for kind, content in entries if kind == "row"])]
            if len(self._parts) > 1:
                self._parts = [pd.concat([part for part in self._parts if len(part)], ignore_index=True)]
            return self._parts[0]

    def forget_rows(self) -> None:
        """Free the memory of the rows, until somebody asks for them again."""
        with self._lock:
            self._parts = None

    def begin(self, recording: dict[str, Any]) -> None:
        """Write which recording the journal is about.

        Raises
        ------
        RunError
            If it is about another one.
        """
        if self.recording is None:
            with self._lock:
                self._write([{"recording": recording}])
            self.recording = recording
        elif self.recording != recording:
            differing = [name for name, value in recording.items() if self.recording.get(name) != value]
            raise RunError(
                f"{self.file.path}: belongs to another recording, whose {' and '.join(differing)} "
                f"differ{'s' if len(differing) == 1 else ''}; name another folder with --out"
            )

    def add_rows(self, rows: pd.DataFrame) -> None:
        """Write rows, which follow the others in time; they are on disk when this returns.

        Raises
        ------
        WriteError
            If they cannot be written; then none of them is kept. The same applies to all other methods.
        """
        values = rows[list(COLUMNS)].itertuples(index=False)
        with self._lock:
            self._write([{"row": [_plain(value) for value in row]} for row in values])
            if self._parts is not None:
                self._parts.append(rows)

    def add(self, events: Sequence[LiveEvent], alarms: Sequence[Alarm] = ()) -> None:
        """Write what is announced; that an event lasts longer is not, since the rows say it."""
        goes_on = {key for key, event in self.events.items() if event.stop_s is None}
        announced = [event for event in events if event.stop_s is not None or event.key not in goes_on]
        with self._lock:
            self._write(
                [{"event": asdict(event)} for event in announced] + [{"alarm": asdict(alarm)} for alarm in alarms]
            )
            self.events |= {event.key: event for event in events}
            self.alarms |= {alarm.number: alarm for alarm in alarms}

    def acknowledge(self, number: int) -> None:
        """Write that somebody has seen an alarm."""
        with self._lock:
            self._write([{"acknowledged": number}])
            self.alarms[number] = replace(self.alarms[number], acknowledged=True)

    def tell(self, number: int, action: str, why: str) -> None:
        """Write that an action of an alarm is done, or why it was given up; '' if it is done."""
        with self._lock:
            self._write([{"told": {"number": number, "action": action, "why": why}}])
            self.alarms[number] = self.alarms[number].without(action)

    def _write(self, entries: Sequence[dict[str, Any]]) -> None:
        if entries:
            at = {"at": datetime.now(UTC).isoformat(timespec="milliseconds")}
            self.file.append(*(json.dumps(at | entry, ensure_ascii=False, allow_nan=False) for entry in entries))


@contextmanager
def claim_journal(folder: Path) -> Iterator[Journal]:
    """Yield the journal of a bed, new or existing, locked against other processes.

    Raises
    ------
    RunError
        If another process is using it.
    TableError
        If a line is damaged; an incomplete last one is cut off.
    """
    with claim_lines(folder / JOURNAL, "bed") as file:
        journal, rows = Journal(file), list[list[Any]]()
        for kind, content in read_lines(file.path, _entry):
            if kind == "row":
                rows.append(content)
            elif kind == "event":
                journal.events[content.key] = content
            elif kind == "alarm":
                journal.alarms[content.number] = content
            elif kind == "acknowledged":
                journal.alarms[content] = replace(journal.alarms[content], acknowledged=True)
            elif kind == "told":
                number = content["number"]
                journal.alarms[number] = journal.alarms[number].without(content["action"])
            else:
                journal.recording = content
        journal._parts = [_frame(rows)]
        yield journal


def _entry(line: bytes) -> tuple[str, Any]:
    """Return the kind and the content of a line."""
    _, (kind, content) = json.loads(line).items()
    if kind == "row" and len(content) != len(COLUMNS):
        raise ValueError(kind)
    if kind == "event":
        content = LiveEvent(**content)
    elif kind == "alarm":
        content = Alarm(**content | {"untold": tuple(content.get("untold", ()))})
    return kind, content


def _plain(value: Any) -> Any:
    """Return a value of a row as JSON has it: null for NaN; the digits that identify a float32 among others."""
    if isinstance(value, np.ndarray):
        if value.dtype == np.float32:
            return [None if math.isnan(one) else float(f"{one:.9g}") for one in value.tolist()]
        return value.tolist()
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and math.isnan(value) else value


def _frame(rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    values: dict[str, list[Any]] = {name: [row[place] for row in rows] for place, name in enumerate(COLUMNS)}
    for name, dtype in ARRAYS.items():
        values[name] = [np.array(one, dtype=np.float64).astype(dtype) for one in values[name]]
    return pd.DataFrame(values, columns=list(COLUMNS), dtype=object).astype(TYPES)
