"""The measures of the reference."""

from collections.abc import Callable
from functools import partial

import numpy as np

from _sides import Measure, Setup, timed
from reference.networks import BATCH, both, compiled, efficientnet, wavenet
from reference.pipeline import images, raw_inputs

RECIPE_SHAPE, TILED_SHAPE = (128, 256, 4), (512, 512, 3)


def _preparation(setup: Setup) -> Measure:
    some = setup.windows()[:BATCH]
    return timed(lambda: (raw_inputs(some), images(some)), len(some))


def _step(network: Callable[[], object], shape: tuple[int, ...], setup: Setup) -> Measure:
    ready, rng = compiled(network()), np.random.default_rng(0)
    inputs = rng.normal(size=(setup.batch, *shape)).astype(np.float32)
    votes = rng.dirichlet(np.ones(6), setup.batch).astype(np.float32)
    return timed(lambda: ready.train_on_batch(inputs, votes), setup.batch)


def _image_step(shape: tuple[int, int, int], setup: Setup) -> Measure:
    return _step(partial(efficientnet, shape), shape, setup)


def _score(setup: Setup) -> Measure:
    windows, networks = setup.windows(), (wavenet(), efficientnet())
    return timed(lambda: both(*networks, windows), len(windows))


def _ready(setup: Setup) -> Measure:
    one, networks = setup.windows()[:1], (wavenet(), efficientnet())
    return timed(lambda: both(*networks, one))


MEASURES: dict[str, Callable[[Setup], Measure]] = {
    "preparation": _preparation,
    "train temporal": partial(_step, wavenet, (2000, 8)),
    "train spatial": partial(_image_step, TILED_SHAPE),
    "train spatial, recipe's image": partial(_image_step, RECIPE_SHAPE),
    "score": _score,
    "ready": _ready,
}
