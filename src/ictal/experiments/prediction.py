"""Predict the votes on windows that nobody has voted on, and write submissions to the HMS competition."""

from dataclasses import replace
from pathlib import Path

from ictal.core.labels import unknown_patterns
from ictal.core.predictions import Predictions
from ictal.core.progress import Progress, silent
from ictal.data import WindowArray
from ictal.data.submission import SampleSubmission, read_test_folder
from ictal.errors import ModelError, ReadError, TableError, UsageError, raise_problems
from ictal.experiments.data_source import DataSource
from ictal.experiments.model_evaluation import labelled_windows, predict_windows, source_of
from ictal.models.checkpoint import load_model
from ictal.recipes import Recipe, load_recipe


def predict(
    model: str | Path,
    data: str,
    submission: str | Path | None = None,
    recipe: Recipe | str = "quick",
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> Predictions:
    """Predict the votes on the windows of a data set, which may have no votes.

    Parameters
    ----------
    model
        Name of a model, or a folder with `model.safetensors` and `card.json`.
    data
        As in `ictal.evaluate`, but tables may lack the columns of votes. Also a folder with the test EEGs of the HMS
        competition (test.csv, test_eegs/), whose central 10 s are predicted; a folder with both test.csv and
        train.csv is one.
    submission
        Write a submission to the competition here. `data` must then be a folder of test EEGs that also contains
        sample_submission.csv, which determines columns and rows. Each row sums to one.
    recipe, cache, progress
        As in `ictal.evaluate`.

    Returns
    -------
    Predictions
        A row per window, with votes if the data set has them; `Predictions.write` saves it. Windows of which too much
        is missing are left out, with a warning; for a submission, they are an error.

    Raises
    ------
    TableError
        If the data set is invalid. For a submission, the error lists all EEGs that cannot be predicted or that only
        one of test.csv and sample_submission.csv names, and nothing is written.
    ModelError
        If a submission is asked for and the model does not know all six patterns.
    """
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    if submission is None:
        loaded = load_model(model)
        array, name = labelled_windows(loaded, data, recipe, cache, progress, with_votes=False)
        return predict_windows(loaded, array, name, progress)
    if Path(submission).suffix != ".csv":
        raise UsageError(f"{submission}: a submission is a CSV table; allowed is a name that ends in .csv")
    sample = SampleSubmission.read(Path(data))
    loaded = load_model(model)
    if unknown := unknown_patterns(loaded.patterns):
        raise ModelError(f"{model}: a submission needs all six patterns, but {unknown[0]}")
    array = _all_windows(source_of(loaded, data, recipe, cache, with_votes=False), sample, progress)
    predictions = predict_windows(loaded, array, data, progress)
    sample.write(Path(submission), predictions)
    return predictions


def _all_windows(source: DataSource, sample: SampleSubmission, progress: Progress) -> WindowArray:
    """Return the windows of all test EEGs; one error lists everything that keeps a row from being predicted."""
    dataset = replace(read_test_folder(Path(source.data)), accept_doubtful=source.settings.accept_doubtful)
    usable, of_files, of_windows = dataset.examined(source.needs, source.standardise.short)
    problems = [*sample.mismatches(dataset.files), *of_files, *of_windows]
    title = f"{source.data}: no submission can be made"
    if usable.labels.empty:
        raise_problems(title, problems)
    try:
        array = source.prepare(usable, progress)
    except (TableError, ReadError) as error:
        raise_problems(title, [*problems, *(error.problems or [str(error)])])
        raise
    limit = source.standardise.max_missing
    problems += [
        f"eeg_id {eeg}: {share:.0%} of what the model uses is missing or flat; allowed is {limit:.0%}"
        for eeg, share in zip(array.refused["eeg_id"], array.refused["missing_share"], strict=True)
    ]
    raise_problems(title, problems)
    return array
