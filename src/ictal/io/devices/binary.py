"""Read numbers and texts of a binary file: no position or size that the file states is used unchecked."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ictal.errors import ReadError
from ictal.io.edf.header_fields import printable


@dataclass(frozen=True)
class BinaryFile:
    """A file that is open for reading.

    Attributes
    ----------
    path, content
        The file.
    n_bytes
        Its size.
    """

    path: Path
    content: IO[bytes]
    n_bytes: int

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator["BinaryFile"]:
        """Open a file; close it after the block."""
        with path.open("rb") as content:
            yield cls(path, content, path.stat().st_size)

    def bytes(self, at: int, n_bytes: int, what: str) -> bytes:
        """Return the bytes from a position.

        Raises
        ------
        ReadError
            If they are not all in the file; `what` says what is stored there.
        """
        if not 0 <= at <= at + n_bytes <= self.n_bytes:
            raise ReadError(
                f"{self.path}: is damaged or truncated: {what} should be {n_bytes} bytes at byte {at}, "
                f"but the file has {self.n_bytes} bytes"
            )
        self.content.seek(at)
        return self.content.read(n_bytes)

    def numbers(self, form: str, at: int, what: str) -> tuple[Any, ...]:
        """Return numbers in the form of `struct`, little-endian; errors are those of `bytes`."""
        return struct.unpack(f"<{form}", self.bytes(at, struct.calcsize(f"<{form}"), what))

    def number(self, form: str, at: int, what: str) -> int:
        """Return one whole number; see `numbers`."""
        return int(self.numbers(form, at, what)[0])


def wide_text(field: bytes) -> str:
    """Return a UTF-16 text up to its first zero."""
    return printable(field[: len(field) // 2 * 2].decode("utf-16-le", "replace").split("\0")[0]).strip()


def narrow_text(field: bytes) -> str:
    """Return a text in the code page of western Windows up to its first zero."""
    return printable(field.split(b"\0")[0].decode("cp1252", "replace")).strip()
