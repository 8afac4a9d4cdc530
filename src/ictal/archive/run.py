"""Score an archive: distribute recordings to workers, and record the outcome of each."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ictal.archive.ledger import LEDGER, Ledger, Row, claim_ledger, write_table
from ictal.archive.partition import Partition
from ictal.archive.pieces import Entry
from ictal.archive.run_settings import INFO_FILE, ArchiveInfo, ArchiveSettings, PartitionSettings
from ictal.archive.source import find_recordings, is_url
from ictal.archive.status import Status, is_due, status_of
from ictal.archive.worker import FetchError, Outcome, score_entry
from ictal.core.atomic_files import remove_partial_files
from ictal.core.event_log import Tell, ignore_event
from ictal.core.progress import Progress, silent
from ictal.distributed import Cluster, Finished, LostWorkerError, open_cluster, spread
from ictal.errors import RunError, WriteError

TEMPORARY_ERRORS = (MemoryError, FetchError)
"""Errors after which a recording is tried again."""


def score_archive(
    source: str | Path,
    out: str | Path,
    model: str | Path = "default",
    settings: ArchiveSettings = ArchiveSettings(),  # noqa: B008 (frozen)
    *,
    progress: Progress = silent,
    tell: Tell = ignore_event,
    **changes: Any,
) -> Status:
    """Score all recordings of a source that have not been scored in their present state.

    In a script, call this function below ``if __name__ == "__main__":``, since workers import the script.

    Parameters
    ----------
    source
        A folder, a BIDS data set, a manifest, or an fsspec URL; see `ictal.archive.source.find_recordings`.
    out
        Folder of the archive, shared by all workers.
    model
        Name or folder of the model.
    settings
        How to score, and where to run.
    progress
        Callback with the number of finished recordings.
    tell
        Callback for each finished recording ('done', 'failed' or 'quarantined', with its row of the ledger), and for
        'planned', 'dashboard', and 'torn', an incomplete line that a killed process left in the ledger.
    **changes
        Single fields of `settings`: `step_s`, `engine`, `interpolate`, `accept_doubtful`, `join`, `cluster`.

    Returns
    -------
    Status
        The status of the archive.

    Raises
    ------
    IctalError
        If the source, the model or the folder cannot be used, the disk is full, or the scheduler is lost. Finished
        recordings are kept, and the same call resumes. A recording that cannot be scored is not an error, but a row
        of the ledger.
    """
    settings = settings.changed(changes)
    address = str(source) if is_url(str(source)) else str(Path(source).absolute())
    scoring = PartitionSettings.of(model, settings, _partitions(Path(out)))
    origin = _Origin(address, settings.join)
    return _Run(origin, Path(out), scoring, settings.cluster or Cluster(), progress, tell).score(is_due)


def retry_archive(
    out: str | Path,
    model: str | None = None,
    *,
    cluster: Cluster | None = None,
    progress: Progress = silent,
    tell: Tell = ignore_event,
) -> Status:
    """Score failed and quarantined recordings again, with the same settings.

    Parameters
    ----------
    out
        Folder of the archive.
    model
        Partition; None: that of the last run.
    cluster, progress, tell
        See `score_archive`.
    """
    info = ArchiveInfo.read(Path(out))
    scoring = info.scorings[info.partition(model)]
    run = _Run(_Origin(info.source, info.join), Path(out), scoring, cluster or Cluster(), progress, tell)
    return run.score(_has_failed)


def _has_failed(entry: Entry, row: Row | None, present: Collection[str]) -> bool:
    return row is not None and row.state != "done"


@dataclass(frozen=True)
class _Origin:
    """Where the recordings are, and the pattern by which files are joined, or ''."""

    address: str
    join: str


@dataclass(frozen=True)
class _Run:
    """One run over an archive: a source, a folder, the settings, and where progress is reported."""

    source: _Origin
    folder: Path
    scoring: PartitionSettings
    cluster: Cluster
    progress: Progress
    tell: Tell

    def score(self, is_wanted: Callable[[Entry, Row | None, Collection[str]], bool]) -> Status:
        """Score the wanted recordings and return the status."""
        name = self.scoring.name
        _check_folder(self.source, self.folder)
        entries = find_recordings(self.source.address, self.source.join)
        partition = Partition(self.folder.absolute(), name)
        with claim_ledger(self.folder) as ledger:
            if ledger.file.torn:
                self.tell("torn", {"line": ledger.file.torn.decode(errors="replace")})
            remove_partial_files(self.folder)
            self._write_info(len(entries))
            partition.tidy()
            present = partition.present()
            due = [entry for entry in entries if is_wanted(entry, ledger.rows.get((entry.recording, name)), present)]
            self.tell("planned", {"recordings": len(entries), "due": len(due)})
            if due:
                self._score_all(due, partition, ledger)
            write_table(ledger.rows.values(), self.folder)
            return status_of(name, entries, ledger.rows.values(), partition.present())

    def _write_info(self, n_recordings: int) -> None:
        name = self.scoring.name
        scorings = _partitions(self.folder) | {name: self.scoring}
        where = {"source": self.source.address, "join": self.source.join}
        ArchiveInfo(**where, n_recordings=n_recordings, model=name, scorings=scorings).write(self.folder)

    def _score_all(self, due: Sequence[Entry], partition: Partition, ledger: Ledger) -> None:
        """Score recordings, and write the row of each once its results are in place."""
        work = partial(score_entry, self.scoring, partition.folder)
        self.progress("recordings", 0, len(due))
        with open_cluster(self.cluster, lambda link: self.tell("dashboard", {"link": link})) as client:
            for n_ended, finished in enumerate(spread(client, work, due, passing=TEMPORARY_ERRORS), 1):
                row = _row(finished, self.scoring.name)
                if row.state != "done":
                    partition.remove(finished.job)  # results of an earlier version of the recording
                ledger.append(row)
                self.tell(row.state, asdict(row))
                self.progress("recordings", n_ended, len(due))


def _partitions(folder: Path) -> dict[str, PartitionSettings]:
    return ArchiveInfo.read(folder).scorings if (folder / INFO_FILE).is_file() else {}


def _check_folder(wanted: _Origin, folder: Path) -> None:
    """Raise an error for an archive within its source, or an archive of another source."""
    source = wanted.address
    if not is_url(source) and Path(source).resolve() in (folder.resolve(), *folder.resolve().parents):
        raise WriteError(f"{folder}: is in the source {source}; name a folder outside of it with --out")
    if (folder / INFO_FILE).is_file():
        known = ArchiveInfo.read(folder)
        if known.source != source:
            raise RunError(
                f"{folder}: is an archive of {known.source}, not of {source}; name another folder with --out or, if "
                f"the same recordings have moved, change 'source' in {folder / INFO_FILE}"
            )
        if known.join != wanted.join:
            before, now = (f"with --join '{one}'" if one else "without --join" for one in (known.join, wanted.join))
            raise RunError(
                f"{folder}: was made {before}, but this run is {now}, so recordings would have other names; repeat "
                "the command as before, or name another folder with --out"
            )
    elif folder.exists() and (not folder.is_dir() or {path.name for path in folder.glob("[!.]*")} - {LEDGER}):
        raise RunError(f"{folder}: contains files but no archive; name a new or empty folder with --out")


def _row(finished: Finished[Entry, Outcome], partition: str) -> Row:
    entry, outcome = finished.job, finished.result
    if outcome is None:
        outcome = Outcome(state="quarantined", reason=f"{_why(finished.error)} ({finished.tries} tries)")
    if outcome.state == "stop":
        raise WriteError(f"{outcome.reason}; finished recordings are kept: repeat the command to resume")
    details = outcome.model_dump()
    return Row(entry.recording, entry.address, entry.fingerprint, partition, tries=finished.tries, **details)


def _why(error: BaseException | None) -> str:
    """Return why a recording is given up; raise errors that would affect every recording."""
    if isinstance(error, MemoryError):
        return "it needed more memory than a worker has"
    if isinstance(error, (LostWorkerError, *TEMPORARY_ERRORS)):
        return str(error)
    raise RunError(f"a worker cannot do its work: {type(error).__name__}: {error}") from error
