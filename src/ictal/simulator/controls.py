"""Controls of the ablation: data for which it is known what each kind of network can and cannot see.

Each EEG is an ordinary background with two markers. *Sign*: sharp waves at Fp1 and Fp2 are positive or negative. Only
their phase differs, not their magnitude spectrum, so a power spectrogram cannot distinguish them. *Place*: a rhythm
is at one of two electrodes that the eight long derivations of the study's temporal network leave out, but the chains
of the double banana contain.

- temporal: the class is the sign; the place is random.
- spatial: the class is the place; the sign is random.
- joint: the class is whether sign and place agree (an exclusive or). Neither is informative alone, so no average of a
  network that sees the sign and one that sees the place can find the class.
- null: ordinary EEG, with votes that are unrelated to it.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ictal.core.blas import one_blas_thread
from ictal.core.labels import N_PATTERNS, PATTERNS
from ictal.core.montage import CHANNELS, ELECTRODES
from ictal.core.windows import RATE_HZ, WINDOW_SAMPLES
from ictal.errors import UnknownNameError
from ictal.simulator.artifacts import electrocardiogram, heartbeats
from ictal.simulator.background import State, background
from ictal.simulator.eeg import SimulatedEeg, patient_of, simulate_eeg
from ictal.simulator.fitted_parameters import MANY_SIZES
from ictal.simulator.noise import band_noise
from ictal.simulator.raters import draw_size

Floats = npt.NDArray[np.float64]

CONTROLS = ("temporal", "spatial", "joint", "null")

SIGNS = (1, -1)
"""Signs of the waves, one per class: a phase of 0 or 180 degrees at all frequencies."""
SHARP_S, SLOW_S = 0.05, 0.25
"""Standard deviations of a wave's sharp peak, and of a slow wave with the same area and the opposite sign."""
WAVES_PER_MIN = 90
WAVE_SITES = ("Fp1", "Fp2")
PLACES = (("F7",), ("F4",))
"""Places of the rhythm, one per class."""
RHYTHM_HZ = 7.0
WAVE_SIZE, RHYTHM_SIZE = 12.0, 2.0
"""Height of a wave, and RMS of the rhythm, relative to the background."""

CLASSES = ("lpd", "gpd")
"""The patterns that represent the two classes."""
AGREEMENT = 0.94
"""Share of the votes for the class."""


def simulate_control(name: str, seed: int, patient: int, eeg: int) -> SimulatedEeg:
    """Simulate EEG number `eeg` of patient number `patient` of a control.

    Raises
    ------
    UnknownNameError
        If there is no such control.
    """
    if name not in CONTROLS:
        raise UnknownNameError("control", name, CONTROLS)
    with one_blas_thread():
        return _simulate(name, seed, patient, eeg)


def _simulate(name: str, seed: int, patient: int, eeg: int) -> SimulatedEeg:
    rng = np.random.default_rng((seed, patient, eeg + 1, 1 + CONTROLS.index(name)))
    title = f"control '{name}', patient {patient} EEG {eeg} (seed {seed})"
    if name == "null":
        made = simulate_eeg(seed, patient, eeg)
        average = np.full(N_PATTERNS, 1 / N_PATTERNS)
        # Panels agree like real ones, but not on anything in the EEG: the best prediction is their average.
        return replace(made, votes=_votes(rng, rng.dirichlet(0.5 * average)), probabilities=average, name=title)
    sign, place = (int(number) for number in rng.integers(0, 2, 2))
    chosen = {"temporal": sign, "spatial": place, "joint": int(sign != place)}[name]
    person = patient_of(seed, patient)
    beats = heartbeats(rng, person.heart_hz, WINDOW_SAMPLES)
    scalp = background(rng, person.background, person.head, State(), WINDOW_SAMPLES)[: len(ELECTRODES)]
    level = float(np.median(scalp.std(axis=1)))
    for site in WAVE_SITES:
        scalp[CHANNELS.index(site)] += WAVE_SIZE * level * SIGNS[sign] * _waves(rng, WINDOW_SAMPLES)
    for site in PLACES[place]:
        scalp[CHANNELS.index(site)] += RHYTHM_SIZE * level * band_noise(rng, 1, WINDOW_SAMPLES, RHYTHM_HZ, 0.5)[0]
    samples = np.vstack([scalp, electrocardiogram(rng, beats)]).astype(np.float32)
    probabilities = np.zeros(N_PATTERNS)
    probabilities[PATTERNS.index(CLASSES[chosen])] = AGREEMENT
    probabilities[PATTERNS.index(CLASSES[1 - chosen])] = 1 - AGREEMENT
    return SimulatedEeg(samples, _votes(rng, probabilities), probabilities, title)


def _waves(rng: np.random.Generator, n_samples: int) -> Floats:
    train = (rng.random(n_samples) < WAVES_PER_MIN / 60 / RATE_HZ).astype(np.float64)
    time = np.arange(-4 * SLOW_S, 4 * SLOW_S, 1 / RATE_HZ)
    sharp, slow = (np.exp(-((time / width) ** 2) / 2) for width in (SHARP_S, SLOW_S))
    return np.asarray(np.convolve(train, sharp - SHARP_S / SLOW_S * slow, mode="same"))


def _votes(rng: np.random.Generator, probabilities: Floats) -> npt.NDArray[np.int64]:
    return rng.multinomial(draw_size(rng, MANY_SIZES), probabilities)
