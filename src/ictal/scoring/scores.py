"""Scores of a recording: a row per window, what was recorded, and what made them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ictal.core.atomic_files import atomic_write
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.recording import Recording
from ictal.core.settings import Settings
from ictal.errors import TableError, listed, reason
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.channel_mapping import reference_notes
from ictal.scoring.burden import burden
from ictal.scoring.events import Event, EventSettings, find_events
from ictal.scoring.quality import FLAWS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPECTRUM_COLUMNS = ("spectrum_left", "spectrum_right")
AEEG_COLUMNS = ("aeeg_left_low", "aeeg_left_high", "aeeg_right_low", "aeeg_right_high")
COLUMNS = (
    *("start_s", "stop_s"),
    *PROBABILITY_COLUMNS,
    *("spread", "reason", "usable", "made_up_s"),
    *FLAWS,
    "left_right",
    *SPECTRUM_COLUMNS,
    *AEEG_COLUMNS,
    "marks",
)
"""Columns of the table; docs/outputs.md says what each holds."""

METADATA = b"ictal"
"""Key under which a Parquet file of scores keeps what was recorded and what made the scores."""


def spread_of(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return how widely each prediction is spread over the patterns, 1 - sum p^2 (Gini-Simpson), [window].

    It is 0 where the model is sure of one pattern, and 5/6 where it gives one sixth to each. It is not the share of
    pairs of experts who would disagree: a model that does not know which way a panel leans spreads its prediction,
    though the panel may be of one mind.
    """
    return np.asarray(1 - (frame[list(PROBABILITY_COLUMNS)].to_numpy(dtype=np.float64) ** 2).sum(axis=1))


class RecordingInfo(Settings):
    """What was scored.

    Attributes
    ----------
    name
        Path of the recording, or its id.
    start
        Clock time of the first sample, where it is known.
    span_s
        From the first sample to the last, gaps included.
    rate_hz, channels
        Of the file.
    kind, interpolated
        See `ictal.preprocessing.channel_graph.ChannelMapping`.
    gaps
        Start and duration of each, in seconds.
    annotations
        Onset, duration and text of each.
    notes
        What a user must know of the file.
    """

    name: str
    start: datetime | None
    span_s: float
    rate_hz: float
    channels: tuple[str, ...]
    kind: Literal["referential", "bipolar"]
    interpolated: tuple[str, ...] = ()
    gaps: tuple[tuple[float, float], ...] = ()
    annotations: tuple[tuple[float, float, str], ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, recording: Recording, mapping: ChannelMapping, notes: Sequence[str] = ()) -> "RecordingInfo":
        """Describe a recording as it was scored."""
        return cls(
            name=recording.name,
            start=recording.start,
            span_s=recording.span_s,
            rate_hz=recording.rate_hz,
            channels=recording.channels,
            kind=mapping.kind,
            interpolated=mapping.interpolated,
            gaps=tuple((gap.start_s, gap.duration_s) for gap in recording.gaps),
            annotations=tuple((note.onset_s, note.duration_s, note.text) for note in recording.annotations),
            notes=(*recording.all_notes, *reference_notes(mapping), *notes),
        )


@dataclass(frozen=True)
class Scores:
    """What a model says of a recording over time.

    Attributes
    ----------
    frame
        A row per window, in the order of time: the columns `COLUMNS`.
    recording
        What was scored.
    manifest
        What made the scores, as plain values.
    """

    frame: pd.DataFrame
    recording: RecordingInfo
    manifest: dict[str, Any]

    def events(self, settings: EventSettings | None = None) -> list[Event]:
        """Return the events: runs of time in which a pattern is probable."""
        return find_events(self.frame, settings, self.recording.gaps)

    def burden(self, every: str = "1h", settings: EventSettings | None = None) -> pd.DataFrame:
        """Return how much of each stretch of time each pattern takes."""
        return burden(self.frame, self.events(settings), every)

    def plot(self) -> "Figure":
        """Draw the recording at a glance."""
        # The report stands above this module, so that what draws is looked up when it is wanted.
        figure: Figure = import_module("ictal.report.recording_figures").scores_figure(self)
        return figure

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.frame.copy()

    def to_bids(self, folder: str | Path) -> list[Path]:
        """Write the events as BIDS `events.tsv` with its JSON."""
        return self._write("bids", folder)

    def to_edf(self, folder: str | Path) -> list[Path]:
        """Write a copy of the recording as EDF+ with the events as annotations."""
        return self._write("edf", folder)

    def _write(self, name: str, folder: str | Path) -> list[Path]:
        paths: list[Path] = import_module("ictal.scoring.writers").WRITERS[name](self, Path(folder))
        return paths

    def write(self, path: str | Path, *, synced: bool = False) -> None:
        """Write table, recording and manifest as one Parquet file, whole or not at all; see `atomic_write`."""
        table = pa.Table.from_pandas(self.frame, preserve_index=False)
        kept = {"recording": self.recording.model_dump(mode="json"), "manifest": self.manifest}
        metadata = {**(table.schema.metadata or {}), METADATA: json.dumps(kept).encode()}
        with atomic_write(Path(path), synced=synced) as part:
            pq.write_table(table.replace_schema_metadata(metadata), part)

    @classmethod
    def read(cls, path: str | Path) -> "Scores":
        """Read what `write` wrote.

        Raises
        ------
        TableError
            If the file is not such a table.
        """
        try:
            table = pq.read_table(path)
            kept = json.loads((table.schema.metadata or {})[METADATA])
            info, manifest = RecordingInfo.model_validate(kept["recording"]), dict(kept["manifest"])
        except (OSError, pa.ArrowException) as error:
            raise TableError(f"{path}: cannot be read as Parquet: {reason(error)}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise TableError(f"{path}: is Parquet, but not scores that 'ictal score' wrote") from error
        frame = table.to_pandas()
        if "spread" not in frame and {*PROBABILITY_COLUMNS} <= {*frame}:
            frame["spread"] = spread_of(frame)  # 0.1.0 called it something else
        lacking = [name for name in COLUMNS if name not in frame]
        if lacking:
            raise TableError(f"{path}: lacks the columns {listed(lacking, 30)} of a table of scores")
        return cls(frame, info, manifest)
