"""Atomic writes: a file is written under a temporary name, then renamed. Also hashes of plain values and of files."""

import hashlib
import json
import os
import shutil
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ictal.errors import WriteError, reason

PART = ".part"
"""Suffix of files that are being written; their names begin with a dot."""


@contextmanager
def atomic_write(path: Path, *, synced: bool = False) -> Iterator[Path]:
    """Yield a temporary path in the same folder, and rename it to `path` if the block ends without an error.

    A killed program leaves at most a file whose name begins with a dot and ends in ``.part``. With `synced`, the
    content is on disk before the file gets its name, so that the file is also complete after a power failure.

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
            with suppress(OSError):  # if the folder is not writable, an error has been raised already
                part.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path`, and rename it to `path` if the block ends without an error.

    Raises
    ------
    WriteError
        If the system refuses to write, or `path` is neither missing nor an empty folder.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}{PART}")
    with writing(path):
        part.mkdir(parents=True)
        try:
            yield part
            with suppress(FileNotFoundError):
                path.rmdir()  # Windows does not rename to a folder that exists
            part.replace(path)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def remove_partial_files(folder: Path) -> None:
    """Remove incomplete files that killed programs left in a folder; no program may be writing there."""
    for part in folder.glob(f".*{PART}"):
        part.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an `OSError` (disk full, no permission, ...) into a `WriteError` that names the path."""
    try:
        yield
    except OSError as error:
        raise WriteError(f"{path}: cannot be written: {reason(error)}") from error


def find_sibling(path: Path, name: str) -> Path | None:
    """Return the file with this name in the same folder as `path`, upper or lower case; None if there is none."""
    exact = path.with_name(name) if name and "/" not in name else None
    if exact is None or exact.is_file():
        return exact
    return next((file for file in sorted(path.parent.iterdir()) if file.name.lower() == name.lower()), None)


def file_identity(file: Path) -> object:
    """Return a value that is equal for all paths and links that lead to the same file."""
    try:
        status = file.stat()
    except OSError:
        return _normalized(file)
    # Some file systems have no inode numbers.
    return (status.st_dev, status.st_ino) if status.st_ino else _normalized(file)


def _normalized(file: Path) -> str:
    return unicodedata.normalize("NFC", os.path.normpath(file.absolute()))


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON atomically."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def hash_of(content: Any) -> str:
    """Return a hash of 16 hex digits that depends only on the JSON form of `content`."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
