"""A file of rows of one shape, in NumPy's format, which is written row after row and read as a whole."""

import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt

from ictal.core.atomic_files import writing


class RowsFile:
    """Writes rows of float32 one after another, so that a full disk is an error and never a crash.

    A file that is mapped into memory to be written costs no room until it is touched; where the disk is full by then,
    the system kills the program. Here the room for all rows is taken when the file is made, where the system can, so
    that two programs on one disk cannot both count on the same room; what is not used is given back at the end.

    Parameters
    ----------
    path
        Of the file, ``.npy``.
    shape
        Of a row.
    n_most
        How many rows there may be.

    Raises
    ------
    WriteError
        If there is no room, or the file cannot be written.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], n_most: int) -> None:
        self.path, self.shape, self.n_rows = path, shape, 0
        with writing(path):
            self._file: BinaryIO = path.open("wb", buffering=0)
            try:
                self._write_header()
                self._reserve(n_most * int(np.prod(shape)) * 4)
            except BaseException:
                self._file.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Say in the header how many rows there are, and give back the room that was not used."""
        with writing(self.path), self._file as file:
            if error is None:
                file.truncate(file.tell())
                file.seek(0)
                self._write_header()

    def append(self, rows: npt.NDArray[np.float32]) -> None:
        """Write one row or more, [..., *shape]."""
        content = np.ascontiguousarray(rows, dtype=np.float32).reshape(-1, *self.shape)
        left = content.data.cast("B") if content.size else memoryview(b"")
        with writing(self.path):
            while left:  # a disk that fills up takes a part before it refuses
                left = left[self._file.write(left) or 0 :]
        self.n_rows += len(content)

    def _write_header(self) -> None:
        # NumPy leaves room in the header for the first number of the shape to grow.
        described = {"descr": "<f4", "fortran_order": False, "shape": (self.n_rows, *self.shape)}
        np.lib.format.write_array_header_1_0(self._file, described)

    def _reserve(self, n_bytes: int) -> None:
        if n_bytes and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._file.fileno(), self._file.tell(), n_bytes)
