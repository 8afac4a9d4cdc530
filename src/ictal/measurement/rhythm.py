"""Find rhythmic waves: the phase of the strongest component around the strongest frequency."""

import numpy as np
import numpy.typing as npt
from scipy.fft import ifft, irfft, rfft, rfftfreq
from scipy.ndimage import gaussian_filter1d

from ictal.measurement.discharges import FEWEST, Track, clear_part, power_of
from ictal.measurement.signal import HZ

Floats = npt.NDArray[np.float64]

N_BINS = 4096
BLUR_HZ = 0.3
"""Standard deviation of the smoothing of the spectrum: waves of varying length have no sharp peak."""
OCTAVES = 0.6
"""Standard deviation of the band around the frequency, as a natural logarithm."""
DELTA_HZ, SEIZURE_HZ = (0.5, 4.5), (0.8, 12.0)
ALPHA_HZ, ALPHA_BLUR_HZ, ALPHA_WIDTH_HZ, BESIDE_HZ = (7.0, 13.0), 0.25, 1.8, 2.5
"""Where an alpha rhythm is looked for, how its spectrum is smoothed, half of the width that is removed, and how far
from its peak the spectrum is compared with it."""
STANDS_OUT = 8.0
"""A rhythm has this many times the power beside it."""
TILT = {DELTA_HZ: 0.0, SEIZURE_HZ: 1.0}
"""Exponent of the frequency by which power is multiplied: seizures stand out from a background of 1 / f."""


def without_alpha(eeg: Floats) -> Floats:
    """Remove a narrow rhythm of 7 to 13 Hz, such as the normal posterior one, from a signal [electrode, time].

    The signal remains as it is if no rhythm stands out: discharges have power there too, but over a wider band.
    """
    n_samples = eeg.shape[1]
    spectrum, hertz = rfft(eeg), rfftfreq(n_samples, 1 / HZ)
    power = gaussian_filter1d((spectrum.real**2 + spectrum.imag**2).sum(axis=0), ALPHA_BLUR_HZ / hertz[1])
    inside = (hertz >= ALPHA_HZ[0]) & (hertz <= ALPHA_HZ[1])
    peak_hz = hertz[inside][power[inside].argmax()]
    below, peak, above = np.interp([peak_hz - BESIDE_HZ, peak_hz, peak_hz + BESIDE_HZ], hertz, power)
    if peak < STANDS_OUT * np.sqrt(below * above):
        return eeg
    gain = 1 - np.exp(-(((hertz - peak_hz) / ALPHA_WIDTH_HZ) ** 4))
    return np.asarray(irfft(spectrum * gain, n_samples))


def find_waves(eeg: Floats, band_hz: tuple[float, float] = DELTA_HZ) -> Track | None:
    """Return the waves of a rhythm; None if there are fewer than three.

    The share explained is that of the strongest component around the frequency of the rhythm.

    Parameters
    ----------
    eeg
        [electrode, time] at `HZ`.
    band_hz
        `DELTA_HZ` or `SEIZURE_HZ`.
    """
    if not np.ptp(eeg) > 0:
        return None
    rate_hz, track = strongest_hz(eeg, band_hz), None
    n_samples = eeg.shape[1]
    spectrum, hertz = rfft(eeg)[:, 1:], rfftfreq(n_samples, 1 / HZ)[1:]
    for _ in range(2):  # around the rate of the waves rather than of their power
        waves = spectrum * (2 * np.exp(-((np.log(hertz / rate_hz) / OCTAVES) ** 2) / 2))
        _, vectors = np.linalg.eigh(waves @ waves.conj().T)
        main = vectors[:, -1]
        part_of_main = ifft(np.pad(main.conj() @ waves, (1, n_samples - 1 - len(hertz))))
        # A wave is where the electrode with the largest amplitude is most negative.
        wave = -main[abs(main).argmax()] * part_of_main
        at = crests(wave)
        if len(at) < FEWEST:
            return track
        at = at[clear_part(np.abs(wave)[at])]
        if len(at) < FEWEST:
            return track
        part = slice(at[0], at[-1] + 1)
        track = Track(at, float((np.abs(part_of_main[part]) ** 2).sum() / 2) / power_of(eeg, part))
        rate_hz = track.rate_hz
    return track


def strongest_hz(eeg: Floats, band_hz: tuple[float, float]) -> float:
    """Return the frequency with the most power, summed over electrodes [electrode, time]."""
    spectrum = rfft(eeg * np.hanning(eeg.shape[1]), N_BINS)
    hertz = rfftfreq(N_BINS, 1 / HZ)
    power = gaussian_filter1d((spectrum.real**2 + spectrum.imag**2).sum(axis=0), BLUR_HZ / hertz[1])
    inside = (hertz >= band_hz[0]) & (hertz <= band_hz[1])
    return float(hertz[inside][(power[inside] * hertz[inside] ** TILT[band_hz]).argmax()])


def crests(wave: npt.NDArray[np.complex128]) -> npt.NDArray[np.intp]:
    """Return the samples at which the phase of a complex wave [time] completes a turn."""
    phase = np.maximum.accumulate(np.unwrap(np.angle(wave)))
    turns = 2 * np.pi * np.arange(np.ceil(phase[0] / (2 * np.pi)), phase[-1] / (2 * np.pi))
    return np.searchsorted(phase, turns)
