"""Write an array file in NumPy's format in groups of rows, so that what is written survives an interruption."""

import json
import os
import zlib
from collections.abc import Iterable
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from ictal.core.atomic_files import writing
from ictal.core.line_file import write_all

CHUNK = 1 << 20
"""Bytes that are read at once to compare a group with its checksum."""


class RowsFile:
    """Writes groups of rows one after another; those that a killed program has written are kept.

    A full disk causes an error and never a crash. A memory-mapped file takes no disk space until it is written to; if
    the disk is full by then, the system kills the program. This class reserves the space for all rows at the start,
    where the system supports it, so that two programs cannot rely on the same free space. Unused space is released at
    the end.

    Beside the array is a journal with a line per group: its number of rows, a checksum, and a note of the caller.
    When the file is opened again, all groups that agree with their line are kept, and writing goes on after them. The
    journal is removed when the array is complete.

    Parameters
    ----------
    path
        The ``.npy`` file.
    dtype, shape
        Type and shape of a row.
    n_most
        Largest number of rows.

    Attributes
    ----------
    notes
        The notes of all groups in the file.
    n_rows
        Number of rows in the file.

    Raises
    ------
    WriteError
        If the disk is full or the file cannot be written.
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], n_most: int) -> None:
        self.path, self.dtype, self.shape = path, dtype, shape
        self.journal = path.with_suffix(".journal")
        self.notes: list[Any] = []
        self.n_rows = 0
        self._row_bytes = dtype.itemsize * int(np.prod(shape))
        with writing(path):
            self._file, self._lines = _open(path), _open(self.journal)
            try:
                self._write_header()
                self._keep_finished()
                self._reserve((n_most - self.n_rows) * self._row_bytes)
            except BaseException:
                self._file.close()
                self._lines.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release unused space; after an error, the journal remains, else the array is complete without it."""
        with writing(self.path), self._file as file, self._lines:
            file.truncate(file.tell())
            if error is None:
                file.seek(0)
                self._write_header()
                os.fsync(file.fileno())
        if error is None:
            self.journal.unlink()

    def append(self, content: Iterable[bytes | memoryview], note: Any) -> None:
        """Write the bytes of a group of rows, in pieces of any length, and then its line of the journal."""
        begin, crc = self._file.tell(), 0
        with writing(self.path):
            for piece in content:
                crc = zlib.crc32(piece, crc)
                write_all(self._file, piece)
            n_rows = (self._file.tell() - begin) // self._row_bytes
            line = json.dumps({"rows": n_rows, "crc": crc, "note": note})
            write_all(self._lines, f"{line}\n".encode())
        self.notes.append(note)
        self.n_rows += n_rows

    def _keep_finished(self) -> None:
        """Go to the end of the last group that is complete, in both files."""
        kept = 0
        for line in self._lines.readall().splitlines(keepends=True):
            end = self._file.tell()
            if not line.endswith(b"\n"):  # the program was killed while it wrote the line
                break
            try:
                group = json.loads(line)
            except ValueError:  # the power failed before the line was on the disk
                break
            if self._checksum(group["rows"] * self._row_bytes) != group["crc"]:
                self._file.seek(end)
                break
            kept += len(line)
            self.notes.append(group["note"])
            self.n_rows += group["rows"]
        self._lines.truncate(kept)
        self._lines.seek(kept)

    def _checksum(self, n_bytes: int) -> int | None:
        """Read on; return the checksum of what follows, None if there is less."""
        crc = 0
        while n_bytes:
            piece = self._file.read(min(n_bytes, CHUNK))
            if not piece:
                return None
            crc, n_bytes = zlib.crc32(piece, crc), n_bytes - len(piece)
        return crc

    def _write_header(self) -> None:
        # NumPy pads the header so that the first dimension can grow.
        described = {
            "descr": np.lib.format.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": (self.n_rows, *self.shape),
        }
        np.lib.format.write_array_header_1_0(self._file, described)

    def _reserve(self, n_bytes: int) -> None:
        if n_bytes > 0 and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._file.fileno(), self._file.tell(), n_bytes)


def _open(path: Path) -> FileIO:
    """Open a file to read and write it from its start, and create it if it does not exist."""
    path.touch()
    return FileIO(path, "r+")
