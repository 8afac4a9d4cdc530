"""Write Micromed files with a header of type 4, from the public descriptions of the format (neo, wonambi, eeg2edf).

No file of a device was available. Areas that are not read are filled with zeros.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

START = datetime(2024, 2, 29, 23, 59, 58, tzinfo=UTC)
UNUSED = 0xFFFFFFFF
TITLES = {".trc": b"* MICROMED  Brain-Quick file *", ".vwr": b"Micromed VWR\x1a"}
AREAS = (
    *("ORDER", "LABCOD", "NOTE", "FLAGS", "TRONCA", "IMPED_B", "IMPED_E", "MONTAGE", "COMPRESS", "AVERAGE"),
    *("HISTORY", "DVIDEO", "EVENT A", "EVENT B", "TRIGGER"),
)
MARKS = 64 + 100 * 8
"""Bytes of the areas 'EVENT A' and 'EVENT B'."""


@dataclass(frozen=True)
class Channel:
    """A channel and its samples in digital steps: physical values, in units, for the range of the digital ones."""

    label: str
    digital: np.ndarray
    reference: str = "G2"
    unit: int = 0
    factor: int = 1
    zero: int = 32768
    digital_range: tuple[int, int] = (0, 65535)
    physical_range: tuple[int, int] = (-3200, 3200)


@dataclass(frozen=True)
class Micromed:
    """A file: parts are (first sample in time, first sample in the file), marks count samples of the file."""

    channels: Sequence[Channel]
    rate_hz: int = 256
    n_bytes: int = 2
    parts: Sequence[tuple[int, int]] = ()
    notes: Sequence[tuple[int, str]] = ()
    triggers: Sequence[tuple[int, int]] = ()
    flags: Sequence[tuple[int, int]] = ()
    event_a: bytes = b""
    compressed: int = 0
    kind: int = 4
    date: bytes = bytes((29, 2, 124, 23, 59, 58))


def write(path: Path, made: Micromed) -> Path:
    """Write a file: head, areas, samples."""
    table = bytearray(128)  # entry 0 is the ground
    for channel in made.channels:
        table += entry(channel)
    contents = dict.fromkeys(AREAS, bytes(16)) | {
        "ORDER": struct.pack("<256H", *range(1, len(made.channels) + 1), *[0] * (256 - len(made.channels))),
        "LABCOD": bytes(table),
        "NOTE": filled([struct.pack("<I40s", at, text.encode("cp1252")) for at, text in made.notes], 44_000),
        "FLAGS": b"".join(struct.pack("<II", *pair) for pair in made.flags).ljust(800, b"\0"),
        "TRONCA": b"".join(struct.pack("<II", *pair) for pair in made.parts).ljust(800, b"\0"),
        "COMPRESS": bytes(128),
        "EVENT A": made.event_a.ljust(MARKS, b"\0"),
        "EVENT B": bytes(MARKS),
        "TRIGGER": filled([struct.pack("<IH", *pair) for pair in made.triggers], 48, b"\xff\xff\xff\xff\0\0"),
    }
    head, body = bytearray(640), b""
    for number, name in enumerate(AREAS):
        struct.pack_into(
            "<8sII", head, 176 + 16 * number, name.ljust(8).encode(), 640 + len(body), len(contents[name])
        )
        body += contents[name]
    title = TITLES[path.suffix.lower()]
    head[: len(title)] = title
    head[128:134] = made.date
    width = len(made.channels)
    struct.pack_into(
        "<IHHHHH", head, 138, 640 + len(body), width, 2 * width, made.rate_hz, made.n_bytes, made.compressed
    )
    head[175] = made.kind
    samples = np.stack([channel.digital for channel in made.channels], axis=1).astype(f"<u{made.n_bytes}")
    path.write_bytes(bytes(head) + body + samples.tobytes())
    return path


def entry(channel: Channel) -> bytes:
    """Return the description of a channel in the table LABCOD."""
    ranges = *channel.digital_range, channel.zero, *channel.physical_range
    names = channel.label.encode(), channel.reference.encode()
    packed = struct.pack("<BB6s6siiiiihHHHHH", 1, 0, *names, *ranges, channel.unit, 0, 0, 0, 0, channel.factor)
    return packed.ljust(128, b"\0")


def filled(entries: Sequence[bytes], size: int, unused: bytes = b"") -> bytes:
    """Return entries, and what fills the rest of their area."""
    content = b"".join(entries)
    return content + (unused * size)[: size - len(content)] if unused else content.ljust(size, b"\0")
