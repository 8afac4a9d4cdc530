"""Units (one arm, fold and seed), and the run folder that keeps what each has made."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from filelock import FileLock, Timeout

from ictal import __version__
from ictal.data import TEST, WindowArray
from ictal.data.stream import Stream
from ictal.errors import RunError
from ictal.files import remove_parts, write_json, write_text
from ictal.labels import VOTE_COLUMNS
from ictal.models import Card, find_arm, load_model, save_model
from ictal.models.arms import VARIANT, ArmNetwork, build_trained
from ictal.models.fusion import Fusion
from ictal.models.weights import device, predict
from ictal.predictions import CONCENTRATION, ID_COLUMNS, PROBABILITY_COLUMNS, Predictions
from ictal.progress import Progress, silent
from ictal.training.fitting import fit_features
from ictal.training.loop import CHECKPOINT, Task, fit, mean_kl
from ictal.training.recipe import Recipe, differences, parse, to_yaml
from ictal.training.regression import RegressionSettings

DONE = "done.json"
MANIFEST = "manifest.json"
RECIPE = "recipe.yaml"
PREDICTIONS = "predictions.parquet"
BEGUN_WITH = "begun_with"
"""Key of a manifest: the model whose weights a training begins with."""


@dataclass(frozen=True)
class Unit:
    """One arm trained on all folds but one, from one seed.

    Attributes
    ----------
    arm, fold, seed
        Which.
    patients
        Of a learning curve: on how many of the patients, drawn by the seed; None: on all.
    """

    arm: str
    fold: int
    seed: int
    patients: int | None = None

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.arm}{self._of_patients}-fold{self.fold}-seed{self.seed}"

    @property
    def _of_patients(self) -> str:
        return "" if self.patients is None else f"-{self.patients}patients"

    @property
    def stream(self) -> str:
        """The name without what is changed in its training, so that a variant differs in nothing else."""
        return f"{self.arm.partition(VARIANT)[0]}{self._of_patients}-fold{self.fold}-seed{self.seed}"

    def training_rows(self, patients: npt.NDArray[np.object_], folds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the rows to train on, given patient and fold of each row.

        Of one fold and seed, those of fewer patients are among those of more.
        """
        rows = np.flatnonzero((folds != self.fold) & (folds != TEST))
        if self.patients is None:
            return rows
        names = sorted({*patients[rows]})
        drawn = np.random.default_rng((self.seed, self.fold, 3)).permutation(names)[: self.patients]
        return rows[np.isin(patients[rows].astype(str), drawn.astype(str))]


@dataclass(frozen=True)
class RunFolder:
    """A folder that belongs to one recipe and one data set."""

    path: Path

    def unit(self, unit: Unit) -> Path:
        """Return the folder of a unit."""
        return self.path / "units" / unit.name

    def is_done(self, unit: Unit) -> bool:
        """Tell whether a unit has left its mark."""
        return (self.unit(unit) / DONE).is_file()

    def predictions(self, unit: Unit) -> Predictions:
        """Return what a finished unit predicted."""
        return Predictions.read(self.unit(unit) / PREDICTIONS)

    @contextmanager
    def claim(self, recipe: Recipe, fingerprint: str, manifest: dict[str, Any]) -> Iterator[None]:
        """Take the folder for this recipe and data, alone, for as long as the block runs.

        Raises
        ------
        RunError
            If the folder holds a run of another recipe or data, or one that began with another model, or something
            else; or another process is at work in it.
        """
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self.path}: is a file; a run needs a folder")
        held = (self.path / RECIPE).is_file() and (self.path / MANIFEST).is_file()
        if not held and self.path.is_dir() and any(self.path.glob("[!.]*")):
            raise RunError(f"{self.path}: holds files but no run; name a new or empty folder by --out")
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.path / ".lock", timeout=0):
                for folder in (self.path, *self.path.glob("*/*/")):
                    remove_parts(folder)
                if held:
                    self._check(recipe, fingerprint, manifest.get(BEGUN_WITH))
                else:
                    write_json(self.path / MANIFEST, manifest)
                    write_text(self.path / RECIPE, to_yaml(recipe))
                yield
        except Timeout as error:
            raise RunError(f"{self.path}: another process is at work in this run folder") from error

    def _check(self, recipe: Recipe, fingerprint: str, begun_with: dict[str, str] | None) -> None:
        stored = parse((self.path / RECIPE).read_text(encoding="utf-8"), str(self.path / RECIPE))
        changed = differences(recipe, stored)
        manifest = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
        of_folder = manifest["data_fingerprint"]
        if of_folder != fingerprint:
            changed.append(f"data: {of_folder} in the folder, {fingerprint} now (fingerprints)")
        if manifest.get(BEGUN_WITH) != begun_with:
            changed.append(f"began with: {manifest.get(BEGUN_WITH)} in the folder, {begun_with} now")
        if changed:
            lines = "".join(f"\n  - {line}" for line in changed)
            raise RunError(
                f"{self.path}: is a run of another recipe or of other data:{lines}\n"
                "Name another folder by --out, or repeat the command that made this one"
            )


def run_unit(
    unit: Unit,
    array: WindowArray,
    folds: npt.NDArray[np.int64],
    recipe: Recipe,
    folder: RunFolder,
    data: str,
    progress: Progress = silent,
) -> float:
    """Train a unit and predict its fold, and but for learning curves the test windows, unless that is done already.

    Parameters
    ----------
    unit, array, folds, recipe
        What to train: `folds` has the fold of each row of the array, or `TEST`.
    folder
        Where the results go; the mark `done.json` comes last.
    data
        Name of the data set, for the card.
    progress
        Told after each batch.

    Returns
    -------
    float
        Seconds that it took in this process; 0 where it was done already.
    """
    if folder.is_done(unit):
        return 0.0
    begin = time.perf_counter()
    place = folder.unit(unit)
    train = unit.training_rows(array.labels["patient_id"].to_numpy(object), folds)
    valid = np.flatnonzero(folds == unit.fold)
    task = Task(unit.name, unit.arm, train, valid, unit.seed, unit.stream)
    branches = {arm: folder.unit(Unit(arm, unit.fold, unit.seed)) for arm in find_arm(unit.arm).branches}
    network = train_arm(task, array, recipe, place, progress, branches).to(device(recipe.trainer.accelerator))
    rows = np.concatenate([valid, np.flatnonzero((folds == TEST) & (unit.patients is None))])
    batch = recipe.training_of(unit.arm).micro_batch or 32
    answer = predict(network, array.signals, rows, batch, array.contexts)
    frame = array.labels.iloc[rows][[*ID_COLUMNS, *VOTE_COLUMNS]].reset_index(drop=True)
    frame["split"] = np.where(folds[rows] == TEST, "test", "cv")
    frame["fold"], frame["arm"], frame["seed"] = unit.fold, unit.arm, unit.seed
    frame[list(PROBABILITY_COLUMNS)] = answer.probabilities
    if answer.concentrations is not None:
        frame[CONCENTRATION] = answer.concentrations
    Predictions.make(frame, unit.name).write(place / PREDICTIONS)
    card = make_card(unit.arm, recipe, array, data)
    valid_kl = mean_kl(array.labels.iloc[valid], answer.probabilities[: len(valid)])
    metrics = {f"KL on fold {unit.fold} of {data}": valid_kl}
    save_model(place, network, card.model_copy(update={"seed": unit.seed, "metrics": metrics}))
    seconds = time.perf_counter() - begin
    write_json(place / DONE, {"unit": unit.name, "seconds_of_last_attempt": round(seconds, 3)})
    (place / CHECKPOINT).unlink(missing_ok=True)
    return seconds


def train_arm(
    task: Task,
    array: WindowArray,
    recipe: Recipe,
    place: Path,
    progress: Progress,
    branches: Mapping[str, Path] | None = None,
    begin_with: ArmNetwork | None = None,
) -> ArmNetwork:
    """Make the network of an arm from the task's seed, and train it.

    Parameters
    ----------
    task, array, recipe
        What to train, and how.
    place
        Folder of its checkpoint.
    progress
        Told after each batch.
    branches
        Folders of the models that the network begins with, by their arm.
    begin_with
        A network of the same arm and settings whose weights this one begins with.
    """
    resumed = (place / CHECKPOINT).exists()
    with torch.random.fork_rng():
        torch.manual_seed(task.derive("weights"))
        network = build_trained(task.arm, recipe.models, initial=not resumed and begin_with is None)
    if begin_with and not resumed:
        network.load_state_dict(begin_with.state_dict())
    if branches and not resumed:
        assert isinstance(network.network, Fusion)
        for arm, folder in branches.items():
            trained = load_model(folder).network
            assert isinstance(trained, ArmNetwork)
            network.network.begin_with(arm, trained.network)
    training = recipe.training_of(task.arm)
    if isinstance(training, RegressionSettings):
        return fit_features(network, array, task, training, place, progress, recipe.trainer.accelerator)
    return fit(network, array, task, training, recipe.trainer, place, progress, recipe.standardise)


def make_card(arm: str, recipe: Recipe, array: WindowArray, data: str) -> Card:
    """Return the card of one network that was trained by a recipe."""
    trained_on, fingerprint = _trained_on(arm, recipe, array, data)
    return Card(
        arm=arm,
        models=recipe.models,
        standardise=recipe.standardise,
        data=trained_on,
        data_fingerprint=fingerprint,
        recipe=recipe.name,
        seed=recipe.seed,
        ictal_version=__version__,
    )


def _trained_on(arm: str, recipe: Recipe, array: WindowArray, data: str) -> tuple[str, str]:
    """Return name and fingerprint of what an arm was trained on: the data set, or a stream."""
    training = recipe.training_of(arm)
    if isinstance(training, RegressionSettings) or not training.stream:
        return data, array.fingerprints
    stream = Stream(training.stream, recipe.standardise, recipe.models.votes == "dirichlet")
    n_windows = len(training.epochs) * training.stream.windows
    return f"simulated EEG, a stream of {n_windows:,} windows (seed {training.stream.seed})", stream.fingerprint()
