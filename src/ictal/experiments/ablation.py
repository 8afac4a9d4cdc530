"""The main job from end to end: data, units, tables, report; and its smaller sisters, train and evaluate."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from ictal.core.atomic_files import atomic_write, write_json, write_text
from ictal.core.labels import TRUE_COLUMNS
from ictal.core.predictions import Predictions, concatenate, mean_of
from ictal.core.progress import Progress, silent
from ictal.data import WindowArray, check_folds, open_dataset
from ictal.distributed import Cluster
from ictal.errors import RecipeError, RunError
from ictal.evaluation import Comparison, LearningCurve, compare_arms
from ictal.evaluation.ensemble import weighted_mean
from ictal.experiments.inputs import absolute_data, cache_folder, check_stream, needs_context, training_needs
from ictal.experiments.learning_curve import curve_arms, curve_of, curve_units
from ictal.experiments.run_manifest import keep_manifest, manifest_of
from ictal.experiments.units import UnitData, folds_of, limited_threads, open_windows, run_units_here, run_units_on
from ictal.models.arms import ARMS, find_arm, trained_arms, weighted_averages
from ictal.recipes import Recipe, load_recipe
from ictal.recipes.loading import to_yaml
from ictal.report.ablation_report import Report, render
from ictal.simulator import CONTROLS
from ictal.training.run_folder import PREDICTIONS, RunFolder, Unit
from ictal.training.task import HISTORY

DEFAULT_ARMS = ("temporal", "spatial", "both", "features")
"""Arms that are compared unless others are named; of these, the last only where the recipe says how to fit it."""
JOINT = {"fusion": "both", "fusion-finetuned": "both"}
"""Arms that are trained jointly, and the average of the same networks."""


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
    check_stream(data, trained, recipe)
    able = [arm for arm in arms if not needs_context(arm)]
    if controls and not able:
        raise RunError(f"controls have no context, which all of {', '.join(arms)} look at; name other arms as well")
    for name in CONTROLS if controls else ():
        outline = open_dataset(f"sim:{name}", recipe.data).outline
        check_folds(outline, recipe.data.folds, recipe.data.test_share)
    with_context = len(able) < len(arms)
    folder, kept_in = RunFolder(Path(out)), cache_folder(cache)
    needs, settings = training_needs(trained, recipe), (recipe.data, recipe.standardise)
    dataset, array = open_windows(data, *settings, with_context, needs, kept_in, progress, folded=True)
    folds = folds_of(array, recipe)
    threads = threads or (1 if cluster else torch.get_num_threads())
    manifest = manifest_of(dataset, array, folds, recipe, threads)
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
                absolute_data(data),
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
        manifest = keep_manifest(running, folder)
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


def _write(result: Ablation, recipe: Recipe, units: Sequence[Unit], folder: RunFolder) -> None:
    """Write tables and report."""
    with atomic_write(folder.path / "ablation.csv") as part:
        result.to_frame().to_csv(part, index=False)
    write_json(folder.path / "ablation.json", result.to_json())
    if result.learning_curve:
        with atomic_write(folder.path / "learning_curve.csv") as part:
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
        everything = [name for name in everything if not needs_context(name)]
    names = everything if list(arms) == ["all"] else [find_arm(arm).name for arm in arms]
    names = list(dict.fromkeys(names))
    if not augmentations:
        return names
    if len(names) != 1 or find_arm(names[0]).trained != (names[0],) or find_arm(names[0]).fitted:
        raise RunError(
            f"augmentations are compared for one network that is trained by itself, and {', '.join(names)} were named"
        )
    return [names[0], *recipe.variants_of(names[0])]


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
