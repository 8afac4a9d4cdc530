"""The gapless runs of a recording, resampled piece by piece."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ictal.core.recording import Recording, Segment, Signal
from ictal.core.windows import RATE_HZ, WINDOW_S
from ictal.errors import ReadError
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.filtering import band_pass
from ictal.preprocessing.missing import FADE_S, at_limits, fill_missing, flat_runs
from ictal.preprocessing.resampling import Resampler, resampler
from ictal.preprocessing.settings import FLAT_S, MARGIN_S, MIN_RATE_HZ, Fill, Marks, StandardiseSettings


@dataclass(frozen=True)
class Standardised:
    """A recording, or a piece of one, as models take it.

    Attributes
    ----------
    signal
        [20, time], `ictal.core.montage.CHANNELS` at 200 Hz, µV, finite.
    missing
        [20, time], True where the file holds no sample, or the same one for a second or more (an electrode
        that is off, or saturated); a channel that the file lacks (only the EKG may be lacking) is missing
        throughout.
    """

    signal: Signal
    missing: Marks


@dataclass(frozen=True)
class Resampled:
    """A recording, or a piece of one, before the band-pass.

    Attributes
    ----------
    signal
        [20, time], `ictal.core.montage.CHANNELS` at 200 Hz, µV, finite: missing samples are filled.
    missing
        As in `Standardised`.
    flat, clipped
        [20, time], True where a value lasts for a second or more, and where it is the least or largest that the file
        can hold.
    """

    signal: Signal
    missing: Marks
    flat: Marks
    clipped: Marks

    def cut(self, start: int, stop: int) -> "Resampled":
        """Return the samples from `start` to `stop`."""
        inner = slice(start, stop)
        return Resampled(self.signal[:, inner], self.missing[:, inner], self.flat[:, inner], self.clipped[:, inner])


@dataclass(frozen=True)
class Stretch:
    """One gapless segment of a recording, of which any piece can be had at 200 Hz.

    Attributes
    ----------
    recording, segment, mapping
        Whose samples, which of them, and how they become electrodes.
    fill
        What stands in for missing samples.
    """

    recording: Recording
    segment: Segment
    mapping: ChannelMapping
    fill: Fill

    @cached_property
    def resampler(self) -> Resampler:
        """What brings the segment's rate to 200 Hz."""
        return resampler(self.recording.rate_hz)

    @property
    def onset_s(self) -> float:
        """When the segment begins, in true seconds from the start of the recording."""
        return self.segment.onset_s

    @property
    def n_samples(self) -> int:
        """Samples of the segment at 200 Hz."""
        return self.resampler.n_out(self.segment.stop - self.segment.start)

    def resampled(self, start: int, stop: int) -> Resampled:
        """Return the samples from `start` to `stop` before the band-pass."""
        first, last = self.resampler.needs(start, stop)
        raw, *marks_of_channels = self._filled(first, last)
        signal = self.resampler(self.mapping.apply(raw), start, stop)
        marks = [self.resampler.marks(self.mapping.spread(mark), first, start, stop) for mark in marks_of_channels]
        marks[0][self.mapping.silent] = True
        return Resampled(signal, *marks)

    def standardised(self, start: int, stop: int, settings: StandardiseSettings) -> tuple[Standardised, Resampled]:
        """Return the samples from `start` to `stop`, and the same before the band-pass."""
        begin, end = max(0, start - MARGIN_S * RATE_HZ), min(self.n_samples, stop + MARGIN_S * RATE_HZ)
        wide = self.resampled(begin, end)
        plain = wide.cut(start - begin, stop - begin)
        return Standardised(filtered(wide, settings).signal[:, start - begin : stop - begin], plain.missing), plain

    def _filled(self, first: int, last: int) -> list[npt.NDArray[Any]]:
        """Return samples of the channels, which are missing, flat and clipped; beyond the segment its end goes on."""
        rate_hz, n_samples = self.recording.rate_hz, self.segment.stop - self.segment.start
        margin = int(np.ceil((2 * FADE_S + FLAT_S) * rate_hz))
        block = round(WINDOW_S * rate_hz)
        begin = max(0, min(first, n_samples - 1) - margin) // block * block
        end = min(n_samples, -(-(max(last, 0) + margin) // block) * block)
        offset = self.segment.start
        samples = self.recording.read(offset + begin, offset + end, self.mapping.rows)
        samples = samples.copy() if not samples.flags.owndata or not samples.flags.writeable else samples
        lost, flat = ~np.isfinite(samples), flat_runs(samples, round(FLAT_S * rate_hz))
        clipped = at_limits(samples, self._limits())
        missing = lost | flat
        fill_missing(samples, missing, self.fill, rate_hz, block)
        arrays = [samples, missing, flat, clipped]
        if first >= begin and last <= end:
            return [array[:, first - begin : last - begin] for array in arrays]
        wanted = np.clip(np.arange(first, last), 0, n_samples - 1) - begin
        return [array[:, wanted] for array in arrays]

    def _limits(self) -> list[tuple[float, float]]:
        limits = self.recording.limits_uv
        return [limits[row] for row in self.mapping.rows] if limits else []


def stretches(recording: Recording, mapping: ChannelMapping, fill: Fill) -> Iterator[Stretch]:
    """Give the gapless segments of a recording.

    Raises
    ------
    ReadError
        If there is no sample, or the rate is too low.
    """
    check_rate(recording)
    return (Stretch(recording, segment, mapping, fill) for segment in recording.segments)


def check_rate(recording: Recording) -> None:
    """Raise a `ReadError` where there is no sample, or the rate is too low."""
    if recording.rate_hz < MIN_RATE_HZ:
        raise ReadError(f"{recording.name}: {recording.rate_hz:g} Hz is too slow; needed are {MIN_RATE_HZ} Hz")
    if not recording.n_samples:
        raise ReadError(f"{recording.name}: has no samples")


def filtered(recording: Resampled, settings: StandardiseSettings) -> Standardised:
    """Do the second part of `standardise`: the band-pass."""
    output = recording.signal.copy()
    if settings.band_hz:
        output = band_pass(output, settings.band_hz, settings.order)
    return Standardised(output, recording.missing)
