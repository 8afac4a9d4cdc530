"""The command that evaluates a model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ictal.cli.options import CACHE, DATA, JSON, MODEL_ARGUMENT, PLUGIN, RECIPE, SEED_OF_RECIPE, SET, load_plugins
from ictal.cli.recipe import recipe_of
from ictal.cli.screen import Results, bar, say

if TYPE_CHECKING:
    from ictal.evaluation import Evaluation

OUT = typer.Option("--out", metavar="FILE", help="Write the predictions here (.parquet or .csv).")


def evaluate(
    model: Annotated[Path, MODEL_ARGUMENT],
    data: Annotated[str, DATA],
    recipe: Annotated[str, RECIPE] = "quick",
    seed: Annotated[int | None, SEED_OF_RECIPE] = None,
    out: Annotated[Path | None, OUT] = None,
    cache: Annotated[Path | None, CACHE] = None,
    plugins: Annotated[list[Path] | None, PLUGIN] = None,
    overrides: Annotated[list[str] | None, SET] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Measure how well a model predicts experts' votes.

    Example: ictal evaluate default data/iiic --json -
    """
    from ictal.experiments import model_evaluation
    from ictal.models.hub import describe_model

    load_plugins(plugins)
    chosen, named = recipe_of(recipe, overrides, seed), describe_model(model)
    with bar() as progress:
        result, predictions = model_evaluation.evaluate_model(
            named.folder, data, chosen, cache=cache, progress=progress
        )
    if out:
        predictions.write(out)
    results = Results(json_file)
    results.give_json(result.to_json() | {"model": named.origin})
    _show(results, result)
    if out:
        results.show(f"Predictions: {out}")
    if json_file not in (None, "-"):
        results.show(f"Metrics: {json_file}")
    if not out and not json_file:
        say("No file was written: --out saves the predictions, --json the metrics.")


def _show(results: Results, result: "Evaluation") -> None:
    from ictal.report.verdicts import few_patients_in_words, patients_in_words

    patients = patients_in_words(result.n_patients, result.n_effective)
    results.show(f"{result.n_windows} windows of {result.n_eegs} EEGs of {patients}")
    if warning := few_patients_in_words(result.n_effective):
        say(f"Warning: {warning}")
    results.show(*result.summary())
    if result.calibration:
        results.show(result.calibration.in_words())
