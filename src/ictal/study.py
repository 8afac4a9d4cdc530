"""The main job from end to end: data, units, tables, report; and its smaller sisters, train and evaluate."""

import json
import os
import platform
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from ictal import __version__
from ictal.cluster import Cluster
from ictal.data import TEST, Dataset, WindowArray, check_folds, open_dataset
from ictal.data.array import default_cache
from ictal.errors import RecipeError, RunError, TableError, listed
from ictal.evaluation import (
    Comparison,
    Evaluation,
    LearningCurve,
    PatientBootstrap,
    calibrate_out_of_fold,
    compare_arms,
    evaluate,
    fit_calibration,
    kl_divergence,
)
from ictal.evaluation.calibration import CALIBRATIONS, patient_folds
from ictal.evaluation.ensemble import weighted_mean
from ictal.evaluation.explain import Explanation, MethodName, explain
from ictal.excerpts import excerpts
from ictal.files import whole_file, write_json, write_text
from ictal.labels import PANELS, PATTERNS, STRATA, TRUE_COLUMNS, VOTE_COLUMNS, panels, pattern_counts, strata
from ictal.models import load_model, save_model
from ictal.models.arms import (
    ARMS,
    ArmNetwork,
    CalibrationSettings,
    MeanOfArms,
    averaged,
    find_arm,
    members,
    networks_of,
    refuse_weighted,
    trained_arms,
    weighted_averages,
)
from ictal.models.needs import needs_of, needs_of_arms
from ictal.models.weights import Card, Model, Origin, device, predict
from ictal.montage import Derivation
from ictal.needs import Needs
from ictal.predictions import ID_COLUMNS, PROBABILITY_COLUMNS, Predictions, concatenate, eeg_weights, mean_of
from ictal.progress import Progress, silent
from ictal.report.html import Report, render
from ictal.shipped import find_model
from ictal.simulate import CONTROLS
from ictal.standardise import stretches
from ictal.study_curve import curve_arms, curve_of, curve_units
from ictal.study_units import (
    UnitData,
    UnitDone,
    folds_of,
    limited_threads,
    open_windows,
    run_units_here,
    run_units_on,
)
from ictal.training import Recipe, RunFolder, Unit, load_recipe
from ictal.training.augment import AugmentSettings
from ictal.training.loop import CHECKPOINT, HISTORY, Task
from ictal.training.recipe import OF_MODEL, recipe_of_model, to_yaml
from ictal.training.units import BEGUN_WITH, MANIFEST, PREDICTIONS, make_card, train_arm
from ictal.windows import BEFORE_S
from ictal.wiring import lost_derivations

DEFAULT_ARMS = ("temporal", "spatial", "both", "features")
"""Arms that are compared unless others are named; of these, the last only where the recipe says how to fit it."""
JOINT = {"fusion": "both", "fusion-finetuned": "both"}
"""Arms that are trained jointly, and the average of the same networks."""
PACKAGES = ("torch", "torchvision", "timm", "lightning", "mne", "numpy", "scipy", "pandas", "pyarrow")


@dataclass(frozen=True)
class Ablation:
    """A finished ablation.

    Attributes
    ----------
    folder
        Of the run: `predictions.parquet`, `ablation.csv`, `report.html`, `manifest.json`, `units/`.
    comparison
        The tables.
    manifest
        What made them.
    controls
        The tables of the simulator's controls, by their name, where they were asked for.
    learning_curve
        KL against the number of training patients, where it was asked for.
    """

    folder: Path
    comparison: Comparison
    manifest: dict[str, Any]
    controls: dict[str, Comparison] = field(default_factory=dict)
    learning_curve: LearningCurve | None = None

    def to_frame(self) -> pd.DataFrame:
        """Return the table of arms and baselines, a row each."""
        return arms_frame(self.comparison)

    def to_json(self) -> dict[str, Any]:
        """Return everything that was measured, and what made it."""
        controls = {name: control.to_json() for name, control in self.controls.items()}
        curve = self.learning_curve.to_json() if self.learning_curve else None
        return self.comparison.to_json() | {
            "controls": controls,
            "learning_curve": curve,
            "folder": str(self.folder),
            "manifest": self.manifest,
        }


def ablate(
    data: str = "sim",
    recipe: Recipe | str = "quick",
    arms: Sequence[str] | None = None,
    out: str | Path = "runs/ablation",
    cache: str | Path | None = None,
    progress: Progress = silent,
    *,
    augmentations: bool = False,
    controls: bool = False,
    learning_curve: Sequence[str] = (),
    cluster: Cluster | None = None,
    threads: int | None = None,
) -> Ablation:
    """Train the arms on every fold and compare the trained networks, with intervals.

    A verdict about arms, and not about these networks alone, needs a recipe of three seeds or more.

    Parameters
    ----------
    data
        'sim', a folder in HMS layout, or a manifest CSV.
    recipe
        A recipe, its name, or the path of its YAML file.
    arms
        Names of arms, or 'all'; None for `DEFAULT_ARMS`. Reports compare them with 'both' if it is among them, else
        with the last.
    out
        The run folder. Where it holds a part of the same run, that is not done again.
    cache
        Where the array of windows is kept; None for the user's cache folder.
    progress
        Told about recordings, units and batches.
    augmentations
        Train one arm, and the same with each augmentation added (or left out, where the recipe has it); all are
        compared with the arm as it is.
    controls
        Train the arms that look at no context on the simulator's four controls as well, where it is known what can be
        seen: a check of networks and statistics, which takes four times as long again. Size and folds are those of
        the recipe.
    learning_curve
        Arms that are trained on an eighth, a quarter and half of the training patients as well, three times each.
    cluster
        Where the units are trained, side by side; None: one after the other in this process. In a script, call this
        below ``if __name__ == "__main__":``, since workers import the script.
    threads
        Of the processor, per unit; None: all of them, and one with a cluster. With the same number, and processors of
        one kind, the table is the same wherever the units were trained.

    Returns
    -------
    Ablation
        The tables; the same, and a report, are in the folder.

    Raises
    ------
    IctalError
        For data, recipe or folder that cannot be used, before any training starts.
    """
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    if not isinstance(recipe.seeds, int):
        raise RecipeError(
            f"seeds is {recipe.seeds}, and an ablation compares arms on the same seeds; allowed is one number for all"
        )
    if arms is None:
        arms = [arm for arm in DEFAULT_ARMS if not find_arm(arm).fitted or arm in recipe.training]
    arms = _chosen(arms, data, recipe, augmentations=augmentations)
    trained = trained_arms(arms)
    of_curve = curve_arms(learning_curve, trained)
    _check_stream(data, trained, recipe)
    able = [arm for arm in arms if not _needs_context(arm)]
    if controls and not able:
        raise RunError(f"controls have no context, which all of {', '.join(arms)} look at; name other arms as well")
    for name in CONTROLS if controls else ():
        outline = open_dataset(f"sim:{name}", recipe.data).outline
        check_folds(outline, recipe.data.folds, recipe.data.test_share)
    with_context = len(able) < len(arms)
    folder, kept_in = RunFolder(Path(out)), _place(cache)
    needs, settings = _needs_of(trained, recipe), (recipe.data, recipe.standardise)
    dataset, array = open_windows(data, *settings, with_context, needs, kept_in, progress, folded=True)
    folds = folds_of(array, recipe)
    threads = threads or (1 if cluster else torch.get_num_threads())
    manifest = _manifest(dataset, array, folds, recipe, threads)
    with folder.claim(recipe, array.fingerprints, manifest), limited_threads(threads):
        units = [
            Unit(arm, fold, recipe.seed + number)
            for number in range(recipe.seeds)
            for fold in range(recipe.data.folds)
            for arm in trained
        ]
        everything = [*units, *curve_units(of_curve, array, folds, recipe)]
        if cluster:
            known = UnitData(
                _everywhere(data),
                to_yaml(recipe),
                kept_in.absolute(),
                with_context,
                needs,
                array.fingerprints,
                dataset.name,
                folder.path.absolute(),
                threads,
            )
            running = run_units_on(cluster, everything, known, progress)
        else:
            running = run_units_here(everything, array, folds, recipe, folder, dataset.name, progress)
        manifest = _kept_manifest(running, folder)
        predictions, ensembles = _collect(units, arms, folder)
        predictions.write(folder.path / PREDICTIONS)
        comparison = _compare(predictions, arms, array, recipe, arms[0] if augmentations else None, ensembles)
        curve = curve_of(of_curve, everything, folder, array, folds, recipe) if of_curve else None
        result = Ablation(folder.path, comparison, manifest, learning_curve=curve)
        _write(result, recipe, units, folder)
        if controls:
            checked = _controls(recipe, able, folder.path / "controls", cache, progress, cluster, threads)
            result = replace(result, controls=checked)
            _write(result, recipe, units, folder)
    return result


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
    _check_stream(data, parts, recipe)
    _check_calibration(parts, recipe)
    folder = RunFolder(Path(out))
    needs, settings = _needs_of(parts, recipe), (recipe.data, recipe.standardise)
    dataset, array = open_windows(data, *settings, _needs_context(arm), needs, _place(cache), progress)
    everyone = np.zeros(len(array), dtype=np.int64)
    origin = None
    if first and begin_with:
        origin = Origin(name=find_model(begin_with).resolve().name, weights_sha256=first.card.weights_sha256)
    manifest = _manifest(dataset, array, everyone, recipe) | {BEGUN_WITH: origin and origin.model_dump()}
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


def _check_stream(data: str, trained: Sequence[str], recipe: Recipe) -> None:
    """Refuse what the recipe does not say how to train, and a stream for data that it would never show."""
    for arm in trained:
        if recipe.training_of(arm).stream and data != "sim":
            raise RecipeError(
                f"recipe '{recipe.name}' trains '{arm}' on a stream of simulated windows, so that '{data}' would "
                "never be trained on; allowed is 'sim', or another recipe ('finetune' goes on from a trained model)"
            )


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
    dataset, array = open_windows(data, *settings, loaded.network.sees_context, needs, _place(cache), progress)
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


def _write(result: Ablation, recipe: Recipe, units: Sequence[Unit], folder: RunFolder) -> None:
    """Write tables and report."""
    with whole_file(folder.path / "ablation.csv") as part:
        result.to_frame().to_csv(part, index=False)
    write_json(folder.path / "ablation.json", result.to_json())
    if result.learning_curve:
        with whole_file(folder.path / "learning_curve.csv") as part:
            result.learning_curve.to_frame().to_csv(part, index=False)
    comparison = result.comparison
    summaries = {arm.name: find_arm(arm.name).summary for arm in comparison.arms}
    settings, histories = recipe.model_dump(mode="json"), _histories(units, folder)
    more = result.controls, result.learning_curve
    report = Report(comparison, result.manifest, settings, summaries, histories, *more)
    write_text(folder.path / "report.html", render(report))


def _controls(
    recipe: Recipe,
    arms: Sequence[str],
    folder: Path,
    cache: str | Path | None,
    progress: Progress,
    cluster: Cluster | None,
    threads: int,
) -> dict[str, Comparison]:
    """Run the same arms on each control, in a folder of its own."""
    found = {}
    for done, name in enumerate(CONTROLS):
        progress("controls", done, len(CONTROLS))
        run = ablate(f"sim:{name}", recipe, arms, folder / name, cache, progress, cluster=cluster, threads=threads)
        found[name] = run.comparison
    progress("controls", len(CONTROLS), len(CONTROLS))
    return found


def _chosen(arms: Sequence[str], data: str, recipe: Recipe, *, augmentations: bool) -> list[str]:
    """Return the names of the arms that are asked for, each once; of a control, 'all' are those without context."""
    everything = [*ARMS, *weighted_averages()]
    if data.startswith("sim:"):
        everything = [name for name in everything if not _needs_context(name)]
    names = everything if list(arms) == ["all"] else [find_arm(arm).name for arm in arms]
    names = list(dict.fromkeys(names))
    if not augmentations:
        return names
    if len(names) != 1 or find_arm(names[0]).trained != (names[0],) or find_arm(names[0]).fitted:
        raise RunError(
            f"augmentations are compared for one network that is trained by itself, and {', '.join(names)} were named"
        )
    return [names[0], *recipe.variants_of(names[0])]


def _needs_of(arms: Sequence[str], recipe: Recipe) -> Needs:
    """Return what arms must be given: where electrodes are swapped in training, voltages between any two of them."""
    needs = needs_of_arms(arms, recipe.models)
    changes = [getattr(recipe.training_of(arm), "augment", AugmentSettings()) for arm in arms]
    swapped = any(augment.swap_neighbours or augment.swap_any for augment in changes)
    return replace(needs, derivations=None) if swapped else needs


def _needs_context(arm: str) -> bool:
    return any(find_arm(part).sees_context for part in trained_arms([arm]))


def _compare(
    predictions: Predictions,
    arms: Sequence[str],
    array: WindowArray,
    recipe: Recipe,
    reference: str | None,
    ensembles: dict[str, dict[str, list[float]]],
) -> Comparison:
    options = recipe.evaluation
    return compare_arms(
        predictions,
        reference or ("both" if "both" in arms else arms[-1]),
        options.n_resamples,
        recipe.seed,
        options.confidence,
        truth=array.labels.set_index("window_id") if TRUE_COLUMNS[0] in array.labels else None,
        averages={arm: ARMS[arm].parts for arm in arms if arm in ARMS and ARMS[arm].parts},
        joint={arm: average for arm, average in JOINT.items() if {arm, average} <= {*arms}},
        ensembles=ensembles,
        all_pairs=reference is None,
    )


def explain_window(
    model: str | Path,
    data: str,
    window_id: str,
    pattern: str | None = None,
    methods: Sequence[MethodName] | None = None,
    recipe: Recipe | str = "quick",
) -> Explanation:
    """Say what in one window of a data set speaks for a pattern.

    Parameters
    ----------
    model
        A folder with `model.safetensors` and `card.json`.
    data, recipe
        As in `evaluate_model`.
    window_id
        Of the data set's labels.
    pattern, methods
        See `ictal.evaluation.explain.explain`.

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
    """Return a model, a window, which of its samples the recording lacks, and derivations that it cannot form."""
    recipe = load_recipe(recipe) if isinstance(recipe, str) else recipe
    loaded = load_model(model)
    loaded.network.to(device(recipe.trainer.accelerator))
    settings = loaded.card.standardise
    needs = replace(needs_of(loaded.network), interpolate=recipe.data.interpolate)
    dataset = open_dataset(data, recipe.data, needs=needs, short=settings.short)
    if data.startswith("sim") and loaded.card.data.startswith("sim") and dataset.name != loaded.card.data:
        warnings.warn(
            f"the model was trained on {loaded.card.data}; this is {dataset.name}, whose EEGs are others",
            stacklevel=4,
        )
    rows = dataset.outline[dataset.outline["window_id"] == window_id]
    if rows.empty:
        known = listed(dataset.outline["window_id"])
        raise TableError(f"{dataset.name}: there is no window '{window_id}'; it has {known}")
    eeg_id, start_s = rows[["eeg_id", "start_s"]].iloc[0]
    recording, geometry = dataset.recording(eeg_id), needs.geometry(settings.short)
    runs = list(stretches(recording, needs.wire(recording), settings.fill))
    place = geometry.place(runs, start_s + BEFORE_S)
    if place is None:
        raise TableError(f"{dataset.name}: window '{window_id}': {geometry.why_not(runs, start_s + BEFORE_S)}")
    excerpt = next(excerpts(runs, [place], geometry, settings))
    return loaded, excerpt.window, excerpt.unrecorded, lost_derivations(runs[0].wiring)


def arms_frame(comparison: Comparison) -> pd.DataFrame:
    """Return the table of arms, baselines and floor: KL of cross-validation and test, and their difference."""
    rows = []
    ways = {(way.arm, way.split): way.estimate for way in comparison.ways}
    for arm in comparison.rows:
        row: dict[str, Any] = {"arm": arm.name}
        figures = [("cv_kl", arm.cv), ("test_kl", arm.test), ("test_minus_cv", arm.difference)]
        if ways:
            figures += [(f"{split}_way_to_floor", ways.get((arm.name, split))) for split in ("cv", "test")]
        for name, estimate in figures:
            values = (estimate.value, estimate.low, estimate.high) if estimate else (np.nan,) * 3
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def _collect(
    units: Sequence[Unit], arms: Sequence[str], folder: RunFolder
) -> tuple[Predictions, dict[str, dict[str, list[float]]]]:
    """Return the predictions of all arms, and the weights of those that are weighted averages."""
    trained = {}
    for arm in dict.fromkeys(unit.arm for unit in units):
        trained[arm] = concatenate([folder.predictions(unit) for unit in units if unit.arm == arm])
    tables, ensembles = [], {}
    for arm in arms:
        parts = [trained[part] for part in find_arm(arm).parts]
        if find_arm(arm).weighted:
            table, ensembles[arm] = weighted_mean(parts, arm)
        else:
            table = mean_of(parts, arm) if parts else trained[arm]
        tables.append(table)
    return concatenate(tables), ensembles


def _histories(units: Sequence[Unit], folder: RunFolder) -> dict[str, pd.DataFrame]:
    """Return the history of each unit that was trained in epochs."""
    return {unit.name: pd.read_csv(folder.unit(unit) / HISTORY) for unit in units if not find_arm(unit.arm).fitted}


def _place(cache: str | Path | None) -> Path:
    return Path(cache) if cache else default_cache()


def _everywhere(data: str) -> str:
    """Return DATA as a worker elsewhere can name it."""
    return str(Path(data).absolute()) if Path(data).exists() else data


def _kept_manifest(running: Iterable[UnitDone], folder: RunFolder) -> dict[str, Any]:
    """Write down seconds and warnings of each unit as it ends; return the manifest of the folder."""
    manifest: dict[str, Any] = json.loads((folder.path / MANIFEST).read_text(encoding="utf-8"))
    for done in running:
        if done.seconds:
            manifest["seconds"][done.unit.name] = round(done.seconds, 1)
        manifest["warnings"] = sorted({*manifest["warnings"], *done.warnings})
        write_json(folder.path / MANIFEST, manifest)
    return manifest


def _manifest(
    dataset: Dataset, array: WindowArray, folds: npt.NDArray[np.int64], recipe: Recipe, threads: int | None = None
) -> dict[str, Any]:
    labels = array.labels
    votes = labels[list(VOTE_COLUMNS)].to_numpy()
    in_test = folds == TEST
    return {
        "ictal_version": __version__,
        "recipe": recipe.name,
        "seed": recipe.seed,
        "data": dataset.name,
        "data_fingerprint": array.fingerprints,
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "processors": os.cpu_count(),
            "threads": threads or torch.get_num_threads(),
            "gpus": torch.cuda.device_count(),
        },
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "windows": {
            "used": len(labels),
            "refused": len(array.refused),
            "refused_because": f"more than {recipe.standardise.max_missing:.0%} of the samples missing or flat",
            "refused_ids": array.refused["window_id"].tolist()[:100],
            "with_missing_samples": int((labels["missing_share"] > 0).sum()),
            "with_flat_electrodes": int((labels["flat_electrodes"] > 0).sum()),
            "partly_made_up": int((labels["made_up_share"] > 0).sum()),
            "filled_by": recipe.standardise.fill,
            "made_up_by": recipe.standardise.short,
        },
        "eegs": int(labels["eeg_id"].nunique()),
        "patients": int(labels["patient_id"].nunique()),
        "test_patients": int(labels.loc[in_test, "patient_id"].nunique()),
        "patients_per_fold": [
            int(labels.loc[folds == fold, "patient_id"].nunique()) for fold in sorted(set(folds[~in_test].tolist()))
        ],
        "windows_per_pattern": dict(zip(PATTERNS, pattern_counts(votes), strict=True)),
        "windows_per_stratum": {
            **{name: Counter(strata(votes).tolist())[name] for name in STRATA},
            **{name: Counter(panels(votes).tolist())[name] for name in PANELS},
        },
        "seconds": {},
        "warnings": [],
    }
