"""A check of Matlab files before they are parsed: a damaged file can make SciPy's parser crash Python.

Source: MathWorks, "MAT-File Format", version 5.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from ictal.errors import ReadError

HEADER_BYTES = 128
MATRIX, COMPRESSED = 14, 15
TYPES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8, MATRIX: 1, COMPRESSED: 1, 16: 1, 17: 2, 18: 4}
"""Bytes per number, by element type."""
CLASSES = range(1, 18)
CELL, STRUCTURE, CHARACTERS, SPARSE = 1, 2, 4, 5
UNLIKE = (3, 16, 17)
"""Objects, functions and opaque arrays, which have another structure."""
MOST_BYTES = 1 << 32
"""Largest size of a decompressed array."""

Element = tuple[int, memoryview]


def check_mat(path: Path) -> None:
    """Check that the parts of a version 5 Matlab file are consistent; other versions are not checked.

    Raises
    ------
    ReadError
        If the file is damaged.
    """
    content = path.read_bytes()
    order = {b"IM": "<", b"MI": ">"}.get(content[126:HEADER_BYTES])
    if order is None or content[124:126] not in (b"\x00\x01", b"\x01\x00"):
        return
    try:
        for element in _elements(memoryview(content)[HEADER_BYTES:], order):
            _check(element, order)
    except _DamagedError as error:
        raise ReadError(f"{path}: is a damaged Matlab file: {error}") from error
    except (ValueError, IndexError, struct.error, zlib.error, RecursionError) as error:
        raise ReadError(
            f"{path}: is a damaged Matlab file: it ends within an element or cannot be decompressed"
        ) from error


class _DamagedError(ValueError):
    """Describes the damage."""


def _elements(content: memoryview, order: str) -> Iterator[Element]:
    """Yield the type and bytes of each element; short elements have both in one tag of eight bytes."""
    at = 0
    while at < len(content):
        kind, n_bytes = struct.unpack_from(f"{order}II", content, at)
        begin = at + 8
        if kind >> 16:
            kind, n_bytes, begin = kind & 0xFFFF, kind >> 16, at + 4
        if kind not in TYPES or begin + n_bytes > len(content) or (begin == at + 4 and n_bytes > 4):
            raise _DamagedError(f"an element of type {kind} with {n_bytes} bytes does not fit")
        yield kind, content[begin : begin + n_bytes]
        at = begin + n_bytes
        at += 0 if kind == COMPRESSED else -at % 8


def _check(element: Element, order: str) -> None:
    kind, content = element
    if kind == COMPRESSED:
        unpacked = zlib.decompressobj().decompress(content, MOST_BYTES)
        (inner,) = _elements(memoryview(unpacked), order)
        _check(inner, order)
    elif kind == MATRIX and len(content):
        _check_array([*_elements(content, order)], order)


def _check_array(parts: list[Element], order: str) -> None:
    """Check flags, dimensions and name, and that the number of values matches the dimensions."""
    if parts[0][0] != 6 or len(parts[0][1]) != 8:
        raise _DamagedError("an array does not start with its class")
    kind = struct.unpack_from(f"{order}I", parts[0][1])[0] & 0xFF
    if kind not in CLASSES:
        raise _DamagedError(f"an array is of class {kind}")
    if kind not in UNLIKE and not _fits(kind, parts[1:], order):
        raise _DamagedError(f"an array of class {kind} does not have the number of values that it states")
    for part in parts:
        _check(part, order)


def _fits(kind: int, parts: list[Element], order: str) -> bool:
    types = [part for part, _ in parts]
    if len(parts) < 2 or types[0] not in (5, 6) or types[1] not in (1, 16) or len(parts[0][1]) < 8:
        return False
    count = math.prod(struct.unpack(f"{order}{len(parts[0][1]) // 4}I", parts[0][1]))
    if kind == CELL:
        return _are_matrices(types[2:], count)
    if kind == STRUCTURE:
        return _is_structure(count, types[2:], parts[2:], order)
    if kind == SPARSE:
        return len(parts) >= 5 and count <= MOST_BYTES
    values = parts[2:]
    # Matlab sometimes states one character for an empty text.
    allowed = (count, 0) if kind == CHARACTERS and count == 1 else (count,)
    return bool(values) and all(_n_values(value, data) in allowed for value, data in values)


def _is_structure(count: int, types: list[int], parts: list[Element], order: str) -> bool:
    """Return whether the parts are the width of field names, the names, and the fields of each structure."""
    if len(parts) < 2 or types[:2] != [5, 1] or len(parts[0][1]) != 4:
        return False
    (width,) = struct.unpack(f"{order}I", parts[0][1])
    n_bytes = len(parts[1][1])
    return width > 0 and n_bytes % width == 0 and _are_matrices(types[2:], count * (n_bytes // width))


def _are_matrices(types: list[int], count: int) -> bool:
    return len(types) == count and set(types) <= {MATRIX}


def _n_values(kind: int, data: memoryview) -> int:
    if kind in (MATRIX, COMPRESSED):
        return -1
    return len(bytes(data).decode("utf-8", errors="replace")) if kind == 16 else len(data) // TYPES[kind]
