"""Events as files that other programs read: BIDS events.tsv, and a copy of the recording with annotations."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from ictal import __version__
from ictal.core.atomic_files import atomic_write, write_json, writing
from ictal.core.recording import Annotation
from ictal.errors import IctalError
from ictal.io import join_recordings
from ictal.io.convert import write_recording
from ictal.io.edf.annotated_copy import copy_edf_with_annotations
from ictal.io.open import format_of
from ictal.scoring.event_columns import MEASURED, MEASURED_NUMBERS, event_in_brief, measured
from ictal.scoring.events import Event
from ictal.scoring.scored_recording import RecordingInfo
from ictal.terminology.findings import EventFinding

log = logging.getLogger(__name__)

EDF_KINDS = (".edf", ".bdf")
"""Formats that are copied byte by byte, regardless of the suffix of a file."""
EVENT_TYPES = {
    "sz": "A seizure of unknown type, according to the votes that the model expects from experts.",
    "bckg": "No seizure: another pattern (column trial_type), or the whole recording where nothing was found.",
}
TRIAL_TYPES = {
    "seizure": "Electrographic seizure",
    "lpd": "Lateralized periodic discharges",
    "gpd": "Generalized periodic discharges",
    "lrda": "Lateralized rhythmic delta activity",
    "grda": "Generalized rhythmic delta activity",
    "n/a": "The row covers the whole recording, in which no pattern was found.",
}
HED_VERSION = "score_2.1.0"
"""Version of the HED schema of all tags: the library SCORE, which includes the standard schema 8.4.0."""
HED_TAGS = {
    "seizure": "Electroencephalographic-seizure",
    "lpd": "Lateralized-periodic-discharges",
    "gpd": "Generalized-periodic-discharges",
    "lrda": "Rhythmic-delta-activity",
    "grda": "Rhythmic-delta-activity",
}
"""The library has one tag for both kinds of rhythmic delta activity; a row of LRDA also has the tag of its side."""
SIDECAR: dict[str, Any] = {
    "onset": {"Description": "Start of the event, from the start of the recording, gaps included.", "Units": "s"},
    "duration": {"Description": "How long the event lasts.", "Units": "s"},
    "eventType": {
        "Description": "Seizure or not, in the words of SzCORE (Dan et al., Epilepsia 2024).",
        "Levels": EVENT_TYPES,
    },
    "confidence": {"Description": "Mean probability of the pattern over the event, from 0 to 1."},
    "channels": {
        "Description": "Electrodes of the 10-20 system where the pattern has at least half of its largest amplitude, "
        "separated by commas.",
    },
    "dateTime": {"Description": "Clock time of the start of the recording, YYYY-MM-DD HH:MM:SS."},
    "recordingDuration": {"Description": "How long the recording lasts, gaps included.", "Units": "s"},
    "trial_type": {
        "Description": "The pattern, one of those of the ACNS terminology of critical-care EEG (Hirsch et al. 2021).",
        "Levels": TRIAL_TYPES,
        "HED": HED_TAGS,
    },
    **MEASURED,
}
SZCORE_COLUMNS = tuple(SIDECAR)[: list(SIDECAR).index("trial_type")]
"""The columns of SzCORE, in its order."""


def annotation_text(event: EventFinding) -> str:
    """Return the text of an annotation for an event: 'ictal: LPD, left temporal, 1.2 Hz'."""
    return f"ictal: {event_in_brief(event)}"


def write_events(
    events: Sequence[Event],
    found: Sequence[EventFinding],
    recording: RecordingInfo,
    base: Path,
    more: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write events in the format of SzCORE and BIDS: BASE_events.tsv, then BASE_events.json, which describes it.

    Parameters
    ----------
    events, found
        The events of a recording, and what was measured of each.
    base
        How the paths of both files begin.
    more
        Keys of the JSON that are not columns; by default, what generated it.
    """
    table, sidecar = (base.with_name(f"{base.name}_events{suffix}") for suffix in (".tsv", ".json"))
    with writing(table), atomic_write(table) as part:
        save_table(events_table(events, found, recording), part)
    with writing(sidecar):
        write_json(sidecar, {**SIDECAR, **(more or {"GeneratedBy": {"Name": "ictal", "Version": __version__}})})
    return [table, sidecar]


def save_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as BIDS does: separated by tabs, with n/a for what is not known."""
    table.to_csv(path, sep="\t", index=False, na_rep="n/a", lineterminator="\n")


def write_annotated_copy(events: Sequence[EventFinding], recording: RecordingInfo, folder: Path) -> list[Path]:
    """Write a copy of the recording with the events as annotations: NAME_annotated.edf, or .bdf.

    What EDF+ cannot hold of a recording in another format is logged as warnings.

    Raises
    ------
    IctalError
        If there is no such file or piece, or EDF+ cannot store its content.
    """
    files = [Path(piece.name) for piece in recording.pieces] or [Path(recording.name)]
    for file in files:
        if not file.exists():
            raise IctalError(f"{file}: there is no such file; an annotated copy needs the recording itself")
    kind = "" if recording.pieces else format_of(files[0])
    path = folder / f"{recording.stem}_annotated{kind if kind in EDF_KINDS else '.edf'}"
    notes = [Annotation(event.start_s, event.duration_s, annotation_text(event)) for event in events]
    if kind in EDF_KINDS:
        copy_edf_with_annotations(files[0], path, notes)
    else:
        opened = join_recordings(files, accept_doubtful=True)  # its scores were wanted
        done = write_recording(replace(opened, annotations=(*opened.annotations, *notes)), path)
        for note in done.notes[len(opened.all_notes) :]:
            log.warning("%s: %s", path, note)
    return [path]


def szcore_table(events: Sequence[Event], recording: RecordingInfo) -> pd.DataFrame:
    """Return the columns of SzCORE alone: a row per seizure, or one row of background if there is none.

    SzCORE compares times, so the channels are n/a.
    """
    seizures = [event for event in events if event.pattern == "seizure"]
    return _timed(seizures, recording).assign(channels=None)[list(SZCORE_COLUMNS)]


def events_table(events: Sequence[Event], found: Sequence[EventFinding], recording: RecordingInfo) -> pd.DataFrame:
    """Return the columns of `SIDECAR`; one row of background if there is no event.

    SzCORE knows only seizures and background, so other patterns are background there.

    Parameters
    ----------
    events, found
        The events of a recording, and what was measured of each.
    """
    columns = [{"channels": _electrodes(event), **measured(event)} for event in found]
    rest = pd.DataFrame(columns or [{}], columns=["channels", *MEASURED])
    rest = rest.astype(dict.fromkeys(MEASURED_NUMBERS, float)).round(3)
    return pd.concat([_timed(events, recording), rest], axis=1)[list(SIDECAR)]


def _electrodes(event: EventFinding) -> str | None:
    return ",".join(event.location.electrodes) if event.location else None


def _timed(events: Sequence[Event], recording: RecordingInfo) -> pd.DataFrame:
    """Return what is known of events without a measurement."""
    start, span_s = recording.start, recording.span_s
    rows: list[tuple[float, float, str, float | None, str | None]] = [
        (event.start_s, event.duration_s, "sz" if event.pattern == "seizure" else "bckg", event.mean, event.pattern)
        for event in events
    ]
    table = pd.DataFrame(
        rows or [(0.0, span_s, "bckg", None, None)],
        columns=["onset", "duration", "eventType", "confidence", "trial_type"],
    ).round({"onset": 6, "duration": 6, "confidence": 4})
    return table.assign(
        dateTime=start and start.strftime("%Y-%m-%d %H:%M:%S"),
        recordingDuration=round(span_s, 6),
    )
