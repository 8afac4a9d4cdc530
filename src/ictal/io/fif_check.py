"""Check a FIF file before it is parsed: MNE-Python follows a damaged one in a circle for ever."""

import gzip
import struct
from pathlib import Path

from ictal.errors import ReadError

HEADER = struct.Struct(">iIii")
"""Kind, type, size and place of the next tag (0: behind this one, -1: none)."""
MOST_LINKS_BACK = 1000
"""Links to an earlier tag: editors make one per tag that they add. In a compressed file each costs a new start."""


def check_fif(path: Path) -> None:
    """Refuse a file whose tags, followed from one to the next, lead to one that was met before.

    A link back alone is no fault: an editor writes a new tag at the end of the file, and lets it point back to the
    tag before which it belongs.

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
