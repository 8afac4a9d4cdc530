"""Storage of scores, events and burden: three Parquet data sets, each partitioned by model."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ictal.archive.pieces import Entry
from ictal.core.atomic_files import atomic_write, remove_partial_files, writing
from ictal.scoring.burden import burden, longest_events
from ictal.scoring.event_columns import MEASURED, MEASURED_NUMBERS, measured
from ictal.scoring.events import Event
from ictal.scoring.scores import Scores
from ictal.terminology.findings import EventFinding

KINDS = ("scores", "events", "burden")
"""The data sets, each a folder."""
PARTITION = "model="
"""Start of the folder name of a partition."""
EVENTS: pa.Schema = pa.schema(
    [
        *((name, pa.string()) for name in ("recording", "pattern")),
        *((name, pa.float64()) for name in ("start_s", "stop_s", "duration_s", "peak", "mean")),
        *((name, pa.float64() if name in MEASURED_NUMBERS else pa.string()) for name in MEASURED),
    ]
)
"""Columns of events; version 0.1 wrote none of `MEASURED`."""
BURDEN: pa.Schema = pa.schema(
    [
        *((name, pa.string()) for name in ("recording", "pattern")),
        *((name, pa.float64()) for name in ("span_s", "scored_s", "event_s", "burden")),
        ("prevalence", pa.string()),
        ("mean_probability", pa.float64()),
        ("n_events", pa.int64()),
        ("longest_s", pa.float64()),
    ]
)
"""Burden columns of a recording: those of `ictal.scoring.burden.burden` over its whole duration, and event totals."""


@dataclass(frozen=True)
class Partition:
    """The part of an archive made with one model and one set of settings.

    Attributes
    ----------
    folder
        Folder of the archive.
    model
        Name of the partition.
    """

    folder: Path
    model: str

    def file(self, kind: str, entry: Entry) -> Path:
        """Return the path of a recording's file in one of the data sets `KINDS`."""
        return self._place(kind) / f"{entry.name}.parquet"

    def write(self, entry: Entry, scores: Scores) -> None:
        """Write all results of a recording atomically, replacing older files.

        Raises
        ------
        WriteError
            If a file cannot be written.
        """
        events = scores.events()
        named = scores.frame.copy()
        named.insert(0, "recording", entry.recording)
        replace(scores, frame=named).write(self.file("scores", entry), synced=True)
        self._write("events", entry, _events(entry, events, scores.findings().events))
        self._write("burden", entry, _burden(entry, scores, events))

    def _write(self, kind: str, entry: Entry, table: pa.Table) -> None:
        with atomic_write(self.file(kind, entry), synced=True) as part:
            pq.write_table(table, part)

    def remove(self, entry: Entry) -> None:
        """Remove the results of an earlier version of a recording."""
        for kind in KINDS:
            with writing(self.file(kind, entry)):
                self.file(kind, entry).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove incomplete files of killed processes; no process may be writing."""
        for kind in KINDS:
            remove_partial_files(self._place(kind))

    def present(self) -> set[str]:
        """Return the names of the entries with complete results."""
        return set.intersection(*({path.stem for path in self._place(kind).glob("*.parquet")} for kind in KINDS))

    def _place(self, kind: str) -> Path:
        return self.folder / kind / f"{PARTITION}{self.model}"


def _events(entry: Entry, events: Sequence[Event], found: Sequence[EventFinding]) -> pa.Table:
    rows = [
        asdict(event) | {"recording": entry.recording, "duration_s": event.duration_s} | measured(one)
        for event, one in zip(events, found, strict=True)
    ]
    return pa.Table.from_pylist(rows, EVENTS)


def _burden(entry: Entry, scores: Scores, events: Sequence[Event]) -> pa.Table:
    """Return one row per pattern for the whole recording."""
    whole_s = max(1.0, math.ceil(scores.frame["stop_s"].max()))
    table = burden(scores.frame, events, f"{whole_s}s").drop(columns=["start_s", "stop_s"])
    table["recording"], table["span_s"] = entry.recording, scores.recording.span_s
    table["n_events"] = [sum(event.pattern == pattern for event in events) for pattern in table["pattern"]]
    longest = longest_events(events)
    table["longest_s"] = [longest[pattern].duration_s if pattern in longest else 0.0 for pattern in table["pattern"]]
    return pa.Table.from_pandas(table, BURDEN, preserve_index=False)
