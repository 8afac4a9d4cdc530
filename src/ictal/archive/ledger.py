"""The ledger of an archive: an append-only file with one line per outcome of a recording."""

import errno
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Literal, get_args

import pandas as pd
from filelock import FileLock, Timeout

from ictal import __version__
from ictal.core.atomic_files import atomic_write, writing
from ictal.errors import RunError, TableError

LEDGER = "ledger.jsonl"
LEDGER_TABLE = "ledger.parquet"
State = Literal["done", "failed", "quarantined"]
STATES: tuple[State, ...] = get_args(State)
"""Scored; not scorable; or given up, because workers died on it or because it could not be downloaded."""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Row:
    """The outcome for a recording.

    Attributes
    ----------
    recording, address, fingerprint
        See `ictal.archive.pieces.Entry`.
    model
        Name of the partition, which identifies the model and its settings.
    state, reason
        One of `STATES`, and the reason if it is not 'done'.
    eeg_h
        Hours from the first sample to the last.
    duration_s
        Time that a worker spent in the last attempt.
    tries
        Number of attempts.
    worker
        Computer and process.
    ictal_version, time
        Version of ictal that wrote the row, and time of writing (UTC).
    """

    recording: str
    address: str
    fingerprint: str
    model: str
    state: State
    reason: str = ""
    eeg_h: float = 0.0
    duration_s: float = 0.0
    tries: int = 1
    worker: str = ""
    ictal_version: str = __version__
    time: str = field(default_factory=_now)


COLUMNS = tuple(one.name for one in fields(Row))
Rows = dict[tuple[str, str], Row]
"""The last row for each recording and model, which is the valid one."""


@dataclass
class Ledger:
    """The ledger of a folder, for the only process that may write it.

    Attributes
    ----------
    file
        The open file.
    rows
        See `Rows`.
    torn
        An incomplete line that a killed process left; it is ignored.
    """

    file: FileIO
    rows: Rows
    torn: bytes

    def append(self, row: Row) -> None:
        """Add a row; it is on disk when this returns.

        Raises
        ------
        WriteError
            If it cannot be written. An incomplete line is ignored.
        """
        line = json.dumps(asdict(row), ensure_ascii=False).encode() + b"\n"
        with writing(Path(str(self.file.name))):
            if self.file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self.file.fileno())
        self.rows[row.recording, row.model] = row


def read_ledger(folder: Path) -> tuple[Rows, bytes]:
    """Return the valid rows, and the incomplete last line that a killed process may have left.

    Raises
    ------
    RunError
        If the folder has no ledger.
    TableError
        If any line except the last cannot be read.
    """
    path = folder / LEDGER
    try:
        *lines, torn = path.read_bytes().split(b"\n")
    except OSError as error:
        raise RunError(f"{folder}: is not an archive of scores; 'ictal score-archive' makes one") from error
    rows: Rows = {}
    for number, line in enumerate(lines, 1):
        try:
            row = Row(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise TableError(f"{path}: line {number} is damaged: {line[:80]!r}") from error
        rows[row.recording, row.model] = row
    return rows, torn


@contextmanager
def claim_ledger(folder: Path) -> Iterator[Ledger]:
    """Yield the ledger of a folder, locked against other processes.

    Raises
    ------
    RunError
        If another process is using the archive.
    """
    path = folder / LEDGER
    with ExitStack() as stack:
        with writing(path):
            folder.mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(FileLock(folder / ".lock", timeout=0))
            except Timeout as error:
                raise RunError(f"{folder}: another process is using this archive") from error
            file = stack.enter_context(path.open("ab", buffering=0))
            rows, torn = read_ledger(folder)
            file.truncate(path.stat().st_size - len(torn))
        yield Ledger(file, rows, torn)


def ledger_table(rows: Iterable[Row]) -> pd.DataFrame:
    """Return rows as a table."""
    return pd.DataFrame([asdict(row) for row in rows], columns=list(COLUMNS))


def write_table(rows: Iterable[Row], folder: Path) -> None:
    """Write the valid rows as Parquet to the folder of the ledger."""
    with atomic_write(folder / LEDGER_TABLE) as part:
        ledger_table(rows).to_parquet(part, index=False)
