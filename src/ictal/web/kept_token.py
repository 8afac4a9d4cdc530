"""The token of a ward page, kept in a file so that an open page can connect again to the next watcher."""

import os
import re
import stat
from pathlib import Path

from ictal.core.atomic_files import atomic_write
from ictal.web.security import new_token

FILE = "page-token"
_TOKEN = re.compile(r"[\w-]{43}", re.ASCII)
"""What `new_token` returns: 32 bytes."""


def kept_token(folder: Path) -> str:
    """Return the token that is kept in a folder, or keep a new one there.

    A token that other users could have read or written is replaced: its file must be a plain file that belongs to
    this user and gives no rights to others.

    Raises
    ------
    WriteError
        If a new one cannot be written.
    """
    path = folder / FILE
    token = _read(path)
    if token is None:
        token = new_token()
        with atomic_write(path, synced=True) as part:
            part.touch(mode=0o600, exist_ok=False)  # nobody else can read it at any time
            part.write_text(token, encoding="ascii")
    return token


def _read(path: Path) -> str | None:
    """Return the token of a file; None if there is none, or others may know it."""
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return None
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or not _is_private(status):
            return None
        text = os.read(file, 64).decode("ascii", "replace")
    finally:
        os.close(file)
    return text if _TOKEN.fullmatch(text) else None


def _is_private(status: os.stat_result) -> bool:
    if os.name == "nt":  # rights are those of the folder, and not in the mode
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
