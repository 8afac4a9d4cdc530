"""Everything of a recording but its samples as plain values, to pass it from one process to another as JSON."""

import math
from dataclasses import astuple
from datetime import datetime
from typing import Any

from ictal.core.recording import Annotation, Gap, Recording, Source
from ictal.errors import ReadError

PER_CHANNEL = ("limits_uv", "kinds", "references")
"""Fields that are empty or have one value per channel."""


def header_of(recording: Recording) -> dict[str, Any]:
    """Return the fields of a recording without its source; they survive JSON."""
    return {
        "name": recording.name,
        "channels": list(recording.channels),
        "rate_hz": float(recording.rate_hz),
        "n_samples": int(recording.n_samples),
        "start": recording.start.isoformat() if recording.start else None,
        "gaps": [list(map(float, astuple(gap))) for gap in recording.gaps],
        "annotations": [[float(note.onset_s), float(note.duration_s), note.text] for note in recording.annotations],
        "limits_uv": [list(map(float, limits)) for limits in recording.limits_uv],
        "kinds": list(recording.kinds),
        "notes": list(recording.all_notes),
        "doubts": list(recording.doubts),
        "references": list(recording.references),
    }


def recording_of(header: dict[str, Any], source: Source) -> Recording:
    """Return the recording that `header_of` described.

    Raises
    ------
    ReadError
        If the header describes an impossible recording: a process that reads a damaged file may send anything.
    """
    try:
        recording = _made(header, source)
        _check(recording)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ReadError("it is damaged: its header describes an impossible recording") from error
    return recording


def _made(header: dict[str, Any], source: Source) -> Recording:
    start = header["start"]
    return Recording(
        name=str(header["name"]),
        channels=_texts(header["channels"]),
        rate_hz=float(header["rate_hz"]),
        n_samples=int(header["n_samples"]),
        source=source,
        start=datetime.fromisoformat(start) if start else None,
        gaps=tuple(Gap(float(start_s), float(length_s)) for start_s, length_s in header["gaps"]),
        annotations=tuple(
            Annotation(float(onset_s), float(length_s), str(text))
            for onset_s, length_s, text in header["annotations"]
        ),
        limits_uv=tuple((float(low), float(high)) for low, high in header["limits_uv"]),
        kinds=_texts(header["kinds"]),
        notes=_texts(header["notes"]),
        doubts=_texts(header["doubts"]),
        references=_texts(header["references"]),
    )


def _texts(values: list[Any]) -> tuple[str, ...]:
    return tuple(str(value) for value in values)


def _check(recording: Recording) -> None:
    times = [recording.rate_hz, *(value for gap in recording.gaps for value in astuple(gap))]
    times += [value for note in recording.annotations for value in (note.onset_s, note.duration_s)]
    if not all(map(math.isfinite, times)) or recording.rate_hz <= 0 or recording.n_samples < 0:
        raise ValueError("a rate, a length or a time is impossible")
    if any(len(getattr(recording, name)) not in (0, len(recording.channels)) for name in PER_CHANNEL):
        raise ValueError("a field has another number of values than there are channels")
    runs = recording.runs
    if any(run.stop <= run.start for run in runs[:-1]) or runs[-1].stop < runs[-1].start:
        raise ValueError("the gaps do not fit the samples")
