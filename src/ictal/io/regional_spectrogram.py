"""Regional spectrograms of the HMS competition: a Parquet table with one row per 2 s and one column per pixel."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ictal.core.windows import RATE_HZ
from ictal.errors import ReadError, listed, raise_problems, reason
from ictal.preprocessing.regional_spectrogram import (
    CONTEXT_HZ,
    CONTEXT_S,
    FIRST_BIN,
    N_COLUMNS,
    N_FFT,
    REGIONS,
    STEP_S,
    Context,
)

TIME = "time"
HZ_TOLERANCE = 0.00501
"""Frequencies in column names have two decimals: the tolerance is half the last decimal, and rounding error."""

Pixel = tuple[str, int]
"""Region and row of a spectrogram."""


@dataclass(frozen=True)
class ContextFile:
    """The file with the context of a window.

    Attributes
    ----------
    path
        A regional spectrogram in the HMS layout.
    offset_s
        Start of the ten minutes in the file.
    """

    path: Path
    offset_s: float


def cut_context(spectrogram: Context, offset_s: float, name: str) -> Context:
    """Return the ten minutes from `offset_s` on, [4, 100, 300]; an offset between two columns is rounded down.

    Raises
    ------
    ReadError
        If the spectrogram does not contain them.
    """
    first, last = int(offset_s // STEP_S), spectrogram.shape[2] - N_COLUMNS
    if not 0 <= first <= last:
        allowed = f"a start from 0 to {last * STEP_S} s" if last >= 0 else f"at least {CONTEXT_S} s"
        raise ReadError(
            f"{name}: lasts {spectrogram.shape[2] * STEP_S} s, and the context of {CONTEXT_S} s should start at "
            f"{offset_s:g} s; allowed is {allowed}"
        )
    return spectrogram[:, :, first : first + N_COLUMNS]


def read_spectrogram(path: Path) -> Context:
    """Read a regional spectrogram.

    Returns
    -------
    ndarray
        [4, 100, column], see `ictal.preprocessing.regional_spectrogram.Context`.

    Raises
    ------
    ReadError
        If it is not a Parquet file, or its columns, time axis or powers differ from those of HMS; with all problems.
    """
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise ReadError(f"{path}: cannot be read as a Parquet file: {reason(error)}") from error
    kinds = dict(zip(table.schema.names, table.schema.types, strict=True))
    kinds = {name: kind for name, kind in kinds.items() if not name.startswith("__index_level_")}
    raise_problems(str(path), _wrong_columns(kinds), ReadError)
    name_of = {_pixel(name): name for name in kinds}
    columns = [table[name_of[pixel]].to_numpy() for pixel in _pixels()]
    power = np.stack(columns).astype(np.float32).reshape(len(REGIONS), len(CONTEXT_HZ), -1)
    raise_problems(str(path), [*_wrong_times(table[TIME].to_numpy()), *_wrong_powers(power)], ReadError)
    return power


def _pixels() -> list[Pixel]:
    return [(region, row) for region in REGIONS for row in range(len(CONTEXT_HZ))]


def _pixel(name: str) -> Pixel | None:
    """Return the pixel of a column such as 'LL_0.59', or None."""
    region, _, text = name.partition("_")
    try:
        row = round(float(text) * N_FFT / RATE_HZ) - FIRST_BIN
    except (ValueError, OverflowError):
        return None
    known = region in REGIONS and 0 <= row < len(CONTEXT_HZ) and abs(CONTEXT_HZ[row] - float(text)) <= HZ_TOLERANCE
    return (region, row) if known else None


def _name(pixel: Pixel) -> str:
    return f"{pixel[0]}_{CONTEXT_HZ[pixel[1]]:.2f}"


def _wrong_columns(kinds: dict[str, pa.DataType]) -> list[str]:
    found = Counter(_pixel(name) for name in kinds)
    strange = [name for name in kinds if name != TIME and _pixel(name) is None]
    doubled = [_name(pixel) for pixel in _pixels() if found[pixel] > 1]
    lacking = [_name(pixel) for pixel in _pixels() if not found[pixel]]
    texts = [name for name, kind in kinds.items() if not _is_number(kind)]
    allowed = f"'{TIME}' and REGION_HZ, with {listed(REGIONS)} and 0.59, 0.78, ..., 19.92 Hz"
    problems = {
        f"{len(strange)} columns do not belong to a spectrogram: {listed(strange)}; allowed are {allowed}": strange,
        f"{len(lacking)} columns are missing: {listed(lacking)}": lacking,
        f"two columns for each of {listed(doubled)}; allowed is one": doubled,
        f"column '{TIME}' is missing": TIME not in kinds,
        f"columns {listed(texts)} are not numbers": texts,
    }
    return [problem for problem, applies in problems.items() if applies]


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _wrong_times(times: npt.NDArray[np.number]) -> list[str]:
    """Return a problem if the times are not 1, 3, 5, ... s, the middles of the columns."""
    if not len(times):
        return ["has no rows"]
    expected = STEP_S / 2 + STEP_S * np.arange(len(times))
    wrong = np.flatnonzero(times != expected)
    return [f"row {row}: {TIME} is {times[row]:g} s; allowed is {expected[row]:g}" for row in wrong[:1]]


def _wrong_powers(power: Context) -> list[str]:
    wrong = np.argwhere((power < 0) | np.isinf(power))
    return [
        f"row {column}: {_name((list(REGIONS)[region], row))} is {power[region, row, column]:g}; "
        "allowed are 0 and above, and NaN for missing values"
        for region, row, column in wrong[:1]
    ]
