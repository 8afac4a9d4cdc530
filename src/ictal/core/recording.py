"""A recording: its name, its channels, its times, and the source of its samples."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ictal.core.summary_table import SummaryTable
from ictal.errors import ReadError

Signal = npt.NDArray[np.float32]


class Source(Protocol):
    """Where samples come from: a file that is read in chunks, or an array."""

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop` of some or all channels, [channel, time], µV; missing samples are NaN."""
        ...


@dataclass(frozen=True)
class Gap:
    """A time span without samples."""

    start_s: float
    duration_s: float


@dataclass(frozen=True)
class FileRun:
    """A run of a recording: samples that follow each other without a gap.

    Attributes
    ----------
    start, stop
        First sample in the recording, and the one after the last.
    onset_s
        Time of the first sample, in seconds from the start of the recording, gaps included.
    """

    start: int
    stop: int
    onset_s: float


@dataclass(frozen=True)
class Annotation:
    """A text attached to a time span of a recording."""

    onset_s: float
    duration_s: float
    text: str


@dataclass(frozen=True)
class ArraySource:
    """Samples in memory, [channel, time], µV."""

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
        Name in messages: the path, or the id in a data set.
    channels
        Channel names as in the file.
    rate_hz
        Sampling rate.
    n_samples
        Number of samples per channel.
    source
        Reads the samples in µV. It skips gaps: samples after a gap follow those before it.
    start
        Clock time of the first sample, if known.
    gaps, annotations
        In the order of time. Times are in seconds from the start, gaps included.
    limits_uv
        Smallest and largest voltage that the file can store, per channel; empty if unknown.
    kinds
        Type of each channel as the file states it ('eeg', 'ecg', 'misc', ...; '' if it does not), or empty.
    notes
        Findings of the reader that a user must know, one sentence each.
    doubts
        Reasons to doubt sides, times or voltages, one sentence each; see `resolve_doubts`.
    references
        Reference of each channel where the file states it separately from the name ('' if not), or empty.
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
        """Make a recording from an array [channel, time] in µV.

        Raises
        ------
        ValueError
            If the array is not two-dimensional, or does not have one row per channel.
        """
        array = np.asarray(samples, dtype=np.float32)
        if array.ndim != 2 or array.shape[0] != len(channels):
            raise ValueError(f"{len(channels)} channels need an array [channel, time], not {array.shape}")
        return cls(name, tuple(channels), float(rate_hz), array.shape[1], ArraySource(array))

    def _repr_html_(self) -> str:
        known = {
            "start": str(self.start or "unknown"),
            "hours": f"{self.span_s / 3600:.2f}",
            "sampling rate": f"{self.rate_hz:g} Hz",
            f"{len(self.channels)} channels": ", ".join(self.channels),
            "gaps": str(len(self.gaps)),
            "annotations": str(len(self.annotations)),
            "notes": "\n".join(self.all_notes),
        }
        rows = tuple((name, text) for name, text in known.items() if text)
        return SummaryTable(("recording", self.name), rows, numbers=False).to_html()

    @property
    def all_notes(self) -> tuple[str, ...]:
        """The notes, and further findings from samples read since."""
        return (*self.notes, *(note for note in getattr(self.source, "notes", ()) if note not in self.notes))

    def resolve_doubts(self, *, accept_doubtful: bool = False) -> "Recording":
        """Return a recording without doubts: turn them into notes, or raise an error.

        Parameters
        ----------
        accept_doubtful
            Whether the user accepts the recording despite doubts.

        Raises
        ------
        ReadError
            If there are doubts that the user has not accepted; the message says what to do.
        """
        if not self.doubts:
            return self
        if not accept_doubtful:
            raise ReadError(
                f"{self.name}: {'; '.join(self.doubts)}. Correct the file or, if you are sure that it is read "
                "correctly, accept it with --accept-doubtful (Python: accept_doubtful=True, recipe: "
                "data.accept_doubtful: true)"
            )
        return replace(
            self, doubts=(), notes=(*(f"accepted although doubtful: {doubt}" for doubt in self.doubts), *self.notes)
        )

    @property
    def duration_s(self) -> float:
        """Duration of the samples without gaps."""
        return self.n_samples / self.rate_hz

    @property
    def span_s(self) -> float:
        """Duration from the first sample to the last, gaps included."""
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
        """Return samples `start` to `stop` of some or all channels, [channel, time], µV; missing samples are NaN."""
        return self.source.read(start, self.n_samples if stop is None else stop, rows)
