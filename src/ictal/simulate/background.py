"""The ongoing EEG of a patient: coloured noise with a field, and an alpha rhythm at the back of the head."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ictal.montage import ELECTRODES
from ictal.windows import RATE_HZ

Floats = npt.NDArray[np.float64]

POSITIONS = np.array(
    [
        *[(-0.31, 0.95), (-0.40, 0.52), (-0.50, 0.0), (-0.40, -0.52), (-0.81, 0.59), (-1.0, 0.0)],
        *[(-0.81, -0.59), (-0.31, -0.95), (0.0, 0.5), (0.0, 0.0), (0.0, -0.5)],
        *[(0.31, 0.95), (0.40, 0.52), (0.50, 0.0), (0.40, -0.52), (0.81, 0.59), (1.0, 0.0)],
        *[(0.81, -0.59), (0.31, -0.95)],
    ]
)
"""Place of each of `ELECTRODES` seen from above, in radii of the head: x to the right, y to the nose."""

assert len(POSITIONS) == len(ELECTRODES)

FIELD_WIDTH = 0.6
"""Distance, in radii of the head, over which the background's correlation falls to exp(-1/2)."""
SENSOR_NOISE = 0.15


@dataclass(frozen=True)
class PatientTraits:
    """What stays the same over all EEGs of a patient.

    Attributes
    ----------
    amplitude_uv
        RMS of the background at an electrode.
    exponent
        Power falls as 1 / frequency ** exponent.
    alpha, alpha_hz
        RMS of the occipital alpha rhythm relative to the background, and its frequency.
    asymmetry
        Log ratio of right to left amplitude.
    heart_hz
        Heart rate.
    preference
        Probability of each pattern, [6].
    """

    amplitude_uv: float
    exponent: float
    alpha: float
    alpha_hz: float
    asymmetry: float
    heart_hz: float
    preference: Floats


def draw_patient(rng: np.random.Generator) -> PatientTraits:
    """Draw a patient: most have one or two patterns that come again."""
    return PatientTraits(
        amplitude_uv=float(np.exp(rng.normal(np.log(15), 0.35))),
        exponent=float(rng.normal(1.8, 0.25)),
        alpha=float(rng.beta(1.2, 3)),
        alpha_hz=float(rng.normal(9, 1)),
        asymmetry=float(rng.normal(0, 0.15)),
        heart_hz=float(rng.uniform(0.9, 1.9)),
        preference=rng.dirichlet(np.full(6, 0.5)),
    )


def coloured_noise(rng: np.random.Generator, n_rows: int, n_samples: int, exponent: float) -> Floats:
    """Return noise [row, time] of unit variance whose power falls as 1 / f ** exponent above 0.5 Hz."""
    frequencies = np.fft.rfftfreq(n_samples, 1 / RATE_HZ)
    gain = np.maximum(frequencies, 0.5) ** (-exponent / 2)
    gain[0] = 0
    size = (n_rows, len(frequencies))
    noise = np.fft.irfft((rng.normal(size=size) + 1j * rng.normal(size=size)) * gain, n_samples)
    return np.asarray(noise / noise.std(axis=1, keepdims=True))


def background(rng: np.random.Generator, patient: PatientTraits, n_samples: int) -> Floats:
    """Return the ongoing EEG of the 19 electrodes, [19, time], µV at 200 Hz."""
    distance = np.linalg.norm(POSITIONS[:, None] - POSITIONS[None], axis=2)
    mixing = np.exp(-((distance / FIELD_WIDTH) ** 2))
    mixing /= np.linalg.norm(mixing, axis=1, keepdims=True)
    eeg = mixing @ coloured_noise(rng, len(ELECTRODES), n_samples, patient.exponent)
    eeg += SENSOR_NOISE * rng.normal(size=eeg.shape)
    time = np.arange(n_samples) / RATE_HZ
    waxing = 1 + 0.5 * coloured_noise(rng, 1, n_samples, 2.5)[0]
    phase = 2 * np.pi * patient.alpha_hz * time + np.cumsum(rng.normal(0, 0.05, n_samples))
    posterior = 1 / (1 + np.exp((POSITIONS[:, 1] + 0.3) / 0.15))
    eeg += patient.alpha * np.sqrt(2) * posterior[:, None] * waxing * np.sin(phase)
    side = np.exp(patient.asymmetry * np.clip(POSITIONS[:, 0], -0.5, 0.5))
    return np.asarray(patient.amplitude_uv * side[:, None] * eeg)


def heartbeat(rng: np.random.Generator, patient: PatientTraits, n_samples: int) -> Floats:
    """Return an EKG, [time], µV at 200 Hz: a narrow positive wave per beat over noise."""
    ekg = 20 * rng.normal(size=n_samples)
    intervals = rng.normal(1, 0.04, int(n_samples / RATE_HZ * patient.heart_hz) + 2) / patient.heart_hz
    beats = (np.cumsum(intervals) * RATE_HZ).astype(int)
    wave = 600 * np.exp(-((np.arange(-8, 9) / 2.5) ** 2))
    train = np.zeros(n_samples)
    train[beats[beats < n_samples]] = 1
    return np.asarray(ekg + np.convolve(train, wave, mode="same"))
