"""Fitting the arm whose network is a regression on figures: all windows at once, no epochs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.optimize import minimize_scalar

from ictal.core.atomic_files import atomic_write
from ictal.core.labels import VOTE_COLUMNS, distribution, panel_size
from ictal.core.predictions import eeg_weights
from ictal.core.progress import Progress, silent
from ictal.data import WindowArray
from ictal.models.arms import LOG_CONCENTRATION, ArmNetwork
from ictal.models.checkpoint import device
from ictal.models.features import MOST, FeatureNetwork
from ictal.recipes.regression import RegressionSettings
from ictal.simulator.noise import one_blas_thread
from ictal.training.losses import panel_loss
from ictal.training.regression import choose_penalty, fit_regression
from ictal.training.task import Task

PENALTIES = "penalties.csv"
"""Of a unit: the KL of each penalty in the inner cross-validation, and which was chosen."""

BATCH = 8


def fit_features(
    network: ArmNetwork,
    array: WindowArray,
    task: Task,
    settings: RegressionSettings,
    folder: Path,
    progress: Progress = silent,
    accelerator: str = "auto",
) -> ArmNetwork:
    """Fit the regression of a network to the rows of a task; its weights are changed.

    Parameters
    ----------
    network
        With a `FeatureNetwork`.
    array, task
        The windows, and which of them to fit to.
    settings
        How.
    folder
        Gets `penalties.csv`.
    progress
        Told after each batch of windows.
    accelerator
        Where the figures are measured, see `device`.
    """
    inner = network.network
    assert isinstance(inner, FeatureNetwork)

    def told(done: int) -> None:
        progress(task.name, done, len(task.train) + 1)

    figures = measure(inner, array, task.train, told, accelerator)
    labels = array.labels.iloc[task.train]
    votes, judged = labels[list(VOTE_COLUMNS)].to_numpy(), eeg_weights(labels["eeg_id"])
    shares, weights = distribution(votes), judged * panel_size(votes).astype(float) ** settings.panel_weight
    patients, rng = labels["patient_id"].tolist(), np.random.default_rng(task.derive("inner folds"))
    with one_blas_thread():  # for the same result however many threads there are
        chosen = choose_penalty(figures, shares, weights, judged, patients, settings, MOST, network.lapse, rng)
        found = fit_regression(figures, shares, weights, chosen.penalty, MOST)
    state = {"centre": found.centre, "spread": found.spread, "head.weight": found.weights, "head.bias": found.bias}
    if network.has_concentration:
        log_concentration = _log_concentration(chosen.out_of_fold, votes, weights)
        state["head.weight"] = np.vstack([found.weights, np.zeros(found.weights.shape[1])])
        state["head.bias"] = np.append(found.bias, log_concentration)
    inner.load_state_dict({name: torch.from_numpy(value.astype(np.float32)) for name, value in state.items()})
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame({"penalty": settings.penalties, "inner_kl": chosen.kl})
    table["chosen"] = table["penalty"] == chosen.penalty
    with atomic_write(folder / PENALTIES) as part:
        table.to_csv(part, index=False)
    progress(task.name, 1, 1)
    return network.eval()


def measure(
    network: FeatureNetwork,
    array: WindowArray,
    rows: npt.NDArray[np.int64],
    told: Callable[[int], None],
    accelerator: str = "auto",
) -> npt.NDArray[np.float64]:
    """Return the figures of some windows, [row, feature]."""
    where = device(accelerator)
    network.to(where)
    found = []
    with torch.inference_mode():
        for begin in range(0, len(rows), BATCH):
            windows = torch.from_numpy(array.signals[rows[begin : begin + BATCH]])
            found.append(network.view(windows.to(where)).cpu().double().numpy())
            told(min(begin + BATCH, len(rows)))
    network.cpu()
    return np.concatenate(found)


def _log_concentration(
    probabilities: npt.NDArray[np.float64] | None, votes: npt.NDArray[np.int64], weights: npt.NDArray[np.float64]
) -> float:
    """Return the one concentration under which the votes are the most likely, given predictions out of fold."""
    if probabilities is None:
        return LOG_CONCENTRATION[1]  # nothing is known of how far panels stray
    logits, counts = torch.from_numpy(probabilities).log(), torch.from_numpy(votes.astype(np.float64))

    def loss(log_concentration: float) -> float:
        concentration = torch.full((len(logits),), log_concentration, dtype=torch.float64).exp()
        return float(np.average(panel_loss(logits, concentration, counts).numpy(), weights=weights))

    return float(minimize_scalar(loss, bounds=LOG_CONCENTRATION, method="bounded").x)
