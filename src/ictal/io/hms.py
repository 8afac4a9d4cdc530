"""Recordings of the HMS competition: a Parquet table with one column per channel, 200 Hz, µV."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ictal.core.atomic_files import atomic_write
from ictal.core.recording import Recording, Signal
from ictal.core.windows import RATE_HZ
from ictal.errors import ReadError, listed, reason

MAGIC = b"PAR1"


@dataclass(frozen=True)
class ParquetSource:
    """Samples of a Parquet file, µV."""

    path: Path
    channels: tuple[str, ...]

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop`, [channel, time]."""
        columns = [self.channels[row] for row in (range(len(self.channels)) if rows is None else rows)]
        with _clear_errors(self.path), pq.ParquetFile(self.path) as parquet:
            bounds = _bounds(parquet)
            groups = [group for group, (low, high) in enumerate(pairwise(bounds)) if low < stop and high > start]
            table = parquet.read_row_groups(groups, columns=columns)
            table = table.slice(start - bounds[groups[0]] if groups else 0, max(stop - start, 0))
            found = [table[column].to_numpy().astype(np.float32, copy=False) for column in columns]
        samples = np.stack(found) if found else np.empty((0, table.num_rows), dtype=np.float32)
        if samples.shape[1] != max(stop - start, 0):
            raise ReadError(f"{self.path}: is a damaged Parquet file: it contains fewer rows than it states")
        return samples


def read_hms(path: Path) -> Recording:
    """Open a Parquet file of the HMS layout.

    Raises
    ------
    ReadError
        If it is not a Parquet file, is damaged, or has columns that are not numbers.
    """
    with path.open("rb") as file:
        head = file.read(40)
    if not head.startswith(MAGIC):
        raise ReadError(
            f"{path}: is not a Parquet file despite its suffix; it starts with {_shown(head)}. "
            "Save the table as Parquet (pandas: DataFrame.to_parquet)"
        )
    with _clear_errors(path), pq.ParquetFile(path) as parquet:
        schema, n_samples = parquet.schema_arrow, _bounds(parquet)[-1]
    names = [name for name in schema.names if not name.startswith("__index_level_")]
    if len(set(names)) < len(names):
        raise ReadError(f"{path}: has two columns with the same name: {listed(names, 20)}")
    texts = [
        name
        for name in names
        if not pa.types.is_floating(schema.field(name).type) and not pa.types.is_integer(schema.field(name).type)
    ]
    if texts or not names:
        raise ReadError(f"{path}: columns {texts} are not numbers; allowed is one column per channel, in µV")
    return Recording(str(path), tuple(names), RATE_HZ, n_samples, ParquetSource(path, tuple(names)))


def _bounds(parquet: pq.ParquetFile) -> list[int]:
    """Return the first row of each row group, and the total number of rows."""
    sizes = [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]
    return [*accumulate(sizes, initial=0)]


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    """Turn any error of pyarrow in a damaged file into a `ReadError`; numbers that are too large become infinite."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except Exception as error:
        expected = isinstance(error, pa.ArrowException | OSError)
        why = reason(error) if expected else "its parts are inconsistent"
        raise ReadError(f"{path}: is a damaged Parquet file: {why}") from error


def write_hms(path: Path, recording: Recording) -> None:
    """Write a recording at 200 Hz as Parquet in the HMS layout, float32 µV, atomically.

    Raises
    ------
    ValueError
        If the recording has another sampling rate, which the layout cannot state, or two channels with the same name.
    """
    if len(set(recording.channels)) < len(recording.channels):
        raise ValueError(f"{recording.name} has two channels with the same name: {recording.channels}")
    if recording.rate_hz != RATE_HZ:
        raise ValueError(f"{recording.name} has {recording.rate_hz} Hz; the HMS layout allows only {RATE_HZ} Hz")
    table = pa.table(dict(zip(recording.channels, recording.read(), strict=True)))
    with atomic_write(path) as part:
        pq.write_table(table, part)


def _shown(head: bytes) -> str:
    return repr(head[:24].decode("utf-8", errors="replace")) if head else "nothing: it is empty"
