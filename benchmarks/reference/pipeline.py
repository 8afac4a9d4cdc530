"""The inputs of the two networks of the reference: raw differences at 40 Hz, and a tiled mel image by librosa."""

from itertools import pairwise

import librosa
import numpy as np
import numpy.typing as npt
from scipy.signal import butter, lfilter

from ictal.core.montage import CHANNELS

Array = npt.NDArray[np.float32]

RATE_HZ, N_SAMPLES = 200, 10_000
LONG_CHAINS = ("Fp1-T3", "T3-O1", "Fp1-C3", "C3-O1", "Fp2-C4", "C4-O2", "Fp2-T4", "T4-O2")
CHAINS = (
    ("Fp1", "F7", "T3", "T5", "O1"),
    ("Fp1", "F3", "C3", "P3", "O1"),
    ("Fp2", "F4", "C4", "P4", "O2"),
    ("Fp2", "F8", "T4", "T6", "O2"),
)
ROW = {name: row for row, name in enumerate(CHANNELS)}
LOW_PASS = butter(4, 20, fs=RATE_HZ)


def raw_input(window: Array) -> Array:
    """Return the eight differences of a window [20, 10000] in µV at 40 Hz, [2000, 8]."""
    pairs = [name.split("-") for name in LONG_CHAINS]
    differences = np.stack([window[ROW[one]] - window[ROW[other]] for one, other in pairs])
    scaled = np.nan_to_num(np.clip(differences, -1024, 1024)) / 32
    return np.asarray(lfilter(*LOW_PASS, scaled, axis=1)[:, ::5].T, dtype=np.float32)


def mel_image(window: Array) -> Array:
    """Return the mean mel spectrogram of the four differences of each chain, [4, 128, 256]."""
    return np.stack([np.mean([_mel(window, *pair) for pair in pairwise(chain)], axis=0) for chain in CHAINS])


def _mel(window: Array, one: str, other: str) -> Array:
    difference = window[ROW[one]] - window[ROW[other]]
    filled = np.nan_to_num(difference, nan=float(np.nanmean(difference)))
    power = librosa.feature.melspectrogram(
        y=filled, sr=RATE_HZ, hop_length=N_SAMPLES // 256, n_fft=1024, n_mels=128, fmin=0, fmax=20, win_length=128
    )
    decibels = librosa.power_to_db(power[:, :256], ref=np.max)
    return np.asarray((decibels + 40) / 40, dtype=np.float32)


def tiled(image: Array) -> Array:
    """Return the four chains stacked, repeated twice side by side, in three colour channels, [512, 512, 3]."""
    tall = image.reshape(-1, image.shape[-1])
    return np.repeat(np.tile(tall, (1, 2))[..., None], 3, axis=2)


def raw_inputs(windows: Array) -> Array:
    """Return `raw_input` of windows [window, 20, 10000]."""
    return np.stack([raw_input(window) for window in windows])


def images(windows: Array) -> Array:
    """Return the tiled `mel_image` of windows [window, 20, 10000]."""
    return np.stack([tiled(mel_image(window)) for window in windows])
