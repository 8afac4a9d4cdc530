"""An endless stream of simulated windows; each depends only on the seed, its epoch and its number."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from ictal.core.atomic_files import hash_of
from ictal.core.blas import one_blas_thread
from ictal.core.montage import CHANNELS
from ictal.core.recording import Recording, Signal
from ictal.core.settings import Settings
from ictal.core.windows import CENTRE_S, RATE_HZ, WINDOW_S
from ictal.data.simulated import VERSION
from ictal.preprocessing.runs import filtered
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.standardise import resample
from ictal.simulator.eeg import compose
from ictal.simulator.fitted_parameters import KINDS, MANY, MANY_SIZES
from ictal.simulator.patient import Patient, draw_patient, draw_pattern
from ictal.simulator.raters import draw_votes, vote_distribution
from ictal.simulator.scene_kinds import draw_scene
from ictal.simulator.scenes import compose_scene

Floats = npt.NDArray[np.float64]

WINDOWS_PER_PATIENT = 4
"""Windows per simulated patient; drawing a patient takes a tenth of the time of a window."""
PATIENT_SPACING = 64
"""Distance between windows of one patient, so that a batch of up to this size has no patient twice."""
NO_PATTERN, ONE_PATTERN, TWO_PATTERNS = 4.0, 2.0, 0.5
"""Weights of kinds of windows, if kinds are drawn evenly; windows without a pattern vary most."""
OF_PATIENT, OF_WINDOW = 0, 1
"""Purposes of random numbers, as part of the seed."""


class StreamSettings(Settings):
    """Which windows are simulated during training.

    Attributes
    ----------
    windows
        Number of windows per epoch.
    even
        Share of the windows whose kind is drawn evenly (one clear pattern four times as often as a pair, none twice
        as often as one); the other kinds are as frequent as in the population with many votes.
    lengths_s, length_shares
        Durations of the simulated EEGs, and the share of each; windows are centred on the EEGs.
    difficult
        Share of the windows that show a scene of `ictal.simulator.scene_kinds.SCENES`: low voltage, muscle, burst
        suppression, two patterns at once, a pattern that only looks unclear, or a healthy person who is awake.
    seed
        Seed of the stream. With any seeds, no window is also in the data set 'sim'.
    """

    windows: int = Field(8192, ge=1)
    even: float = Field(0.65, ge=0, le=1)
    lengths_s: tuple[float, ...] = (10.0, 12.0, 16.0)
    length_shares: tuple[float, ...] = (0.6, 0.25, 0.15)
    difficult: float = Field(0, ge=0, le=1)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _lengths_have_shares(self) -> "StreamSettings":
        if not self.lengths_s or not CENTRE_S <= min(self.lengths_s) <= max(self.lengths_s) <= WINDOW_S:
            raise ValueError(f"lengths_s is {list(self.lengths_s)}; allowed are {CENTRE_S} to {WINDOW_S} s")
        shares = self.length_shares
        if len(shares) != len(self.lengths_s) or min(shares) < 0 or not sum(shares) > 0:
            raise ValueError(
                f"length_shares is {list(shares)}; allowed are {len(self.lengths_s)} numbers from 0, not all 0"
            )
        return self

    @property
    def is_short(self) -> bool:
        """Whether an EEG may be shorter than a window."""
        return min(self.lengths_s) < WINDOW_S

    @property
    def kinds(self) -> Floats:
        """Probability of each of `ictal.simulator.fitted_parameters.KINDS`, [21]."""
        even = np.array(
            [
                NO_PATTERN if {one, other} == {"other"} else ONE_PATTERN if one == other else TWO_PATTERNS
                for one, other in KINDS
            ]
        )
        return np.asarray(self.even * even / even.sum() + (1 - self.even) * MANY)


@dataclass(frozen=True)
class Stream:
    """Newly simulated windows, standardised like those of files.

    Attributes
    ----------
    settings
        What is simulated.
    standardise
        How it becomes input.
    with_votes
        Whether the target is the votes of a panel with many votes, or the distribution from which they are drawn.
    """

    settings: StreamSettings
    standardise: StandardiseSettings
    with_votes: bool = False

    def fingerprint(self) -> str:
        """Return a hash of everything that the windows depend on."""
        # Without difficult windows, streams are those of before this setting existed.
        left_out = set() if self.settings.difficult else {"difficult"}
        settings = [self.settings.model_dump(exclude=left_out), self.standardise.model_dump(), self.with_votes]
        return hash_of(["stream", VERSION, *settings])

    def window(self, epoch: int, number: int) -> tuple[Signal, npt.NDArray[np.float32]]:
        """Simulate one window.

        Returns
        -------
        signal : ndarray
            [20, time] at 200 Hz, µV, standardised, but not yet cut to a window.
        target : ndarray
            The distribution or the votes, [6].
        """
        settings = self.settings
        rng = _generator(settings.seed, OF_WINDOW, epoch, number)
        with one_blas_thread():
            person = _patient(settings.seed, epoch, patient_number(number))
            shares = np.array(settings.length_shares)
            seconds = float(rng.choice(settings.lengths_s, p=shares / shares.sum()))
            n_samples = round(seconds * RATE_HZ)
            if settings.difficult and rng.random() < settings.difficult:
                samples, evidence, *_ = compose_scene(rng, draw_scene(rng, person, seconds), n_samples)
            else:
                kind = KINDS[rng.choice(len(KINDS), p=settings.kinds)]
                pattern = draw_pattern(rng, person, kind, seconds)
                samples, evidence, *_ = compose(rng, person, pattern, n_samples)
            recording = Recording.from_array(samples, CHANNELS, RATE_HZ, f"streamed window {epoch}-{number}")
            signal = filtered(resample(recording, self.standardise.fill), self.standardise).signal
        target = draw_votes(rng, evidence, MANY_SIZES) if self.with_votes else vote_distribution(evidence)
        return signal, target.astype(np.float32)


def patient_number(number: int) -> int:
    """Return the patient number of a window; the windows of a patient are `PATIENT_SPACING` apart."""
    return number // (WINDOWS_PER_PATIENT * PATIENT_SPACING) * PATIENT_SPACING + number % PATIENT_SPACING


def _generator(seed: int, purpose: int, epoch: int, number: int) -> np.random.Generator:
    # The spawn key separates these seeds from those of the data set 'sim', which are (seed, patient, EEG).
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, epoch, number)))


@lru_cache(maxsize=2 * PATIENT_SPACING)
def _patient(seed: int, epoch: int, number: int) -> Patient:
    return draw_patient(_generator(seed, OF_PATIENT, epoch, number))
