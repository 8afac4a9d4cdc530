"""Made-up scores of a recording, as a patient's day looks: no model is run for them."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.signal import butter, sosfiltfilt

from ictal.core.labels import PATTERNS
from ictal.core.montage import CHANNELS, ELECTRODES
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.recording import Signal
from ictal.core.windows import RATE_HZ
from ictal.measurement.columns import NOT_MEASURED
from ictal.scoring.quality import FLAWS, SPECTRUM_HZ
from ictal.scoring.scored_recording import RecordingInfo
from ictal.scoring.scores import COLUMNS, Scores

EDGE_S = 20
START = datetime(2030, 3, 14, 21, 37, 12)
BUMPS = (
    # pattern, when it begins and ends as a share of the span, how sure the model is
    ("gpd", 0.08, 0.16, 0.75),
    ("lpd", 0.30, 0.52, 0.6),
    ("seizure", 0.36, 0.363, 0.95),
    ("seizure", 0.41, 0.418, 0.9),
    ("seizure", 0.47, 0.472, 0.85),
    ("lrda", 0.60, 0.64, 0.65),
    ("grda", 0.80, 0.83, 0.7),
)


def made_up_scores(
    span_s: float = 86_400,
    gaps: tuple[tuple[float, float], ...] = (),
    start: datetime | None = START,
    refused: tuple[tuple[float, float], ...] = (),
    step_s: float = 10,
    seed: int = 0,
) -> Scores:
    """Return scores with `BUMPS` at fixed shares of the span, a row per `step_s` where a window fits."""
    rng = np.random.default_rng(seed)
    starts = _starts(span_s, gaps, step_s)
    frame = pd.DataFrame({"start_s": starts, "stop_s": starts + 10})
    shares = (starts + 5) / span_s
    frame[list(PROBABILITY_COLUMNS)] = _probabilities(shares, rng)
    pairs = 1 - (frame[list(PROBABILITY_COLUMNS)] ** 2).sum(axis=1)
    frame["spread"] = pairs
    frame["reason"] = ""
    frame["made_up_s"] = 0.0
    frame["usable"] = rng.beta(60, 1, len(frame))
    _add_flaws(frame, shares, rng)
    _add_background(frame, shares, rng)
    for name, value in NOT_MEASURED.items():
        frame[name] = [value] * len(frame)
    for first, last in refused:
        _refuse(frame, (frame["start_s"] >= first) & (frame["stop_s"] <= last))
    info = RecordingInfo(
        name="ward/night.edf", start=start, span_s=span_s, rate_hz=256, channels=CHANNELS, gaps=gaps, notes=(),
        kind="referential", interpolated=("T3",), annotations=((span_s / 3, 0.0, "nurse <in> room"),),
    )  # fmt: skip
    manifest = {
        "ictal_version": "9.8.7",
        "model": {"name": "runs/both", "arm": "both", "weights_sha256": "0123abcd", "trained_on": "sim"},
        "engine": {"engine": "onnxruntime", "version": "1.20", "precision": "float32"},
        "warnings": ["trained on simulated EEG"],
    }
    return Scores(frame[list(COLUMNS)], info, manifest)


def _add_flaws(frame: pd.DataFrame, shares: npt.NDArray[np.float64], rng: np.random.Generator) -> None:
    most = np.array([0.05, 0.03, 0.02, 0.2, 0.5, 0.02])[:, None] * (
        0.5 + 0.5 * np.sin(9 * shares + np.arange(6)[:, None])
    )
    shown = rng.random((len(FLAWS), len(frame), len(ELECTRODES))) < most[..., None]
    frame[list(FLAWS)] = shown.sum(axis=2).T
    frame["marks"] = list((shown * (1 << np.arange(len(FLAWS)))[:, None, None]).sum(axis=0).astype(np.uint8))


def _starts(span_s: float, gaps: tuple[tuple[float, float], ...], step_s: float) -> npt.NDArray[np.float64]:
    firsts = [0.0, *(start + duration for start, duration in gaps)]
    lasts = [*(start for start, _ in gaps), span_s]
    parts = [
        np.arange(first + EDGE_S, last - EDGE_S - 10 + 1e-6, step_s)
        for first, last in zip(firsts, lasts, strict=True)
    ]
    return np.concatenate(parts)


def _probabilities(shares: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.float64]:
    weights = rng.dirichlet([1, 1, 1, 1.5, 2, 30], len(shares))
    for pattern, first, last, sure in BUMPS:
        inside = (shares >= first) & (shares <= last)
        target = np.full(len(PATTERNS), (1 - sure) / 5)
        target[PATTERNS.index(pattern)] = sure
        weights[inside] = rng.dirichlet(target * 40, int(inside.sum()))
    return weights


def _add_background(frame: pd.DataFrame, shares: npt.NDArray[np.float64], rng: np.random.Generator) -> None:
    sleep = 1 + np.sin(2 * np.pi * 4 * shares)
    for side, level in (("left", 1.0), ("right", 0.8)):
        slope = 22 - 14 * np.log10(SPECTRUM_HZ)
        alpha = 7 * np.exp(-(((SPECTRUM_HZ - 9) / 1.5) ** 2))
        slow = 6 * np.exp(-(((SPECTRUM_HZ - 1.5) / 1.5) ** 2))
        spectra = slope + np.outer(2 - sleep, alpha) + np.outer(sleep, slow) + 20 * np.log10(level)
        spectra += 10 * np.outer(frame["seizure_probability"] > 0.5, np.exp(-(((SPECTRUM_HZ - 4) / 3) ** 2)))
        frame[f"spectrum_{side}"] = list(spectra + rng.normal(0, 1.5, spectra.shape))
        low = level * (6 + 3 * sleep) * rng.lognormal(0, 0.12, len(frame))
        frame[f"aeeg_{side}_low"] = low
        frame[f"aeeg_{side}_high"] = low * rng.lognormal(1, 0.15, len(frame))
    frame["left_right"] = 1.25 * rng.lognormal(0, 0.1, len(frame))


def _refuse(frame: pd.DataFrame, rows: "pd.Series[bool]") -> None:
    frame.loc[rows, [*PROBABILITY_COLUMNS, "spread"]] = np.nan
    frame.loc[rows, "reason"] = "only 30% of the EEG is usable: of 19 electrodes 13 flat"
    frame.loc[rows, "usable"] = 0.3
    frame.loc[rows, "flat"] = 13


def made_up_signal(start_s: float, stop_s: float) -> Signal:
    """Return EEG-like noise of up to 20 Hz with a rhythm on the left, [20, time] at 200 Hz."""
    rng = np.random.default_rng(round(start_s))
    n_samples = round((stop_s - start_s) * RATE_HZ)
    walk = np.cumsum(rng.normal(0, 6, (len(CHANNELS), n_samples)), axis=1)
    time = start_s + np.arange(n_samples) / RATE_HZ
    spikes = 80 * np.exp(-(((time * 1.5) % 1 - 0.3) ** 2) / 0.004)
    walk[:8] += np.linspace(0.2, 1, 8)[:, None] * spikes
    walk[-1] += 500 * np.exp(-(((time * 1.2) % 1 - 0.5) ** 2) / 0.0006)
    band = butter(4, (0.5, 20), "bandpass", fs=RATE_HZ, output="sos")
    return sosfiltfilt(band, walk, axis=1).astype(np.float32)


def made_up_signals(times: Sequence[tuple[float, float]]) -> list[Signal]:
    """Return the same for several pairs of times."""
    return [made_up_signal(*pair) for pair in times]
