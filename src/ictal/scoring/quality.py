"""The quality, spectrum and amplitude of the EEG of a window, to be read with the probabilities.

Everything is computed from frames of 2 s before the band-pass, in which line noise and muscle are still present. What
an electrode shows is judged on voltages between electrodes, as models see them: a signal in all electrodes, which
comes from their reference, changes nothing. Only what the recorder did (one value for a second, no samples, values at
its limits) is judged on each channel.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field
from scipy.fft import rfft

from ictal.core.montage import CHAINS, ELECTRODES, NEIGHBOURS, Derivation
from ictal.core.recording import Signal
from ictal.core.settings import Settings
from ictal.core.windows import CENTRE_SAMPLES, RATE_HZ, WINDOW_SAMPLES
from ictal.preprocessing import butterworth
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.runs import IMPERCEPTIBLE_UV, Resampled
from ictal.preprocessing.zero_phase import ForwardFilter

FRAME_S = 2
FRAME = FRAME_S * RATE_HZ
N_ELECTRODES = len(ELECTRODES)
FLAWS = ("flat", "missing", "clipped", "line_noise", "muscle", "implausible")
"""Possible flaws of an electrode; bit i of its mark is flaw i."""
SPOILING = ("flat", "missing", "clipped", "implausible")
"""Flaws that make samples unusable; line noise and muscle are above the models' band."""
SILENT = ("flat", "missing", "implausible")
"""Flaws with which an electrode is left out of the spectrum; clipped samples are at least large."""
SPECTRUM_HZ = np.arange(1, 41) / FRAME_S
"""The frequencies of the compressed spectral array: 0.5, 1.0, ..., 20.0 Hz."""
AEEG_HZ = (2.0, 15.0)
AEEG_PERCENT = (10, 90)
"""Borders of the band of the amplitude-integrated EEG: percentiles of the envelope in 10 s."""
POWER_FLOOR = 1e-3
"""Least power density, µV²/Hz, that is converted to decibels."""
HEMISPHERES = {"left": (*CHAINS["LL"], *CHAINS["LP"]), "right": (*CHAINS["RP"], *CHAINS["RR"])}
SMOOTH = RATE_HZ // 10
"""Means over this many samples, 0.1 s, contain no line noise of 50 or 60 Hz."""
HIGHEST_HZ = 64
"""The spectrum is used up to the line frequency and its neighbourhood."""
ENOUGH = 3
"""An electrode with fewer neighbours than this is judged on its voltages to all others of its group: a bad neighbour
must not make it look bad."""
PARIETAL = {"left": Derivation("C3", "P3"), "right": Derivation("C4", "P4")}
Marks = npt.NDArray[np.bool_]
Waves = npt.NDArray[np.complex64]


class QualitySettings(Settings):
    """When an electrode has a flaw, and which windows are refused.

    Line noise, muscle and implausible values are judged on voltages between neighbouring electrodes. An electrode is
    marked if all of its voltages are.

    In 32 clips of critical-care EEG (IIIC), the defaults mark 13 % of frames and electrodes for line noise (all
    larger than the EEG, up to 2 mV), 0.2 % for muscle and 0.05 % as implausible. In six healthy adults at rest
    (EEGMAT), they mark none, 0.02 % and none. Around seizures of children (CHB-MIT), they mark none, 41 % and none,
    but 10 % as clipped, at the 800 or 1200 µV that those files can hold.

    Attributes
    ----------
    min_usable
        A window gets no prediction if a smaller share of the samples of its electrodes is usable.
    line_uv
        Line noise: the root mean square within 1 Hz of 50 or 60 Hz is above this, above that of 1 to 20 Hz, and above
        that of the neighbouring frequencies, 2 to 4 Hz away.
    muscle_uv
        Muscle: the root mean square of 25 to 45 Hz is above this.
    implausible_uv
        Peak to peak within 2 s, without line noise; scalp EEG stays below, even in seizures and bursts.
    silent_uv
        An electrode with line noise is flat if the root mean square of 1 to 20 Hz is below this: it is not connected.
        Where those 32 clips have line noise, it is at least 1.2 µV; in suppressed EEG (VE-CAM-S), at least 0.45 µV.
    lost_share
        A frame of an electrode is flat, missing or clipped if a larger share of its 2 s is.
    shown
        An electrode of a window has a flaw if at least this share of the window has it.
    """

    min_usable: float = Field(0.5, ge=0, le=1)
    line_uv: float = Field(10.0, gt=0)
    muscle_uv: float = Field(15.0, gt=0)
    implausible_uv: float = Field(3000.0, gt=0)
    silent_uv: float = Field(0.4, ge=0)
    lost_share: float = Field(0.02, ge=0, lt=1)
    shown: float = Field(0.2, gt=0, le=1)


@dataclass(frozen=True)
class QualityFrames:
    """The flaws and spectra of the frames of an excerpt of a recording.

    Attributes
    ----------
    flaws
        [flaw, electrode, frame].
    spectra
        [left and right, frequency, frame]: mean power density over the hemisphere's derivations, µV²/Hz; NaN where
        it is unknown.
    used
        [electrode]: which electrodes the recording has.
    n_samples
        Length of the excerpt.
    """

    flaws: Marks
    spectra: Signal
    used: Marks
    n_samples: int

    def window(self, start: int, n_samples: int = WINDOW_SAMPLES) -> npt.NDArray[np.float64]:
        """Return the share of a window in which each electrode has each flaw, [flaw, electrode]."""
        return np.asarray(self.flaws[..., _frames(start, n_samples)].mean(axis=-1))

    def usable(self, start: int, n_samples: int = WINDOW_SAMPLES) -> float:
        """Return the share of a window's frames, over the recorded electrodes, without a spoiling flaw."""
        spoilt = np.asarray(self.flaws[[FLAWS.index(name) for name in SPOILING]].any(axis=0))
        return float(1 - spoilt[self.used][:, _frames(start, n_samples)].mean())

    def spectrum(self, start: int, n_samples: int = CENTRE_SAMPLES) -> npt.NDArray[np.float64]:
        """Return the spectra of an interval, [left and right, frequency], in dB of 1 µV²/Hz."""
        power = self.spectra[..., _frames(start, n_samples)]
        mean = _mean(power, np.isfinite(power), axis=-1)
        return np.asarray(10 * np.log10(np.maximum(mean, POWER_FLOOR)))


def _frames(start: int, n_samples: int) -> slice:
    """Return the frames whose middle is in an interval, at least one."""
    first = max(0, -(-(start - FRAME // 2) // FRAME))
    return slice(first, max(first + 1, (start + n_samples - FRAME // 2 - 1) // FRAME + 1))


def measure_quality(excerpt: Resampled, mapping: ChannelMapping, settings: QualitySettings) -> QualityFrames:
    """Measure the quality of the frames of an excerpt; samples that do not fill the last frame are left out."""
    n_samples = excerpt.signal.shape[1]
    length = max(1, n_samples // FRAME) * FRAME
    used = np.array([name in mapping.known for name in ELECTRODES])
    electrodes = _framed(excerpt.signal, length)
    waves = _waves(electrodes)
    lost = [
        _framed(marks, length).mean(axis=-1)
        for marks in (excerpt.flat, excerpt.missing & ~excerpt.flat, excerpt.clipped)
    ]
    flat, missing, clipped = (share > settings.lost_share for share in lost)
    still, *seen = _seen(electrodes, waves, flat | missing, mapping, settings)
    flaws = np.stack([flat | still, missing, clipped, *seen])
    flaws[:, ~used] = False
    spoilt = np.asarray(flaws[[FLAWS.index(name) for name in SILENT]].any(axis=0))
    formed = ([pair for pair in pairs if mapping.forms(pair)] for pairs in HEMISPHERES.values())
    spectra = np.stack([_hemisphere(waves, ~spoilt, pairs) for pairs in formed])
    return QualityFrames(flaws, spectra, used, n_samples)


def _seen(electrodes: Signal, waves: Waves, lost: Marks, mapping: ChannelMapping, settings: QualitySettings) -> Marks:
    """Return which electrodes do not vary, have line noise, muscle and implausible values, [4, electrode, frame].

    An electrode has what all of its voltages to others have, without those that are lost, [electrode, frame].
    """
    pairs = _pairs(mapping)
    first, second = pairs.T
    power = _power(waves[first] - waves[second])
    smooth = electrodes.reshape(*electrodes.shape[:2], -1, SMOOTH).mean(axis=-1)
    line = _is_line(power, 50, settings.line_uv) | _is_line(power, 60, settings.line_uv)
    of_pairs = np.stack(
        [
            (_rms(power, 1, HIGHEST_HZ) < IMPERCEPTIBLE_UV) | (line & (_rms(power, 1, 20) < settings.silent_uv)),
            line,
            _rms(power, 25, 45) > settings.muscle_uv,
            np.ptp(smooth[first] - smooth[second], axis=-1) > settings.implausible_uv,
        ]
    )
    known = ~(lost[first] | lost[second])
    found = np.zeros((len(of_pairs), *lost.shape), dtype=bool)
    for electrode in np.unique(pairs):
        own = (pairs == electrode).any(axis=1)
        found[:, electrode] = (of_pairs | ~known)[:, own].all(axis=1) & known[own].any(axis=0)
    return found


def _pairs(mapping: ChannelMapping) -> npt.NDArray[np.intp]:
    """Return the voltages on which electrodes are judged, [pair, 2]: those of neighbours, or all if these are few."""
    pairs = {pair for pair in map(frozenset, NEIGHBOURS) if mapping.forms(Derivation(*pair))}
    few = {name for name in mapping.known if sum(name in pair for pair in pairs) < ENOUGH}
    pairs |= {frozenset(pair) for group in mapping.groups for pair in combinations(group, 2) if few & {*pair}}
    rows = sorted(sorted(ELECTRODES.index(name) for name in pair) for pair in pairs)
    return np.array(rows, dtype=np.intp).reshape(-1, 2)


def _is_line(power: Signal, hertz: int, least_uv: float) -> Marks:
    """Mark where a frequency stands out from the EEG and its neighbours: muscle is equally large on both sides."""
    line = _rms(power, hertz - 1, hertz + 1)
    neighbours = _rms(power, hertz - 4, hertz - 2) + _rms(power, hertz + 2, hertz + 4)
    return (line > least_uv) & (line > _rms(power, 1, 20)) & (line > neighbours)


def _framed(channels: npt.NDArray, length: int) -> npt.NDArray:  # type: ignore[type-arg]
    """Return the electrodes of channels [20, time], [electrode, frame, sample]; less than one frame is repeated."""
    signal = channels[:N_ELECTRODES]
    if signal.shape[1] < length:
        signal = np.pad(signal, ((0, 0), (0, length - signal.shape[1])), mode="wrap")
    return signal[:, :length].reshape(len(signal), -1, FRAME)


@lru_cache(maxsize=1)
def _taper() -> Signal:
    window = np.hanning(FRAME + 1)[:-1]
    return np.asarray(window / np.sqrt((window**2).sum() * RATE_HZ / 2), dtype=np.float32)


def _waves(frames: Signal) -> Waves:
    """Return the spectra of frames [..., sample], 0 to 64 Hz; their squares are one-sided power densities, µV²/Hz."""
    waves = rfft((frames - frames.mean(axis=-1, keepdims=True)) * _taper(), axis=-1)
    return np.asarray(waves[..., : HIGHEST_HZ * FRAME_S + 1])


def _power(waves: Waves) -> Signal:
    return np.asarray(waves.real**2 + waves.imag**2)


def _rms(power: Signal, low_hz: int, high_hz: int) -> Signal:
    return np.asarray(np.sqrt(power[..., low_hz * FRAME_S : high_hz * FRAME_S + 1].sum(axis=-1) / FRAME_S))


def _hemisphere(waves: Waves, usable: Marks, pairs: list[Derivation]) -> Signal:
    """Return the mean power density of derivations with two usable electrodes, [frequency, frame]."""
    first, second = (np.array([ELECTRODES.index(pair[end]) for pair in pairs], dtype=int) for end in (0, 1))
    power = _power((waves[first] - waves[second])[..., 1 : len(SPECTRUM_HZ) + 1])
    return _mean(power, (usable[first] & usable[second])[..., None], axis=0).T


def _mean(values: Signal, known: Marks, axis: int) -> Signal:
    """Return the mean of known values; NaN where none is known."""
    total, count = np.where(known, values, 0).sum(axis=axis), known.sum(axis=axis)
    return np.asarray(np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0))


def amplitude_integrated(signal: Signal, mapping: ChannelMapping | None = None) -> dict[str, Signal]:
    """Return the envelope of the amplitude-integrated EEG of either side, µV, [time] at 200 Hz.

    C3-P3 and C4-P4, band-passed from 2 to 15 Hz, rectified, and smoothed over half a second (after Maynard et al.
    1969; the envelope is scaled so that a sine has its peak-to-peak amplitude). NaN if the mapping does not form the
    derivation, or one of the two electrodes is all 0: it is not in the recording, or nothing was recorded.
    """
    narrow = ForwardFilter.of(*butterworth.band_pass(3, AEEG_HZ))
    smooth = ForwardFilter.of(*butterworth.low_pass(2, 1.0))
    found = {}
    for side, pair in PARIETAL.items():
        first, second = (signal[ELECTRODES.index(name)] for name in pair)
        formed = mapping is None or mapping.forms(pair)
        if not (formed and first.any() and second.any()):
            found[side] = np.full(len(first), np.nan, dtype=np.float32)
            continue
        voltage = first - second
        rectified = abs(narrow(voltage - voltage[0]))  # an offset would ring at the start
        found[side] = (np.maximum(smooth(rectified), 0) * np.pi).astype(np.float32)
    return found


def amplitude_band(envelope: Signal, start: int) -> tuple[float, float]:
    """Return the lower and the upper border of an envelope in the 10 s from `start`."""
    low, high = np.percentile(envelope[start : start + CENTRE_SAMPLES], AEEG_PERCENT)
    return float(low), float(high)


def left_right(spectrum_db: npt.NDArray[np.float64]) -> float:
    """Return the ratio of the amplitudes of the left and right side, 0.5 to 20 Hz; NaN if one is unknown."""
    left, right = np.sqrt((10 ** (spectrum_db / 10)).sum(axis=1))
    return float(left / right)


def reason_in_words(frames: QualityFrames, start: int, n_samples: int, settings: QualitySettings) -> str:
    """Return why a window gets no prediction; empty if it gets one."""
    usable = frames.usable(start, n_samples)
    if usable >= settings.min_usable:
        return ""
    shares = frames.window(start, n_samples)[:, frames.used]
    # At least one electrode lacks more than 1 - min_usable, and its largest flaw covers a part of that.
    least = min(settings.shown, (1 - settings.min_usable) / len(SPOILING))
    counts = {name: int((shares[FLAWS.index(name)] >= least).sum()) for name in SPOILING}
    what = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"only {usable:.0%} of the EEG is usable: of {frames.used.sum()} electrodes {what}"


def flaws_in_words(refused: pd.DataFrame) -> str:
    """State how many electrodes had which flaw, on average over refused windows; empty if there were few.

    Parameters
    ----------
    refused
        Rows of a table of scores.
    """
    means = {flaw: refused[flaw].mean() for flaw in SPOILING}
    what = [f"{mean:.0f} {flaw}" for flaw, mean in means.items() if mean >= 0.5]
    return f"of {N_ELECTRODES} electrodes on average {', '.join(what)}" if what else ""
