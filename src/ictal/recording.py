"""A recording: what it is called, which channels it has, and where its samples come from."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt

Signal = npt.NDArray[np.float32]


class Source(Protocol):
    """Where samples come from: a file that is read by segment, or an array."""

    def read(self, start: int, stop: int) -> Signal:
        """Return samples `start` to `stop` of all channels, [channel, time], in µV; missing ones are NaN."""
        ...


@dataclass(frozen=True)
class Gap:
    """A time for which a recording holds no samples."""

    start_s: float
    duration_s: float


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

    def read(self, start: int, stop: int) -> Signal:
        """Return the samples from `start` to `stop`."""
        return self.samples[:, start:stop]


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
        Samples per channel.
    source
        Gives the samples in µV.
    start
        Clock time of the first sample, where it is known.
    gaps, annotations
        In the order of time.
    """

    name: str
    channels: tuple[str, ...]
    rate_hz: float
    n_samples: int
    source: Source = field(repr=False)
    start: datetime | None = None
    gaps: tuple[Gap, ...] = ()
    annotations: tuple[Annotation, ...] = ()

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
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.rate_hz

    def read(self, start: int = 0, stop: int | None = None) -> Signal:
        """Return samples `start` to `stop`, [channel, time], float32, µV; missing samples are NaN."""
        return self.source.read(start, self.n_samples if stop is None else stop)
