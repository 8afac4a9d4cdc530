"""What a run on an archive shows and logs, and the status of the archive."""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from ictal.cli.screen import PARTLY_FAILED, Results, bar, say
from ictal.core.event_log import write_event

if TYPE_CHECKING:
    from ictal.archive.status import Status
    from ictal.core.progress import Progress

MAX_REASONS = 8
"""Number of reasons that are printed; the others are only counted."""


@contextmanager
def logging_to(log: str | None) -> "Iterator[tuple[Progress, EventLog]]":
    """Yield the callbacks of a run for progress and events: a bar, and lines of JSON if requested."""
    with ExitStack() as stack:
        file = stack.enter_context(Path(log).open("a", encoding="utf-8")) if log and log != "-" else None
        events = EventLog(sys.stdout if log == "-" else file)
        yield stack.enter_context(bar(more=events.in_short)), events


class EventLog:
    """Counts events, and writes each as a line of JSON."""

    def __init__(self, file: TextIO | None) -> None:
        self.file, self.counts, self.eeg_h, self.started = file, Counter[str](), 0.0, time.monotonic()

    def __call__(self, event: str, known: dict[str, Any]) -> None:
        """Count an event, and write it with its details."""
        self.counts[event] += 1
        self.eeg_h += known.get("eeg_h", 0.0)
        if event == "dashboard":
            say(f"Dask's dashboard: {known['link']}")
            self.started = time.monotonic()
        if event == "torn":
            say("The last line of the ledger is incomplete, because a process was killed; it is ignored.")
        if self.file:
            write_event(self.file, event, known)

    def in_short(self) -> str:
        """Return what the bar shows next to the time left."""
        minutes = (time.monotonic() - self.started) / 60
        bad = self.counts["failed"] + self.counts["quarantined"]
        return f"{self.counts['done']} done, {bad} failed, {self.eeg_h / minutes:.1f} h of EEG per minute"


def finish(results: Results, status: "Status") -> None:
    """Write the JSON of a run, and exit with a special code if some recordings failed."""
    results.give_json(status.to_json())
    if status.states["failed"] or status.states["quarantined"]:
        raise typer.Exit(PARTLY_FAILED)


def show_status(results: Results, status: "Status") -> None:
    """Show how many recordings are done, left and failed, and why."""
    counts = ", ".join(f"{count} {state}" for state, count in status.states.items())
    left = f"{status.n_left} left" + (f" ({status.n_changed} of them changed)" if status.n_changed else "")
    results.show(f"{status.model}: {status.n_recordings} recordings: {counts}, {left}")
    if status.n_departed:
        results.show(f"{status.n_departed} more are no longer in the source; their results are kept, but not counted")
    if status.unseen:
        results.show(f"Counts are those of the last run, because the source cannot be listed: {status.unseen}")
    hours = f"{status.eeg_h:.1f} h of EEG in {status.worker_h:.2f} worker hours: {status.speed:.0f} h per worker hour"
    results.show(hours)
    reasons = [f"  {count} x {reason}" for reason, count in status.reasons.items()]
    results.show(*reasons[:MAX_REASONS])
    if len(reasons) > MAX_REASONS:
        results.show(f"  ... and {len(reasons) - MAX_REASONS} more reasons")
