"""Clinical formats that MNE-Python reads, and `mne.io.Raw` objects as recordings."""

import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ictal.core.atomic_files import find_sibling
from ictal.core.recording import Annotation, Recording, Signal
from ictal.errors import ReadError, listed
from ictal.io.edf.header_fields import printable
from ictal.io.mne_formats.brainvision import SUFFIXES as BRAINVISION
from ictal.io.mne_formats.brainvision import brainvision_references, open_brainvision
from ictal.io.mne_formats.fif_check import check_fif
from ictal.io.mne_formats.mat_check import check_mat
from ictal.io.mne_formats.messages import ReaderMessages, collect_messages
from ictal.io.mne_formats.times import (
    SAME_S,
    SKIPPED,
    all_annotations,
    annotated_times,
    marks_join,
    paused_s,
    raw_annotations,
    stated_times,
)
from ictal.io.times import Layout, Times, layout_of, parts_within, unknown_gaps
from ictal.io.types_and_units import with_stated_units

if TYPE_CHECKING:
    import mne

MNE_SUFFIXES = (".gdf", ".vhdr", ".ahdr", ".set", ".fif", ".fif.gz", ".cnt", ".mff", ".nedf")
"""Formats that MNE recognizes by suffix: GDF, BrainVision, EEGLAB, FIF, Neuroscan or ANT, EGI and Neuroelectrics.
Formats without a header (eXimia) are left out, since any file would be accepted."""
PARTS: Mapping[str, tuple[str, ...]] = {".set": (".fdt",)}
"""Suffixes of the other files of a recording, in the upper or lower case that MNE expects."""
VOLT = 1e6


@dataclass(frozen=True)
class RawSource:
    """Samples of an `mne.io.Raw`, converted from volts to µV.

    Attributes
    ----------
    raw
        The Raw object.
    picks
        Indices of the channels.
    name
        Name in messages.
    ranges
        First sample of each recorded segment, and the one after its last.
    messages
        Warnings of MNE about the samples that were read.
    """

    raw: "mne.io.BaseRaw"
    picks: tuple[int, ...]
    name: str
    ranges: tuple[tuple[int, int], ...]
    messages: ReaderMessages = field(default_factory=ReaderMessages)

    @property
    def notes(self) -> tuple[str, ...]:
        """Findings from the samples that were read."""
        return (*self.messages.notes, *self.messages.doubts)

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop` of the channels `rows` or of all, [channel, time]."""
        picks = [self.picks[row] for row in (range(len(self.picks)) if rows is None else rows)]
        samples = np.empty((len(picks), max(stop - start, 0)), dtype=np.float32)
        # Segment by segment: MNE's Nihon Kohden reader fails if a request crosses blocks.
        with collect_messages(self.name, self.messages):
            for place, first, last in parts_within(self.ranges, start, stop):
                samples[:, place] = self.raw.get_data(picks, first, last, verbose="WARNING") * VOLT
        return samples


def read_with_mne(path: Path) -> Recording:
    """Open a file in one of the formats `MNE_SUFFIXES`.

    Raises
    ------
    ReadError
        If MNE cannot read it.
    """
    messages = ReaderMessages()
    suffix = ".fif" if path.name.lower().endswith((".fif", ".fif.gz")) else path.suffix.lower()
    with collect_messages(str(path), messages):
        if suffix == ".set":
            check_mat(path)
        if suffix == ".fif":
            check_fif(path)
        if suffix in BRAINVISION:
            raw, times = open_brainvision(path)
        else:
            raw, times = _open(path, suffix)
    with collect_messages(str(path), messages):  # adds the warnings from opening the file
        made = from_raw(raw, str(path), times, messages)
    if suffix in BRAINVISION:
        stated = brainvision_references(path)
        made = replace(made, references=tuple(stated.get(name, "") for name in made.channels))
    return made


def _open(path: Path, suffix: str) -> tuple[Any, Times]:
    """Return the Raw object of a file, and the times that the file states."""
    import mne  # takes a second, which other commands should not wait for

    folder, path = _as_mne_expects(path)
    raw = mne.io.read_raw(path, preload=False, verbose="WARNING")
    if folder is not None:
        weakref.finalize(raw, shutil.rmtree, folder, ignore_errors=True)
    # MNE resamples channels of different rates (GDF) for each segment that is read, with different results.
    if len(set(np.atleast_1d((raw._raw_extras[0] or {}).get("n_samps", 1)).tolist())) > 1:
        raw.load_data(verbose="WARNING")
    if suffix in (".set", ".gdf", ".cnt"):
        return raw, annotated_times(path)
    return raw, Times()


def _as_mne_expects(path: Path) -> tuple[Path | None, Path]:
    """Return a path whose suffix, and those of its other files, are in the upper or lower case that MNE expects.

    If they are not, links with such names are made in a new folder, which is also returned.
    """
    suffix = next((end for end in (".fif.gz",) if path.name.lower().endswith(end)), path.suffix.lower())
    stem, written = path.name[: -len(suffix)], path.name[-len(suffix) :]
    wanted = {stem + part: find_sibling(path, stem + part) for part in PARTS.get(suffix, ())}
    odd = {name: found for name, found in wanted.items() if found is not None and found.name != name}
    if path.is_dir() or (written == suffix and not odd):
        return None, path
    folder = Path(tempfile.mkdtemp(prefix="ictal-"))
    links = {stem + suffix: path, **{name: found for name, found in wanted.items() if found is not None}}
    for name, found in links.items():
        (folder / name).symlink_to(found.absolute())
    return folder, folder / (stem + suffix)


def from_raw(
    raw: Any,
    name: str = "raw",
    times: Times | None = None,
    messages: ReaderMessages | None = None,
) -> Recording:
    """Make a recording from an `mne.io.Raw`. Stimulus channels are left out, and bad channels get the kind 'bad'.

    Samples that MNE marks as never recorded ('BAD_ACQ_SKIP') become gaps. So do the pauses that the file of the Raw
    states, if it is a single file that still exists.

    Parameters
    ----------
    raw
        The Raw object; it is not changed.
    name
        Name of the recording in messages.
    times, messages
        Times that the file states, and warnings from reading it; if None, the times are looked up.

    Raises
    ------
    ReadError
        If it has no samples.
    """
    messages = messages or ReaderMessages()
    from_file, shift_s = times is not None, 0.0
    if times is None:
        # The date of a Raw may have been changed, and annotations of removed parts are not wanted.
        times, shift_s = replace(stated_times(raw), start=None), float(raw.first_time)
    types = zip(raw.ch_names, raw.get_channel_types(), strict=True)
    kinds = ["bad" if channel in raw.info["bads"] else str(kind) for channel, kind in types]
    picks = tuple(number for number, kind in enumerate(kinds) if kind != "stim")
    # MNE's times start with the measurement; its samples start `first_time` later.
    own = raw_annotations(raw.annotations, float(raw.first_time))
    skips = [(note.onset_s, note.onset_s + note.duration_s) for note in own if note.text.lower() == SKIPPED]
    layout = layout_of(int(raw.n_times), float(raw.info["sfreq"]), times.joins, skips, shift_s)
    if not layout.n_samples:
        raise ReadError(f"{name}: has no samples")
    annotations = all_annotations(own, times, layout, shift_s)
    if not from_file:
        annotations = tuple(note for note in annotations if -SAME_S <= note.onset_s <= layout.span_s)
    if times.annotations is not None:
        messages.notes[:] = [note for note in messages.notes if "of its annotations" not in note]
    recording = Recording(
        name,
        tuple(printable(raw.ch_names[number]) for number in picks),
        float(raw.info["sfreq"]),
        layout.n_samples,
        RawSource(raw, picks, name, layout.ranges),
        _start(raw, times, layout, shift_s),
        layout.gaps,
        annotations,
        kinds=tuple(kinds[number] for number in picks),
        notes=(*_notes(raw.info["bads"], annotations, times), *messages.notes),
        doubts=(*times.doubts, *messages.doubts),
    )
    return with_stated_units(recording, raw, picks)


def _start(raw: Any, times: Times, layout: Layout, shift_s: float) -> datetime | None:
    """Return the clock time of the first sample."""
    if times.start is not None and shift_s == 0:
        return times.start
    start: datetime | None = raw.info["meas_date"]
    first_s = float(raw.first_time) + layout.segments[0].start / layout.rate_hz + paused_s(times, shift_s)
    return start and start + timedelta(seconds=first_s)


def _notes(bads: Sequence[str], annotations: Sequence[Annotation], times: Times) -> tuple[str, ...]:
    joined = len({round(note.onset_s / SAME_S) for note in annotations if marks_join(note)})
    notes = {
        f"marked as bad, and not used: {listed(bads)}": bads,
        unknown_gaps(joined, " ('boundary')"): joined and not any(join.pause_s is None for join in times.joins),
    }
    return (*(note for note, applies in notes.items() if applies), *times.all_notes)
