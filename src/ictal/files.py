"""Files that are whole or absent: written beside, then renamed; and fingerprints of what was read."""

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ictal.errors import WriteError

EDGE_BYTES = 1 << 16
"""How much of a file's head and tail enters its fingerprint (the end of a Parquet file holds its statistics)."""
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


def fingerprint(path: Path) -> str:
    """Return 16 hex digits from a file's size, head and tail.

    Reads at most 128 KiB, so that thousands of recordings take seconds: a change of the middle alone,
    with size, head and tail kept, goes unnoticed.
    """
    digest = hashlib.blake2b(digest_size=8)
    size = path.stat().st_size
    digest.update(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(EDGE_BYTES))
        if size > EDGE_BYTES:
            file.seek(max(EDGE_BYTES, size - EDGE_BYTES))
            digest.update(file.read())
    return digest.hexdigest()
