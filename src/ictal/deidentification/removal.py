"""What de-identification removed from a file, what it kept, and where it wrote the new one."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ictal.core.summary_table import SummaryTable

LISTED_TIMES = 3
"""Times of a removed annotation that a table shows; the others are counted."""


@dataclass(frozen=True)
class Removal:
    """A text that was removed or replaced.

    Attributes
    ----------
    place
        The field or signal, or 'annotation'.
    old, new
        The text, and what replaced it; '' if nothing did.
    why
        Why it did not stay.
    times_s
        Of annotations with this text, in seconds from the start in the header.
    """

    place: str
    old: str
    new: str
    why: str
    times_s: tuple[float, ...] = ()


@dataclass(frozen=True)
class Deidentified:
    """The result for one recording. It names the patient: keep it where the key file is kept.

    Attributes
    ----------
    source
        The recording.
    out
        The new file.
    removals
        Everything that was removed or replaced.
    kept
        The texts of the annotations that were kept, with the number of each.
    kept_labels
        Labels of signals that are not known electrodes, and were kept.
    notes
        What a user must know, one sentence each.
    results
        Files with results under the new name; in a dry run, the main ones that would be written.
    dry_run
        Whether nothing was written.
    """

    source: Path
    out: Path
    removals: tuple[Removal, ...]
    kept: dict[str, int]
    kept_labels: tuple[str, ...]
    notes: tuple[str, ...]
    results: tuple[Path, ...] = ()
    dry_run: bool = False

    def to_table(self) -> SummaryTable:
        """Return what was removed, a row each."""
        rows = tuple((_place(one), one.old, one.new or "–", one.why) for one in self.removals)
        return SummaryTable(("field", "old", "new", "why"), rows, numbers=False)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        values = asdict(self)
        texts = {"source": str(self.source), "out": str(self.out), "results": [str(path) for path in self.results]}
        return values | texts


def _place(removal: Removal) -> str:
    if not removal.times_s:
        return removal.place
    shown = ", ".join(f"{time_s:g}" for time_s in removal.times_s[:LISTED_TIMES])
    more = len(removal.times_s) - LISTED_TIMES
    return f"{removal.place} at {shown} s" + (f" and {more} more" if more > 0 else "")


def kept_lines(kept: dict[str, int], most: int) -> Sequence[str]:
    """Return the kept texts for the screen, with the number of each; at most so many."""
    lines = [f"  {text}" + (f" ({n} times)" if n > 1 else "") for text, n in list(kept.items())[:most]]
    return [*lines, f"  and {len(kept) - most} more, which --json lists"] if len(kept) > most else lines
