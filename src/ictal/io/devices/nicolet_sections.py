"""The sections of a Nicolet .e file: a name, and the places in the file where its parts are stored.

Source: FieldTrip, read_nervus_header.m.
"""

import struct
from dataclasses import dataclass

from ictal.errors import ReadError
from ictal.io.devices.binary import BinaryFile, wide_text

INDEX_AT, NAMES_AT, TOTAL_AT = 0x18, 172, 172_208
NAME_BYTES, ENTRY = 84, struct.Struct("<QQII")


@dataclass(frozen=True)
class StoredPart:
    """A part of a section: where it begins in the file, and its size."""

    offset: int
    n_bytes: int


Sections = dict[str, tuple[StoredPart, ...]]
"""The parts of each section, in the order of the index."""


def sections_of(file: BinaryFile) -> Sections:
    """Return the sections of a file by name.

    Raises
    ------
    ReadError
        If the file is damaged, or has the older layout without an index.
    """
    index = file.number("I", INDEX_AT, "the place of the index")
    if index == 0:
        raise ReadError(
            f"{file.path}: is not a Nicolet file, or was written before about 2012, in a layout that is not read; "
            "export it to EDF with the vendor's software"
        )
    n_names = file.number("I", NAMES_AT, "the number of sections")
    names = file.bytes(NAMES_AT + 4, n_names * NAME_BYTES, "the list of sections")
    pieces: dict[int, list[StoredPart]] = {}
    for number, offset, _, n_bytes in _entries(file, index):
        pieces.setdefault(number, []).append(StoredPart(offset, n_bytes))
    found: Sections = {}
    for at in range(0, len(names), NAME_BYTES):
        number = int.from_bytes(names[at + NAME_BYTES - 4 : at + NAME_BYTES], "little")
        found.setdefault(wide_text(names[at : at + NAME_BYTES - 4]), tuple(pieces.get(number, ())))
    for name, parts in found.items():
        if any(part.offset + part.n_bytes > file.n_bytes for part in parts):
            raise ReadError(f"{file.path}: is damaged or truncated: section '{name}' is not completely in the file")
        if sum(part.n_bytes for part in parts) > file.n_bytes:
            raise ReadError(f"{file.path}: is damaged: section '{name}' is larger than the file")
    return found


def section(file: BinaryFile, sections: Sections, name: str) -> bytes:
    """Return the content of a section; empty if the file has none of this name."""
    return b"".join(file.bytes(part.offset, part.n_bytes, f"section '{name}'") for part in sections.get(name, ()))


def _entries(file: BinaryFile, at: int) -> list[tuple[int, int, int, int]]:
    """Return the entries of the index: section, offset, bytes reserved and used.

    The index is a chain of blocks. Each ends with the place of the next.
    """
    total = file.number("I", TOTAL_AT, "the size of the index")
    found: list[tuple[int, int, int, int]] = []
    seen: set[int] = set()
    while len(found) < total:
        n_entries = file.number("Q", at, "a block of the index")
        if at in seen or not n_entries:
            raise ReadError(f"{file.path}: is damaged: its index has {len(found)} of {total} entries")
        seen.add(at)
        found += ENTRY.iter_unpack(file.bytes(at + 8, n_entries * ENTRY.size, "a block of the index"))
        if len(found) < total:
            at = file.number("Q", at + 8 + n_entries * ENTRY.size, "the place of the next block of the index")
    return found
