"""The gapless runs of a recording: read in chunks of any length, resampled to 200 Hz, and checked for their unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ictal.core.montage import ELECTRODES
from ictal.core.recording import FileRun, Recording, Signal
from ictal.core.windows import RATE_HZ, WINDOW_S
from ictal.errors import ReadError
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.filtering import (
    FADE_S,
    Resampler,
    at_limits,
    band_pass,
    fill_missing,
    flat_runs,
    notch,
    resampler,
)
from ictal.preprocessing.masking import mask_electrodes
from ictal.preprocessing.settings import FLAT_S, MARGIN_S, MIN_RATE_HZ, Fill, Marks, StandardiseSettings

CZ = ELECTRODES.index("Cz")
PLAUSIBLE_UV = 100_000
"""An electrode whose median deviation is larger than this was not recorded in µV."""
IMPERCEPTIBLE_UV = 0.001
"""Amplifier noise is larger than this: if no electrode varies by as much, the unit is not µV."""
ENOUGH_SAMPLES = 5_000
"""Approximate number of samples, spread evenly, from which an electrode's median deviation is computed."""
CHECKED_S, N_CHECKED = 10, 8
"""The unit of a long recording is judged from `N_CHECKED` excerpts of `CHECKED_S`."""


@dataclass(frozen=True)
class Standardised:
    """A recording, or a chunk of one, as models take it.

    Attributes
    ----------
    signal
        [20, time], `ictal.core.montage.CHANNELS` at 200 Hz, µV, finite.
    missing
        [20, time], True where the file has no sample, or the same value for a second or more (an electrode that is
        off, or saturated). A channel that the file lacks (only the EKG may be lacking) is missing throughout.
    masked
        [20, time], True where an electrode is interpolated from the others, see `ictal.preprocessing.masking`.
    """

    signal: Signal
    missing: Marks
    masked: Marks


@dataclass(frozen=True)
class Resampled:
    """A recording, or a chunk of one, before the band-pass.

    Attributes
    ----------
    signal
        [20, time], `ictal.core.montage.CHANNELS` at 200 Hz, µV, finite: missing samples are filled.
    missing
        As in `Standardised`.
    flat, clipped
        [20, time], True where one value lasts for a second or more, and where a value is the smallest or largest that
        the file can hold.
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
class RunExtent:
    """The extent of a run at 200 Hz, see `ictal.core.windows.Run`."""

    onset_s: float
    n_samples: int


@dataclass(frozen=True)
class RecordedRun:
    """One gapless run of a recording, any part of which can be read at 200 Hz.

    Attributes
    ----------
    recording, run, mapping
        The recording, the samples of its file, and how its channels become electrodes.
    fill
        What replaces missing samples.
    """

    recording: Recording
    run: FileRun
    mapping: ChannelMapping
    fill: Fill

    @cached_property
    def resampler(self) -> Resampler:
        """Brings the file's rate to 200 Hz."""
        return resampler(self.recording.rate_hz)

    @property
    def onset_s(self) -> float:
        """When the run begins, in true seconds from the start of the recording."""
        return self.run.onset_s

    @property
    def n_samples(self) -> int:
        """Samples of the run at 200 Hz."""
        return self.resampler.n_out(self.run.stop - self.run.start)

    def resampled(self, start: int, stop: int) -> Resampled:
        """Return the samples from `start` to `stop` before the band-pass."""
        first, last = self.resampler.needs(start, stop)
        raw, marks_of_channels, begin = self._filled(first, last)
        signal = self.resampler(self.mapping.apply(raw), start, stop)
        marks = [self.resampler.marks(self.mapping.spread(mark), begin, start, stop) for mark in marks_of_channels]
        marks[0][self.mapping.silent] = True
        return Resampled(signal, *marks)

    def standardised(
        self, start: int, stop: int, settings: StandardiseSettings, around: int = 0
    ) -> tuple[Standardised, Resampled]:
        """Return the samples from `start` to `stop`, and the same before the band-pass.

        The second also has `around` samples on both sides, as far as the run has them; at most `MARGIN_S`.
        """
        begin, end = max(0, start - MARGIN_S * RATE_HZ), min(self.n_samples, stop + MARGIN_S * RATE_HZ)
        wide = self.resampled(begin, end)
        first, last = max(0, start - around), min(self.n_samples, stop + around)
        whole, inner = filtered(wide, settings, self.mapping, begin), slice(start - begin, stop - begin)
        standardised = Standardised(whole.signal[:, inner], wide.missing[:, inner], whole.masked[:, inner])
        return standardised, wide.cut(first - begin, last - begin)

    def _filled(self, first: int, last: int) -> tuple[Signal, list[Marks], int]:
        """Return samples; which are missing, flat and clipped of those around them; and the first of the latter.

        Beyond the run, its end samples are repeated.
        """
        rate_hz, n_samples = self.recording.rate_hz, self.run.stop - self.run.start
        margin = int(np.ceil((2 * FADE_S + FLAT_S) * rate_hz))
        block = round(WINDOW_S * rate_hz)
        begin = max(0, min(first, n_samples - 1) - margin) // block * block
        end = min(n_samples, -(-(max(last, 0) + margin) // block) * block)
        offset = self.run.start
        samples = self.recording.read(offset + begin, offset + end, self.mapping.rows)
        samples = samples.copy() if not samples.flags.owndata or not samples.flags.writeable else samples
        lost, flat = ~np.isfinite(samples), self._flat(samples)
        clipped = at_limits(samples, self._limits())
        missing = lost | flat
        fill_missing(samples, missing, self.fill, rate_hz, block)
        before, after = max(begin - first, 0), max(last - end, 0)
        if before or after:
            samples = np.pad(samples, ((0, 0), (before, after)), mode="edge")
        chosen = slice(first - begin + before, last - begin + before)
        return samples[:, chosen], [missing, flat, clipped], begin

    def _flat(self, samples: Signal) -> Marks:
        """Mark flat runs, but not Cz at exactly 0 while others vary: it is the reference, and 0 is right."""
        flat = flat_runs(samples, round(FLAT_S * self.recording.rate_hz))
        matrix = self.mapping.matrix[: len(ELECTRODES)]
        cz = (matrix[CZ] == 1) & (self.mapping.kind == "referential")
        if flat[cz].any():
            flat[cz] &= (samples[cz] != 0) | flat[matrix.any(axis=0) & ~cz].all(axis=0)
        return flat

    def _limits(self) -> list[tuple[float, float]]:
        limits = self.recording.limits_uv
        return [limits[row] for row in self.mapping.rows] if limits else []


def recorded_runs(recording: Recording, mapping: ChannelMapping, fill: Fill) -> list[RecordedRun]:
    """Return the gapless runs of a recording, ordered by time.

    Raises
    ------
    ReadError
        If the recording has no samples, or its rate is too low.
    """
    check_rate(recording)
    return [RecordedRun(recording, run, mapping, fill) for run in recording.runs]


def run_extents(recording: Recording) -> list[RunExtent]:
    """Return the extents of the gapless runs of a recording, ordered by time."""
    found = resampler(recording.rate_hz)
    return [RunExtent(run.onset_s, found.n_out(run.stop - run.start)) for run in recording.runs]


def check_rate(recording: Recording) -> None:
    """Raise a `ReadError` if a recording has no samples, or its rate is too low."""
    if recording.rate_hz < MIN_RATE_HZ:
        raise ReadError(
            f"{recording.name}: {recording.rate_hz:g} Hz is too slow; at least {MIN_RATE_HZ} Hz are needed"
        )
    if not recording.n_samples:
        raise ReadError(f"{recording.name}: has no samples")


def filtered(
    recording: Resampled, settings: StandardiseSettings, mapping: ChannelMapping | None = None, first: int = 0
) -> Standardised:
    """Do the second step of `standardise`: the band-pass, and then bad electrodes, see `mask_electrodes`."""
    output = recording.signal
    if settings.band_hz:
        output = band_pass(output, settings.band_hz, settings.order)
    if settings.notch_hz:
        output = notch(output, settings.notch_hz)
    output, masked = mask_electrodes(output, recording.missing, first, mapping, settings.max_masked)
    return Standardised(output, recording.missing, masked)


def check_unit(samples: Signal, name: str) -> None:
    """Refuse voltages that cannot come from a scalp.

    Raises
    ------
    ReadError
        If the median deviation of an electrode is above `PLAUSIBLE_UV`, also against the others (their reference may
        vary as much), or that of every electrode is below `IMPERCEPTIBLE_UV` (but not 0, as where nothing was
        recorded).
    """
    some = samples[: len(ELECTRODES), :: max(1, samples.shape[1] // ENOUGH_SAMPLES)]
    spread = _spread(some)
    if spread > PLAUSIBLE_UV and some.any(axis=1).sum() > 1:
        some = some[some.any(axis=1)]
        spread = _spread(some - np.median(some, axis=0))
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


def _spread(electrodes: npt.NDArray[np.floating]) -> float:
    centred = abs(electrodes - np.median(electrodes, axis=1, keepdims=True))
    return float(np.median(centred, axis=1).max())


def sample_of(recording: Recording, mapping: ChannelMapping) -> Signal:
    """Return samples from excerpts all over a recording, enough for `check_unit`, [20, time]."""
    n_samples = N_CHECKED * min(round(CHECKED_S * recording.rate_hz), recording.n_samples)
    return mapping.apply(rows_of(recording, mapping.rows, max(1, n_samples // ENOUGH_SAMPLES)))


def rows_of(recording: Recording, rows: Sequence[int], every: int = 1) -> Signal:
    """Return excerpts of channels from all over a recording, one after the other, [row, time]; missing samples are 0.

    With `every`, they have only every so many-th sample.
    """
    length = min(round(CHECKED_S * recording.rate_hz), recording.n_samples)
    starts = np.linspace(0, recording.n_samples - length, N_CHECKED).astype(int)
    parts = [recording.read(start, start + length, rows)[:, ::every] for start in dict.fromkeys(starts.tolist())]
    return np.nan_to_num(np.concatenate(parts, axis=1), posinf=0, neginf=0)
