"""Calibrate a saved model on labelled windows, and save it as a new model."""

import math
import shutil
from pathlib import Path

from ictal import __version__
from ictal.core.atomic_files import atomic_write, write_json
from ictal.core.progress import Progress, silent
from ictal.data import WindowArray
from ictal.errors import RunError
from ictal.evaluation.calibration_trial import CalibrationTrial, check_patients, try_calibration
from ictal.evaluation.evaluate import bootstrap_of
from ictal.experiments.model_evaluation import labelled_windows, predict_windows
from ictal.experiments.network_calibration import as_settings
from ictal.models.calibration_record import CalibrationRecord
from ictal.models.checkpoint import Card, load_model
from ictal.models.external_contract import ExternalContract
from ictal.models.hub import CARD, find_model, weights_file
from ictal.models.hub_fetch import hub_name
from ictal.recipes import Recipe, load_recipe


def calibrate_model(
    model: str | Path,
    data: str,
    out: str | Path = "models/calibrated",
    recipe: Recipe | str = "quick",
    cache: str | Path | None = None,
    progress: Progress = silent,
) -> CalibrationTrial:
    """Fit a temperature, and biases of the patterns if they help, to a model's predictions; save it as a new model.

    Whether there are biases, and how strongly they are penalised, is chosen by cross-validation by patient. Nested
    cross-validation repeats this choice on each part of the patients, so its KL divergence is that of patients that
    neither the choice nor the fit has seen. The calibration that is saved is fitted to all windows. It applies to the
    probabilities that the model gives now: for a mean of several networks, to their mean; for a model that was
    calibrated before, after its earlier calibration.

    Parameters
    ----------
    model
        Name of a model, or a folder with `model.safetensors` and `card.json`. It is not changed.
    data
        Labelled windows of at least 20 patients, as in `ictal.evaluate`. Use windows that the model was not trained
        on: it is more confident on those that it was trained on.
    out
        Folder for the new model, which has the same weights; it must be new or empty.
    recipe, cache, progress
        As in `ictal.evaluate`.

    Returns
    -------
    CalibrationTrial
        What was fitted, and what it changes on other patients. The model is saved whatever the verdict is.

    Raises
    ------
    TableError
        If there are too few patients.
    RunError
        If `out` is not a new or empty folder.
    """
    recipe, out = load_recipe(recipe) if isinstance(recipe, str) else recipe, Path(out)
    if out.exists() and (not out.is_dir() or any(out.glob("[!.]*"))):
        raise RunError(f"{out}: is not an empty folder; choose a new or empty folder with --out")
    folder = find_model(model)
    loaded = load_model(folder)
    array, name = labelled_windows(loaded, data, recipe, cache, progress)
    check_patients(array.labels["patient_id"].nunique())
    predictions = predict_windows(loaded, array, name, progress)
    options = recipe.evaluation
    bootstrap = bootstrap_of(predictions, options.n_resamples, recipe.seed, options.confidence)
    trial = try_calibration(bootstrap, predictions.votes, predictions.probabilities)
    record = _record(hub_name(folder) or folder.resolve().name, name, array, trial)
    save_with_card(folder, out, _calibrated_card(loaded.card, trial, record))
    return trial


def _record(model: str, data: str, array: WindowArray, trial: CalibrationTrial) -> CalibrationRecord:
    """Return what the new card says about the calibration."""
    after, difference = trial.after, trial.difference
    return CalibrationRecord(
        model=model,
        data=data,
        data_fingerprint=array.fingerprints,
        n_windows=trial.n_windows,
        n_patients=trial.n_patients,
        penalty=trial.penalty if math.isfinite(trial.penalty) else None,
        kl_before=trial.before.value,
        kl=after.value,
        kl_interval=(after.low, after.high) if after.interval else None,
        difference=difference.value,
        difference_interval=(difference.low, difference.high) if difference.interval else None,
        confidence=after.confidence,
        ictal_version=__version__,
    )


def _calibrated_card(
    card: Card | ExternalContract, trial: CalibrationTrial, record: CalibrationRecord
) -> Card | ExternalContract:
    """Return the card of the calibrated model; the figures on the old card are not those of the new model."""
    update = {
        "calibration": card.calibration.then(as_settings(trial.calibration)),
        "calibrations": (*card.calibrations, record),
        "metrics": {},
    }
    return card.model_copy(update=update)


def save_with_card(model: Path, out: Path, card: Card | ExternalContract) -> None:
    """Write the weights of a saved model into another folder with another card, the card last."""
    weights = weights_file(model)
    with atomic_write(out / weights.name) as part:
        shutil.copyfile(weights, part)
    if isinstance(card, ExternalContract):
        card.write(out)
    else:
        write_json(out / CARD, card.model_dump(mode="json"))
