"""A page of EEG: channels read, filtered for the eye, made into a montage, and min_max to the screen's width."""

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
"""Of the Butterworth filters, which run forward and backward."""
NOTCH_Q = 30.0
LEAST_MARGIN_S, MOST_MARGIN_S = 1.0, 30.0
"""How far beyond a page its filters look: three time constants of the low cut, within these."""
SAMPLES_PER_PIXEL = 2
"""Up to so many samples per pixel a page is given as it is, beyond as minimum and maximum per pixel."""


class Filters(Settings):
    """What a reader filters; None leaves that filter out.

    Attributes
    ----------
    low_hz, high_hz
        Where the low and the high cut lose 6 dB, forward and backward.
    notch_hz
        Of the mains.
    """

    low_hz: float | None = None
    high_hz: float | None = None
    notch_hz: float | None = None

    @property
    def margin_s(self) -> float:
        """Seconds beyond a page from which its filters have settled."""
        slowest = self.low_hz or self.notch_hz or self.high_hz
        if not slowest:
            return 0.0
        return float(np.clip(3 / (2 * np.pi * slowest) * 3, LEAST_MARGIN_S, MOST_MARGIN_S))


@dataclass(frozen=True)
class Traces:
    """What is drawn of a stretch of time.

    Attributes
    ----------
    values
        [trace, point], µV, or [trace, point, minimum and maximum]; NaN where nothing was recorded.
    start_s, stop_s
        Of the stretch; the points divide it evenly.
    montage
        What the traces are.
    filters
        How they were filtered.
    rate_hz
        Of the recording.
    complete
        Whether everything is there; False while an overview is still being made, whose traces are NaN until then.
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
        """What a point is."""
        return "samples" if self.values.ndim == 2 else "minmax"

    def to_bytes(self) -> bytes:
        """Return the length of a JSON header (uint32), the header, and the values as float32, little-endian.

        The header is filled with blanks so that the values begin at a multiple of four bytes.
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
    """Return the traces of a stretch of true time.

    Parameters
    ----------
    recording
        Is read within the stretch and a margin of the filters, and never across a gap.
    montage
        Of the recording.
    start_s, stop_s
        They are moved to the nearest samples.
    filters
        A cut at or above half the rate has nothing to take away and is left out.
    width
        Pixels; None gives samples.
    """
    rate_hz, usable = recording.rate_hz, usable_filters(filters, recording.rate_hz)
    first, last = round(start_s * rate_hz), round(stop_s * rate_hz)
    last = max(last, first + 1)
    values = montage.apply(channels_of(recording, montage.channels, first, last, usable))
    shown = values if width is None or values.shape[1] <= SAMPLES_PER_PIXEL * width else min_max(values, width)
    return Traces(shown, first / rate_hz, last / rate_hz, montage, usable, rate_hz)


def usable_filters(filters: Filters, rate_hz: float) -> Filters:
    """Return the filters that have something to take away at a rate: those below half of it."""
    given = filters.model_dump()
    return Filters(**{name: hertz if hertz and hertz < 0.99 * rate_hz / 2 else None for name, hertz in given.items()})


def channels_of(recording: Recording, rows: Sequence[int], first: int, last: int, filters: Filters) -> Signal:
    """Return filtered channels [row, time] from one sample of true time to another, NaN where nothing was recorded.

    `first` and `last` count as if gaps were recorded too.
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
    """Return channels [channel, time] filtered forward and backward, so that nothing moves in time.

    Missing samples are bridged by straight lines for the filters, and are missing in the result. The pages' edges are
    continued by their point reflection, as far as the margin that `page` reads.
    """
    sections = _sections(filters, rate_hz)
    if sections is None:
        return channels
    missing = ~np.isfinite(channels)
    whole = _bridged(channels, missing) if missing.any() else channels
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


def _bridged(channels: Signal, missing: npt.NDArray[np.bool_]) -> Signal:
    whole, time = channels.copy(), np.arange(channels.shape[1])
    for row in np.flatnonzero(missing.any(axis=1)):
        there = ~missing[row]
        whole[row] = np.interp(time, time[there], channels[row, there]) if there.any() else 0
    return whole


def min_max(values: Signal, n_points: int) -> Signal:
    """Return minimum and maximum of even parts of time, [trace, point, 2]; what is NaN does not count.

    Parameters
    ----------
    values
        [trace, time], or already minima and maxima, [trace, time, 2].
    n_points
        At most as many as there are values.
    """
    edges = np.arange(n_points) * values.shape[1] // n_points
    low, high = (values, values) if values.ndim == 2 else (values[..., 0], values[..., 1])
    return np.stack([np.fmin.reduceat(low, edges, axis=1), np.fmax.reduceat(high, edges, axis=1)], axis=-1)
