"""Events of Nihon Kohden, from the .LOG file.

Source: the layout used by nk2edf and MNE-Python, and by eeg2edf for clock times.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ictal.core.atomic_files import find_sibling
from ictal.errors import ReadError
from ictal.io.devices.binary import BinaryFile

BLOCKS_AT, BLOCK_BYTES, DETAILS = 0x91, 20, 22
"""Block k of details belongs to block k of events, and follows `DETAILS` places later in the list."""
ENTRIES_AT, ENTRY_BYTES, TEXT_BYTES = 0x14, 45, 20
_TIME = re.compile(rb"(\d\d)(\d\d)(\d\d)(?:\((\d{12})\))?")
_DETAIL = re.compile(rb".{4}(\d{6})", re.DOTALL)


@dataclass(frozen=True)
class LogEvent:
    """An event: its text, its time in seconds of samples, and its clock time if the file states it."""

    text: str
    second: float
    clock: datetime | None


def read_log(path: Path) -> tuple[list[LogEvent], list[str]]:
    """Return the events in the .LOG file of an .EEG file, and notes."""
    log = find_sibling(path, f"{path.stem}.LOG")
    if log is None:
        return [], ["its annotations are unknown, since its .LOG file is missing"]
    try:
        with BinaryFile.open(log) as file:
            entries = _entries(file)
    except ReadError:
        return [], [f"its annotations are unknown, since {log.name} is damaged or truncated"]
    found = [event for entry, detail in entries if (event := _event(entry, detail)) is not None]
    lost = len(entries) - len(found)
    return found, [f"{lost} of its annotations cannot be read and are left out"] if lost else []


def _entries(file: BinaryFile) -> list[tuple[bytes, bytes]]:
    """Return the entries of all blocks, each with the entry of details that belongs to it, or b''."""
    n_blocks = file.number("B", BLOCKS_AT, "the number of blocks")
    found: list[tuple[bytes, bytes]] = []
    for block in range(n_blocks):
        entries = _block(file, block)
        details = _block(file, block + DETAILS) if n_blocks < DETAILS else []
        found += zip(entries, details if len(details) == len(entries) else [b""] * len(entries), strict=True)
    return found


def _block(file: BinaryFile, number: int) -> list[bytes]:
    place = BLOCKS_AT + 1 + BLOCK_BYTES * number
    at = file.number("I", place, "the list of blocks") if place + 4 <= file.n_bytes else 0
    if not at or at + ENTRIES_AT > file.n_bytes:
        return []
    n_entries = file.number("B", at + 0x12, "a block")
    content = file.bytes(at + ENTRIES_AT, min(n_entries * ENTRY_BYTES, file.n_bytes - at - ENTRIES_AT), "a block")
    return [content[first : first + ENTRY_BYTES] for first in range(0, len(content), ENTRY_BYTES)]


def _event(entry: bytes, detail: bytes) -> LogEvent | None:
    time = _TIME.match(entry[TEXT_BYTES:])
    if time is None:
        return None
    more = _DETAIL.match(detail[TEXT_BYTES:])
    fraction_s = int(more[1]) / 1e6 if more else 0.0
    hours, minutes, seconds = map(int, time.groups()[:3])
    clock = None
    if time[4]:
        try:
            clock = datetime.strptime(time[4].decode(), "%y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            return None
        clock += timedelta(seconds=fraction_s)
    text = _text(entry[:TEXT_BYTES]) + _text(detail[:TEXT_BYTES])
    return LogEvent(text, 3600 * hours + 60 * minutes + seconds + fraction_s, clock)


def _text(field: bytes) -> str:
    """Return a text without the unprintable bytes that may surround it."""
    content = field.split(b"\0")[0]
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    return "".join(letter for letter in text if letter.isprintable())
