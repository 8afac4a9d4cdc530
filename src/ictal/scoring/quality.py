"""How good the EEG of a window is, and its spectrum and amplitude: what a reader looks at beside the probabilities.

Everything is made of frames of 2 s before the band-pass, so that mains and muscle are still there to be seen.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import signal as sp
from scipy.fft import rfft, rfftfreq

from ictal.montage import CHAINS, ELECTRODES, derivations_of, montage_matrix
from ictal.recording import Signal
from ictal.settings import Settings
from ictal.standardise import Resampled
from ictal.windows import CENTRE_SAMPLES, RATE_HZ, WINDOW_SAMPLES
from ictal.wiring import Wiring

FRAME_S = 2
FRAME = FRAME_S * RATE_HZ
N_ELECTRODES = len(ELECTRODES)
FLAWS = ("flat", "missing", "clipped", "line_noise", "muscle", "implausible")
"""What may be wrong with an electrode; bit i of its mark is flaw i."""
SPOILING = ("flat", "missing", "clipped", "implausible")
"""Flaws that make samples unusable; mains and muscle lie above the models' band."""
SPECTRUM_HZ = np.arange(1, 41) / FRAME_S
"""The frequencies of the compressed spectral array: 0.5, 1.0, ..., 20.0 Hz."""
AEEG_HZ = (2.0, 15.0)
AEEG_PERCENT = (10, 90)
"""Borders of the band of the amplitude-integrated EEG: percentiles of the envelope in 10 s."""
POWER_FLOOR = 1e-3
"""Least power density, µV²/Hz, that a decibel is taken of."""
HEMISPHERES = {
    side: montage_matrix(derivations_of({name: CHAINS[name] for name in names}))
    for side, names in (("left", ("LL", "LP")), ("right", ("RP", "RR")))
}
PARIETAL = {"left": ("C3", "P3"), "right": ("C4", "P4")}


class QualitySettings(Settings):
    """When a flaw is seen, and what is refused.

    Attributes
    ----------
    min_usable
        A window gets no prediction if a smaller share of the samples of its electrodes is usable.
    line_uv
        Mains: the root mean square within 1 Hz of 50 or 60 Hz is above this, and above that of 1 to 20 Hz.
    muscle_uv
        Muscle: the root mean square of 25 to 45 Hz is above this.
    implausible_uv
        Peak to peak within 2 s; scalp EEG, seizures and bursts too, stays below.
    clipped_share
        Of the samples of 2 s.
    shown
        An electrode shows a flaw if so large a share of the window does.
    """

    min_usable: float = 0.5
    line_uv: float = 10.0
    muscle_uv: float = 15.0
    implausible_uv: float = 3000.0
    clipped_share: float = 0.02
    shown: float = 0.2


@dataclass(frozen=True)
class Frames:
    """What the frames of a piece of a recording show.

    Attributes
    ----------
    flaws
        [flaw, electrode, frame].
    spectra
        [left and right, frequency, frame]: mean power density over the hemisphere's derivations, µV²/Hz.
    used
        [electrode]: which electrodes the recording gives.
    """

    flaws: npt.NDArray[np.bool_]
    spectra: Signal
    used: npt.NDArray[np.bool_]

    def window(self, start: int, n_samples: int = WINDOW_SAMPLES) -> npt.NDArray[np.float64]:
        """Return the share of a window in which each electrode has each flaw, [flaw, electrode]."""
        return np.asarray(self.flaws[..., _frames(start, n_samples)].mean(axis=-1))

    def usable(self, start: int, n_samples: int = WINDOW_SAMPLES) -> float:
        """Return the share of a window's frames, over the electrodes that there are, without a spoiling flaw."""
        spoilt = np.asarray(self.flaws[[FLAWS.index(name) for name in SPOILING]].any(axis=0))
        return float(1 - spoilt[self.used][:, _frames(start, n_samples)].mean())

    def spectrum(self, start: int, n_samples: int = CENTRE_SAMPLES) -> npt.NDArray[np.float64]:
        """Return the spectra of a stretch, [left and right, frequency], in dB of 1 µV²/Hz."""
        power = self.spectra[..., _frames(start, n_samples)].mean(axis=-1)
        return np.asarray(10 * np.log10(np.maximum(power, POWER_FLOOR)))


def _frames(start: int, n_samples: int) -> slice:
    """Return the frames whose middle lies in a stretch, at least one."""
    first = max(0, -(-(start - FRAME // 2) // FRAME))
    return slice(first, max(first + 1, (start + n_samples - FRAME // 2 - 1) // FRAME + 1))


def look_at(piece: Resampled, wiring: Wiring, settings: QualitySettings) -> Frames:
    """Look at the frames of a piece; what does not fill the last one is left out."""
    n_frames = max(1, piece.signal.shape[1] // FRAME)
    length = n_frames * FRAME
    used = np.array([name in wiring.known for name in ELECTRODES])
    electrodes = _framed(piece.signal, length)[:N_ELECTRODES]
    marks = [_framed(mask, length)[:N_ELECTRODES] for mask in (piece.flat, piece.missing & ~piece.flat)]
    swing = np.ptp(electrodes, axis=-1)
    power = _power(electrodes - electrodes[used].mean(axis=0, keepdims=True))
    line = np.maximum(_rms(power, 49, 51), _rms(power, 59, 61))
    flaws = np.stack(
        [
            *(mark.any(axis=-1) for mark in marks),
            _framed(piece.clipped, length)[:N_ELECTRODES].mean(axis=-1) > settings.clipped_share,
            (line > settings.line_uv) & (line > _rms(power, 1, 20)),
            _rms(power, 25, 45) > settings.muscle_uv,
            swing > settings.implausible_uv,
        ]
    )
    flaws[:, ~used] = False
    return Frames(flaws, _hemispheres(piece.signal, length), used)


def _framed(signal: npt.NDArray, length: int) -> npt.NDArray:  # type: ignore[type-arg]
    """Return [channel, frame, sample]; a signal shorter than one frame is repeated."""
    if signal.shape[1] < length:
        signal = np.pad(signal, ((0, 0), (0, length - signal.shape[1])), mode="wrap")
    return signal[:, :length].reshape(len(signal), -1, FRAME)


@lru_cache(maxsize=1)
def _taper() -> Signal:
    window = sp.windows.hann(FRAME, sym=False)
    return np.asarray(window / np.sqrt((window**2).sum() * RATE_HZ / 2), dtype=np.float32)


def _power(frames: Signal) -> Signal:
    """Return one-sided power density of frames [..., sample], µV²/Hz, [..., frequency]."""
    waves = rfft((frames - frames.mean(axis=-1, keepdims=True)) * _taper(), axis=-1)
    return np.asarray(waves.real**2 + waves.imag**2)


def _rms(power: Signal, low_hz: float, high_hz: float) -> Signal:
    frequency = rfftfreq(FRAME, 1 / RATE_HZ)
    band = (frequency >= low_hz) & (frequency <= high_hz)
    return np.asarray(np.sqrt(power[..., band].sum(axis=-1) / FRAME_S))


def _hemispheres(signal: Signal, length: int) -> Signal:
    spectra = []
    for matrix in HEMISPHERES.values():
        power = _power(_framed(matrix @ signal, length))[..., 1 : len(SPECTRUM_HZ) + 1]
        spectra.append(power.mean(axis=0).T)
    return np.stack(spectra)


def amplitude_integrated(piece: Signal) -> dict[str, Signal]:
    """Return the envelope of the amplitude-integrated EEG of either side, µV, [time] at 200 Hz.

    C3-P3 and C4-P4, band-passed from 2 to 15 Hz, rectified, and smoothed over half a second (after Maynard et al.
    1969; the envelope is scaled so that a sine has its peak-to-peak amplitude).
    """
    sections = sp.butter(3, AEEG_HZ, "bandpass", fs=RATE_HZ, output="sos")
    smooth = sp.butter(2, 1.0, "lowpass", fs=RATE_HZ, output="sos")
    found = {}
    for side, pair in PARIETAL.items():
        rows = [ELECTRODES.index(name) for name in pair]
        narrow = sp.sosfilt(sections, piece[rows[0]] - piece[rows[1]])
        found[side] = (np.maximum(sp.sosfilt(smooth, abs(narrow)), 0) * np.pi).astype(np.float32)
    return found


def amplitude_band(envelope: Signal, start: int) -> tuple[float, float]:
    """Return the lower and the upper border of an envelope in the 10 s from `start`."""
    low, high = np.percentile(envelope[start : start + CENTRE_SAMPLES], AEEG_PERCENT)
    return float(low), float(high)


def left_right(spectrum_db: npt.NDArray[np.float64]) -> float:
    """Return the amplitude of the left side over that of the right one, 0.5 to 20 Hz."""
    left, right = np.sqrt((10 ** (spectrum_db / 10)).sum(axis=1))
    return float(left / right)


def reason_in_words(frames: Frames, start: int, n_samples: int, settings: QualitySettings) -> str:
    """Say why a window gets no prediction; nothing where it may."""
    usable = frames.usable(start, n_samples)
    if usable >= settings.min_usable:
        return ""
    shares = frames.window(start, n_samples)[:, frames.used]
    counts = {name: int((shares[FLAWS.index(name)] >= settings.shown).sum()) for name in SPOILING}
    what = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"only {usable:.0%} of the EEG is usable: of {frames.used.sum()} electrodes {what}"
