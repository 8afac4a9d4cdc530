"""Recordings of the HMS competition: a Parquet table with a column per channel, 200 Hz, µV."""

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
            raise ReadError(f"{self.path}: is a damaged Parquet file: it holds fewer rows than it states")
        return samples


def read_hms(path: Path) -> Recording:
    """Open a Parquet file of the HMS layout.

    Raises
    ------
    ReadError
        If it is not Parquet (its first bytes are shown), is damaged, or has columns that are not numbers.
    """
    with path.open("rb") as file:
        head = file.read(40)
    if not head.startswith(MAGIC):
        raise ReadError(
            f"{path}: is not a Parquet file although its name says so; it begins with {_shown(head)}. "
            "Save the table as Parquet (pandas: DataFrame.to_parquet)"
        )
    with _clear_errors(path), pq.ParquetFile(path) as parquet:
        schema, n_samples = parquet.schema_arrow, _bounds(parquet)[-1]
    names = [name for name in schema.names if not name.startswith("__index_level_")]
    if len(set(names)) < len(names):
        raise ReadError(f"{path}: has two columns of one name: {listed(names, 20)}")
    texts = [
        name
        for name in names
        if not pa.types.is_floating(schema.field(name).type) and not pa.types.is_integer(schema.field(name).type)
    ]
    if texts or not names:
        raise ReadError(f"{path}: columns {texts} are not numbers; allowed is a column of µV per channel")
    return Recording(str(path), tuple(names), RATE_HZ, n_samples, ParquetSource(path, tuple(names)))


def _bounds(parquet: pq.ParquetFile) -> list[int]:
    """Return the row at which each group of rows begins, and the number of rows."""
    sizes = [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]
    return [*accumulate(sizes, initial=0)]


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    """Turn whatever pyarrow meets in a damaged file into a ReadError; too large a number becomes infinite."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            yield
    except Exception as error:
        meant = isinstance(error, pa.ArrowException | OSError)
        words = reason(error) if meant else "its parts do not fit each other"
        raise ReadError(f"{path}: is a damaged Parquet file: {words}") from error


def write_hms(path: Path, recording: Recording) -> None:
    """Write a recording of 200 Hz as Parquet in the HMS layout, float32 µV; whole or not at all.

    Raises
    ------
    ValueError
        If the recording has another rate, which the layout cannot say, or two channels of one name.
    """
    if len(set(recording.channels)) < len(recording.channels):
        raise ValueError(f"{recording.name} has two channels of one name: {recording.channels}")
    if recording.rate_hz != RATE_HZ:
        raise ValueError(f"the HMS layout is for {RATE_HZ} Hz, and {recording.name} has {recording.rate_hz}")
    table = pa.table(dict(zip(recording.channels, recording.read(), strict=True)))
    with atomic_write(path) as part:
        pq.write_table(table, part)


def _shown(head: bytes) -> str:
    return repr(head[:24].decode("utf-8", errors="replace")) if head else "nothing: it is empty"
