"""List all files below a local folder, following links, with each folder listed once."""

import os
import stat
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Identity = tuple[int, int]


def files_below(top: str) -> dict[str, dict[str, Any]]:
    """Return the name, size and time of every file below a folder, by path, in the form that fsspec uses.

    Links to folders are followed, as archives on network storage need. Each folder is listed once: under its own path
    if that is below `top`, otherwise under the first link to it. So links back into `top`, or to a folder that
    contains it, cannot form a loop. Names that start with a dot are skipped. A broken link is listed as a file, so
    that opening it reports the missing file.

    Raises
    ------
    OSError
        If a folder cannot be read; the error names it.
    """
    found: dict[str, dict[str, Any]] = {}
    seen = {_identity(parent.stat()) for parent in Path(top).resolve().parents}
    waiting = deque([top.rstrip("/") or "/"])
    while waiting:
        begin = waiting.popleft()
        here = _identity(Path(begin).stat())
        if here in seen:
            continue
        seen.add(here)
        folders, links = [begin], list[str]()
        while folders:  # the whole tree before any link, so that a folder's own path comes first
            for path, info, is_link in _listed(folders.pop()):
                if not stat.S_ISDIR(info.st_mode):
                    found[path] = {"name": path, "size": info.st_size, "mtime": info.st_mtime}
                elif is_link:
                    links.append(path)
                elif _identity(info) not in seen:
                    seen.add(_identity(info))
                    folders.append(path)
        waiting.extend(sorted(links))
    return found


def _listed(folder: str) -> Iterator[tuple[str, os.stat_result, bool]]:
    """Yield path, status, and whether it is a link, for files, folders and broken links."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                info = Path(entry).stat()
            except OSError:
                info = Path(entry).lstat()
            if stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode) or stat.S_ISLNK(info.st_mode):
                yield f"{folder.rstrip('/')}/{entry.name}", info, entry.is_symlink()


def _identity(info: os.stat_result) -> Identity:
    return info.st_dev, info.st_ino
