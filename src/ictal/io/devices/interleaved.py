"""Samples of all channels in turn, in one or more pieces of a file: Persyst, Micromed, Nihon Kohden."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ictal.core.recording import Signal
from ictal.errors import ReadError, reason

CHUNK_BYTES = 1 << 22


@dataclass(frozen=True)
class InterleavedSource:
    """Samples of a file, µV.

    Attributes
    ----------
    path
        The file.
    number
        NumPy type of a sample.
    width
        Numbers per point in time.
    pieces
        Byte where each piece begins, and its number of points in time.
    columns
        Column of each channel among the numbers.
    steps_uv
        µV per digital step, per channel.
    zeros
        Number that means 0 µV, per channel.
    """

    path: Path
    number: str
    width: int
    pieces: tuple[tuple[int, int], ...]
    columns: tuple[int, ...]
    steps_uv: tuple[float, ...]
    zeros: tuple[int, ...]

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop` of the channels `rows` or of all, [channel, time]."""
        chosen = list(range(len(self.columns)) if rows is None else rows)
        columns, steps, zeros = (
            np.array([each[row] for row in chosen]) for each in (self.columns, self.steps_uv, self.zeros)
        )
        samples = np.empty((len(chosen), max(stop - start, 0)), dtype=np.float32)
        size = np.dtype(self.number).itemsize * self.width
        begin = 0
        for offset, n_samples in self.pieces:
            low, high = max(start, begin), min(stop, begin + n_samples)
            for first in range(low, high, max(1, CHUNK_BYTES // size)):
                last = min(first + max(1, CHUNK_BYTES // size), high)
                digital = self._digital(offset + (first - begin) * size, last - first)
                samples[:, first - start : last - start] = ((digital[:, columns] - zeros) * steps).T
            begin += n_samples
        return samples

    def _digital(self, offset: int, n_samples: int) -> np.ndarray:
        try:
            digital = np.fromfile(self.path, self.number, n_samples * self.width, offset=offset)
        except OSError as error:
            raise ReadError(f"{self.path}: cannot be read: {reason(error)}") from error
        if len(digital) < n_samples * self.width:
            raise ReadError(f"{self.path}: has become shorter since it was opened")
        return digital.reshape(n_samples, self.width).astype(np.int64)
