"""How an archive stands: what is done, what is not and why, and how fast it went."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ictal.archive.about import About
from ictal.archive.ledger import STATES, Row, read_ledger


@dataclass(frozen=True)
class Status:
    """The state of one model's part of an archive.

    Attributes
    ----------
    model
        Partition.
    n_recordings
        Of the source.
    states
        How many recordings are in each of `STATES`.
    eeg_h, worker_h
        Hours of EEG that are scored, and hours that workers took for them.
    reasons
        How many recordings are not done for each reason, the most frequent first.
    """

    model: str
    n_recordings: int
    states: dict[str, int]
    eeg_h: float
    worker_h: float
    reasons: dict[str, int]

    @property
    def n_left(self) -> int:
        """Recordings of the source of which the ledger says nothing."""
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
            "eeg_h": self.eeg_h,
            "worker_h": self.worker_h,
            "eeg_h_per_worker_h": self.speed,
            "reasons": self.reasons,
        }


def status_of(model: str, n_recordings: int, rows: Iterable[Row]) -> Status:
    """Return the state of a partition by the rows of its ledger that count."""
    rows = [row for row in rows if row.model == model]
    counts = Counter(row.state for row in rows)
    done = [row for row in rows if row.state == "done"]
    reasons = Counter(row.reason.replace(row.address, "...") for row in rows if row.state != "done")
    return Status(
        model,
        n_recordings,
        {state: counts[state] for state in STATES},
        sum(row.eeg_h for row in done),
        sum(row.duration_s for row in done) / 3600,
        dict(reasons.most_common()),
    )


def archive_status(folder: str | Path, model: str | None = None) -> Status:
    """Return how an archive stands, also while a run is at work in it.

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
    return status_of(about.partition(model), about.n_recordings, read_ledger(folder)[0].values())
