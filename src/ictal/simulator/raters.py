"""A panel of experts: from the visible features of a pattern to the distribution of votes."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.fft import rfft, rfftfreq

from ictal.core.labels import N_PATTERNS, OTHER
from ictal.core.montage import ELECTRODES, MONTAGES, derivations_of, montage_matrix
from ictal.core.windows import CENTRE_S, RATE_HZ
from ictal.simulator.fitted_parameters import BIAS, LAPSE, SLOPE
from ictal.simulator.noise import sigmoid, smooth
from ictal.simulator.patterns import Rendered

Floats = npt.NDArray[np.float64]
Signal = npt.NDArray[np.float32]

NAMED_LIMIT = 0.8
"""RMS of a pattern over that of the background at which half of the raters see a pattern."""
LEAST_UV = 1.0
"""Added to the RMS of the background, since experts see no pattern of less than a few µV at the usual sensitivity."""
PREVALENCE_LIMIT = 0.35
IRREGULAR_LIMIT = 0.5
"""Share of the central 10 s, and variation of the intervals, at which half of the raters see a pattern. Most experts
still call sharp discharges periodic at a variation of 0.5 (ACNS 2021: below 50 %)."""
TOLERATED_LIMIT = 0.65
"""The same for the variation of the intervals in clear patterns; a real panel of 22 was unanimous at 0.36."""
LATERAL_LIMIT = float(-np.log(0.7))
"""Log ratio of the two sides' amplitudes: a pattern with up to 0.7 on the other side is still lateralized."""
BETWEEN_LIMIT = 0.64
"""Share of the time below 0.4 of its height from which a pattern is periodic (a quarter for a sinusoid)."""
SEIZURE_RHYTHMIC_HZ, SEIZURE_PERIODIC_HZ = 2.5, 2.0
EVOLUTION_LIMIT = 0.4
"""Change of log rate within the window from which a pattern evolves."""

STRENGTH_STEP, PREVALENCE_STEP, REGULARITY_STEP = 0.45, 0.15, 0.11
RATE_STEP, EVOLUTION_STEP, LATERAL_STEP, BETWEEN_STEP = 0.16, 0.09, 0.14, 0.11
"""Units of the coordinates: log strength, share of the centre, variation of the intervals; log rate, change of log
rate, log ratio of the sides, share of the time."""

N_RATERS = 32
"""Size of the pool from which panels are drawn, as for the real votes."""

_MATRIX = montage_matrix(derivations_of(MONTAGES["double_banana"]))[:, : len(ELECTRODES)].astype(np.float32)
_LEFT, _RIGHT = slice(0, 8), slice(8, 16)


@dataclass(frozen=True)
class Evidence:
    """Visible features of a pattern as coordinates: zero at the limit of a decision, one a clear step away.

    Attributes
    ----------
    strong, prevalent, regular
        Whether there is a pattern.
    seizure, lateral, periodic
        Which one.
    """

    strong: float
    prevalent: float
    regular: float
    seizure: float
    lateral: float
    periodic: float


MIMIC_LIMIT, MIMIC_SCALE = 0.6, 0.14
"""Share of a background's power in its strongest 0.6 Hz at which half of the raters see rhythmic delta."""


def observe_background(rest: Signal) -> Evidence:
    """Measure an EEG without a pattern; slow activity may look rhythmic to some raters."""
    spectrum, frequency = _centre_spectrum(rest, _half(rest))
    levels = np.sqrt(spectrum.sum(axis=1))
    strongest = spectrum[np.argsort(levels)[-4:]].sum(axis=0)
    delta = (frequency >= 0.7) & (frequency <= 4)
    window = np.ones(round(0.6 / (frequency[1] - frequency[0])))
    share = np.convolve(strongest[delta], window, mode="valid").max() / strongest.sum()
    strong = float(np.clip((share - MIMIC_LIMIT) / MIMIC_SCALE, -4, 2))
    return Evidence(strong, 4.0, 2.0, -2.0, _sidedness(levels), -2.0)


def observe_pattern(rendered: Rendered, pattern: Signal, rest: Signal) -> Evidence:
    """Measure a rendered pattern in the central 10 s of an EEG, relative to all other activity.

    Parameters
    ----------
    rendered
        The pattern's presence and cycles.
    pattern, rest
        Signal of the pattern, and sum of all other signals, [21, time], µV.
    """
    n_samples, half = pattern.shape[1], _half(pattern)
    centre = slice(n_samples // 2 - half, n_samples // 2 + half)
    there = rendered.there[centre]
    if there.mean() < 0.02:
        return observe_background(rest)
    of_pattern, of_rest = _levels(pattern, half) / np.sqrt(max(there.mean(), 0.1)), _levels(rest, half)
    middle_s = n_samples / RATE_HZ / 2
    cycles = rendered.cycles_s
    near = cycles[abs(cycles - middle_s) <= half / RATE_HZ]
    intervals = np.diff(near)
    rate_hz = 1 / np.median(intervals) if len(intervals) >= 3 else len(near) / (2 * half / RATE_HZ)
    variation = float(intervals.std() / intervals.mean()) if len(intervals) >= 3 else 0.6
    periodic = (_between(rendered.course[centre]) - BETWEEN_LIMIT) / BETWEEN_STEP
    fast = np.log(rate_hz / seizure_limit_hz(periodic)) / RATE_STEP
    change = _evolution(cycles, n_samples / RATE_HZ)
    evolving = (change - EVOLUTION_LIMIT) / EVOLUTION_STEP if rate_hz > 0.9 else -3.5
    return Evidence(
        strong=float(np.log((_strength(of_pattern, of_rest) + 1e-3) / NAMED_LIMIT) / STRENGTH_STEP),
        prevalent=float((there.mean() - PREVALENCE_LIMIT) / PREVALENCE_STEP),
        regular=float((IRREGULAR_LIMIT - variation) / REGULARITY_STEP),
        seizure=float(max(fast, evolving)),
        lateral=_sidedness(of_pattern),
        periodic=float(periodic),
    )


def observe_closely(rendered: Rendered, pattern: Signal, rest: Signal) -> Evidence:
    """Measure a pattern like experts who adapt filters and sensitivity to it, and who look at more than the centre.

    Unlike in `observe_pattern`, the strength is relative to the other activity at the frequencies of the pattern, at
    any voltage; discharges with long intervals between them count as strong although their RMS is small; and the
    variation is that of the intervals in the minute around the centre, of which more is tolerated.
    """
    evidence = observe_pattern(rendered, pattern, rest)
    middle = pattern.shape[1] // 2
    half = _half(pattern)
    if rendered.there[middle - half : middle + half].mean() < 0.02:
        return evidence
    between = min(BETWEEN_LIMIT + BETWEEN_STEP * evidence.periodic, 0.98)
    crest = np.sqrt((1 - BETWEEN_LIMIT) / (1 - max(between, BETWEEN_LIMIT)))
    near = rendered.cycles_s[abs(rendered.cycles_s - middle / RATE_HZ) <= 30]
    intervals = np.diff(near)
    variation = float(intervals.std() / intervals.mean()) if len(intervals) >= 3 else IRREGULAR_LIMIT
    strength = crest * _distinctness(rendered, pattern, rest)
    return replace(
        evidence,
        strong=float(np.log((strength + 1e-3) / NAMED_LIMIT) / STRENGTH_STEP),
        regular=float((TOLERATED_LIMIT - variation) / REGULARITY_STEP),
    )


def _distinctness(rendered: Rendered, pattern: Signal, rest: Signal) -> float:
    """Return the ratio of the RMS of a pattern to that of the rest at the frequencies of the pattern, within 1 Hz.

    Both are measured in the centre, in the four derivations where the pattern is largest.
    """
    half = _half(pattern)
    middle = pattern.shape[1] // 2
    presence = max(float(rendered.there[middle - half : middle + half].mean()), 0.1)
    of_pattern, frequency = _centre_spectrum(pattern, half)
    strongest = np.argsort(of_pattern.sum(axis=1))[-4:]
    powers = np.stack([of_pattern[strongest].sum(axis=0), _centre_spectrum(rest, half)[0][strongest].sum(axis=0)])
    width = max(1, round(1 / (frequency[1] - frequency[0])))
    weights = smooth(powers[0], width)
    own, other = powers @ weights
    return float(np.sqrt(own / presence / max(other, 1e-12)))


def seizure_limit_hz(periodic: float) -> float:
    """Return the rate from which a pattern is a seizure, for a coordinate of periodicity."""
    return SEIZURE_PERIODIC_HZ + (SEIZURE_RHYTHMIC_HZ - SEIZURE_PERIODIC_HZ) * float(sigmoid(-2 * periodic))


def relative_strength(
    pattern: Signal, *rests: Signal, presence: float = 1.0, least_uv: float = LEAST_UV
) -> list[float]:
    """Return the ratio of the RMS of a pattern to that of each rest, in the four derivations where it is largest.

    Parameters
    ----------
    pattern
        [21, time]; its RMS is taken over the whole signal, since it may be absent in the centre.
    rests
        Signals [21, time], measured in their centre.
    presence
        Share of the time in which the pattern is present.
    least_uv
        Added to the RMS of the rest; 0 if the voltage does not matter.
    """
    of_pattern = _levels(pattern, pattern.shape[1] // 2) / np.sqrt(max(presence, 0.05))
    return [_strength(of_pattern, _levels(rest, _half(rest)), least_uv) for rest in rests]


def _strength(of_pattern: Floats, of_rest: Floats, least_uv: float = LEAST_UV) -> float:
    strongest = np.argsort(of_pattern)[-4:]
    return float(of_pattern[strongest].mean() / (of_rest[strongest].mean() + least_uv))


def _levels(signal: Signal, half: int) -> Floats:
    """Return the RMS of each derivation in the centre, [18]."""
    return np.asarray(np.sqrt(_centre_spectrum(signal, half)[0].sum(axis=1)))


def _between(course: Signal) -> float:
    """Return the share of the time in which a course is below 0.4 of its height.

    It is a quarter for a sinusoid, and close to one for discharges with intervals between them.
    """
    size = np.abs(course)
    return float((smooth(size, 5) < 0.4 * np.quantile(size, 0.998)).mean())


def _half(signal: Signal) -> int:
    """Return half the length of the labelled centre, in samples."""
    return int(min(CENTRE_S * RATE_HZ, signal.shape[1])) // 2


def _centre_spectrum(signal: Signal, half: int) -> tuple[Floats, Floats]:
    """Return power per bin [18, bin] of each derivation of the double banana, 0.5 to 20 Hz, and the frequencies."""
    middle = signal.shape[1] // 2
    bipolar = _MATRIX @ signal[: len(ELECTRODES), middle - half : middle + half]
    spectrum = rfft(bipolar, axis=1)
    frequency = np.asarray(rfftfreq(bipolar.shape[1], 1 / RATE_HZ), dtype=np.float64)
    band = (frequency >= 0.5) & (frequency <= 20)
    power = 2 * (abs(spectrum[:, band]) / bipolar.shape[1]) ** 2
    return np.asarray(power, dtype=np.float64), frequency[band]


def _sidedness(levels: Floats) -> float:
    """Return the coordinate of lateralization, from the amplitude of each derivation, [18]."""
    left, right = (np.sqrt((levels[side] ** 2).mean()) + 0.1 for side in (_LEFT, _RIGHT))
    return float((abs(np.log(left / right)) - LATERAL_LIMIT) / LATERAL_STEP)


def _evolution(cycles: Floats, duration_s: float) -> float:
    """Return the change of log rate between the first and the last quarter of the visible part of a pattern.

    It is that of the regression line through the logarithms of the intervals, minus its standard error, so that
    intervals which merely vary do not count as evolution.
    """
    seen = cycles[(cycles >= 0) & (cycles <= duration_s)]
    if len(seen) < 12:
        return 0.0
    middles, logs = (seen[1:] + seen[:-1]) / 2, np.log(np.diff(seen))
    at = (middles - middles.mean()) / (0.75 * (middles[-1] - middles[0]))
    slope = at @ logs / (at @ at)
    rest = logs - logs.mean() - slope * at
    error = np.sqrt(rest @ rest / (len(logs) - 2) / (at @ at))
    return float(max(abs(slope) - error, 0))


@lru_cache(maxsize=1)
def _biases() -> Floats:
    """Return the deviation of each rater's limits from the average, [rater, decision]."""
    return np.random.default_rng(20210101).normal(0, 1, (N_RATERS, 4))


def rater_distributions(evidence: Evidence, slope: float = SLOPE, bias: float = BIAS, lapse: float = LAPSE) -> Floats:
    """Return the probability that each rater of the pool votes for each pattern, [rater, 6].

    A rater decides in turn: is there a pattern, is it a seizure, is it lateralized, is it periodic. The probability
    of each answer is a logistic curve around the rater's own limit, so patterns near a limit divide the panel.
    """
    own = bias * _biases()

    def answer(coordinate: float, decision: int) -> Floats:
        return sigmoid(slope * (coordinate + own[:, decision]))

    named = answer(evidence.strong, 0) * answer(evidence.prevalent, 0) * answer(evidence.regular, 0)
    seizure, lateral, periodic = (
        answer(evidence.seizure, 1),
        answer(evidence.lateral, 2),
        answer(evidence.periodic, 3),
    )
    quiet = 1 - seizure
    shares = np.stack(
        [
            seizure,
            quiet * lateral * periodic,
            quiet * (1 - lateral) * periodic,
            quiet * lateral * (1 - periodic),
            quiet * (1 - lateral) * (1 - periodic),
            np.zeros(N_RATERS),
        ],
        axis=1,
    )
    shares *= named[:, None]
    shares[:, OTHER] = 1 - named
    return np.asarray((1 - lapse) * shares + lapse / N_PATTERNS)


def vote_distribution(evidence: Evidence) -> Floats:
    """Return the mean distribution over the pool of raters, [6], which is the best prediction."""
    return np.asarray(rater_distributions(evidence).mean(axis=0))


def draw_size(rng: np.random.Generator, sizes: dict[int, float]) -> int:
    """Draw the number of votes of a panel, from the share of each size."""
    return int(rng.choice(list(sizes), p=np.array(list(sizes.values())) / sum(sizes.values())))


def draw_votes(rng: np.random.Generator, evidence: Evidence, sizes: dict[int, float]) -> npt.NDArray[np.int64]:
    """Draw a panel of random size from the pool of raters, and its votes, [6]."""
    size = draw_size(rng, sizes)
    panel = rng.choice(N_RATERS, size, replace=False)
    chances = rater_distributions(evidence)[panel].cumsum(axis=1)
    votes = (rng.random((size, 1)) > chances).sum(axis=1)
    return np.bincount(np.minimum(votes, N_PATTERNS - 1), minlength=N_PATTERNS)
