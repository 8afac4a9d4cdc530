"""Types and units of channels: replace MNE's guesses by what the file states.

MNE derives the type of a Nihon Kohden channel from its name (names with a Z are 'misc': FZ, CZ, PZ), and that of a
BrainVision channel from its unit. It knows few spellings of units, and treats unknown units as volts.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ictal.core.montage import ELECTRODES, find_electrode
from ictal.core.recording import Recording, Signal, Source
from ictal.errors import ReadError, listed
from ictal.io.edf.reader import unit_uv

GUESSED = ("misc", "bio")
"""Types that MNE assigns if it does not know the type."""
VOLT = 1e6
GDF_UNITS = {4256: "V", 4274: "mV", 4275: "uV", 4276: "nV"}
"""Units of GDF 2 by their codes (ISO 11073-10101)."""


@dataclass(frozen=True)
class ScaledSource:
    """Samples of channels whose unit MNE did not know.

    Attributes
    ----------
    source
        Reads the samples as if they were volts.
    factors
        Factor of each channel.
    """

    source: Source
    factors: tuple[float, ...]

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop` of the channels `rows` or of all, [channel, time]."""
        samples = self.source.read(start, stop, rows)
        chosen = range(len(self.factors)) if rows is None else rows
        factors = np.array([self.factors[row] for row in chosen], dtype=np.float32)
        return samples if (factors == 1).all() else samples * factors[:, None]


def with_stated_units(recording: Recording, raw: Any, picks: Sequence[int]) -> Recording:
    """Return a recording of an `mne.io.Raw` with the types and units that its file states.

    Parameters
    ----------
    recording
        With MNE's types as kinds, and MNE's volts converted to µV.
    raw
        The Raw object of the recording.
    picks
        Indices of the recording's channels in the Raw.

    Raises
    ------
    ReadError
        If the unit of an electrode is unknown.
    """
    reader = type(raw).__name__
    kinds = list(recording.kinds)
    if reader == "RawNihon":
        kinds = ["" if kind in GUESSED else kind for kind in kinds]
    units = _units(raw, reader)
    if not units:
        return replace(recording, kinds=tuple(kinds))
    factors, unknown = [1.0] * len(kinds), []
    for row, pick in enumerate(picks):
        stated, taken = units[pick]
        uv = unit_uv(stated)
        if uv is not None:
            factors[row] = uv / (taken * VOLT)
            kinds[row] = "" if kinds[row] in GUESSED else kinds[row]
        elif kinds[row] in GUESSED and find_electrode(recording.channels[row]) in ELECTRODES:
            unknown.append((recording.channels[row], stated))
    if unknown:
        names = listed(name for name, _ in unknown)
        raise ReadError(
            f"{recording.name}: the voltages of {names} are unknown: their unit is '{unknown[0][1]}'; "
            "allowed are uV, mV, V and nV"
        )
    factors = [1.0 if abs(factor - 1) < 1e-6 else factor for factor in factors]
    found = replace(recording, kinds=tuple(kinds))
    return found if set(factors) <= {1.0} else replace(found, source=ScaledSource(found.source, tuple(factors)))


def _units(raw: Any, reader: str) -> list[tuple[str, float]]:
    """Return the stated unit of each channel and its size in volts as MNE assumes it; empty if MNE is right."""
    extras = (raw._raw_extras or [None])[0] or {}
    if reader == "RawBrainVision":
        return [
            (raw._orig_units.get(channel["ch_name"], "uV"), float(channel["range"])) for channel in raw.info["chs"]
        ]
    if reader == "RawANT":
        return [(unit, 1e-6 if unit in ("uv", "µv") else 1.0) for unit in extras["orig_ch_units"]]
    if reader == "RawGDF":
        stated = _gdf_units(Path(raw.filenames[0]))
        taken = np.broadcast_to(extras["units"], len(raw.ch_names))
        return list(zip(stated, map(float, taken), strict=True)) if len(stated) == len(raw.ch_names) else []
    return []


def _gdf_units(path: Path) -> list[str]:
    """Return the unit of each channel of a GDF file, which is text in version 1 and a code in version 2."""
    with path.open("rb") as file:
        head = file.read(256)
        first = head[4:8].strip().startswith(b"1") and float(head[4:8]) < 1.9
        n_channels = struct.unpack_from("<I" if first else "<H", head, 252)[0]
        file.seek(256 + 96 * n_channels + (0 if first else 6 * n_channels))
        units = file.read((8 if first else 2) * n_channels)
    if first:
        return [_text(units[8 * number : 8 * number + 8]) for number in range(n_channels)]
    return [GDF_UNITS.get(code, "") for (code,) in struct.iter_unpack("<H", units)]


def _text(field: bytes) -> str:
    try:
        return field.strip(b" \0").decode()
    except UnicodeDecodeError:
        return field.strip(b" \0").decode("latin-1")
