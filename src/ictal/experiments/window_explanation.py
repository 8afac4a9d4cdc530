"""Explain what a model predicts for one window of a data set."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ictal.core.montage import Derivation
from ictal.core.windows import BEFORE_S
from ictal.data import Dataset, open_dataset
from ictal.errors import TableError, listed
from ictal.explanations.explained import MethodName, open_explained
from ictal.explanations.explanation import Explanation, explain
from ictal.models.hub import ModelSummary, read_card
from ictal.preprocessing.channel_mapping import lost_derivations
from ictal.preprocessing.input_needs import Needs
from ictal.preprocessing.model_windows import ModelWindow, model_windows
from ictal.preprocessing.runs import recorded_runs
from ictal.preprocessing.settings import StandardiseSettings
from ictal.recipes import Recipe, load_recipe
from ictal.scoring.export_contract import read_input


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
        As in `ictal.evaluate`.
    window_id
        Id of the window in the data set's labels.
    pattern, methods
        See `ictal.explanations.explanation.explain`.

    Raises
    ------
    TableError
        If the data set has no such window.
    """
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    folder, card = read_card(model, ModelSummary)
    explained = open_explained(folder, recipe.trainer.accelerator)
    known = read_input(folder)
    settings, needs = known.standardise, replace(known.needs, interpolate=recipe.data.interpolate)
    dataset = open_dataset(data, recipe.data, needs=needs, short=settings.short)
    if data.startswith("sim") and card.data.startswith("sim") and dataset.name != card.data:
        warnings.warn(
            f"the model was trained on {card.data}; this is {dataset.name}, which has different EEGs", stacklevel=2
        )
    excerpt, lost = _cut(dataset, window_id, needs, settings)
    return replace(explain(explained, excerpt.window, pattern, methods), missing=excerpt.unrecorded, lost=lost)


def _cut(
    dataset: Dataset, window_id: str, needs: Needs, settings: StandardiseSettings
) -> tuple[ModelWindow, tuple[Derivation, ...]]:
    """Return one window of a data set, and the derivations that its EEG lacks."""
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
    return next(model_windows(runs, [place], geometry, settings)), lost_derivations(runs[0].mapping)
