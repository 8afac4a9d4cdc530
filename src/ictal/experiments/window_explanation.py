"""Explain what a model predicts for one window of a data set."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ictal.core.montage import Derivation
from ictal.core.windows import BEFORE_S
from ictal.data import open_dataset
from ictal.errors import TableError, listed
from ictal.explanations.base import MethodName
from ictal.explanations.explanation import Explanation, explain
from ictal.models.checkpoint import Model, device, load_model
from ictal.models.input_needs import needs_of
from ictal.preprocessing.channel_mapping import lost_derivations
from ictal.preprocessing.model_windows import model_windows
from ictal.preprocessing.runs import recorded_runs
from ictal.recipes import Recipe, load_recipe


def explain_window(
    model: str | Path,
    data: str,
    window_id: str,
    pattern: str | None = None,
    methods: Sequence[MethodName] | None = None,
    recipe: Recipe | str = "quick",
) -> Explanation:
    """Explain which parts of one window of a data set support a pattern.

    Parameters
    ----------
    model, data, recipe
        As in `evaluate_model`.
    window_id
        Id of the window in the data set's labels.
    pattern, methods
        See `ictal.explanations.explanation.explain`.

    Raises
    ------
    TableError
        If the data set has no such window.
    """
    loaded, window, missing, lost = _window_of(model, data, window_id, recipe)
    return replace(explain(loaded, window, pattern, methods), missing=missing, lost=lost)


def model_and_window(
    model: str | Path, data: str, window_id: str, recipe: Recipe | str
) -> tuple[Model, npt.NDArray[np.float32]]:
    """Return a model and one standardised window of a data set, [20, 10000]; see `explain_window`."""
    return _window_of(model, data, window_id, recipe)[:2]


def _window_of(
    model: str | Path, data: str, window_id: str, recipe: Recipe | str
) -> tuple[Model, npt.NDArray[np.float32], npt.NDArray[np.bool_], tuple[Derivation, ...]]:
    """Return a model, a window, which of its samples are missing, and the derivations that cannot be formed."""
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    loaded = load_model(model)
    loaded.network.to(device(recipe.trainer.accelerator))
    settings = loaded.card.standardise
    needs = replace(needs_of(loaded.network), interpolate=recipe.data.interpolate)
    dataset = open_dataset(data, recipe.data, needs=needs, short=settings.short)
    if data.startswith("sim") and loaded.card.data.startswith("sim") and dataset.name != loaded.card.data:
        warnings.warn(
            f"the model was trained on {loaded.card.data}; this is {dataset.name}, which has different EEGs",
            stacklevel=4,
        )
    rows = dataset.outline[dataset.outline["window_id"] == window_id]
    if rows.empty:
        known = listed(dataset.outline["window_id"])
        raise TableError(f"{dataset.name}: no window '{window_id}'; known are {known}")
    eeg_id, start_s = rows[["eeg_id", "start_s"]].iloc[0]
    recording, geometry = dataset.recording(eeg_id), needs.geometry(settings.short)
    runs = recorded_runs(recording, needs.map_channels(recording), settings.fill)
    place = geometry.place(runs, start_s + BEFORE_S)
    if place is None:
        raise TableError(f"{dataset.name}: window '{window_id}': {geometry.why_not(runs, start_s + BEFORE_S)}")
    excerpt = next(model_windows(runs, [place], geometry, settings))
    return loaded, excerpt.window, excerpt.unrecorded, lost_derivations(runs[0].mapping)
