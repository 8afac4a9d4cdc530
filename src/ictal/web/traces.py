"""A page of EEG: channels are read, filtered for display, combined into a montage, reduced to the screen's width."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import signal as sp

from ictal.core.recording import Recording, Signal
from ictal.core.settings import Settings
from ictal.web.montages import Montage

ORDER = 2
"""Order of the Butterworth filters, which run forward and backward."""
NOTCH_Q = 30.0
LEAST_MARGIN_S, MOST_MARGIN_S = 1.0, 30.0
"""Limits of the filter margin around a page, which is three time constants of the low cut."""
SAMPLES_PER_PIXEL = 2
"""With more samples per pixel, a page is reduced to a minimum and a maximum per pixel."""


class Filters(Settings):
    """Frequencies of the display filters; None means no filter.

    Attributes
    ----------
    low_hz, high_hz
        Low and high cut, with a loss of 6 dB in both passes together.
    notch_hz
        Mains frequency.
    """

    low_hz: float | None = None
    high_hz: float | None = None
    notch_hz: float | None = None

    @property
    def margin_s(self) -> float:
        """Margin around a page within which its filters settle."""
        slowest = self.low_hz or self.notch_hz or self.high_hz
        if not slowest:
            return 0.0
        return float(np.clip(3 / (2 * np.pi * slowest) * 3, LEAST_MARGIN_S, MOST_MARGIN_S))


@dataclass(frozen=True)
class Traces:
    """The traces of a time span.

    Attributes
    ----------
    values
        [trace, point], µV, or [trace, point, minimum and maximum]; NaN where nothing was recorded.
    start_s, stop_s
        The time span; the points are evenly spaced in it.
    montage
        The montage.
    filters
        The filters that were applied.
    rate_hz
        Sampling rate of the recording.
    complete
        Whether all traces are finished; False while the overview is being made, in which unfinished parts are NaN.
    """

    values: Signal = field(repr=False)
    start_s: float
    stop_s: float
    montage: Montage
    filters: Filters
    rate_hz: float
    complete: bool = True

    @property
    def kind(self) -> Literal["samples", "minmax"]:
        """The meaning of a point: a sample, or a minimum and a maximum."""
        return "samples" if self.values.ndim == 2 else "minmax"

    def to_bytes(self) -> bytes:
        """Return the length of a JSON header (uint32), the header, and the values as float32, little-endian.

        The header is padded with blanks so that the values start at a multiple of four bytes.
        """
        header = json.dumps(self._header()).encode()
        header += b" " * (-len(header) % 4)
        return len(header).to_bytes(4, "little") + header + self.values.astype("<f4").tobytes()

    def _header(self) -> dict[str, Any]:
        return {
            "rows": list(self.montage.names),
            "groups": [list(group) for group in self.montage.groups],
            "n": self.values.shape[1],
            "kind": self.kind,
            "start_s": self.start_s,
            "stop_s": self.stop_s,
            "rate_hz": self.rate_hz,
            "cuts": self.filters.model_dump(),
            "complete": self.complete,
        }


def read_page(
    recording: Recording, montage: Montage, start_s: float, stop_s: float, filters: Filters, width: int | None = None
) -> Traces:
    """Return the traces of a time span.

    Parameters
    ----------
    recording
        The recording. It is read in the time span and a margin for the filters, but never across a gap.
    montage
        One of its montages.
    start_s, stop_s
        The time span, gaps included; rounded to samples.
    filters
        The filters. A cut at or above half the sampling rate has no effect and is left out.
    width
        Width in pixels; None returns all samples.
    """
    rate_hz, usable = recording.rate_hz, usable_filters(filters, recording.rate_hz)
    first, last = round(start_s * rate_hz), round(stop_s * rate_hz)
    last = max(last, first + 1)
    values = montage.apply(channels_of(recording, montage.channels, first, last, usable))
    shown = values if width is None or values.shape[1] <= SAMPLES_PER_PIXEL * width else min_max(values, width)
    return Traces(shown, first / rate_hz, last / rate_hz, montage, usable, rate_hz)


def usable_filters(filters: Filters, rate_hz: float) -> Filters:
    """Return the filters that have an effect at a sampling rate: those below half of it."""
    given = filters.model_dump()
    return Filters(**{name: hertz if hertz and hertz < 0.99 * rate_hz / 2 else None for name, hertz in given.items()})


def channels_of(recording: Recording, rows: Sequence[int], first: int, last: int, filters: Filters) -> Signal:
    """Return filtered channels [row, time] between two samples, NaN where nothing was recorded.

    `first` and `last` count samples as if gaps had been recorded too.
    """
    values = np.full((len(rows), last - first), np.nan, dtype=np.float32)
    margin = round(filters.margin_s * recording.rate_hz)
    for run in recording.runs:
        onset = round(run.onset_s * recording.rate_hz)
        stop, offset = onset + run.stop - run.start, run.start - onset
        begin, end = max(first, onset), min(last, stop)
        if begin >= end:
            continue
        low, high = max(begin - margin, onset), min(end + margin, stop)
        channels = filtered(recording.read(low + offset, high + offset, rows), filters, recording.rate_hz)
        values[:, begin - first : end - first] = channels[:, begin - low : end - low]
    return values


def filtered(channels: Signal, filters: Filters, rate_hz: float) -> Signal:
    """Return channels [channel, time] filtered forward and backward, without a shift in time.

    For filtering, missing samples are interpolated linearly; they are NaN in the result. The edges are extended by
    point reflection, over the margin that `read_page` reads.
    """
    sections = _sections(filters, rate_hz)
    if sections is None:
        return channels
    missing = ~np.isfinite(channels)
    whole = _interpolated(channels, missing) if missing.any() else channels
    pad = min(round(filters.margin_s * rate_hz), whole.shape[1] - 1)
    found: Signal = sp.sosfiltfilt(sections, whole.astype(np.float64), axis=1, padlen=pad).astype(np.float32)
    found[missing] = np.nan
    return found


def _sections(filters: Filters, rate_hz: float) -> npt.NDArray[np.float64] | None:
    parts = []
    if filters.low_hz:
        parts.append(sp.butter(ORDER, filters.low_hz, "highpass", fs=rate_hz, output="sos"))
    if filters.high_hz:
        parts.append(sp.butter(ORDER, filters.high_hz, "lowpass", fs=rate_hz, output="sos"))
    if filters.notch_hz:
        parts.append(sp.tf2sos(*sp.iirnotch(filters.notch_hz, NOTCH_Q, fs=rate_hz)))
    return np.concatenate(parts) if parts else None


def _interpolated(channels: Signal, missing: npt.NDArray[np.bool_]) -> Signal:
    whole, time = channels.copy(), np.arange(channels.shape[1])
    for row in np.flatnonzero(missing.any(axis=1)):
        there = ~missing[row]
        whole[row] = np.interp(time, time[there], channels[row, there]) if there.any() else 0
    return whole


def min_max(values: Signal, n_points: int) -> Signal:
    """Return the minimum and maximum in equal parts of time, [trace, point, 2], ignoring NaN.

    Parameters
    ----------
    values
        [trace, time], or minima and maxima, [trace, time, 2].
    n_points
        Number of parts, at most the number of values.
    """
    edges = np.arange(n_points) * values.shape[1] // n_points
    low, high = (values, values) if values.ndim == 2 else (values[..., 0], values[..., 1])
    return np.stack([np.fmin.reduceat(low, edges, axis=1), np.fmax.reduceat(high, edges, axis=1)], axis=-1)
