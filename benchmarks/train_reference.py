"""Train the Keras reference on folds of windows; agreement.py runs it in a process without torch.

It reads windows.npy [window, 20, 10000], labels.parquet (a row per window, with its fold) and training.json (for each
arm, the rate of each epoch and the batch size; a seed) from a folder. It writes a table keras-ARM.parquet per arm.
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from ictal.core.labels import VOTE_COLUMNS, distribution
from ictal.core.predictions import COLUMNS, PROBABILITY_COLUMNS, Predictions
from reference.networks import compiled, efficientnet, wavenet
from reference.pipeline import Array, images, mel_image, raw_inputs
from reference.side import RECIPE_SHAPE, TILED_SHAPE


def chain_images(windows: Array) -> Array:
    """Return the mel images of the reference with a channel per chain, [window, 128, 256, 4]."""
    return np.stack([mel_image(window).transpose(1, 2, 0) for window in windows])


ARMS: dict[str, tuple[Callable[[], keras.Model], Callable[[Array], Array]]] = {
    "temporal": (wavenet, raw_inputs),
    "spatial": (partial(efficientnet, RECIPE_SHAPE), chain_images),
    "spatial, tiled": (partial(efficientnet, TILED_SHAPE), images),
}
"""For each arm, the functions that make the network and its input from windows."""


def train(
    network: keras.Model, inputs: Array, labels: pd.DataFrame, rates: list[float], batch: int, seed: int
) -> None:
    """Train a network for one epoch per rate, on one window of each EEG, in random order."""
    targets, rng = distribution(labels[list(VOTE_COLUMNS)].to_numpy()).astype(np.float32), np.random.default_rng(seed)
    ready = compiled(network)
    for rate in rates:
        ready.optimizer.learning_rate = rate
        drawn = rng.permutation(len(labels))
        _, first = np.unique(labels["eeg_id"].to_numpy()[drawn], return_index=True)
        rows = drawn[np.sort(first)]
        ready.fit(inputs[rows], targets[rows], batch, shuffle=False, verbose=0)


def predictions(arm: str, windows: Array, labels: pd.DataFrame, known: dict[str, Any], seed: int) -> Predictions:
    """Train on every fold, and return the predictions for the windows left out."""
    make, view = ARMS[arm]
    inputs, found = view(windows), np.zeros((len(labels), len(PROBABILITY_COLUMNS)))
    for fold in sorted(set(labels["fold"])):
        keras.utils.set_random_seed(seed + fold)
        network, out = make(), (labels["fold"] == fold).to_numpy()
        train(network, inputs[~out], labels[~out], known["rates"], known["batch"], seed + fold)
        found[out] = network.predict(inputs[out], known["batch"], verbose=0)
        print(f"Keras, {arm}, fold {fold}: trained on {(~out).sum()} windows", flush=True)
    frame = labels.assign(split="cv", arm=arm.partition(",")[0], seed=seed)
    frame[list(PROBABILITY_COLUMNS)] = found / found.sum(axis=1, keepdims=True)
    return Predictions.make(frame[list(COLUMNS)], f"Keras, {arm}")


def main() -> None:
    folder = Path(sys.argv[1])
    windows, labels = np.load(folder / "windows.npy", mmap_mode="r"), pd.read_parquet(folder / "labels.parquet")
    training = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    for arm, known in training["arms"].items():
        table = predictions(arm, windows, labels, known, training["seed"])
        table.write(folder / f"keras-{table.arms[0]}.parquet")


if __name__ == "__main__":
    main()
