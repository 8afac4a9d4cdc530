"""The two networks of the reference in Keras, and the mean of both."""

from collections.abc import Sequence

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from reference.pipeline import Array, images, raw_inputs

WAVENET_PARAMETERS = 315_574
"""Number of parameters of the stronger variant; a test checks `wavenet` against it."""
BLOCKS = ((8, 4, 6), (16, 4, 6), (32, 4, 6), (64, 4, 6))
"""Filters, kernel size and number of dilations of each wave block of the stronger variant."""
BATCH = 32
"""Batch size of the notebooks."""


def wave_block(signal: keras.KerasTensor, filters: int, kernel: int, n_dilations: int) -> keras.KerasTensor:
    """Return a 1x1 convolution, then a gated layer with a residual sum for each dilation 1, 2, 4, ..."""
    signal = layers.Conv1D(filters, 1, padding="same")(signal)
    for power in range(n_dilations):
        options = {"kernel_size": kernel, "padding": "same", "dilation_rate": 2**power}
        tanh = layers.Conv1D(filters, activation="tanh", **options)(signal)
        sigmoid = layers.Conv1D(filters, activation="sigmoid", **options)(signal)
        gated = layers.Conv1D(filters, 1, padding="same")(layers.Multiply()([tanh, sigmoid]))
        signal = layers.Add()([signal, gated])
    return signal


def wavenet(blocks: Sequence[tuple[int, int, int]] = BLOCKS, n_samples: int = 2000) -> keras.Model:
    """Return a sub-network for all eight differences, averaged over the two of a chain, with a dense head."""
    one = keras.Input((n_samples, 1))
    signal = one
    for block in blocks:
        signal = wave_block(signal, *block)
    shared = keras.Model(one, layers.GlobalAveragePooling1D()(signal))
    raw = keras.Input((n_samples, 8))
    found = [shared(raw[:, :, number : number + 1]) for number in range(8)]
    chains = [layers.Average()(found[first : first + 2]) for first in range(0, 8, 2)]
    hidden = layers.Dense(64, activation="relu")(layers.Concatenate()(chains))
    return keras.Model(raw, layers.Dense(6, activation="softmax", dtype="float32")(hidden))


def efficientnet(shape: tuple[int, int, int] = (512, 512, 3)) -> keras.Model:
    """Return an EfficientNet-B2 with random weights, and a softmax over the mean of its last feature map."""
    base = keras.applications.EfficientNetB2(include_top=False, weights=None, input_shape=shape)
    pooled = layers.GlobalAveragePooling2D()(base.output)
    return keras.Model(base.input, layers.Dense(6, activation="softmax", dtype="float32")(pooled))


def compiled(network: keras.Model, rate: float = 1e-3) -> keras.Model:
    """Return a network ready to train, with Adam on the KL divergence."""
    network.compile(keras.optimizers.Adam(rate), keras.losses.KLDivergence())
    return network


def both(waves: keras.Model, picture: keras.Model, windows: Array, batch: int = BATCH) -> npt.NDArray[np.float32]:
    """Return the mean of both networks' probabilities for windows [window, 20, 10000], batch by batch."""
    means = []
    for first in range(0, len(windows), batch):
        some = windows[first : first + batch]
        of_waves = waves.predict_on_batch(raw_inputs(some))
        means.append((of_waves + picture.predict_on_batch(images(some))) / 2)
    return np.concatenate(means)
