"""Files that are whole or absent: written beside, then renamed; and hashes of plain values."""

import hashlib
import json
import os
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ictal.errors import WriteError

PART = ".part"
"""How the name of a file ends that is being written; it begins with a dot."""


@contextmanager
def whole_file(path: Path, *, synced: bool = False) -> Iterator[Path]:
    """Give a path to write to, beside `path`; rename it to `path` if the block ends without an error.

    A killed program leaves at most a file whose name begins with a dot and ends in ``.part``. With `synced` the
    content is on the disk before the file gets its name, so that this holds where the power fails, too.

    Raises
    ------
    WriteError
        If the system refuses to write (disk full, no permission, ...); see `writing`.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}{PART}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            if synced:
                with part.open("rb") as file:
                    os.fsync(file.fileno())
            part.replace(path)
        finally:
            with suppress(OSError):  # where the folder itself cannot be written, what comes of that is told already
                part.unlink(missing_ok=True)


def remove_parts(folder: Path) -> None:
    """Remove what killed programs have left in a folder; nobody may be writing there."""
    for part in folder.glob(f".*{PART}"):
        part.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an `OSError` (disk full, no permission, ...) into a `WriteError` that names the path."""
    try:
        yield
    except OSError as error:
        raise WriteError(f"{path}: cannot be written: {reason_of(error)}") from error


def reason_of(error: OSError) -> str:
    """Return what the system says of an error, without the words that a library has put around it."""
    return os.strerror(error.errno) if error.errno else str(error)


def beside(path: Path, name: str) -> Path | None:
    """Return the file of this name beside another, in whatever case its letters are; None: there is none."""
    exact = path.with_name(name) if name and "/" not in name else None
    if exact is None or exact.is_file():
        return exact
    return next((file for file in sorted(path.parent.iterdir()) if file.name.lower() == name.lower()), None)


def identity_of(file: Path) -> object:
    """Return what is the same for all names of one file: links, and paths that lead to it in other ways."""
    try:
        status = file.stat()
    except OSError:
        return _plain(file)
    # Where a file system numbers no files, paths have to do.
    return (status.st_dev, status.st_ino) if status.st_ino else _plain(file)


def _plain(file: Path) -> str:
    return unicodedata.normalize("NFC", os.path.normpath(file.absolute()))


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write JSON, indented, whole or not at all."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def hash_of(content: Any) -> str:
    """Return 16 hex digits that depend on the JSON form of `content` alone."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
