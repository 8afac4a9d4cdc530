"""The ablation from end to end: data, units, tables, report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ictal.core.atomic_files import atomic_write, write_json, write_text
from ictal.core.progress import Progress, silent
from ictal.core.summary_table import SummaryTable, html_of
from ictal.data import check_folds
from ictal.evaluation import Comparison, LearningCurve
from ictal.experiments.ablation_plan import AblationPlan, AblationSettings, plan_ablation
from ictal.experiments.ablation_tables import arms_frame, collect, compare, histories
from ictal.experiments.data_source import DataSource
from ictal.experiments.learning_curve import curve_of, curve_units
from ictal.experiments.run_manifest import new_manifest, record_units
from ictal.experiments.units import (
    RunReference,
    UnitDone,
    limited_threads,
    run_units_here,
    run_units_on,
)
from ictal.models.arms import find_arm
from ictal.recipes import Recipe, load_recipe
from ictal.report.ablation_report import Report, render
from ictal.report.verdicts import verdict_of_arms
from ictal.simulator import CONTROLS
from ictal.training.run_folder import PREDICTIONS, RunFolder, Unit
from ictal.training.unit import RunSetup


@dataclass(frozen=True)
class Ablation:
    """A finished ablation.

    Attributes
    ----------
    folder
        The run folder: `predictions.parquet`, `ablation.csv`, `report.html`, `manifest.json`, `units/`.
    comparison
        The tables.
    manifest
        How, when and from which data they were made.
    controls
        The tables of the simulator's controls, by name, if they were requested.
    learning_curve
        KL by number of training patients, if it was requested.
    """

    folder: Path
    comparison: Comparison
    manifest: dict[str, Any]
    controls: dict[str, Comparison] = field(default_factory=dict)
    learning_curve: LearningCurve | None = None

    def summary(self) -> SummaryTable:
        """Return the table of arms, baselines and floor."""
        return self.comparison.summary(f"KL on {self.manifest['data']}, networks as trained here (lower is better)")

    def _repr_html_(self) -> str:
        return html_of(self.summary(), verdict_of_arms(self.comparison), f"Report: {self.folder / 'report.html'}")

    def to_frame(self) -> pd.DataFrame:
        """Return a table with one row per arm and baseline."""
        return arms_frame(self.comparison)

    def to_json(self) -> dict[str, Any]:
        """Return all results, and the manifest."""
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
    settings: AblationSettings | None = None,
    *,
    progress: Progress = silent,
    **changes: Any,
) -> Ablation:
    """Train arms on every fold and compare the trained networks, with confidence intervals.

    To compare arms, and not only these trained networks, use a recipe with three or more seeds.

    Parameters
    ----------
    data
        'sim', a folder in HMS layout, or a manifest CSV.
    recipe
        A recipe, its name, or the path of its YAML file.
    arms
        Names of arms, or ['all']; None for temporal, spatial, both, and features if the recipe trains it. Reports
        compare the others with 'both' if it is among them, else with the last.
    out
        The run folder. If it contains part of the same run, the run is resumed.
    settings
        Options: augmentations, controls, learning curve, cluster, threads and cache.
    progress
        Called with recordings, units and batches.
    **changes
        Single fields of `settings`, for example ``learning_curve=["features"]``.

    Returns
    -------
    Ablation
        The tables; the folder also contains them, with a report.

    Raises
    ------
    IctalError
        If data, recipe or folder cannot be used; before any training starts.
    """
    settings = (settings or AblationSettings()).changed(changes)
    plan = plan_ablation(data, load_recipe(recipe) if isinstance(recipe, str) else recipe, arms, settings)
    recipe, folder = plan.recipe, RunFolder(Path(out))
    source = DataSource.for_arms(data, plan.trained, recipe, settings.cache)
    dataset = source.open()
    check_folds(dataset.outline, recipe.data.folds, recipe.data.test_share)
    setup = RunSetup.divided(source.prepare(dataset, progress), recipe, folder, dataset.name)
    threads = settings.threads or (1 if settings.cluster else torch.get_num_threads())
    settings = settings.changed({"threads": threads})
    with limited_threads(threads), folder.claim(recipe, new_manifest(setup, plan.trained)):
        units = [*plan.units, *curve_units(plan.with_curve, setup)]
        manifest = record_units(_run_units(units, setup, source, settings, progress), folder)
        result = _evaluate(plan, units, setup, manifest)
        _write(result, plan, folder)
        if plan.on_controls:
            result = replace(result, controls=_run_controls(plan, settings, folder, progress))
            _write(result, plan, folder)
    return result


def _run_units(
    units: Sequence[Unit], setup: RunSetup, source: DataSource, settings: AblationSettings, progress: Progress
) -> Iterator[UnitDone]:
    if settings.cluster is None:
        return run_units_here(units, setup, progress)
    assert settings.threads
    arms = list(dict.fromkeys(unit.arm for unit in units))
    return run_units_on(settings.cluster, units, RunReference.of(setup, source, settings.threads, arms), progress)


def _evaluate(plan: AblationPlan, units: Sequence[Unit], setup: RunSetup, manifest: dict[str, Any]) -> Ablation:
    """Return the results of finished units; the predictions are written."""
    predictions, weights = collect(plan, setup.folder)
    predictions.write(setup.folder.path / PREDICTIONS)
    comparison = compare(predictions, weights, plan, setup)
    curve = curve_of(plan.with_curve, units, setup) if plan.with_curve else None
    return Ablation(setup.folder.path, comparison, manifest, learning_curve=curve)


def _run_controls(
    plan: AblationPlan, settings: AblationSettings, folder: RunFolder, progress: Progress
) -> dict[str, Comparison]:
    """Run the arms on each control, each in its own folder."""
    settings = settings.changed({"augmentations": False, "controls": False, "learning_curve": ()})
    found = {}
    for done, name in enumerate(CONTROLS):
        progress("controls", done, len(CONTROLS))
        out = folder.path / "controls" / name
        run = ablate(f"sim:{name}", plan.recipe, plan.on_controls, out, settings, progress=progress)
        found[name] = run.comparison
    progress("controls", len(CONTROLS), len(CONTROLS))
    return found


def _write(result: Ablation, plan: AblationPlan, folder: RunFolder) -> None:
    """Write tables and report."""
    with atomic_write(folder.path / "ablation.csv") as part:
        result.to_frame().to_csv(part, index=False)
    write_json(folder.path / "ablation.json", result.to_json())
    if result.learning_curve:
        with atomic_write(folder.path / "learning_curve.csv") as part:
            result.learning_curve.to_frame().to_csv(part, index=False)
    report = Report(
        result.comparison,
        result.manifest,
        plan.recipe.model_dump(mode="json"),
        {arm.name: find_arm(arm.name).summary for arm in result.comparison.arms},
        histories(plan.units, folder),
        result.controls,
        result.learning_curve,
    )
    write_text(folder.path / "report.html", render(report))
