"""One simulated EEG with its votes, determined by the seed and its number."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from ictal.core.blas import one_blas_thread
from ictal.core.montage import CHANNELS, ELECTRODES
from ictal.core.recording import Recording, Signal
from ictal.core.settings import Settings
from ictal.core.windows import RATE_HZ, WINDOW_S, WINDOW_SAMPLES
from ictal.simulator.artifacts import add_artifacts, damage, draw_artifacts, electrocardiogram, heartbeats
from ictal.simulator.background import background, draw_state
from ictal.simulator.fitted_parameters import FEW_SIZES, KINDS, MANY_SIZES, Kind
from ictal.simulator.head import EARS, SITES
from ictal.simulator.patient import Patient, draw_patient, draw_pattern
from ictal.simulator.patterns import Pattern, Rendered, render
from ictal.simulator.raters import (
    Evidence,
    draw_votes,
    observe_background,
    observe_pattern,
    relative_strength,
    vote_distribution,
)

Floats = npt.NDArray[np.float64]

FEW, MANY = 0, 1
MOST_LIFTED = 2.5
"""Largest factor by which a pattern is amplified because of large artifacts."""

FAST_HZ = 2.2
"""Rate from which a pattern is mostly a seizure, during which some patients move."""

LARGEST_UV = 200
"""RMS of the strongest pattern where it is largest."""
HEAVY = 0.25
"""Share of EEGs with many artifacts; half of that for EEGs with a slower pattern."""

LONGEST_S = 3600
"""Longest EEG with one window, which is generated in memory."""


class SimulationSettings(Settings):
    """Settings of a simulated data set.

    Attributes
    ----------
    patients, eegs_per_patient
        Number of patients and of EEGs per patient. Each EEG has one window of 50 s.
    eeg_s
        Duration of each EEG, with the window in its middle. None for 50 s, or the 600 s of a context if an arm needs
        contexts.
    few_share
        Share of windows whose panel has fewer than 10 votes.
    seed
        Seed for the simulation, independent of the training seed.
    """

    patients: int = Field(100, ge=2)
    eegs_per_patient: int = Field(5, ge=1)
    eeg_s: float | None = Field(None, ge=WINDOW_S, le=LONGEST_S)
    few_share: float = Field(1 / 3, ge=0, le=1)
    seed: int = Field(0, ge=0)


@dataclass(frozen=True)
class SimulatedEeg:
    """A simulated EEG with its ground truth.

    Attributes
    ----------
    samples
        [20, time], `CHANNELS` at 200 Hz, µV, referential.
    votes
        Votes of the panel, [6].
    probabilities
        Distribution from which the votes were drawn, [6].
    name
        Patient, EEG and seed.
    kind, pattern, evidence
        Kind of window, its pattern, and the visible features of the pattern; None in a control.
    rendered
        The pattern alone, in µV, and when its discharges or waves occur; None if there is no pattern.
    """

    samples: Signal
    votes: npt.NDArray[np.int64]
    probabilities: Floats
    name: str
    kind: Kind | None = None
    pattern: Pattern | None = None
    evidence: Evidence | None = None
    rendered: Rendered | None = None

    @property
    def recording(self) -> Recording:
        """The samples as a recording."""
        return Recording.from_array(self.samples, CHANNELS, RATE_HZ, self.name)


@lru_cache(maxsize=64)
def patient_of(seed: int, patient: int) -> Patient:
    """Return patient number `patient` of a simulation."""
    return draw_patient(np.random.default_rng((seed, patient)))


def simulate_eeg(
    seed: int,
    patient: int,
    eeg: int,
    few_share: float = 1 / 3,
    kind: Kind | None = None,
    eeg_s: float = WINDOW_S,
) -> SimulatedEeg:
    """Simulate EEG number `eeg` of patient number `patient`, with the voted window in its middle.

    The result depends only on the arguments, not on the order of calls, the process or the size of the data set.

    Parameters
    ----------
    seed, patient, eeg
        Seed of the simulation, and numbers from 0.
    few_share
        Probability that the panel has fewer than 10 votes.
    kind
        One of `KINDS`; None for a random one.
    eeg_s
        Duration in seconds.
    """
    with one_blas_thread():
        return _simulate(seed, patient, eeg, few_share, kind, round(eeg_s * RATE_HZ))


def _simulate(seed: int, patient: int, eeg: int, few_share: float, kind: Kind | None, n_samples: int) -> SimulatedEeg:
    rng = np.random.default_rng((seed, patient, eeg + 1))
    person = patient_of(seed, patient)
    panel = FEW if rng.random() < few_share else MANY
    drawn = KINDS[rng.choice(len(KINDS), p=person.kinds[panel])]
    kind = kind or drawn
    pattern = draw_pattern(rng, person, kind, WINDOW_S)
    if pattern:  # its times are relative to the window
        before_s = (n_samples - WINDOW_SAMPLES) / 2 / RATE_HZ
        pattern = replace(pattern, onset_s=pattern.onset_s + before_s, offset_s=pattern.offset_s + before_s)
    made = compose(rng, person, pattern, n_samples)
    votes = draw_votes(rng, made.evidence, (FEW_SIZES, MANY_SIZES)[panel])
    name = f"simulated patient {patient} EEG {eeg} (seed {seed})"
    rendered = made.rendered[0] if made.rendered else None
    return SimulatedEeg(
        made.samples, votes, vote_distribution(made.evidence), name, kind, pattern, made.evidence, rendered
    )


class Composed(NamedTuple):
    """An EEG, and what is known about it.

    Attributes
    ----------
    samples
        [20, time], `CHANNELS` at 200 Hz, µV.
    evidence
        The visible features of the pattern in its centre.
    rendered
        Each pattern alone, with its signal in µV.
    rest
        The background alone, at the 21 sites relative to infinity, [21, time], µV.
    bursts
        1 in bursts of the background and 0 between them, [time]; None if it has no bursts.
    """

    samples: Signal
    evidence: Evidence
    rendered: tuple[Rendered, ...]
    rest: Signal
    bursts: Floats | None = None


def compose(rng: np.random.Generator, person: Patient, pattern: Pattern | None, n_samples: int) -> Composed:
    """Compose an EEG of a patient from background, artifacts and a pattern."""
    state = draw_state(rng, suppression=None if pattern is None or rng.random() < 0.1 else "none")
    disturbed = HEAVY if pattern is None or pattern.frequency_hz > FAST_HZ else HEAVY / 2
    artifacts = draw_artifacts(rng, heavy=rng.random() < disturbed)
    rest = background(rng, person.background, person.head, state, n_samples)
    beats = heartbeats(rng, person.heart_hz, n_samples)
    disturbance = add_artifacts(rng, artifacts, n_samples, beats)
    total: Signal = rest + disturbance
    patterns: tuple[Rendered, ...] = ()
    if pattern is None:
        evidence = observe_background(total)
    else:
        rendered = render(rng, pattern, person.head, n_samples)
        # The strength is relative to background and artifacts, but large artifacts amplify a pattern only so far.
        window = slice(max(0, n_samples - WINDOW_SAMPLES) // 2, (n_samples + WINDOW_SAMPLES) // 2)
        presence = float(rendered.there[window].mean())
        unit, full = relative_strength(rendered.signal[:, window], rest, total, presence=presence)
        level = min(1 / max(full, 1e-6), MOST_LIFTED / max(unit, 1e-6))
        signal: Signal = np.float32(min(pattern.strength * level, LARGEST_UV)) * rendered.signal
        evidence = observe_pattern(rendered, signal, total)
        total, patterns = total + signal, (replace(rendered, signal=signal),)
    samples = np.vstack([record(person, total), electrocardiogram(rng, beats)])
    return Composed(damage(rng, artifacts, samples).astype(np.float32), evidence, patterns, rest)


def record(person: Patient, total: Signal) -> Signal:
    """Return what a patient's amplifier records at the 21 sites: filtered potentials relative to its reference.

    Parameters
    ----------
    total
        Potentials relative to infinity, [21, time], µV.

    Returns
    -------
    ndarray
        [19, time], µV.
    """
    filtered = _amplifier(person, total)
    return np.asarray(filtered[: len(ELECTRODES)] - _reference(person, filtered))


def _reference(person: Patient, total: Signal) -> Signal:
    if person.reference == "average":
        return np.asarray(total[: len(ELECTRODES)].mean(axis=0))
    if person.reference == "ears":
        return np.asarray(total[EARS].mean(axis=0))
    return np.asarray(0.5 * (total[SITES.index("Cz")] + total[SITES.index("Pz")]))  # halfway between, like CPz


def _amplifier(person: Patient, total: Signal) -> Signal:
    """Filter like an amplifier: a first-order high-pass and a second-order low-pass."""
    n_samples = total.shape[1]
    length = next_fast_len(n_samples + 5 * RATE_HZ, real=True)
    frequency = rfftfreq(length, 1 / RATE_HZ)
    high = 1j * frequency / (person.high_pass_hz + 1j * frequency)
    ratio = 1j * frequency / person.low_pass_hz
    low = 1 / (1 + np.sqrt(2) * ratio + ratio**2)
    padded = np.pad(total, ((0, 0), (0, length - n_samples)), mode="reflect")
    filtered = rfft(padded, axis=1) * (high * low).astype(np.complex64)
    return np.asarray(irfft(filtered, length, axis=1)[:, :n_samples])
