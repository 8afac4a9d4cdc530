"""Recordings that are still being written: a file that grows, or a folder into which a recorder drops files.

At any time, what there is so far is an ordinary `Recording`, up to the last complete record. A file that is renamed
within its folder is found again.
"""

import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Protocol

from ictal.core.atomic_files import file_identity
from ictal.core.recording import Recording
from ictal.errors import IncompleteError, ReadError, reason
from ictal.io.edf.header import EdfFile
from ictal.io.edf.reader import recording_of
from ictal.io.joined import Piece, join_pieces
from ictal.io.open import is_recording, open_recording, suffix_of
from ictal.io.recording_files import parts_of

GROWING = (".edf", ".bdf")
"""Formats whose files can be read while they grow; those of other formats are read when they are complete."""
SETTLED_S = 10.0
"""A file of another format is complete when it has not changed for so long."""
ENDED_S = 60.0
"""A recording in one file has ended when the file is complete and nothing has been added for so long."""
MORE_S = 1800.0
"""The same for a folder, and for a file that has grown after it was complete: more is to be expected."""
PAUSES = 2.0
"""A folder has not ended, either, before so many times the usual pause between its pieces."""


class Growing(Protocol):
    """A recording that may still grow."""

    @property
    def name(self) -> str:
        """Its path, for messages."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of what `now` has returned: the one that grows, or all pieces."""
        ...

    @property
    def closed(self) -> bool:
        """Whether nothing more is expected, so that no data are missed."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the recorder has completed it, as far as can be told."""
        ...

    def now(self) -> Recording | None:
        """Return what there is so far; None if there is nothing yet.

        Raises
        ------
        ReadError
            If it cannot be read, or is another recording than before.
        """
        ...


class GrowingFile:
    """An EDF or BDF file to which a recorder appends.

    Doubts, such as a clock that goes back, become notes: scoring goes on, also if the watcher is started again.

    Parameters
    ----------
    path
        The file; it may not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: EdfFile | None = None
        self._recording: Recording | None = None
        self._known: object = None
        self._state: tuple[int, int] | None = None
        self._changed_at = time.monotonic()
        self._was_complete = self._was_continued = False

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def files(self) -> tuple[Path, ...]:
        """The file."""
        return (self.path,)

    @property
    def is_complete(self) -> bool:
        """Whether its header states the number of its records, as in a closed file."""
        return self._file is not None and self._file.n_stated == self._file.n_records

    @property
    def closed(self) -> bool:
        """Whether it is complete, and has not grown after it was before: some recorders always state the number."""
        return self.is_complete and not self._was_continued

    @property
    def quiet_s(self) -> float:
        """Seconds since something was added."""
        return time.monotonic() - self._changed_at

    @property
    def ended(self) -> bool:
        """Whether it is complete, and nothing has been added for `ENDED_S`, or `MORE_S` if it is not closed."""
        return self.is_complete and self.quiet_s >= (ENDED_S if self.closed else MORE_S)

    def now(self) -> Recording | None:
        """Return the complete records; None if there is none yet; see `Growing.now`."""
        try:
            self._follow()
            status = self.path.stat()
        except FileNotFoundError:
            if self._file is None:
                return None
            raise ReadError(f"{self.path}: was removed while it was recorded") from None
        state = status.st_size, status.st_mtime_ns
        if state == self._state:
            return self._recording
        try:
            file = self._file.grown() if self._file else EdfFile.open(self.path)
            if file == self._file:  # it was only touched
                self._state = state
                return self._recording
            recording = _without_doubts(recording_of(file))
        except IncompleteError:
            return None
        except OSError as error:
            raise ReadError(f"{self.path}: cannot be read: {reason(error)}") from error
        # A file that was complete long before it is opened here has ended, too.
        self._changed_at = time.monotonic() - (0 if self._file else max(0.0, time.time() - status.st_mtime))
        self._was_continued |= self._was_complete and self._file is not None and file.n_records > self._file.n_records
        self._file, self._recording, self._state, self._known = file, recording, state, file_identity(self.path)
        self._was_complete |= self.is_complete
        return recording

    def _follow(self) -> None:
        """Find the file under its new name if it was renamed."""
        if self._file is None or (self.path.exists() and file_identity(self.path) == self._known):
            return
        for file in self.path.parent.iterdir():
            if file.is_file() and file_identity(file) == self._known:
                self.path, self._file = file, replace(self._file, path=file)
                return
        if self.path.exists():
            raise ReadError(
                f"{self.path}: is another file than before; a recorder that begins new files needs a folder"
            )


class CompleteFile:
    """A file in a format that can only be read when it is complete; see `GrowingFile`.

    Parameters
    ----------
    path
        The file.
    accept_doubtful
        See `ictal.read`.
    """

    def __init__(self, path: Path, *, accept_doubtful: bool = False) -> None:
        self.path, self._accept = path, accept_doubtful
        self._recording: Recording | None = None
        self._problem: ReadError | None = None
        self._state: object = None
        self._seen_at = self._changed_at = time.monotonic()

    @property
    def is_complete(self) -> bool:
        """Whether it has been read."""
        return self._recording is not None

    @property
    def quiet_s(self) -> float:
        """Seconds since its files have changed."""
        return time.monotonic() - self._changed_at

    def now(self) -> Recording | None:
        """Return the recording, once its files have not changed for `SETTLED_S`; see `Growing.now`."""
        if self._recording is not None:
            return self._recording
        found = [(file.name, file.stat()) for file in parts_of(self.path)]
        state = sorted((name, status.st_size, status.st_mtime_ns) for name, status in found)
        if state != self._state:
            age_s = max(0.0, time.time() - max(status.st_mtime for _, status in found))
            self._state, self._problem, self._seen_at = state, None, time.monotonic()
            self._changed_at = self._seen_at - age_s
        elif self._problem is not None:
            raise self._problem
        elif time.monotonic() - self._seen_at >= SETTLED_S:
            try:
                self._recording = open_recording(self.path, accept_doubtful=self._accept)
            except ReadError as error:  # what cannot be read is tried again only when it has changed
                self._problem = error
                raise
        return self._recording


class GrowingFolder:
    """A folder into which a recorder drops files, one after the other; they are pieces of one recording.

    Files of `GROWING` formats are read while they grow, and others when they are complete. Files in the folder that
    are no recordings are ignored.

    Parameters
    ----------
    path
        The folder; it may be empty.
    accept_doubtful
        Whether files of other formats than `GROWING` are read if they are doubtful, see `ictal.read`.
    """

    def __init__(self, path: Path, *, accept_doubtful: bool = False) -> None:
        self.path, self._accept = path, accept_doubtful
        self._files: dict[object, GrowingFile | CompleteFile] = {}
        self._joined: list[GrowingFile | CompleteFile] = []
        self._parts: list[Recording] = []
        self._recording: Recording | None = None

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    @property
    def files(self) -> tuple[Path, ...]:
        """The pieces, in the order in which they were found."""
        return tuple(file.path for file in self._joined)

    @property
    def closed(self) -> bool:
        """Never: the next piece may come."""
        return False

    @property
    def ended(self) -> bool:
        """Whether all pieces are complete, and nothing has been added for `MORE_S` and `PAUSES` usual pauses."""
        if not self._joined or not all(file.is_complete for file in self._joined):
            return False
        quiet_s = sorted(file.quiet_s for file in self._joined)
        pauses_s = [longer - shorter for shorter, longer in pairwise(quiet_s)]
        return quiet_s[0] >= max(MORE_S, PAUSES * median(pauses_s) if pauses_s else 0.0)

    def now(self) -> Recording | None:
        """Return all files so far as one recording; see `Growing.now`."""
        self._look()
        found = [(file, recording) for file in self._files.values() if (recording := file.now()) is not None]
        parts = [recording for _, recording in found]
        if not parts or [*map(id, parts)] == [*map(id, self._parts)]:
            return self._recording
        pieces = [Piece(file.path.name, recording, file.path) for file, recording in found]
        joined = _without_doubts(join_pieces(pieces, self.name))
        self._joined, self._parts, self._recording = [file for file, _ in found], parts, joined
        return joined

    def _look(self) -> None:
        """Add the files that are new in the folder."""
        try:
            files = sorted(
                file for file in self.path.iterdir() if not file.name.startswith(".") and is_recording(file)
            )
        except OSError as error:
            raise ReadError(f"{self.path}: cannot be read: {reason(error)}") from error
        for file in files:
            identity = file_identity(file)
            if identity not in self._files:
                is_growing = suffix_of(file.name) in GROWING
                self._files[identity] = (
                    GrowingFile(file) if is_growing else CompleteFile(file, accept_doubtful=self._accept)
                )


def _without_doubts(recording: Recording) -> Recording:
    """Return a recording whose doubts are notes: a watcher that is started again must accept what it has watched."""
    return replace(recording, doubts=(), notes=(*recording.doubts, *recording.notes))
