"""What files hold: a hash over every byte, remembered for as long as the file stays as it is."""

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
"""128 bits: nobody finds two files with the same hash, neither by chance nor by trying."""
CHUNK = 1 << 20
THREADS = 4
"""Files that are read at a time: hashing releases the interpreter, and a network drive answers several at once."""
SETTLED_NS = 2_000_000_000
"""The coarsest clock of a file system in use (FAT): a younger file could change again without a new time."""
REMEMBERED = "contents.sqlite"
SCHEMA = "create table if not exists content (place text primary key, stamp text not null, hash text not null) strict"
WAIT_S = 5.0
"""How long one program waits for another that writes into the cache."""

Stamp = tuple[int, int, int, int]
"""Size, times of the last change of content and of anything, and number of a file, as the file system has them."""


def stamp_of(path: Path) -> Stamp:
    """Return what the file system says of a file, which changes whenever its content does."""
    known = path.stat()
    return known.st_size, known.st_mtime_ns, known.st_ctime_ns, known.st_ino


def new_digest() -> hashlib.blake2b:
    """Return what is fed with all bytes of a file, in order, to get the hash of its content."""
    return hashlib.blake2b(digest_size=DIGEST_BYTES)


def content_hash(path: Path) -> str:
    """Return 32 hex digits that any change of any byte of a file changes."""
    return content_hashes([path])[path]


def content_hashes(paths: Iterable[Path]) -> dict[Path, str]:
    """Return the hash of each file.

    A file is read once; its hash is kept in the user's cache, and holds until the file system reports another size,
    time or file at its path.

    Raises
    ------
    OSError
        If a file cannot be read.
    """
    stamps = {path: stamp_of(path) for path in paths}
    found = _remembered(stamps)
    new = [path for path in stamps if path not in found]
    with ThreadPoolExecutor(THREADS) as pool:
        read = dict(zip(new, pool.map(_read, new), strict=True))
    settled = time.time_ns() - SETTLED_NS
    _remember(
        [
            (_place(path), repr(stamps[path]), content)
            for path, content in read.items()
            if max(stamps[path][1:3]) < settled and stamp_of(path) == stamps[path]
        ]
    )
    found |= read
    return {path: found[path] for path in stamps}


def remembered_hash(path: Path) -> str | None:
    """Return the hash of a file where it is known without reading the file."""
    return _remembered({path: stamp_of(path)}).get(path)


def same_file(one: Path, other: Path) -> bool:
    """Tell whether two paths lead to one file; where either is absent they do not."""
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


def _place(path: Path) -> str:
    """Return what stands for a path in the cache: names of files may be names of patients."""
    return hash_of(str(path.absolute()))


def _memory() -> sqlite3.Connection:
    folder = user_cache_path("ictal")
    folder.mkdir(parents=True, exist_ok=True)
    memory = sqlite3.connect(folder / REMEMBERED, timeout=WAIT_S, isolation_level=None)
    memory.execute(SCHEMA)
    return memory


def _remembered(stamps: Mapping[Path, Stamp]) -> dict[Path, str]:
    """Return the hashes of the files that have not changed since they were hashed."""
    found: dict[Path, str] = {}
    try:
        with closing(_memory()) as memory:
            for path, stamp in stamps.items():
                wanted = (_place(path), repr(stamp))
                row = memory.execute("select hash from content where place = ? and stamp = ?", wanted).fetchone()
                found |= {path: row[0]} if row else {}
    except (OSError, sqlite3.Error):
        return {}  # a cache that cannot be read costs time and nothing else
    return found


def _remember(rows: Sequence[tuple[str, str, str]]) -> None:
    if not rows:
        return
    try:
        with closing(_memory()) as memory:
            memory.execute("begin immediate")
            memory.executemany("insert or replace into content values (?, ?, ?)", rows)
            memory.execute("commit")
    except (OSError, sqlite3.Error):
        return  # nor does one that cannot be written
