"""The status of an archive: what is done, what is pending, what failed and why, and how fast it went."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ictal.archive.ledger import STATES, Row, read_ledger
from ictal.archive.partition import Partition
from ictal.archive.run_settings import About
from ictal.archive.source import Entry, plan
from ictal.errors import ReadError, TableError


@dataclass(frozen=True)
class Status:
    """The state of one model's part of an archive.

    Attributes
    ----------
    model
        Partition.
    n_recordings
        In the source as it is now.
    states
        How many of these are in each of `STATES`, as they are now.
    eeg_h, worker_h
        Hours of EEG that are scored, and hours that workers took for them.
    reasons
        How many recordings are not done for each reason, the most frequent first.
    n_changed
        How many of those that are left were scored, but have changed since or lost their results.
    n_departed
        Recordings that the ledger knows and the source no longer holds. Their results stay; they count nowhere else.
    unseen
        Why the source could not be listed; the counts are then those of the last run. Empty where it could.
    """

    model: str
    n_recordings: int
    states: dict[str, int]
    eeg_h: float
    worker_h: float
    reasons: dict[str, int]
    n_changed: int = 0
    n_departed: int = 0
    unseen: str = ""

    @property
    def n_left(self) -> int:
        """Recordings of the source that the next run has to score."""
        return max(0, self.n_recordings - sum(self.states.values()))

    @property
    def speed(self) -> float:
        """Hours of EEG per hour of one worker; 0 where nothing is done."""
        return self.eeg_h / self.worker_h if self.worker_h else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {
            "model": self.model,
            "recordings": self.n_recordings,
            **self.states,
            "left": self.n_left,
            "changed": self.n_changed,
            "departed": self.n_departed,
            "source_unseen": self.unseen,
            "eeg_h": self.eeg_h,
            "worker_h": self.worker_h,
            "eeg_h_per_worker_h": self.speed,
            "reasons": self.reasons,
        }


def is_due(entry: Entry, row: Row | None, present: Collection[str]) -> bool:
    """Say whether a recording is to be scored: it never was, it has changed, or its results are gone.

    Parameters
    ----------
    entry
        The recording.
    row
        Its last row of the ledger.
    present
        Names of the entries whose results are in place.
    """
    return row is None or row.fingerprint != entry.fingerprint or (row.state == "done" and entry.name not in present)


def status_of(model: str, entries: Sequence[Entry], rows: Iterable[Row], present: Collection[str]) -> Status:
    """Return the state of a partition.

    Parameters
    ----------
    model
        The partition.
    entries
        The recordings of the source.
    rows
        Those of the ledger that count.
    present
        See `is_due`.
    """
    of_model = {row.recording: row for row in rows if row.model == model}
    known = [(entry, of_model.get(entry.recording)) for entry in entries]
    counted = [row for entry, row in known if row and not is_due(entry, row, present)]
    counts = Counter(row.state for row in counted)
    done = [row for row in counted if row.state == "done"]
    reasons = Counter(row.reason.replace(row.address, "...") for row in counted if row.state != "done")
    n_known = sum(row is not None for _, row in known)
    return Status(
        model,
        len(entries),
        {state: counts[state] for state in STATES},
        sum(row.eeg_h for row in done),
        sum(row.duration_s for row in done) / 3600,
        dict(reasons.most_common()),
        n_changed=n_known - len(counted),
        n_departed=len(of_model) - n_known,
    )


def archive_status(folder: str | Path, model: str | None = None) -> Status:
    """Return the status of an archive, also while a run is at work in it.

    The source is listed anew, so that recordings that were added, changed or removed since the last run are seen.

    Parameters
    ----------
    folder
        Of the archive.
    model
        Partition; None: that of the last run.

    Raises
    ------
    RunError, UnknownNameError
        If the folder is no archive, or has no such partition.
    """
    folder = Path(folder)
    about = About.read(folder)
    name = about.partition(model)
    rows = read_ledger(folder)[0].values()
    present = Partition(folder, name).present()
    try:
        return status_of(name, plan(about.source), rows, present)
    except (ReadError, TableError) as error:
        entries = [Entry(row.recording, (row.address,), row.fingerprint) for row in rows if row.model == name]
        known = status_of(name, entries, rows, present)
        return replace(known, n_recordings=max(about.n_recordings, len(entries)), unseen=str(error))
