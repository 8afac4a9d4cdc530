"""Evaluate a saved model on a data set."""

import warnings
from pathlib import Path

import numpy as np

from ictal.core.labels import VOTE_COLUMNS
from ictal.core.predictions import ID_COLUMNS, PROBABILITY_COLUMNS, Predictions
from ictal.core.progress import Progress, silent
from ictal.errors import listed
from ictal.evaluation import Evaluation, evaluate
from ictal.experiments.inputs import cache_folder
from ictal.experiments.units import open_windows
from ictal.models.checkpoint import device, load_model
from ictal.models.input_needs import needs_of
from ictal.recipes import Recipe, load_recipe


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
        A folder with `model.safetensors` and `card.json`.
    data, cache, progress
        As in `ablate`.
    recipe
        Says which windows take part (and the size of 'sim'); how they are standardised, the model's card says.

    Returns
    -------
    evaluation : Evaluation
        With intervals by resampling patients.
    predictions : Predictions
        A row per window.
    """
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    loaded = load_model(model)
    loaded.network.to(device(recipe.trainer.accelerator))
    needs, settings = needs_of(loaded.network), (recipe.data, loaded.card.standardise)
    dataset, array = open_windows(data, *settings, loaded.network.sees_context, needs, cache_folder(cache), progress)
    if len(array.refused):
        warnings.warn(
            f"{len(array.refused)} of {len(array.refused) + len(array)} windows are left out, since more than "
            f"{loaded.card.standardise.max_missing:.0%} of what the model looks at is missing or flat: "
            f"{listed(array.refused['window_id'])}",
            stacklevel=2,
        )
    frame = array.labels[[*ID_COLUMNS, *VOTE_COLUMNS]].copy()
    frame["split"], frame["fold"], frame["arm"], frame["seed"] = "test", 0, loaded.card.arm, loaded.card.seed
    probabilities = []
    for begin in range(0, len(array), 32):
        rows = slice(begin, begin + 32)
        contexts = array.contexts[rows] if array.contexts is not None else None
        probabilities.append(loaded.predict(array.signals[rows], contexts=contexts))
        progress("predicting", min(begin + 32, len(array)), len(array))
    frame[list(PROBABILITY_COLUMNS)] = np.concatenate(probabilities)
    predictions = Predictions.make(frame, dataset.name)
    options = recipe.evaluation
    return evaluate(predictions, options.n_resamples, recipe.seed, options.confidence), predictions
