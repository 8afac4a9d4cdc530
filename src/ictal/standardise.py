"""From any recording to the input of every model: 19 electrodes and EKG, 200 Hz, µV, band-passed.

Everything is local: what a sample becomes depends on the `MARGIN_S` around it and on nothing else. So a recording can
be taken in pieces of any length, and they are those of the whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from ictal.errors import ReadError
from ictal.montage import ELECTRODES
from ictal.recording import Recording, Segment, Signal
from ictal.resampling import Resampler, resampler
from ictal.settings import Settings
from ictal.windows import RATE_HZ, WINDOW_S, ShortPolicy
from ictal.wiring import Wiring, wire

MIN_RATE_HZ = 100
PLAUSIBLE_UV = 100_000
"""An electrode whose median deviation is larger than this was not recorded in µV."""
IMPERCEPTIBLE_UV = 0.001
"""If the electrodes vary, but none by as much as this, they were not recorded in µV: amplifiers make more noise."""
ENOUGH_SAMPLES = 100_000
"""About how many of each electrode its median deviation is taken of, evenly from all over a recording."""
FLAT_S = 1.0
"""An electrode that keeps one value for so long records nothing."""
FADE_S = 10
"""Within so long of a known sample, 'linear' fills a run of missing ones that is longer than twice this."""
FILTERED_AT_ONCE = 2**16
"""Samples that are filtered together: half a megabyte in float64, which stays in the processor's cache. Fewer rows at
once are slow where they are short, more where they are long."""
MARGIN_S = 100
"""How far around itself a piece is read: a Butterworth band-pass of order 4 from 0.1 Hz forgets with a time constant
of 4.2 s, so that e^-24 is left of whatever lies beyond."""
CHECKED_S, N_CHECKED = 10, 8
"""The unit of a long recording is judged by so many stretches of so many seconds."""

Fill = Literal["linear", "mean", "zero"]
"""What stands in for missing samples, see `StandardiseSettings`."""
Marks = npt.NDArray[np.bool_]


class StandardiseSettings(Settings):
    """How recordings become input.

    Attributes
    ----------
    band_hz
        Edges of the band-pass in Hz (at -6 dB, since the filter runs forward and backward), or None.
    order
        Order of the Butterworth filter of one direction.
    fill
        What stands in for missing samples while filtering: 'linear' between the neighbours in time (in a run longer
        than 20 s, 10 s of falling to zero and 10 s of rising from it), the channel's 'mean' in each 50 s, or 'zero'.
    max_missing
        A window in which a larger share of the samples of the 19 electrodes is missing or flat is refused.
    short
        What becomes of a recording shorter than what a model sees, see `ictal.windows.Geometry`.
    """

    band_hz: tuple[float, float] | None = (0.1, 20.0)
    order: int = Field(4, ge=1, le=10)
    fill: Fill = "linear"
    max_missing: float = Field(0.5, ge=0, le=1)
    short: ShortPolicy = "reflect"

    @model_validator(mode="after")
    def _band_is_possible(self) -> "StandardiseSettings":
        if self.band_hz and not 0 < self.band_hz[0] < self.band_hz[1] < RATE_HZ / 2:
            raise ValueError(f"band_hz is {self.band_hz}; allowed is 0 < low < high < {RATE_HZ / 2:g} Hz")
        return self


@dataclass(frozen=True)
class Standardised:
    """A recording, or a piece of one, as models take it.

    Attributes
    ----------
    signal
        [20, time], `ictal.montage.CHANNELS` at 200 Hz, µV, finite.
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
        [20, time], `ictal.montage.CHANNELS` at 200 Hz, µV, finite: missing samples are filled.
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
    recording, segment, wiring
        Whose samples, which of them, and how they become electrodes.
    fill
        What stands in for missing samples.
    """

    recording: Recording
    segment: Segment
    wiring: Wiring
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
        signal = self.resampler(self.wiring.apply(raw), start, stop)
        marks = [self.resampler.marks(self.wiring.spread(mark), first, start, stop) for mark in marks_of_channels]
        marks[0][self.wiring.silent] = True
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
        samples = self.recording.read(offset + begin, offset + end, self.wiring.rows)
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
        return [limits[row] for row in self.wiring.rows] if limits else []


def standardise(recording: Recording, settings: StandardiseSettings, wiring: Wiring | None = None) -> Standardised:
    """Bring a whole recording into the form that every model takes.

    Parameters
    ----------
    recording
        At `MIN_RATE_HZ` or more, without gaps.
    settings
        Band-pass and filling.
    wiring
        How its channels become electrodes; None: it has the 19 electrodes under any known name.

    Returns
    -------
    Standardised
        The filter is a Butterworth applied forward and backward, so it shifts no phase; the resampling is
        polyphase, with the filter of `scipy.signal.resample_poly`.

    Raises
    ------
    ElectrodeError
        If electrodes are missing or doubled.
    ReadError
        If the rate is too low, the amplitude cannot be µV of a scalp, or there are gaps.
    """
    return filtered(resample(recording, settings.fill, wiring), settings)


def resample(recording: Recording, fill: Fill, wiring: Wiring | None = None) -> Resampled:
    """Do the first part of `standardise`: everything but the band-pass."""
    refuse_gaps(recording)
    wiring = wiring or wire(recording)
    stretch = next(iter(stretches(recording, wiring, fill)))
    result = stretch.resampled(0, stretch.n_samples)
    check_unit(result.signal, recording.name)
    return result


def refuse_gaps(recording: Recording) -> None:
    """Raise a `ReadError` for a recording with gaps, of which there is no one array: its `stretches` are apart."""
    if recording.gaps:
        raise ReadError(
            f"{recording.name}: is discontinuous; its first of {len(recording.gaps)} gaps is at "
            f"{recording.gaps[0].start_s:g} s. Take its stretches one by one"
        )


def stretches(recording: Recording, wiring: Wiring, fill: Fill) -> Iterator[Stretch]:
    """Give the gapless segments of a recording.

    Raises
    ------
    ReadError
        If there is no sample, or the rate is too low.
    """
    check_rate(recording)
    return (Stretch(recording, segment, wiring, fill) for segment in recording.segments)


def check_rate(recording: Recording) -> None:
    """Raise a `ReadError` where there is no sample, or the rate is too low."""
    if recording.rate_hz < MIN_RATE_HZ:
        raise ReadError(f"{recording.name}: {recording.rate_hz:g} Hz is too slow; needed are {MIN_RATE_HZ} Hz")
    if not recording.n_samples:
        raise ReadError(f"{recording.name}: holds no samples")


def filtered(recording: Resampled, settings: StandardiseSettings) -> Standardised:
    """Do the second part of `standardise`: the band-pass."""
    output = recording.signal.copy()
    if settings.band_hz:
        output = band_pass(output, settings.band_hz, settings.order)
    return Standardised(output, recording.missing)


def band_pass(signal: Signal, band_hz: tuple[float, float], order: int) -> Signal:
    """Filter [channel, time] at 200 Hz with a Butterworth band-pass, forward and backward; reckoned in float64."""
    from scipy import signal as sp  # takes half a second, which looking at a file need not wait for

    sections, pad = _sections(band_hz, order), min(signal.shape[1] - 1, filter_pad(band_hz))
    n_rows = max(1, FILTERED_AT_ONCE // (signal.shape[1] + 2 * pad))
    output = np.empty_like(signal)
    for first in range(0, len(signal), n_rows):
        rows = slice(first, first + n_rows)
        output[rows] = sp.sosfiltfilt(sections, signal[rows].astype(np.float64), axis=1, padlen=pad)
    return output


def filter_pad(band_hz: tuple[float, float]) -> int:
    """Return by how many samples a signal is continued at each end for filtering: a period of the lower edge."""
    return round(RATE_HZ / band_hz[0])


@lru_cache(maxsize=8)
def _sections(band_hz: tuple[float, float], order: int) -> npt.NDArray[np.float64]:
    from scipy import signal as sp  # see `band_pass`

    return np.asarray(sp.butter(order, band_hz, "bandpass", fs=RATE_HZ, output="sos"))


def check_unit(samples: Signal, name: str) -> None:
    """Refuse voltages that cannot be those of a scalp.

    Raises
    ------
    ReadError
        If the median deviation of an electrode is above `PLAUSIBLE_UV`, or the largest of all is below
        `IMPERCEPTIBLE_UV`; it may be 0, where nothing was recorded.
    """
    some = samples[: len(ELECTRODES), :: max(1, samples.shape[1] // ENOUGH_SAMPLES)]
    centred = abs(some - np.median(some, axis=1, keepdims=True))
    spread = float(np.median(centred, axis=1).max())
    if spread > PLAUSIBLE_UV:
        raise ReadError(
            f"{name}: an electrode varies by {spread:.3g} µV; scalp EEG stays below {PLAUSIBLE_UV:g}: "
            "the file's physical unit is probably wrong"
        )
    if 0 < spread < IMPERCEPTIBLE_UV:
        raise ReadError(
            f"{name}: no electrode varies by more than {spread:.3g} µV; even an amplifier's noise is above "
            f"{IMPERCEPTIBLE_UV:g}: the file's physical unit is probably wrong"
        )


def sample_of(recording: Recording, wiring: Wiring) -> Signal:
    """Return stretches from all over a recording, one after the other, [20, time] at the file's rate."""
    return wiring.apply(rows_of(recording, wiring.rows))


def rows_of(recording: Recording, rows: Sequence[int]) -> Signal:
    """Return the same of channels as the file has them, [row, time]; missing samples are 0."""
    length = min(round(CHECKED_S * recording.rate_hz), recording.n_samples)
    starts = np.linspace(0, recording.n_samples - length, N_CHECKED).astype(int)
    parts = [recording.read(start, start + length, rows) for start in dict.fromkeys(starts.tolist())]
    return np.nan_to_num(np.concatenate(parts, axis=1), posinf=0, neginf=0)


def at_limits(samples: Signal, limits: list[tuple[float, float]]) -> Marks:
    """Mark the samples [channel, time] that are the least or the largest that their channel can hold."""
    clipped = np.zeros(samples.shape, dtype=bool)
    for marks, row, (low, high) in zip(clipped, samples, limits, strict=False):
        step = (high - low) * 2**-17  # half a step of 16 bits
        if low < high and (np.fmin.reduce(row) <= low + step or np.fmax.reduce(row) >= high - step):
            marks[:] = (row <= low + step) | (row >= high - step)
    return clipped


def flat_runs(samples: Signal, least: int) -> Marks:
    """Mark runs of at least so many equal samples, [channel, time]."""
    flat = np.zeros(samples.shape, dtype=bool)
    step = max(1, least // 8)
    for row, values in enumerate(samples):
        if step > 1 and not _may_be_flat(values[::step]):
            continue
        edges = np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1, [len(values)]])
        for run in np.flatnonzero(np.diff(edges) >= least):
            flat[row, edges[run] : edges[run + 1]] = True
    return flat


def _may_be_flat(few: Signal) -> bool:
    """Say whether seven of every eighth of a run are alike, as they are in each that is flat: a look saves a pass."""
    alike = few[1:] == few[:-1]
    same = np.convolve(alike, np.ones(6, dtype=int), "valid") if len(alike) >= 6 else np.ones(1)
    return bool((same >= 6).any()) or len(alike) < 6


def fill_missing(samples: Signal, missing: Marks, how: Fill, rate_hz: float, block: int) -> None:
    """Put values in place of missing samples, see `StandardiseSettings`; blocks begin with the array."""
    samples[missing] = 0
    for row in np.flatnonzero(missing.any(axis=1)):
        values, gone = samples[row], missing[row]
        if how == "mean":
            for start in range(0, len(values), block):
                part, lost = values[start : start + block], gone[start : start + block]
                if lost.any() and not lost.all():
                    part[lost] = part[~lost].mean(dtype=np.float64)
        elif how == "linear":
            _interpolate(values, gone, round(FADE_S * rate_hz))


def _interpolate(values: Signal, gone: Marks, fade: int) -> None:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], gone, [False]]).astype(np.int8)))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        before = float(values[first - 1]) if first else None
        after = float(values[last]) if last < len(values) else None
        length = last - first
        if length <= 2 * fade:
            known = [value for value in (before, after) if value is not None]
            if known:
                values[first:last] = np.linspace(known[0], known[-1], length + 2)[1:-1]
            continue
        fall = np.linspace(1, 0, fade + 2)[1:-1]
        values[first : first + fade] = (before or 0.0) * fall
        values[last - fade : last] = (after or 0.0) * fall[::-1]
