"""Fit the regression of the arm 'features': all windows at once, without epochs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.optimize import minimize_scalar

from ictal.core.atomic_files import atomic_write
from ictal.core.blas import one_blas_thread
from ictal.core.labels import VOTE_COLUMNS, distribution, panel_size
from ictal.core.predictions import eeg_weights
from ictal.core.progress import Progress, silent
from ictal.data import WindowArray
from ictal.models.arm_network import LOG_CONCENTRATION, ArmNetwork
from ictal.models.checkpoint import device
from ictal.models.estimator import EstimatorNetwork
from ictal.models.features import MOST, FeatureNetwork
from ictal.recipes.regression import RegressionSettings
from ictal.recipes.schema import Recipe
from ictal.training.losses import panel_loss
from ictal.training.regression import ChosenPenalty, Examples, Floats, Regression, choose_penalty, fit_regression
from ictal.training.task import Task

PENALTIES = "penalties.csv"
"""File of a unit: the KL of each penalty in the inner cross-validation, and which penalty was chosen."""

BATCH = 8


def fit_features(
    network: ArmNetwork, array: WindowArray, task: Task, recipe: Recipe, folder: Path, progress: Progress = silent
) -> ArmNetwork:
    """Fit the regression of a network to the training rows of a task.

    Parameters
    ----------
    network
        Contains a `FeatureNetwork`; its weights are changed.
    array, task
        The windows, and which of them to fit to.
    recipe
        How to fit the task's arm, and on which device features are computed.
    folder
        Where `penalties.csv` is written.
    progress
        Called after each batch of windows.
    """
    inner, settings = network.network, recipe.training_of(task.arm)
    assert isinstance(inner, FeatureNetwork)
    assert isinstance(settings, RegressionSettings)

    def on_batch(done: int) -> None:
        progress(task.name, done, len(task.train) + 1)

    features = compute_features(inner, array, task.train, on_batch, recipe.trainer.accelerator)
    labels = array.labels.iloc[task.train]
    votes, of_eegs = labels[list(VOTE_COLUMNS)].to_numpy(), eeg_weights(labels["eeg_id"])
    weights = of_eegs * panel_size(votes).astype(float) ** settings.panel_weight
    examples = Examples(features, distribution(votes), weights, of_eegs, labels["patient_id"].to_numpy(object))
    rng = np.random.default_rng(task.derive("inner folds"))
    with one_blas_thread():  # so that the result does not depend on the number of threads
        chosen = choose_penalty(examples, settings, MOST, network.lapse, rng)
        fitted = fit_regression(examples, chosen.penalty, MOST)
    log_concentration = None
    if network.has_concentration:
        log_concentration = _log_concentration(chosen.out_of_fold, votes, weights)
    _load(inner, fitted, log_concentration)
    _write_penalties(settings, chosen, folder)
    progress(task.name, 1, 1)
    return network.eval()


def compute_features(
    network: FeatureNetwork | EstimatorNetwork,
    array: WindowArray,
    rows: npt.NDArray[np.int64],
    on_batch: Callable[[int], None],
    accelerator: str = "auto",
) -> Floats:
    """Return the features of some windows, [row, feature]."""
    where = device(accelerator)
    network.to(where)
    found = []
    with torch.inference_mode():
        for begin in range(0, len(rows), BATCH):
            windows = torch.from_numpy(array.signals[rows[begin : begin + BATCH]])
            found.append(network.view(windows.to(where)).cpu().double().numpy())
            on_batch(min(begin + BATCH, len(rows)))
    network.cpu()
    return np.concatenate(found)


def _log_concentration(probabilities: Floats | None, votes: npt.NDArray[np.int64], weights: Floats) -> float:
    """Return the one concentration that makes the votes most likely, given out-of-fold predictions."""
    if probabilities is None:
        return LOG_CONCENTRATION[1]  # without out-of-fold predictions, the spread of panels is unknown
    logits, counts = torch.from_numpy(probabilities).log(), torch.from_numpy(votes.astype(np.float64))

    def loss(log_concentration: float) -> float:
        concentration = torch.full((len(logits),), log_concentration, dtype=torch.float64).exp()
        return float(np.average(panel_loss(logits, concentration, counts).numpy(), weights=weights))

    return float(minimize_scalar(loss, bounds=LOG_CONCENTRATION, method="bounded").x)


def _load(network: FeatureNetwork, fitted: Regression, log_concentration: float | None) -> None:
    """Copy a fitted regression into a network, whose last output may be a constant concentration."""
    weights, bias = fitted.weights, fitted.bias
    if log_concentration is not None:
        weights = np.vstack([weights, np.zeros(weights.shape[1])])
        bias = np.append(bias, log_concentration)
    state = {"centre": fitted.centre, "spread": fitted.spread, "head.weight": weights, "head.bias": bias}
    network.load_state_dict({name: torch.from_numpy(value.astype(np.float32)) for name, value in state.items()})


def _write_penalties(settings: RegressionSettings, chosen: ChosenPenalty, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame({"penalty": settings.penalties, "inner_kl": chosen.kl})
    table["chosen"] = table["penalty"] == chosen.penalty
    with atomic_write(folder / PENALTIES) as part:
        table.to_csv(part, index=False)
