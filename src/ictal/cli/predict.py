"""The command that predicts votes on EEG that nobody has voted on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ictal.cli.completion import complete_data
from ictal.cli.options import CACHE, JSON, MODEL_ARGUMENT, RECIPE, SEED_OF_RECIPE, SET
from ictal.cli.recipe import recipe_of
from ictal.cli.screen import Results, bar
from ictal.errors import UsageError

if TYPE_CHECKING:
    from ictal.core.predictions import Predictions

DATA = typer.Argument(
    metavar="DATA",
    help="A folder in the HMS competition's test layout (test.csv, test_eegs/), or as in 'evaluate', with or without "
    "votes: a manifest CSV, a folder with train.csv, or 'sim'.",
    autocompletion=complete_data,
)
OUT = typer.Option("--out", metavar="FILE", help="Write the predictions here (.parquet or .csv).")
SUBMISSION = typer.Option(
    "--submission",
    metavar="FILE",
    help="Write a submission to the competition here (.csv); DATA needs sample_submission.csv.",
)


def predict(
    model: Annotated[Path, MODEL_ARGUMENT],
    data: Annotated[str, DATA],
    out: Annotated[Path | None, OUT] = None,
    submission: Annotated[Path | None, SUBMISSION] = None,
    recipe: Annotated[str, RECIPE] = "quick",
    seed: Annotated[int | None, SEED_OF_RECIPE] = None,
    cache: Annotated[Path | None, CACHE] = None,
    overrides: Annotated[list[str] | None, SET] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Predict experts' votes on windows that nobody has voted on.

    Of a test EEG of the competition, the central 10 s are predicted. If the data have votes, so has the table of
    predictions, and 'ictal compare' reads it.

    Example: ictal predict default data/hms --submission submission.csv
    """
    from ictal.experiments import prediction
    from ictal.report.clock import counted

    if not out and not submission:
        raise UsageError("there is nothing to write: name a file with --out, --submission or both")
    chosen = recipe_of(recipe, overrides, seed)
    with bar() as progress:
        predictions = prediction.predict(model, data, submission, chosen, cache=cache, progress=progress)
    if out:
        predictions.write(out)
    results = Results(json_file)
    found = _summary(predictions)
    files = {"predictions": out, "submission": submission}
    results.give_json(found | {name: str(file) for name, file in files.items() if file})
    kinds = {"window": "n_windows", "EEG": "n_eegs", "patient": "n_patients"}
    results.show(" of ".join(counted(found[key], kind) for kind, key in kinds.items()))
    shares = ", ".join(f"{pattern} {share:.3f}" for pattern, share in found["mean_shares"].items())
    results.show(f"Mean predicted shares: {shares}")
    results.show(*(f"{name.capitalize()}: {file}" for name, file in files.items() if file))


def _summary(predictions: "Predictions") -> dict[str, Any]:
    from ictal.core.labels import PATTERNS

    frame, means = predictions.frame, predictions.probabilities.mean(axis=0)
    return {
        "n_windows": len(frame),
        "n_eegs": frame["eeg_id"].nunique(),
        "n_patients": frame["patient_id"].nunique(),
        "mean_shares": dict(zip(PATTERNS, means.tolist(), strict=True)),
    }
