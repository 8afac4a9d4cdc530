"""True times of samples: how the pauses that a file states become gaps, for all formats."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from math import ceil

import numpy as np
import numpy.typing as npt

from ictal.core.recording import Annotation, Gap

JITTER_S = 0.01
"""Segments that start this much late or early do not count as a pause, since writers round onsets."""
DRIFT_S = 0.5
"""Accumulated clock drift over many segments that counts as a pause."""
ROUNDING_S = 1e-6
"""Differences below this are floating-point error, not a pause."""
SEARCHED = 4096
"""Segments that are searched for a join at a time."""
EARLY = 0.01
"""Largest rounding error of a skip, in samples."""


@dataclass(frozen=True)
class Join:
    """The boundary between two segments of a recording.

    Attributes
    ----------
    at_s
        Seconds of samples before the boundary, pauses excluded.
    pause_s
        Duration of the pause; None if the file does not state it. If negative, the clock went back.
    """

    at_s: float
    pause_s: float | None


@dataclass(frozen=True)
class Times:
    """The times that a file states.

    Attributes
    ----------
    joins
        In the order of the samples.
    start
        Clock time of the first sample; None if the file does not state it.
    annotations
        As the file states them, also after the last sample; None if the reader of the samples provides them.
    by_samples
        Whether annotation times count samples, so that pauses are excluded; otherwise they are true times.
    notes
        Findings, one sentence each.
    clock_s
        Resolution of the clock in this format: it may go back this much at a join.
    """

    joins: tuple[Join, ...] = ()
    start: datetime | None = None
    annotations: tuple[Annotation, ...] | None = None
    by_samples: bool = True
    notes: tuple[str, ...] = ()
    clock_s: float = JITTER_S

    @property
    def doubts(self) -> tuple[str, ...]:
        """Reasons why the times cannot be correct, one sentence each."""
        back = [(join.at_s, early_s) for join in self.joins if (early_s := -(join.pause_s or 0.0)) > self.clock_s]
        if not back:
            return ()
        (at_s, early_s), more = back[0], f" (and {len(back) - 1} more such places)" if len(back) > 1 else ""
        return (f"its clock goes back by {early_s:g} s after {at_s:g} s of samples{more}",)

    @property
    def all_notes(self) -> tuple[str, ...]:
        """The notes, and a sentence for each thing about the times that is unknown."""
        unknown = sum(join.pause_s is None for join in self.joins)
        early = [back for join in self.joins if JITTER_S < (back := -(join.pause_s or 0.0)) <= self.clock_s]
        most = max(early, default=0.0)
        sentences = {
            unknown_gaps(unknown): unknown,
            f"its clock goes back by up to {most:.2g} s at {len(early)} joins, which is ignored": early,
        }
        return (*self.notes, *(note for note, applies in sentences.items() if applies))


def unknown_gaps(n_places: int, mark: str = "") -> str:
    """Return a sentence that says that segments were joined, with gaps of unknown length."""
    return f"segments were joined at {n_places} places{mark}; gap lengths are unknown"


@dataclass(frozen=True)
class FileSegment:
    """Samples of a file without a pause between them.

    Attributes
    ----------
    start, stop
        First sample in the file, and the one after the last.
    onset_s
        Time of the first sample.
    early
        How many samples before the first one the file places the pause. EEGLAB places it between two samples.
    """

    start: int
    stop: int
    onset_s: float
    early: float = 0.0


@dataclass(frozen=True)
class Layout:
    """The positions in time of the samples in a file.

    Attributes
    ----------
    segments
        In the order of time; the first starts at 0 s.
    rate_hz
        Sampling rate.
    """

    segments: tuple[FileSegment, ...]
    rate_hz: float

    @property
    def n_samples(self) -> int:
        """Number of recorded samples."""
        return sum(segment.stop - segment.start for segment in self.segments)

    @property
    def span_s(self) -> float:
        """Duration from the first sample to the last, pauses included."""
        last = self.segments[-1]
        return last.onset_s + (last.stop - last.start) / self.rate_hz

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The gaps between the segments."""
        found, end_s = [], 0.0
        for segment in self.segments:
            if segment.onset_s > end_s + ROUNDING_S:
                found.append(Gap(end_s, segment.onset_s - end_s))
            end_s = segment.onset_s + (segment.stop - segment.start) / self.rate_hz
        return tuple(found)

    @property
    def ranges(self) -> tuple[tuple[int, int], ...]:
        """First sample of each segment in the file, and the one after its last."""
        return tuple((segment.start, segment.stop) for segment in self.segments)

    def true_s(self, second: float, *, ends: bool = False) -> float:
        """Return the true time of a position in the samples of a file.

        Parameters
        ----------
        second
            The position in seconds, pauses excluded.
        ends
            Whether something ends there. A pause at this position then comes after it, otherwise before it.
        """
        sample = second * self.rate_hz + (-EARLY if ends else EARLY)
        for segment in reversed(self.segments):
            if segment.start <= sample or (not ends and segment.start - segment.early <= sample):
                break
        late_s = second - segment.start / self.rate_hz
        # A start between a pause and the next sample belongs to that sample.
        return segment.onset_s + (max(late_s, 0.0) if segment.early and not ends else late_s)


def find_joins(
    starts_s: npt.ArrayLike, onsets_s: npt.ArrayLike, jitter_s: float = JITTER_S, drift_s: float = DRIFT_S
) -> tuple[Join, ...]:
    """Return the joins at which onsets differ from those of continuous segments.

    Parameters
    ----------
    starts_s
        Seconds of samples before each segment, [segment].
    onsets_s
        Stated onset of each segment, [segment].
    jitter_s, drift_s
        See `JITTER_S` and `DRIFT_S`.
    """
    starts = np.asarray(starts_s, dtype=np.float64)
    apart = np.asarray(onsets_s, dtype=np.float64) - starts
    jumps = np.abs(np.diff(apart, prepend=apart[:1])) > jitter_s
    found: list[Join] = []
    base, first = 0, 1
    while first < len(apart):
        late_s = apart[first : first + SEARCHED] - apart[base]
        jumped = jumps[first : first + SEARCHED]
        joins = np.flatnonzero((jumped & (np.abs(late_s) > jitter_s)) | (np.abs(late_s) > drift_s))
        if len(joins):
            base = first + int(joins[0])
            found.append(Join(float(starts[base]), float(late_s[joins[0]])))
        first = base + 1 if len(joins) else first + SEARCHED
    return tuple(found)


def layout_of(
    n_samples: int,
    rate_hz: float,
    joins: Sequence[Join] = (),
    skips: Sequence[tuple[float, float]] = (),
    first_s: float = 0.0,
) -> Layout:
    """Return the positions of samples in time.

    Parameters
    ----------
    n_samples, rate_hz
        Number of samples and sampling rate.
    joins
        Joins of the whole file.
    skips
        Start and end, in seconds of samples, of parts that the file contains but that were never recorded.
    first_s
        Seconds of samples in the file before the first of these samples, as in a cropped recording.
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
    segments: list[FileSegment] = []
    late_s = end_s = 0.0
    for start, stop in pairwise(edges):
        late_s += pauses.get(start, 0.0)
        if not any(begin <= start and stop <= end for begin, end in lost):
            # If the clock went back, the segment starts when the previous one ends.
            segments.append(FileSegment(start, stop, max(start / rate_hz + late_s, end_s), early.get(start, 0.0)))
            end_s = segments[-1].onset_s + (stop - start) / rate_hz
    first = segments[0].onset_s if segments else 0.0
    return Layout(tuple(replace(segment, onset_s=segment.onset_s - first) for segment in segments), rate_hz)


def at_true_times(annotations: Iterable[Annotation], layout: Layout) -> tuple[Annotation, ...]:
    """Return annotations at true times; their given times count samples."""
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


def parts_within(
    ranges: Sequence[tuple[int, int]], start: int, stop: int, longest: int | None = None
) -> Iterator[tuple[slice, int, int]]:
    """Yield what to read for samples `start` to `stop` of a recording, range by range.

    Parameters
    ----------
    ranges
        First sample of each recorded range as its reader counts them, and the one after the last.
    longest
        Number of samples of a part at most.

    Yields
    ------
    tuple of slice, int and int
        Place of the part in the answer, and its first sample and the one after its last as the reader counts them.
    """
    begin = 0
    for first, last in ranges:
        low, high = max(start, begin), min(stop, begin + last - first)
        for at in range(low, high, longest or max(high - low, 1)):
            to = min(at + longest, high) if longest else high
            yield slice(at - start, to - start), at + first - begin, to + first - begin
        begin += last - first
