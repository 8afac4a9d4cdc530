"""Train one arm on all windows of a data set, and save it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ictal.core.labels import VOTE_COLUMNS
from ictal.core.predictions import eeg_weights
from ictal.core.progress import Progress, silent
from ictal.data import WindowArray
from ictal.errors import RecipeError
from ictal.evaluation import PatientBootstrap, calibrate_out_of_fold, fit_calibration, kl_divergence
from ictal.evaluation.calibration import CALIBRATIONS, patient_folds
from ictal.experiments.inputs import cache_folder, check_stream, needs_context, training_needs
from ictal.experiments.run_manifest import manifest_of
from ictal.experiments.units import open_windows
from ictal.models.arm_network import ArmNetwork, MeanOfArms, averaged
from ictal.models.arms import ARMS, find_arm, members, networks_of, refuse_weighted, trained_arms
from ictal.models.checkpoint import Card, Model, Origin, load_model, predict, save_model
from ictal.models.hub import find_model
from ictal.models.model_settings import CalibrationSettings
from ictal.recipes import Recipe, load_recipe
from ictal.recipes.loading import OF_MODEL, recipe_of_model
from ictal.training.run_folder import BEGUN_WITH, RunFolder
from ictal.training.task import CHECKPOINT, Task
from ictal.training.unit import make_card, train_arm


def train(
    data: str,
    arm: str | None,
    recipe: Recipe | str,
    out: str | Path,
    cache: str | Path | None = None,
    progress: Progress = silent,
    *,
    begin_with: str | Path | None = None,
    overrides: Sequence[str] = (),
) -> Path:
    """Train one arm on all windows of a data set, or on a stream of simulated ones, and save it.

    Parameters
    ----------
    data, recipe, cache, progress
        As in `ablate`; the recipe's folds and test share play no part. With a stream, `data` is 'sim', and its
        windows are for the KL after each epoch and the recipe's calibration alone.
    arm
        For an arm that averages others, these are trained one after the other and saved as one model; so are the
        networks of several seeds. None: that of the model to begin with, or the only one that the recipe trains, or
        the average of all that it trains, or 'both'.
    out
        The model's folder. A part of the same training that it holds is not done again.
    begin_with
        Folder or name of a saved model whose weights the networks begin with. Arm, networks, their number, views and
        input are those of its card, whatever the recipe says.
    overrides
        What was set by hand in the recipe, as 'key=value'; with `begin_with`, it must not disagree with the card.

    Returns
    -------
    Path
        The folder, which holds `model.safetensors` and `card.json`.

    Raises
    ------
    RecipeError
        If the recipe cannot train the arm, has a stream and `data` is not 'sim', has a calibration and no stream, or
        disagrees with the model to begin with.
    """
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    first = load_model(begin_with) if begin_with else None
    if first:
        arm = _arm_of(first, str(begin_with), arm)
        known = {name: getattr(first.card, name) for name in OF_MODEL}
        recipe = recipe_of_model(recipe, str(begin_with), known, overrides)
    arm = arm or _arm_of_recipe(recipe)
    refuse_weighted(arm)
    parts = list(find_arm(arm).parts or (arm,)) if first else trained_arms([arm])
    if first and any(find_arm(part).fitted for part in parts):
        raise RecipeError(
            f"the model '{begin_with}' has the arm '{arm}', which is fitted to all windows at once and cannot go on "
            f"from other weights; fit it to your data alone by --arm {arm} without --from"
        )
    check_stream(data, parts, recipe)
    _check_calibration(parts, recipe)
    folder = RunFolder(Path(out))
    needs, settings = training_needs(parts, recipe), (recipe.data, recipe.standardise)
    dataset, array = open_windows(data, *settings, needs_context(arm), needs, cache_folder(cache), progress)
    everyone = np.zeros(len(array), dtype=np.int64)
    origin = None
    if first and begin_with:
        origin = Origin(name=find_model(begin_with).resolve().name, weights_sha256=first.card.weights_sha256)
    manifest = manifest_of(dataset, array, everyone, recipe) | {BEGUN_WITH: origin and origin.model_dump()}
    with folder.claim(recipe, array.fingerprints, manifest):
        trained: dict[str, ArmNetwork] = {}
        cards: dict[str, Card] = {}
        places = folder.path / "parts"
        jobs = [(part, *one) for part in parts for one in enumerate(networks_of(part, recipe.seeds))]
        for done, (part, number, name) in enumerate(jobs):
            progress("parts", done, len(jobs))
            own = recipe.of_seed(number)
            below = {} if first else {one: networks_of(one, recipe.seeds) for one in find_arm(part).branches}
            branches = {one: places / names[number % len(names)] for one, names in below.items()}
            begun = _part_of(first, name) if first else None
            trained[name] = train_arm(_task(part, array, own), array, own, places / name, progress, branches, begun)
            cards[name] = make_card(part, own, array, dataset.name).model_copy(update={BEGUN_WITH: origin})
            save_model(places / name, trained[name], cards[name])
        networks = {name: trained[name] for name in members(arm, recipe.seeds)}
        card = _card_of_mean([cards[name] for name in networks], arm, recipe)
        if recipe.calibration != "none":
            card = card.model_copy(update=_calibrate([*networks.values()], array, recipe, dataset.name))
        save_model(folder.path, averaged(networks), card)
        for name in trained:
            (places / name / CHECKPOINT).unlink(missing_ok=True)
        progress("parts", len(jobs), len(jobs))
    return folder.path


def _arm_of_recipe(recipe: Recipe) -> str:
    """Return the arm that a recipe is for: the only one that it trains, or the average of all that it trains."""
    trained = {*recipe.training}
    if len(trained) == 1:
        return trained.pop()
    return next((arm.name for arm in ARMS.values() if {*arm.parts} == trained), "both")


def _card_of_mean(cards: Sequence[Card], arm: str, recipe: Recipe) -> Card:
    """Return the card of a model of one or several networks."""
    known = {
        "data": "; ".join(dict.fromkeys(card.data for card in cards)),
        "data_fingerprint": "+".join(dict.fromkeys(card.data_fingerprint for card in cards)),
    }
    return cards[0].model_copy(update={"arm": arm, "seed": recipe.seed, "seeds": recipe.seeds, **known})


def _arm_of(model: Model, name: str, asked: str | None) -> str:
    """Return the arm of a model to begin with; another one cannot be asked for."""
    arm = model.card.arm
    if asked is not None and find_arm(asked).name != find_arm(arm).name:
        raise RecipeError(f"training begins with the model '{name}', whose arm is '{arm}', not '{asked}'")
    return arm


def _part_of(model: Model, part: str) -> ArmNetwork:
    """Return the network of a part of a model, which may be all of it."""
    network = model.network
    found = network.networks[part] if isinstance(network, MeanOfArms) else network
    assert isinstance(found, ArmNetwork)
    return found


def _task(part: str, array: WindowArray, recipe: Recipe) -> Task:
    """Return what a part is trained on: all windows, or a stream, which leaves them all to tell the KL."""
    everything = np.arange(len(array))
    told = everything if recipe.training_of(part).stream else everything[:0]
    return Task(part, part, everything, told, recipe.seed)


def _check_calibration(trained: Sequence[str], recipe: Recipe) -> None:
    if recipe.calibration == "none":
        return
    if not all(recipe.training_of(arm).stream for arm in trained):
        raise RecipeError(
            f"calibration is '{recipe.calibration}', and all windows are trained on, of which a network is surer "
            "than of others; allowed without a stream is 'none'"
        )


def _calibrate(networks: Sequence[ArmNetwork], array: WindowArray, recipe: Recipe, data: str) -> dict[str, Any]:
    """Calibrate networks on windows that they have never seen; return what the card of their mean says of it.

    All get what fits them best together. How good their mean is then, is judged on each half of the patients by a fit
    to the other half; the fit that stays is to all of them.
    """
    n, labels, options = len(networks), array.labels, recipe.evaluation
    votes, weights = labels[list(VOTE_COLUMNS)].to_numpy(), eeg_weights(labels["eeg_id"])
    patients, with_bias = labels["patient_id"].to_numpy(object), CALIBRATIONS[recipe.calibration]
    for network in networks:
        network.calibration = CalibrationSettings()
    rows, contexts = np.arange(len(array)), array.contexts
    before = np.concatenate([predict(one, array.signals, rows, contexts=contexts).probabilities for one in networks])
    known = np.tile(votes, (n, 1)), before, np.tile(weights, n)
    halves = np.tile(patient_folds(patients, 2, recipe.seed), n)
    after = calibrate_out_of_fold(*known, halves, with_bias=with_bias)
    fitted = fit_calibration(*known, with_bias=with_bias)
    calibration = CalibrationSettings(temperature=fitted.temperature, bias=tuple(fitted.bias.tolist()))
    for network in networks:
        network.calibration = calibration
    bootstrap = PatientBootstrap(patients, weights, options.n_resamples, recipe.seed, options.confidence)
    metrics: dict[str, float] = {}
    judged = {"before calibration": before, "calibrated on the other half of the patients": after}
    for when, probabilities in judged.items():
        mean = probabilities.reshape(n, *votes.shape).mean(axis=0)
        kl, title = bootstrap.mean(kl_divergence(votes, mean)), f"KL on {data}, {when}"
        metrics |= {title: kl.value, f"{title}, {kl.confidence:.0%} from": kl.low, f"{title}, to": kl.high}
    return {"models": recipe.models.model_copy(update={"calibration": calibration}), "metrics": metrics}
