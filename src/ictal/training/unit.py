"""Train and predict one unit: one arm on one fold with one seed."""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ictal import __version__
from ictal.core.atomic_files import write_json
from ictal.core.labels import VOTE_COLUMNS
from ictal.core.predictions import CONCENTRATION, ID_COLUMNS, PROBABILITY_COLUMNS, Predictions
from ictal.core.progress import Progress, silent
from ictal.data import TEST, WindowArray
from ictal.data.simulated_stream import Stream
from ictal.models.arm_network import ArmNetwork
from ictal.models.arms import find_arm
from ictal.models.build import build_trained
from ictal.models.checkpoint import Card, device, load_model, predict, save_model
from ictal.models.fusion import Fusion
from ictal.recipes.regression import RegressionSettings
from ictal.recipes.schema import Recipe
from ictal.training.feature_fitting import fit_features
from ictal.training.losses import mean_kl
from ictal.training.run_folder import DONE, PREDICTIONS, RunFolder, Unit
from ictal.training.task import CHECKPOINT, Task
from ictal.training.trainer import fit


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
