"""Score an archive: hand recordings out to workers, and keep account of what comes of each."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from ictal.archive.ledger import LEDGER, Ledger, Row, claim_ledger, write_table
from ictal.archive.partition import Partition
from ictal.archive.run_settings import ABOUT, About
from ictal.archive.source import Entry, is_url, plan
from ictal.archive.status import Status, is_due, status_of
from ictal.archive.worker import FetchError, Outcome, Scoring, score_entry
from ictal.core.atomic_files import remove_partial_files
from ictal.core.progress import Progress, silent
from ictal.core.windows import CENTRE_S
from ictal.distributed import Cluster, Finished, LostWorkerError, open_cluster, spread
from ictal.errors import RunError, WriteError
from ictal.scoring.engine import EngineName

Tell = Callable[[str, dict[str, Any]], None]
"""Told what has happened: the name of an event, and what is known of it."""
PASSING = (MemoryError, FetchError)
"""Errors after which a recording is tried again."""


def _untold(event: str, known: dict[str, Any]) -> None:
    """Tell nobody."""


def score_archive(
    source: str | Path,
    out: str | Path,
    model: str | Path = "default",
    *,
    cluster: Cluster | None = None,
    step_s: float = CENTRE_S,
    engine: EngineName = "auto",
    interpolate: int = 0,
    accept_doubtful: bool = False,
    progress: Progress = silent,
    tell: Tell = _untold,
) -> Status:
    """Score all recordings of a source that have not been scored as they are.

    In a script, call it below ``if __name__ == "__main__":``, since workers import the script.

    Parameters
    ----------
    source
        A folder, a BIDS data set, a manifest, or a URL of fsspec; see `ictal.archive.source.plan`.
    out
        Folder of the archive, which all workers share.
    model, step_s, engine, interpolate, accept_doubtful
        See `ictal.scoring.pipeline.score`. Other ones go to a partition of their own.
    cluster
        Where to work; None: on all processors of this machine.
    progress
        Told how many recordings have ended.
    tell
        Told about each recording as it ends ('done', 'failed', 'quarantined', with its row of the ledger), and of
        'planned', 'dashboard', and 'torn', a line of the ledger that a killed process left.

    Returns
    -------
    Status
        How the archive stands.

    Raises
    ------
    IctalError
        For a source, model or folder that cannot be used; a full disk; a lost scheduler. What is done is kept, and
        the same call goes on. A recording that cannot be scored is a row of the ledger and no error.
    """
    scoring = Scoring.of(model, step_s, engine, interpolate, accept_doubtful=accept_doubtful)
    place = str(source) if is_url(str(source)) else str(Path(source).absolute())
    return _run(place, Path(out), scoring, cluster or Cluster(), is_due, progress, tell)


def retry_archive(
    out: str | Path,
    model: str | None = None,
    *,
    cluster: Cluster | None = None,
    progress: Progress = silent,
    tell: Tell = _untold,
) -> Status:
    """Try the recordings again that failed or are in quarantine, as they were scored before.

    Parameters
    ----------
    out
        Folder of the archive.
    model
        Partition; None: that of the last run.
    cluster, progress, tell
        See `score_archive`.
    """
    about = About.read(Path(out))
    scoring = about.scorings[about.partition(model)]
    return _run(about.source, Path(out), scoring, cluster or Cluster(), _has_failed, progress, tell)


def _has_failed(entry: Entry, row: Row | None, present: Collection[str]) -> bool:
    return row is not None and row.state != "done"


def _run(
    source: str,
    folder: Path,
    scoring: Scoring,
    cluster: Cluster,
    wanted: Callable[[Entry, Row | None, Collection[str]], bool],
    progress: Progress,
    tell: Tell,
) -> Status:
    _check_place(source, folder)
    entries = plan(source)
    partition = Partition(folder.absolute(), scoring.name)
    with claim_ledger(folder) as ledger:
        if ledger.torn:
            tell("torn", {"line": ledger.torn.decode(errors="replace")})
        remove_partial_files(folder)
        _write_about(folder, source, len(entries), scoring)
        partition.tidy()
        present = partition.present()
        due = [entry for entry in entries if wanted(entry, ledger.rows.get((entry.recording, scoring.name)), present)]
        tell("planned", {"recordings": len(entries), "due": len(due)})
        if due:
            _score_all(due, scoring, partition, ledger, cluster, progress, tell)
        write_table(ledger.rows.values(), folder)
        return status_of(scoring.name, entries, ledger.rows.values(), partition.present())


def _check_place(source: str, folder: Path) -> None:
    """Refuse results among the recordings, and an archive of another source."""
    if not is_url(source) and Path(source).resolve() in (folder.resolve(), *folder.resolve().parents):
        raise WriteError(f"{folder}: lies in the source {source}; name a folder outside of it by --out")
    if (folder / ABOUT).is_file():
        held = About.read(folder)
        if held.source != source:
            raise RunError(
                f"{folder}: is an archive of {held.source}, not of {source}; name another folder by --out, or, where "
                f"the same recordings have moved, change 'source' in {folder / ABOUT}"
            )
    elif folder.exists() and (not folder.is_dir() or {path.name for path in folder.glob("[!.]*")} - {LEDGER}):
        raise RunError(f"{folder}: holds files but no archive; name a new or empty folder by --out")


def _write_about(folder: Path, source: str, n_recordings: int, scoring: Scoring) -> None:
    held = About.read(folder).scorings if (folder / ABOUT).is_file() else {}
    scorings = held | {scoring.name: scoring}
    About(source=source, n_recordings=n_recordings, model=scoring.name, scorings=scorings).write(folder)


def _score_all(
    due: Sequence[Entry],
    scoring: Scoring,
    partition: Partition,
    ledger: Ledger,
    cluster: Cluster,
    progress: Progress,
    tell: Tell,
) -> None:
    """Score recordings, and write a row of each when its results are in place."""
    work = partial(score_entry, scoring, partition.folder)
    progress("recordings", 0, len(due))
    with open_cluster(cluster, lambda link: tell("dashboard", {"link": link})) as client:
        for ended, finished in enumerate(spread(client, work, due, passing=PASSING), 1):
            row = _row(finished, scoring)
            if row.state != "done":
                partition.remove(finished.job)  # what an earlier version of the recording has left
            ledger.append(row)
            tell(row.state, asdict(row))
            progress("recordings", ended, len(due))


def _row(finished: Finished[Entry, Outcome], scoring: Scoring) -> Row:
    entry, outcome = finished.job, finished.result
    if outcome is None:
        outcome = Outcome(state="quarantined", reason=f"{_why(finished.error)} ({finished.tries} tries)")
    if outcome.state == "stop":
        raise WriteError(f"{outcome.reason}; what is done is kept: repeat the command to go on")
    known = outcome.model_dump()
    return Row(entry.recording, entry.address, entry.fingerprint, scoring.name, tries=finished.tries, **known)


def _why(error: BaseException | None) -> str:
    """Return why a recording is given up; an error that is not its own would befall every other, too."""
    if isinstance(error, MemoryError):
        return "it needed more memory than a worker has"
    if isinstance(error, (LostWorkerError, *PASSING)):
        return str(error)
    raise RunError(f"a worker cannot do its work: {type(error).__name__}: {error}") from error
