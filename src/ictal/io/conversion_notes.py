"""Sentences on what EDF cannot hold of a recording, and annotations on what it cannot mark."""

from collections.abc import Iterator, Sequence

import numpy as np

from ictal.core.recording import Annotation, Recording
from ictal.errors import listed
from ictal.io.edf.annotation_lists import storable
from ictal.io.edf.labels import SHOWN
from ictal.io.edf.record_format import YEARS
from ictal.io.edf.records import Records
from ictal.io.edf.scales import FINE_UV
from ictal.io.edf.survey import GAP_S, Survey
from ictal.io.edf.writer import EdfPlan
from ictal.preprocessing.filtering import at_limits

HOLE = "missing samples"
"""Begins the text of an annotation where channels lack samples."""
NOTICEABLE_S = 1e-6
"""Smaller errors of times are not noted."""


def annotations_of_holes(found: Survey, recording: Recording) -> Iterator[Annotation]:
    """Yield an annotation for each stretch of whole seconds in which channels lack samples."""
    rate_hz = recording.rate_hz
    for hole in found.holes:
        names = listed((recording.channels[row] for row in hole.rows), SHOWN)
        for run in recording.runs:
            start, stop = max(hole.start, run.start), min(hole.stop, run.stop)
            if start < stop:
                onset_s = run.onset_s + (start - run.start) / rate_hz
                yield Annotation(onset_s, (stop - start) / rate_hz, f"{HOLE}: {names}")


def notes_on_missing(found: Survey, recording: Recording) -> Iterator[str]:
    """Yield notes on missing samples, which EDF cannot mark."""
    rate_hz, rows = recording.rate_hz, found.rows
    empty = [name for row, name in enumerate(recording.channels) if row not in rows]
    if empty:
        yield f"left out because they have no samples: {listed(empty, SHOWN)}"
    if found.gaps:
        total_s = sum(stop - start for start, stop in found.gaps) / rate_hz
        yield (
            f"no channel has samples for {GAP_S:g} s or longer in {len(found.gaps)} places, {total_s:g} s in all; "
            "these are gaps in EDF"
        )
    lacking = [
        f"{recording.channels[row]} {found.n_missing[row] / rate_hz:g} s" for row in rows if found.n_missing[row]
    ]
    if lacking:
        yield (
            f"channels lack samples ({listed(lacking, SHOWN)}), which EDF cannot mark: the last value is repeated, "
            f"and annotations '{HOLE}' state the seconds"
        )


def notes_on_times(records: Records, recording: Recording) -> Iterator[str]:
    """Yield notes on samples that do not fill a record, on a rate that is rounded, and on the start."""
    rate_hz, start = recording.rate_hz, recording.start
    if records.lost:
        where = f"ends of {len(records.lost)} gapless parts" if len(records.lost) > 1 else "end"
        yield (
            f"EDF stores whole records ({records.n_samples} samples here): {sum(records.lost)} samples, "
            f"{sum(records.lost) / rate_hz:.3g} s in all, are left out at the {where}"
        )
    if records.drift_s > NOTICEABLE_S:
        yield (
            f"EDF states {rate_hz:.10g} Hz as {records.n_samples} samples in {records.duration} s, so times at the "
            f"end of the longest gapless part differ by {records.drift_s:.2g} s"
        )
    if start is None:
        yield "its start is unknown; EDF needs one, and 1985-01-01 00:00:00 is written"
    elif start.year not in YEARS:
        yield (
            f"EDF states years from {YEARS[0]} to {YEARS[-1]}: the date {start.date()} is written as 1985-01-01, "
            "and as a text in the recording field"
        )
    if start is not None and start.utcoffset():
        yield f"EDF states no time zone: the clock time {start:%H:%M:%S} is kept, and '{start:UTC%z}' is left out"


def notes_on_steps(plan: EdfPlan, recording: Recording) -> Iterator[str]:
    """Yield a note on channels whose digital steps are coarser than those of the recording, or than EEG needs."""
    own = getattr(recording.source, "steps_uv", None) or (FINE_UV,) * len(recording.channels)
    coarse = [
        f"{label} {scale.step_uv:.2g} µV"
        for row, label, scale in zip(plan.rows, plan.labels, plan.scales, strict=True)
        if scale.step_uv > 1.01 * own[row]
    ]
    if coarse:
        finer = "; a .bdf has finer ones" if plan.bits == 16 else ""
        yield f"{plan.bits} bits and the largest values make steps of voltage coarser: {listed(coarse, SHOWN)}{finer}"


def notes_on_limits(found: Survey, recording: Recording, rows: Sequence[int]) -> Iterator[str]:
    """Yield a note on channels that reach the limits of their recording, but get others in EDF."""
    if recording.limits_uv:
        extremes = np.stack([found.low, found.high], axis=1).astype(np.float32)[[*rows]]
        marks = at_limits(extremes, [recording.limits_uv[row] for row in rows])
        reached = [recording.channels[row] for row, mark in zip(rows, marks, strict=True) if mark.any()]
        if reached:
            yield (
                "EDF states other limits than the recording, so clipped samples cannot be recognized in "
                f"{listed(reached, SHOWN)}"
            )


def notes_on_clipping(labels: Sequence[str], counts: Sequence[int]) -> Iterator[str]:
    """Yield a note on samples beyond the limits that their file states."""
    clipped = [f"{label} {count}" for label, count in zip(labels, counts, strict=True) if count]
    if clipped:
        yield f"samples beyond the limits that the recording states are clipped: {listed(clipped, SHOWN)}"


def notes_on_texts(annotations: Sequence[Annotation]) -> Iterator[str]:
    """Yield a note on annotations whose text EDF+ cannot hold."""
    changed = [note.text for note in annotations if storable(note.text) != note.text]
    if changed:
        yield (
            f"EDF+ cannot hold line breaks, control characters, blanks at the ends and empty texts: {len(changed)} "
            "annotations are changed"
        )
