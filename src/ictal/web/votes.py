"""What raters say of windows, in one SQLite file beside the results."""

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
"""Of the tables, in the file's `user_version`: 0 had no keys of raters, and shorter ids of recordings."""
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
"""A rater has one vote per window; times are whole milliseconds, so that equal ones are equal."""
MIGRATION = (
    "alter table rater rename to rater_0",
    "alter table vote rename to vote_0",
    *TABLES,
    "insert or ignore into rater select key_of(name), name from rater_0 order by rowid",
    """insert or replace into vote
        select recording, file, time_ms, key_of(rater), pattern, at from vote_0 order by at, rowid""",
)
"""From version 0. It knew upper and lower case in ASCII alone: where two of its raters are one, the first spelling
stays and the later vote counts. What was there is kept in the tables `rater_0` and `vote_0`."""
FORMER_ID = 16
"""Digits of an id of version 0: of a file's size and ends, which two recordings may share."""
WAIT_S = 10.0
"""How long one viewer waits for another that writes."""


def key_of(name: str) -> str:
    """Return by what a rater is told from others: neither case nor the encoding of accents counts (Unicode 3.13)."""
    return normalize("NFC", normalize("NFD", normalize("NFD", name).casefold()))


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
        """Add somebody who may vote; names with the same key, see `key_of`, are the same."""
        with self._open() as database:
            database.execute("insert into rater values (key_of(?1), ?1) on conflict do nothing", (name,))

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
                "insert or replace into vote values (?, ?, ?, key_of(?), ?, ?)",
                (recording, file, round(time_s * 1000), name, pattern, at),
            )
        return Vote(recording, file, time_s, name, pattern, at)

    def take_back(self, recording: str, time_s: float, rater: str) -> bool:
        """Remove a vote; say whether there was one."""
        with self._open() as database:
            found = database.execute(
                "delete from vote where recording = ? and time_ms = ? and rater = key_of(?)",
                (recording, round(time_s * 1000), rater),
            )
            return found.rowcount > 0

    def all(self, recording: str | None = None, rater: str | None = None) -> list[Vote]:
        """Return the votes on a recording or all, of a rater or all, by recording, time and rater."""
        with self._open() as database:
            rows = database.execute(
                "select recording, file, time_ms / 1000.0, name, pattern, at from vote join rater on key = rater "
                "where recording = coalesce(?, recording) and rater = coalesce(key_of(?), rater) "
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
        with self._open() as database:
            found = database.execute("select name from rater where key = key_of(?)", (rater,)).fetchone()
        if found is None:
            raise UnknownNameError("rater", rater, self.raters() or ["none"])
        return str(found[0])

    def of_former_ids(self) -> list[tuple[str, str]]:
        """Return id and file of each recording whose votes are kept under an id of version 0."""
        with self._open() as database:
            return database.execute(
                "select distinct recording, file from vote where length(recording) = ? order by recording, file",
                (FORMER_ID,),
            ).fetchall()

    def move(self, recording: str, file: str, to: str) -> None:
        """Keep the votes that were given on a file under another id; a vote that is there already stays."""
        with self._open() as database:
            database.execute(
                "update or ignore vote set recording = ? where (recording, file) = (?, ?)", (to, recording, file)
            )
            database.execute("delete from vote where (recording, file) = (?, ?)", (recording, file))

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Give a connection of this thread's own; what is done with it is kept whole or not at all."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(self.path, timeout=WAIT_S)
        except (OSError, sqlite3.Error) as error:
            raise IctalError(f"{self.path}: votes cannot be kept there: {error}") from error
        database.create_function("key_of", 1, lambda name: None if name is None else key_of(name), deterministic=True)
        try:
            database.execute("pragma journal_mode = wal")
            database.execute("pragma foreign_keys = on")
            if _version(database) != VERSION:
                self._make(database)
            with database:
                yield database
        except sqlite3.DatabaseError as error:
            raise IctalError(f"{self.path}: votes cannot be read or kept: {error}") from error
        finally:
            database.close()

    def _make(self, database: sqlite3.Connection) -> None:
        """Make the tables, out of those of an earlier version where there are some."""
        with database:
            database.execute("begin immediate")
            version = _version(database)  # another viewer may have been first
            if version > VERSION:
                raise IctalError(f"{self.path}: these votes were kept by a later version of ictal; install that one")
            if version == VERSION:
                return
            former = database.execute("select 1 from sqlite_schema where name = 'vote'").fetchone()
            for statement in MIGRATION if former else TABLES:
                database.execute(statement)
            database.execute(f"pragma user_version = {VERSION}")


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("pragma user_version").fetchone()[0])
