"""Micromed (.trc, .vwr): a header of type 4 with areas, then the samples of all channels in turn.

Source: the layout that neo (MicromedRawIO), wonambi and eeg2edf read. See docs/formats.md for what was compared.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from ictal.core.recording import Annotation, Recording
from ictal.errors import ReadError, listed
from ictal.io.channel_choice import are_scalp
from ictal.io.devices.binary import BinaryFile, narrow_text
from ictal.io.devices.interleaved import InterleavedSource
from ictal.io.times import Join, Times, at_true_times, layout_of

MAGIC = b"* MICROM"
HEADER_TYPE = 4
AREAS_AT, MOST_AREAS, ENTRY_BYTES = 176, 29, 16
CHANNEL_BYTES, NOTE_BYTES, TRIGGER_BYTES, PAIR_BYTES = 128, 44, 6, 8
UNITS_UV = {-1: 1e-3, 0: 1.0, 1: 1e3, 2: 1e6}
"""µV of one unit, by its code: nV, µV, mV, V. Other codes are percent, beats per minute, and numbers."""
NUMBERS = {1: "<u1", 2: "<u2", 4: "<u4"}
"""Type of a sample by its bytes."""
UNUSED = 0xFFFFFFFF
"""Position of a note, trigger or mark that is not used."""

Areas = dict[str, tuple[int, int]]
"""Place and size of each area, by name."""


@dataclass(frozen=True)
class MicromedChannel:
    """What a file states about a channel.

    Attributes
    ----------
    label, reference
        Names of the two inputs.
    zero
        Number that means 0.
    step
        Physical units per digital step.
    unit
        Code of the unit.
    factor
        Its rate is this many times the slowest one.
    """

    label: str
    reference: str
    zero: int
    step: float
    unit: int
    factor: int


def read_micromed(path: Path) -> Recording:
    """Open a .trc or .vwr file with a header of type 4 (System 98 and later).

    Raises
    ------
    ReadError
        If it is damaged, has another type of header, its channels have different rates, or the unit of an electrode
        is unknown. Compressed samples, and parts whose times overlap, are doubts.
    """
    with BinaryFile.open(path) as file:
        data_at, width, _, slowest_hz, n_bytes, compressed = file.numbers("IHHHHH", 138, "the header")
        kind = file.number("B", 175, "the type of the header")
        if kind != HEADER_TYPE or n_bytes not in NUMBERS or not width or not slowest_hz:
            raise ReadError(
                f"{path}: is not a Micromed file that can be read: its header has type {kind} (allowed is "
                f"{HEADER_TYPE}), and states {width} channels, {slowest_hz} Hz and {n_bytes} bytes per sample"
            )
        areas = _areas(file)
        channels = _channels(file, areas, width)
        rate_hz, columns, notes = _choose(path, channels, slowest_hz)
        n_samples, rest = divmod(max(file.n_bytes - data_at, 0), width * n_bytes)
        times = _times(file, areas, rate_hz)
        marks, unread = _marks(file, areas, rate_hz)
    if not n_samples:
        raise ReadError(f"{path}: has no samples")
    found = {
        f"it is truncated: its last {rest} bytes are an incomplete sample": rest,
        f"its marks of {listed(unread)} are not read, since their layout is not known for sure": unread,
    }
    behind = [name for name, (at, size) in areas.items() if size and at + size > data_at]
    doubts = {
        "it states that its samples are compressed": compressed,
        f"its areas {listed(behind)} are stored where its samples should be": behind,
    }
    chosen = [channels[column] for column in columns]
    steps_uv = tuple(channel.step * UNITS_UV[channel.unit] for channel in chosen)
    layout = layout_of(n_samples, rate_hz, times.joins)
    return Recording(
        str(path),
        tuple(channel.label for channel in chosen),
        rate_hz,
        n_samples,
        InterleavedSource(
            path,
            NUMBERS[n_bytes],
            width,
            ((data_at, n_samples),),
            columns,
            steps_uv,
            tuple(channel.zero for channel in chosen),
        ),
        times.start,
        layout.gaps,
        at_true_times(marks, layout),
        notes=(*notes, *(note for note, applies in found.items() if applies), *times.all_notes),
        doubts=(*times.doubts, *(doubt for doubt, applies in doubts.items() if applies)),
        references=tuple(channel.reference for channel in chosen),
    )


def _areas(file: BinaryFile) -> Areas:
    found: Areas = {}
    for number in range(MOST_AREAS):
        name, at, n_bytes = file.numbers("8sII", AREAS_AT + number * ENTRY_BYTES, "the list of areas")
        title = narrow_text(name)
        if not title:
            break
        found.setdefault(title, (at, n_bytes))
    return found


def _area(file: BinaryFile, areas: Areas, name: str) -> bytes:
    """Return the content of an area; empty if the file has none of this name."""
    at, n_bytes = areas.get(name, (0, 0))
    return file.bytes(at, n_bytes, f"area {name}") if n_bytes else b""


def _channels(file: BinaryFile, areas: Areas, width: int) -> tuple[MicromedChannel, ...]:
    """Return the channels in the order of the samples: ORDER gives the place of each in the table LABCOD."""
    order, table = _area(file, areas, "ORDER"), _area(file, areas, "LABCOD")
    if len(order) < 2 * width:
        raise ReadError(f"{file.path}: is damaged: it has {width} channels, but orders {len(order) // 2}")
    found = []
    for (number,) in struct.iter_unpack("<H", order[: 2 * width]):
        entry = table[number * CHANNEL_BYTES : (number + 1) * CHANNEL_BYTES]
        if len(entry) < CHANNEL_BYTES:
            raise ReadError(f"{file.path}: is damaged: it does not describe its channel {number}")
        low, high, zero, physical_low, physical_high, unit = struct.unpack_from("<iiiiih", entry, 14)
        (factor,) = struct.unpack_from("<H", entry, 44)
        step = (physical_high - physical_low) / (high - low + 1) if high != low - 1 else 0.0
        found.append(MicromedChannel(_name(entry[2:8]), _name(entry[8:14]), zero, step, unit, factor))
    return tuple(found)


def _name(field: bytes) -> str:
    return narrow_text(field.strip(b"\1"))


def _choose(
    path: Path, channels: Sequence[MicromedChannel], slowest_hz: int
) -> tuple[float, tuple[int, ...], list[str]]:
    """Return the sampling rate, the columns of the channels that are voltages, and notes why others are left out."""
    factors = {channel.factor for channel in channels}
    if len(factors) > 1:
        rates = listed(f"{slowest_hz * factor} Hz" for factor in sorted(factors))
        raise ReadError(f"{path}: its channels have different sampling rates ({rates}), which is not read")
    labels = [channel.label for channel in channels]
    unknown = [
        channel
        for channel, scalp in zip(channels, are_scalp(labels), strict=True)
        if scalp and channel.unit not in UNITS_UV
    ]
    if unknown:
        names = listed(channel.label for channel in unknown)
        raise ReadError(
            f"{path}: the voltages of {names} are unknown: their unit has the code {unknown[0].unit}; allowed are "
            f"{listed(map(str, UNITS_UV))} (nV, uV, mV, V)"
        )
    left_out: dict[str, list[str]] = {}
    for channel in channels:
        left_out.setdefault(_why_not(channel), []).append(channel.label)
    notes = [f"left out because they {why}: {listed(names)}" for why, names in left_out.items() if why]
    columns = tuple(number for number, each in enumerate(channels) if not _why_not(each))
    if not columns:
        raise ReadError(f"{path}: no channel can be used; {'; '.join(notes)}")
    (factor,) = factors
    if not factor:
        notes.append(f"its channels state no rate of their own; the file's {slowest_hz} Hz is used")
    return float(slowest_hz * (factor or 1)), columns, notes


def _why_not(channel: MicromedChannel) -> str:
    if channel.unit not in UNITS_UV:
        return "are not voltages"
    return "" if channel.step else "have no valid range of values"


def _times(file: BinaryFile, areas: Areas, rate_hz: float) -> Times:
    """Return the start, and the pauses between parts: TRONCA gives each part's first sample in time and in the file.

    A file that is an excerpt states the start of the whole recording.
    """
    parts: list[tuple[int, int]] = []
    for late, first in struct.iter_unpack("<II", _whole(_area(file, areas, "TRONCA"), PAIR_BYTES)):
        if late or first:
            parts.append((late, first))
        elif parts:
            break
    if parts and parts[0][1]:
        parts.insert(0, (0, 0))  # looks like an unused entry
    firsts = [first for _, first in parts]
    if firsts != sorted({*firsts}):
        raise ReadError(f"{file.path}: is damaged: its parts are not in the order of its samples")
    begin_s = parts[0][0] / rate_hz if parts else 0.0
    notes = [f"it is an excerpt that begins {begin_s:g} s after the start that its header states"] if begin_s else []
    day, month, year, hour, minute, second = file.numbers("6B", 128, "the start")
    start = None
    try:
        start = datetime(1900 + year, month, day, hour, minute, second, tzinfo=UTC) + timedelta(seconds=begin_s)
    except ValueError:
        notes.append("its start is invalid")
    joins = tuple(
        Join(after[1] / rate_hz, (after[0] - before[0] - (after[1] - before[1])) / rate_hz)
        for before, after in pairwise(parts)
    )
    return Times(joins, start, notes=tuple(notes))


def _marks(file: BinaryFile, areas: Areas, rate_hz: float) -> tuple[list[Annotation], list[str]]:
    """Return notes, triggers and flags, with times that count samples, and the areas of marks that are not read."""
    found = []
    for at, text in struct.iter_unpack("<I40s", _whole(_area(file, areas, "NOTE"), NOTE_BYTES)):
        if at != UNUSED and narrow_text(text):
            found.append(Annotation(at / rate_hz, 0.0, narrow_text(text)))
    for at, code in struct.iter_unpack("<IH", _whole(_area(file, areas, "TRIGGER"), TRIGGER_BYTES)):
        if at != UNUSED and (at or code):
            found.append(Annotation(at / rate_hz, 0.0, f"Trigger {code}"))
    flags = struct.iter_unpack("<II", _whole(_area(file, areas, "FLAGS"), PAIR_BYTES))
    for number, (at, end) in enumerate(flags, start=1):
        if UNUSED not in (at, end) and at < end:
            found.append(Annotation(at / rate_hz, (end - at) / rate_hz, f"Flag {number}"))
    unread = [name for name in ("EVENT A", "EVENT B") if _area(file, areas, name).strip(b"\0\xff")]
    return sorted(found, key=lambda mark: mark.onset_s), unread


def _whole(content: bytes, size: int) -> bytes:
    return content[: len(content) // size * size]
