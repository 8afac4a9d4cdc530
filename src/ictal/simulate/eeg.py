"""One simulated EEG with its votes, as a function of the seed and its number alone."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import Field

from ictal.labels import PATTERNS
from ictal.montage import CHANNELS
from ictal.recording import Recording, Signal
from ictal.settings import Settings
from ictal.simulate.background import PatientTraits, background, draw_patient, heartbeat
from ictal.simulate.patterns import PatternTraits, draw_pattern, field, wave
from ictal.simulate.raters import draw_votes, vote_distribution
from ictal.windows import RATE_HZ, WINDOW_SAMPLES


class SimulationSettings(Settings):
    """How much is simulated.

    Attributes
    ----------
    patients, eegs_per_patient
        Each EEG is one window of 50 s.
    seed
        Of the simulation; independent of the seed of training.
    """

    patients: int = Field(100, ge=2)
    eegs_per_patient: int = Field(5, ge=1)
    seed: int = Field(0, ge=0)


@dataclass(frozen=True)
class SimulatedEeg:
    """A simulated EEG, and what is known of it that nobody knows of a real one.

    Attributes
    ----------
    recording
        50 s, `CHANNELS`, 200 Hz, µV, referential.
    votes
        The panel's counts, [6].
    probabilities
        The distribution that the votes were drawn from, [6].
    traits
        How the pattern was expressed.
    """

    recording: Recording
    votes: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float64]
    traits: PatternTraits


@dataclass(frozen=True)
class SimulatedSource:
    """Samples that are made when they are read."""

    key: tuple[int, int, int]
    patient: PatientTraits
    pattern: PatternTraits

    def read(self, start: int, stop: int) -> Signal:
        """Return samples `start` to `stop`, [20, time], µV."""
        rng = np.random.default_rng((*self.key, 1))
        scalp = background(rng, self.patient, WINDOW_SAMPLES)
        amplitude_uv = self.patient.amplitude_uv * self.pattern.strength
        course = wave(rng, self.pattern, WINDOW_SAMPLES)
        scalp += amplitude_uv * np.outer(field(rng, self.pattern), course)
        samples = np.vstack([scalp, heartbeat(rng, self.patient, WINDOW_SAMPLES)])
        return samples[:, start:stop].astype(np.float32)


def simulate_eeg(seed: int, patient: int, eeg: int) -> SimulatedEeg:
    """Simulate EEG number `eeg` of patient number `patient`.

    The result depends on the three numbers alone, so any order, any worker and any size of the data set
    give the same EEG.
    """
    traits = draw_patient(np.random.default_rng((seed, patient)))
    key = (seed, patient, eeg + 1)
    rng = np.random.default_rng(key)
    pattern = draw_pattern(rng, str(rng.choice(PATTERNS, p=traits.preference)))
    probabilities = vote_distribution(pattern)
    name = f"simulated patient {patient} EEG {eeg} (seed {seed})"
    source = SimulatedSource(key, traits, pattern)
    recording = Recording(name, CHANNELS, RATE_HZ, WINDOW_SAMPLES, source)
    return SimulatedEeg(recording, draw_votes(rng, probabilities), probabilities, pattern)
