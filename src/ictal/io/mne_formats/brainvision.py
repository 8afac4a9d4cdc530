"""BrainVision: text files for header and markers, and a binary file for the samples.

MNE-Python reads the samples with a rewritten copy of the header: suffixes in lower case, the full path of the
samples, UTF-8, and no sections from which MNE would guess. Markers are read here, since MNE uses only the date of the
first segment.

Source: BrainVision Core Data Format 1.0, https://www.brainproducts.com.
"""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import Any

from ictal.core.atomic_files import find_sibling
from ictal.core.montage import ELECTRODES, find_electrode, find_pair
from ictal.core.recording import Annotation
from ictal.errors import ReadError, listed
from ictal.io.edf.header_fields import printable
from ictal.io.edf.reader import unit_uv
from ictal.io.times import JITTER_S, Join, Times

SUFFIXES = (".vhdr", ".ahdr")
DATA_SUFFIXES = (".eeg", ".dat", ".avg")
CLOCK_S = 0.1
"""A segment may start this much before the end of the previous one, since its date comes from a computer's clock."""
NEW_SEGMENT = "New Segment"
_KEPT = ("common infos", "binary infos", "ascii infos", "channel infos")
_MARKER = re.compile(r"Mk\d+=([^,]*),([^,]*),(\d+),(\d*)(?:,(-?\d*))?(?:,(\d*))?.*", re.IGNORECASE)
_NO_MARKERS = "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\n[Marker Infos]\n"


@dataclass(frozen=True)
class Header:
    """The first line of a header, and its lines by section (names in lower case)."""

    path: Path
    first: str
    sections: dict[str, list[str]]

    def find(self, section: str, name: str) -> str:
        """Return a field; '' if it is missing."""
        for line in self.sections.get(section, ()):
            key, _, value = line.partition("=")
            if key.strip().lower() == name.lower():
                return value.strip()
        return ""


def open_brainvision(path: Path) -> tuple[Any, Times]:
    """Return the Raw object of a recording, and the times that its markers state.

    Raises
    ------
    ReadError
        If the file with the samples is missing, or the unit of an electrode is unknown.
    """
    import mne

    header = _header(path)
    data, notes = _data_file(header)
    _rate_hz(header)
    with TemporaryDirectory(prefix="ictal-") as folder:
        copy = Path(folder) / f"header{path.suffix.lower()}"
        markers = copy.with_suffix(".vmrk")
        markers.write_text(_NO_MARKERS, encoding="utf-8")
        copy.write_text(_copy(header, data.absolute(), markers), encoding="utf-8")
        raw = mne.io.read_raw_brainvision(copy, preload=False, verbose="WARNING")
    return raw, brainvision_times(path, notes)


def brainvision_references(path: Path) -> dict[str, str]:
    """Return the reference of each channel by channel name; '' is the amplifier's common reference."""
    lines = _header(path).sections.get("channel infos", ())
    parts = [line.partition("=")[2].split(",") for line in lines]
    name, reference = 0, 1
    return {
        part[name].strip().replace(r"\1", ","): part[reference].strip().replace(r"\1", ",")
        for part in parts
        if len(part) > reference
    }


def brainvision_times(path: Path, notes: tuple[str, ...] = ()) -> Times:
    """Return the times that the markers of a recording state, with `notes` before any new notes."""
    header = _header(path)
    found, lost = _markers_file(header)
    notes = (*notes, *lost)
    rate_hz = _rate_hz(header)
    if found is None:
        return Times(annotations=(), notes=notes)
    joins: list[Join] = []
    annotations: list[Annotation] = []
    start: datetime | None = None
    before: tuple[float, datetime | None] = (0.0, None)
    first_date: float = 0.0
    for line in _lines(found):
        if not (marker := _MARKER.fullmatch(line)):
            continue
        kind, text = (part.replace(r"\1", ",") for part in marker.group(1, 2))
        at_s, duration_s = (int(marker[3]) - 1) / rate_hz, int(marker[4] or 0) / rate_hz
        if kind != NEW_SEGMENT:
            annotations.append(Annotation(at_s, duration_s, f"{kind}/{text}"))
            continue
        date = _date(marker[6] or "")
        if at_s > 0:
            known = date is not None and before[1] is not None
            pause_s = (date - before[1]).total_seconds() - (at_s - before[0]) if known else None  # type: ignore[operator]
            if pause_s is None or abs(pause_s) > JITTER_S:
                joins.append(Join(at_s, pause_s))
        if start is None and date is not None:
            start, first_date = date, at_s
        before = at_s, date
    if first_date > 0:
        start, notes = None, (*notes, "its start is unknown, since only a later segment states a date")
    return Times(tuple(joins), start, tuple(annotations), notes=notes, clock_s=CLOCK_S)


def _rate_hz(header: Header) -> float:
    text = header.find("common infos", "SamplingInterval")
    try:
        interval = float(text)
    except ValueError:
        interval = math.nan
    if not 0 < interval < math.inf:
        raise ReadError(
            f"{header.path}: states '{printable(text)}' as SamplingInterval; allowed is a number of µs above 0"
        )
    return 1e6 / interval


def _date(text: str) -> datetime | None:
    """Return the date of a segment (YYYYMMDDhhmmss and µs); None if it is invalid."""
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S%f").replace(tzinfo=UTC) if len(text) == 20 else None
    except ValueError:
        return None


def _text(path: Path) -> str:
    """Decode a text file: in the encoding that it names, otherwise UTF-8, otherwise that of Windows."""
    content = path.read_bytes()
    if b"\0" in content:
        raise ReadError(f"{path}: is not a BrainVision file: it is not text")
    stated = re.search(rb"(?im)^Codepage=(.+?)\s*$", content)
    name = stated[1].decode("ascii", "ignore") if stated else "utf-8"
    for encoding in ("cp1252" if name.upper() == "ANSI" else name, "utf-8-sig"):
        try:
            return content.decode(encoding).removeprefix("\ufeff")
        except (UnicodeDecodeError, LookupError):
            continue
    return content.decode("cp1252", "replace")


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in _text(path).splitlines() if line.strip() and not line.lstrip().startswith(";")]


def _header(path: Path) -> Header:
    lines = _lines(path)
    sections: dict[str, list[str]] = {}
    kept: list[str] = []
    for line in lines[1:]:
        if found := re.fullmatch(r"\[(.+)\]", line):
            name = found[1].strip().lower()
            if name == "comment":  # free text, to the end
                break
            kept = sections.setdefault(name, [])
        else:
            kept.append(line)
    if "common infos" not in sections or not re.match(r"(?i)brain ?vision", lines[0]):
        raise ReadError(f"{path}: is not a BrainVision header: it lacks its first line or the section [Common Infos]")
    return Header(path, lines[0], sections)


def _named(header: Header, field: str) -> str:
    """Return the name of a file from the header; '$b' means the header's own name."""
    return PureWindowsPath(header.find("common infos", field).replace("$b", header.path.stem)).name


def _data_file(header: Header) -> tuple[Path, tuple[str, ...]]:
    stated = _named(header, "DataFile")
    if (found := find_sibling(header.path, stated)) is not None:
        return found, ()
    for suffix in DATA_SUFFIXES:
        if (found := find_sibling(header.path, header.path.stem + suffix)) is not None:
            return found, (f"its samples are read from {found.name}, since {stated} is missing",)
    raise ReadError(f"{header.path}: its samples are in {stated or 'no file'}, which is not in the same folder")


def _markers_file(header: Header) -> tuple[Path | None, tuple[str, ...]]:
    stated = _named(header, "MarkerFile")
    if stated and (found := find_sibling(header.path, stated)) is not None:
        return found, ()
    suffix = ".amrk" if header.path.suffix.lower() == ".ahdr" else ".vmrk"
    found = find_sibling(header.path, header.path.stem + suffix)
    if found is not None:
        return found, (f"its markers are read from {found.name}, since {stated} is missing",) if stated else ()
    why = f"{stated} is not in the same folder" if stated else "it names no marker file"
    return None, (f"its annotations, start and gaps are unknown, since {why}",)


def _copy(header: Header, data: Path, markers: Path) -> str:
    """Return the text of the rewritten header for MNE-Python."""
    lines = [header.first]
    for name in _KEPT:
        if name in header.sections:
            lines += [
                f"[{name.title()}]",
                *(_line(header, name, line, data, markers) for line in header.sections[name]),
            ]
    return "\n".join(lines) + "\n"


def _line(header: Header, section: str, line: str, data: Path, markers: Path) -> str:
    key, _, value = line.partition("=")
    new = {"datafile": str(data), "markerfile": str(markers), "codepage": "UTF-8"}
    if section == "common infos":
        return f"{key.strip()}={new.get(key.strip().lower(), value.strip())}"
    return f"{key.strip()}={_channel(header, value)}" if section == "channel infos" else line


def _channel(header: Header, value: str) -> str:
    """Return name, reference, resolution and unit of a channel, with the unit as MNE writes it; no unit means µV."""
    parts = [part.strip() for part in value.split(",")]
    if len(parts) < 4 or not parts[3]:
        return value
    name, unit = parts[0].replace(r"\1", ","), parts[3]
    scale = unit_uv(unit)
    if scale is None:
        if find_electrode(name) in ELECTRODES or find_pair(name) is not None:
            raise ReadError(
                f"{header.path}: the voltages of {name} are unknown: its unit is '{printable(unit)}'; "
                f"allowed are {listed(('µV', 'mV', 'V', 'nV'))}"
            )
        return value
    spelled = {1.0: "µV", 1e3: "mV", 1e6: "V", 1e-3: "nV"}[scale]
    return ",".join([*parts[:3], spelled, *parts[4:]])
