"""Write an array file in NumPy's format row by row."""

import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt

from ictal.core.atomic_files import writing


class RowsFile:
    """Writes rows of float32 one after another, so that a full disk causes an error and never a crash.

    A memory-mapped file takes no disk space until it is written to; if the disk is full by then, the system kills the
    program. This class reserves the space for all rows at the start, where the system supports it, so that two
    programs cannot rely on the same free space. Unused space is released at the end.

    Parameters
    ----------
    path
        The ``.npy`` file.
    shape
        Shape of a row.
    n_most
        Largest number of rows.

    Raises
    ------
    WriteError
        If the disk is full or the file cannot be written.
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
        """Write the number of rows to the header, and release unused space."""
        with writing(self.path), self._file as file:
            if error is None:
                file.truncate(file.tell())
                file.seek(0)
                self._write_header()

    def append(self, rows: npt.NDArray[np.float32]) -> None:
        """Write one or more rows, [..., *shape]."""
        content = np.ascontiguousarray(rows, dtype=np.float32).reshape(-1, *self.shape)
        left = content.data.cast("B") if content.size else memoryview(b"")
        with writing(self.path):
            while left:  # a nearly full disk accepts part of the data before it fails
                left = left[self._file.write(left) or 0 :]
        self.n_rows += len(content)

    def _write_header(self) -> None:
        # NumPy pads the header so that the first dimension can grow.
        described = {"descr": "<f4", "fortran_order": False, "shape": (self.n_rows, *self.shape)}
        np.lib.format.write_array_header_1_0(self._file, described)

    def _reserve(self, n_bytes: int) -> None:
        if n_bytes and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._file.fileno(), self._file.tell(), n_bytes)
