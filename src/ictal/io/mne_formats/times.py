"""Annotations and true times of an `mne.io.Raw`: what MNE-Python knows, and what only the file states."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ictal.core.atomic_files import find_sibling
from ictal.core.recording import Annotation
from ictal.errors import ReadError
from ictal.io.devices.nihon_kohden import nihon_times
from ictal.io.devices.persyst import persyst_times
from ictal.io.edf.header import EdfFile
from ictal.io.mne_formats.brainvision import NEW_SEGMENT, brainvision_times
from ictal.io.times import Join, Layout, Times, at_true_times, find_joins

SKIPPED = "bad_acq_skip"
"""MNE's annotation, in lower case, of samples that are in the file (as zeros) but were never recorded."""
BOUNDARY = "boundary"
NEW_SEGMENT_GDF = "32766"
"""GDF's code of an event that starts a new segment."""
LONGEST_PAUSE_S = 1e9
"""Thirty years: nothing longer is a pause."""
SAME_S = 1e-3
"""Onsets that differ by less are the same annotation, read twice."""


def raw_annotations(found: Any, first_s: float) -> tuple[Annotation, ...]:
    """Return MNE's annotations, in seconds from the first sample; an invalid duration becomes 0."""
    return tuple(
        Annotation(float(onset) - first_s, max(float(np.nan_to_num(duration)), 0.0), str(text))
        for onset, duration, text in zip(found.onset, found.duration, found.description, strict=True)
        if np.isfinite(onset)
    )


def all_annotations(
    own: tuple[Annotation, ...], times: Times, layout: Layout, shift_s: float
) -> tuple[Annotation, ...]:
    """Return the annotations of a Raw and of its file at their true times, in order and without duplicates."""
    first_s = shift_s if times.by_samples else shift_s + paused_s(times, shift_s)
    stated = tuple(replace(note, onset_s=note.onset_s - first_s) for note in times.annotations or ())
    known = {(note.text, round(note.onset_s / SAME_S) + late) for note in stated for late in (-1, 0, 1)}
    # MNE moves annotations from before the first sample to the first sample.
    joins = [max(join.at_s - shift_s, 0.0) for join in times.joins if join.pause_s is not None]
    added = [
        note
        for note in own
        if note.text.lower() != SKIPPED
        and (note.text, round(note.onset_s / SAME_S)) not in known
        and not (marks_join(note) and any(abs(note.onset_s - at_s) * layout.rate_hz <= 1 for at_s in joins))
    ]
    moved = at_true_times(stated, layout) if times.by_samples else stated
    return tuple(sorted((*moved, *at_true_times(added, layout)), key=lambda note: note.onset_s))


def paused_s(times: Times, shift_s: float) -> float:
    """Return the total duration of the pauses before the first sample that a cropped Raw still has."""
    return sum(join.pause_s or 0.0 for join in times.joins if 0 < join.at_s <= shift_s)


def marks_join(note: Annotation) -> bool:
    """Return whether an annotation of MNE marks a boundary between segments."""
    return BOUNDARY in note.text.lower() or note.text.startswith(NEW_SEGMENT) or note.text == NEW_SEGMENT_GDF


def annotated_times(path: Path) -> Times:
    """Return the annotations of a file before MNE crops them to the samples, and the pauses that EEGLAB states."""
    import mne

    try:
        found = mne.read_annotations(path)
    except Exception:  # ANT's .cnt: MNE reads its annotations only together with the samples
        return Times()
    annotations = raw_annotations(found, 0.0)
    if path.suffix != ".set":
        return Times(annotations=annotations)
    known = [note for note in annotations if _is_pause(note)]
    return Times(
        tuple(Join(note.onset_s, note.duration_s) for note in known),
        annotations=tuple(note for note in annotations if note not in known),
    )


def _is_pause(note: Annotation) -> bool:
    """Return whether an annotation is an EEGLAB boundary, whose duration is that of the removed part."""
    return note.text.strip().lower() == BOUNDARY and 0 < note.duration_s < LONGEST_PAUSE_S


def stated_times(raw: Any) -> Times:
    """Return the times that the file of a Raw states, or those in the Raw itself if the file is not available."""
    files = [Path(file) for file in raw.filenames if file is not None]
    look_up = _TIMES_OF_FILE.get(type(raw).__name__)
    if len(files) != 1 or look_up is None:
        return _times_in(raw)
    with suppress(ReadError, OSError, ValueError):
        return look_up(files[0]) or _times_in(raw)
    return _times_in(raw)


def _times_in(raw: Any) -> Times:
    """Return the pauses that annotations of the Raw itself state; MNE keeps those of EEGLAB."""
    end_s = raw.n_times / float(raw.info["sfreq"])
    pauses = [note for note in raw_annotations(raw.annotations, float(raw.first_time)) if _is_pause(note)]
    cut = [note for note in pauses if note.onset_s + note.duration_s > end_s - SAME_S]
    first_s = float(raw.first_time)
    return Times(
        tuple(Join(note.onset_s + first_s, None if note in cut else note.duration_s) for note in pauses),
    )


def _of_header(suffix: str, times: Callable[[Path], Times]) -> Callable[[Path], Times | None]:
    """Return a function that reads times from the header next to the samples; None if there is no header."""

    def look_up(path: Path) -> Times | None:
        header = find_sibling(path, path.stem + suffix)
        return times(header) if header is not None else None

    return look_up


def _edf_times(path: Path) -> Times:
    file = EdfFile.open(path)
    joins = find_joins(file.record_s * np.arange(file.n_records), file.onsets_s)
    first_s = float(file.onsets_s[0])
    annotations = tuple(replace(note, onset_s=note.onset_s - first_s) for note in file.annotations)
    return Times(joins, annotations=annotations, by_samples=False)


_TIMES_OF_FILE: Mapping[str, Callable[[Path], Times | None]] = {
    "RawPersyst": _of_header(".lay", persyst_times),
    "RawBrainVision": _of_header(".vhdr", brainvision_times),
    "RawEEGLAB": _of_header(".set", annotated_times),
    "RawNihon": nihon_times,
    "RawEDF": _edf_times,
    "RawBDF": _edf_times,
}
"""Readers of the times that MNE leaves out, by the class of a Raw."""
