"""The ledger of an archive: an append-only file with one line per outcome of a recording."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from ictal import __version__
from ictal.core.atomic_files import atomic_write
from ictal.core.line_file import LineFile, claim_lines, read_lines
from ictal.errors import RunError

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
    """

    file: LineFile
    rows: Rows

    def append(self, row: Row) -> None:
        """Add a row; it is on disk when this returns.

        Raises
        ------
        WriteError
            If it cannot be written.
        """
        self.file.append(json.dumps(asdict(row), ensure_ascii=False))
        self.rows[row.recording, row.model] = row


def read_ledger(folder: Path) -> Rows:
    """Return the valid rows; an incomplete last line, which a killed process may have left, does not count.

    Raises
    ------
    RunError
        If the folder has no ledger.
    TableError
        If any other line cannot be read.
    """
    path = folder / LEDGER
    if not path.exists():
        raise RunError(f"{folder}: is not an archive of scores; 'ictal score-archive' makes one")
    rows = read_lines(path, lambda line: Row(**json.loads(line)))
    return {(row.recording, row.model): row for row in rows}


@contextmanager
def claim_ledger(folder: Path) -> Iterator[Ledger]:
    """Yield the ledger of a folder, locked against other processes.

    Raises
    ------
    RunError
        If another process is using the archive.
    """
    with claim_lines(folder / LEDGER, "archive") as file:
        yield Ledger(file, read_ledger(folder))


def ledger_table(rows: Iterable[Row]) -> pd.DataFrame:
    """Return rows as a table."""
    return pd.DataFrame([asdict(row) for row in rows], columns=list(COLUMNS))


def write_table(rows: Iterable[Row], folder: Path) -> None:
    """Write the valid rows as Parquet to the folder of the ledger."""
    with atomic_write(folder / LEDGER_TABLE) as part:
        ledger_table(rows).to_parquet(part, index=False)
