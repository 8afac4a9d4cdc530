"""The six patterns in their simplest honest form: a wave over time, and a field over the head."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ictal.simulate.background import POSITIONS
from ictal.windows import RATE_HZ

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PatternTraits:
    """How a pattern is expressed in one EEG.

    Attributes
    ----------
    pattern
        One of `ictal.labels.PATTERNS`.
    strength
        RMS of the pattern at its strongest electrode, relative to the background.
    laterality
        0: both sides alike; 1: one side only.
    side
        -1: left, 1: right.
    frequency_hz
        Repetition rate; of a seizure the rate at its start.
    sharpness
        0: a sinusoid, 1: brief sharp discharges with flat intervals.
    evolution
        Factor between the first and the last frequency.
    """

    pattern: str
    strength: float
    laterality: float
    side: int
    frequency_hz: float
    sharpness: float
    evolution: float


def draw_pattern(rng: np.random.Generator, pattern: str) -> PatternTraits:
    """Draw how a pattern is expressed, from clear to barely there."""
    lateral = pattern in ("lpd", "lrda") or (pattern == "seizure" and rng.random() < 0.5)
    periodic = pattern in ("lpd", "gpd")
    seizure = pattern == "seizure"
    return PatternTraits(
        pattern=pattern,
        strength=0.0 if pattern == "other" else float(np.exp(rng.normal(np.log(1.8), 0.5))),
        laterality=float(rng.beta(6, 2) if lateral else rng.beta(1.5, 6)),
        side=int(rng.choice((-1, 1))),
        frequency_hz=float(rng.uniform(3, 6) if seizure else rng.uniform(0.7, 2.4)),
        sharpness=float(rng.beta(6, 2) if periodic else rng.beta(3, 4) if seizure else rng.beta(1.5, 6)),
        evolution=float(rng.uniform(0.4, 0.8)) if seizure else 1.0,
    )


def field(rng: np.random.Generator, traits: PatternTraits) -> Floats:
    """Return the pattern's amplitude at each of the 19 electrodes, [19], at most 1."""
    x, y = POSITIONS.T
    centre = rng.uniform(-0.4, 0.5)
    spread = np.exp(-(((y - centre) / 1.0) ** 2))
    this_side = 1 / (1 + np.exp(-traits.side * x / 0.15))
    return np.asarray(spread * ((1 - traits.laterality) + traits.laterality * this_side))


def wave(rng: np.random.Generator, traits: PatternTraits, n_samples: int) -> Floats:
    """Return the pattern's course over time, [time], RMS 1 at 200 Hz; zeros for 'other'.

    The phase runs at the repetition rate with a jitter; sharpness narrows each cycle to a biphasic discharge.
    """
    if traits.pattern == "other":
        return np.zeros(n_samples)
    course = np.linspace(0, 1, n_samples)
    frequency = traits.frequency_hz * traits.evolution**course
    wander = np.exp(np.interp(course, np.linspace(0, 1, 60), rng.normal(0, 0.12, 60)))
    phase = rng.uniform() + np.cumsum(frequency * wander) / RATE_HZ
    cycle = (phase % 1) - 0.5
    smooth = np.cos(2 * np.pi * cycle)
    width = 0.06 * np.minimum(frequency, 3)
    sharp = (1 - (cycle / width) ** 2) * np.exp(-((cycle / width) ** 2) / 2)
    signal = (1 - traits.sharpness) * smooth + traits.sharpness * 1.5 * sharp
    amplitude = np.exp(np.interp(course, np.linspace(0, 1, 25), rng.normal(0, 0.2, 25)))
    signal = (signal - signal.mean()) * amplitude
    return np.asarray(signal / signal.std())
