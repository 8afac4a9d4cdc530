"""What a recording is known by: an address while the viewer runs, and for votes a hash of all that its files hold."""

import hashlib
import threading
from pathlib import Path

from ictal.core.atomic_files import hash_of
from ictal.core.hashing import cached_hash, stamp_of
from ictal.errors import IctalError, reason
from ictal.io.recording_files import parts_of, recording_hash
from ictal.web.votes import Votes

EDGE_BYTES = 1 << 16
"""How much of a file's head and tail entered the ids of votes in version 0.1."""

SMALL_BYTES = 1 << 26
"""So much is hashed in a tenth of a second."""


class ChangedError(IctalError):
    """A file is no longer the one that was opened."""


class Identity:
    """Of one recording that is shown. No samples are read until its votes are asked for.

    Parameters
    ----------
    path
        Of the recording, about to be opened.
    votes
        Those that version 0.1 kept under size and ends of the file are found again.
    """

    def __init__(self, path: Path, votes: Votes) -> None:
        self.path, self._votes = path, votes
        self._opened = _places(path)
        self._content: str | None = None
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """Sixteen hex digits for requests, of path, size and time: what was kept of another file is not used."""
        return hash_of([str(self.path.absolute()), self._opened])

    @property
    def known(self) -> str | None:
        """The hash, if it was asked for before."""
        return self._content

    def content_if_quick(self) -> str | None:
        """Return the hash where nobody has to wait for it: it is remembered, or the recording is small."""
        parts = parts_of(self.path)
        small = sum(part.stat().st_size for part in parts) <= SMALL_BYTES
        if small or all(cached_hash(part) for part in parts):
            return self.content()
        return None

    def content(self) -> str:
        """Return 32 hex digits that any change of any byte changes; the first time, the whole recording is read.

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
                    found = recording_hash(self.path)
                    self.check()
                    _migrate_votes_of(self._votes, self.path, found)
                except OSError as error:
                    raise IctalError(f"{self.path}: cannot be read: {reason(error)}") from error
                self._content = found
            return self._content

    def check(self) -> None:
        """Raise a `ChangedError` where the recording is no longer the one that was opened."""
        if _places(self.path) != self._opened:
            raise ChangedError(
                f"{self.path.name} has changed since it was opened, so that it may be another recording; end "
                "'ictal view' and start it again"
            )


def _places(path: Path) -> list[tuple[str, int, int, int]]:
    """Return name, size, time and number of each file of a recording; none where they cannot be had."""
    try:
        stamps = {part.name: stamp_of(part) for part in parts_of(path)}
        return [(name, size, changed_ns, number) for name, (size, changed_ns, _, number) in stamps.items()]
    except (OSError, IctalError):
        return []  # whoever opens it says why


def former_id(path: Path) -> str:
    """Return what version 0.1 called a recording: of the file's size, head and tail, of a folder its name."""
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
    """Keep votes of version 0.1 under the content of their files, as far as those are still there."""
    for former, file in votes.of_former_ids():
        content = _content_of_former(Path(file), former)
        if content is not None:
            votes.move(former, file, content)


def _migrate_votes_of(votes: Votes, path: Path, content: str) -> None:
    """Give a recording the votes that version 0.1 kept under its former id, unless they are of another file.

    Two recordings may share a former id. Where the file is still there on which a vote was given, its content says
    which of them it was; a file that is gone was moved or renamed.
    """
    former = former_id(path)
    for recording, file in votes.of_former_ids():
        if recording == former:
            votes.move(former, file, _content_of_former(Path(file), former) or content)


def _content_of_former(path: Path, former: str) -> str | None:
    """Return the content of a file if it still has a former id, else None."""
    try:
        return recording_hash(path) if path.exists() and former_id(path) == former else None
    except (OSError, IctalError):
        return None
