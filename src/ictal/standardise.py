"""From any recording to the input of every model: 19 electrodes and EKG, 200 Hz, µV, band-passed."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from scipy import signal as sp

from ictal.errors import ElectrodeError, ReadError, listed
from ictal.montage import CHANNELS, ELECTRODES, N_CHANNELS, find_electrode
from ictal.recording import Recording, Signal
from ictal.settings import Settings
from ictal.windows import RATE_HZ, ShortPolicy

MIN_RATE_HZ = 100
PLAUSIBLE_UV = 100_000
"""An electrode whose median deviation is larger than this was not recorded in µV."""
FLAT_S = 1.0
"""An electrode that keeps one value for so long records nothing."""
FILTER_PAD_S = 10
"""How far the signal is continued beyond its ends while it is filtered: one period of 0.1 Hz."""

Fill = Literal["linear", "mean", "zero"]
"""What stands in for missing samples, see `StandardiseSettings`."""


class StandardiseSettings(Settings):
    """How recordings become input.

    Attributes
    ----------
    band_hz
        Edges of the band-pass in Hz (at -6 dB, since the filter runs forward and backward), or None.
    order
        Order of the Butterworth filter of one direction.
    fill
        What stands in for missing samples while filtering: 'linear' between the neighbours in time, the
        electrode's 'mean', or 'zero'.
    max_missing
        A window in which a larger share of the samples of the 19 electrodes is missing or flat is refused.
    short
        What becomes of a recording shorter than a window, see `ictal.windows.cut`.
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
    """A recording as models take it.

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
    missing: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Resampled:
    """A recording before the band-pass.

    Attributes
    ----------
    signal
        [20, time], `ictal.montage.CHANNELS` at 200 Hz, µV, finite: missing samples are filled.
    missing
        As in `Standardised`.
    """

    signal: npt.NDArray[np.float64]
    missing: npt.NDArray[np.bool_]


def find_channels(recording: Recording) -> dict[str, int]:
    """Return the row of each electrode (and of the EKG, where there is one) in a recording.

    Raises
    ------
    ElectrodeError
        If one of the 19 electrodes is missing or named twice.
    """
    rows: dict[str, int] = {}
    doubled = []
    for row, name in enumerate(recording.channels):
        electrode = find_electrode(name)
        if electrode in rows:
            doubled.append(f"{name} and {recording.channels[rows[electrode]]} (both {electrode})")
        elif electrode:
            rows[electrode] = row
    if doubled:
        raise ElectrodeError(f"{recording.name}: two channels for one electrode: {listed(doubled)}")
    missing = [name for name in ELECTRODES if name not in rows]
    if missing:
        raise ElectrodeError(
            f"{recording.name}: no channel for {listed(missing, 19)}; needed are the 19 electrodes of the "
            f"10-20 system, and this file has {listed(recording.channels, 30)}"
        )
    return rows


def standardise(recording: Recording, settings: StandardiseSettings) -> Standardised:
    """Bring a whole recording into the form that every model takes.

    Parameters
    ----------
    recording
        At `MIN_RATE_HZ` or more, with the 19 electrodes under any known name.
    settings
        Band-pass and filling.

    Returns
    -------
    Standardised
        The filter is a Butterworth applied forward and backward, so it shifts no phase; the resampling is
        polyphase (`scipy.signal.resample_poly`).

    Raises
    ------
    ElectrodeError
        If electrodes are missing or doubled.
    ReadError
        If the rate is too low or the amplitude cannot be µV of a scalp.
    """
    return filtered(resample(recording, settings.fill), settings)


def resample(recording: Recording, fill: Fill) -> Resampled:
    """Do the first part of `standardise`: everything but the band-pass."""
    rows = find_channels(recording)
    if recording.rate_hz < MIN_RATE_HZ:
        raise ReadError(f"{recording.name}: {recording.rate_hz:g} Hz is too slow; needed are {MIN_RATE_HZ} Hz")
    if not recording.n_samples:
        raise ReadError(f"{recording.name}: holds no samples")
    raw = recording.read()
    samples = np.full((N_CHANNELS, raw.shape[1]), np.nan, dtype=np.float32)
    for name, row in rows.items():
        samples[CHANNELS.index(name)] = raw[row]
    missing = ~np.isfinite(samples)
    missing |= flat_runs(samples, round(FLAT_S * recording.rate_hz))
    filled = _fill(samples, missing, fill)
    _check_unit(filled, recording.name)
    return Resampled(*_resample(filled, missing, recording.rate_hz))


def filtered(recording: Resampled, settings: StandardiseSettings) -> Standardised:
    """Do the second part of `standardise`: the band-pass."""
    signal = recording.signal
    if settings.band_hz:
        signal = band_pass(signal, settings.band_hz, settings.order)
    output: Signal = signal.astype(np.float32)
    output[recording.missing.all(axis=1)] = 0
    return Standardised(output, recording.missing)


def band_pass(signal: npt.NDArray[np.floating], band_hz: tuple[float, float], order: int) -> npt.NDArray[np.float64]:
    """Filter [channel, time] at 200 Hz with a Butterworth band-pass, forward and backward."""
    sections = sp.butter(order, band_hz, "bandpass", fs=RATE_HZ, output="sos")
    pad = min(signal.shape[1] - 1, FILTER_PAD_S * RATE_HZ)
    return np.asarray(sp.sosfiltfilt(sections, signal.astype(np.float64), padlen=pad))


def flat_runs(samples: Signal, least: int) -> npt.NDArray[np.bool_]:
    """Mark runs of at least so many equal samples, [channel, time]."""
    flat = np.zeros(samples.shape, dtype=bool)
    for row, values in enumerate(samples):
        edges = np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1, [len(values)]])
        for run in np.flatnonzero(np.diff(edges) >= least):
            flat[row, edges[run] : edges[run + 1]] = True
    return flat


def _fill(samples: Signal, missing: npt.NDArray[np.bool_], how: Fill) -> npt.NDArray[np.float64]:
    filled = np.where(missing, 0, samples.astype(np.float64))
    if how == "zero":
        return filled
    time = np.arange(samples.shape[1])
    for row in np.flatnonzero(missing.any(axis=1) & ~missing.all(axis=1)):
        gone = missing[row]
        known = filled[row, ~gone]
        filled[row, gone] = known.mean() if how == "mean" else np.interp(time[gone], time[~gone], known)
    return filled


def _check_unit(samples: npt.NDArray[np.float64], name: str) -> None:
    centred = abs(samples[: len(ELECTRODES)] - np.median(samples[: len(ELECTRODES)], axis=1, keepdims=True))
    spread = float(np.median(centred, axis=1).max())
    if spread > PLAUSIBLE_UV:
        raise ReadError(
            f"{name}: an electrode varies by {spread:.3g} µV; scalp EEG stays below {PLAUSIBLE_UV:g}: "
            "the file's physical unit is probably wrong"
        )


def _resample(
    samples: npt.NDArray[np.float64], missing: npt.NDArray[np.bool_], rate_hz: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    if rate_hz == RATE_HZ:
        return samples, missing
    ratio = Fraction(RATE_HZ / rate_hz).limit_denominator(10_000)
    resampled = sp.resample_poly(samples, ratio.numerator, ratio.denominator, axis=1, padtype="line")
    # A new sample is missing if any of the samples that it stands for is.
    bounds = np.arange(resampled.shape[1] + 1) * (rate_hz / RATE_HZ)
    first = np.minimum(np.floor(bounds[:-1]).astype(int), missing.shape[1] - 1)
    last = np.clip(np.ceil(bounds[1:]).astype(int), first + 1, missing.shape[1])
    counts = np.pad(np.cumsum(missing, axis=1), ((0, 0), (1, 0)))
    return resampled, counts[:, last] > counts[:, first]
