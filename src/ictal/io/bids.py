"""BIDS sidecars of a recording: channels.tsv and events.tsv.

Source: BIDS 1.10, modality agnostic and EEG files. Only sidecars with all entities of the recording are read.
"""

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ictal.core.recording import Annotation, Recording
from ictal.errors import ReadError, listed

MISSING = ("", "n/a")
ENDING = "_eeg"
TEXTS = ("trial_type", "eventType", "value")
"""Columns with the name of an event; the first that is not empty counts (eventType: HED-SCORE and SzCORE)."""
SAME_S = 0.01
"""Onsets in events.tsv and in the file that differ by less are the same event."""
NOT_RAW = ("derivatives", "sourcedata")

Row = dict[str, str]


def recording_in(folder: Path, is_recording: Callable[[Path], bool]) -> Path:
    """Return the only EEG recording below a folder: a data set, a subject or a session.

    Parameters
    ----------
    folder
        The folder.
    is_recording
        Whether a file is a recording, and not a part of one.

    Raises
    ------
    ReadError
        If there is none, or more than one.
    """
    found = [
        path
        for path in sorted(folder.rglob(f"*{ENDING}.*"))
        if is_recording(path) and not any(part in NOT_RAW for part in path.relative_to(folder).parts)
    ]
    if len(found) != 1:
        raise ReadError(_why_not_one(folder, found, is_recording))
    return found[0]


def _why_not_one(folder: Path, found: Sequence[Path], is_recording: Callable[[Path], bool]) -> str:
    """Return a sentence that says why a folder is not one recording, and what to do instead."""
    there = found or [path for path in sorted(folder.rglob("*")) if is_recording(path)]
    names = listed(path.relative_to(folder) for path in there)
    if not there:
        return f"{folder}: is a folder with 0 EEG recordings (*{ENDING}.edf and others); name a file"
    if len(there) == 1:
        return f"{folder}: is a folder; name the recording in it: {there[0]}"
    return (
        f"{folder}: is a folder with {len(there)} EEG recordings: {names}; name one of them, or score all of them "
        f"with: ictal score-archive {folder} --out scored"
    )


def sidecar_units(path: Path) -> dict[str, str]:
    """Return the unit of each channel from channels.tsv; empty if there is no such file."""
    return {row["name"]: row["units"] for row in _rows(path, "channels") if row.get("units", "") not in MISSING}


def add_sidecars(recording: Recording, path: Path) -> Recording:
    """Return a recording with the information from its sidecars added.

    The type in channels.tsv, in lower case, becomes the kind of the channel, or 'bad' if that is its status. Events
    become annotations, unless the file itself has the same annotation at the same time.

    Raises
    ------
    ReadError
        If a sidecar lacks a column, or the onset of an event is not a number.
    """
    channels, events = _rows(path, "channels"), _rows(path, "events")
    if not channels and not events:
        return recording
    kinds = {row["name"]: row["type"].lower() for row in channels if row.get("type", "") not in MISSING}
    bad = [row["name"] for row in channels if row.get("status", "").lower() == "bad"]
    kinds |= dict.fromkeys(bad, "bad")
    own = recording.kinds or ("",) * len(recording.channels)
    added = [_event(row, path) for row in events if row["onset"] not in MISSING]
    bad = [name for name in recording.channels if name in bad]
    against = {row["name"]: row["reference"] for row in channels if row.get("reference", "") not in MISSING}
    known = recording.references or ("",) * len(recording.channels)
    return replace(
        recording,
        references=tuple(against.get(name, text) for name, text in zip(recording.channels, known, strict=True)),
        kinds=tuple(kinds.get(name, kind) for name, kind in zip(recording.channels, own, strict=True)),
        annotations=_joined(recording.annotations, added),
        notes=(*recording.notes, *([f"marked as bad, and not used: {listed(bad)}"] if bad else [])),
    )


def _joined(own: tuple[Annotation, ...], events: list[Annotation]) -> tuple[Annotation, ...]:
    known = {(note.text, round(note.onset_s / SAME_S) + late) for note in own for late in (-1, 0, 1)}
    new = [event for event in events if (event.text, round(event.onset_s / SAME_S)) not in known]
    return tuple(sorted((*own, *new), key=lambda note: note.onset_s)) if new else own


def _event(row: Row, path: Path) -> Annotation:
    text = next((row[name] for name in TEXTS if row.get(name, "") not in MISSING), "event")
    duration = row.get("duration", "")
    try:
        onset_s, duration_s = float(row["onset"]), 0.0 if duration in MISSING else float(duration)
    except ValueError:
        onset_s = duration_s = math.nan
    if not math.isfinite(onset_s + duration_s):
        raise ReadError(
            f"{_sidecar(path, 'events')}: an event '{text}' has onset '{row['onset']}' and duration '{duration}'; "
            "allowed are numbers of seconds"
        )
    return Annotation(onset_s, duration_s, text)


def _sidecar(path: Path, what: str) -> Path:
    return path.with_name(f"{path.name.split('.')[0].removesuffix(ENDING)}_{what}.tsv")


def _rows(path: Path, what: str) -> list[Row]:
    """Return the rows of a sidecar; none if it is missing, or if the recording does not have a BIDS name."""
    sidecar = _sidecar(path, what)
    if not path.name.split(".")[0].endswith(ENDING) or not sidecar.is_file():
        return []
    needed = {"channels": "name", "events": "onset"}[what]
    text = sidecar.read_text(encoding="utf-8-sig", errors="replace")
    rows = [
        {key: (value or "").strip() for key, value in row.items() if key}
        for row in csv.DictReader(text.splitlines(), delimiter="\t")
    ]
    if any(needed not in row for row in rows):
        raise ReadError(f"{sidecar}: has no column '{needed}'")
    return rows
