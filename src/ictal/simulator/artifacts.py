"""Artifacts: signals that do not come from the brain."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ictal.core.windows import RATE_HZ
from ictal.simulator.head import N_SITES, POSITIONS, SITES
from ictal.simulator.noise import (
    band_noise,
    bins,
    coloured_noise,
    delayed,
    envelope,
    shaped_noise,
    sigmoid,
    smooth,
    switch,
)

Floats = npt.NDArray[np.float64]
Signal = npt.NDArray[np.float32]

X, Y, Z = POSITIONS.T
EYES = np.exp(-np.sum((POSITIONS - np.array([0.0, 0.99, -0.15])) ** 2, axis=1) / 0.35)
"""Field of a blink, of both eyes together, [21]."""
GAZE = sum(
    side * np.exp(-np.sum((POSITIONS - np.array([side * 0.6, 0.8, -0.1])) ** 2, axis=1) / 0.2) for side in (-1, 1)
)
"""Field of a horizontal eye movement: the front of an eye is positive, [21]."""
MUSCLE = 0.08 + np.exp(-np.sum((abs(POSITIONS) - np.array([0.9, 0.25, 0.0])) ** 2, axis=1) / 0.25) + 0.5 * EYES
"""Amount of muscle under each site, temporal and frontal, [21]."""
MUSCLE_HZ = 8.0
"""Lowest frequency of muscle activity."""
HEART_NOISE_UV = np.float32(12)
VALID_PAIRS = (("Fp1", "Fp2"), ("F3", "Fz"), ("C3", "Cz"), ("P3", "Pz"), ("T3", "T5"), ("O1", "O2"), ("F4", "Fz"))
"""Neighbouring electrodes that paste may bridge."""


@dataclass(frozen=True)
class Artifacts:
    """The artifacts of one EEG; amplitudes in µV, rates per minute, electrodes by index, None for absent.

    Attributes
    ----------
    blinks, gazes, pops, movements
        Number per minute.
    blink_uv
        Amplitude of a blink at Fp1.
    muscle_uv, muscle_side
        RMS of muscle activity at the temple while the muscle is tense, and its asymmetry (-1 to 1).
    muscle_share
        Share of the time in which the muscle is tense.
    muscle_hz
        Frequency at which muscle activity reaches half of its amplitude.
    chewing
        Whether muscle activity comes in bursts of 1 to 2 Hz.
    line_uv, line_hz
        Mains hum, which differs between electrodes.
    device_uv, device_hz
        Hum of another device, or mains hum that is aliased by a slow amplifier, within the EEG band.
    loose, loose_uv
        An electrode with poor contact: slow drifts, bursts of noise with this RMS, and more hum.
    bridged
        Two electrodes that are joined by paste and record the same.
    heart_uv, pulse
        The heart's field at the ears, and an electrode on an artery.
    ventilator_uv
        Slow movement of the head with each breath of the ventilator.
    drift_uv
        RMS of slow potentials of sweat and electrodes, below 0.5 Hz.
    saturation_uv
        Limit of the amplifier.
    missing
        Share of the time in which the samples of some or all electrodes are missing.
    """

    blinks: float = 0.0
    blink_uv: float = 80.0
    gazes: float = 0.0
    muscle_uv: float = 0.0
    muscle_side: float = 0.0
    muscle_share: float = 1.0
    muscle_hz: float = 23.0
    chewing: bool = False
    pops: float = 0.0
    movements: float = 0.0
    line_uv: float = 0.0
    line_hz: float = 60.0
    device_uv: float = 0.0
    device_hz: float = 12.0
    loose: int | None = None
    loose_uv: float = 0.0
    bridged: tuple[int, int] | None = None
    heart_uv: float = 0.0
    pulse: int | None = None
    ventilator_uv: float = 0.0
    drift_uv: float = 0.0
    saturation_uv: float | None = None
    missing: float = 0.0


def draw_artifacts(rng: np.random.Generator, *, heavy: bool = False) -> Artifacts:
    """Draw the artifacts of an EEG; with `heavy`, they obscure the rest."""

    def sometimes(chance: float) -> bool:
        return bool(rng.random() < (min(1.0, 3 * chance) if heavy else chance))

    more = 3.0 if heavy else 1.0
    return Artifacts(
        blinks=float(rng.uniform(2, 25)) if sometimes(0.2) else 0.0,
        blink_uv=float(rng.uniform(30, 180)),
        gazes=float(rng.uniform(2, 15)) if sometimes(0.12) else 0.0,
        muscle_uv=float(more * np.exp(rng.normal(np.log(2.0), 1.2))),
        muscle_side=float(rng.uniform(-1, 1)),
        muscle_share=float(rng.beta(2, 1)),
        chewing=sometimes(0.03),
        pops=float(rng.uniform(1, 8)) if sometimes(0.04) else 0.0,
        movements=float(rng.uniform(1, 6)) if sometimes(0.07) else 0.0,
        line_uv=float(np.exp(rng.normal(np.log(1.5), 1.5))) if sometimes(0.5) else 0.0,
        line_hz=float(rng.choice([50.0, 60.0])),
        device_uv=float(np.exp(rng.normal(np.log(5), 0.9))) if sometimes(0.03) else 0.0,
        device_hz=float(rng.uniform(4, 22)),
        loose=int(rng.integers(0, 19)) if sometimes(0.08) else None,
        loose_uv=float(np.exp(rng.normal(np.log(15), 1.0))),
        bridged=_pair(rng) if sometimes(0.03) else None,
        heart_uv=float(rng.uniform(2, 20)) if sometimes(0.3) else 0.0,
        pulse=int(rng.integers(0, 19)) if sometimes(0.04) else None,
        ventilator_uv=float(rng.uniform(5, 40)) if sometimes(0.08) else 0.0,
        drift_uv=float(np.exp(rng.normal(np.log(6), 0.8))),
        saturation_uv=float(rng.uniform(400, 3000)) if sometimes(0.02) else None,
        missing=float(rng.uniform(0.01, 0.3)) if sometimes(0.02) else 0.0,
    )


def _pair(rng: np.random.Generator) -> tuple[int, int]:
    one, other = VALID_PAIRS[rng.integers(len(VALID_PAIRS))]
    return SITES.index(one), SITES.index(other)


def add_artifacts(rng: np.random.Generator, artifacts: Artifacts, n_samples: int, beats: Floats) -> Signal:
    """Return the sum of all artifacts that add to the EEG, [21, time], µV.

    Parameters
    ----------
    beats
        1 at the sample of each heartbeat, [time].
    """
    total = np.zeros((N_SITES, n_samples), dtype=np.float32)
    if artifacts.blinks:
        total += np.outer(EYES / EYES.max(), artifacts.blink_uv * _blinks(rng, artifacts.blinks, n_samples))
    if artifacts.gazes:
        total += np.outer(GAZE, 0.5 * artifacts.blink_uv * _gazes(rng, artifacts.gazes, n_samples))
    if artifacts.muscle_uv:
        total += _muscle(rng, artifacts, n_samples)
    if artifacts.pops:
        _add_pops(rng, total, artifacts.pops)
    if artifacts.movements:
        shape = band_noise(rng, 3, n_samples, 0.8, 0.6) * _moments(rng, artifacts.movements, n_samples, 1.5)
        total += 60 * (rng.normal(size=(N_SITES, 3)) * 0.3 + 0.6 * POSITIONS) @ shape
    if artifacts.loose is not None:
        total[artifacts.loose] += (
            40 * band_noise(rng, 1, n_samples, 0.4, 0.3)[0] * envelope(rng, n_samples, 3, 0.8)[0]
            + artifacts.loose_uv
            * coloured_noise(rng, 1, n_samples, float(rng.uniform(0.5, 2.5)), 70.0)[0]
            * envelope(rng, n_samples, 1, 0.7)[0]
        )
    for size_uv, hertz in ((artifacts.line_uv, artifacts.line_hz), (artifacts.device_uv, artifacts.device_hz)):
        if size_uv:
            total += _hum(rng, size_uv, hertz, artifacts.loose, n_samples)
    if artifacts.heart_uv:
        complex_ = np.convolve(beats, _heart_wave(), mode="same")
        total += np.outer(0.6 * X - 0.4 * Z, artifacts.heart_uv * complex_)
    if artifacts.pulse is not None:
        lag = round(0.2 * RATE_HZ)
        wave = np.exp(-(((np.arange(-60, 61)) / 18.0) ** 2))
        total[artifacts.pulse] += 25 * np.convolve(delayed(beats, lag), wave, mode="same")
    if artifacts.ventilator_uv:
        rate_hz = rng.uniform(0.2, 0.4)
        breath = np.sin(2 * np.pi * rate_hz * np.arange(n_samples) / RATE_HZ + rng.uniform(0, 6.28))
        total += np.outer(rng.normal(size=N_SITES) * 0.4 - Y, artifacts.ventilator_uv * smooth(breath**5, 20))
    if artifacts.drift_uv:
        total += np.float32(artifacts.drift_uv) * band_noise(rng, N_SITES, n_samples, 0.2, 0.12)
    return total


def damage(rng: np.random.Generator, artifacts: Artifacts, samples: Signal) -> Signal:
    """Apply artifacts that are not additive to [channel, time], after referencing: bridges, saturation, gaps."""
    if artifacts.bridged:
        joined = samples[list(artifacts.bridged)]
        samples[list(artifacts.bridged)] = joined.mean(axis=0) + 0.02 * (joined - joined.mean(axis=0))
    if artifacts.saturation_uv:
        samples = np.clip(samples, -artifacts.saturation_uv, artifacts.saturation_uv)
    if artifacts.missing:
        n_missing = round(artifacts.missing * samples.shape[1])
        start = int(rng.integers(0, samples.shape[1] - n_missing + 1))
        rows = slice(None) if rng.random() < 0.5 else rng.choice(19, int(rng.integers(1, 5)), replace=False)
        samples[rows, start : start + n_missing] = np.nan
    return samples


def heartbeats(rng: np.random.Generator, heart_hz: float, n_samples: int) -> Floats:
    """Return 1 at the sample of each beat and 0 elsewhere, [time]; some patients have atrial fibrillation."""
    spread = 0.2 if rng.random() < 0.1 else 0.03
    n_beats = int(n_samples / RATE_HZ * heart_hz * 1.5) + 4
    intervals = np.maximum(rng.normal(1, spread, n_beats), 0.4) / heart_hz
    at = ((np.cumsum(intervals) - rng.uniform() / heart_hz) * RATE_HZ).astype(int)
    beats = np.zeros(n_samples)
    beats[at[(at >= 0) & (at < n_samples)]] = 1
    return beats


def electrocardiogram(rng: np.random.Generator, beats: Floats) -> Floats:
    """Return the EKG channel, [time], µV."""
    return draw_heart_uv(rng) * heart_course(beats) + heart_noise(rng, len(beats))


def draw_heart_uv(rng: np.random.Generator) -> float:
    """Draw the height of the R wave in the EKG channel; negative if the electrodes are swapped."""
    return float(np.exp(rng.normal(np.log(350), 0.5)) * rng.choice([-1, 1], p=[0.3, 0.7]))


def heart_course(beats: Floats) -> Floats:
    """Return an EKG without noise whose R waves have a height of about one, [time]."""
    wave = np.convolve(beats, _heart_wave(), mode="same")
    t_wave = np.convolve(delayed(beats, 50), np.exp(-((np.arange(-40, 41) / 16.0) ** 2)), mode="same")
    return np.asarray(wave + 0.2 * t_wave)


def heart_noise(rng: np.random.Generator, n_samples: int) -> Signal:
    """Return the noise of the EKG channel, [time], µV."""
    return np.asarray(HEART_NOISE_UV * coloured_noise(rng, 1, n_samples, 0.0, 40.0)[0])


def _heart_wave() -> Floats:
    time = np.arange(-12, 13)
    wave = (
        np.exp(-((time / 2.2) ** 2))
        - 0.25 * np.exp(-(((time - 5) / 2.5) ** 2))
        - 0.12 * np.exp(-(((time + 5) / 2) ** 2))
    )
    return np.asarray(wave)


def _starts(rng: np.random.Generator, per_min: float, n_samples: int) -> list[int]:
    number = rng.poisson(per_min * n_samples / RATE_HZ / 60)
    return sorted(rng.integers(0, n_samples, number).tolist())


def _blinks(rng: np.random.Generator, per_min: float, n_samples: int) -> Floats:
    total = np.zeros(n_samples)
    for start in _starts(rng, per_min, n_samples):
        length = int(rng.uniform(0.2, 0.5) * RATE_HZ)
        shape = np.sin(np.linspace(0, np.pi, length)) ** 2
        stop = min(start + length, n_samples)
        total[start:stop] += rng.uniform(0.6, 1.2) * shape[: stop - start]
    return total


def _gazes(rng: np.random.Generator, per_min: float, n_samples: int) -> Floats:
    steps = np.zeros(n_samples)
    for start in _starts(rng, per_min, n_samples):
        steps[start : start + int(rng.uniform(0.3, 3) * RATE_HZ)] += rng.choice([-1, 1])
    return smooth(np.clip(steps, -1, 1), 12)


def _moments(rng: np.random.Generator, per_min: float, n_samples: int, seconds: float) -> Floats:
    on = np.zeros(n_samples)
    for start in _starts(rng, per_min, n_samples):
        on[start : start + int(rng.uniform(0.5, 2) * seconds * RATE_HZ)] = 1
    return smooth(on, RATE_HZ // 2)


def _muscle(rng: np.random.Generator, artifacts: Artifacts, n_samples: int) -> Signal:
    gain = sigmoid((bins(n_samples, MUSCLE_HZ, 75.0) - artifacts.muscle_hz) / 5)
    noise = shaped_noise(rng, N_SITES, n_samples, MUSCLE_HZ, gain / np.sqrt((gain**2).sum()))
    side = np.exp(0.8 * artifacts.muscle_side * np.sign(X) * (abs(X) > 0.1))
    uneven = np.exp(rng.normal(0, 0.5, N_SITES))
    tense = np.ones(n_samples)
    if artifacts.muscle_share < 0.95:
        off_s = 4 * (1 - artifacts.muscle_share) / artifacts.muscle_share
        tense = 0.15 + 0.85 * switch(rng, n_samples, 4.0, off_s, 0.3)
    if artifacts.chewing:
        rate_hz = rng.uniform(1.0, 2.0)
        bite = np.sin(2 * np.pi * rate_hz * np.arange(n_samples) / RATE_HZ) > 0.3
        tense = tense * (0.2 + 4 * smooth(bite.astype(np.float64), 20))
    gains = (artifacts.muscle_uv * MUSCLE * side * uneven).astype(np.float32)
    return np.asarray(gains[:, None] * noise * tense.astype(np.float32))


def _add_pops(rng: np.random.Generator, total: Signal, per_min: float) -> None:
    n_samples = total.shape[1]
    site = int(rng.integers(0, 19))
    for start in _starts(rng, per_min, n_samples):
        decay_s = rng.uniform(0.1, 0.8)
        fall = np.exp(-np.arange(n_samples - start) / (decay_s * RATE_HZ))
        total[site, start:] += rng.choice([-1, 1]) * rng.uniform(60, 300) * fall


def _hum(rng: np.random.Generator, size_uv: float, hertz: float, loose: int | None, n_samples: int) -> Signal:
    time = np.arange(n_samples) / RATE_HZ
    size = size_uv * np.exp(rng.normal(0, 0.8, N_SITES))
    if loose is not None:
        size[loose] *= 8
    phase = rng.normal(0, 0.6, N_SITES) + rng.uniform(0, 2 * np.pi)
    turning = 2 * np.pi * hertz * time
    parts = np.stack([size * np.cos(phase), size * np.sin(phase)], axis=1).astype(np.float32)
    return np.asarray(parts @ np.stack([np.sin(turning), np.cos(turning)]).astype(np.float32))
