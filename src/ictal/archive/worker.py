"""What a worker does: score one recording of an archive. It loads the model once."""

import errno
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Literal

from ictal.archive.ledger import LEDGER
from ictal.archive.partition import Partition
from ictal.archive.source import Entry, is_url
from ictal.core.atomic_files import hash_of
from ictal.core.settings import Settings
from ictal.errors import IctalError, ModelError, ReadError, WriteError
from ictal.models.hub import find_model
from ictal.scoring.engines import Engine, EngineName, open_engine
from ictal.scoring.export_contract import Contract
from ictal.scoring.pipeline import score

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a system says where a disk, or the share that a user has of it, is full."""


class Scoring(Settings):
    """Which model scores, and how.

    Attributes
    ----------
    model
        Its name, or the path of its folder, which every worker must see.
    weights_sha256, card
        Which model that was when the run was planned.
    step_s, engine, interpolate, accept_doubtful
        See `ictal.scoring.pipeline.score`.
    """

    model: str
    weights_sha256: str
    card: str
    step_s: float
    engine: EngineName
    interpolate: int
    accept_doubtful: bool = False

    @classmethod
    def of(
        cls, model: str | Path, step_s: float, engine: EngineName, interpolate: int, *, accept_doubtful: bool = False
    ) -> "Scoring":
        """Return what a model makes it; the model is exported where it has not been, so that no worker has to."""
        folder = find_model(model)
        contract = open_engine(folder, engine, 1).contract
        # A name stays a name: the folder of a model that ships with ictal is another on another machine.
        place = str(folder.absolute()) if folder == Path(model) else str(model)
        return cls(
            model=place,
            weights_sha256=contract.weights_sha256,
            card=contract.card,
            step_s=step_s,
            engine=engine,
            interpolate=interpolate,
            accept_doubtful=accept_doubtful,
        )

    @property
    def name(self) -> str:
        """Name of the partition: that of the model, and a few digits that change with the model and the settings."""
        # Left out where it is not set, so that archives of before keep the names of their partitions.
        left_out = {"model"} if self.accept_doubtful else {"model", "accept_doubtful"}
        return f"{Path(self.model).name}-{hash_of(self.model_dump(exclude=left_out))[:8]}"

    def check(self, contract: Contract) -> None:
        """Raise a `ModelError` where a contract is that of another model."""
        if (contract.weights_sha256, contract.card) != (self.weights_sha256, self.card):
            raise ModelError(f"{self.model}: is another model here than where the run was started")


class Outcome(Settings):
    """What came of a recording.

    Attributes
    ----------
    state
        'done'; 'failed', for what is wrong with the recording; or 'stop', for what would befall every other, too.
    reason
        Why it is not done.
    eeg_h
        Hours from the first sample to the last.
    duration_s
        How long it took.
    worker
        Computer and process.
    """

    state: Literal["done", "failed", "quarantined", "stop"]
    reason: str = ""
    eeg_h: float = 0.0
    duration_s: float = 0.0
    worker: str = ""


class FetchError(OSError):
    """A file could not be fetched, this time."""


def score_entry(scoring: Scoring, folder: Path, entry: Entry) -> Outcome:
    """Score a recording, and write what comes of it into the archive.

    Parameters
    ----------
    scoring
        Which model, and how.
    folder
        Of the archive, which holds its ledger.
    entry
        The recording.

    Raises
    ------
    MemoryError, FetchError
        Which may pass.
    """
    begun = time.perf_counter()
    worker = f"{socket.gethostname()}:{os.getpid()}"
    try:
        engine = _prepared(scoring, folder)
        with _at_hand(entry) as path:
            eeg_h = _score(path, engine, scoring, folder, entry)
    except (MemoryError, FetchError):
        raise
    except _StopError as error:
        return Outcome(state="stop", reason=str(error), worker=worker)
    except Exception as error:  # a damaged file may break any library; no other recording is to suffer for it
        told = (
            str(error)
            if isinstance(error, IctalError)
            else f"{entry.address}: an unforeseen error, {type(error).__name__}: {error}"
        )
        return Outcome(state="failed", reason=told, duration_s=time.perf_counter() - begun, worker=worker)
    return Outcome(state="done", eeg_h=eeg_h, duration_s=time.perf_counter() - begun, worker=worker)


class _StopError(IctalError):
    """What would befall every other recording as well."""


@lru_cache(maxsize=1)
def _prepared(scoring: Scoring, folder: Path) -> Engine:
    """Return the engine, loaded once per process, after a look whether this worker sees the archive."""
    if not (folder / LEDGER).is_file():
        raise _StopError(
            f"{folder}: is not there on the worker {socket.gethostname()}; results must lie in a folder that all "
            "workers share"
        )
    try:
        engine = open_engine(find_model(scoring.model), scoring.engine, 1)
        scoring.check(engine.contract)
    except IctalError as error:
        raise _StopError(f"worker {socket.gethostname()}: {error}") from error
    return engine


def _score(path: Path, engine: Engine, scoring: Scoring, folder: Path, entry: Entry) -> float:
    """Score and write a recording; return its hours."""
    try:
        scores = score(
            path,
            engine,
            step_s=scoring.step_s,
            interpolate=scoring.interpolate,
            accept_doubtful=scoring.accept_doubtful,
        )
        info = scores.recording.model_copy(update={"name": entry.address})
        Partition(folder, scoring.name).write(entry, replace(scores, recording=info))
    except WriteError as error:
        raise _StopError(str(error)) from error
    return scores.recording.span_s / 3600


@contextmanager
def _at_hand(entry: Entry) -> Iterator[Path]:
    """Give the path of a recording; one behind a URL is fetched, with its parts, and removed after the block."""
    if not is_url(entry.address):
        yield Path(entry.address)
        return
    with tempfile.TemporaryDirectory(prefix="ictal-", dir=_scratch(), ignore_cleanup_errors=True) as folder:
        if shutil.disk_usage(folder).free < entry.n_bytes:
            raise _StopError(f"{folder}: has no room for {entry.address}, {entry.n_bytes / 1e9:.1f} GB")
        for address in entry.parts:
            _fetch(address, Path(folder))
        try:
            yield Path(folder) / PurePosixPath(entry.address).name
        except IctalError as error:  # names the file as the user does
            error.args = (str(error).replace(folder, entry.address.rpartition("/")[0]),)
            raise


def _scratch() -> str | None:
    """Return the folder of this worker, which Dask removes where the worker was killed; None where there is none."""
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
            raise _StopError(f"{folder}: cannot be written: {error.strerror}") from error
        raise FetchError(f"{address}: cannot be fetched: {error}") from error
