"""Nicolet and Nervus (.e): a container of named sections, among them one per channel.

Source: the layout that FieldTrip (read_nervus_header.m), neo and nicolet-e2edf read. See docs/formats.md for what was
compared, and for what eeg2edf 0.1.0 reads differently.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import IO
from uuid import UUID

import numpy as np
import numpy.typing as npt

from ictal.core.recording import Recording, Signal
from ictal.errors import ReadError, listed, reason
from ictal.io.channel_choice import OTHER_RATE, scalp_rate
from ictal.io.devices.binary import BinaryFile, wide_text
from ictal.io.devices.nicolet_events import DAY_S, nicolet_events
from ictal.io.devices.nicolet_sections import Sections, StoredPart, section, sections_of
from ictal.io.times import JITTER_S, Join, Times, layout_of

MAGIC = bytes.fromhex("0fc37b1ccf2d6d4b")
"""First bytes of the identifier {1C7BC30F-2DCF-4B6D-8AEA-1F64CED2B917}."""
SERIES = "{A271CCCB-515D-4590-B6A1-DC170C8D6EE2}"
"""Name of the section that describes channels."""
FIRST_CHANNEL, CHANNEL_BYTES = 760, 552
SEGMENT_BYTES, CHANGE_BYTES = 152, 48
MOST_CHANGES = 1000
"""Descriptions of the channels that are compared; more mean that they change."""
EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
"""Day 0 of all times in the file, which state no time zone; like those of other formats, they are labelled UTC."""
LARGEST_STEP_UV, MAX_RATE_HZ, MOST_DAYS, LONGEST_S = 1e6, 1e5, 1e5, 1e9
CLOCK_S = 1.0
"""Resolution of the start of a segment, if all segments start at whole seconds."""


@dataclass(frozen=True)
class NicoletChannel:
    """What a file states about a channel.

    Attributes
    ----------
    number
        Name of the section with its samples.
    label, reference
        Names of the electrode and its reference.
    rate_hz
        Sampling rate.
    step_uv
        µV per digital step.
    """

    number: int
    label: str
    reference: str
    rate_hz: float
    step_uv: float


@dataclass(frozen=True)
class NicoletSegment:
    """Samples without a pause: clock time of the first, in days since `EPOCH`, and duration."""

    start_days: float
    duration_s: float

    @property
    def start_s(self) -> float:
        """Clock time of the first sample, in seconds since `EPOCH`."""
        return self.start_days * DAY_S


@dataclass(frozen=True)
class NicoletSource:
    """Samples of an .e file, µV.

    Attributes
    ----------
    path
        The file.
    pieces
        The parts of each channel, in the order of time.
    steps_uv
        µV per digital step, per channel.
    """

    path: Path
    pieces: tuple[tuple[StoredPart, ...], ...]
    steps_uv: tuple[float, ...]

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop` of the channels `rows` or of all, [channel, time]."""
        chosen = range(len(self.pieces)) if rows is None else rows
        samples = np.empty((len(chosen), max(stop - start, 0)), dtype=np.float32)
        try:
            with self.path.open("rb") as file:
                for row, number in enumerate(chosen):
                    digital = self._digital(file, number, start, stop)
                    if len(digital) < stop - start:
                        raise ReadError(f"{self.path}: has become shorter since it was opened")
                    samples[row] = digital * self.steps_uv[number]
        except OSError as error:
            raise ReadError(f"{self.path}: cannot be read: {reason(error)}") from error
        return samples

    def _digital(self, file: IO[bytes], number: int, start: int, stop: int) -> npt.NDArray[np.int16]:
        pieces, ends = self.pieces[number], self._ends[number]
        found, place = [np.empty(0, "<i2")], int(np.searchsorted(ends, start, side="right"))
        while start < stop and place < len(pieces):
            piece, end = pieces[place], int(ends[place])
            begin = end - piece.n_bytes // 2
            file.seek(piece.offset + 2 * (start - begin))
            found.append(np.frombuffer(file.read(2 * (min(stop, end) - start)), "<i2"))
            start, place = min(stop, end), place + 1
        return np.concatenate(found)

    @cached_property
    def _ends(self) -> tuple[npt.NDArray[np.int64], ...]:
        """Sample after the last of each part, per channel."""
        return tuple(np.cumsum([part.n_bytes // 2 for part in parts], dtype=np.int64) for parts in self.pieces)


def read_nicolet(path: Path) -> Recording:
    """Open an .e file, as written since about 2012.

    Raises
    ------
    ReadError
        If it is damaged, has the older layout, or its channels change during the recording. A clock that goes back,
        and samples that do not fit the segments, are doubts.
    """
    with BinaryFile.open(path) as file:
        sections = sections_of(file)
        channels, notes = _choose(path, _channels(file, sections), sections)
        segments = _segments(file, sections)
        annotations, unread = nicolet_events(section(file, sections, "Events"), segments[0].start_days)
    rate_hz, pieces = channels[0].rate_hz, tuple(sections[str(channel.number)] for channel in channels)
    lengths = [round(segment.duration_s * rate_hz) for segment in segments]
    n_samples, mismatch, doubts = _n_samples(pieces, sum(lengths), len(segments))
    if not n_samples:
        raise ReadError(f"{path}: has no samples")
    notes += mismatch
    if unread:
        notes.append(f"{unread} bytes of its events cannot be read")
    times = _times(segments, rate_hz)
    steps_uv = tuple(channel.step_uv for channel in channels)
    return Recording(
        str(path),
        tuple(channel.label for channel in channels),
        rate_hz,
        n_samples,
        NicoletSource(path, pieces, steps_uv),
        times.start,
        layout_of(n_samples, rate_hz, times.joins).gaps,
        annotations,
        tuple((-(2**15) * step_uv, (2**15 - 1) * step_uv) for step_uv in steps_uv),
        notes=(*notes, *times.all_notes),
        doubts=(*times.doubts, *doubts),
        references=tuple(channel.reference for channel in channels),
    )


def _channels(file: BinaryFile, sections: Sections) -> tuple[NicoletChannel, ...]:
    """Return all channels; the file may describe them several times, in the same way."""
    content, changes = section(file, sections, SERIES), section(file, sections, "InfoChangeStream")
    own = UUID(SERIES).bytes_le
    spans = [
        struct.unpack_from("<QQ", changes, at + 32)
        for at in range(0, len(changes) - CHANGE_BYTES + 1, CHANGE_BYTES)
        if changes[at : at + 16] == own
    ] or [(0, len(content))]
    described = {_described(file.path, content[begin : begin + n_bytes]) for begin, n_bytes in spans[:MOST_CHANGES]}
    if len(described) > 1 or len(spans) > MOST_CHANGES:
        raise ReadError(
            f"{file.path}: its channels change during the recording, which is not read; export the parts to EDF with "
            "the vendor's software"
        )
    return described.pop()


def _described(path: Path, packet: bytes) -> tuple[NicoletChannel, ...]:
    n_channels = int.from_bytes(packet[752:756], "little")
    if not n_channels or FIRST_CHANNEL + n_channels * CHANNEL_BYTES > len(packet):
        raise ReadError(
            f"{path}: is damaged, or no Nicolet file: it describes {n_channels} channels in {len(packet)} bytes"
        )
    found = []
    for number in range(n_channels):
        at = FIRST_CHANNEL + number * CHANNEL_BYTES
        label, reference = (wide_text(packet[begin : begin + 64]) for begin in (at, at + 0xC0))
        found.append(NicoletChannel(number, label, reference, *struct.unpack_from("<dd", packet, at + 0x110)))
    return tuple(found)


def _choose(
    path: Path, channels: Sequence[NicoletChannel], sections: Sections
) -> tuple[tuple[NicoletChannel, ...], list[str]]:
    """Return the channels with the sampling rate of the EEG, and notes why others are left out."""
    why = {channel.number: _why_not(channel, sections) for channel in channels}
    usable = [channel for channel in channels if not why[channel.number]]
    if usable:
        rate_hz = scalp_rate([channel.label for channel in usable], [channel.rate_hz for channel in usable])
        why |= {channel.number: OTHER_RATE for channel in usable if channel.rate_hz != rate_hz}
    left_out: dict[str, list[str]] = {}
    for channel in channels:
        left_out.setdefault(why[channel.number], []).append(channel.label)
    notes = [f"left out because they {reason}: {listed(names)}" for reason, names in left_out.items() if reason]
    if not usable:
        raise ReadError(f"{path}: no channel can be used; {'; '.join(notes)}")
    return tuple(channel for channel in usable if not why[channel.number]), notes


def _why_not(channel: NicoletChannel, sections: Sections) -> str:
    if not 0 < channel.rate_hz <= MAX_RATE_HZ:
        return "have no valid sampling rate"
    if not 0 < channel.step_uv <= LARGEST_STEP_UV:
        return "have no valid resolution"
    return "" if sections.get(str(channel.number)) else "have no samples"


def _segments(file: BinaryFile, sections: Sections) -> tuple[NicoletSegment, ...]:
    content = section(file, sections, "SegmentStream")
    if not content or len(content) % SEGMENT_BYTES:
        raise ReadError(f"{file.path}: is damaged, or no Nicolet file: its segments are {len(content)} bytes")
    found = tuple(
        NicoletSegment(*struct.unpack_from("<d8xd", content, at)) for at in range(0, len(content), SEGMENT_BYTES)
    )
    if not all(0 <= each.start_days <= MOST_DAYS and 0 <= each.duration_s <= LONGEST_S for each in found):
        raise ReadError(f"{file.path}: is damaged: the start or duration of a segment is impossible")
    return found


def _n_samples(
    pieces: Sequence[Sequence[StoredPart]], stated: int, n_segments: int
) -> tuple[int, list[str], list[str]]:
    """Return the number of samples of each channel, notes about it, and what makes the times of samples doubtful.

    The duration of a segment may be rounded by a sample.
    """
    stored = [sum(part.n_bytes for part in parts) // 2 for parts in pieces]
    notes: list[str] = []
    doubts: list[str] = []
    if {*stored} != {stated}:
        rounded = len({*stored}) == 1 and abs(stored[0] - stated) <= n_segments
        (notes if rounded else doubts).append(
            f"its segments state {stated} samples per channel, but {listed(map(str, sorted({*stored})))} are stored"
        )
    if any(part.n_bytes % 2 for parts in pieces for part in parts):
        doubts.append("its channels are stored in parts that cut through a sample")
    if any(part.offset > after.offset for parts in pieces for part, after in pairwise(parts)):
        doubts.append("parts of its channels are not stored in the order of time")
    return min(stated, *stored), notes, doubts


def _times(segments: Sequence[NicoletSegment], rate_hz: float) -> Times:
    """Return the pauses between the segments. Those within the resolution of the clock have no known length."""
    whole = all(abs(segment.start_s - round(segment.start_s)) < JITTER_S for segment in segments)
    clock_s = CLOCK_S if whole else JITTER_S
    joins, at_s = [], 0.0
    for before, after in pairwise(segments):
        at_s += round(before.duration_s * rate_hz) / rate_hz
        pause_s = round(after.start_s - before.start_s, 6) - before.duration_s
        joins.append(Join(at_s, pause_s if abs(pause_s) > clock_s else None))
    known = whole and any(join.pause_s for join in joins)
    notes = ("its gaps are accurate to the second, since its segments state start times in seconds",) if known else ()
    return Times(tuple(joins), EPOCH + timedelta(milliseconds=round(1000 * segments[0].start_s)), notes=notes)
