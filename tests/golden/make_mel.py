"""Make mel.npz: mel images of a synthetic window by librosa, with the reference's settings.

Run with librosa installed (it was made with librosa 0.11.0): ``python tests/golden/make_mel.py``.
"""

from itertools import pairwise
from pathlib import Path

import librosa
import numpy as np

RATE_HZ = 200
CHAINS = {
    "LL": ("Fp1", "F7", "T3", "T5", "O1"),
    "LP": ("Fp1", "F3", "C3", "P3", "O1"),
    "RP": ("Fp2", "F4", "C4", "P4", "O2"),
    "RR": ("Fp2", "F8", "T4", "T6", "O2"),
}
ELECTRODES = (
    *("Fp1", "F3", "C3", "P3", "F7", "T3", "T5", "O1", "Fz", "Cz", "Pz"),
    *("Fp2", "F4", "C4", "P4", "F8", "T4", "T6", "O2", "EKG"),
)


def synthetic_window() -> np.ndarray:
    """Return [20, 10000] float32 µV: sines of many frequencies and sizes, a transient, noise far below."""
    rng = np.random.default_rng(7)
    time = np.arange(10_000) / RATE_HZ
    window = 0.3 * rng.normal(size=(20, 10_000))
    for row in window:
        for frequency, size in zip(rng.uniform(0.3, 19, 6), 10 ** rng.uniform(-1, 2, 6), strict=True):
            row += size * np.sin(2 * np.pi * (frequency * time + rng.uniform()))
        row += 200 * np.exp(-(((time - rng.uniform(5, 45)) / 0.05) ** 2))
    return window.astype(np.float32)


def mel(signal: np.ndarray) -> np.ndarray:
    """Return the mel power spectrogram of one difference, as the reference makes it."""
    return librosa.feature.melspectrogram(
        y=signal,
        sr=RATE_HZ,
        hop_length=len(signal) // 256,
        n_fft=1024,
        n_mels=128,
        fmin=0,
        fmax=20,
        win_length=128,
    )


def main() -> None:
    """Write the golden values beside this script."""
    window = dict(zip(ELECTRODES, synthetic_window().astype(np.float64), strict=True))
    decibels, images = [], []
    for names in CHAINS.values():
        of_chain = []
        for anode, cathode in pairwise(names):
            power = mel(window[anode] - window[cathode])[:, :256]
            level = librosa.power_to_db(power, ref=np.max).astype(np.float32)
            of_chain.append((level + 40) / 40)
            decibels.append(level)
        images.append(np.mean(of_chain, axis=0))
    np.savez_compressed(
        Path(__file__).with_name("mel.npz"),
        decibels=np.array(decibels)[:, ::4, ::4].astype(np.float32),
        images=np.array(images)[:, ::2, ::2].astype(np.float32),
        filters=librosa.filters.mel(sr=RATE_HZ, n_fft=1024, n_mels=128, fmin=0, fmax=20),
        librosa_version=librosa.__version__,
    )


if __name__ == "__main__":
    main()
