"""Details of a recording, other than samples and scores, as plain values."""

from typing import Any

import numpy as np
import pandas as pd

from ictal.core.labels import PATTERN_TITLES, PATTERNS
from ictal.core.windows import CENTRE_S
from ictal.report.colours import PATTERN_COLOURS
from ictal.web.event_details import listed_events, report
from ictal.web.library import Item

LEAST_GAP_S = 1e-3
OPEN_HEADER = "its header states -1 records"
PATTERNS_SHOWN = [{"key": name, "title": PATTERN_TITLES[name], "colour": PATTERN_COLOURS[name]} for name in PATTERNS]


def summary_of(item: Item) -> dict[str, Any]:
    """Return the entry of a recording in the list."""
    start = item.recording.start
    return {
        "id": item.id,
        "name": item.title,
        "duration_s": item.recording.span_s,
        "start": start.isoformat() if start else None,
        **{name: getattr(item, name) for name in ("state", "done", "total", "reason")},
    }


def details(item: Item, *, withheld: bool) -> dict[str, Any]:
    """Return the details of a recording, without events and report if they are withheld."""
    recording = item.recording
    return {
        **summary_of(item),
        "rate_hz": recording.rate_hz,
        "montages": list(item.montages),
        "amplitude_uv": item.amplitudes_uv[0],
        "heart_uv": item.amplitudes_uv[1],
        "segments": [
            {"start_s": part.onset_s, "stop_s": part.onset_s + (part.stop - part.start) / recording.rate_hz}
            for part in recording.runs
        ],
        "gaps": [{"start_s": gap.start_s, "stop_s": gap.start_s + gap.duration_s} for gap in recording.gaps],
        "annotations": [
            {"start_s": note.onset_s, "duration_s": note.duration_s, "text": note.text}
            for note in recording.annotations
        ],
        "events": [] if withheld else listed_events(item),
        "report": None if withheld else report(item),
        "patterns": PATTERNS_SHOWN,
        "model": item.model,
        "step_s": item.step_s,
        "centre_s": float(CENTRE_S),
        "windows": windows(item.frame, item.step_s),
        "notes": _notes(item),
        "withheld": withheld,
    }


def _notes(item: Item) -> list[str]:
    """Return what a reader must know of a recording; that its header is not complete is no news while it goes on."""
    if item.scores:
        return list(item.scores.recording.notes)
    notes = (*item.recording.all_notes, *item.lost)
    return [note for note in notes if item.state != "live" or OPEN_HEADER not in note]


def windows(frame: pd.DataFrame, step_s: float) -> list[dict[str, Any]]:
    """Return the windows scored so far; evenly spaced windows are grouped."""
    starts_s = frame["start_s"].to_numpy(dtype=np.float64)
    firsts = np.flatnonzero(np.diff(starts_s, prepend=-np.inf) > step_s + LEAST_GAP_S)
    counts = np.diff(firsts, append=len(starts_s))
    return [{"start_s": float(starts_s[first]), "n": int(n)} for first, n in zip(firsts, counts, strict=True)]
