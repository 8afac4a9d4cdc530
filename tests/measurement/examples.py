"""EEG with a pattern of known times, and artifacts of known times, for tests of what is measured."""

from dataclasses import replace

import numpy as np

from ictal.core.montage import CHANNELS, ELECTRODES
from ictal.core.recording import Recording
from ictal.measurement.signal import MeasuredSignal, measured_signal
from ictal.preprocessing.standardise import resample
from ictal.simulator.background import State, background
from ictal.simulator.eeg import patient_of
from ictal.simulator.patient import draw_pattern
from ictal.simulator.patterns import Pattern, render

SECONDS, RATE = 30, 200
N_SAMPLES = SECONDS * RATE
START_S = 10.0
TIME = np.arange(N_SAMPLES) / RATE


def pattern_of(kind: str, **changes: float) -> Pattern:
    """Return a plain left temporal or generalized pattern that is always there."""
    rng = np.random.default_rng(0)
    pattern = draw_pattern(rng, patient_of(1, 0), (kind, kind), float(SECONDS))
    assert pattern is not None
    plain = {
        "jitter": 0.05,
        "trend": 0.0,
        "irregular": 0.2,
        "amplitude_jitter": 0.1,
        "prevalence": 1.0,
        "growth": 0.0,
    }
    usual = replace(pattern, **plain, onset_s=-1e4, offset_s=1e4, fast=0.0, rhythmic=0.0, lag_s=0.0)
    if kind in ("lpd", "lrda"):
        usual = replace(usual, side=-1, centre=(-0.9, 0.2, 0.35), contralateral=0.1, spread_rad=0.5)
    if kind in ("lpd", "gpd"):
        usual = replace(usual, frequency_hz=1.0, duration_s=0.12, periodic=1.0, phases=2, after_wave=0.3)
    return replace(usual, **changes)


def eeg(pattern: Pattern | None, size_uv: float = 100.0, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return a background of about 10 µV with a pattern, [20, time], µV, and the times of its cycles."""
    rng, person = np.random.default_rng(seed), patient_of(1, 0)
    scalp = background(rng, replace(person.background, alpha=0.0, level_uv=8.0), person.head, State(), N_SAMPLES)
    cycles = np.empty(0)
    if pattern is not None:
        rendered = render(rng, pattern, person.head, N_SAMPLES)
        scalp = scalp + np.float32(size_uv) * rendered.signal / np.abs(rendered.signal).max()
        cycles = rendered.cycles_s
    electrodes = scalp[: len(ELECTRODES)] - scalp[: len(ELECTRODES)].mean(axis=0)
    return np.vstack([electrodes, np.zeros((1, N_SAMPLES))]).astype(np.float32), cycles


def waves(rate_hz: float, width_s: float, first_s: float = 0.3) -> np.ndarray:
    """Return a wave of height 1 at every 1 / rate, [time]."""
    times = np.arange(first_s, SECONDS, 1 / rate_hz)
    return np.exp(-(((TIME[None] - times[:, None]) / width_s) ** 2) / 2).sum(axis=0)


def at(*electrodes: str, **shares: float) -> np.ndarray:
    """Return a field, [20, 1]: 1 at some electrodes, and shares at others."""
    field = np.zeros((len(CHANNELS), 1))
    for name, share in {**dict.fromkeys(electrodes, 1.0), **shares}.items():
        field[CHANNELS.index(name)] = share
    return field


def prepared(samples: np.ndarray) -> MeasuredSignal:
    """Return samples [20, time] as they are measured."""
    return measured_signal(
        resample(Recording.from_array(samples.astype(np.float32), CHANNELS, RATE, "test"), "linear")
    )
