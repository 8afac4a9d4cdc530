"""Train one unit of a run (one arm, fold and seed), and predict its fold."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from ictal import __version__
from ictal.core.atomic_files import write_json
from ictal.core.labels import VOTE_COLUMNS
from ictal.core.predictions import CONCENTRATION, ID_COLUMNS, PROBABILITY_COLUMNS, Predictions
from ictal.core.progress import Progress, silent
from ictal.data import TEST, WindowArray, assign_folds
from ictal.data.simulated_stream import Stream
from ictal.errors import FoldError
from ictal.models.arm_network import ArmNetwork
from ictal.models.arms import find_arm, own_code
from ictal.models.build import build_trained
from ictal.models.checkpoint import Card, device, load_model, predict, save_model
from ictal.models.fusion import Fusion
from ictal.recipes.regression import FittedSettings
from ictal.recipes.schema import Recipe
from ictal.training.estimator_fitting import fit_estimator
from ictal.training.feature_fitting import fit_features
from ictal.training.losses import mean_kl
from ictal.training.run_folder import DONE, PREDICTIONS, RunFolder, Unit
from ictal.training.task import CHECKPOINT, Rows, Task
from ictal.training.trainer import fit


@dataclass(frozen=True)
class RunSetup:
    """What all units of a run share.

    Attributes
    ----------
    array
        The windows.
    folds
        Fold of each row of the array, or `TEST`.
    recipe
        How each arm is trained.
    folder
        Where results are written.
    data
        Name of the data set, for model cards.
    """

    array: WindowArray
    folds: Rows
    recipe: Recipe
    folder: RunFolder
    data: str

    @classmethod
    def divided(cls, array: WindowArray, recipe: Recipe, folder: RunFolder, data: str) -> Self:
        """Return the setup of a cross-validation, whose folds are those of the recipe.

        Raises
        ------
        FoldError
            If a fold has no windows, since some windows of the data set may have been refused.
        """
        settings = recipe.data
        folds = assign_folds(array.labels, settings.folds, settings.test_share, recipe.seed)
        if empty := sorted(set(range(settings.folds)) - set(folds.tolist())):
            raise FoldError(f"folds {empty} have no windows; choose fewer folds (--folds)")
        return cls(array, folds, recipe, folder, data)

    @property
    def patients(self) -> npt.NDArray[np.object_]:
        """Patient of each row of the array."""
        return self.array.labels["patient_id"].to_numpy(object)

    def task(self, unit: Unit) -> Task:
        """Return what a unit is trained on."""
        train = unit.training_rows(self.patients, self.folds)
        return Task(unit.name, unit.arm, train, np.flatnonzero(self.folds == unit.fold), unit.seed, unit.seed_name)


def run_unit(unit: Unit, setup: RunSetup, progress: Progress = silent) -> float:
    """Train a unit and predict its fold and the test windows, unless that is done already.

    Units of a learning curve do not predict the test windows. The mark `done.json` is written last.

    Parameters
    ----------
    unit, setup
        What to train.
    progress
        Called after each batch.

    Returns
    -------
    float
        Seconds that this process took; 0 if the unit was done already.
    """
    folder, recipe = setup.folder, setup.recipe
    if folder.is_done(unit):
        return 0.0
    begin = time.perf_counter()
    place, task = folder.unit(unit), setup.task(unit)
    branches = {arm: folder.unit(Unit(arm, unit.fold, unit.seed)) for arm in find_arm(unit.arm).branches}
    network = train_arm(task, setup.array, recipe, place, progress, InitialWeights(branches=branches))
    predictions = _predict(network.to(device(recipe.trainer.accelerator)), unit, setup)
    Predictions.make(predictions, unit.name).write(place / PREDICTIONS)
    own = predictions[predictions["split"] == "cv"]
    valid_kl = mean_kl(own, own[list(PROBABILITY_COLUMNS)].to_numpy())
    metrics = {f"KL on fold {unit.fold} of {setup.data}": valid_kl}
    card = make_card(unit.arm, recipe, setup.array, setup.data)
    save_model(place, network, card.model_copy(update={"seed": unit.seed, "metrics": metrics}))
    seconds = time.perf_counter() - begin
    write_json(place / DONE, {"unit": unit.name, "seconds_of_last_attempt": round(seconds, 3)})
    (place / CHECKPOINT).unlink(missing_ok=True)
    return seconds


def _predict(network: ArmNetwork, unit: Unit, setup: RunSetup) -> pd.DataFrame:
    """Return the predictions for the fold of a unit, followed by those for the test windows."""
    array, folds = setup.array, setup.folds
    in_test = (folds == TEST) & (unit.patients is None)
    rows = np.concatenate([np.flatnonzero(folds == unit.fold), np.flatnonzero(in_test)])
    batch_size = setup.recipe.training_of(unit.arm).micro_batch or 32
    answer = predict(network, array.signals, rows, batch_size, array.contexts)
    frame = array.labels.iloc[rows][[*ID_COLUMNS, *VOTE_COLUMNS]].reset_index(drop=True)
    frame["split"] = np.where(folds[rows] == TEST, "test", "cv")
    frame["fold"], frame["arm"], frame["seed"] = unit.fold, unit.arm, unit.seed
    frame[list(PROBABILITY_COLUMNS)] = answer.probabilities
    if answer.concentrations is not None:
        frame[CONCENTRATION] = answer.concentrations
    return frame


@dataclass(frozen=True)
class InitialWeights:
    """Trained weights with which a training begins; by default there are none.

    Attributes
    ----------
    network
        A network of the same arm and settings.
    branches
        Folders of the models that become the branches of a fusion, by arm.
    """

    network: ArmNetwork | None = None
    branches: Mapping[str, Path] = field(default_factory=dict)

    def copy_to(self, network: ArmNetwork) -> None:
        """Copy the weights into a network."""
        if self.network:
            network.load_state_dict(self.network.state_dict())
        for arm, folder in self.branches.items():
            branch = load_model(folder).network
            assert isinstance(branch, ArmNetwork)
            assert isinstance(network.network, Fusion)
            network.network.begin_with(arm, branch.network)


def train_arm(
    task: Task,
    array: WindowArray,
    recipe: Recipe,
    place: Path,
    progress: Progress = silent,
    initial: InitialWeights = InitialWeights(),
) -> ArmNetwork:
    """Make the network of an arm from the task's seed, and train it.

    Parameters
    ----------
    task, array, recipe
        What to train, and how.
    place
        Folder of its checkpoint.
    progress
        Called after each batch.
    initial
        Weights to begin with.
    """
    resumed = (place / CHECKPOINT).exists()
    with torch.random.fork_rng():
        torch.manual_seed(task.derive("weights"))
        network = build_trained(task.arm, recipe.models, initial=not resumed and initial.network is None)
    if not resumed:
        initial.copy_to(network)
    return FITS[find_arm(task.arm).kind](network, array, task, recipe, place, progress)


FITS: dict[str, Callable[[ArmNetwork, WindowArray, Task, Recipe, Path, Progress], ArmNetwork]] = {
    "network": fit,
    "regression": fit_features,
    "estimator": fit_estimator,
}
"""What trains an arm, by `Arm.kind`."""


def make_card(arm: str, recipe: Recipe, array: WindowArray, data: str) -> Card:
    """Return the card of one network that was trained by a recipe."""
    trained_on, fingerprint = _trained_on(arm, recipe, array, data)
    return Card(
        arm=arm,
        models=recipe.models.for_arms([arm]),
        own_arms=own_code([arm]),
        standardise=recipe.standardise,
        data=trained_on,
        data_fingerprint=fingerprint,
        recipe=recipe.name,
        seed=recipe.seed,
        ictal_version=__version__,
    )


def _trained_on(arm: str, recipe: Recipe, array: WindowArray, data: str) -> tuple[str, str]:
    """Return the name and fingerprint of an arm's training data: the data set, or a stream."""
    training = recipe.training_of(arm)
    if isinstance(training, FittedSettings) or not training.stream:
        return data, array.fingerprints
    stream = Stream(training.stream, recipe.standardise, recipe.models.votes == "dirichlet")
    n_windows = len(training.epochs) * training.stream.windows
    named = f"simulated EEG, a stream of {n_windows:,} windows (seed {training.stream.seed})"
    if training.only_streams:
        return named, stream.fingerprint()
    return (
        f"{data} ({training.real_share:.0%} of each batch) and {named}",
        f"{array.fingerprints}+{stream.fingerprint()}",
    )
