"""The background: the ongoing EEG of a patient, without any pattern."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ictal.core.windows import RATE_HZ
from ictal.simulator.head import N_SITES, POSITIONS, SITES, HeadModel, source_positions
from ictal.simulator.noise import band_noise, coloured_noise, envelope, smooth, switch

Floats = npt.NDArray[np.float64]
Signal = npt.NDArray[np.float32]

VERTEX = np.array([0.0, 0.2, 0.98])
SLOWEST_HZ, FASTEST_HZ = 15.0, 70.0
"""Upper frequency limits of the slow and the fast part of the aperiodic activity."""
SENSOR_UV = 0.4
"""RMS of the amplifier's own noise."""
AWAKE = 0.12
"""Share of patients who are awake, with the alpha rhythm of a healthy person."""


@dataclass(frozen=True)
class BackgroundTraits:
    """Properties of the background that all EEGs of a patient share.

    Attributes
    ----------
    level_uv
        RMS of the aperiodic activity at the median electrode.
    exponent
        Exponent of the aperiodic activity: its power decreases as 1 / frequency ** exponent.
    fast
        RMS of the faster and more local part of the aperiodic activity, relative to the slow part.
    alpha, alpha_hz
        RMS of the posterior alpha rhythm relative to the aperiodic activity, and its frequency.
    theta, delta
        Relative RMS of slow activity that is not rhythmic; it shows how slowed this EEG is.
    delta_hz
        Centre of the delta activity.
    beta
        RMS of frontal fast activity, as caused by sedatives, relative to the aperiodic activity.
    asymmetry
        Log ratio of right to left amplitude.
    unevenness
        Spread of log amplitude between regions.
    reach
        Weight of aperiodic activity that is common to the whole head.
    frontal
        Log ratio of front to back amplitude.
    """

    level_uv: float
    exponent: float
    fast: float
    alpha: float
    alpha_hz: float
    theta: float
    delta: float
    delta_hz: float
    beta: float
    asymmetry: float
    unevenness: float
    reach: float
    frontal: float


@dataclass(frozen=True)
class State:
    """The state of the background in one EEG.

    Attributes
    ----------
    gain
        Factor on the patient's `level_uv`.
    suppression
        'none', 'suppressed' (throughout) or 'bursts' (burst suppression).
    suppressed_gain
        Factor while suppressed.
    burst_s, between_s
        Mean durations of bursts and of the intervals between them.
    spindles_per_min
        Rate of sleep spindles.
    drift
        Standard deviation of the slow drift of log amplitude.
    """

    gain: float = 1.0
    suppression: str = "none"
    suppressed_gain: float = 0.15
    burst_s: float = 1.5
    between_s: float = 5.0
    spindles_per_min: float = 0.0
    drift: float = 0.15


def draw_background(rng: np.random.Generator) -> BackgroundTraits:
    """Draw a patient's background."""
    # In intensive care most EEGs are slow, with little alpha; some patients are awake and well.
    awake = rng.random() < AWAKE
    slowed = 0.3 * rng.random() if awake else rng.beta(1.6, 1.4)
    alpha = rng.uniform(0.4, 2.6) if awake else (1 - slowed) * rng.beta(1.2, 3) * 1.1
    return BackgroundTraits(
        level_uv=float(np.exp(rng.normal(np.log(11.5), 0.45))),
        exponent=float(np.clip(rng.normal(2.2, 0.35), 1.2, 3.2)),
        fast=float(np.exp(rng.normal(np.log(0.3), 0.5))),
        alpha=float(alpha),
        alpha_hz=float(np.clip(rng.normal(9.8 if awake else 8.8, 1.0), 7, 12.5)),
        theta=float(rng.beta(1.5, 2.5) * 0.8),
        delta=float(slowed * rng.beta(1.5, 2) * 1.6),
        delta_hz=float(rng.uniform(0.7, 3.0)),
        beta=float(rng.beta(1.2, 4) * 0.5),
        asymmetry=float(rng.normal(0, 0.22)),
        unevenness=float(rng.uniform(0.1, 0.5)),
        reach=float(rng.uniform(0.3, 1.5)),
        frontal=float(rng.normal(0.25, 0.35)),
    )


def draw_state(rng: np.random.Generator, *, suppression: str | None = None) -> State:
    """Draw the state of the background in one EEG; `suppression` fixes that part of it."""
    if suppression is None:
        suppression = str(rng.choice(["none", "bursts", "suppressed"], p=[0.9, 0.05, 0.05]))
    return State(
        gain=float(np.exp(rng.normal(0, 0.25))),
        suppression=suppression,
        suppressed_gain=float(rng.uniform(0.05, 0.3)),
        burst_s=float(rng.uniform(0.5, 3)),
        between_s=float(rng.uniform(2, 12)),
        spindles_per_min=float(rng.uniform(2, 8)) if rng.random() < 0.1 else 0.0,
        drift=float(rng.uniform(0.05, 0.3)),
    )


def background(
    rng: np.random.Generator, traits: BackgroundTraits, head: HeadModel, state: State, n_samples: int
) -> Signal:
    """Return the ongoing EEG at the 21 sites relative to infinity, [21, time], µV at 200 Hz."""
    # float32 throughout: its rounding is far below the amplifier's noise, and it halves the time.
    slow = coloured_noise(rng, N_SITES, n_samples, traits.exponent, SLOWEST_HZ)
    fast = coloured_noise(rng, N_SITES, n_samples, 0.8, FASTEST_HZ)
    sources = [slow, fast]
    fields = [_mixing(head, 0.7, traits.reach), traits.fast * _mixing(head, 0.3, 0.2 * traits.reach)]
    for share, hertz, width_hz, common, places in _rhythms(rng, traits):
        fields.append(share * np.stack([head.field(*_patch(rng, place)) for place in places], axis=1))
        sources.append(band_noise(rng, len(places), n_samples, hertz, width_hz))
        if common:
            sources[-1] += common * sources[-1].sum(axis=0)
        sources[-1] *= envelope(rng, n_samples, 2.0 if hertz > 3 else 5.0, 0.5, len(places))
    uneven = np.exp(traits.unevenness * _map(rng)) * _gradient(traits)
    eeg: Signal = (uneven[:, None] * np.hstack(fields)).astype(np.float32) @ np.concatenate(sources)
    course = traits.level_uv * state.gain * envelope(rng, n_samples, 15.0, state.drift)
    if state.suppression == "bursts":
        bursts = switch(rng, n_samples, state.burst_s, state.between_s, 0.3)
        course = course * (state.suppressed_gain * (1 - bursts) + 1.5 * bursts)
    elif state.suppression == "suppressed":
        course = course * state.suppressed_gain
    if state.spindles_per_min:
        eeg += np.outer(head.field(VERTEX, 0.6, np.zeros(3)), _spindles(rng, state.spindles_per_min, n_samples))
    eeg *= course.astype(np.float32)
    eeg += np.float32(SENSOR_UV) * rng.standard_normal(eeg.shape, dtype=np.float32)
    return eeg


@lru_cache(maxsize=16)
def _mixing(head: HeadModel, smooth_rad: float, common: float) -> Signal:
    """Return the matrix [21, 21] that mixes independent noises as if their sources were spread over the cortex.

    Parameters
    ----------
    smooth_rad
        Distance over which neighbouring sources are correlated.
    common
        Weight of activity that is common to the whole cortex.
    """
    gain = head.radial()
    covariance = gain @ (_correlations(smooth_rad) + common * 0.3) @ gain.T
    scale = np.median(np.diag(covariance))
    return np.linalg.cholesky(covariance / scale + 1e-4 * np.eye(N_SITES)).astype(np.float32)


@lru_cache(maxsize=4)
def _correlations(smooth_rad: float) -> Floats:
    """Return the correlation between each pair of sources, [source, source]."""
    sources = source_positions()
    return np.asarray(np.exp((sources @ sources.T - 1) / smooth_rad**2))


def _rhythms(rng: np.random.Generator, traits: BackgroundTraits) -> list[tuple[Floats, float, float, float, Floats]]:
    """Return (relative RMS at its places, frequency, width, common part of its places, places) of each rhythm."""
    back = np.array([POSITIONS[SITES.index(name)] for name in ("O1", "O2", "P3", "P4")])
    front = np.array([POSITIONS[SITES.index(name)] for name in ("F3", "F4")])
    anywhere = rng.normal(size=(6, 3)) * (1, 1, 0.5) + (0, 0.1, 0.4)
    anywhere /= np.linalg.norm(anywhere, axis=1, keepdims=True)
    return [
        (traits.alpha * np.array([0.75, 0.75, 0.25, 0.25]), traits.alpha_hz, 0.8, 0.5, back),
        (np.full(3, traits.theta), float(rng.uniform(3.5, 7)), 1.0, 0.0, anywhere[:3]),
        (np.full(3, traits.delta), traits.delta_hz, 0.5, 0.0, anywhere[3:]),
        (np.full(2, traits.beta), float(rng.uniform(14, 22)), 3.0, 0.0, front),
    ]


def _patch(rng: np.random.Generator, place: Floats) -> tuple[Floats, float, Floats]:
    return place, float(rng.uniform(0.25, 0.7)), rng.normal(0, 0.3, 3)


def _map(rng: np.random.Generator) -> Floats:
    """Return a smooth random map over the sites, [21], with unit variance."""
    waves = rng.normal(size=(4, 3)) * 1.5
    return np.asarray(np.cos(POSITIONS @ waves.T + rng.uniform(0, 2 * np.pi, 4)).sum(axis=1) / np.sqrt(2))


def _gradient(traits: BackgroundTraits) -> Floats:
    x, y, _ = POSITIONS.T
    return np.asarray(np.exp(traits.asymmetry * np.clip(x, -0.5, 0.5) + 0.5 * traits.frontal * y))


def _spindles(rng: np.random.Generator, per_min: float, n_samples: int) -> Floats:
    """Return sleep spindles, [time]: waxing and waning runs of 11 to 15 Hz for 0.5 to 2 s."""
    on = np.zeros(n_samples)
    for start in np.flatnonzero(rng.random(n_samples) < per_min / 60 / RATE_HZ):
        on[start : start + int(rng.uniform(0.5, 2) * RATE_HZ)] = 1
    carrier = band_noise(rng, 1, n_samples, float(rng.uniform(11, 15)), 0.3)[0]
    return np.asarray(1.2 * smooth(on, RATE_HZ // 2) * carrier)
