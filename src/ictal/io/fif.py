"""Check a FIF file before it is parsed: MNE-Python follows a damaged one in a circle for ever."""

import gzip
import struct
from pathlib import Path

from ictal.errors import ReadError

HEADER = struct.Struct(">iIii")
"""Kind, type, size and place of the next tag (0: behind this one, -1: none)."""


def check_fif(path: Path) -> None:
    """Refuse a file in which a tag names an earlier one as the next.

    Raises
    ------
    ReadError
        If there is one; the message says where.
    """
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        at = 0
        while len(header := file.read(HEADER.size)) == HEADER.size:
            _, _, size, following = HEADER.unpack(header)
            if following < 0:
                return
            following = following or at + HEADER.size + size
            if following <= at:
                raise ReadError(f"{path}: is a damaged FIF file: the tag at byte {at} leads back to byte {following}")
            file.seek(following)
            at = following
