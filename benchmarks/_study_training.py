"""Train the arms of the study on the same simulated windows: the windows on disk, the recipes, and the networks.

Everything is written once and skipped when it is there, so an interrupted run resumes.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.core.atomic_files import atomic_write, hash_of, write_json
from ictal.core.labels import VOTE_COLUMNS
from ictal.core.montage import N_CHANNELS
from ictal.core.windows import CENTRE_SAMPLES, WINDOW_SAMPLES, cut
from ictal.data import WindowArray
from ictal.data.simulated_stream import Stream, StreamSettings, patient_number
from ictal.models.arms import find_arm
from ictal.models.checkpoint import load_model, predict, save_model
from ictal.models.hub import CARD
from ictal.preprocessing.settings import StandardiseSettings
from ictal.recipes import Recipe
from ictal.training.losses import mean_kl
from ictal.training.task import CHECKPOINT, Task
from ictal.training.unit import InitialWeights, make_card, train_arm
from networks import SECONDS, WAVEFORM, image_network

TRAINED = ("temporal", "spatial", "fusion", "fusion-finetuned", "volume", "symmetric", "features")
PEAKS = {"fusion-finetuned": (3e-4, 1e-3, 3e-3)}
"""Candidate peak learning rates; of the others, those of `OTHERS`."""
OTHERS = (1e-3, 2.5e-3, 6e-3)
HEAD_PEAK = 2e-3
"""Peak learning rate of the new head of fusion-finetuned, while its branches keep their weights."""
WAVENET = {"norm": "batch", "filters": [8, 16, 32], "kernels": [4, 4, 4], "dilations": [6, 5, 4]}
MODELS: dict[str, Any] = {
    "temporal": {"waveform": WAVEFORM, "wavenet": WAVENET},
    "symmetric": {
        "waveform": {
            "montage": "double_banana",
            "decimate": 4,
            "clip_uv": 2000.0,
            "scale_uv": 20.0,
            "seconds": SECONDS,
        },
        "symmetric": {"widths": [24, 32, 48, 64], "hemisphere": 96, "both": 128, "drop_rate": 0.1},
    },
    "volume": {"volume": {"seconds": SECONDS, "width": 32}},
    "fusion": {"drop_rate": 0.2},
    **image_network("tf_efficientnet_lite0", "package"),
}
"""The networks of `networks.py`; its WaveNet has twice the filters, and takes four times as long."""
PENALTIES = (2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)
PILOT_SHARE, PILOT_SEED = 6, 100
"""Learning rates are chosen after training on one in so many windows, with a seed of its own."""
LEFT_OUT, BLOCK = 1024, 512
"""Simulated windows of other patients, which no network is trained on; and windows per file of targets."""
SCALE = 10_000
"""Distributions are stored as votes of so large a panel."""
LARGEST_UV = 60_000.0
"""Below the largest number of float16."""
BATCH = 32
SETTINGS = {"batch_size": BATCH, "optimizer": "adamw", "weight_decay": 0.02, "clip_norm": 2.0, "ema": 0.99}
STANDARDISE = StandardiseSettings(band_hz=(0.5, 20.0))
FIGURES, SIMULATED = "figures.json", "simulated.npy"

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Centres:
    """The central 10 s of windows, read as windows: float32, padded with mirror images as a recording of 10 s is.

    Attributes
    ----------
    kept
        [window, 20, 2000].
    """

    kept: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, rows: "Rows | slice") -> npt.NDArray[np.float32]:
        return self.kept[rows].astype(np.float32)[..., PLACES]


PLACES: npt.NDArray[np.int64] = cut(np.arange(CENTRE_SAMPLES, dtype=np.float32)[None], 0)[0][0].astype(np.int64)
"""The sample of the 10 s at each sample of a window."""


@dataclass(frozen=True)
class Job:
    """One network to train.

    Attributes
    ----------
    arm, seed, peak
        The arm, the seed of its weights and of the order of windows, and its peak learning rate.
    n_windows
        Windows to train on.
    folder
        Where it is written.
    branches
        Folders of its trained branches, by arm.
    """

    arm: str
    seed: int
    peak: float
    n_windows: int
    folder: Path
    branches: dict[str, Path]


@dataclass(frozen=True)
class Study:
    """The folder of a run, and how much is trained."""

    folder: Path
    n_windows: int
    seeds: int
    workers: int

    def settings(self) -> dict[str, Any]:
        """Return what all networks of a folder share, apart from how many there are."""
        recipes = [recipe_of(arm, 1.0, 0).model_dump(mode="json") for arm in TRAINED]
        return {"windows": self.n_windows, "stream": stream().fingerprint(), "recipes": hash_of(recipes)}

    @property
    def windows(self) -> Path:
        """The folder of the simulated windows."""
        return self.folder / "windows"

    def array(self) -> WindowArray:
        """Return the simulated windows; the last `LEFT_OUT` are left out of training."""
        n_all = self.n_windows + LEFT_OUT
        votes = np.concatenate([np.load(_targets(self.windows, begin)) for begin in range(0, n_all, BLOCK)])
        numbers = [*range(self.n_windows), *range(LEFT_OUT)]
        epochs = np.repeat([0, 1], [self.n_windows, LEFT_OUT])
        names = [f"s{epoch}n{number}" for epoch, number in zip(epochs, numbers, strict=True)]
        patients = [f"s{epoch}p{patient_number(number)}" for epoch, number in zip(epochs, numbers, strict=True)]
        ids = {"window_id": names, "eeg_id": names, "patient_id": patients, "start_s": 0.0}
        labels = pd.DataFrame(ids).join(pd.DataFrame(votes, columns=[*VOTE_COLUMNS]))
        signals: Any = Centres(np.load(self.windows / "signals.npy", mmap_mode="r"))
        return WindowArray(labels, signals, labels[:0], stream().fingerprint())

    def unit(self, arm: str, seed: int) -> Path:
        """Return the folder of a network; the regression on features has no seeds."""
        return self.folder / "units" / (arm if find_arm(arm).fitted else f"{arm}-seed{seed}")


def stream() -> Stream:
    """Return the stream of simulated windows, which has the mixture of patterns of that of `default`."""
    return Stream(StreamSettings(even=0.8, seed=50), STANDARDISE)


def recipe_of(arm: str, peak: float, seed: int) -> Recipe:
    """Return the recipe of one arm: one pass over the windows, with one cycle of the learning rate."""
    cycle = {"peak": peak, "epochs": 1, "warm_up": 0.1}
    training: dict[str, Any] = SETTINGS | {"learning_rates": cycle}
    if find_arm(arm).fitted:
        training = {"penalties": PENALTIES}
    elif find_arm(arm).branches:
        training |= {"learning_rates": cycle | {"peak": HEAD_PEAK}, "trains": "head"}
        training["then"] = [{"learning_rates": cycle}]
    content = {"standardise": STANDARDISE.model_dump(), "models": MODELS, "training": {arm: training}}
    return Recipe.model_validate({"name": "study", "seed": seed} | content)


def simulate_windows(study: Study, begin: int) -> None:
    """Simulate one block of windows, and write its targets last."""
    made, votes = stream(), []
    end = min(begin + BLOCK, study.n_windows + LEFT_OUT)
    signals = np.load(study.windows / "signals.npy", mmap_mode="r+")
    for row in range(begin, end):
        left_out = row >= study.n_windows
        signal, target = made.window(int(left_out), row - study.n_windows if left_out else row)
        first = (signal.shape[1] - CENTRE_SAMPLES) // 2
        signals[row] = signal[:, first : first + CENTRE_SAMPLES].clip(-LARGEST_UV, LARGEST_UV)
        votes.append(np.rint(SCALE * target).astype(np.int64))
    signals.flush()
    path = _targets(study.windows, begin)
    with atomic_write(path) as part, part.open("wb") as file:
        np.save(file, np.stack(votes))


def _targets(folder: Path, begin: int) -> Path:
    return folder / f"targets-{begin}.npy"


def train_network(study: Study, job: Job) -> None:
    """Train one network, and write it with its KL on the windows left out."""
    array, recipe = study.array(), recipe_of(job.arm, job.peak, job.seed)
    valid = np.arange(study.n_windows, len(array))
    # Fine-tuning has two stages, of half of the windows each.
    n_rows = job.n_windows // 2 if job.branches else job.n_windows
    task = Task(job.arm, job.arm, np.arange(n_rows), valid[:0], job.seed)
    network = train_arm(task, array, recipe, job.folder, initial=InitialWeights(branches=job.branches))
    answer = predict(network, array.signals, valid, BATCH).probabilities
    np.save(job.folder / SIMULATED, answer)
    kl = mean_kl(array.labels.iloc[valid], answer)
    write_json(job.folder / FIGURES, {"peak": job.peak, "simulated_kl": kl})
    save_model(job.folder, network, make_card(job.arm, recipe, array, "simulated windows of the study"))
    (job.folder / CHECKPOINT).unlink(missing_ok=True)


def run(study: Study, work: Callable[[Study, Any], None], jobs: Sequence[Any]) -> None:
    """Do jobs in `study.workers` processes of one thread each, and print each when it is done."""
    if not jobs:
        return
    with ProcessPoolExecutor(study.workers, get_context("spawn"), initializer=_one_thread) as pool:
        pending = {pool.submit(work, study, job): job for job in jobs}
        for done, future in enumerate(as_completed(pending), 1):
            future.result()
            told = pending[future]
            print(f"{work.__name__} {done}/{len(jobs)}: {getattr(told, 'folder', told)}", flush=True)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def simulate_all(study: Study) -> None:
    """Simulate what is not there yet."""
    study.windows.mkdir(parents=True, exist_ok=True)
    path, n_all = study.windows / "signals.npy", study.n_windows + LEFT_OUT
    if not path.exists():
        with atomic_write(path) as part:
            np.lib.format.open_memmap(part, "w+", np.float16, (n_all, N_CHANNELS, CENTRE_SAMPLES)).flush()
    begins = [begin for begin in range(0, n_all, BLOCK) if not _targets(study.windows, begin).exists()]
    run(study, simulate_windows, begins)


def train_all(study: Study, arms: Sequence[str]) -> dict[str, float]:
    """Choose the learning rates, train all networks, and return the chosen peaks.

    The arms that begin with trained branches come last.
    """
    joined = [arm for arm in arms if find_arm(arm).branches]
    fitted = [arm for arm in arms if find_arm(arm).fitted]
    alone = [arm for arm in arms if arm not in (*joined, *fitted)]
    peaks: dict[str, float] = {}
    pilots = [job for arm in alone for job in _pilots(study, arm, peaks)]
    run(study, train_network, _to_do([*pilots, *_units(study, fitted, dict.fromkeys(fitted, 0.0))]))
    peaks |= _best(pilots)
    pilots = [job for arm in joined for job in _pilots(study, arm, peaks)]
    run(study, train_network, _to_do([*pilots, *_units(study, alone, peaks)]))
    peaks |= _best(pilots)
    run(study, train_network, _to_do(_units(study, joined, peaks)))
    return peaks


def _best(pilots: Sequence[Job]) -> dict[str, float]:
    """Return the peak of each arm with the lowest KL on the simulated windows left out."""
    ranked = sorted(pilots, key=lambda job: _figure(job.folder, "simulated_kl"), reverse=True)
    return {job.arm: job.peak for job in ranked}  # the last one of an arm remains


def _to_do(jobs: Iterable[Job]) -> list[Job]:
    """Return the jobs that are not done, each once, slow ones first, so that both processes end together."""
    slow = ("fusion", "fusion-finetuned", "volume", "features", "spatial")
    unique = {job.folder: job for job in jobs if not (job.folder / CARD).exists()}
    return sorted(unique.values(), key=lambda job: slow.index(job.arm) if job.arm in slow else len(slow))


def _pilots(study: Study, arm: str, peaks: Mapping[str, float]) -> list[Job]:
    n_windows = study.n_windows // PILOT_SHARE
    branches = {one: _pilot(study, one, peaks[one]) for one in find_arm(arm).branches}
    return [
        Job(arm, PILOT_SEED, peak, n_windows, _pilot(study, arm, peak), branches) for peak in PEAKS.get(arm, OTHERS)
    ]


def _pilot(study: Study, arm: str, peak: float) -> Path:
    return study.folder / "pilots" / f"{arm}-peak{peak:g}"


def _units(study: Study, arms: Sequence[str], peaks: Mapping[str, float]) -> list[Job]:
    return [
        Job(
            arm,
            seed,
            peaks[arm],
            study.n_windows,
            study.unit(arm, seed),
            {one: study.unit(one, seed) for one in find_arm(arm).branches},
        )
        for arm in arms
        for seed in range(study.seeds)
    ]


def _figure(folder: Path, name: str) -> float:
    return float(json.loads((folder / FIGURES).read_text(encoding="utf-8"))[name])


def simulated_kl(study: Study, arm: str) -> float:
    """Return the mean KL over seeds of an arm, or of the average of an arm's parts, on the windows left out."""
    labels = study.array().labels.iloc[study.n_windows :]
    parts = find_arm(arm).parts or (arm,)
    found = [
        mean_kl(labels, np.mean([np.load(study.unit(part, seed) / SIMULATED) for part in parts], axis=0))
        for seed in range(study.seeds)
    ]
    return float(np.mean(found))


def answers(study: Study, arm: str, seed: int, array: WindowArray) -> npt.NDArray[np.float64]:
    """Return the probabilities of a trained network for the central 10 s of windows, [window, 6]."""
    middle = slice((WINDOW_SAMPLES - CENTRE_SAMPLES) // 2, (WINDOW_SAMPLES + CENTRE_SAMPLES) // 2)
    signals: Any = Centres(array.signals[..., middle])
    network = load_model(study.unit(arm, seed)).network
    return predict(network, signals, np.arange(len(array)), BATCH).probabilities
