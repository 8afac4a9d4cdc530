"""Fit an own estimator to features: all windows at once, without epochs."""

from pathlib import Path

import numpy as np

from ictal.core.blas import one_blas_thread
from ictal.core.labels import N_PATTERNS, VOTE_COLUMNS, distribution, panel_size
from ictal.core.predictions import eeg_weights
from ictal.core.progress import Progress, silent
from ictal.data import WindowArray
from ictal.models.arm_network import ArmNetwork
from ictal.models.estimator import EstimatorNetwork
from ictal.recipes.regression import FittedSettings
from ictal.recipes.schema import Recipe
from ictal.training.feature_fitting import compute_features
from ictal.training.task import Task


def fit_estimator(
    network: ArmNetwork, array: WindowArray, task: Task, recipe: Recipe, folder: Path, progress: Progress = silent
) -> ArmNetwork:
    """Fit the estimator of a network to the training rows of a task; for the parameters, see `fit_features`."""
    inner, settings = network.network, recipe.training_of(task.arm)
    assert isinstance(inner, EstimatorNetwork)
    assert isinstance(settings, FittedSettings)

    def on_batch(done: int) -> None:
        progress(task.name, done, len(task.train) + 1)

    found = compute_features(inner, array, task.train, on_batch, recipe.trainer.accelerator).astype(np.float32)
    labels = array.labels.iloc[task.train]
    votes = labels[list(VOTE_COLUMNS)].to_numpy()
    weights = eeg_weights(labels["eeg_id"]) * panel_size(votes).astype(float) ** settings.panel_weight
    # As in `fit_regression`: classifiers take no distributions as targets, and one extra window with a uniform
    # distribution keeps patterns that the data lack from being unknown.
    features = np.vstack([found, np.median(found, axis=0)])
    targets = np.vstack([distribution(votes), np.full(N_PATTERNS, 1 / N_PATTERNS)])
    window_weights = np.append(weights * len(weights) / weights.sum(), 1.0)
    rows, patterns = np.nonzero(targets)
    with one_blas_thread():  # so that the result does not depend on the number of threads
        inner.fit(features[rows], patterns, targets[rows, patterns] * window_weights[rows], task.derive("estimator"))
    folder.mkdir(parents=True, exist_ok=True)
    progress(task.name, 1, 1)
    return network.eval()
