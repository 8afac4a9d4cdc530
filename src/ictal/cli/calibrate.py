"""The command that calibrates a model."""

from pathlib import Path
from typing import Annotated

import typer

from ictal.cli.options import CACHE, DATA, JSON, MODEL_ARGUMENT, RECIPE, SEED_OF_RECIPE, SET
from ictal.cli.recipe import recipe_of
from ictal.cli.screen import Results, bar, say

OUT = typer.Option("--out", metavar="FOLDER", help="Folder for the calibrated model.")


def calibrate(
    model: Annotated[Path, MODEL_ARGUMENT],
    data: Annotated[str, DATA],
    out: Annotated[Path, OUT] = Path("models/calibrated"),
    recipe: Annotated[str, RECIPE] = "quick",
    seed: Annotated[int | None, SEED_OF_RECIPE] = None,
    cache: Annotated[Path | None, CACHE] = None,
    overrides: Annotated[list[str] | None, SET] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Correct a model's confidence and its mean share of each pattern with votes on your own EEG.

    It fits a temperature, and biases if they help, and saves a new model with the same weights. It needs windows of
    at least 20 patients that the model was not trained on. Cross-validation by patient shows whether the calibration
    helps; the model is saved and the exit code is 0 whatever the verdict is.

    Example: ictal calibrate default data/mine --out models/calibrated
    """
    from ictal.experiments import model_calibration
    from ictal.models.hub import card_file, weights_file
    from ictal.report.verdicts import few_patients_in_words, patients_in_words

    chosen = recipe_of(recipe, overrides, seed)
    with bar() as progress:
        trial = model_calibration.calibrate_model(model, data, out, chosen, cache=cache, progress=progress)
    results = Results(json_file)
    results.give_json(trial.to_json())
    results.show(f"{trial.n_windows} windows of {patients_in_words(trial.n_patients, trial.n_effective)}")
    if warning := few_patients_in_words(trial.n_effective):
        say(f"Warning: {warning}")
    results.show(f"Fitted: {trial.choice_in_words()}", *trial.summary(), trial.in_words())
    results.show("Files:", f"  {weights_file(out)}", f"  {card_file(out)}")
