"""What raters say of windows, in one SQLite file beside the results."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ictal.errors import IctalError, UnknownNameError
from ictal.labels import PATTERNS

FILE = "votes.sqlite"
SCHEMA = f"""
create table if not exists rater (name text primary key collate nocase) strict;
create table if not exists vote (
    recording text not null, file text not null, time_ms integer not null,
    rater text not null collate nocase references rater (name),
    pattern text not null check (pattern in ({", ".join(f"'{name}'" for name in PATTERNS)})),
    at text not null,
    primary key (recording, time_ms, rater)
) strict;
"""
"""A rater has one vote per window; times are whole milliseconds, so that equal ones are equal."""
WAIT_S = 10.0
"""How long one viewer waits for another that writes."""


@dataclass(frozen=True)
class Vote:
    """What one rater says of one window.

    Attributes
    ----------
    recording, file
        Id of the recording, and its path when the vote was given.
    time_s
        Middle of the window.
    rater, pattern
        Who says what.
    at
        When it was said: ISO 8601, UTC.
    """

    recording: str
    file: str
    time_s: float
    rater: str
    pattern: str
    at: str


class Votes:
    """The votes in a file, which several threads and several viewers may use at once.

    Parameters
    ----------
    path
        Of the file, which is made with the first rater or vote.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def raters(self) -> list[str]:
        """Return the names of those who may vote."""
        with self._open() as database:
            return [name for (name,) in database.execute("select name from rater order by rowid")]

    def add_rater(self, name: str) -> None:
        """Add somebody who may vote; names that differ in case alone are the same."""
        with self._open() as database:
            database.execute("insert into rater values (?) on conflict do nothing", (name,))

    def give(self, recording: str, file: str, time_s: float, rater: str, pattern: str) -> Vote:
        """Keep a vote in place of the one that this rater gave on the window before, if any.

        Raises
        ------
        UnknownNameError
            If there is no such rater or pattern.
        """
        if pattern not in PATTERNS:
            raise UnknownNameError("pattern", pattern, PATTERNS)
        name, at = self.known(rater), datetime.now(UTC).isoformat(timespec="seconds")
        with self._open() as database:
            database.execute(
                "insert or replace into vote values (?, ?, ?, ?, ?, ?)",
                (recording, file, round(time_s * 1000), name, pattern, at),
            )
        return Vote(recording, file, time_s, name, pattern, at)

    def take_back(self, recording: str, time_s: float, rater: str) -> bool:
        """Remove a vote; say whether there was one."""
        with self._open() as database:
            found = database.execute(
                "delete from vote where recording = ? and time_ms = ? and rater = ?",
                (recording, round(time_s * 1000), rater),
            )
            return found.rowcount > 0

    def all(self, recording: str | None = None, rater: str | None = None) -> list[Vote]:
        """Return the votes on a recording or all, of a rater or all, by recording, time and rater."""
        with self._open() as database:
            rows = database.execute(
                "select recording, file, time_ms / 1000.0, rater, pattern, at from vote "
                "where recording = coalesce(?, recording) and rater = coalesce(?, rater) "
                "order by recording, time_ms, rater",
                (recording, rater),
            ).fetchall()
        return [Vote(*row) for row in rows]

    def known(self, rater: str) -> str:
        """Return the name as it was first written.

        Raises
        ------
        UnknownNameError
            If there is no such rater.
        """
        names = {name.casefold(): name for name in self.raters()}
        if rater.casefold() not in names:
            raise UnknownNameError("rater", rater, names.values() or ["none"])
        return names[rater.casefold()]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Give a connection of this thread's own; what is done with it is kept whole or not at all."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(self.path, timeout=WAIT_S)
        except (OSError, sqlite3.Error) as error:
            raise IctalError(f"{self.path}: votes cannot be kept there: {error}") from error
        try:
            database.execute("pragma journal_mode = wal")
            database.execute("pragma foreign_keys = on")
            database.executescript(SCHEMA)
            with database:
                yield database
        except sqlite3.DatabaseError as error:
            raise IctalError(f"{self.path}: votes cannot be read or kept: {error}") from error
        finally:
            database.close()
