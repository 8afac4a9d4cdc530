"""When samples were taken: what a format states of pauses, whatever reads its samples."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from math import ceil

from ictal.core.recording import Annotation, Gap

JITTER_S = 0.01
"""By so much may a piece be late or early without a pause, since writers round its onset."""
DRIFT_S = 0.5
"""By so much may a clock depart over many pieces before the times are set anew by a pause."""
ROUNDING_S = 1e-6
"""No pause is as short: what is left between two sums of seconds."""
EARLY = 0.01
"""Part of a sample that rounding may take a skip too early or late."""


@dataclass(frozen=True)
class Join:
    """Where two pieces of a recording meet.

    Attributes
    ----------
    at_s
        Seconds of samples before it, as if there were no pauses.
    pause_s
        For how long nothing was recorded; None where the file does not say. Below zero, the clock went back.
    """

    at_s: float
    pause_s: float | None


@dataclass(frozen=True)
class Times:
    """What a file states about the times of its samples.

    Attributes
    ----------
    joins
        In the order of the samples.
    start
        Clock time of the first sample; None where the file does not say.
    annotations
        As the file states them, also those that lie behind its last sample; None: what reads the samples knows them.
    by_samples
        Whether the times of annotations count samples, and so leave out pauses; otherwise they are true ones.
    notes
        A sentence each.
    clock_s
        By so much may the clock go back at a join, since the format states it no better.
    """

    joins: tuple[Join, ...] = ()
    start: datetime | None = None
    annotations: tuple[Annotation, ...] | None = None
    by_samples: bool = True
    notes: tuple[str, ...] = ()
    clock_s: float = JITTER_S

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the times cannot be right, a sentence each."""
        back = [(join.at_s, early_s) for join in self.joins if (early_s := -(join.pause_s or 0.0)) > self.clock_s]
        if not back:
            return ()
        (at_s, early_s), more = back[0], f", and so at {len(back) - 1} more places" if len(back) > 1 else ""
        return (f"its times go back: {at_s:g} s of samples end {early_s:g} s behind the start of the next{more}",)

    @property
    def told(self) -> tuple[str, ...]:
        """Return `notes`, and what is not known of the times."""
        unknown = sum(join.pause_s is None for join in self.joins)
        early = [back for join in self.joins if JITTER_S < (back := -(join.pause_s or 0.0)) <= self.clock_s]
        most = max(early, default=0.0)
        said = {
            f"it was joined of pieces at {unknown} places, and how long the gaps are is not known": unknown,
            f"its clock goes back by up to {most:.2g} s at {len(early)} joins, which is not heeded": early,
        }
        return (*self.notes, *(note for note, is_so in said.items() if is_so))


@dataclass(frozen=True)
class Piece:
    """Samples without a pause.

    Attributes
    ----------
    start, stop
        First and last but one of those that a file holds.
    onset_s
        When the first of them was taken.
    early
        So many samples before the first the file states the pause, since EEGLAB does so between two of them.
    """

    start: int
    stop: int
    onset_s: float
    early: float = 0.0


@dataclass(frozen=True)
class Layout:
    """How the samples that a file holds lie in time.

    Attributes
    ----------
    pieces
        In the order of time; the first begins at 0 s.
    rate_hz
        Samples per second.
    """

    pieces: tuple[Piece, ...]
    rate_hz: float

    @property
    def n_samples(self) -> int:
        """Samples that were recorded."""
        return sum(piece.stop - piece.start for piece in self.pieces)

    @property
    def span_s(self) -> float:
        """Seconds from the first sample to the last, pauses included."""
        last = self.pieces[-1]
        return last.onset_s + (last.stop - last.start) / self.rate_hz

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What lies between the pieces."""
        found, end_s = [], 0.0
        for piece in self.pieces:
            if piece.onset_s > end_s + ROUNDING_S:
                found.append(Gap(end_s, piece.onset_s - end_s))
            end_s = piece.onset_s + (piece.stop - piece.start) / self.rate_hz
        return tuple(found)

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """First and last but one of the file's samples of each piece."""
        return tuple((piece.start, piece.stop) for piece in self.pieces)

    def true_s(self, second: float, *, ends: bool = False) -> float:
        """Return the true time of a second of the samples that the file holds; of a pause, its start or its end.

        Parameters
        ----------
        second
            As if there were no pauses.
        ends
            Whether something ends there, so that a pause that begins there is not counted.
        """
        sample = second * self.rate_hz + (-EARLY if ends else EARLY)
        for piece in reversed(self.pieces):
            if piece.start <= sample or (not ends and piece.start - piece.early <= sample):
                break
        late_s = second - piece.start / self.rate_hz
        # What begins between a pause and the first sample behind it belongs to that sample.
        return piece.onset_s + (max(late_s, 0.0) if piece.early and not ends else late_s)


def joins_of(
    starts_s: Iterable[float], onsets_s: Iterable[float], jitter_s: float = JITTER_S, drift_s: float = DRIFT_S
) -> tuple[Join, ...]:
    """Return where pieces meet whose onsets depart from those of pieces that follow each other.

    Parameters
    ----------
    starts_s
        Seconds of samples before each piece.
    onsets_s
        When each begins.
    jitter_s, drift_s
        See `JITTER_S` and `DRIFT_S`.
    """
    found, late_s, before = [], 0.0, None
    for start_s, onset_s in zip(starts_s, onsets_s, strict=True):
        if before is not None:
            jump_s = (onset_s - before[1]) - (start_s - before[0])
            late_s += jump_s
            if (abs(jump_s) > jitter_s and abs(late_s) > jitter_s) or abs(late_s) > drift_s:
                found.append(Join(start_s, late_s))
                late_s = 0.0
        before = start_s, onset_s
    return tuple(found)


def lay_out(
    n_samples: int,
    rate_hz: float,
    joins: Sequence[Join] = (),
    skips: Sequence[tuple[float, float]] = (),
    first_s: float = 0.0,
) -> Layout:
    """Place samples in time.

    Parameters
    ----------
    n_samples, rate_hz
        What is there.
    joins
        Of the whole file.
    skips
        Seconds of samples, from and to, that are there but were never recorded.
    first_s
        Seconds of samples of the file that stand before the first that is there.
    """
    pauses: dict[int, float] = {}
    early: dict[int, float] = {}
    for join in joins:
        sample = _sample(join.at_s - first_s, rate_hz)
        if 0 < sample < n_samples:
            pauses[sample] = pauses.get(sample, 0.0) + (join.pause_s or 0.0)
            early[sample] = max(early.get(sample, 0.0), sample - (join.at_s - first_s) * rate_hz)
    lost = [(_sample(begin, rate_hz), _sample(end, rate_hz)) for begin, end in skips]
    edges = sorted({0, n_samples, *pauses, *(min(max(edge, 0), n_samples) for pair in lost for edge in pair)})
    pieces: list[Piece] = []
    late_s = end_s = 0.0
    for start, stop in pairwise(edges):
        late_s += pauses.get(start, 0.0)
        if not any(begin <= start and stop <= end for begin, end in lost):
            # Where the clock went back, what follows is placed behind what was recorded before.
            pieces.append(Piece(start, stop, max(start / rate_hz + late_s, end_s), early.get(start, 0.0)))
            end_s = pieces[-1].onset_s + (stop - start) / rate_hz
    first = pieces[0].onset_s if pieces else 0.0
    return Layout(tuple(replace(piece, onset_s=piece.onset_s - first) for piece in pieces), rate_hz)


def placed(annotations: Iterable[Annotation], layout: Layout) -> tuple[Annotation, ...]:
    """Return annotations, whose times count samples, at their true times."""
    return tuple(
        Annotation(
            onset := layout.true_s(note.onset_s),
            max(layout.true_s(note.onset_s + note.duration_s, ends=True) - onset, 0.0),
            note.text,
        )
        for note in annotations
    )


def _sample(second: float, rate_hz: float) -> int:
    return ceil(second * rate_hz - EARLY)
