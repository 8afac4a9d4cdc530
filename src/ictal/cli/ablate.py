"""The command that compares arms."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ictal.cli.completion import complete_arms
from ictal.cli.options import (
    CACHE,
    DATA,
    JSON,
    PLUGIN,
    RECIPE,
    SCHEDULER,
    SEED_OF_RECIPE,
    SET,
    load_plugins,
    names_in,
)
from ictal.cli.recipe import recipe_of
from ictal.cli.screen import Results, bar, new_table, say

if TYPE_CHECKING:
    from ictal.evaluation import Comparison, LearningCurve
    from ictal.experiments.ablation import Ablation

MAX_ARMS = 4
"""With more arms, only the verdict is printed, and not each comparison."""
FILES = ("report.html", "ablation.csv", "predictions.parquet")

ARMS = typer.Option(
    "--arms",
    metavar="ARMS",
    help="Arms to compare, separated by commas, or all.",
    show_default="temporal,spatial,both,features",
    autocompletion=complete_arms,
)
AUGMENTATIONS = typer.Option("--augmentations", help="Measure the effect of each augmentation, for one arm.")
CONTROLS = typer.Option("--controls", help="Check the arms on the simulator's controls as well (slow).")
LEARNING_CURVE = typer.Option(
    "--learning-curve",
    metavar="ARMS",
    help="Arms for a learning curve by number of training patients, separated by commas.",
    autocompletion=complete_arms,
)
FOLDS = typer.Option(
    "--folds", min=2, metavar="N", help="Folds of cross-validation, by patient.", show_default="that of the recipe"
)
WORKERS = typer.Option(
    "--workers",
    min=1,
    metavar="N",
    help="Processes that train units in parallel.",
    show_default="units run one by one",
)
THREADS = typer.Option(
    "--threads", min=1, metavar="N", help="CPU threads per unit.", show_default="all; one with --workers"
)
OUT = typer.Option("--out", metavar="FOLDER", help="Run folder; an interrupted run resumes there.")


def ablate(
    data: Annotated[str, DATA] = "sim",
    recipe: Annotated[str, RECIPE] = "quick",
    arms: Annotated[str | None, ARMS] = None,
    augmentations: Annotated[bool, AUGMENTATIONS] = False,
    controls: Annotated[bool, CONTROLS] = False,
    learning_curve: Annotated[str | None, LEARNING_CURVE] = None,
    folds: Annotated[int | None, FOLDS] = None,
    seed: Annotated[int | None, SEED_OF_RECIPE] = None,
    workers: Annotated[int | None, WORKERS] = None,
    scheduler: Annotated[str | None, SCHEDULER] = None,
    threads: Annotated[int | None, THREADS] = None,
    out: Annotated[Path, OUT] = Path("runs/ablation"),
    cache: Annotated[Path | None, CACHE] = None,
    plugins: Annotated[list[Path] | None, PLUGIN] = None,
    overrides: Annotated[list[str] | None, SET] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Train arms on every fold, and compare them.

    A verdict about arms, and not only about these trained networks, needs --set seeds=3 or more.

    Example: ictal ablate sim --recipe quick --out runs/demo
    """
    from ictal.distributed import Cluster
    from ictal.experiments import ablation

    load_plugins(plugins)
    with bar() as progress:
        result = ablation.ablate(
            data,
            recipe_of(recipe, overrides, seed, folds),
            None if arms is None else names_in(arms),
            out,
            cache=cache,
            progress=progress,
            augmentations=augmentations,
            controls=controls,
            learning_curve=names_in(learning_curve or ""),
            cluster=Cluster(workers, scheduler) if workers or scheduler else None,
            threads=threads,
        )
    _show(Results(json_file), result)


def _show(results: Results, result: "Ablation") -> None:
    results.give_json(result.to_json())
    results.show(result.summary())
    _show_comparison(results, result.comparison)
    if result.learning_curve:
        _show_curve(results, result.learning_curve)
    for name, control in result.controls.items():
        results.show(control.summary(f"KL on sim:{name}", with_test=False))
    results.show("Files:", *(f"  {result.folder / name}" for name in FILES))


def _show_comparison(results: Results, comparison: "Comparison") -> None:
    from ictal.report.verdicts import (
        difference_in_words,
        few_patients_in_words,
        patients_in_words,
        verdict_of_arms,
        way_in_words,
    )

    judged = comparison.arms[0].evaluations["cv"]
    patients = patients_in_words(judged.n_patients, judged.n_effective)
    results.show(f"Cross-validation: {judged.n_windows} windows of {patients}.")
    results.show(verdict_of_arms(comparison))
    if warning := few_patients_in_words(judged.n_effective):
        say(f"Warning: {warning}")
    if len(comparison.arms) > MAX_ARMS:
        return  # the report has the rest, with figures
    for way in comparison.ways:
        results.show(way_in_words(way))
    for difference in comparison.differences:
        if difference.b in (comparison.reference, "prior"):
            results.show(difference_in_words(difference))


def _show_curve(results: Results, curve: "LearningCurve") -> None:
    from ictal.report.verdicts import curve_in_words

    table = new_table("arm", "training patients", "KL, cross-validation", "gain")
    for point in curve.points:
        table.add_row(point.arm, str(point.n_patients), f"{point.kl}", f"{point.gain}" if point.gain else "–")
    results.show(table, *curve_in_words(curve))
