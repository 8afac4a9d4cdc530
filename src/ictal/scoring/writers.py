"""Write scores to disk: one table of formats by name."""

import math
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ictal.core.atomic_files import atomic_write, write_json, writing
from ictal.core.montage import ELECTRODES
from ictal.core.predictions import ALWAYS_KNOWN
from ictal.measurement.columns import LISTS
from ictal.scoring.burden import burden, cover_of, left_right, longest_events, most_covered
from ictal.scoring.events import Event
from ictal.scoring.quality import FLAWS
from ictal.scoring.scored_recording import RecordingInfo, stem_of
from ictal.scoring.scores import SPECTRUM_COLUMNS, Scores
from ictal.terminology.findings import EventFinding, Location, RecordingFinding
from ictal.terminology.words import event_sentence, recording_paragraph

Writer = Callable[[Scores, Path], list[Path]]
"""Writes scores into a folder and returns the files; raises an `IctalError` that names what cannot be written."""

LIST_COLUMNS = (*SPECTRUM_COLUMNS, "marks", *LISTS)
"""Columns with a list in each row, which a CSV cannot hold."""
ROLLING_MIN = (5, 60)
"""Lengths, in minutes, of the stretches of a recording with the most of a pattern."""
NOT_A_DEVICE = "For research. This is not a medical device; no clinician has checked these findings."


def scores_file(name: str | Path) -> str:
    """Return the name of the file with the scores of a recording of this name."""
    return f"{stem_of(name)}_scores.parquet"


def write_parquet(scores: Scores, folder: Path) -> list[Path]:
    """Write everything, for `Scores.read`: NAME_scores.parquet."""
    path = folder / scores_file(scores.recording.name)
    with writing(path):
        scores.write(path)
    return [path]


def write_csv(scores: Scores, folder: Path) -> list[Path]:
    """Write the table without the columns of lists, but with the clock time: NAME_scores.csv."""
    path = folder / f"{scores.recording.stem}_scores.csv"
    table = scores.frame.drop(columns=list(LIST_COLUMNS))
    table.insert(2, "clock_time", [scores.recording.clock_time(second) for second in table["start_s"]])
    with writing(path), atomic_write(path) as part:
        table.to_csv(part, index=False, lineterminator="\n")
    return [path]


def write_summary(scores: Scores, folder: Path) -> list[Path]:
    """Write a summary of the results: NAME_summary.json."""
    path = folder / f"{scores.recording.stem}_summary.json"
    with writing(path):
        write_json(path, summary(scores))
    return [path]


WRITERS: dict[str, Writer] = {
    "parquet": write_parquet,
    "csv": write_csv,
    "bids": Scores.to_bids,
    "edf": Scores.to_edf,
    "json": write_summary,
}
"""Formats by name."""


def summary(scores: Scores) -> dict[str, Any]:
    """Return the summary as plain JSON values; unknown values are null."""
    frame, events, finding = scores.frame, scores.events(), scores.findings()
    content = {
        "notice": NOT_A_DEVICE,
        "recording": scores.recording.model_dump(mode="json"),
        "manifest": scores.manifest,
        "warnings": [*scores.recording.notes, *scores.manifest.get("warnings", ())],
        "windows": _windows(frame),
        "patterns": _patterns(scores, events),
        "findings": _findings(finding),
        "events": [
            _event(scores.recording, event) | _measured(found)
            for event, found in zip(events, finding.events, strict=True)
        ],
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
    longest = longest_events(events)
    return {
        pattern: {
            "events": sum(event.pattern == pattern for event in events),
            "event_s": sum(event.duration_s for event in events if event.pattern == pattern),
            "longest": _event(scores.recording, longest[pattern]) if pattern in longest else None,
            **{
                f"most_in_{minutes}_min_s": most_covered(cover_of(events, pattern), 60.0 * minutes)[1]
                for minutes in ROLLING_MIN
            },
            "mean_probability": float(scores.frame[f"{pattern}_probability"].mean()),
        }
        for pattern in scores.event_patterns
    }


def _windows(frame: pd.DataFrame) -> dict[str, Any]:
    refused = frame[ALWAYS_KNOWN].isna()
    reasons = frame.loc[refused, "reason"].value_counts()
    return {"all": len(frame), "refused": int(refused.sum()), "reasons": {str(k): int(n) for k, n in reasons.items()}}


def _event(recording: RecordingInfo, event: Event) -> dict[str, Any]:
    return {
        "pattern": event.pattern,
        "start_s": event.start_s,
        "duration_s": event.duration_s,
        "clock_time": recording.clock_time(event.start_s),
        "peak": event.peak,
        "mean": event.mean,
    }


def _findings(finding: RecordingFinding) -> dict[str, Any]:
    """Return what a report says of the recording; the events are elsewhere."""
    names = ("background", "absent", "status", "continuum_share", "hours")
    return {
        "paragraph": recording_paragraph(finding),
        **{name: getattr(finding, name) for name in names},
        "patterns": [vars(one) | {"location": _location(one.location)} for one in finding.patterns],
    }


def _measured(found: EventFinding) -> dict[str, Any]:
    """Return what was measured of an event."""
    names = ("frequency", "shape", "lag_s", "evolution", "cycles_s", "measured_s")
    return {
        "sentence": event_sentence(found),
        "location": _location(found.location),
        **{name: getattr(found, name) for name in names},
    }


def _location(location: Location | None) -> dict[str, Any] | None:
    if location is None:
        return None
    return vars(location) | {"involvement": dict(zip(ELECTRODES, location.involvement, strict=True))}


def _plain(content: Any) -> Any:
    """Return the content as JSON has it: dataclasses as objects, null for NaN and infinity."""
    if is_dataclass(content):
        content = vars(content)
    if isinstance(content, dict):
        return {key: _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
