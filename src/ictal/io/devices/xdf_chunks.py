"""The chunks of an XDF file, checked before pyxdf reads them: it takes what lies behind a damaged chunk for samples.

Source: the specification of XDF 1.0, https://github.com/sccn/xdf/wiki/Specifications.
"""

import gzip
import struct
from dataclasses import dataclass
from io import BytesIO
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO

from ictal.errors import ReadError

MAGIC = b"XDF:"
GZIP = b"\x1f\x8b"
SAMPLES = 3
LENGTHS = {1: "<B", 4: "<I", 8: "<Q"}
BYTES = {"int8": 1, "int16": 2, "int32": 4, "int64": 8, "float32": 4, "double64": 8}
"""Bytes of a number, by the name of its format."""


@dataclass(frozen=True)
class XdfFile:
    """The content of a file.

    Attributes
    ----------
    path
        The file.
    content
        Its bytes, decompressed.
    end
        Where its last complete chunk ends.
    samples
        First byte and end of each chunk of samples, and its stream.
    """

    path: Path
    content: bytes | mmap
    end: int
    samples: tuple[tuple[int, int, int], ...]

    @classmethod
    def open(cls, path: Path) -> "XdfFile":
        """Open a file, and find its chunks.

        Raises
        ------
        ReadError
            If it is not in this format, or damaged before its end.
        """
        with path.open("rb") as file:
            is_packed = file.read(2) == GZIP
            content = gzip.decompress(path.read_bytes()) if is_packed else mmap(file.fileno(), 0, access=ACCESS_READ)
        if content[:4] != MAGIC:
            raise ReadError(f"{path}: is not an XDF file: it starts with {content[:4]!r} instead of {MAGIC!r}")
        samples, at = [], len(MAGIC)
        while (head := _length(content, at)) is not None and sum(head) <= len(content):
            begin, n_bytes = head
            if n_bytes < struct.calcsize("<HI"):
                raise _damaged(path, at)
            tag, stream = struct.unpack_from("<HI", content, begin)
            at = begin + n_bytes
            if tag == SAMPLES:
                samples.append((begin + struct.calcsize("<HI"), at, stream))
        return cls(path, content, at, tuple(samples))

    @property
    def n_lost(self) -> int:
        """Number of bytes after the last complete chunk."""
        return len(self.content) - self.end

    def stream(self) -> IO[bytes]:
        """Return the complete chunks as a file."""
        is_plain = isinstance(self.content, mmap) and not self.n_lost
        return self.path.open("rb") if is_plain else BytesIO(self.content[: self.end])

    def check(self, formats: dict[int, tuple[str, int]]) -> None:
        """Raise a `ReadError` if the samples of a stream do not fit its chunks.

        Parameters
        ----------
        formats
            Format and number of channels of each stream that will be read, by its id.
        """
        for begin, stop, stream in self.samples:
            if stream in formats and not self._fits(begin, stop, *formats[stream]):
                raise _damaged(self.path, begin)

    def _fits(self, begin: int, stop: int, kind: str, n_channels: int) -> bool:
        """Return whether a chunk has the samples that it states: of each, a time if a byte says so, and values.

        Texts are counted as if they were empty, since only their number is checked.
        """
        at, n_samples = _length(self.content, begin) or (stop, 1)
        least = 1 + n_channels * BYTES.get(kind, 2)
        if n_channels < 1 or n_samples * least > stop - at:
            return False
        if kind not in BYTES:
            return True
        for _ in range(n_samples):
            if at >= stop:
                return False
            at += least + (8 if self.content[at] else 0)
        return at == stop


def _length(content: bytes | mmap, at: int) -> tuple[int, int] | None:
    """Return where a length of variable size ends, and the length; None if there is none."""
    form = LENGTHS.get(content[at]) if at < len(content) else None
    if form is None or at + 1 + struct.calcsize(form) > len(content):
        return None
    return at + 1 + struct.calcsize(form), int(struct.unpack_from(form, content, at + 1)[0])


def _damaged(path: Path, at: int) -> ReadError:
    return ReadError(f"{path}: is damaged: the part at byte {at} has another size than it states")
