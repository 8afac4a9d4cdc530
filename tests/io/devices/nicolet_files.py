"""Write Nicolet .e files from the public description of the format (FieldTrip, read_nervus_header.m).

No file of a device was available. What no description explains is zero here.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import numpy as np

MAGIC = UUID("{1C7BC30F-2DCF-4B6D-8AEA-1F64CED2B917}")
SERIES = "{A271CCCB-515D-4590-B6A1-DC170C8D6EE2}"
EVENT = UUID("{B799F680-72A4-11D3-93D3-00500400C148}")
COMMENT, SEIZURE, HYPERVENTILATION = (
    UUID(f"{{A5A956{code}-A7F8-11CF-831A-0800091B5BDA}}") for code in ("12", "46", "08")
)
START = datetime(2024, 2, 29, 23, 59, 58, tzinfo=UTC)
NAMES_AT, TOTAL_AT, BODY_AT = 172, 172_208, 189_000


@dataclass(frozen=True)
class Channel:
    """A channel and its samples in digital steps."""

    label: str
    digital: np.ndarray
    rate_hz: float = 256.0
    step_uv: float = 0.25
    reference: str = "REF"
    offset_uv: float = 0.0


@dataclass(frozen=True)
class Event:
    """An event; its time is stored as whole seconds and a fraction."""

    second: float
    text: str = ""
    duration_s: float = 0.0
    kind: UUID = COMMENT
    label: str = ""


@dataclass(frozen=True)
class Nicolet:
    """A file.

    Attributes
    ----------
    channels, events
        What it contains.
    segments
        Start, in seconds after `START`, and duration of each; the samples follow each other without the pauses.
    part
        Samples per part of a channel; parts of different channels alternate.
    block
        Entries per block of the index; None: one block.
    descriptions
        How often the channels are described; `series` replaces the description.
    index_first
        Whether the index is stored before the sections, as eeg2edf expects it.
    """

    channels: Sequence[Channel]
    segments: Sequence[tuple[float, float]]
    events: Sequence[Event] = ()
    part: int = 700
    block: int | None = None
    descriptions: int = 1
    series: bytes | None = field(default=None, repr=False)
    index_first: bool = False


def write(path: Path, made: Nicolet) -> Path:
    """Write a file: head, list of sections, size of the index, sections, index."""
    series = described(made.channels) * made.descriptions if made.series is None else made.series
    length = len(described(made.channels))
    changes = b"".join(
        UUID(SERIES).bytes_le + struct.pack("<ddQQ", days(0.0), 0.0, number * length, length)
        for number in range(len(series) // length)
    )
    segments = b"".join(struct.pack("<d8xd128x", days(start), duration) for start, duration in made.segments)
    sections = {
        SERIES: [series],
        "InfoChangeStream": [changes],
        "SegmentStream": [segments],
        "Events": [b"".join(map(packed, made.events))],
        **{str(number): parts(channel, made.part) for number, channel in enumerate(made.channels)},
    }
    numbers = {name: number for number, name in enumerate(sections, start=1)}
    order = [(name, 0) for name in sections]  # so the n-th entry is section n, as in files that FieldTrip reads
    longest = max(map(len, sections.values()))
    order += [(name, part) for part in range(1, longest) for name in sections if part < len(sections[name])]
    block = made.block or len(order)
    index_bytes = 16 * -(-len(order) // block) + 24 * len(order)
    begin = BODY_AT + index_bytes * made.index_first
    body, entries = bytearray(), []
    for name, part in order:
        content = sections[name][part]
        reserved = len(content) + (-len(content)) % 8
        entries.append(struct.pack("<QQII", numbers[name], begin + len(body), reserved, len(content)))
        body += content.ljust(reserved, b"\0")
    index_at = BODY_AT if made.index_first else begin + len(body)
    index = indexed(entries, index_at, block)
    head = bytearray(BODY_AT)
    head[:16] = MAGIC.bytes_le
    struct.pack_into("<I", head, 0x18, index_at)
    struct.pack_into("<I", head, NAMES_AT, len(sections))
    for place, (name, number) in enumerate(numbers.items()):
        struct.pack_into("<80sI", head, NAMES_AT + 4 + 84 * place, name.encode("utf-16-le"), number)
    struct.pack_into("<III", head, TOTAL_AT, len(entries), 0, index_at)
    path.write_bytes(bytes(head) + (index + bytes(body) if made.index_first else bytes(body) + index))
    return path


def indexed(entries: Sequence[bytes], at: int, block: int) -> bytes:
    """Return the chain of blocks of an index that begins at a place in the file."""
    found = b""
    for first in range(0, len(entries), block):
        chosen = entries[first : first + block]
        after = at + len(found) + 8 + 24 * len(chosen) + 8
        is_last = first + block >= len(entries)
        found += struct.pack("<Q", len(chosen)) + b"".join(chosen) + struct.pack("<Q", 0 if is_last else after)
    return found


def described(channels: Sequence[Channel]) -> bytes:
    """Return the description of the channels (TSGUID)."""
    found = bytearray(760)
    struct.pack_into("<16sQ", found, 0, UUID(SERIES).bytes_le, 760 + 552 * len(channels))
    struct.pack_into("<II", found, 752, len(channels), len(channels))
    for channel in channels:
        names = [text.encode("utf-16-le") for text in (channel.label, channel.label, channel.reference)]
        found += struct.pack("<128s64s64s", *names)
        numbers = 0.5, 70.0, channel.rate_hz, channel.step_uv, 0, 50, channel.offset_uv
        found += struct.pack("<ddddHHd", *numbers).ljust(552 - 256, b"\0")
    return bytes(found)


def packed(event: Event) -> bytes:
    """Return the packet of an event: at least 272 bytes, longer if its text needs it."""
    text = (event.text + "\0").encode("utf-16-le")
    size = max(272, 0x108 + len(text) + len(text) % 8)
    whole, fraction = divmod(event.second, 1)
    head = struct.pack("<16sQ8xddd48x24s", EVENT.bytes_le, size, days(whole), fraction, event.duration_s, b"")
    head += struct.pack("<Q16s16x64s32x", len(event.text), event.kind.bytes_le, event.label.encode("utf-16-le"))
    return (head + text).ljust(size, b"\0")


def parts(channel: Channel, length: int) -> list[bytes]:
    """Return the samples of a channel in parts of equal duration."""
    step = max(1, round(length * channel.rate_hz / 256))
    digital = channel.digital.astype("<i2")
    return [digital[first : first + step].tobytes() for first in range(0, max(len(digital), 1), step)]


def days(second: float) -> float:
    """Return a time after `START` in days since the end of 1899."""
    return (START + timedelta(seconds=second) - datetime(1899, 12, 30, tzinfo=UTC)) / timedelta(days=1)
