"""Write any recording as EDF+ or BDF+, and state what these cannot hold."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ictal.core.progress import Progress, silent
from ictal.core.recording import Recording
from ictal.errors import UsageError, WriteError
from ictal.io.conversion_notes import (
    annotations_of_holes,
    notes_on_clipping,
    notes_on_limits,
    notes_on_missing,
    notes_on_steps,
    notes_on_texts,
    notes_on_times,
)
from ictal.io.edf.annotation_lists import annotation_list, longest_time
from ictal.io.edf.labels import edf_labels
from ictal.io.edf.records import choose_records, without
from ictal.io.edf.scales import fitting_scale, source_scale
from ictal.io.edf.survey import nothing_missing, survey
from ictal.io.edf.writer import EdfPlan, write_plan
from ictal.io.joined import pieces_of
from ictal.io.open import as_recording
from ictal.io.recording_files import parts_of

BITS = {".edf": 16, ".bdf": 24}
"""Bits of a sample, by the suffix of the new file."""


@dataclass(frozen=True)
class Conversion:
    """What `convert` has written.

    Attributes
    ----------
    file
        The new file.
    kind
        'EDF+C', 'BDF+C', or 'EDF+D', 'BDF+D' if there are gaps.
    channels
        Labels of the channels.
    rate_hz
        Sampling rate.
    duration_s
        Duration of the samples, without gaps.
    n_gaps, n_annotations
        Numbers of gaps and annotations.
    step_uv
        Largest voltage of a digital step, of all channels.
    notes
        What the reader of the recording found, and what the new file cannot hold, one sentence each.
    """

    file: Path
    kind: str
    channels: tuple[str, ...]
    rate_hz: float
    duration_s: float
    n_gaps: int
    n_annotations: int
    step_uv: float
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return all attributes as JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()} | {
            "file": str(self.file)
        }


def convert(
    recording: str | Path | Recording | Any,
    out: str | Path,
    *,
    overwrite: bool = False,
    accept_doubtful: bool = False,
    progress: Progress = silent,
) -> Conversion:
    """Write a recording as EDF+, or as BDF+ with 24 bits per sample.

    Times, voltages, channel names and annotations are kept. Gaps become those of EDF+D. What the format cannot hold
    is an error, or a note in the result. Memory does not grow with the length of the recording. Patient, hospital and
    device are not written.

    Parameters
    ----------
    recording
        A file or folder that `ictal.read` opens, a `Recording`, or an `mne.io.Raw`.
    out
        The new file; its suffix, .edf or .bdf, is the format.
    overwrite
        Whether to replace an existing file.
    accept_doubtful
        See `ictal.read`.
    progress
        Callback with the number of seconds done.

    Raises
    ------
    UsageError
        If `out` has another suffix.
    ReadError
        If the recording cannot be read.
    WriteError
        If `out` exists, belongs to the recording or cannot be written, or cannot hold the recording.

    Examples
    --------
    >>> done = ictal.convert("night.vhdr", "night.edf")
    >>> print(done.kind, *done.notes, sep="; ")
    """
    path = Path(out)
    if path.suffix.lower() not in BITS:
        raise UsageError(f"{path}: the name must end in .edf or .bdf, for 16 or 24 bits per sample")
    if path.exists():
        _check_replaced(recording, path, overwrite)
    return write_recording(as_recording(recording, accept_doubtful=accept_doubtful), path, progress)


def write_recording(recording: Recording, out: Path, progress: Progress = silent) -> Conversion:
    """Write a recording as EDF+ or BDF+, by the suffix of `out`; an existing file is replaced. See `convert`.

    Raises
    ------
    WriteError
        If the file cannot be written, or EDF cannot hold the recording.
    """
    plan, notes = plan_conversion(recording, BITS[out.suffix.lower()], progress)
    records = plan.records
    clipped = write_plan(out, recording, plan, progress)
    return Conversion(
        out,
        plan.kind,
        plan.labels,
        recording.rate_hz,
        records.n_records * records.n_samples / recording.rate_hz,
        len(records.runs) - 1,
        len(plan.annotations),
        max(scale.step_uv for scale in plan.scales),
        (*recording.all_notes, *notes, *notes_on_clipping(plan.labels, clipped.tolist())),
    )


def plan_conversion(recording: Recording, bits: int, progress: Progress = silent) -> tuple[EdfPlan, tuple[str, ...]]:
    """Return how a recording becomes EDF+ (16 bits) or BDF+ (24 bits), and notes on what these cannot hold.

    Raises
    ------
    WriteError
        If EDF cannot hold the recording.
    """
    if not recording.n_samples or not recording.channels:
        raise WriteError(f"{recording.name}: has no samples")
    known = [source_scale(recording, row, bits) for row in range(len(recording.channels))]
    # A source of digital samples has no missing ones, so that it need not be read twice.
    found = nothing_missing(len(known)) if all(known) else survey(recording, progress)
    rows = found.rows
    if not rows:
        raise WriteError(f"{recording.name}: has no samples: all are missing")
    labels, label_notes = edf_labels(_of_rows(recording, rows))
    scales = tuple(
        known[row] or fitting_scale(float(found.low[row]), float(found.high[row]), bits, recording.channels[row])
        for row in rows
    )
    annotations = (*recording.annotations, *annotations_of_holes(found, recording))
    room = longest_time(recording.span_s + 1) + max((len(annotation_list(note)) for note in annotations), default=0)
    runs = without(recording.runs, found.gaps, recording.rate_hz)
    records = choose_records(runs, recording.rate_hz, bits // 8 * len(rows), room, recording.name)
    plan = EdfPlan(bits, rows, labels, scales, records, annotations, None if all(known) else found.first[[*rows]])
    return plan, (
        *notes_on_missing(found, recording),
        *label_notes,
        *notes_on_times(records, recording),
        *notes_on_steps(plan, recording),
        *notes_on_limits(found, recording, [row for row in rows if not known[row]]),
        *notes_on_texts(recording.annotations),
    )


def _check_replaced(recording: Any, out: Path, overwrite: bool) -> None:
    """Refuse to replace a folder, a file of the recording, or any file unless the user wants that."""
    if out.is_dir():
        raise WriteError(f"{out}: is a folder; name a file")
    sources = [Path(name) for name in _names(recording)]
    if any(out.samefile(part) for source in sources if source.exists() for part in parts_of(source)):
        raise WriteError(f"{out}: is the recording itself, which is never changed; name another file")
    if not overwrite:
        raise WriteError(f"{out}: exists; name another file, or replace it with --overwrite (Python: overwrite=True)")


def _names(recording: Any) -> Iterator[str | Path]:
    """Yield the names of a recording, or of its pieces; those that are no paths do not exist as files."""
    if isinstance(recording, str | Path):
        yield recording
    elif not isinstance(recording, Recording):
        yield from filter(None, recording.filenames)
    elif pieces := pieces_of(recording):
        for piece in pieces:
            yield from _names(piece.path or piece.recording)
    else:
        yield recording.name


def _of_rows(recording: Recording, rows: tuple[int, ...]) -> Recording:
    """Return names, types and references of some channels; the samples are those of all."""
    return replace(
        recording,
        channels=tuple(recording.channels[row] for row in rows),
        kinds=tuple(recording.kinds[row] for row in rows if recording.kinds),
        references=tuple(recording.references[row] for row in rows if recording.references),
    )
