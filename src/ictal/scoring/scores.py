"""Scores of a recording: a row per window, the recording itself, and how they were made."""

import json
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ictal.core.atomic_files import atomic_write
from ictal.core.labels import PATTERN_TITLES
from ictal.core.predictions import ALWAYS_KNOWN, PROBABILITY_COLUMNS
from ictal.errors import TableError, listed, reason
from ictal.measurement.columns import MEASURED_COLUMNS, NOT_MEASURED
from ictal.scoring.annotations import Gaps, annotations_of
from ictal.scoring.burden import burden, rolling_burden
from ictal.scoring.event_files import write_annotated_copy, write_events
from ictal.scoring.events import EVENT_PATTERNS, Events, EventSettings, find_events
from ictal.scoring.findings import find_findings
from ictal.scoring.quality import FLAWS
from ictal.scoring.scored_recording import RecordingInfo
from ictal.terminology.findings import RecordingFinding

if TYPE_CHECKING:
    import mne

SPECTRUM_COLUMNS: tuple[str, str] = ("spectrum_left", "spectrum_right")
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
    *MEASURED_COLUMNS,
)
"""Columns of the table; docs/outputs.md explains each."""

METADATA = b"ictal"
"""Key of the metadata in a Parquet file of scores: the recording, and how the scores were made."""


def spread_of(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return how widely each prediction is spread over the patterns, 1 - sum p^2 (Gini-Simpson), [window].

    It is 0 where the model is sure of one pattern, and 5/6 where it gives one sixth to each. It is not the share of
    pairs of experts who would disagree: a model that is uncertain which pattern a panel names spreads its
    prediction even if the panel is unanimous.
    """
    squares = (frame[list(PROBABILITY_COLUMNS)].astype(np.float64) ** 2).sum(axis=1)
    return np.where(frame[ALWAYS_KNOWN].isna(), np.nan, 1 - squares)


@dataclass(frozen=True)
class Scores:
    """The probabilities of a recording over time.

    Attributes
    ----------
    frame
        A row per window, ordered by time: the columns `COLUMNS`.
    recording
        The recording that was scored.
    manifest
        Versions, model and settings, as plain values.
    """

    frame: pd.DataFrame
    recording: RecordingInfo
    manifest: dict[str, Any]

    @property
    def event_patterns(self) -> tuple[str, ...]:
        """The patterns that form events and that the model knows."""
        model = self.manifest.get("model")
        known = model.get("patterns", EVENT_PATTERNS) if isinstance(model, dict) else EVENT_PATTERNS  # as before 0.2
        return tuple(name for name in EVENT_PATTERNS if name in known)

    def events(self, settings: EventSettings | None = None) -> Events:
        """Return the events: intervals in which a pattern is probable."""
        return find_events(self.frame, settings, self.recording.gaps)

    def burden(self, every: str = "1h", settings: EventSettings | None = None) -> pd.DataFrame:
        """Return the share of each interval that each pattern takes, see `ictal.scoring.burden.burden`."""
        return burden(self.frame, self.events(settings), every)

    def rolling_burden(self, window: str = "1h", every: str = "1min") -> pd.DataFrame:
        """Return the burden in a window that moves over the recording, see `ictal.scoring.burden.rolling_burden`."""
        return rolling_burden(self.frame, self.events(), window, every)

    def findings(self, settings: EventSettings | None = None) -> RecordingFinding:
        """Return what a report says of the recording: patterns, events, hours and background, in numbers and terms.

        The events are those of `events`, in the same order. With the default settings, they are computed once: change
        the table only in a copy, see `to_frame`.
        """
        return self._usual_findings if settings in (None, EventSettings()) else self._found(settings)

    @cached_property
    def _usual_findings(self) -> RecordingFinding:
        """The findings with the default settings, which every format of results asks for."""
        return self._found(None)

    def _found(self, settings: EventSettings | None) -> RecordingFinding:
        return find_findings(self.frame, self.events(settings), self.event_patterns, self.recording.span_s)

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the table."""
        return self.frame.copy()

    def _repr_html_(self) -> str:
        events, refused = self.events(), int((self.frame["reason"] != "").sum())
        rows = [
            (
                PATTERN_TITLES[pattern],
                f"{self.frame[f'{pattern}_probability'].mean():.2f}",
                len(own := [event.duration_s for event in events if event.pattern == pattern]),
                f"{sum(own):.0f}",
                f"{max(own, default=0):.0f}",
            )
            for pattern in self.event_patterns
        ]
        columns = ["pattern", "mean probability", "events", "seconds in events", "longest event, s"]
        table = pd.DataFrame(rows, columns=columns).to_html(index=False, border=0)
        hours = f"{self.recording.span_s / 3600:.2f} h, {len(self.frame)} windows, {refused} without a prediction"
        return f"<p><b>{escape(self.recording.name)}</b>: {hours}</p>{table}"

    def to_annotations(self, settings: EventSettings | None = None, *, gaps: Gaps | None = None) -> "mne.Annotations":
        """Return the events as annotations for MNE-Python.

        `orig_time` is the start of the recording in UTC if it is known; times without a zone are taken as UTC, as MNE
        does. MNE therefore puts each event where it belongs, also in a Raw that is cropped or whose first sample is
        not number 0 (`first_samp`). If the start is not known, onsets count from the first sample of the Raw.

        The place of an event is in its description. `ch_names` is left empty, because MNE refuses annotations that
        name a channel which was renamed or dropped from a Raw.

        Parameters
        ----------
        settings
            How probabilities become events.
        gaps
            Needed only if the recording has gaps. MNE-Python reads EDF+D, BrainVision, Nihon Kohden and Persyst as if
            there were none: 'closed' leaves them out of the onsets, so that events are at their samples. In FIF, gaps
            are samples of their own (`BAD_ACQ_SKIP`): 'kept' counts them.

        Raises
        ------
        UsageError
            If the recording has gaps, and `gaps` is not given.

        Examples
        --------
        >>> raw = mne.io.read_raw("night.edf")
        >>> raw.set_annotations(raw.annotations + ictal.score(raw).to_annotations())
        """
        return annotations_of(self.findings(settings).events, self.recording, gaps)

    def to_bids(self, folder: str | Path) -> list[Path]:
        """Write the events as BIDS `events.tsv` with its JSON."""
        return write_events(self.events(), self.findings().events, self.recording, Path(folder) / self.recording.stem)

    def to_edf(self, folder: str | Path) -> list[Path]:
        """Write a copy of the recording as EDF+ with the events as annotations."""
        return write_annotated_copy(self.findings().events, self.recording, Path(folder))

    def write(self, path: str | Path, *, synced: bool = False) -> None:
        """Write table, recording and manifest as one Parquet file, whole or not at all; see `atomic_write`."""
        table = pa.Table.from_pandas(self.frame, preserve_index=False)
        saved = {"recording": self.recording.model_dump(mode="json"), "manifest": self.manifest}
        metadata = {**(table.schema.metadata or {}), METADATA: json.dumps(saved).encode()}
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
            saved = json.loads((table.schema.metadata or {})[METADATA])
            info, manifest = RecordingInfo.model_validate(saved["recording"]), dict(saved["manifest"])
        except (OSError, pa.ArrowException) as error:
            raise TableError(f"{path}: cannot be read as Parquet: {reason(error)}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise TableError(f"{path}: is Parquet, but not scores that 'ictal score' wrote") from error
        frame = table.to_pandas()
        if "spread" not in frame and {*PROBABILITY_COLUMNS} <= {*frame}:
            frame["spread"] = spread_of(frame)  # 0.1.0 called it something else
        for name in MEASURED_COLUMNS:
            if name not in frame:  # as before 0.2
                frame[name] = [NOT_MEASURED[name]] * len(frame)
        lacking = [name for name in COLUMNS if name not in frame]
        if lacking:
            raise TableError(f"{path}: lacks the columns {listed(lacking, 30)} of a table of scores")
        return cls(frame, info, manifest)
