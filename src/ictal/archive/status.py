"""The status of an archive: what is done, what is left, what failed and why, and the speed."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ictal.archive.ledger import STATES, Row, read_ledger
from ictal.archive.partition import Partition
from ictal.archive.pieces import Entry
from ictal.archive.run_settings import ArchiveInfo
from ictal.archive.source import find_recordings
from ictal.errors import ReadError, TableError


@dataclass(frozen=True)
class Status:
    """The status of one partition of an archive.

    Attributes
    ----------
    model
        Name of the partition.
    n_recordings
        Number of recordings now in the source.
    states
        Number of these recordings in each of `STATES`, in their present version.
    eeg_h, worker_h
        Hours of EEG scored, and hours that workers needed.
    reasons
        Number of recordings not done, by reason, most frequent first.
    n_changed
        Recordings left to score because they have changed or lost their results since they were scored.
    n_departed
        Recordings in the ledger that are no longer in the source. Their results are kept, but not counted elsewhere.
    unseen
        Why the source could not be listed, so that the counts are those of the last run; otherwise empty.
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
        """Number of recordings that the next run will score."""
        return max(0, self.n_recordings - sum(self.states.values()))

    @property
    def speed(self) -> float:
        """Hours of EEG per worker hour; 0 if nothing is done."""
        return self.eeg_h / self.worker_h if self.worker_h else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the status as plain values."""
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
    """Return whether a recording must be scored: it never was, it has changed, or its results are missing.

    Parameters
    ----------
    entry
        The recording.
    row
        Its last row in the ledger.
    present
        Names of the entries with complete results.
    """
    return row is None or row.fingerprint != entry.fingerprint or (row.state == "done" and entry.name not in present)


def status_of(model: str, entries: Sequence[Entry], rows: Iterable[Row], present: Collection[str]) -> Status:
    """Return the status of a partition.

    Parameters
    ----------
    model
        The partition.
    entries
        The recordings of the source.
    rows
        The valid rows of the ledger.
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
    """Return the status of an archive, also during a run.

    The source is listed again, to include recordings that were added, changed or removed since the last run.

    Parameters
    ----------
    folder
        Folder of the archive.
    model
        Partition; None: that of the last run.

    Raises
    ------
    RunError, UnknownNameError
        If the folder is not an archive, or has no such partition.
    """
    folder = Path(folder)
    info = ArchiveInfo.read(folder)
    name = info.partition(model)
    rows = read_ledger(folder).values()
    present = Partition(folder, name).present()
    try:
        return status_of(name, find_recordings(info.source, info.join), rows, present)
    except (ReadError, TableError) as error:
        entries = [Entry(row.recording, (row.address,), row.fingerprint) for row in rows if row.model == name]
        known = status_of(name, entries, rows, present)
        return replace(known, n_recordings=max(info.n_recordings, len(entries)), unseen=str(error))
