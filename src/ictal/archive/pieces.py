"""Group the files of a source that are pieces of one recording, by a pattern or by a column of a manifest."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ictal.core.atomic_files import hash_of
from ictal.errors import TableError, UsageError, listed

RECORDING = "{recording}"
"""Stands in a pattern for what pieces of one recording share."""
WILDCARDS = {RECORDING: "(?P<recording>[^/]+)", "*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A recording to be scored.

    Attributes
    ----------
    recording
        Its id, which is the same in every run: the path below the source, or the name in the manifest.
    parts
        Addresses of its files, paths or URLs; the first is the one to open.
    fingerprint
        Hash of names, sizes and times of its files; it changes if the recording does.
    n_bytes
        Total size of its files.
    pieces
        Of a joined recording: the entries of its pieces.
    """

    recording: str
    parts: tuple[str, ...]
    fingerprint: str
    n_bytes: int = 0
    pieces: tuple["Entry", ...] = ()

    @property
    def address(self) -> str:
        """Path or URL of the file to open; of a joined recording, its name in the folder of the first piece."""
        if not self.pieces:
            return self.parts[0]
        return f"{self.parts[0].rpartition('/')[0]}/{PurePosixPath(self.recording).name}"

    @property
    def name(self) -> str:
        """A readable, unique name for result files, without special characters."""
        readable = re.sub(r"[^A-Za-z0-9_-]+", "_", PurePosixPath(self.recording).name.split(".")[0])[:80]
        digest = hashlib.blake2b(self.recording.encode(), digest_size=8).hexdigest()
        return f"{readable}-{digest}"


def join_by_pattern(entries: Sequence[Entry], pattern: str, source: str) -> list[Entry]:
    """Join the entries whose ids match a pattern, and keep the others.

    Parameters
    ----------
    entries
        All recordings of the source.
    pattern
        A file name, or the end of a path, with `RECORDING` for what the pieces of a recording have in common, and *
        and ? for any characters, and any one character, within a name. Case is ignored, and `RECORDING` takes as much
        as it can: of 'ward_night_01.edf', '{recording}_*.edf' takes 'ward_night'.
    source
        In messages.

    Raises
    ------
    UsageError
        If the pattern does not name `RECORDING` once, or matches nothing.
    """
    if pattern.count(RECORDING) != 1:
        raise UsageError(
            f"--join '{pattern}': needs {RECORDING} once, for what the names of all pieces have in common, and * for "
            f"what differs: '{RECORDING}_*.edf' for night_01.edf, '{RECORDING}/*.edf' for folders of pieces"
        )
    shape = _shape(pattern)
    found = {entry.recording: shape.fullmatch(entry.recording) for entry in entries}
    values = {name: match["folder"] + match["recording"] for name, match in found.items() if match}
    if not values:
        raise UsageError(
            f"--join '{pattern}': matches no recording in {source}; there are {listed(sorted(found), 5)}"
        )
    return join_by_value(entries, values, source)


def _shape(pattern: str) -> re.Pattern[str]:
    """Return a regular expression for whole ids; the folder of a recording ends where the pattern varies."""
    pattern = pattern.removeprefix("./")
    fixed = re.split(r"[^/]*[{*?]", pattern, maxsplit=1)[0]
    rest = pattern.removeprefix(fixed)
    wanted = [WILDCARDS.get(part) or re.escape(part) for part in re.split(r"(\{recording\}|[*?])", rest)]
    return re.compile(f"(?P<folder>(?:.*/)?{re.escape(fixed)}){''.join(wanted)}", re.IGNORECASE)


def join_by_value(entries: Iterable[Entry], values: Mapping[str, str], source: str) -> list[Entry]:
    """Join the entries that have the same value, which is their new id; entries without a value are kept.

    Parameters
    ----------
    entries
        All recordings of the source.
    values
        By id.
    source
        In messages.

    Raises
    ------
    TableError
        If a value is the id of another recording.
    """
    groups: dict[str, list[Entry]] = defaultdict(list)
    kept: dict[str, Entry] = {}
    for entry in entries:
        if value := values.get(entry.recording):
            groups[value].append(entry)
        else:
            kept[entry.recording] = entry
    both = [name for name in groups if name in kept]
    if both:
        raise TableError(f"{source}: {listed(both)} would be the name of a joined recording, but is that of a file")
    return [*kept.values(), *(_joined(name, pieces) for name, pieces in groups.items())]


def _joined(recording: str, pieces: Iterable[Entry]) -> Entry:
    ordered = tuple(sorted(pieces, key=lambda piece: piece.recording))
    known = [(PurePosixPath(piece.address).name, piece.fingerprint) for piece in ordered]
    parts = tuple(part for piece in ordered for part in piece.parts)
    return Entry(recording, parts, hash_of(known), sum(piece.n_bytes for piece in ordered), ordered)
