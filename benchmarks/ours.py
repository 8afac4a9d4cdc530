"""The measures of ictal, to compare with the reference, MNE-Python and braindecode."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from _sides import Measure, Setup, timed
from ictal.core.montage import CHANNELS
from ictal.core.recording import Recording
from ictal.core.windows import RATE_HZ, WINDOW_SAMPLES
from ictal.io import open_recording
from ictal.preprocessing.filtering import band_pass
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.standardise import standardise
from ictal.scoring.engines import WindowBatch, open_engine
from ictal.scoring.pipeline import score

# torch is imported where it is used: scoring starts without it, and start-up is measured.

STEP = 10 * RATE_HZ
BATCH = 32
N_STEPS = 2
"""Steps of the optimizer in one measure of training; the first is left out."""
MIDDLE = ("models.symmetric.waveform.seconds=10.0",)
RECIPE = ("training.temporal.learning_rates=[0.001]", "training.spatial.learning_rates=[0.001]")


def _torch() -> Any:
    """Return torch with ictal's memory settings for training: freed blocks are kept for reuse."""
    from ictal.training.platform import keep_freed_memory

    keep_freed_memory()
    return import_module("torch")


def _views(setup: Setup) -> Callable[[npt.NDArray[np.float32]], object]:
    from ictal.recipes import load_recipe
    from ictal.views import Spectrogram, Waveform

    torch, models = _torch(), load_recipe("paper").models
    views = [Waveform(models.temporal.waveform), Spectrogram(models.spatial.spectrogram)]

    def run(windows: npt.NDArray[np.float32]) -> object:
        with torch.inference_mode():
            return [view(torch.from_numpy(windows)) for view in views]

    return run


def _preparation_views(setup: Setup) -> Measure:
    some, views = setup.windows()[:BATCH], _views(setup)
    return timed(lambda: views(some), len(some))


def _preparation(setup: Setup) -> Measure:
    """Band-pass a recording once and compute the views of its windows, as scoring does."""
    signal, views = open_recording(setup.folder / "short.edf").read(), _views(setup)
    starts = range(0, signal.shape[1] - WINDOW_SAMPLES + 1, STEP)

    def run() -> None:
        settings = StandardiseSettings()
        filtered = band_pass(signal, settings.band_hz or (0.1, 20), settings.order)
        for first in range(0, len(starts), BATCH):
            some = starts[first : first + BATCH]
            views(np.stack([filtered[:, start : start + WINDOW_SAMPLES] for start in some]))

    return timed(run, len(starts))


def _train(arm: str, setup: Setup) -> Measure:
    """Train an arm as the recipe 'paper' does, with the batch size of the setup."""
    import pandas as pd

    from ictal.core.labels import VOTE_COLUMNS
    from ictal.data import WindowArray
    from ictal.models.build import build
    from ictal.recipes import load_recipe
    from ictal.training.task import Task
    from ictal.training.trainer import fit

    sized = f"training.{arm}.batch_size={setup.batch}"
    recipe = load_recipe("paper", [*RECIPE, sized, 'models.spatial.efficientnet.pretrained="no"'])
    n_windows = N_STEPS * setup.batch
    signals = np.resize(setup.windows(), (n_windows, len(CHANNELS), WINDOW_SAMPLES))
    names = [str(number) for number in range(n_windows)]
    labels = pd.DataFrame({"window_id": names, "eeg_id": names, "patient_id": names, "start_s": 0.0})
    labels[list(VOTE_COLUMNS)] = np.random.default_rng(0).multinomial(20, np.full(6, 1 / 6), n_windows)
    array = WindowArray(labels, signals, labels[:0], "none")
    task = Task(arm, arm, np.arange(n_windows), np.arange(0), 0)
    network, passes = build(arm, recipe.models), setup.batch // recipe.training_of(arm).per_pass

    def run() -> float:
        ends: list[float] = []
        with tempfile.TemporaryDirectory() as folder:
            told = lambda *_: ends.append(time.perf_counter())  # noqa: E731
            fit(network, array, task, recipe, Path(folder), told)
        steps = ends[passes - 1 :: passes]
        return 1e3 * (steps[-1] - steps[0]) / (setup.batch * (len(steps) - 1))

    return run


def _train_image(setup: Setup) -> Measure:
    """Train on precomputed images of the reference."""
    import timm

    from speed import step

    torch = _torch()
    network = timm.create_model("efficientnet_b2", num_classes=6).to(memory_format=torch.channels_last)
    images = torch.randn(setup.batch, 3, 512, 512).contiguous(memory_format=torch.channels_last)
    return timed(step(network.train(), images, bf16=False), setup.batch)


def _train_symmetric(recipe: str, setup: Setup) -> Measure:
    """Train on 18 derivations of the central 10 s."""
    from ictal.models.build import build
    from ictal.recipes import load_recipe
    from speed import step

    torch = _torch()
    network = build("symmetric", load_recipe(recipe, MIDDLE).models).train()
    return timed(step(network, torch.randn(BATCH, 20, WINDOW_SAMPLES) * 30, bf16=False), BATCH)


def _score(model: str, setup: Setup) -> Measure:
    engine, recording = open_engine(setup.folder / model, threads=setup.threads), setup.folder / "short.edf"
    return timed(lambda: score(recording, engine), setup.n_windows)


def _ready(setup: Setup) -> Measure:
    engine = open_engine(setup.folder / "paper", threads=setup.threads)
    one = np.load(setup.folder / "windows.npy", mmap_mode="r")[0]
    return timed(lambda: engine(WindowBatch(one, [0])))


def _hours(recording: Recording) -> float:
    return recording.duration_s / 3600


def _read(setup: Setup) -> Measure:
    path = setup.folder / "night.edf"
    return timed(lambda: open_recording(path).read(), _hours(open_recording(path)))


def _standardise(setup: Setup) -> Measure:
    file = open_recording(setup.folder / "night.edf")
    recording = Recording.from_array(file.read(), file.channels, file.rate_hz)
    return timed(lambda: standardise(recording, StandardiseSettings()), _hours(file))


MEASURES: dict[str, Callable[[Setup], Measure]] = {
    "views": _preparation_views,
    "preparation": _preparation,
    "train temporal": partial(_train, "temporal"),
    "train spatial": partial(_train, "spatial"),
    "train image": _train_image,
    "train symmetric": partial(_train_symmetric, "default"),
    "train symmetric, quick": partial(_train_symmetric, "quick"),
    "score paper": partial(_score, "paper"),
    "score shared": partial(_score, "shared"),
    "score quick": partial(_score, "quick"),
    "ready": _ready,
    "read": _read,
    "standardise": _standardise,
}
