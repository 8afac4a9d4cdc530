"""Write Nihon Kohden files in the layouts that nk2edf, MNE-Python and eeg2edf read.

No file of a device was available.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

START = datetime(2024, 2, 29, 23, 59, 58, tzinfo=UTC)
ZERO = 2**15
CONTROL, BEGIN = 0x400, 0x1800


@dataclass(frozen=True)
class Nihon:
    """A recording.

    Attributes
    ----------
    codes
        Code of the input of each channel.
    blocks
        Start, in seconds after `START`, and samples [channel, time] in digital steps around 0.
    names
        Names by code in the .21E file; None: no such file.
    events
        Text, seconds of samples before it, and seconds after `START`; None: no .LOG file.
    extended
        Whether the blocks are in a second list, as in newer EEG-1200A files.
    """

    codes: Sequence[int]
    blocks: Sequence[tuple[int, np.ndarray]]
    names: Mapping[int, str] | None
    events: Sequence[tuple[str, float, float]] | None = ()
    rate_hz: int = 200
    version: str = "EEG-1100C V01.00"
    extended: bool = False
    references: Mapping[int, str] | None = None


def write(path: Path, made: Nihon) -> Path:
    """Write the .EEG file and the files beside it."""
    path.write_bytes(eeg(made))
    if made.names is not None:
        sections = {"ELECTRODE": made.names, "REFERENCE": made.references or {}, "SD_DEF": {0: "wrong"}}
        lines = [
            f"[{title}]\n" + "".join(f"{code:04}={name}\n" for code, name in each.items())
            for title, each in sections.items()
        ]
        path.with_suffix(".21E").write_text("".join(lines), encoding="utf-8")
    if made.events is not None:
        path.with_suffix(".LOG").write_bytes(log(made))
    return path


def eeg(made: Nihon) -> bytes:
    """Return the .EEG file."""
    version = made.version.encode()
    head = bytearray(BEGIN)
    head[0:16] = head[0x81:0x91] = version
    head[0x91], head[0x17FE] = 1, 1
    struct.pack_into("<I", head, 0x92, CONTROL)
    if not made.extended:
        content = listed(head, [block(made, *each) for each in made.blocks])
        return bytes(head) + content
    stub = block(made, 0, np.zeros((1, made.rate_hz)), codes=made.codes[:1])
    content = listed(head, [stub])
    at = BEGIN + len(content)
    control, data = at + 0x40, b""
    table = bytearray(0x14 + 24 * len(made.blocks))
    struct.pack_into("<H", table, 0x11, len(made.blocks))
    for number, each in enumerate(made.blocks):
        struct.pack_into("<Q", table, 0x14 + 24 * number, control + len(table) + len(data))
        data += wide_block(made, *each)
    extension = bytearray(0x40)
    struct.pack_into("<B16sBI", extension, 0, 0, version, 1, control)
    return bytes(head) + content + bytes(extension) + bytes(table) + data


def listed(head: bytearray, blocks: Sequence[bytes]) -> bytes:
    """Return blocks, and write the list of them into the head."""
    head[CONTROL + 17] = len(blocks)
    content = b""
    for number, each in enumerate(blocks):
        struct.pack_into("<I", head, CONTROL + 18 + 20 * number, BEGIN + len(content))
        content += each
    return content


def block(made: Nihon, second: int, digital: np.ndarray, codes: Sequence[int] | None = None) -> bytes:
    """Return a block: its start in digits of four bits, its rate and length, its channels, its samples."""
    chosen = made.codes if codes is None else codes
    head = bytearray(0x27)
    head[0:17] = b"\1TIME000000000000"
    head[0x14:0x1A] = bytes.fromhex((START + timedelta(seconds=second)).strftime("%y%m%d%H%M%S"))
    struct.pack_into("<HI", head, 0x1A, made.rate_hz | 0xC000, 10 * digital.shape[1] // made.rate_hz)
    head[0x26] = len(chosen)
    return bytes(head) + inputs(chosen) + interleaved(digital)


def wide_block(made: Nihon, second: int, digital: np.ndarray) -> bytes:
    """Return a block of the second list."""
    head = bytearray(0x48)
    head[0:17] = b"\1TIME000000000000"
    head[0x14:0x28] = (START + timedelta(seconds=second)).strftime("%Y%m%d%H%M%S000000").encode()
    struct.pack_into("<II20xI", head, 0x28, made.rate_hz, 10 * digital.shape[1] // made.rate_hz, len(made.codes))
    return bytes(head) + inputs(made.codes) + interleaved(digital)


def inputs(codes: Sequence[int]) -> bytes:
    """Return the list of channels: ten bytes each, of which the first is the code."""
    return b"".join(bytes([code]).ljust(10, b"\0") for code in codes)


def interleaved(digital: np.ndarray) -> bytes:
    """Return samples with the marker of each point in time, which is 0."""
    rows = np.vstack([digital + ZERO, np.zeros((1, digital.shape[1]))])
    return rows.T.astype("<u2").tobytes()


def log(made: Nihon) -> bytes:
    """Return the .LOG file: events in whole seconds, and a list of details with fractions."""
    events = made.events or ()
    head = bytearray(0x400)
    head[0:16] = made.version.encode()
    head[0x91] = 1
    first, second = 0x400, 0x400 + 0x14 + 45 * len(events)
    struct.pack_into("<I", head, 0x92, first)
    struct.pack_into("<I", head, 0x92 + 22 * 20, second)
    entries, details = b"", b""
    for text, elapsed, clock in events:
        content = text.encode()
        time = f"{timedelta(seconds=int(elapsed))}".rjust(8, "0").replace(":", "")
        stamp = f"{time}({(START + timedelta(seconds=int(clock))).strftime('%y%m%d%H%M%S')})"
        micros = f"{round(clock % 1 * 1e6):06}"
        entries += (content[:20].ljust(20, b"\0") + stamp.encode()).ljust(45, b"\0")
        details += (content[20:40].ljust(20, b"\0") + f"0000{micros}0000{micros}".encode()).ljust(45, b"\0")
    tables = (b"\0" + head[0:16] + bytes(1) + bytes([len(events), 0]) + each for each in (entries, details))
    return bytes(head) + b"".join(tables)
