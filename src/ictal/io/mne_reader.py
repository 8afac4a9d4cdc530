"""Clinical formats, read through MNE-Python."""

import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ictal.core.atomic_files import beside
from ictal.core.recording import Annotation, Recording, Signal
from ictal.errors import ReadError, listed
from ictal.io.brainvision import NEW_SEGMENT, brainvision_references, brainvision_times, open_brainvision
from ictal.io.brainvision import SUFFIXES as BRAINVISION
from ictal.io.edf.header import EdfFile, printable
from ictal.io.fif_check import check_fif
from ictal.io.mat_check import check_mat
from ictal.io.mne_messages import Heard, listening
from ictal.io.nihon_kohden import COMPANIONS as NIHON_COMPANIONS
from ictal.io.nihon_kohden import nihon_times
from ictal.io.persyst import persyst_times
from ictal.io.times import Join, Layout, Times, joins_of, lay_out, placed
from ictal.io.types_and_units import as_stated

if TYPE_CHECKING:
    import mne

MNE_SUFFIXES = (
    *(".gdf", ".vhdr", ".ahdr", ".set", ".fif", ".fif.gz", ".cnt"),
    *(".eeg", ".mff", ".nedf"),
)
"""EEG that MNE reads by its suffix alone: GDF, BrainVision, EEGLAB, FIF, Neuroscan or ANT, Nihon Kohden, EGI and
Neuroelectrics. Formats without a header that tells them (eXimia) are not among them: any file would pass."""
PARTS: Mapping[str, tuple[str, ...]] = {".set": (".fdt",), ".eeg": NIHON_COMPANIONS}
"""Suffixes of the other files of a recording, in the case in which MNE looks for them."""
SKIPPED = "bad_acq_skip"
"""Of which samples MNE says, in lower case, that they are there (as zeros) but were never recorded."""
BOUNDARY = "boundary"
NEW_SEGMENT_GDF = "32766"
"""GDF's code of an event that begins a new segment."""
LONGEST_PAUSE_S = 1e9
"""Thirty years: what lasts longer is no pause that a file means."""
SAME_S = 1e-3
"""By so much may the onset of an annotation differ where it was read twice."""

VOLT = 1e6


@dataclass(frozen=True)
class RawSource:
    """Samples of an `mne.io.Raw`, turned from volts into µV.

    Attributes
    ----------
    raw
        Where they are.
    picks
        Which of its channels.
    name
        What messages call it.
    ranges
        Which of its samples were recorded, first and last but one of each piece.
    heard
        What MNE said of the samples that were read.
    """

    raw: "mne.io.BaseRaw"
    picks: tuple[int, ...]
    name: str
    ranges: tuple[tuple[int, int], ...]
    heard: Heard = field(default_factory=Heard)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was met in samples that were read."""
        return (*self.heard.notes, *self.heard.doubts)

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop`, [channel, time], of the channels `rows`; None: of all."""
        picks = [self.picks[row] for row in (range(len(self.picks)) if rows is None else rows)]
        samples = np.empty((len(picks), max(stop - start, 0)), dtype=np.float32)
        begin = 0
        # Piece by piece, since MNE's reader of Nihon Kohden fails where a request crosses blocks.
        with listening(self.name, self.heard):
            for first, last in self.ranges:
                low, high = max(start, begin), min(stop, begin + last - first)
                if low < high:
                    read = self.raw.get_data(picks, first + low - begin, first + high - begin, verbose="WARNING")
                    samples[:, low - start : high - start] = read * VOLT
                begin += last - first
        return samples


def read_with_mne(path: Path) -> Recording:
    """Open a file that MNE reads by its suffix.

    Raises
    ------
    ReadError
        If MNE cannot read it.
    """
    heard = Heard()
    suffix = ".fif" if path.name.lower().endswith((".fif", ".fif.gz")) else path.suffix.lower()
    with listening(str(path), heard):
        if suffix == ".set":
            check_mat(path)
        if suffix == ".fif":
            check_fif(path)
        if suffix in BRAINVISION:
            raw, times = open_brainvision(path)
        else:
            raw, times = _open(path, suffix)
    with listening(str(path), heard):  # what was heard so far is told
        made = from_raw(raw, str(path), times, heard)
    if suffix in BRAINVISION:
        stated = brainvision_references(path)
        made = replace(made, references=tuple(stated.get(name, "") for name in made.channels))
    return made


def _open(path: Path, suffix: str) -> tuple[Any, Times]:
    """Return what MNE reads of a file, and what the file states of times."""
    import mne  # takes a second, which other commands need not wait for

    folder, path = _known_to_mne(path)
    raw = mne.io.read_raw(path, preload=False, verbose="WARNING")
    if folder is not None:
        weakref.finalize(raw, shutil.rmtree, folder, ignore_errors=True)
    # MNE brings channels of several rates (GDF) to one, anew and differently for each segment that is read.
    if len(set(np.atleast_1d((raw._raw_extras[0] or {}).get("n_samps", 1)).tolist())) > 1:
        raw.load_data(verbose="WARNING")
    if suffix == ".eeg":
        return raw, nihon_times(path)
    if suffix in (".set", ".gdf", ".cnt"):
        return raw, _times_of_annotations(path)
    return raw, Times()


def _times_of_annotations(path: Path) -> Times:
    """Return the annotations of a file before MNE crops them to the samples, and the pauses that EEGLAB states."""
    import mne

    try:
        found = mne.read_annotations(path)
    except Exception:  # ANT's .cnt, of which MNE gives annotations with the samples alone
        return Times()
    annotations = _annotations(found, 0.0)
    if path.suffix != ".set":
        return Times(annotations=annotations)
    known = [note for note in annotations if _is_pause(note)]
    return Times(
        tuple(Join(note.onset_s, note.duration_s) for note in known),
        annotations=tuple(note for note in annotations if note not in known),
    )


def _is_pause(note: Annotation) -> bool:
    """Say whether an annotation is a boundary of EEGLAB, whose duration is that of what was cut out."""
    return note.text.strip().lower() == BOUNDARY and 0 < note.duration_s < LONGEST_PAUSE_S


def _known_to_mne(path: Path) -> tuple[Path | None, Path]:
    """Return a path whose suffix, and those of its parts, are in the case that MNE knows.

    Where they are not, they are links in a new folder, which is returned too.
    """
    suffix = next((end for end in (".fif.gz",) if path.name.lower().endswith(end)), path.suffix.lower())
    stem, written = path.name[: -len(suffix)], path.name[-len(suffix) :]
    wanted = {stem + part: beside(path, stem + part) for part in PARTS.get(suffix, ())}
    odd = {name: found for name, found in wanted.items() if found is not None and found.name != name}
    if path.is_dir() or (written in (suffix, suffix.upper() if suffix == ".eeg" else suffix) and not odd):
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
    heard: Heard | None = None,
) -> Recording:
    """Take an `mne.io.Raw` as a recording; channels of stimuli are left out, and bad ones get the kind 'bad'.

    Samples that MNE marks as never recorded ('BAD_ACQ_SKIP') are gaps, and so are the pauses that the file states of
    which a Raw was read, as long as that is a single file that is still there.

    Parameters
    ----------
    raw
        It is not changed.
    name
        What messages call the recording.
    times, heard
        What the reader of the file knows; None: it is looked up.

    Raises
    ------
    ReadError
        If it holds no samples.
    """
    heard = heard or Heard()
    from_file, shift_s = times is not None, 0.0
    if times is None:
        # The date of a Raw may have been changed, and annotations of a part that was cropped away are not wanted.
        times, shift_s = replace(_stated(raw), start=None), float(raw.first_time)
    types = zip(raw.ch_names, raw.get_channel_types(), strict=True)
    kinds = ["bad" if channel in raw.info["bads"] else str(kind) for channel, kind in types]
    picks = tuple(number for number, kind in enumerate(kinds) if kind != "stim")
    # MNE's times begin with the measurement, and the samples `first_time` later.
    own = _annotations(raw.annotations, float(raw.first_time))
    skips = [(note.onset_s, note.onset_s + note.duration_s) for note in own if note.text.lower() == SKIPPED]
    layout = lay_out(int(raw.n_times), float(raw.info["sfreq"]), times.joins, skips, shift_s)
    if not layout.n_samples:
        raise ReadError(f"{name}: holds no samples")
    annotations = _all_annotations(own, times, layout, shift_s)
    if not from_file:
        annotations = tuple(note for note in annotations if -SAME_S <= note.onset_s <= layout.span_s)
    if times.annotations is not None:
        heard.notes[:] = [note for note in heard.notes if "of its annotations" not in note]
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
        notes=(*_notes(raw.info["bads"], annotations, times), *heard.notes),
        doubts=(*times.doubts, *heard.doubts),
    )
    return as_stated(recording, raw, picks)


def _annotations(found: Any, first_s: float) -> tuple[Annotation, ...]:
    """Return MNE's annotations, in seconds from the first sample; a duration that is none is 0."""
    return tuple(
        Annotation(float(onset) - first_s, max(float(np.nan_to_num(duration)), 0.0), str(text))
        for onset, duration, text in zip(found.onset, found.duration, found.description, strict=True)
        if np.isfinite(onset)
    )


def _all_annotations(
    own: tuple[Annotation, ...], times: Times, layout: Layout, shift_s: float
) -> tuple[Annotation, ...]:
    """Return the annotations of a Raw and of its file at their true times, in their order, each once."""
    first_s = shift_s if times.by_samples else shift_s + _paused_s(times, shift_s)
    stated = tuple(replace(note, onset_s=note.onset_s - first_s) for note in times.annotations or ())
    known = {(note.text, round(note.onset_s / SAME_S) + late) for note in stated for late in (-1, 0, 1)}
    # MNE moves what lies before the first sample there.
    joins = [max(join.at_s - shift_s, 0.0) for join in times.joins if join.pause_s is not None]
    added = [
        note
        for note in own
        if note.text.lower() != SKIPPED
        and (note.text, round(note.onset_s / SAME_S)) not in known
        and not (_marks_join(note) and any(abs(note.onset_s - at_s) * layout.rate_hz <= 1 for at_s in joins))
    ]
    moved = placed(stated, layout) if times.by_samples else stated
    return tuple(sorted((*moved, *placed(added, layout)), key=lambda note: note.onset_s))


def _paused_s(times: Times, shift_s: float) -> float:
    """Return how long the pauses last before the first sample that is left of a file."""
    return sum(join.pause_s or 0.0 for join in times.joins if 0 < join.at_s <= shift_s)


def _marks_join(note: Annotation) -> bool:
    """Say whether an annotation of MNE's says that pieces meet."""
    return BOUNDARY in note.text.lower() or note.text.startswith(NEW_SEGMENT) or note.text == NEW_SEGMENT_GDF


def _start(raw: Any, times: Times, layout: Layout, shift_s: float) -> datetime | None:
    """Return when the first sample was taken."""
    if times.start is not None and shift_s == 0:
        return times.start
    start: datetime | None = raw.info["meas_date"]
    first_s = float(raw.first_time) + layout.pieces[0].start / layout.rate_hz + _paused_s(times, shift_s)
    return start and start + timedelta(seconds=first_s)


def _notes(bads: Sequence[str], annotations: Sequence[Annotation], times: Times) -> tuple[str, ...]:
    joined = len({round(note.onset_s / SAME_S) for note in annotations if _marks_join(note)})
    notes = {
        f"marked as bad, and not used: {listed(bads)}": bads,
        f"it was joined of pieces at {joined} places ('boundary'), and how long the gaps are is not known": joined
        and not any(join.pause_s is None for join in times.joins),
    }
    return (*(note for note, is_so in notes.items() if is_so), *times.told)


def _stated(raw: Any) -> Times:
    """Return what the file states of times of which a Raw was read; nothing where that cannot be known."""
    files = [Path(file) for file in raw.filenames if file is not None]
    look_up = _STATED.get(type(raw).__name__)
    if len(files) != 1 or look_up is None:
        return _times_in(raw)
    with suppress(ReadError, OSError, ValueError):
        return look_up(files[0]) or _times_in(raw)
    return _times_in(raw)


def _times_in(raw: Any) -> Times:
    """Return the pauses that annotations of a Raw itself state, as MNE keeps those of EEGLAB."""
    end_s = raw.n_times / float(raw.info["sfreq"])
    pauses = [note for note in _annotations(raw.annotations, float(raw.first_time)) if _is_pause(note)]
    cut = [note for note in pauses if note.onset_s + note.duration_s > end_s - SAME_S]
    first_s = float(raw.first_time)
    return Times(
        tuple(Join(note.onset_s + first_s, None if note in cut else note.duration_s) for note in pauses),
    )


def _of_header(suffix: str, times: Callable[[Path], Times]) -> Callable[[Path], Times | None]:
    """Return what looks up times in the header beside the samples; None where there is none."""

    def look_up(path: Path) -> Times | None:
        header = beside(path, path.stem + suffix)
        return times(header) if header is not None else None

    return look_up


def _edf_times(path: Path) -> Times:
    file = EdfFile.open(path)
    joins = joins_of((file.record_s * number for number in range(file.n_records)), file.onsets_s.tolist())
    first_s = float(file.onsets_s[0])
    annotations = tuple(replace(note, onset_s=note.onset_s - first_s) for note in file.annotations)
    return Times(joins, annotations=annotations, by_samples=False)


_STATED: Mapping[str, Callable[[Path], Times | None]] = {
    "RawPersyst": _of_header(".lay", persyst_times),
    "RawBrainVision": _of_header(".vhdr", brainvision_times),
    "RawEEGLAB": _of_header(".set", _times_of_annotations),
    "RawNihon": nihon_times,
    "RawEDF": _edf_times,
    "RawBDF": _edf_times,
}
"""What states the times that MNE leaves out, by the class of a Raw."""
