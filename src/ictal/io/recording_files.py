"""The files of a recording, and a hash of their contents."""

import re
from collections.abc import Iterable
from pathlib import Path

from ictal.core.hashing import content_hash, content_hashes, new_digest
from ictal.io.bids import ENDING
from ictal.io.open import COMPANIONS, main_file_names, recording_file, suffix_of

HEADERS = {".vhdr", ".lay"}
"""Formats with a text header that names the files with the samples."""
NAMED = re.compile(r"^\s*(?:DataFile|MarkerFile|File)\s*=\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
BASE = "$b"
"""Placeholder in a BrainVision header for the header's own name without suffix."""
SIDECARS = ("channels", "events")


def parts_of(path: Path) -> list[Path]:
    """Return all files of a recording, starting with the one that is opened.

    In some formats the opened file is only a header, and another file has the samples. Headers of two recordings may
    be equal.

    Raises
    ------
    ReadError
        If the path is a folder that is not one recording.
    """
    path = recording_file(path)
    if path.is_dir():
        return sorted(part for part in path.rglob("*") if part.is_file())
    suffix = path.suffix.lower()
    parts = [path]
    if any(suffix in mains for mains in COMPANIONS.values()):
        parts += sorted(
            part
            for part in path.parent.glob(f"{_literally(path.stem)}*")
            if path.stem + suffix in _mains(part.name) and part.is_file()
        )
    if suffix in HEADERS:
        text = path.read_text(encoding="latin-1")
        named = [path.parent / name.replace(BASE, path.stem) for name in NAMED.findall(text)]
        parts += [part for part in named if part.is_file()]
    return list(dict.fromkeys(parts))


def sidecars_of(path: Path) -> list[Path]:
    """Return the BIDS sidecars that affect how a recording is read, see `ictal.io.bids.add_sidecars`."""
    stem = path.name.split(".")[0]
    if not stem.endswith(ENDING):
        return []
    found = [path.with_name(f"{stem.removesuffix(ENDING)}_{what}.tsv") for what in SIDECARS]
    return [sidecar for sidecar in found if sidecar.is_file()]


def recording_hash(path: Path, *others: Path) -> str:
    """Return a hash of all bytes of a recording's files, 32 hex digits; file names do not matter.

    For a recording in one file it is the hash of that file. A joined recording is named by its pieces in any order.
    """
    if others:
        return _hash_of(sorted(recording_hash(piece) for piece in (path, *others)))
    parts = parts_of(path)
    if len(parts) == 1:
        return content_hash(parts[0])
    first, *rest = content_hashes(parts).values()
    return _hash_of([first, *sorted(rest)])


def _hash_of(hashes: Iterable[str]) -> str:
    digest = new_digest()
    digest.update("".join(hashes).encode())
    return digest.hexdigest()


def hashes_with_sidecars(paths: Iterable[Path]) -> dict[Path, list[str]]:
    """Return the hashes of all files that affect how each recording is read."""
    files = {path: [*parts_of(path), *sidecars_of(path)] for path in paths}
    hashes = content_hashes(dict.fromkeys(part for parts in files.values() for part in parts))
    return {path: [hashes[part] for part in parts] for path, parts in files.items()}


def _mains(name: str) -> tuple[str, ...]:
    """Return the names of the files that a file may belong to, directly or indirectly."""
    mains = main_file_names(name)
    return (*mains, *(further for main in mains if suffix_of(main) != suffix_of(name) for further in _mains(main)))


def _literally(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)
