"""Find the recordings to score in a folder, a BIDS data set, a manifest or a URL, without reading any of them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from ictal.archive.folders import files_below
from ictal.archive.pieces import Entry, join_by_pattern, join_by_value
from ictal.core.atomic_files import hash_of
from ictal.core.ids import normalize_id_columns
from ictal.data.label_table import read_csv
from ictal.errors import ReadError, TableError, listed, reason, require
from ictal.io.bids import ENDING, NOT_RAW
from ictal.io.open import COMPANIONS, FOLDERS, NUMBERED, READERS, main_file_names, main_stem, suffix_of

BIDS_MARK = "dataset_description.json"
MANIFEST_SUFFIXES = (".csv", ".parquet")
FILE, PIECE_OF = "file", "recording"
"""Columns of a manifest: paths relative to it, or URLs; and the recording of which a file is a piece, if any."""
STAMPS = ("etag", "md5hash", "mtime", "lastmodified", "last_modified", "last-modified", "updated", "modified")
"""Fields, in lower case, by which file systems show that a file has changed; the first one present is used."""
ABSENT = "absent"
"""Fingerprint of a missing file."""

Listing = Mapping[str, Mapping[str, Any]]
"""Information from the file system about each file, by path."""


def is_url(address: str) -> bool:
    """Return whether an address is a URL and not a path."""
    return "://" in address


def find_recordings(source: str, join: str = "") -> list[Entry]:
    """Return the recordings of a source, sorted by id.

    Parameters
    ----------
    source
        A folder (all files in known formats, or the raw EEG files of a BIDS data set), or a manifest (CSV or Parquet
        with a column `file`, whose rows may be windows). Both may be fsspec URLs (s3, gcs, sftp). Files with the same
        value in a column `recording` of a manifest are pieces of one recording.
    join
        Pattern of the names of pieces, see `ictal.archive.pieces.join_by_pattern`; '': none are joined.

    Raises
    ------
    ReadError, TableError
        If the source does not exist, or contains no recording.
    UsageError
        If the pattern is none, or matches no recording.
    """
    require("archive", "reading an archive", "fsspec")
    _check(source)
    root = source if is_url(source) else str(Path(source).absolute())
    files, path = _file_system(root)
    try:
        if files.isdir(path):
            entries = _of_folder(root)
        elif files.isfile(path):
            entries = _of_manifest(root)
        else:
            raise ReadError(f"{source}: there is no such folder or manifest")
    except OSError as error:
        raise ReadError(f"{error.filename or source}: cannot be read: {reason(error)}") from error
    if not entries:
        raise ReadError(f"{source}: contains no recording; known formats are {listed(READERS, 20)}")
    if join:
        entries = join_by_pattern(entries, join, source)
    return sorted(entries, key=lambda entry: entry.recording)


def _check(source: str) -> None:
    if is_url(source) and urlsplit(source).password:
        raise ReadError(
            "the address of the source contains a password, which would be written to the ledger; leave it out and "
            "use fsspec's configuration (~/.config/fsspec/conf.json) or a key agent"
        )


def _file_system(address: str) -> tuple[Any, str]:
    """Return the file system of a path or URL, and the path within it."""
    from fsspec.core import url_to_fs

    try:
        files, path = url_to_fs(address)
    except (ImportError, ValueError) as error:
        raise ReadError(f"{address}: cannot be opened: {error}") from error
    return files, str(path)


def _address(root: str, files: Any, path: str) -> str:
    """Return the address with which a path in the file system of `root` can be opened."""
    if not is_url(root):
        return path
    parts = urlsplit(root)
    with_host = f"{parts.scheme}://{parts.netloc}{path}"  # sftp: the path alone does not name the host
    return with_host if files._strip_protocol(with_host) == path else str(files.unstrip_protocol(path))


def _of_folder(root: str) -> list[Entry]:
    files, top = _file_system(root)
    listing = _folders_as_files(
        files_below(top) if files.protocol[0] == "file" else files.find(top, detail=True), top
    )
    bids = f"{top.rstrip('/')}/{BIDS_MARK}" in listing
    below = {path: path[len(top) :].strip("/") for path in listing}
    lower = {path.lower() for path in listing}
    chosen = [path for path, name in below.items() if _is_recording(path, lower) and (not bids or _is_raw(name))]
    return _entries({below[path]: path for path in chosen}, listing, root, files)


def _of_manifest(manifest: str) -> list[Entry]:
    pieces = _columns(manifest)
    folder = manifest.rpartition("/")[0]
    addresses = {name: name if is_url(name) or name.startswith("/") else f"{folder}/{name}" for name in pieces}
    entries = []
    for parent, group in _by_parent(addresses).items():
        files, top = _file_system(parent)
        listing = _folders_as_files({found["name"]: found for found in _files_in(files, top)}, top)
        paths = {name: str(files._strip_protocol(addresses[name])) for name in group}
        entries += _entries(paths, listing, parent, files)
    return join_by_value(entries, pieces, manifest)


def _files_in(files: Any, folder: str) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = files.ls(folder, detail=True)
    except FileNotFoundError:
        return []
    return found


def _by_parent(addresses: Mapping[str, str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name, address in addresses.items():
        groups[address.rpartition("/")[0]].append(name)
    return groups


def _columns(manifest: str) -> dict[str, str]:
    """Return the files named in a manifest, and the recording of which each is a piece, or ''."""
    suffix = PurePosixPath(manifest).suffix.lower()
    if suffix not in MANIFEST_SUFFIXES:
        raise TableError(f"{manifest}: is neither a folder nor a manifest; manifests end in .csv or .parquet")
    if suffix == ".csv" and not is_url(manifest):
        table = read_csv(Path(manifest), [FILE])
    else:
        read = pd.read_csv if suffix == ".csv" else pd.read_parquet
        try:
            table = read(manifest)
            table = table.assign(**{FILE: table[FILE].astype(str)})
        except (KeyError, ValueError) as error:
            raise TableError(f"{manifest}: is not a manifest: it is not a table with a column '{FILE}'") from error
    if (table[FILE] == "").any():
        raise TableError(f"{manifest}: {int((table[FILE] == '').sum())} rows have an empty '{FILE}'")
    if PIECE_OF not in table:
        return dict.fromkeys(table[FILE], "")
    pieces = normalize_id_columns(table, [PIECE_OF], manifest)[[FILE, PIECE_OF]].drop_duplicates()
    twice = pieces[FILE][pieces[FILE].duplicated()]
    if len(twice):
        raise TableError(f"{manifest}: {listed(twice)} have several values of '{PIECE_OF}'; allowed is one per file")
    return dict(zip(pieces[FILE], pieces[PIECE_OF], strict=True))


def _folders_as_files(listing: Listing, top: str) -> Listing:
    """Return a listing without hidden files, in which a recording that is a folder counts as one file."""
    joined: dict[str, dict[str, Any]] = {}
    for path, info in listing.items():
        names = path[len(top) :].strip("/").split("/")
        if any(name.startswith(".") for name in names):
            continue
        owner = next((n for n, name in enumerate(names) if name.lower().endswith(FOLDERS)), None)
        if owner is None:
            joined[path] = dict(info)
            continue
        folder = "/".join([top.rstrip("/"), *names[: owner + 1]])
        one = joined.setdefault(folder, {"name": folder, "size": 0, "mtime": ""})
        one["size"] += info.get("size") or 0
        one["mtime"] = max(one["mtime"], str(_stamp(info)))
    return joined


def _is_recording(path: str, lower_paths: Collection[str]) -> bool:
    """Return whether a file is a recording itself, and not a part of one with another main file."""
    folder, _, name = path.rpartition("/")
    mains = main_file_names(name)
    return suffix_of(name) in READERS and not any(f"{folder}/{main}".lower() in lower_paths for main in mains)


def _is_raw(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return parts[-1].split(".")[0].endswith(ENDING) and not any(part in NOT_RAW for part in parts)


def _entries(paths: Mapping[str, str], listing: Listing, root: str, files: Any) -> list[Entry]:
    """Return one entry per recording; `paths` maps ids to paths."""
    groups: dict[str, list[str]] = defaultdict(list)
    for path in listing:
        groups[_stem(path)].append(path)
    return [_entry(name, path, groups, listing, root, files) for name, path in paths.items()]


def _stem(path: str) -> str:
    folder, _, name = path.rpartition("/")
    return f"{folder}/{(main_stem(name) if suffix_of(name) in NUMBERED else name).split('.')[0]}"


def _entry(
    recording: str, path: str, groups: Mapping[str, Iterable[str]], listing: Listing, root: str, files: Any
) -> Entry:
    if path not in listing:
        return Entry(recording, (_address(root, files, path),), ABSENT)
    stem = _stem(path)
    parts = [path, *(other for other in groups[stem] if other != path and suffix_of(other) in COMPANIONS)]
    if stem.endswith(ENDING):
        sidecars = (f"{stem.removesuffix(ENDING)}_{what}" for what in ("channels", "events"))
        parts += [f"{sidecar}.tsv" for sidecar in sidecars if f"{sidecar}.tsv" in listing]
    known = [_known(part, listing[part], files) for part in parts]
    addresses = tuple(_address(root, files, part) for part in parts)
    return Entry(recording, addresses, hash_of(known), sum(size for _, size, _ in known))


def _known(path: str, info: Mapping[str, Any], files: Any) -> tuple[str, int, str]:
    """Return the name, size and time of a file; if the listing lacks them, ask the file system."""
    if info.get("size") is None or _stamp(info) is None or info.get("islink"):
        try:
            info = files.info(path)
        except FileNotFoundError:  # a broken link
            info = {"mtime": ABSENT}
    return PurePosixPath(path).name, int(info.get("size") or 0), str(_stamp(info))


def _stamp(info: Mapping[str, Any]) -> Any:
    lower = {key.lower(): value for key, value in info.items()}
    return next((lower[stamp] for stamp in STAMPS if lower.get(stamp)), None)
