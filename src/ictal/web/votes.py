"""Votes of raters, in a SQLite file in the results folder."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from unicodedata import normalize

from ictal.core.labels import PATTERNS
from ictal.errors import IctalError, UnknownNameError

FILE = "votes.sqlite"
VERSION = 1
"""Version of the tables, in the file's `user_version`. Version 0 had no rater keys, and shorter recording ids."""
TABLES = (
    "create table rater (key text primary key, name text not null) strict",
    f"""create table vote (
        recording text not null, file text not null, time_ms integer not null,
        rater text not null references rater (key),
        pattern text not null check (pattern in ({", ".join(f"'{name}'" for name in PATTERNS)})),
        at text not null,
        primary key (recording, time_ms, rater)
    ) strict""",
)
"""A rater has one vote per window. Times are whole milliseconds, so that they can be compared exactly."""
MIGRATION = (
    "alter table rater rename to rater_0",
    "alter table vote rename to vote_0",
    *TABLES,
    "insert or ignore into rater select key_of(name), name from rater_0 order by rowid",
    """insert or replace into vote
        select recording, file, time_ms, key_of(rater), pattern, at from vote_0 order by at, rowid""",
)
"""Migration from version 0, which ignored case only in ASCII. If two of its raters are the same, the first spelling
and the later vote are kept. The old tables are kept as `rater_0` and `vote_0`."""
FORMER_ID = 16
"""Number of digits of an id in version 0, made from a file's size and ends, which two recordings may share."""
WAIT_S = 10.0
"""How long a viewer waits while another one writes."""


def key_of(name: str) -> str:
    """Return the key that identifies a rater, independent of case and the encoding of accents (Unicode 3.13)."""
    return normalize("NFC", normalize("NFD", normalize("NFD", name).casefold()))


@dataclass(frozen=True)
class Vote:
    """The vote of one rater on one window.

    Attributes
    ----------
    recording, file
        Id of the recording, and its path at the time of the vote.
    time_s
        Middle of the window.
    rater, pattern
        Name of the rater, and the pattern.
    at
        Time of the vote: ISO 8601, UTC.
    """

    recording: str
    file: str
    time_s: float
    rater: str
    pattern: str
    at: str


class Votes:
    """The votes in a file; several threads and viewers may use it at the same time.

    Parameters
    ----------
    path
        The file, which is created with the first rater or vote.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def raters(self) -> list[str]:
        """Return the names of all raters."""
        with self._open() as database:
            return [name for (name,) in database.execute("select name from rater order by rowid")]

    def add_rater(self, name: str) -> None:
        """Add a rater; names with the same key, see `key_of`, are the same rater."""
        with self._open() as database:
            database.execute("insert into rater values (key_of(?1), ?1) on conflict do nothing", (name,))

    def give(self, recording: str, file: str, time_s: float, rater: str, pattern: str) -> Vote:
        """Store a vote; it replaces an earlier vote of the rater on the window.

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
                "insert or replace into vote values (?, ?, ?, key_of(?), ?, ?)",
                (recording, file, round(time_s * 1000), name, pattern, at),
            )
        return Vote(recording, file, time_s, name, pattern, at)

    def take_back(self, recording: str, time_s: float, rater: str) -> bool:
        """Remove a vote, and return whether there was one."""
        with self._open() as database:
            found = database.execute(
                "delete from vote where recording = ? and time_ms = ? and rater = key_of(?)",
                (recording, round(time_s * 1000), rater),
            )
            return found.rowcount > 0

    def all(self, recording: str | None = None, rater: str | None = None) -> list[Vote]:
        """Return the votes on one or all recordings, of one or all raters, ordered by recording, time and rater."""
        with self._open() as database:
            rows = database.execute(
                "select recording, file, time_ms / 1000.0, name, pattern, at from vote join rater on key = rater "
                "where recording = coalesce(?, recording) and rater = coalesce(key_of(?), rater) "
                "order by recording, time_ms, rater",
                (recording, rater),
            ).fetchall()
        return [Vote(*row) for row in rows]

    def known(self, rater: str) -> str:
        """Return the name of a rater as it was first written.

        Raises
        ------
        UnknownNameError
            If there is no such rater.
        """
        with self._open() as database:
            found = database.execute("select name from rater where key = key_of(?)", (rater,)).fetchone()
        if found is None:
            raise UnknownNameError("rater", rater, self.raters() or ["none"])
        return str(found[0])

    def of_former_ids(self) -> list[tuple[str, str]]:
        """Return the id and file of each recording whose votes are stored under an id of version 0."""
        with self._open() as database:
            return database.execute(
                "select distinct recording, file from vote where length(recording) = ? order by recording, file",
                (FORMER_ID,),
            ).fetchall()

    def move(self, recording: str, file: str, to: str) -> None:
        """Move the votes on a file to another id; existing votes there are kept."""
        with self._open() as database:
            database.execute(
                "update or ignore vote set recording = ? where (recording, file) = (?, ?)", (to, recording, file)
            )
            database.execute("delete from vote where (recording, file) = (?, ?)", (recording, file))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Yield a new connection; its changes are one transaction."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(self.path, timeout=WAIT_S)
        except (OSError, sqlite3.Error) as error:
            raise IctalError(f"{self.path}: votes cannot be stored there: {error}") from error
        database.create_function("key_of", 1, lambda name: None if name is None else key_of(name), deterministic=True)
        try:
            database.execute("pragma journal_mode = wal")
            database.execute("pragma foreign_keys = on")
            if _version(database) != VERSION:
                self._make(database)
            with database:
                yield database
        except sqlite3.DatabaseError as error:
            raise IctalError(f"{self.path}: votes cannot be read or stored: {error}") from error
        finally:
            database.close()

    def _make(self, database: sqlite3.Connection) -> None:
        """Make the tables, or migrate those of an earlier version."""
        with database:
            database.execute("begin immediate")
            version = _version(database)  # another viewer may have been first
            if version > VERSION:
                raise IctalError(f"{self.path}: was written by a later version of ictal; install that version")
            if version == VERSION:
                return
            former = database.execute("select 1 from sqlite_schema where name = 'vote'").fetchone()
            for statement in MIGRATION if former else TABLES:
                database.execute(statement)
            database.execute(f"pragma user_version = {VERSION}")


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("pragma user_version").fetchone()[0])
