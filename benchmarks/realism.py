"""Measure how real the simulated EEG is: compare its features with those of real segments, and train a discriminator.

The discriminator is checked on two controls. It must distinguish noise from real EEG, and it must not distinguish
simulated EEG from simulated EEG that is labelled as real.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import signal as sp
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from _machine import SHARED, machine
from ictal.core.labels import PATTERNS, VOTE_COLUMNS, distribution, top_patterns
from ictal.core.montage import CHANNELS, MONTAGES, derivations_of, montage_matrix
from ictal.core.recording import Recording
from ictal.core.windows import CENTRE_SAMPLES, RATE_HZ, WINDOW_SAMPLES
from ictal.data import DataSettings, open_dataset
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.standardise import standardise
from ictal.simulator import simulate_eeg
from ictal.simulator.head import POSITIONS
from ictal.simulator.noise import coloured_noise

REAL = SHARED / "iiic"
BAND_HZ = (0.5, 20.0)
"""Band in which everything is compared; the real segments of 10 s are already filtered to about 0.5 to 40 Hz."""

BANANA = montage_matrix(derivations_of(MONTAGES["double_banana"]))
DISTANCE = np.linalg.norm(POSITIONS[:19, None] - POSITIONS[None, :19], axis=2)
BANDS = {"delta": (0.5, 4), "theta": (4, 8), "alpha": (8, 13), "beta": (13, 20)}
TEMPORAL = [
    row
    for row, pair in enumerate(derivations_of(MONTAGES["double_banana"]))
    if {*pair} & {"F7", "F8", "T3", "T4", "Fp1", "Fp2"}
]


def features(recording: Recording) -> dict[str, float]:
    """Measure the central 10 s of a recording."""
    standardised = standardise(recording, StandardiseSettings(band_hz=BAND_HZ))
    middle = standardised.signal.shape[1] // 2
    eeg = standardised.signal[:, middle - CENTRE_SAMPLES // 2 : middle + CENTRE_SAMPLES // 2].astype(np.float64)
    banana = BANANA @ eeg
    frequency, power = sp.welch(banana, RATE_HZ, nperseg=400)
    row: dict[str, float] = {}
    total = np.array([_within(frequency, power, BAND_HZ)])[0]
    for name, band in BANDS.items():
        of_band = _within(frequency, power, band)
        row[f"{name} power, log10 µV²"] = float(np.log10(np.median(of_band) + 1e-6))
        row[f"{name} share"] = float(np.median(of_band / (total + 1e-9)))
    fitted = (frequency >= 2) & (frequency <= 18)
    slopes = np.polyfit(np.log(frequency[fitted]), np.log(power[:, fitted].T + 1e-9), 1)[0]
    row["1/f slope, 2 to 18 Hz"] = float(np.median(slopes))
    magnitude = abs(banana)
    for percentile in (50, 90, 99):
        row[f"{percentile}th percentile, log10 µV"] = float(np.log10(np.percentile(magnitude, percentile) + 1e-3))
    spread = banana.std(axis=1)
    row["largest over median derivation"] = float(np.log(spread.max() / np.median(spread)))
    row["smallest over median derivation"] = float(np.log(spread.min() / np.median(spread)))
    row["asymmetry"] = float(abs(np.log(spread[:8].mean() / spread[8:16].mean())))
    row["front over back"] = float(np.log(spread[[0, 4, 8, 12]].mean() / spread[[3, 7, 11, 15]].mean()))
    scalp = eeg[:19] - eeg[:19].mean(axis=0)
    correlation = np.corrcoef(scalp)
    for name, low, high in (("near", 0.1, 0.75), ("middle", 0.75, 1.3), ("far", 1.3, 2.1)):
        row[f"correlation, {name}"] = float(correlation[(low < DISTANCE) & (high > DISTANCE)].mean())
    row["kurtosis"] = float(np.median(stats.kurtosis(banana, axis=1)))
    row["sharpness"] = _sharpness(banana)
    fast = np.median(_within(frequency, power, BANDS["beta"])[TEMPORAL])
    row["temporal over median beta"] = float(np.log(fast / np.median(_within(frequency, power, BANDS["beta"]))))
    strongest = banana[spread.argsort()[-4:]]
    row["sharpness, strongest"] = _sharpness(strongest)
    height, rate = _repetition(strongest)
    row["repetition, height"] = height
    row["repetition, Hz"] = rate
    envelope = np.sqrt(sp.fftconvolve((banana**2).mean(axis=0), np.ones(100) / 100, mode="valid").clip(0))
    row["variation of amplitude"] = float(envelope.std() / envelope.mean())
    return row


def _within(frequency: npt.NDArray, power: npt.NDArray, band: tuple[float, float]) -> npt.NDArray:
    inside = (frequency >= band[0]) & (frequency < band[1])
    return power[:, inside].sum(axis=1) * (frequency[1] - frequency[0])


def _sharpness(rows: npt.NDArray) -> float:
    """Return the 99th percentile of the slope divided by the standard deviation, in the median row."""
    return float(np.median(np.percentile(abs(np.diff(rows)), 99, axis=1) / (rows.std(axis=1) + 1e-6)))


def _repetition(rows: npt.NDArray) -> tuple[float, float]:
    """Return height and rate of the best autocorrelation peak between 0.4 and 4 Hz, over the strongest rows."""
    n_samples = rows.shape[1]
    spectrum = abs(np.fft.rfft(rows - rows.mean(axis=1, keepdims=True), 2 * n_samples, axis=1)) ** 2
    correlation = np.fft.irfft(spectrum)[:, :n_samples].sum(axis=0)
    correlation /= correlation[0] * (1 - np.arange(n_samples) / n_samples)
    first, last = RATE_HZ // 4, int(RATE_HZ / 0.4)
    peaks, _ = sp.find_peaks(correlation[first - 1 : last])
    if not len(peaks):
        return 0.0, RATE_HZ / last
    best = peaks[correlation[peaks + first - 1].argmax()] + first - 1
    return float(correlation[best]), RATE_HZ / best


def real_features() -> tuple[pd.DataFrame, npt.NDArray[np.int64]]:
    dataset = open_dataset(str(REAL), DataSettings())
    rows = pd.DataFrame([features(dataset.recording(eeg)) for eeg in dataset.labels["eeg_id"]])
    votes = dataset.labels[list(VOTE_COLUMNS)].to_numpy()
    return rows.assign(patient="real " + dataset.labels["patient_id"]), votes


def simulated_features(n_windows: int, seed: int, of_pattern: npt.NDArray) -> tuple[pd.DataFrame, npt.NDArray]:
    """Measure simulated windows that have the same shares of top-voted patterns as the real ones."""
    wanted = np.round(of_pattern / of_pattern.sum() * n_windows).astype(int)
    rows, votes, patient = [], [], 0
    while wanted.sum() > 0 and patient < 20 * n_windows:
        made = simulate_eeg(seed, patient, 0)
        top = int(distribution(made.votes).argmax())
        if wanted[top] > 0:
            wanted[top] -= 1
            rows.append(features(made.recording) | {"patient": f"sim {patient}"})
            votes.append(made.votes)
        patient += 1
    return pd.DataFrame(rows), np.array(votes)


def noise_features(n_windows: int) -> pd.DataFrame:
    """Measure noise with about the amplitude and slope of EEG, alike and independent at all electrodes."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(n_windows):
        samples = 15 * coloured_noise(rng, len(CHANNELS), WINDOW_SAMPLES, 2.2, 40.0)
        rows.append(features(Recording.from_array(samples, CHANNELS, RATE_HZ, f"noise {number}")))
    return pd.DataFrame(rows).assign(patient=[f"noise {number}" for number in range(n_windows)])


def table(real: pd.DataFrame, simulated: pd.DataFrame, names: Iterable[str] | None = None) -> pd.DataFrame:
    rows = []
    for name in names or [column for column in real.columns if column != "patient"]:
        low, middle, high = np.quantile(real[name], [0.25, 0.5, 0.75])
        quartiles = np.quantile(simulated[name], [0.25, 0.5, 0.75])
        inside = "yes" if low <= quartiles[1] <= high else "NO"
        rows.append((name, middle, low, high, quartiles[1], quartiles[0], quartiles[2], inside))
    return pd.DataFrame(rows, columns=["feature", "real", "q25", "q75", "simulated", "sim q25", "sim q75", "inside"])


def discriminate(real: pd.DataFrame, simulated: pd.DataFrame, repeats: int = 5) -> tuple[float, pd.Series]:
    """Return the AUC of distinguishing real from simulated, with patients kept apart, and what gives it away."""
    both = pd.concat([real, simulated], ignore_index=True)
    values, groups = both.drop(columns="patient"), both["patient"]
    is_real = np.arange(len(both)) < len(real)
    areas, gains = [], np.zeros(values.shape[1])
    rng = np.random.default_rng(0)
    for repeat in range(repeats):
        scores = np.zeros(len(both))
        for train, test in StratifiedGroupKFold(5, shuffle=True, random_state=repeat).split(values, is_real, groups):
            model = HistGradientBoostingClassifier(
                max_depth=3,
                max_iter=80,
                learning_rate=0.1,
                min_samples_leaf=5,
                class_weight="balanced",
                random_state=0,
            ).fit(values.iloc[train], is_real[train])
            scores[test] = model.decision_function(values.iloc[test])
            base = roc_auc_score(is_real[test], scores[test])
            for column in range(values.shape[1]):
                shuffled = values.iloc[test].copy()
                shuffled.iloc[:, column] = rng.permutation(shuffled.iloc[:, column].to_numpy())
                gains[column] += base - roc_auc_score(is_real[test], model.decision_function(shuffled))
        areas.append(roc_auc_score(is_real, scores))
    return float(np.median(areas)), pd.Series(gains / repeats / 5, index=values.columns).sort_values(ascending=False)


def draw(result: pd.DataFrame, path: Path) -> None:
    """Draw the quartiles of each feature, real and simulated, in units of the real quartiles."""
    figure, axis = plt.subplots(figsize=(7, 0.26 * len(result) + 0.9), layout="constrained")
    middle = (result["q25"] + result["q75"]) / 2
    half = (result["q75"] - result["q25"]) / 2
    for names, colour, label, shift in (
        (("q25", "real", "q75"), "#555555", "real", 0.16),
        (("sim q25", "simulated", "sim q75"), "#0072b2", "simulated", -0.16),
    ):
        low, centre, high = ((result[name] - middle) / half for name in names)
        height = np.arange(len(result))[::-1] + shift
        axis.hlines(height, low, high, color=colour, linewidth=2.5, label=label)
        axis.plot(centre, height, "o", color=colour, markersize=4)
    axis.axvspan(-1, 1, color="0.93", zorder=0)
    axis.set_yticks(np.arange(len(result))[::-1], result["feature"], fontsize=8)
    axis.set_ylim(-0.7, len(result) - 0.3)
    axis.set_xlabel("quartiles (line) and median (dot); band: between the real quartiles")
    axis.legend(loc="upper right", fontsize=8)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=320)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figure", type=Path, help="also draw the table in this file (SVG or PNG)")
    parser.add_argument("--out", type=Path, help="also write the table to this file (CSV)")
    options = parser.parse_args(arguments)
    real, votes = real_features()
    top = top_patterns(votes).astype(float)
    of_pattern = (top / top.sum(axis=1, keepdims=True)).sum(axis=0)
    simulated, simulated_votes = simulated_features(options.windows, options.seed, of_pattern)
    result = table(real, simulated)
    periodic = [PATTERNS.index(name) for name in ("lpd", "gpd")]
    ours = top_patterns(simulated_votes)[:, periodic].any(axis=1)
    theirs = top[:, periodic].any(axis=1)
    of_periodic = table(
        real[theirs], simulated[ours], ["repetition, Hz", "repetition, height", "sharpness, strongest"]
    ).assign(feature=lambda frame: "LPD and GPD: " + frame["feature"])
    result = pd.concat([result, of_periodic], ignore_index=True)
    print(machine())
    shares = ", ".join(f"{name} {number:.1f}" for name, number in zip(PATTERNS, of_pattern, strict=True))
    print(f"{len(real)} real segments, {len(simulated)} simulated; top-voted {shares}")
    print(f"LPD and GPD: {theirs.sum()} real, {ours.sum()} simulated")
    print(result.round(2).to_string(index=False))
    area, gains = discriminate(real, simulated)
    print(f"AUC of the discriminator: {area:.3f}\nmost informative features (loss of AUC when shuffled):")
    print(gains.head(8).round(3).to_string())
    print(
        f"controls: {discriminate(real, noise_features(options.windows))[0]:.3f} for noise (must be near 1), ", end=""
    )
    n_taken = len(real)
    alike = discriminate(simulated.iloc[::10][:n_taken], simulated.drop(simulated.index[::10]))[0]
    print(f"{alike:.3f} for simulated EEG labelled as real (must be near 0.5)")
    if options.figure:
        draw(result, options.figure)
    if options.out:
        result.to_csv(options.out, index=False)


if __name__ == "__main__":
    main()
