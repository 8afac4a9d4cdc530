"""A file to which lines are appended, each of them whole or not at all."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from ictal.core.atomic_files import writing
from ictal.errors import RunError, TableError

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class LineFile:
    """An append-only file, for the only process that may write it.

    Attributes
    ----------
    path, file
        The file.
    torn
        An incomplete line that a killed process left; it was cut off.
    """

    path: Path
    file: FileIO
    torn: bytes

    def append(self, *lines: str) -> None:
        """Add lines; all of them are on disk when this returns.

        Raises
        ------
        WriteError
            If they cannot be written (disk full, ...); then the file is as before.
        """
        content = "".join(f"{line}\n" for line in lines).encode()
        with writing(self.path):
            end = self.file.seek(0, os.SEEK_END)
            try:
                write_all(self.file, content)
                os.fsync(self.file.fileno())
            except OSError:
                with suppress(OSError):  # an incomplete line is cut off when the file is claimed again
                    self.file.truncate(end)
                raise


def write_all(file: FileIO, content: bytes | memoryview) -> None:
    """Write all of the content; a nearly full disk accepts a part of it before it fails."""
    left = memoryview(content)
    while left:
        left = left[file.write(left) or 0 :]


def read_lines(path: Path, read: Callable[[bytes], Entry]) -> list[Entry]:
    """Return what `read` makes of each line, without an incomplete last one, which a killed process may have left.

    Raises
    ------
    TableError
        If `read` raises a ValueError, TypeError or KeyError for a line.
    """
    entries: list[Entry] = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        try:
            entries.append(read(line))
        except (ValueError, TypeError, KeyError) as error:
            raise TableError(f"{path}: line {number} is damaged: {line[:80]!r}") from error
    return entries


@contextmanager
def claim_lines(path: Path, what: str) -> Iterator[LineFile]:
    """Yield a file of lines, new or existing, locked against other processes and without an incomplete last line.

    Parameters
    ----------
    path
        The file; its folder is created.
    what
        What its folder is, for the message of the error.

    Raises
    ------
    RunError
        If another process has claimed it.
    """
    with ExitStack() as stack:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                stack.enter_context(FileLock(path.parent / ".lock", timeout=0))
            except Timeout as error:
                raise RunError(f"{path.parent}: another process is using this {what}") from error
            path.touch()
            file = stack.enter_context(FileIO(path, "r+"))
            content = file.readall()
            torn = content.rpartition(b"\n")[2]
            file.truncate(len(content) - len(torn))
        yield LineFile(path, file, torn)
