"""The patterns of critical-care EEG, with a parameter for each modifier of the standard terminology.

The terms are those of the American Clinical Neurophysiology Society's Standardized Critical Care EEG Terminology,
2021 version (Hirsch et al., J Clin Neurophysiol 2021;38:1-29).
"""

from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

from ictal.core.windows import RATE_HZ
from ictal.errors import SimulationError
from ictal.simulator.head import POSITIONS, SITES, HeadModel
from ictal.simulator.noise import band_noise, delayed, smooth, switch

Floats = npt.NDArray[np.float64]
Signal = npt.NDArray[np.float32]

RANGES = {
    "frequency_hz": (0.3, 12.0),
    "jitter": (0.0, 0.8),
    "trend": (-1.5, 1.5),
    "periodic": (0.0, 1.0),
    "duration_s": (0.03, 1.0),
    "phases": (1, 4),
    "after_wave": (0.0, 1.0),
    "skew": (-0.8, 0.8),
    "harmonic": (0.0, 0.8),
    "irregular": (0.0, 1.0),
    "prevalence": (0.05, 1.0),
    "bout_s": (0.5, 600.0),
    "fast": (0.0, 1.0),
    "rhythmic": (0.0, 1.0),
    "lag_s": (-0.3, 0.3),
    "spread_rad": (0.15, 1.5),
    "contralateral": (0.0, 1.0),
    "amplitude_jitter": (0.0, 1.0),
    "growth": (0.0, 1.0),
    "strength": (0.0, 20.0),
}
"""Allowed range of each numeric modifier; see `Pattern`."""

HEIGHTS = {1: (1.0,), 2: (1.0, -0.55), 3: (-0.4, 1.0, -0.5), 4: (-0.35, 1.0, -0.6, 0.35)}
"""Heights of the phases of a discharge, by the number of phases; the main phase has height 1."""
LONGEST_S = 8.0
"""Upper limit for the length of a discharge with its slow wave."""
FAST = 0.35
"""RMS of superimposed fast activity (+F) at its maximum, relative to the mean magnitude of the wave."""
N_SHAPES = 6
"""Number of different shapes of the discharges of one pattern."""


@dataclass(frozen=True)
class Pattern:
    """A pattern in one EEG, by its modifiers.

    Attributes
    ----------
    strength
        RMS of the pattern relative to the background, where the pattern is largest (relative amplitude).
    frequency_hz, jitter, trend
        Repetition rate at the beginning, variation of the intervals (standard deviation over mean), and natural
        logarithm of the last rate over the first (evolution in frequency).
    periodic
        1 for discharges with intervals between them (PD), 0 for a wave without intervals (RDA); between 0 and 1 for
        both at once.
    duration_s, phases, after_wave
        For a discharge: duration of its main phase (spiky below 70 ms, sharp up to 200 ms), number of phases (3 if
        triphasic), and relative height of the slow wave that follows.
    polarity
        -1 if the main phase is negative at the scalp above it, as in most discharges; 1 if positive, as in most
        triphasic ones.
    skew
        For a rhythmic wave: 0 is a sinusoid; other values steepen its rise (above 0) or its fall (sharply contoured).
    harmonic
        Relative height of the second harmonic of a rhythmic wave: sharply contoured, or notched.
    irregular
        Relative variation of the shape from one discharge or wave to the next, and between neighbouring regions.
    amplitude_jitter
        Variation of amplitude from cycle to cycle.
    prevalence, bout_s
        Share of the time in which the pattern is present (1 if continuous), and mean duration of a run.
    onset_s, offset_s
        Beginning and end within the EEG; outside it for a pattern that begins before or ends after the EEG.
    centre
        Unit vector to the middle of the involved cortex on the left or right side.
    side, contralateral
        -1 for left, 1 for right; and the relative amplitude on the other side (1 if generalized).
    spread_rad, lag_s
        Extent of the involved cortex; delay from front to back (negative from back to front).
    fast, rhythmic
        "Plus" features: superimposed fast activity (+F) and, under discharges, rhythmic delta (+R), relative to the
        pattern. Sharp discharges on a rhythmic wave (+S) correspond to a small `periodic`.
    growth
        Relative decrease in amplitude and extent at the beginning, compared with the end (evolution in location).
    """

    strength: float
    frequency_hz: float
    jitter: float
    trend: float
    periodic: float
    duration_s: float
    phases: int
    after_wave: float
    polarity: int
    skew: float
    harmonic: float
    irregular: float
    amplitude_jitter: float
    prevalence: float
    bout_s: float
    onset_s: float
    offset_s: float
    centre: tuple[float, float, float]
    side: int
    contralateral: float
    spread_rad: float
    lag_s: float
    fast: float
    rhythmic: float
    growth: float

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name in RANGES:
                low, high = RANGES[field.name]
                value = getattr(self, field.name)
                if not low <= value <= high:
                    raise SimulationError(f"{field.name} is {value:g}; allowed is {low:g} to {high:g}")
        for name, minus, plus in (("side", "left", "right"), ("polarity", "negative", "positive")):
            if getattr(self, name) not in (-1, 1):
                raise SimulationError(f"{name} is {getattr(self, name)}; allowed are -1 ({minus}) and 1 ({plus})")
        if not self.onset_s < self.offset_s:
            raise SimulationError(f"offset_s is {self.offset_s:g}; it must come after onset_s, {self.onset_s:g}")


@dataclass(frozen=True)
class Rendered:
    """The signal of a pattern.

    Attributes
    ----------
    signal
        At the 21 sites relative to infinity, [21, time]; `render` gives it unit RMS where it is largest.
    there
        1 where the pattern is present, 0 elsewhere, [time].
    cycles_s
        Time of each discharge or wave.
    course
        Its discharges or waves without pauses, following slow waves or variation of amplitude, [time].
    """

    signal: Signal
    there: Floats
    cycles_s: Floats
    course: Signal


def render(rng: np.random.Generator, pattern: Pattern, head: HeadModel, n_samples: int) -> Rendered:
    """Return `n_samples` of a pattern at 200 Hz."""
    duration_s = n_samples / RATE_HZ
    begin, end = max(pattern.onset_s, -60.0), min(pattern.offset_s, duration_s + 60.0)
    if end <= 0 or begin >= duration_s:
        nothing = np.zeros(n_samples)
        return Rendered(
            np.zeros((len(SITES), n_samples), np.float32), nothing, np.empty(0), nothing.astype(np.float32)
        )
    time = np.arange(n_samples) / RATE_HZ
    cycles = _cycles(rng, pattern, begin, end, max(begin, 0.0), min(end, duration_s))
    there = _presence(rng, pattern, n_samples)
    growing = 1 - pattern.growth * (1 - np.clip((time - begin) / (end - begin), 0, 1))
    wave, clean = _wave(rng, pattern, cycles, n_samples)
    wave = wave * there * growing
    if pattern.fast:
        carrier = band_noise(rng, 1, n_samples, float(rng.uniform(12, 22)), 3.0)[0]
        wave = wave + FAST * pattern.fast * carrier * smooth(abs(wave), RATE_HZ // 5)
    signal = _project(rng, pattern, head, pattern.polarity * (wave + there * _irregular(rng, pattern, wave)), growing)
    largest = np.sqrt((signal**2).mean(axis=1).max())
    if largest > 0:
        signal /= largest
    return Rendered(signal, there, cycles, clean.astype(np.float32))


def _cycles(
    rng: np.random.Generator, pattern: Pattern, begin: float, end: float, first: float, last: float
) -> Floats:
    """Return the times of the cycles, from shortly before the pattern begins to shortly after it ends."""
    margin_s = 2 / pattern.frequency_hz
    most = int((end - begin + 2 * margin_s) * pattern.frequency_hz * np.exp(abs(pattern.trend)) * 2) + 16
    normal = rng.standard_normal(most + 1)
    # Neighbouring intervals are slightly correlated, as in real discharges.
    correlated = (3 * normal[1:] + normal[:-1]) / np.sqrt(10)
    # Lognormal: the mean is one, the standard deviation is the jitter, and intervals are positive.
    variance = np.log1p(pattern.jitter**2)
    factors = np.exp(np.sqrt(variance) * correlated - variance / 2)
    times = [begin - margin_s + rng.uniform() / pattern.frequency_hz]
    for factor in factors:
        share = min(max((times[-1] - first) / max(last - first, 1.0), 0.0), 1.0)
        times.append(times[-1] + factor / (pattern.frequency_hz * np.exp(pattern.trend * share)))
        if times[-1] > end + margin_s:
            break
    return np.array(times)


def _presence(rng: np.random.Generator, pattern: Pattern, n_samples: int) -> Floats:
    time = np.arange(n_samples) / RATE_HZ
    ramp = smooth(((time >= pattern.onset_s) & (time <= pattern.offset_s)).astype(np.float64), RATE_HZ // 2)
    if pattern.prevalence >= 0.95:
        return ramp
    off_s = pattern.bout_s * (1 - pattern.prevalence) / pattern.prevalence
    return ramp * switch(rng, n_samples, pattern.bout_s, off_s, 0.3)


def _wave(rng: np.random.Generator, pattern: Pattern, cycles: Floats, n_samples: int) -> tuple[Floats, Floats]:
    """Return the course, [time], with and without the variation of amplitude, about one at its peaks."""
    heights = np.exp(pattern.amplitude_jitter * rng.standard_normal(len(cycles)))
    discharges = np.zeros(n_samples)
    clean = np.zeros(n_samples)
    if pattern.periodic > 0.02:
        shapes = [_discharge(pattern, rng) for _ in range(N_SHAPES)]
        # Experts look for an interval between discharges, with or without a slow wave.
        bare, bare_main = _discharge(replace(pattern, after_wave=0.0))
        for at_s, height, which in zip(cycles, heights, rng.integers(0, N_SHAPES, len(cycles)), strict=True):
            if not -LONGEST_S < at_s < n_samples / RATE_HZ + LONGEST_S:
                continue
            shape, main = shapes[which]
            _add(discharges, height * shape, round(at_s * RATE_HZ) - main)
            _add(clean, bare, round(at_s * RATE_HZ) - bare_main)
    slow = np.zeros(n_samples)
    share = 1 - pattern.periodic + pattern.periodic * pattern.rhythmic * 0.3
    if share > 0.02 and len(cycles) > 3:
        time = np.arange(n_samples) / RATE_HZ
        phase = 2 * np.pi * PchipInterpolator(cycles, np.arange(len(cycles)), extrapolate=True)(time)
        phase += rng.normal(0, 1.5 * pattern.irregular)  # a discharge may be on any part of a wave
        slow = np.cos(phase + pattern.skew * (np.cos(phase) - 1))
        second, third = rng.uniform(0, 2 * np.pi, 2)
        slow += pattern.harmonic * (np.cos(2 * phase + second) + 0.4 * np.cos(3 * phase + third))
        size = np.interp(time, cycles, smooth(heights, 3))
        clean = pattern.periodic * clean + share * slow
        slow = slow * size
    else:
        clean = pattern.periodic * clean
    return pattern.periodic * discharges + share * slow, clean


def _add(signal: Floats, shape: Floats, start: int) -> None:
    """Add a shape to a signal, starting at a sample, and ignore what is outside the signal."""
    low, high = max(start, 0), min(start + len(shape), len(signal))
    if low < high:
        signal[low:high] += shape[low - start : high - start]


def _discharge(pattern: Pattern, rng: np.random.Generator | None = None) -> tuple[Floats, int]:
    """Return one discharge, [time], with a main phase of height one, and the sample of that phase.

    Phases are Gaussian bumps of alternating sign, each longer than the one before; the main one is the first of two
    or the second of three. A slow wave follows. With `rng`, the shape varies by `irregular`.
    """
    heights = np.array(HEIGHTS[pattern.phases])
    main = int(heights.argmax())
    stretch, after_wave = 1.0, pattern.after_wave
    if rng is not None:
        stretch = np.exp(rng.normal(0, 0.3 * pattern.irregular))
        after_wave *= np.exp(rng.normal(0, 0.6 * pattern.irregular))
        factors = np.exp(rng.normal(0, 0.6 * pattern.irregular, len(heights)))
        heights *= np.where(np.arange(len(heights)) == main, 1, factors)
    width_s = stretch * pattern.duration_s / 2.5  # the base of a bump is about 2.5 standard deviations long
    widths = [width_s * 1.45 ** (index - main) for index in range(len(heights))]
    centres = [0.0]
    for one, other in pairwise(widths):
        centres.append(centres[-1] + 1.25 * (one + other))
    slow_s = min(max(0.16, 2.2 * width_s), 0.35)
    slow_at = centres[-1] + 1.3 * widths[-1] + 1.5 * slow_s
    before_s = centres[main] + 3 * widths[0]
    time = np.arange(-before_s, slow_at - centres[main] + 3 * slow_s, 1 / RATE_HZ) + centres[main]
    shape = np.zeros_like(time)
    for height, width, centre in zip(heights, widths, centres, strict=True):
        shape += height * np.exp(-(((time - centre) / width) ** 2) / 2)
    shape -= after_wave * np.exp(-(((time - slow_at) / slow_s) ** 2) / 2)
    return shape, round(before_s * RATE_HZ)


def _irregular(rng: np.random.Generator, pattern: Pattern, wave: Floats) -> Floats:
    """Return the variation of waves over time and between the six patches, [6, time]."""
    if not pattern.irregular:
        return np.zeros((6, len(wave)))
    hertz = float(np.clip(1.9 * pattern.frequency_hz, 1.2, 8))
    noise = band_noise(rng, 6, len(wave), hertz, 0.4 * hertz)
    noise = noise + noise.mean(axis=0)
    size = smooth(abs(wave), round(RATE_HZ / pattern.frequency_hz))
    return np.asarray(0.8 * pattern.irregular * (1 - 0.6 * pattern.periodic) * noise * size)


def _project(rng: np.random.Generator, pattern: Pattern, head: HeadModel, waves: Floats, growing: Floats) -> Signal:
    """Project the waves of six patches, [6, time], to the sites: three on each side, front to back."""
    centre = np.array(pattern.centre)
    front = np.array([0.0, 1.0, 0.0]) - centre[1] * centre
    norm = np.linalg.norm(front)
    front = front / norm if norm > 0.1 else np.array([0.0, 0.0, 1.0])
    step = 0.7 * pattern.spread_rad
    tilt = rng.normal(0, 0.35, 3)
    fields = []
    width = max(0.6 * pattern.spread_rad, 0.12)
    for mirror, share in ((1, 1.0), (-1, pattern.contralateral)):
        for place in (centre + step * front, centre, centre - step * front):
            place = place / np.linalg.norm(place) * (mirror, 1, 1)
            fields.append(share * head.field(place, width, tilt * (mirror, 1, 1)))
    uneven = np.tile(rng.normal(0, 0.25, 3), 2) + rng.normal(0, 0.4 * pattern.irregular, 6)
    weights = np.tile(np.array([0.6, 1.0, 0.6]), 2) * np.exp(uneven)
    delays = [round(pattern.lag_s * part * RATE_HZ) for part in (-0.5, 0.0, 0.5)]
    waves = np.stack([weight * delayed(*part) for weight, *part in zip(weights, waves, 2 * delays, strict=True)])
    waves[[0, 2, 3, 5]] *= growing  # the pattern begins in the middle
    return np.stack(fields, axis=1).astype(np.float32) @ waves.astype(np.float32)


def place_between(rng: np.random.Generator, side: int, names: tuple[str, ...]) -> tuple[float, float, float]:
    """Return a random position between some electrodes of the left side, mirrored if `side` is right."""
    weights = rng.dirichlet(np.ones(len(names)))
    place = weights @ POSITIONS[[SITES.index(name) for name in names]]
    place = place / np.linalg.norm(place) * (-side, 1, 1)
    return (float(place[0]), float(place[1]), float(place[2]))
