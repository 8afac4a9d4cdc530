"""Look through the samples of a recording once: the largest and smallest voltages, and what is missing."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ictal.core.progress import Progress
from ictal.core.recording import Recording, Signal

CHUNK_S = 60
CHUNK_SAMPLES = 4_000_000
"""At most this many seconds, and samples of all channels, are held in memory at a time."""
GAP_S = 1.0
"""Without a value of any channel for this long, there is a gap. An electrode that is flat for as long is missing."""

Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Hole:
    """Seconds in which some channels lack samples.

    Attributes
    ----------
    start, stop
        First sample, and the one after the last.
    rows
        The channels that lack samples.
    """

    start: int
    stop: int
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Survey:
    """What the samples of a recording are like.

    Attributes
    ----------
    low, high
        Smallest and largest voltage of each channel; NaN if it has none.
    first
        First voltage of each channel; NaN if it has none.
    n_missing
        Number of missing samples of each channel, outside the gaps.
    gaps
        Ranges of samples in which no channel has a value, at least `GAP_S` long.
    holes
        Seconds with other missing samples, in the order of time. Channels without any value do not count.
    """

    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    first: npt.NDArray[np.float64]
    n_missing: npt.NDArray[np.int64]
    gaps: tuple[tuple[int, int], ...] = ()
    holes: tuple[Hole, ...] = ()

    @property
    def rows(self) -> tuple[int, ...]:
        """The channels with values."""
        return tuple(np.flatnonzero(np.isfinite(self.first)).tolist())


def nothing_missing(n_channels: int) -> Survey:
    """Return the survey of a recording whose limits need not be known, and that lacks no samples."""
    zeros = np.zeros(n_channels)
    return Survey(zeros, zeros, zeros, zeros.astype(np.int64))


def chunks(start: int, stop: int, recording: Recording, unit: int = 1) -> Iterator[tuple[int, int]]:
    """Yield ranges of samples that fit in memory; each is a multiple of `unit`, except the last."""
    most = min(CHUNK_S * recording.rate_hz, CHUNK_SAMPLES / max(len(recording.channels), 1))
    step = max(1, round(most) // unit) * unit
    for begin in range(start, stop, step):
        yield begin, min(begin + step, stop)


def survey(recording: Recording, progress: Progress) -> Survey:
    """Read a recording once, a minute at a time."""
    found = _Survey(len(recording.channels), max(1, round(GAP_S * recording.rate_hz)))
    for begin, end in chunks(0, recording.n_samples, recording):
        progress("looking at samples", begin / recording.rate_hz, recording.duration_s)
        found.add(begin, recording.read(begin, end))
    progress("looking at samples", recording.duration_s, recording.duration_s)
    return found.finish()


@dataclass
class _Survey:
    """A survey in progress.

    Attributes
    ----------
    n_channels
        Number of channels.
    second
        Samples in `GAP_S`.
    empty
        The last range of samples in which no channel has a value.
    gaps
        See `Survey`.
    lacking
        Which channels lack samples, by number of the second.
    """

    n_channels: int
    second: int
    empty: tuple[int, int] = (0, 0)
    gaps: list[tuple[int, int]] = field(default_factory=list)
    lacking: dict[int, Marks] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.low, self.high = np.full(self.n_channels, np.inf), np.full(self.n_channels, -np.inf)
        self.first = np.full(self.n_channels, np.nan)
        self.n_missing = np.zeros(self.n_channels, dtype=np.int64)

    def add(self, begin: int, samples: Signal) -> None:
        """Take in the samples from `begin` on."""
        known = np.isfinite(samples)
        self.low = np.minimum(self.low, np.min(samples, axis=1, where=known, initial=np.inf))
        self.high = np.maximum(self.high, np.max(samples, axis=1, where=known, initial=-np.inf))
        new = np.flatnonzero(np.isnan(self.first) & known.any(axis=1))
        self.first[new] = samples[new, known[new].argmax(axis=1)]
        if known.all():
            return
        self.n_missing += (~known).sum(axis=1)
        some = np.any(known, axis=0)
        edges = np.flatnonzero(np.diff(some, prepend=True, append=True)) + begin
        for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            if start > self.empty[1]:
                self._end_empty()
                self.empty = (start, stop)
            self.empty = (self.empty[0], stop)
        partial = np.logical_and(~known, some)
        seconds = (begin + np.arange(len(some))) // self.second
        for second in np.unique(seconds[partial.any(axis=0)]).tolist():
            self._mark(second, np.any(partial[:, seconds == second], axis=1))

    def finish(self) -> Survey:
        """Return the survey of all samples."""
        self._end_empty()
        has = np.isfinite(self.first)
        holes: list[Hole] = []
        for second in sorted(self.lacking):
            rows = tuple(np.flatnonzero(self.lacking[second] & has).tolist())
            start, last = second * self.second, holes[-1] if holes else None
            if last and last.stop == start and last.rows == rows:
                holes[-1] = Hole(last.start, start + self.second, rows)
            elif rows:
                holes.append(Hole(start, start + self.second, rows))
        return Survey(
            np.where(has, self.low, np.nan),
            np.where(has, self.high, np.nan),
            self.first,
            self.n_missing - sum(stop - start for start, stop in self.gaps),
            tuple(self.gaps),
            tuple(holes),
        )

    def _end_empty(self) -> None:
        """Take a range without any value as a gap if it is long enough."""
        start, stop = self.empty
        if stop - start >= self.second:
            self.gaps.append((start, stop))
        elif stop > start:
            for second in range(start // self.second, (stop - 1) // self.second + 1):
                self._mark(second, np.ones(self.n_channels, dtype=bool))

    def _mark(self, second: int, rows: Marks) -> None:
        self.lacking[second] = rows | self.lacking.get(second, False)
