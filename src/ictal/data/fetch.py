"""Fetch a public data set: list its files, download what is missing, and check every file."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath, PureWindowsPath
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any
from urllib.parse import quote

from filelock import FileLock, Timeout

from ictal.core.atomic_files import PART, write_json, write_text, writing
from ictal.core.progress import Progress, silent
from ictal.data.download import Checksum, Patience, StoppedError, download, read_text
from ictal.data.public_datasets import SUMS_FILE, PublicDataset, find_dataset
from ictal.errors import ReadError, RunError, UsageError, WriteError, listed

MIRROR = "ICTAL_FETCH_MIRROR"
"""Environment variable: address of a folder with fetched data sets, to use instead of the publishers' addresses."""
AT_ONCE = 3
"""Files that are downloaded at the same time; publishers ask for restraint."""
MOST_FAILURES = 5
"""After as many files that cannot be downloaded, the others are not tried."""
CHECKED = ".checked.json"
"""File in a fetched folder: size and time of each file when it was checked."""
LOCK = ".lock"
POLL_S = 0.2
END_S = 0.5
"""How long each thread gets to end after an interruption."""
ALGORITHMS = {32: "md5", 64: "sha256"}
"""Checksums by their number of hex digits."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a data set: its path, its address and its checksum."""

    path: str
    url: str
    checksum: Checksum


@dataclass(frozen=True)
class Fetched:
    """What is in the folder now.

    Attributes
    ----------
    folder
        The folder.
    n_fetched, n_present
        Files that were downloaded, and that were there and are right.
    failed
        Why files could not be downloaded.
    """

    folder: Path
    n_fetched: int
    n_present: int
    failed: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"folder": str(self.folder)}


def fetch(
    name: str | PublicDataset,
    out: str | Path | None = None,
    *,
    only: Sequence[str] = (),
    accept_licence: bool = False,
    progress: Progress = silent,
    patience: Patience = Patience(),  # noqa: B008 (frozen)
) -> Fetched:
    """Download a public data set from its publisher, and check every file.

    The same call resumes a download, in the middle of a file if need be. Files that are there are checked and kept.

    Parameters
    ----------
    name
        One of `ictal.data.public_datasets.DATASETS`, or a data set of your own.
    out
        The folder; by default, one with the data set's name.
    only
        Patterns of paths, such as 'chb01/*'; by default, all files.
    accept_licence
        Whether you accept the licence. The error that is raised otherwise shows it.
    progress
        Callback with the number of files that are there.
    patience
        How long to wait for a server.

    Returns
    -------
    Fetched
        What was done. A file that cannot be downloaded does not stop the others.

    Raises
    ------
    UsageError
        If the licence is not accepted, or no file has such a path.
    ReadError
        If the data set can be had only by agreement, or the list of its files cannot be downloaded.
    RunError, WriteError
        If another process uses the folder, or it cannot be written.
    """
    dataset = find_dataset(name) if isinstance(name, str) else name
    if dataset.base and not accept_licence:
        raise UsageError(
            f"{dataset.title} is published under the licence '{dataset.licence}' ({dataset.licence_page}); "
            "call again with accept_licence=True (command line: --yes) if you accept it"
        )
    return _fetch_into(Path(out or dataset.name), dataset, only, progress, patience)


def remote_files(dataset: PublicDataset, patience: Patience = Patience()) -> list[RemoteFile]:  # noqa: B008 (frozen)
    """Return the files of a data set, by path, as its publisher or the mirror lists them now.

    Raises
    ------
    ReadError
        If they cannot be listed.
    """
    if not dataset.base:
        how = "\n".join(f"  {line}" for line in dataset.usage)
        raise ReadError(f"{dataset.title} cannot be downloaded without an agreement ({dataset.licence}):\n{how}")
    mirror = os.environ.get(MIRROR)
    if dataset.listing == "zenodo" and not mirror:
        return _of_zenodo(dataset.base, read_text(dataset.base, patience))
    if mirror and not mirror.startswith(("http://", "https://")):
        raise UsageError(f"{MIRROR} is '{mirror}'; allowed are addresses that begin with https:// or http://")
    base = f"{mirror.rstrip('/')}/{dataset.name}/" if mirror else dataset.base
    address = base + SUMS_FILE[dataset.listing]
    return _of_sums(base, address, read_text(address, patience))


def choose(files: Sequence[RemoteFile], only: Sequence[str]) -> list[RemoteFile]:
    """Return the files whose paths have one of the patterns, or all files if there is no pattern.

    Raises
    ------
    UsageError
        If a pattern has no file.
    """
    idle = [pattern for pattern in only if not any(fnmatchcase(file.path, pattern) for file in files)]
    if idle:
        raise UsageError(f"no file has the path '{idle[0]}'; there are {listed((file.path for file in files), 5)}")
    return [file for file in files if not only or any(fnmatchcase(file.path, pattern) for pattern in only)]


def _fetch_into(
    folder: Path, dataset: PublicDataset, only: Sequence[str], progress: Progress, patience: Patience
) -> Fetched:
    """Download the chosen files into a folder, which no other process uses."""
    files = remote_files(dataset, patience)
    chosen = choose(files, only)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / LOCK, timeout=0):
                if not only:
                    _check_space(dataset, files, folder)
                lines = (f"{file.checksum.digest}  {file.path}\n" for file in files)
                write_text(folder / SUMS_FILE[dataset.listing], "".join(lines))
                return _Fetching(folder, patience).run(chosen, progress)
        except Timeout as error:
            raise RunError(f"{folder}: another process is fetching into this folder") from error


def _check_space(dataset: PublicDataset, files: Sequence[RemoteFile], folder: Path) -> None:
    """Raise an error if the disk is too small for the files of a data set that are not there yet."""
    there = sum(path.stat().st_size for file in files if (path := folder / file.path).is_file())
    lacking, free = dataset.n_bytes - there, shutil.disk_usage(folder).free
    if free < lacking:
        raise WriteError(
            f"{folder}: has {free / 1e9:.1f} GB free, and about {lacking / 1e9:.1f} GB are lacking; free "
            "some space, name another folder with --out, or fetch some of the files with --only"
        )


def _of_sums(base: str, address: str, text: str) -> list[RemoteFile]:
    """Read a file of sha256sum or md5sum: a checksum, two blanks (or a blank and a star), a path."""
    files = []
    for number, line in enumerate(text.splitlines(), 1):
        digest, _, path = line.strip().partition(" ")
        if line.strip():
            path = path.strip().removeprefix("*").removeprefix("./")
            files.append(_file(f"{address}: line {number}", base + quote(path), path, digest))
    return _sorted(files, address)


def _of_zenodo(record: str, text: str) -> list[RemoteFile]:
    """Read a record of Zenodo's API, which lists files with their names and MD5."""
    try:
        known = [(one["key"], one["checksum"].removeprefix("md5:")) for one in json.loads(text)["files"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReadError(f"{record}: is not a record of Zenodo with files") from error
    files = [_file(record, f"{record}/files/{quote(path, safe='')}/content", path, digest) for path, digest in known]
    return _sorted(files, record)


def _file(place: str, url: str, path: str, digest: str) -> RemoteFile:
    """Return a file, unless its path leads out of the folder, or its checksum is none."""
    parts = PurePosixPath(path).parts
    own = bool(parts) and (parts[-1] in (LOCK, CHECKED) or parts[-1].endswith(PART))
    if own or not parts or PureWindowsPath(path).anchor or ".." in parts or any(sign in path for sign in "\\\0"):
        raise ReadError(f"{place}: '{path}' is not the path of a file of a data set")
    algorithm = ALGORITHMS.get(len(digest))
    if algorithm is None or not all(letter in "0123456789abcdef" for letter in digest.lower()):
        raise ReadError(f"{place}: '{digest[:80]}' is not a checksum; allowed are SHA-256 and MD5")
    return RemoteFile(path, url, Checksum(algorithm, digest.lower()))


def _sorted(files: Sequence[RemoteFile], address: str) -> list[RemoteFile]:
    if not files:
        raise ReadError(f"{address}: lists no file")
    return sorted({file.path: file for file in files}.values(), key=lambda file: file.path)


@dataclass
class _Fetching:
    """The downloads into one folder, by some threads; only the thread that runs it writes what was checked."""

    folder: Path
    patience: Patience
    stop: Event = field(default_factory=Event)
    shares: dict[str, float] = field(default_factory=dict)
    answers: "Queue[tuple[RemoteFile, bool | BaseException]]" = field(default_factory=Queue)

    def run(self, files: Sequence[RemoteFile], progress: Progress) -> Fetched:
        """Download what is missing, and return what was done."""
        checked, waiting = _read_checked(self.folder / CHECKED), Queue[RemoteFile]()
        for file in files:
            waiting.put(file)
        # Daemons: a thread that waits for a silent server must not keep the program from ending.
        threads = [Thread(target=self._work, args=(waiting, checked), daemon=True) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        n_new, n_present, failed, done = 0, 0, list[str](), dict(checked)
        try:
            for n_ended in range(len(files)):
                file, answer = self._next(n_ended, len(files), progress)
                if isinstance(answer, ReadError):
                    failed.append(str(answer))
                elif isinstance(answer, BaseException):
                    raise answer
                else:
                    n_new, n_present = n_new + answer, n_present + (not answer)
                    done[file.path] = _stamp(self.folder / file.path, file.checksum)
                    if done[file.path] != checked.get(file.path):
                        write_json(self.folder / CHECKED, done)
                if len(failed) >= MOST_FAILURES and n_ended < len(files) - 1:
                    failed.append(
                        f"{len(files) - n_ended - 1} more files were not tried; repeat the command to resume"
                    )
                    break
            progress("files", len(files), len(files))
        finally:
            self.stop.set()
            for thread in threads:
                thread.join(END_S)
        return Fetched(self.folder, n_new, n_present, tuple(failed))

    def _next(self, n_ended: int, n_files: int, progress: Progress) -> tuple[RemoteFile, bool | BaseException]:
        """Wait for the next file, and report progress until then: a file of which half is there counts a half."""
        while True:
            progress("files", min(n_ended + sum(list(self.shares.values())), n_files - 1e-6), n_files)
            try:
                file, answer = self.answers.get(timeout=POLL_S)
            except Empty:
                continue
            self.shares.pop(file.path, None)
            return file, answer

    def _work(self, waiting: "Queue[RemoteFile]", checked: Mapping[str, Any]) -> None:
        while not self.stop.is_set():
            try:
                file = waiting.get_nowait()
            except Empty:
                return
            try:
                self.answers.put((file, self._fetch_one(file, checked)))
            except StoppedError:
                return
            except BaseException as error:  # the thread that runs it decides
                self.answers.put((file, error))

    def _fetch_one(self, file: RemoteFile, checked: Mapping[str, Any]) -> bool:
        """Return whether a file was downloaded, and not there already.

        Raises
        ------
        ReadError
            If it cannot be downloaded, or a file with another content is in its place.
        """
        path = self.folder / file.path

        def arrived(n_bytes: int, size: int | None) -> None:
            self.shares[file.path] = n_bytes / size if size else 0.0

        if not path.exists():
            download(file.url, path, file.checksum, arrived, self.stop, self.patience)
            return True
        if checked.get(file.path) != _stamp(path, file.checksum) and not (path.is_file() and file.checksum.of(path)):
            raise ReadError(f"{path}: is not the file of the data set (its checksum differs); move or remove it")
        return False


def _stamp(path: Path, checksum: Checksum) -> list[Any]:
    known = path.stat()
    return [known.st_size, known.st_mtime_ns, checksum.digest]


def _read_checked(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}  # every file is then checked again
    return known if isinstance(known, dict) else {}
