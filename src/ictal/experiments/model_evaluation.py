"""Evaluate a saved model on a data set."""

import warnings
from pathlib import Path

import numpy as np

from ictal.core.labels import VOTE_COLUMNS, as_known, unknown_patterns
from ictal.core.predictions import ID_COLUMNS, PROBABILITY_COLUMNS, Predictions
from ictal.core.progress import Progress, silent
from ictal.data import WindowArray
from ictal.errors import listed
from ictal.evaluation import Evaluation, evaluate
from ictal.experiments.data_source import DataSource
from ictal.models.checkpoint import Model, device, load_model
from ictal.recipes import Recipe, load_recipe

BATCH = 32


def evaluate_model(
    model: str | Path,
    data: str,
    recipe: Recipe | str = "quick",
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> tuple[Evaluation, Predictions]:
    """Evaluate a saved model on a data set.

    Parameters
    ----------
    model
        Name of a model, or a folder with `model.safetensors` and `card.json`.
    data
        As in `ablate`.
    recipe
        Determines which windows are used, and the size of 'sim'. The model's card determines how they are
        standardised.
    cache
        Folder of the prepared windows; None for the user's cache folder.
    progress
        Called with recordings and windows.

    Returns
    -------
    evaluation : Evaluation
        Metrics with confidence intervals from a patient-level bootstrap.
    predictions : Predictions
        A row per window.
    """
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    loaded = load_model(model)
    predictions = predict_windows(loaded, *labelled_windows(loaded, data, recipe, cache, progress), progress)
    options = recipe.evaluation
    return evaluate(predictions, options.n_resamples, recipe.seed, options.confidence), predictions


def labelled_windows(
    loaded: Model,
    data: str,
    recipe: Recipe,
    cache: str | Path | None,
    progress: Progress,
    with_votes: bool = True,
) -> tuple[WindowArray, str]:
    """Return the windows of a data set as a model needs them, and the name of the data set.

    The parameters are those of `evaluate_model`, and whether the windows must have votes. The model is moved to the
    recipe's device.
    """
    source = source_of(loaded, data, recipe, cache, with_votes=with_votes)
    dataset = source.open()
    array = source.prepare(dataset, progress)
    if len(array.refused):
        warnings.warn(
            f"{len(array.refused)} of {len(array.refused) + len(array)} windows are left out, because more than "
            f"{loaded.card.standardise.max_missing:.0%} of what the model uses is missing or flat: "
            f"{listed(array.refused['window_id'])}",
            stacklevel=3,
        )
    return array, dataset.name


def source_of(
    loaded: Model, data: str, recipe: Recipe, cache: str | Path | None, *, with_votes: bool = True
) -> DataSource:
    """Return where the windows of a model come from; the model is moved to the recipe's device."""
    loaded.network.to(device(recipe.trainer.accelerator))
    return DataSource.for_model(data, loaded, recipe.data, Path(cache) if cache else None, with_votes=with_votes)


def predict_windows(model: Model, array: WindowArray, name: str, progress: Progress) -> Predictions:
    """Return the predictions of a model for all windows, with their votes if they have any."""
    frame = array.labels[[name for name in (*ID_COLUMNS, *VOTE_COLUMNS) if name in array.labels.columns]].copy()
    if unknown := unknown_patterns(model.patterns):
        warnings.warn(f"{unknown[0]}; their votes, too, count as other", stacklevel=3)
        if {*VOTE_COLUMNS} <= {*frame}:
            frame[[*VOTE_COLUMNS]] = as_known(frame[[*VOTE_COLUMNS]].to_numpy(), model.patterns)
    frame["split"], frame["fold"], frame["arm"], frame["seed"] = "test", 0, model.title, model.card.seed
    probabilities = []
    for begin in range(0, len(array), BATCH):
        rows = slice(begin, begin + BATCH)
        contexts = array.contexts[rows] if array.contexts is not None else None
        probabilities.append(model.predict(array.signals[rows], contexts=contexts))
        progress("predicting", min(begin + BATCH, len(array)), len(array))
    frame[list(PROBABILITY_COLUMNS)] = np.concatenate(probabilities)
    return Predictions.make(frame, name, with_votes=False)
