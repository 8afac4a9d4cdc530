"""The EEG as patterns are measured on it: 100 Hz, without drifts, fast muscle activity and heartbeats."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from ictal.core.montage import CHANNELS, ELECTRODES
from ictal.core.windows import RATE_HZ
from ictal.measurement.peaks import find_peaks
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.runs import Resampled

Floats = npt.NDArray[np.float64]
Signal = npt.NDArray[np.float32]

HALF = 2
HZ = RATE_HZ // HALF
"""Rate of the signal on which patterns are measured; they have little above 20 Hz."""
SLOW_S, FAST_S = 0.45, 0.01
"""Standard deviations of the Gaussians that are subtracted (drifts) and with which the signal is smoothed. Half of
the amplitude passes at 0.42 Hz and at 19 Hz."""
PAD_S = 3
EKG = CHANNELS.index("EKG")
HEART_HZ, HEART_S = (5.0, 25.0), (0.15, 0.25)
"""Band in which the QRS complex of the EKG stands out, and how much of the EEG around it is averaged."""
FEWEST_BEATS, MOST_HZ = 8, 3.5
OUTSTANDING = 4.0
"""A QRS complex is this many times larger than the typical magnitude of the EKG."""
FRONTAL_POLES, BEHIND = ([ELECTRODES.index(name) for name in names.split()] for names in ("Fp1 Fp2", "F3 F4 Fz"))
BLINK_UV, BLINK_S, FLANK_S = 50.0, 1.0, 0.35
"""Least height of a blink at the frontal poles over the electrodes behind them, how far around it is removed (with
what the subtraction of drifts adds before and after it), and how far from its peak the EEG without it is taken."""
FEWEST_BLINKS, BLINK_STANDS_OUT = 3, 2.0
EVEN, STEEP = 0.7, 0.5
"""A blink has at least the first share of its largest potential at both frontal poles, and at most the second at F3,
F4 and Fz. Frontal patterns of the brain fall off less steeply."""
LOCKED = 3.0
"""A channel has heartbeats if the power of its average around them is this many times that of chance."""
LOST = 0.1
"""An electrode is left out if more than this share of its samples is missing or flat."""


@dataclass(frozen=True)
class MeasuredSignal:
    """An excerpt of a run, as patterns are measured on it.

    Attributes
    ----------
    eeg
        [19, time] at `HZ`, µV, relative to the mean of each group of electrodes that share a reference.
    missing
        [19, time], True where nothing was recorded.
    groups
        Indices of the electrodes with a common reference; voltages between groups are unknown.
    """

    eeg: Signal
    missing: npt.NDArray[np.bool_]
    groups: tuple[tuple[int, ...], ...]

    def cut(self, start: int, stop: int) -> "MeasuredSignal":
        """Return samples from `start` to `stop`; electrodes that are lost there for a while belong to no group."""
        missing = self.missing[:, start:stop]
        lost = missing.mean(axis=1) > LOST
        groups = tuple(tuple(row for row in group if not lost[row]) for group in self.groups)
        return MeasuredSignal(self.eeg[:, start:stop], missing, groups)

    def without(self, row: int) -> "MeasuredSignal":
        """Return the same without an electrode."""
        groups = tuple(tuple(other for other in group if other != row) for group in self.groups)
        return MeasuredSignal(self.eeg, self.missing, groups)

    @property
    def known(self) -> list[int]:
        """Indices of the electrodes that are recorded."""
        return sorted(row for group in self.groups if len(group) > 1 for row in group)

    def referenced(self) -> Signal:
        """Return the known electrodes relative to the mean of their group, [19, time]; the others are 0."""
        eeg = np.zeros_like(self.eeg)
        for group in self.groups:
            if len(group) > 1:
                rows = list(group)
                eeg[rows] = self.eeg[rows] - self.eeg[rows].mean(axis=0)
        return eeg


def measured_signal(excerpt: Resampled, mapping: ChannelMapping | None = None) -> MeasuredSignal:
    """Prepare an excerpt of a recording before the band-pass; its rate is halved.

    Parameters
    ----------
    mapping
        How its electrodes were formed; None: all have one reference.
    """
    n_samples = excerpt.signal.shape[1] // HALF
    first, second = (excerpt.signal[:, place : HALF * n_samples : HALF] for place in range(HALF))
    halved = np.asarray((first + second) / HALF, dtype=np.float32)
    missing = excerpt.missing[: len(ELECTRODES), : HALF * n_samples : HALF]
    made = mapping.groups if mapping else (ELECTRODES,)
    groups = tuple(tuple(ELECTRODES.index(name) for name in group if name in ELECTRODES) for group in made)
    eeg = band_passed(halved[: len(ELECTRODES)])
    return MeasuredSignal(without_blinks(without_heart(eeg, halved[EKG])), missing, groups)


def band_passed(channels: Signal) -> Signal:
    """Remove drifts and fast activity from channels [channel, time] at `HZ`, by Gaussians in the frequency domain."""
    n_samples = channels.shape[1]
    pad = min(PAD_S * HZ, n_samples - 1)
    padded = np.pad(channels, ((0, 0), (pad, pad)), mode="reflect")
    length = next_fast_len(padded.shape[1], real=True)
    turning = 2 * np.pi * rfftfreq(length, 1 / HZ)
    gain = (1 - np.exp(-((turning * SLOW_S) ** 2) / 2)) * np.exp(-((turning * FAST_S) ** 2) / 2)
    return np.asarray(irfft(rfft(padded, length) * gain.astype(np.float32), length)[:, pad : pad + n_samples])


def without_heart(eeg: Signal, ekg: Signal) -> Signal:
    """Subtract from each channel [channel, time] its average around the heartbeats of an EKG [time].

    The EEG remains as it is if fewer than eight QRS complexes stand out from the EKG.
    """
    beats = heartbeats(ekg)
    before, after = (round(seconds * HZ) for seconds in HEART_S)
    inner = beats[(beats >= before) & (beats + after <= eeg.shape[1])]
    if len(inner) < FEWEST_BEATS:
        return eeg
    around = inner[:, None] + np.arange(-before, after)
    beating = eeg[:, around]
    average = beating.mean(axis=1)
    # By chance, the power of an average of n is 1 / n.
    locked = (average**2).mean(axis=1) * len(inner) > LOCKED * (beating**2).mean(axis=(1, 2))
    taper = np.hanning(before + after + 2)[1:-1] ** 0.5
    average = np.where(locked[:, None], average - average[:, [0, -1]].mean(axis=1, keepdims=True), 0) * taper
    cleaned = eeg.copy()
    for beat in around:
        cleaned[:, beat] -= average.astype(np.float32)
    return cleaned


def without_blinks(eeg: Signal) -> Signal:
    """Remove the field of blinks from a signal [19, time] around each of them; it remains as it is without blinks.

    The field is that of the mean blink (signal-space projection).
    """
    vertical = eeg[FRONTAL_POLES].mean(axis=0) - eeg[BEHIND].mean(axis=0)
    limit = max(BLINK_UV, BLINK_STANDS_OUT * float(np.median(np.abs(vertical))))
    reach = round(BLINK_S * HZ)
    peaks = find_peaks(vertical, height=limit, distance=round(FLANK_S * HZ))
    peaks = peaks[(peaks >= reach) & (peaks + reach < eeg.shape[1])]
    if len(peaks) < FEWEST_BLINKS:
        return eeg
    flank = round(FLANK_S * HZ)
    field = np.median(eeg[:, peaks] - (eeg[:, peaks - flank] + eeg[:, peaks + flank]) / 2, axis=1)
    shape = field - np.median(field)
    largest = np.abs(shape).max()
    if shape[FRONTAL_POLES].min() < EVEN * largest or np.abs(shape[BEHIND]).max() > STEEP * largest:
        return eeg
    field /= np.linalg.norm(field)
    weight = np.zeros(eeg.shape[1], dtype=np.float32)
    window = np.minimum(4 * np.hanning(2 * reach + 1), 1).astype(np.float32)
    for peak in peaks:
        around = slice(peak - reach, peak + reach + 1)
        weight[around] = np.maximum(weight[around], window)
    return np.asarray(eeg - field[:, None] * (weight * (field @ eeg)))


def heartbeats(ekg: Signal) -> npt.NDArray[np.intp]:
    """Return the samples of the QRS complexes of an EKG [time] at `HZ`; none if they do not stand out."""
    if not np.ptp(ekg) > 0:
        return np.empty(0, np.intp)
    spectrum = rfft(ekg - ekg.mean())
    hertz = rfftfreq(len(ekg), 1 / HZ)
    narrow = irfft(spectrum * ((hertz >= HEART_HZ[0]) & (hertz <= HEART_HZ[1])), len(ekg))
    size = np.abs(narrow)
    usual = float(np.median(size))
    return find_peaks(size, height=OUTSTANDING * usual, distance=round(HZ / MOST_HZ))
