"""A recording: what it is called, which channels it has, and where its samples come from."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ictal.errors import ReadError

Signal = npt.NDArray[np.float32]


class Source(Protocol):
    """Where samples come from: a file that is read in chunks, or an array."""

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop`, [channel, time], µV, of these channels or all; missing ones are NaN."""
        ...


@dataclass(frozen=True)
class Gap:
    """A time for which a recording holds no samples."""

    start_s: float
    duration_s: float


@dataclass(frozen=True)
class FileRun:
    """A run of a recording: samples that follow each other without a gap.

    Attributes
    ----------
    start, stop
        Samples of the recording.
    onset_s
        When the first of them was taken, in seconds from the start of the recording, gaps included.
    """

    start: int
    stop: int
    onset_s: float


@dataclass(frozen=True)
class Annotation:
    """A text that somebody attached to a time of a recording."""

    onset_s: float
    duration_s: float
    text: str


@dataclass(frozen=True)
class ArraySource:
    """Samples that are in memory, [channel, time], µV."""

    samples: Signal

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return the samples from `start` to `stop`."""
        samples = self.samples[:, start:stop]
        return samples if rows is None else samples[list(rows)]


@dataclass(frozen=True)
class Recording:
    """EEG of one patient over time.

    Attributes
    ----------
    name
        What messages call it: its path, or its id in a data set.
    channels
        Names as they stand in the file.
    rate_hz
        Samples per second and channel.
    n_samples
        Samples per channel that the recording holds.
    source
        Gives the samples in µV; those after a gap follow those before it.
    start
        Clock time of the first sample, where it is known.
    gaps, annotations
        In the order of time; their times are true ones, gaps included.
    limits_uv
        Per channel the least and largest voltage that the file can hold, where it says so; else empty.
    kinds
        Per channel what the file says that it is ('eeg', 'ecg', 'misc', ...; '' where it does not); or empty.
    notes
        What the reader met that a user must know, a sentence each.
    doubts
        What makes sides, times or voltages doubtful, a sentence each; see `settled`.
    references
        Per channel its reference, as the file states it apart from the name ('' where it does not); or empty.
    """

    name: str
    channels: tuple[str, ...]
    rate_hz: float
    n_samples: int
    source: Source = field(repr=False)
    start: datetime | None = None
    gaps: tuple[Gap, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    limits_uv: tuple[tuple[float, float], ...] = ()
    kinds: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    references: tuple[str, ...] = ()

    @classmethod
    def from_array(
        cls, samples: npt.ArrayLike, channels: tuple[str, ...], rate_hz: float, name: str = "array"
    ) -> "Recording":
        """Make a recording of an array [channel, time] in µV.

        Raises
        ------
        ValueError
            If the array is not two-dimensional or has another number of rows than there are channels.
        """
        array = np.asarray(samples, dtype=np.float32)
        if array.ndim != 2 or array.shape[0] != len(channels):
            raise ValueError(f"{len(channels)} channels need an array [channel, time], not {array.shape}")
        return cls(name, tuple(channels), float(rate_hz), array.shape[1], ArraySource(array))

    @property
    def all_notes(self) -> tuple[str, ...]:
        """The notes, and what was met since in samples that were read."""
        return (*self.notes, *(note for note in getattr(self.source, "notes", ()) if note not in self.notes))

    def settled(self, *, accept_doubtful: bool = False) -> "Recording":
        """Return a recording without doubts: they are refused, or become notes.

        Parameters
        ----------
        accept_doubtful
            Whether the user takes the recording as it is read.

        Raises
        ------
        ReadError
            If there are doubts that the user has not accepted; the message says what to do.
        """
        if not self.doubts:
            return self
        told = "; ".join(self.doubts)
        if not accept_doubtful:
            raise ReadError(
                f"{self.name}: {told}. Correct that or, if you are sure that it is read rightly, accept it by "
                "--accept-doubtful (Python: accept_doubtful=True, recipe: data.accept_doubtful: true)"
            )
        return replace(
            self, doubts=(), notes=(*(f"accepted although doubtful: {doubt}" for doubt in self.doubts), *self.notes)
        )

    @property
    def duration_s(self) -> float:
        """Seconds of samples, without gaps."""
        return self.n_samples / self.rate_hz

    @property
    def span_s(self) -> float:
        """Seconds from the first sample to the last, gaps included."""
        return self.duration_s + sum(gap.duration_s for gap in self.gaps)

    @property
    def runs(self) -> tuple[FileRun, ...]:
        """The gapless runs, ordered by time."""
        runs, start, onset_s = [], 0, 0.0
        for gap in self.gaps:
            stop = start + round((gap.start_s - onset_s) * self.rate_hz)
            runs.append(FileRun(start, stop, onset_s))
            start, onset_s = stop, gap.start_s + gap.duration_s
        return (*runs, FileRun(start, self.n_samples, onset_s))

    def read(self, start: int = 0, stop: int | None = None, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop` of these channels or of all, [channel, time], µV; missing ones are NaN."""
        return self.source.read(start, self.n_samples if stop is None else stop, rows)
