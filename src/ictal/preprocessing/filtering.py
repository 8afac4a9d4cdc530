"""Steps of preprocessing as functions of arrays: fill missing samples, resample to 200 Hz, band-pass.

Sample k of the resampled signal is at the time k / 200 s, at any rate of the file. A block of new samples is a
product of old ones with a matrix. If the two rates are in a simple ratio, all blocks share one matrix. If not (200.1
Hz, 999.4121 Hz), each block begins at another place between two old samples, and its matrix is interpolated between
those of a bank: no error accumulates, however long the recording.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from ictal.core.recording import Signal
from ictal.core.windows import RATE_HZ
from ictal.preprocessing import butterworth
from ictal.preprocessing.settings import Fill, Marks
from ictal.preprocessing.zero_phase import ZeroPhaseFilter

Taps = npt.NDArray[np.float32]

FADE_S = 10
"""'linear' fades to zero within this time of a known sample, where missing samples last longer than twice this."""
FINEST = 1000
"""Largest denominator of a simple ratio of rates."""
EXACT = 1e-10
"""Largest relative deviation from a simple ratio: 9 µs in a day, far less than a sample."""
BLOCK = 32
"""Least number of new samples per product: smaller ones would be slow."""
PHASES = 128
"""Matrices of the bank per new sample. Interpolating between two costs (pi / PHASES)^2 / 8 of a wave at half of the
new rate, -82 dB, and 100 times less at 20 Hz: the filter itself passes -54 dB."""
ZEROS, BETA = 10, 5.0
"""Zeros of the sinc on each side, and the Kaiser window's parameter: those of `scipy.signal.resample_poly`."""
NOTCH_Q, NOTCH_PAD_S = 30.0, 5
"""Frequency of a notch filter divided by its width, and seconds by which a signal is extended at each end for it."""


def at_limits(samples: Signal, limits: list[tuple[float, float]]) -> Marks:
    """Mark the samples [channel, time] that are the smallest or largest that their channel can hold."""
    clipped = np.zeros(samples.shape, dtype=bool)
    for marks, row, (low, high) in zip(clipped, samples, limits, strict=False):
        step = (high - low) * 2**-17  # half a step of 16 bits
        if low < high and (np.fmin.reduce(row) <= low + step or np.fmax.reduce(row) >= high - step):
            marks[:] = (row <= low + step) | (row >= high - step)
    return clipped


def flat_runs(samples: Signal, least: int) -> Marks:
    """Mark runs of at least `least` equal samples, [channel, time]."""
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
    """Return whether seven samples in a row are equal, as in every flat run, to save a full pass."""
    alike = few[1:] == few[:-1]
    same = np.convolve(alike, np.ones(6, dtype=int), "valid") if len(alike) >= 6 else np.ones(1)
    return bool((same >= 6).any()) or len(alike) < 6


def fill_missing(samples: Signal, missing: Marks, how: Fill, rate_hz: float, block: int) -> None:
    """Replace missing samples, see `StandardiseSettings`; blocks begin with the array."""
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


@dataclass(frozen=True)
class Resampler:
    """Resampling of any part of a signal to 200 Hz.

    A block of `n_new` new samples covers the time of `n_old` old ones, and uses `reach` more on each side.

    Attributes
    ----------
    rate_hz
        Of the old samples.
    n_old, n_new, reach
        See above. Without a simple ratio, `n_old` is not whole.
    taps
        [phase, old sample, new sample]. The filter is that of `scipy.signal.resample_poly` (a Kaiser window of beta 5
        on a sinc), but each new sample's weights sum to one exactly, so that an electrode's offset makes no ripple.
        One phase where the ratio is simple; else phases of the way from one old sample to the next, both included.
    """

    rate_hz: float
    n_old: float
    n_new: int
    reach: int
    taps: Taps

    @cached_property
    def is_simple(self) -> bool:
        """Whether all blocks share one matrix."""
        return len(self.taps) == 1

    def n_out(self, n_in: int) -> int:
        """Return the number of new samples for `n_in` old ones: all whose time is before the end of the last."""
        if self.is_simple:
            return -(-n_in * self.n_new // int(self.n_old))
        return int(np.ceil(n_in * self.n_new / self.n_old - 1e-6))

    def needs(self, start: int, stop: int) -> tuple[int, int]:
        """Return which old samples are needed for new ones, from and to; they may be beyond an end of the signal."""
        first, last = start // self.n_new, -(-stop // self.n_new)
        more = 0 if self.is_simple else 2  # blocks that begin between two samples also use those after them
        return int(first * self.n_old) - self.reach, int(np.ceil(last * self.n_old)) + self.reach + more

    def __call__(self, samples: Signal, start: int, stop: int) -> Signal:
        """Return new samples from `start` to `stop`, from the old ones [channel, time] that `needs` names."""
        if self.reach == 0:
            return samples
        offset = samples[:, :1].copy()
        blocks = np.arange(start // self.n_new, -(-stop // self.n_new))
        made = (self._simple if self.is_simple else self._between)(samples, offset, blocks)
        made += offset[..., None]
        skipped = start - start // self.n_new * self.n_new
        return made.reshape(len(samples), -1)[:, skipped : skipped + stop - start]

    def marks(self, marks: Marks, first: int, start: int, stop: int) -> Marks:
        """Return which new samples cover a marked old one, given the marks from old sample `first` on.

        Those before and after are as the first and last.
        """
        if not marks.any():
            return np.zeros((len(marks), stop - start), dtype=bool)
        bounds = np.arange(start, stop + 1) * (self.n_old / self.n_new) - first
        begin = np.clip(np.floor(bounds[:-1] + 1e-6).astype(int), 0, marks.shape[1] - 1)
        end = np.clip(np.ceil(bounds[1:] - 1e-6).astype(int), begin + 1, marks.shape[1])
        counts = np.pad(np.cumsum(marks, axis=1), ((0, 0), (1, 0)))
        return np.asarray(counts[:, end] > counts[:, begin])

    def _simple(self, samples: Signal, offset: Signal, blocks: npt.NDArray[np.int64]) -> Signal:
        """Multiply stretches of `n_old` samples by the parts of the matrix: a block needs more than one of them."""
        (taps,), length, n_blocks = self.taps, int(self.n_old), len(blocks)
        parts = [taps[first : first + length] for first in range(0, len(taps), length)]
        made = np.empty((len(samples), n_blocks, self.n_new), dtype=np.float32)
        stretches = np.zeros((n_blocks + len(parts) - 1, length), dtype=np.float32)
        for old, zero, new in zip(samples, offset, made, strict=True):
            np.subtract(old, zero, out=stretches.reshape(-1)[: len(old)])
            np.matmul(stretches[:n_blocks], parts[0], out=new)
            for number, part in enumerate(parts[1:], 1):
                new += stretches[number : number + n_blocks, : len(part)] @ part
        return made

    def _between(self, samples: Signal, offset: Signal, blocks: npt.NDArray[np.int64]) -> Signal:
        """Interpolate each block between the two nearest matrices of the bank."""
        places = blocks * self.n_old
        whole = np.floor(places).astype(np.int64)
        n_phases, n_taps = len(self.taps) - 1, self.taps.shape[1]
        phase = (places - whole) * n_phases
        below = np.minimum(phase.astype(np.int64), n_phases - 1)
        share = (phase - below).astype(np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(samples - offset, n_taps, axis=1)
        made = np.empty((len(samples), len(blocks), self.n_new), dtype=np.float32)
        for number in np.unique(below):
            own = np.flatnonzero(below == number)
            own_frames = frames[:, whole[own] - whole[0]].reshape(-1, n_taps)
            low, high = (own_frames @ self.taps[one] for one in (number, number + 1))
            part = np.tile(share[own], len(samples))[:, None]
            made[:, own] = ((1 - part) * low + part * high).reshape(len(samples), len(own), self.n_new)
        return made


@lru_cache(maxsize=8)
def resampler(rate_hz: float) -> Resampler:
    """Return the resampler from a rate to 200 Hz."""
    ratio = Fraction(RATE_HZ / rate_hz).limit_denominator(FINEST)
    if ratio and abs(ratio * Fraction(rate_hz) / RATE_HZ - 1) <= EXACT:
        return _of_ratio(rate_hz, ratio.numerator, ratio.denominator)
    return _of_any_rate(rate_hz)


def _of_ratio(rate_hz: float, up: int, down: int) -> Resampler:
    if up == down:
        return Resampler(rate_hz, 1, 1, 0, np.ones((1, 1, 1), dtype=np.float32))
    half = ZEROS * max(up, down)
    impulse = np.sinc(np.arange(-half, half + 1) / max(up, down)) * np.kaiser(2 * half + 1, BETA)
    times = max(1, -(-BLOCK // up))
    n_new, n_old, reach = times * up, times * down, half // up + 1
    # Old sample k of a block, counted from -reach, is k * up - r * down fine steps from new sample r.
    old, new = np.arange(-reach, n_old + reach)[:, None], np.arange(n_new)[None, :]
    place = half + new * down - old * up
    taps = np.where((place >= 0) & (place <= 2 * half), impulse[np.clip(place, 0, 2 * half)], 0)
    return Resampler(rate_hz, n_old, n_new, reach, (taps / taps.sum(axis=0)).astype(np.float32)[None])


def _of_any_rate(rate_hz: float) -> Resampler:
    step = rate_hz / RATE_HZ  # old samples per new one
    cut_off, half = min(1.0, 1 / step), ZEROS * max(1.0, step)
    reach, n_old = int(half) + 1, BLOCK * step
    n_phases = int(np.ceil(PHASES / max(1.0, step)))
    old, new = np.arange(-reach, int(np.ceil(n_old)) + reach + 1), np.arange(BLOCK)
    taps = np.empty((n_phases + 1, len(old), BLOCK), dtype=np.float32)
    for number, matrix in enumerate(taps):
        away = old[:, None] - (number / n_phases + new[None, :] * step)
        window = np.i0(BETA * np.sqrt(np.maximum(1 - (away / half) ** 2, 0)))
        weights = np.where(abs(away) <= half, np.sinc(cut_off * away) * window, 0)
        matrix[:] = weights / weights.sum(axis=0)
    return Resampler(rate_hz, n_old, BLOCK, reach, taps)


def band_pass(signal: Signal, band_hz: tuple[float, float], order: int) -> Signal:
    """Filter [channel, time] at 200 Hz with a Butterworth band-pass, forward and backward."""
    return _band_pass(band_hz, order)(signal, min(signal.shape[1] - 1, filter_pad(band_hz)))


def notch(signal: Signal, notch_hz: float) -> Signal:
    """Remove one frequency from [channel, time] at 200 Hz, forward and backward."""
    return _notch(notch_hz)(signal, min(signal.shape[1] - 1, NOTCH_PAD_S * RATE_HZ))


def filter_pad(band_hz: tuple[float, float]) -> int:
    """Return by how many samples a signal is extended at each end for filtering: a period of the lower edge."""
    return round(RATE_HZ / band_hz[0])


@lru_cache(maxsize=8)
def _band_pass(band_hz: tuple[float, float], order: int) -> ZeroPhaseFilter:
    return ZeroPhaseFilter.of(*butterworth.band_pass(order, band_hz))


@lru_cache(maxsize=8)
def _notch(notch_hz: float) -> ZeroPhaseFilter:
    from scipy import signal as sp  # takes a third of a second, and few models need it

    return ZeroPhaseFilter.of(*sp.tf2zpk(*sp.iirnotch(notch_hz, NOTCH_Q, fs=RATE_HZ)))
