"""Join recordings that a recorder cut into pieces; samples are read from the pieces on demand."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, combinations, takewhile
from pathlib import Path
from typing import Any

import numpy as np

from ictal.core.recording import Annotation, Gap, Recording, Signal
from ictal.errors import ReadError, UsageError, listed, raise_problems
from ictal.io.edf.patient import differing_subfields, patient_field
from ictal.io.open import as_recording
from ictal.io.piece_channels import common_channels
from ictal.io.piece_times import place_pieces
from ictal.io.recording_files import parts_of, recording_hash

JOINED = "_joined"
"""Ending of a joined recording's name if the pieces' names have no common beginning, or it is that of a piece."""


@dataclass(frozen=True)
class Piece:
    """A piece of a joined recording.

    Attributes
    ----------
    name
        Name in messages: that of the file.
    recording, path
        The piece alone, and its path if it was opened as a file.
    onset_s, first
        Time of its first sample, and number of samples before it, in the joined recording.
    rows
        Its row of each channel.
    """

    name: str
    recording: Recording
    path: Path | None = None
    onset_s: float = 0.0
    first: int = 0
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class JoinedSource:
    """Samples of pieces, one after the other."""

    pieces: tuple[Piece, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """Findings from samples of the pieces read since they were joined."""
        known = {note for piece in self.pieces for note in piece.recording.notes}
        return _grouped((one, [note for note in one.recording.all_notes if note not in known]) for one in self.pieces)

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop` of the channels `rows` or of all, [channel, time], µV."""
        chosen = range(len(self.pieces[0].rows)) if rows is None else rows
        last = self.pieces[-1]
        samples = np.empty(
            (len(chosen), max(min(stop, last.first + last.recording.n_samples) - start, 0)), np.float32
        )
        for piece in self.pieces:
            low, high = max(start - piece.first, 0), min(stop - piece.first, piece.recording.n_samples)
            if low < high:
                read = piece.recording.read(low, high, [piece.rows[row] for row in chosen])
                samples[:, low + piece.first - start : high + piece.first - start] = read
        return samples


def join_recordings(
    recordings: "Iterable[str | Path | Recording | Any]", *, name: str | None = None, accept_doubtful: bool = False
) -> Recording:
    """Join recordings that a recorder cut into pieces, in the order of their start times.

    Samples are read later, from the pieces. Pieces may be in different formats, and have their channels in another
    order. Electrodes, references, types of channels and sampling rate must be the same; other channels that some
    pieces lack are left out, with a note. One recording alone is returned as it is.

    Parameters
    ----------
    recordings
        Paths (see `ictal.read`), `Recording`s or `mne.io.Raw`s, in any order.
    name
        Name of the joined recording; None: the common beginning of the names, see `joined_path`.
    accept_doubtful
        Whether to accept, with a note, what is in doubt: see `ictal.read`; different patients in the headers of EDF
        files; pieces an hour apart, as after a change of the clock; gaps of more than a week.

    Returns
    -------
    Recording
        With gaps where there is time between pieces, see `ictal.io.piece_times.place_pieces`, and all annotations.

    Raises
    ------
    UsageError
        If there are no recordings, or one path instead of a list.
    ReadError
        If a piece cannot be read, has no samples or no start time, overlaps with another, is there twice, or has
        other electrodes, references, types or rate; or if there is a doubt. The message names the pieces.
    """
    if isinstance(recordings, str | Path):
        raise UsageError(f"'{recordings}': name the pieces in a list, such as Path('.').glob('night_*.edf')")
    given = [*recordings]
    if not given:
        raise UsageError("there are no recordings to join; name at least one")
    opened = [as_recording(one, accept_doubtful=accept_doubtful) for one in given]
    if len(opened) == 1:
        return opened[0] if name is None else replace(opened[0], name=name)
    paths = [Path(one) if isinstance(one, str | Path) else None for one in given]
    pieces = [Piece(*each) for each in zip(_short([one.name for one in opened]), opened, paths, strict=True)]
    name = name or str(joined_path([piece.path or piece.recording.name for piece in pieces]))
    return join_pieces(pieces, name).resolve_doubts(accept_doubtful=accept_doubtful)


def pieces_of(recording: Recording) -> tuple[Piece, ...]:
    """Return the pieces of a joined recording, in the order of time; none of any other."""
    return recording.source.pieces if isinstance(recording.source, JoinedSource) else ()


def joined_path(files: Sequence[str | Path]) -> Path:
    """Return the name of a joined recording, as a path in the folder of its pieces: how all their names begin.

    Names are compared word by word, so that 'night_01.edf' and 'night_02.edf' give 'night'. Other names, or pieces of
    which one has this name, give the first name in alphabetical order with '_joined'. One file keeps its own path.

    Examples
    --------
    >>> str(joined_path(["ward/night_01.edf", "ward/night_02.edf"])), str(joined_path(["a.edf", "b.edf"]))
    ('ward/night', 'a_joined')
    """
    paths = [Path(file) for file in files]
    if len(paths) == 1:
        return paths[0]
    stems = sorted({Path(path.name.removesuffix(".gz")).stem for path in paths})
    words = [re.findall(r"\d+|[^\W\d_]+|[\W_]", stem) for stem in (stems[0], stems[-1])]
    same = takewhile(lambda pair: pair[0] == pair[1], zip(*words, strict=False))
    begin = "".join(word for word, _ in same)
    # Of 'sub-01_run-1' and 'sub-01_run-2', 'run' is no part of the name, either.
    found = re.sub(r"_[A-Za-z]+-$", "", begin).strip("_-. ()").replace(".", "_")
    stem = found if found and found not in stems else stems[0].replace(".", "_") + JOINED
    folders = {str(path.parent) for path in paths}
    return Path(os.path.commonpath(folders) if len({path.anchor for path in paths}) == 1 else "") / stem


def join_pieces(pieces: Sequence[Piece], name: str) -> Recording:
    """Join pieces, in any order, as `join_recordings` does; what is in doubt is left to the caller."""
    if len(pieces) == 1:
        return replace(pieces[0].recording, name=name)
    names, recordings = [piece.name for piece in pieces], [piece.recording for piece in pieces]
    title = f"{name}: {len(pieces)} pieces cannot be joined"
    empty = [f"{piece.name} has no samples" for piece in pieces if not piece.recording.n_samples]
    raise_problems(title, [*empty, *_twice(pieces)], ReadError)
    times = place_pieces(recordings, names)
    order = times.order or range(len(pieces))
    placed, names = [pieces[number] for number in order], [names[number] for number in order]
    channels = common_channels([piece.recording for piece in placed], names)
    raise_problems(title, [*times.problems, *channels.problems], ReadError)
    firsts = accumulate((piece.recording.n_samples for piece in placed), initial=0)
    found = tuple(
        replace(piece, onset_s=onset_s, first=first, rows=rows)
        for piece, onset_s, first, rows in zip(placed, times.onsets_s, firsts, channels.rows, strict=False)
    )
    gaps, own = _gaps(found), [gap for piece in found for gap in piece.recording.gaps]
    notes = [f"joined from {len(found)} pieces: {listed(names, 3)}", *times.notes, *channels.notes]
    if n_between := len(gaps) - len(own):
        seconds = sum(gap.duration_s for gap in gaps) - sum(gap.duration_s for gap in own)
        notes.insert(1, f"{n_between} gap{'s' if n_between > 1 else ''} between pieces, {seconds:.6g} s in all")
    return Recording(
        name,
        channels.channels,
        found[0].recording.rate_hz,
        sum(piece.recording.n_samples for piece in found),
        JoinedSource(found),
        found[0].recording.start,
        gaps,
        _annotations(found),
        channels.limits_uv,
        channels.kinds,
        (*notes, *_grouped((piece, piece.recording.notes) for piece in found)),
        (*times.doubts, *_patients(found)),
        channels.references,
    )


def _short(names: Sequence[str]) -> list[str]:
    """Return file names without folders, unless two are the same."""
    last = [Path(name).name for name in names]
    return last if len({*last}) == len(last) else [*names]


def _gaps(pieces: Sequence[Piece]) -> tuple[Gap, ...]:
    """Return the gaps between pieces and within them."""
    gaps, end_s = [], 0.0
    for piece in pieces:
        if piece.onset_s > end_s:
            gaps.append(Gap(end_s, piece.onset_s - end_s))
        gaps += [replace(gap, start_s=piece.onset_s + gap.start_s) for gap in piece.recording.gaps]
        end_s = piece.onset_s + piece.recording.span_s
    return tuple(gaps)


def _annotations(pieces: Sequence[Piece]) -> tuple[Annotation, ...]:
    shifted = (
        replace(note, onset_s=piece.onset_s + note.onset_s)
        for piece in pieces
        for note in piece.recording.annotations
    )
    return tuple(sorted(shifted, key=lambda note: note.onset_s))


def _grouped(notes: "Iterable[tuple[Piece, Sequence[str]]]") -> tuple[str, ...]:
    """Return each note once, with the names of its pieces, unless all have it."""
    named: dict[str, list[str]] = defaultdict(list)
    n_pieces = 0
    for piece, own in notes:
        n_pieces += 1
        for note in own:
            named[note].append(piece.name)
    return tuple(note if len(names) == n_pieces else f"{listed(names, 3)}: {note}" for note, names in named.items())


def _twice(pieces: Sequence[Piece]) -> list[str]:
    """Return a sentence for pieces that are the same file, or a copy of it."""
    alike: dict[Any, list[Piece]] = defaultdict(list)
    for piece in pieces:
        alike[piece.recording.start, piece.recording.n_samples].append(piece)
    same: dict[str, list[str]] = defaultdict(list)
    for group in alike.values():
        for piece in group if len(group) > 1 else ():
            if piece.path:
                same[recording_hash(piece.path)].append(piece.name)
    return [f"{' and '.join(names)} are the same recording" for names in same.values() if len(names) > 1]


def _patients(pieces: Sequence[Piece]) -> list[str]:
    """Return a sentence for EDF headers that state different patients, without what they state."""
    stated: dict[str, str] = {}
    for piece in pieces:
        field = patient_field(parts_of(piece.path)[0]) if piece.path else None
        stated |= {field: piece.name} if field and field not in stated else {}
    return [
        f"the patient fields of {one} and {other} differ in {' and '.join(differing)}: they may be two patients"
        for (field, one), (another, other) in combinations(stated.items(), 2)
        if (differing := differing_subfields(field, another))
    ]
