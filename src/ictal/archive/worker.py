"""The job of a worker: score one recording of an archive. Each worker loads the model once."""

import errno
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Literal

from ictal.archive.ledger import LEDGER
from ictal.archive.partition import Partition
from ictal.archive.pieces import Entry
from ictal.archive.run_settings import PartitionSettings
from ictal.archive.source import is_url
from ictal.core.settings import Settings
from ictal.errors import IctalError, ReadError, WriteError, reason
from ictal.io import join_recordings
from ictal.models.hub import find_model
from ictal.scoring.engines import Engine, open_engine
from ictal.scoring.pipeline import score

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Error numbers for a full disk, or a full quota on it."""


class Outcome(Settings):
    """The outcome for a recording.

    Attributes
    ----------
    state
        'done'; 'failed', if something is wrong with the recording; 'quarantined', if it was given up; or 'stop', for
        an error that would affect every other recording too.
    reason
        Why it is not done.
    eeg_h
        Hours from the first sample to the last.
    duration_s
        Time spent on it.
    worker
        Computer and process.
    """

    state: Literal["done", "failed", "quarantined", "stop"]
    reason: str = ""
    eeg_h: float = 0.0
    duration_s: float = 0.0
    worker: str = ""


class FetchError(OSError):
    """A file could not be downloaded; another attempt may succeed."""


def score_entry(scoring: PartitionSettings, folder: Path, entry: Entry) -> Outcome:
    """Score a recording, and write the results to the archive.

    Parameters
    ----------
    scoring
        Model and settings.
    folder
        Folder of the archive, with its ledger.
    entry
        The recording.

    Raises
    ------
    MemoryError, FetchError
        If another attempt may succeed.
    """
    start = time.perf_counter()
    worker = f"{socket.gethostname()}:{os.getpid()}"
    try:
        engine = _open_engine(scoring, folder)
        with ExitStack() as stack:
            paths = [stack.enter_context(_local_copy(piece)) for piece in entry.pieces or (entry,)]
            eeg_h = _score(paths, engine, scoring, folder, entry)
    except (MemoryError, FetchError):
        raise
    except _FatalError as error:
        return Outcome(state="stop", reason=str(error), worker=worker)
    except Exception as error:  # a damaged file may break any library; the other recordings must still be scored
        message = (
            str(error)
            if isinstance(error, IctalError)
            else f"{entry.address}: unexpected error: {type(error).__name__}: {error}"
        )
        return Outcome(state="failed", reason=message, duration_s=time.perf_counter() - start, worker=worker)
    return Outcome(state="done", eeg_h=eeg_h, duration_s=time.perf_counter() - start, worker=worker)


class _FatalError(IctalError):
    """An error that would affect every other recording too."""


@lru_cache(maxsize=1)
def _open_engine(scoring: PartitionSettings, folder: Path) -> Engine:
    """Check that this worker can see the archive, and return the engine, loaded once per process."""
    if not (folder / LEDGER).is_file():
        raise _FatalError(
            f"{folder}: is missing on the worker {socket.gethostname()}; all workers must share the folder of results"
        )
    try:
        engine = open_engine(find_model(scoring.model), scoring.engine, 1)
        scoring.check(engine.contract)
    except IctalError as error:
        raise _FatalError(f"worker {socket.gethostname()}: {error}") from error
    return engine


def _score(paths: list[Path], engine: Engine, scoring: PartitionSettings, folder: Path, entry: Entry) -> float:
    """Score a recording, write the results, and return its duration in hours."""
    try:
        accept = scoring.accept_doubtful
        joined = join_recordings(paths, name=entry.address, accept_doubtful=accept) if entry.pieces else paths[0]
        scores = score(
            joined,
            engine,
            step_s=scoring.step_s,
            interpolate=scoring.interpolate,
            accept_doubtful=accept,
        )
        addresses = {str(path): piece.address for path, piece in zip(paths, entry.pieces, strict=False)}
        pieces = [
            one.model_copy(update={"name": addresses.get(one.name, one.name)}) for one in scores.recording.pieces
        ]
        info = scores.recording.model_copy(update={"name": entry.address, "pieces": tuple(pieces)})
        Partition(folder, scoring.name).write(entry, replace(scores, recording=info))
    except WriteError as error:
        raise _FatalError(str(error)) from error
    return scores.recording.span_s / 3600


@contextmanager
def _local_copy(entry: Entry) -> Iterator[Path]:
    """Yield a local path of a recording; files behind a URL are downloaded, and removed after the block."""
    if not is_url(entry.address):
        yield Path(entry.address)
        return
    with tempfile.TemporaryDirectory(prefix="ictal-", dir=_scratch(), ignore_cleanup_errors=True) as folder:
        if shutil.disk_usage(folder).free < entry.n_bytes:
            raise _FatalError(f"{folder}: is too small for {entry.address}, {entry.n_bytes / 1e9:.1f} GB")
        for address in entry.parts:
            _fetch(address, Path(folder))
        try:
            yield Path(folder) / PurePosixPath(entry.address).name
        except IctalError as error:  # name the file as the user does
            error.args = (str(error).replace(folder, entry.address.rpartition("/")[0]),)
            raise


def _scratch() -> str | None:
    """Return this worker's temporary folder, which Dask removes if the worker is killed; None outside of a worker."""
    from distributed import get_worker

    try:
        return str(get_worker().local_directory)
    except ValueError:
        return None


def _fetch(address: str, folder: Path) -> None:
    from fsspec.core import url_to_fs

    try:
        files, path = url_to_fs(address)
        files.get(path, str(folder / PurePosixPath(address).name), recursive=files.isdir(path))
    except FileNotFoundError as error:
        raise ReadError(f"{address}: there is no such file") from error
    except OSError as error:
        if error.errno in FULL:
            raise _FatalError(f"{folder}: cannot be written: {reason(error)}") from error
        raise FetchError(f"{address}: cannot be downloaded: {error}") from error
