"""A check of FIF files before they are parsed: a damaged file can send MNE-Python into an endless loop."""

import gzip
import struct
from pathlib import Path

from ictal.errors import ReadError

HEADER = struct.Struct(">iIii")
"""Kind, type, size and position of the next tag (0: directly after this one, -1: none)."""
MOST_LINKS_BACK = 1000
"""Limit of links to earlier tags. Editors make one per added tag; each rereads a compressed file from its start."""


def check_fif(path: Path) -> None:
    """Raise an error if the chain of tags in a file forms a loop.

    A single link back is valid: an editor writes a new tag at the end of the file, and links it back to the tag that
    follows it.

    Raises
    ------
    ReadError
        If the file is damaged; the message says where.
    """
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        at, met, links_back = 0, set[int](), 0
        while len(header := file.read(HEADER.size)) == HEADER.size:
            _, _, size, following = HEADER.unpack(header)
            if following < 0:
                return
            met.add(at)
            after = following or at + HEADER.size + size
            links_back += after < at
            if after < 0 or after in met or links_back > MOST_LINKS_BACK:
                raise ReadError(f"{path}: is a damaged FIF file: the tag at byte {at} leads back to byte {after}")
            file.seek(after)
            at = after
