"""Train one arm on all windows of a data set, and save it as a model."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ictal.core.progress import Progress, silent
from ictal.core.settings import Settings
from ictal.data import WindowArray
from ictal.errors import IctalError, RecipeError
from ictal.experiments.data_source import DataSource, check_stream
from ictal.experiments.network_calibration import calibrate, check_calibration
from ictal.experiments.run_manifest import new_manifest
from ictal.models.arm_network import ArmNetwork, MeanOfArms, averaged
from ictal.models.arms import ARMS, file_name, find_arm, members, networks_of, refuse_weighted, trained_arms
from ictal.models.checkpoint import Card, Origin, load_model, save_model
from ictal.models.hub import find_model
from ictal.models.hub_fetch import hub_name
from ictal.models.network_check import check_own_arms
from ictal.recipes import Recipe, load_recipe
from ictal.recipes.loading import MODEL_KEYS, recipe_of_model
from ictal.scoring.export import export_model
from ictal.training.run_folder import BEGUN_WITH, RunFolder
from ictal.training.task import CHECKPOINT, Task
from ictal.training.unit import InitialWeights, RunSetup, make_card, train_arm


class ExportWarning(UserWarning):
    """A trained model could not be exported as ONNX, which is tried again when it first scores."""


class TrainSettings(Settings):
    """Options of `train`.

    Attributes
    ----------
    begin_with
        Folder or name of a saved model whose weights the networks start from. Arm, networks, their number, views and
        input are those of its card, not of the recipe. A calibration by `ictal calibrate` is left out: training on
        votes adapts the confidence, too. If the new model still needs a calibration, calibrate it again.
    overrides
        Overrides that the recipe contains, as 'key=value'; with `begin_with`, it must agree with the card.
    cache
        Folder of the prepared windows; None for the user's cache folder.
    """

    begin_with: str | Path | None = None
    overrides: tuple[str, ...] = ()
    cache: Path | None = None


def train(
    data: str,
    arm: str | None = None,
    recipe: Recipe | str | None = None,
    out: str | Path = "models/model",
    settings: TrainSettings | None = None,
    *,
    progress: Progress = silent,
    **changes: Any,
) -> Path:
    """Train one arm on all windows of a data set, or on a stream of simulated ones, and save it.

    Parameters
    ----------
    data
        As in `ablate`; 'sim' with a stream. Its windows then serve only the KL after each epoch and the calibration.
    arm
        An average trains its parts one after the other and saves them as one model, and so does a recipe with several
        seeds. None: the arm of the model to begin with, else the only arm that the recipe trains, the average of all
        that it trains, or 'both'.
    recipe
        As in `ablate`; folds and test share are not used. None: 'finetune' with a model to begin with, else 'quick'.
    out
        The model's folder. If it contains part of the same training, the training is resumed.
    settings
        Options: the model to begin with, and the cache.
    progress
        Called with recordings, networks and batches.
    **changes
        Single fields of `settings`, for example ``begin_with="default"``.

    Returns
    -------
    Path
        The folder, which contains `model.safetensors` and `card.json`. The model's export is in the user's cache.

    Raises
    ------
    RecipeError
        If the recipe cannot train the arm, has a stream and `data` is not 'sim', has a calibration and no stream, or
        disagrees with the model to begin with.
    """
    settings = (settings or TrainSettings()).changed(changes)
    recipe = recipe or ("finetune" if settings.begin_with else "quick")
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    plan = _plan_from_model(arm, recipe, settings) if settings.begin_with else _plan_from_recipe(arm, recipe)
    _check(data, plan)
    source = DataSource.for_arms(data, plan.parts, plan.recipe, settings.cache)
    dataset = source.open()
    array = source.prepare(dataset, progress)
    setup = RunSetup(array, np.zeros(len(array), np.int64), plan.recipe, RunFolder(Path(out)), dataset.name)
    manifest = new_manifest(setup, plan.parts) | {BEGUN_WITH: plan.origin and plan.origin.model_dump()}
    with setup.folder.claim(plan.recipe, manifest):
        trained = _train_networks(plan, setup, progress)
        _save_mean(plan, trained, setup)
        for name in trained:
            (_place(setup, name) / CHECKPOINT).unlink(missing_ok=True)
        progress("parts", len(trained), len(trained))
    return _exported(setup.folder.path)


@dataclass(frozen=True)
class _Plan:
    """What is trained.

    Attributes
    ----------
    arm
        The arm of the model.
    parts
        The arms whose networks are trained.
    recipe
        How networks are trained.
    begin, origin
        The network to begin with and the entry of its model in cards, or None.
    """

    arm: str
    parts: tuple[str, ...]
    recipe: Recipe
    begin: ArmNetwork | MeanOfArms | None = None
    origin: Origin | None = None

    @property
    def networks(self) -> list["_Network"]:
        """The networks to train, in order."""
        return [
            _Network(name, part, number)
            for part in self.parts
            for number, name in enumerate(networks_of(part, self.recipe.seeds))
        ]

    def initial_weights(self, network: "_Network", setup: RunSetup) -> InitialWeights:
        """Return the weights with which a network begins: those of the model, or of branches trained before."""
        if whole := self.begin:
            own = whole.networks[network.name] if isinstance(whole, MeanOfArms) else whole
            assert isinstance(own, ArmNetwork)
            return InitialWeights(own)
        names = {arm: networks_of(arm, self.recipe.seeds) for arm in find_arm(network.arm).branches}
        branches = {arm: _place(setup, own[network.number % len(own)]) for arm, own in names.items()}
        return InitialWeights(branches=branches)


@dataclass(frozen=True)
class _Network:
    """One of the networks of a model: its name, its arm, and its number among the arm's seeds."""

    name: str
    arm: str
    number: int


def _plan_from_recipe(arm: str | None, recipe: Recipe) -> _Plan:
    """Plan a training from random weights; by default of the arm that the recipe is for."""
    if arm is None:
        trained = {*recipe.training}
        averages = (average.name for average in ARMS.values() if {*average.parts} == trained)
        arm = next(iter(trained)) if len(trained) == 1 else next(averages, "both")
    refuse_weighted(arm)
    parts = trained_arms([arm])
    return _Plan(arm, tuple(parts), recipe.with_own_arms(parts))


def _plan_from_model(arm: str | None, recipe: Recipe, settings: TrainSettings) -> _Plan:
    """Plan a training that begins with a saved model, which determines arm and networks."""
    assert settings.begin_with
    folder, name = find_model(settings.begin_with), str(settings.begin_with)
    model = load_model(folder)
    begin, own = model.own, model.card.arm
    if arm is not None and find_arm(arm).name != find_arm(own).name:
        raise RecipeError(f"training starts from the model '{name}', whose arm is '{own}', not '{arm}'")
    known = {key: getattr(model.card, key) for key in MODEL_KEYS}
    recipe = recipe_of_model(recipe, name, known, settings.overrides)
    refuse_weighted(own)
    parts = find_arm(own).parts or (own,)
    if any(find_arm(part).fitted for part in parts):
        raise RecipeError(
            f"the model '{name}' has the arm '{own}', which is fitted to all windows at once and cannot start from "
            f"other weights; fit it to your data alone with --arm {own} and without --from"
        )
    origin = Origin(name=hub_name(folder) or folder.resolve().name, weights_sha256=model.card.weights_sha256)
    return _Plan(own, parts, recipe.with_own_arms(parts), begin, origin)


def _check(data: str, plan: _Plan) -> None:
    """Refuse a training that cannot be, before any EEG of the data set is read."""
    check_stream(data, plan.parts, plan.recipe)
    check_calibration(plan.parts, plan.recipe)
    check_own_arms(plan.parts, plan.recipe.models, plan.recipe.standardise)


def _place(setup: RunSetup, network: str) -> Path:
    """Return the folder of one network of a model."""
    return setup.folder.path / "parts" / file_name(network)


def _train_networks(plan: _Plan, setup: RunSetup, progress: Progress) -> dict[str, tuple[ArmNetwork, Card]]:
    """Train and save each network of a model."""
    trained = {}
    for done, one in enumerate(plan.networks):
        progress("parts", done, len(plan.networks))
        recipe, place = plan.recipe.of_seed(one.number), _place(setup, one.name)
        task, initial = _task(one.arm, setup.array, recipe), plan.initial_weights(one, setup)
        network = train_arm(task, setup.array, recipe, place, progress, initial)
        card = make_card(one.arm, recipe, setup.array, setup.data).model_copy(update={BEGUN_WITH: plan.origin})
        save_model(place, network, card)
        trained[one.name] = network, card
    return trained


def _task(arm: str, array: WindowArray, recipe: Recipe) -> Task:
    """Return the task of training on all windows, or on a stream; then all windows are for validation."""
    rows = np.arange(len(array))
    return Task(arm, arm, rows, rows if recipe.training_of(arm).only_streams else rows[:0], recipe.seed)


def _save_mean(plan: _Plan, trained: dict[str, tuple[ArmNetwork, Card]], setup: RunSetup) -> None:
    """Save the mean of the trained networks, calibrated if the recipe says so."""
    recipe = plan.recipe
    chosen = {name: trained[name] for name in members(plan.arm, recipe.seeds)}
    networks, cards = {name: one for name, (one, _) in chosen.items()}, [card for _, card in chosen.values()]
    known = {
        "arm": plan.arm,
        "seed": recipe.seed,
        "seeds": recipe.seeds,
        "data": "; ".join(dict.fromkeys(card.data for card in cards)),
        "data_fingerprint": "+".join(dict.fromkeys(card.data_fingerprint for card in cards)),
    }
    if recipe.calibration != "none":
        known |= calibrate([*networks.values()], setup)
    save_model(setup.folder.path, averaged(networks), cards[0].model_copy(update=known))


def _exported(model: Path) -> Path:
    """Export a model, so that it scores at once on this machine. A failure is only a warning."""
    try:
        export_model(model)
    except IctalError as error:
        warnings.warn(f"the model is saved, but was not exported: {error}", ExportWarning, stacklevel=3)
    return model
