"""Persyst: a text file (.lay) that describes the samples in a binary file (.dat) and their times.

It is read here because MNE-Python ignores the times of samples, requires fields about the patient, and orders
channels by line instead of by number.
"""

import math
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path, PureWindowsPath

import numpy as np

from ictal.core.atomic_files import find_sibling
from ictal.core.recording import Annotation, Recording
from ictal.errors import ReadError, listed
from ictal.io.devices.interleaved import InterleavedSource
from ictal.io.edf.header_fields import printable
from ictal.io.times import Times, find_joins, layout_of

NUMBERS = {"0": "<i2", "7": "<i4"}
"""Type of a sample, by the field DataType."""
DATES = ("%m/%d/%Y", "%m/%d/%y", "%d-%m-%Y", "%d-%m-%y", "%Y.%m.%d")
"""Formats of the test date in different versions of Persyst."""
DAY_S = 86_400.0

Sections = dict[str, list[str]]


def read_persyst(path: Path) -> Recording:
    """Open the .lay file of a Persyst recording.

    Raises
    ------
    ReadError
        If a required field is missing or invalid, or the file with the samples is missing.
    """
    sections = _sections(path)
    data, notes = _data_file(path, sections)
    names, columns = _channels(path, sections)
    number = NUMBERS.get(_field(path, sections, "datatype"))
    if number is None:
        shown = _field(path, sections, "datatype")
        raise ReadError(f"{path}: states '{shown}' as DataType; allowed are 0 (16 bits) and 7 (32 bits)")
    kind = _find(sections, "fileinfo", "filetype")
    if kind and kind.lower() != "interleaved":
        raise ReadError(f"{path}: states '{kind}' as FileType; allowed is Interleaved")
    offset = round(_number(path, "HeaderLength", _find(sections, "fileinfo", "headerlength") or "0", above=-1))
    rate_hz = _number(path, "SamplingRate", _field(path, sections, "samplingrate"), above=0)
    step_uv = _number(path, "Calibration", _field(path, sections, "calibration"))
    n_bytes = data.stat().st_size - offset
    n_samples, rest = divmod(max(n_bytes, 0), np.dtype(number).itemsize * len(names))
    if not n_samples:
        raise ReadError(f"{data}: has no samples")
    if rest:
        notes.append(f"{data.name} is truncated: its last {rest} bytes are an incomplete sample")
    times = persyst_times(path, n_samples)
    layout = layout_of(n_samples, rate_hz, times.joins)
    return Recording(
        str(path),
        names,
        rate_hz,
        n_samples,
        InterleavedSource(
            data, number, len(names), ((offset, n_samples),), columns, (step_uv,) * len(names), (0,) * len(names)
        ),
        times.start,
        layout.gaps,
        times.annotations or (),
        notes=(*notes, *times.all_notes),
        doubts=times.doubts,
    )


def persyst_times(path: Path, n_samples: int | None = None) -> Times:
    """Return the times that a .lay file states.

    The section SampleTimes gives the seconds since midnight of some samples. Comments are timed from the first
    sample, pauses included.

    Raises
    ------
    ReadError
        If a time is not a number.
    """
    sections = _sections(path)
    rate_hz = _number(path, "SamplingRate", _field(path, sections, "samplingrate"), above=0)
    stated = sorted(_pair(path, line) for line in sections.get("sampletimes", ()))
    notes = []
    behind = [sample for sample, _ in stated if n_samples is not None and sample >= n_samples]
    if behind:
        notes.append(f"[SampleTimes] names {len(behind)} samples after the last of {n_samples}; they are ignored")
    stated = [pair for pair in stated if pair[0] not in behind]
    clocks, past_midnight = _unrolled([clock for _, clock in stated], [sample / rate_hz for sample, _ in stated])
    if past_midnight:
        notes.append("[SampleTimes] restarts at midnight; times after that are taken as the next day")
    joins = find_joins([sample / rate_hz for sample, _ in stated], clocks)
    first = clocks[0] - stated[0][0] / rate_hz if stated else None
    start, doubt = _start(sections, first)
    annotations, lost = _comments(sections)
    notes += doubt
    if lost:
        notes.append(f"{lost} of its comments cannot be read and are left out")
    return Times(joins, start, annotations, by_samples=False, notes=tuple(notes))


def _unrolled(clocks: list[float], samples_s: list[float]) -> tuple[list[float], bool]:
    """Return clock times that continue past midnight, and whether any did.

    A clock that goes back is taken as the next day if the pause is then shorter than half a day.
    """
    found: list[float] = []
    days = 0
    for number, clock in enumerate(clocks):
        if found:
            expected = found[-1] + samples_s[number] - samples_s[number - 1]
            if clock + days * DAY_S < expected - 1 and clock + (days + 1) * DAY_S - expected < DAY_S / 2:
                days += 1
        found.append(clock + days * DAY_S)
    return found, days > 0


def _start(sections: Sections, first: float | None) -> tuple[datetime | None, list[str]]:
    """Return the start from the date and time of the test; `first` is the first sample in seconds since midnight."""
    day_text, clock_text = (_find(sections, "patient", name) or "" for name in ("testdate", "testtime"))
    start = None
    for form in DATES:
        with suppress(ValueError):
            start = datetime.strptime(f"{day_text} {clock_text.split('.')[0]}", f"{form} %H:%M:%S").replace(
                tzinfo=UTC
            )
            break
    if start is None:
        return None, [f"its start is unknown: date and time are '{day_text}' and '{clock_text}'"]
    if first is None or first == 0:
        return start, []
    midnight = start.replace(hour=0, minute=0, second=0)
    late_s = (first - (start - midnight).total_seconds() + DAY_S / 2) % DAY_S - DAY_S / 2
    if abs(late_s) < 1:  # the time of the test is in whole seconds
        return start + timedelta(seconds=late_s), []
    clock = (midnight + timedelta(seconds=first % DAY_S)).strftime("%H:%M:%S")
    return start, [f"TestTime is {clock_text}, but the first of [SampleTimes] is {clock}; TestTime is used as start"]


def _comments(sections: Sections) -> tuple[tuple[Annotation, ...], int]:
    """Return the comments in the order of time, and the number of unreadable comments."""
    found, lost = [], 0
    for line in sections.get("comments", ()):
        parts = line.split(",", 4)
        try:
            onset_s, duration_s = float(parts[0]), float(parts[1].strip() or 0)
        except (ValueError, IndexError):
            onset_s = duration_s = math.nan
        if len(parts) < 5 or not math.isfinite(onset_s + duration_s):
            lost += 1
        else:
            found.append(Annotation(onset_s, max(duration_s, 0.0), parts[4].strip()))
    return tuple(sorted(found, key=lambda note: note.onset_s)), lost


def _sections(path: Path) -> Sections:
    """Return the lines of each section, by section name in lower case."""
    content = path.read_bytes()
    if b"\0" in content:
        raise ReadError(f"{path}: is not a Persyst file: it is not text")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    sections: Sections = {}
    lines = sections.setdefault("", [])
    for line in filter(None, map(str.strip, text.splitlines())):
        if found := re.fullmatch(r"\[(.+)\]", line):
            lines = sections.setdefault(found[1].strip().lower(), [])
        else:
            lines.append(line)
    if "fileinfo" not in sections:
        raise ReadError(f"{path}: is not a Persyst file: it has no section [FileInfo]")
    return sections


def _find(sections: Sections, section: str, name: str) -> str | None:
    for line in sections.get(section, ()):
        key, _, value = line.partition("=")
        if key.strip().lower() == name:
            return value.strip()
    return None


def _field(path: Path, sections: Sections, name: str) -> str:
    value = _find(sections, "fileinfo", name)
    if not value:
        raise ReadError(f"{path}: lacks the field '{name}' of [FileInfo]")
    return value


def _number(path: Path, name: str, text: str, above: float | None = None) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (above is not None and number <= above):
        raise ReadError(f"{path}: states '{printable(text)}' as {name}; allowed is a number")
    return number


def _pair(path: Path, line: str) -> tuple[int, float]:
    sample, _, clock = line.partition("=")
    if not re.fullmatch(r"\d+", sample.strip()):
        raise ReadError(f"{path}: [SampleTimes] has the line '{printable(line)}'; allowed are SAMPLE=SECONDS")
    return int(sample), _number(path, f"time of sample {int(sample)}", clock.strip())


def _data_file(path: Path, sections: Sections) -> tuple[Path, list[str]]:
    stated = PureWindowsPath(_field(path, sections, "file")).name
    if (found := find_sibling(path, stated)) is not None:
        return found, []
    found = find_sibling(path, f"{path.stem}.dat")
    if found is None:
        raise ReadError(f"{path}: its samples are in {stated}, which is not in the same folder")
    return found, [f"its samples are read from {found.name}, since {stated} is missing"]


def _channels(path: Path, sections: Sections) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the channel names in the order of the lines, and the column of each channel."""
    n_channels = _number(path, "WaveformCount", _field(path, sections, "waveformcount"), above=0)
    pairs = [line.rpartition("=") for line in sections.get("channelmap", ())]
    names = [name.strip() for name, _, _ in pairs]
    numbers = [int(number) if re.fullmatch(r"\s*\d+\s*", number) else 0 for *_, number in pairs]
    if len(numbers) != n_channels or sorted(numbers) != list(range(1, len(numbers) + 1)):
        raise ReadError(
            f"{path}: [ChannelMap] has the channel numbers {listed(numbers, 30) or 'none'}; allowed is each number "
            f"from 1 to {n_channels:g} (WaveformCount) once"
        )
    return tuple(map(printable, names)), tuple(number - 1 for number in numbers)
