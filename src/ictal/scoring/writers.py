"""What scores become on disk: one table of formats by name."""

import math
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from ictal import __version__
from ictal.core.atomic_files import atomic_write, write_json, writing
from ictal.core.labels import PATTERN_TITLES
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.recording import Annotation
from ictal.errors import IctalError
from ictal.io import open_recording
from ictal.io.edf.annotated_copy import copy_edf_with_annotations, write_annotated_edf
from ictal.io.open import format_of
from ictal.scoring.burden import burden, left_right, longest_runs
from ictal.scoring.events import EVENT_PATTERNS, Event
from ictal.scoring.quality import FLAWS
from ictal.scoring.scores import SPECTRUM_COLUMNS, Scores

Writer = Callable[[Scores, Path], list[Path]]
"""Writes scores into a folder and returns the files; raises an `IctalError` that names what cannot be written."""

LIST_COLUMNS = (*SPECTRUM_COLUMNS, "marks")
"""Columns with a list in each row, which a CSV cannot hold."""
EDF_KINDS = (".edf", ".bdf")
"""Formats that are copied byte by byte, whatever the suffix of a file."""
NOT_A_DEVICE = "For research. This is not a medical device; no finding here was checked by a clinician."

EVENT_TYPES = {
    "sz": "A seizure of unknown type, by the votes that the model expects of experts.",
    "bckg": "No seizure: another pattern (column trial_type), or the whole recording where nothing was found.",
}
TRIAL_TYPES = {
    "seizure": "Electrographic seizure",
    "lpd": "Lateralized periodic discharges",
    "gpd": "Generalized periodic discharges",
    "lrda": "Lateralized rhythmic delta activity",
    "grda": "Generalized rhythmic delta activity",
    "n/a": "The row stands for the whole recording, in which no pattern was found.",
}
HED_TAGS = {
    "lpd": "Lateralized-periodic-discharges",
    "gpd": "Generalized-periodic-discharges",
    "lrda": "Rhythmic-delta-activity",
    "grda": "Rhythmic-delta-activity",
}
"""Tags of the library HED-SCORE 2.1.0, which has none for the side of rhythmic delta activity."""
SIDECAR: dict[str, Any] = {
    "onset": {"Description": "Start of the event, from the start of the recording, gaps included.", "Units": "s"},
    "duration": {"Description": "How long the event lasts.", "Units": "s"},
    "eventType": {
        "Description": "Seizure or not, in the words of SzCORE (Dan et al., Epilepsia 2024).",
        "Levels": EVENT_TYPES,
        "HED": {"sz": "Unclassified-epileptic-seizure"},
    },
    "confidence": {"Description": "Mean probability of the pattern over the event, from 0 to 1."},
    "channels": {"Description": "Channels that show the event; the model does not say them, so always n/a."},
    "dateTime": {"Description": "Clock time of the start of the recording, YYYY-MM-DD HH:MM:SS."},
    "recordingDuration": {"Description": "How long the recording lasts, gaps included.", "Units": "s"},
    "trial_type": {
        "Description": "The pattern, one of those of the ACNS terminology of critical-care EEG (Hirsch et al. 2021).",
        "Levels": TRIAL_TYPES,
        "HED": HED_TAGS,
    },
}


def stem(scores: Scores) -> str:
    """Return how the files of a recording begin: its file's name without suffix, and without '_eeg' as in BIDS."""
    return stem_of(scores.recording.name)


def stem_of(name: str | Path) -> str:
    """Return the same of the name of a recording."""
    return Path(Path(name).name.removesuffix(".gz")).stem.removesuffix("_eeg") or "recording"


def scores_file(name: str | Path) -> str:
    """Return the name of the file with the scores of a recording of this name."""
    return f"{stem_of(name)}_scores.parquet"


def write_parquet(scores: Scores, folder: Path) -> list[Path]:
    """Write everything, to be read again by `Scores.read`: NAME_scores.parquet."""
    path = folder / scores_file(scores.recording.name)
    with writing(path):
        scores.write(path)
    return [path]


def write_csv(scores: Scores, folder: Path) -> list[Path]:
    """Write the table without the columns of lists, and with the time of the clock: NAME_scores.csv."""
    path = folder / f"{stem(scores)}_scores.csv"
    table = scores.frame.drop(columns=list(LIST_COLUMNS))
    table.insert(2, "clock_time", [clock_time(scores, second) for second in table["start_s"]])
    with writing(path), atomic_write(path) as part:
        table.to_csv(part, index=False, lineterminator="\n")
    return [path]


def write_bids(scores: Scores, folder: Path) -> list[Path]:
    """Write the events as SzCORE and BIDS want them: NAME_events.tsv, and NAME_events.json, which explains it."""
    table, sidecar = (folder / f"{stem(scores)}_events{suffix}" for suffix in (".tsv", ".json"))
    with writing(table), atomic_write(table) as part:
        events_table(scores).to_csv(part, sep="\t", index=False, na_rep="n/a", lineterminator="\n")
    with writing(sidecar):
        write_json(sidecar, SIDECAR | {"GeneratedBy": {"Name": "ictal", "Version": __version__}})
    return [table, sidecar]


def write_edf(scores: Scores, folder: Path) -> list[Path]:
    """Write a copy of the recording with the events as annotations: NAME_annotated.edf, or .bdf.

    Raises
    ------
    IctalError
        If the recording is no file, or is of a format and content that EDF+ cannot hold.
    """
    source = Path(scores.recording.name)
    if not source.exists():
        raise IctalError(f"{source}: is not there, or never was a file; an annotated copy needs the recording itself")
    kind = format_of(source)
    path = folder / f"{stem(scores)}_annotated{kind if kind in EDF_KINDS else '.edf'}"
    notes = [
        Annotation(event.start_s, event.duration_s, f"ictal: {PATTERN_TITLES[event.pattern]}")
        for event in scores.events()
    ]
    if kind in EDF_KINDS:
        copy_edf_with_annotations(source, path, notes)
    else:
        write_annotated_edf(open_recording(source, accept_doubtful=True), path, notes)  # its scores were wanted
    return [path]


def write_summary(scores: Scores, folder: Path) -> list[Path]:
    """Write what a program or a hurried reader wants: NAME_summary.json."""
    path = folder / f"{stem(scores)}_summary.json"
    with writing(path):
        write_json(path, summary(scores))
    return [path]


WRITERS: dict[str, Writer] = {
    "parquet": write_parquet,
    "csv": write_csv,
    "bids": write_bids,
    "edf": write_edf,
    "json": write_summary,
}
"""Formats by name."""


def clock_time(scores: Scores, second: float) -> str | None:
    """Return the clock time of a second of the recording, to the millisecond; None where its start is not known."""
    start = scores.recording.start
    if start is None:
        return None
    # A recording tells the time of its own clock, whatever zone a reader takes it for.
    return (start.replace(tzinfo=None) + timedelta(seconds=second)).isoformat(" ", "milliseconds")


def events_table(scores: Scores) -> pd.DataFrame:
    """Return the columns of SzCORE and BIDS's `trial_type`; one row of background where there is no event.

    SzCORE knows seizures and background alone, so that other patterns are background there.
    """
    start, span_s = scores.recording.start, scores.recording.span_s
    rows: list[tuple[float, float, str, float | None, str | None]] = [
        (event.start_s, event.duration_s, "sz" if event.pattern == "seizure" else "bckg", event.mean, event.pattern)
        for event in scores.events()
    ]
    table = pd.DataFrame(
        rows or [(0.0, span_s, "bckg", None, None)],
        columns=["onset", "duration", "eventType", "confidence", "trial_type"],
    ).round({"onset": 6, "duration": 6, "confidence": 4})
    return table.assign(
        channels=None,
        dateTime=start and start.strftime("%Y-%m-%d %H:%M:%S"),
        recordingDuration=round(span_s, 6),
    )[list(SIDECAR)]


def summary(scores: Scores) -> dict[str, Any]:
    """Return the scores in short, as plain JSON values; what is not known is null."""
    frame, events = scores.frame, scores.events()
    content = {
        "notice": NOT_A_DEVICE,
        "recording": scores.recording.model_dump(mode="json"),
        "manifest": scores.manifest,
        "warnings": [*scores.recording.notes, *scores.manifest.get("warnings", ())],
        "windows": _windows(frame),
        "patterns": _patterns(scores, events),
        "events": [_event(scores, event) for event in events],
        "burden_per_hour": burden(frame, events, "1h").to_dict("records"),
        "left_right_per_hour": left_right(frame, "1h").to_dict("records"),
        "quality": {
            "mean_usable": float(frame["usable"].mean()),
            "windows_with": {flaw: int((frame[flaw] > 0).sum()) for flaw in FLAWS},
        },
    }
    plain: dict[str, Any] = _plain(content)
    return plain


def _patterns(scores: Scores, events: Sequence[Event]) -> dict[str, Any]:
    longest = longest_runs(events)
    return {
        pattern: {
            "events": sum(event.pattern == pattern for event in events),
            "event_s": sum(event.duration_s for event in events if event.pattern == pattern),
            "longest": _event(scores, longest[pattern]) if pattern in longest else None,
            "mean_probability": float(scores.frame[f"{pattern}_probability"].mean()),
        }
        for pattern in EVENT_PATTERNS
    }


def _windows(frame: pd.DataFrame) -> dict[str, Any]:
    refused = frame[PROBABILITY_COLUMNS[0]].isna()
    reasons = frame.loc[refused, "reason"].value_counts()
    return {"all": len(frame), "refused": int(refused.sum()), "reasons": {str(k): int(n) for k, n in reasons.items()}}


def _event(scores: Scores, event: Event) -> dict[str, Any]:
    return {
        "pattern": event.pattern,
        "start_s": event.start_s,
        "duration_s": event.duration_s,
        "clock_time": clock_time(scores, event.start_s),
        "peak": event.peak,
        "mean": event.mean,
    }


def _plain(content: Any) -> Any:
    """Return the content with null for numbers that JSON has not."""
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
