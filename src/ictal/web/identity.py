"""Identity of a recording: an address for requests while the viewer runs, and a content hash for votes."""

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ictal.core.atomic_files import hash_of
from ictal.core.hashing import cached_hash, stamp_of
from ictal.errors import IctalError, reason
from ictal.io.recording_files import parts_of, recording_hash
from ictal.web.votes import Votes

EDGE_BYTES = 1 << 16
"""Number of bytes at both ends of a file that were part of the ids of votes in version 0.1."""

SMALL_BYTES = 1 << 26
"""Size that can be hashed in a tenth of a second."""


class ChangedError(IctalError):
    """A file is no longer the one that was opened."""


class Identity:
    """The identity of one recording. Its samples are not read until its votes are needed.

    Parameters
    ----------
    path
        The recording, which is about to be opened.
    votes
        The votes. Those that version 0.1 stored under its own ids are moved to the content hash.
    pieces
        Of a joined recording, which has no file at `path`.
    """

    def __init__(self, path: Path, votes: Votes, pieces: Sequence[Path] = ()) -> None:
        self.path, self._votes = path, votes
        self.files = tuple(pieces) or (path,)
        self._opened = _places(self.files)
        self._content: str | None = None
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """Id for requests, 16 hex digits from path, size and time, so that it changes with the file."""
        return hash_of([str(self.path.absolute()), self._opened])

    @property
    def known(self) -> str | None:
        """The content hash, if it has been computed."""
        return self._content

    def content_if_quick(self) -> str | None:
        """Return the content hash if it is cached or the recording is small, otherwise None."""
        parts = [part for file in self.files for part in parts_of(file)]
        small = sum(part.stat().st_size for part in parts) <= SMALL_BYTES
        if small or all(cached_hash(part) for part in parts):
            return self.content()
        return None

    def content(self) -> str:
        """Return the hash of all bytes, 32 hex digits; the first call reads the whole recording.

        Raises
        ------
        ChangedError
            If the recording has changed since it was opened.
        IctalError
            If it cannot be read.
        """
        with self._lock:
            self.check()
            if self._content is None:
                try:
                    found = recording_hash(*self.files)
                    self.check()
                    if len(self.files) == 1:
                        _migrate_votes_of(self._votes, self.files[0], found)
                except OSError as error:
                    raise IctalError(f"{self.path}: cannot be read: {reason(error)}") from error
                self._content = found
            return self._content

    def check(self) -> None:
        """Raise a `ChangedError` if the recording is no longer the one that was opened."""
        if _places(self.files) != self._opened:
            raise ChangedError(
                f"{self.path.name} has changed since it was opened and may be another recording; restart 'ictal view'"
            )


@dataclass(frozen=True)
class LiveIdentity:
    """The identity of a recording that is still being written, and has no content yet: its bed and its start."""

    bed: str
    start: datetime | None
    files: tuple[Path, ...]

    @property
    def known(self) -> str:
        """The key of votes."""
        return f"live-{hash_of([self.bed, self.start and self.start.isoformat()])}"

    def content(self) -> str:
        """Return the key of votes."""
        return self.known

    content_if_quick = content

    def check(self) -> None:
        """Accept every change: the recording grows."""


def _places(files: Sequence[Path]) -> list[tuple[str, int, int, int]]:
    """Return the name, size, time and inode number of each file of a recording; empty if they cannot be read."""
    try:
        stamps = [(part.name, stamp_of(part)) for file in files for part in parts_of(file)]
        return [(name, size, changed_ns, number) for name, (size, changed_ns, _, number) in stamps]
    except (OSError, IctalError):
        return []  # opening it will report the reason


def former_id(path: Path) -> str:
    """Return the id of version 0.1: from the size and both ends of a file, or the path of a folder."""
    if not path.is_file():
        return hash_of(str(path.absolute()))
    digest, size = hashlib.blake2b(digest_size=8), path.stat().st_size
    digest.update(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(EDGE_BYTES))
        if size > EDGE_BYTES:
            file.seek(max(EDGE_BYTES, size - EDGE_BYTES))
            digest.update(file.read())
    return digest.hexdigest()


def migrate_votes(votes: Votes) -> None:
    """Move votes of version 0.1 to the content hashes of their files, if the files still exist."""
    for former, file in votes.of_former_ids():
        content = _content_of_former(Path(file), former)
        if content is not None:
            votes.move(former, file, content)


def _migrate_votes_of(votes: Votes, path: Path, content: str) -> None:
    """Move the votes that version 0.1 stored for a recording to its content hash, unless they belong to another file.

    Two recordings may have the same former id. If the file of a vote still exists, its content decides; otherwise it
    was moved or renamed.
    """
    former = former_id(path)
    for recording, file in votes.of_former_ids():
        if recording == former:
            votes.move(former, file, _content_of_former(Path(file), former) or content)


def _content_of_former(path: Path, former: str) -> str | None:
    """Return the content hash of a file if it still has a former id, otherwise None."""
    try:
        return recording_hash(path) if path.exists() and former_id(path) == former else None
    except (OSError, IctalError):
        return None
