"""Content hashes of files, over every byte, cached until the file changes."""

import hashlib
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from platformdirs import user_cache_path

from ictal.core.atomic_files import hash_of

DIGEST_BYTES = 16
"""128 bits: two files with the same hash cannot be found, either by chance or on purpose."""
CHUNK = 1 << 20
THREADS = 4
"""Files read in parallel: hashing releases the interpreter lock, and network drives serve several files at once."""
SETTLED_NS = 2_000_000_000
"""The coarsest file system clock in use (FAT). A younger file could change again without a new time stamp."""
CACHE_FILE = "contents.sqlite"
SCHEMA = "create table if not exists content (place text primary key, stamp text not null, hash text not null) strict"
WAIT_S = 5.0
"""How long a program waits while another one writes to the cache."""

Stamp = tuple[int, int, int, int]
"""Size, modification time, change time and inode number of a file."""


def stamp_of(path: Path) -> Stamp:
    """Return the file system's record of a file, which changes whenever the content does."""
    known = path.stat()
    return known.st_size, known.st_mtime_ns, known.st_ctime_ns, known.st_ino


def new_digest() -> hashlib.blake2b:
    """Return a new hash object, to be updated with all bytes of a file in order."""
    return hashlib.blake2b(digest_size=DIGEST_BYTES)


def content_hash(path: Path) -> str:
    """Return a hash of all bytes of a file, 32 hex digits."""
    return content_hashes([path])[path]


def content_hashes(paths: Iterable[Path]) -> dict[Path, str]:
    """Return the content hash of each file.

    Each file is read once. Its hash is kept in the user's cache until the file system reports another size, time or
    inode at its path.

    Raises
    ------
    OSError
        If a file cannot be read.
    """
    stamps = {path: stamp_of(path) for path in paths}
    found = _cached(stamps)
    new = [path for path in stamps if path not in found]
    with ThreadPoolExecutor(THREADS) as pool:
        read = dict(zip(new, pool.map(_read, new), strict=True))
    settled = time.time_ns() - SETTLED_NS
    _store(
        [
            (_key(path), repr(stamps[path]), content)
            for path, content in read.items()
            if max(stamps[path][1:3]) < settled and stamp_of(path) == stamps[path]
        ]
    )
    found |= read
    return {path: found[path] for path in stamps}


def cached_hash(path: Path) -> str | None:
    """Return the hash of a file from the cache, without reading the file; None if it is not there."""
    return _cached({path: stamp_of(path)}).get(path)


def same_file(one: Path, other: Path) -> bool:
    """Return whether two paths lead to the same file; False if either is missing."""
    try:
        return one.samefile(other)
    except OSError:
        return False


def _read(path: Path) -> str:
    digest = new_digest()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _key(path: Path) -> str:
    """Return the cache key of a path: a hash, since file names may contain names of patients."""
    return hash_of(str(path.absolute()))


def _open_cache() -> sqlite3.Connection:
    folder = user_cache_path("ictal")
    folder.mkdir(parents=True, exist_ok=True)
    cache = sqlite3.connect(folder / CACHE_FILE, timeout=WAIT_S, isolation_level=None)
    cache.execute(SCHEMA)
    return cache


def _cached(stamps: Mapping[Path, Stamp]) -> dict[Path, str]:
    """Return the hashes of the files that have not changed since they were hashed."""
    found: dict[Path, str] = {}
    try:
        with closing(_open_cache()) as cache:
            for path, stamp in stamps.items():
                wanted = (_key(path), repr(stamp))
                row = cache.execute("select hash from content where place = ? and stamp = ?", wanted).fetchone()
                found |= {path: row[0]} if row else {}
    except (OSError, sqlite3.Error):
        return {}  # an unreadable cache only costs time
    return found


def _store(rows: Sequence[tuple[str, str, str]]) -> None:
    if not rows:
        return
    try:
        with closing(_open_cache()) as cache:
            cache.execute("begin immediate")
            cache.executemany("insert or replace into content values (?, ?, ?)", rows)
            cache.execute("commit")
    except (OSError, sqlite3.Error):
        return  # so does a cache that cannot be written
