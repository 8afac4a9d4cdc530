"""Commands on data sets: train, compare and explain models, and simulate."""

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.table import Table

from ictal.cli.screen import JSON, Results, bar, new_table, say

if TYPE_CHECKING:
    from ictal.evaluation import Comparison, Estimate, Evaluation, LearningCurve, TableComparison
    from ictal.evaluation.evaluate import Group
    from ictal.recipes import Recipe

# Torch and its kin take seconds to import, so each command imports the library when it runs.

MOST_TOLD = 4
"""Arms whose every comparison is printed; of more, the verdict."""

DATA = typer.Argument(
    help="'sim', a control (sim:temporal, sim:spatial, sim:joint, sim:null), a folder in HMS layout (train.csv, "
    "train_eegs/), or a manifest CSV."
)
MODEL = typer.Argument(help="Name of a model (see 'ictal models'), or its folder, or that of a unit of an ablation.")
RECIPE = typer.Option("--recipe", help="A recipe that comes with ictal (quick, paper), or a YAML file.")
SET = typer.Option("--set", help="Override a key of the recipe, as data.test_share=0; may be repeated.")
SEED = typer.Option("--seed", min=0, help="Of folds, first weights and order; overrides the recipe's.")
CACHE = typer.Option("--cache", help="Folder for the prepared windows [default: the user's cache folder].")


def ablate(
    data: Annotated[str, DATA] = "sim",
    recipe: Annotated[str, RECIPE] = "quick",
    arms: Annotated[
        str | None,
        typer.Option(help="Names of arms, separated by commas, or 'all' [default: temporal,spatial,both,features]."),
    ] = None,
    augmentations: Annotated[
        bool, typer.Option("--augmentations", help="Say what each augmentation adds or costs, for one arm.")
    ] = False,
    controls: Annotated[
        bool, typer.Option("--controls", help="Check the arms on the simulator's controls as well (slow).")
    ] = False,
    learning_curve: Annotated[
        str | None,
        typer.Option(
            "--learning-curve",
            help="Arms, separated by commas, that are trained on fewer patients as well: would more patients help?",
        ),
    ] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Folds of cross-validation, by patient.")] = None,
    seed: Annotated[int | None, SEED] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Train units side by side, in so many processes [default: one by one]."),
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler whose workers train the units.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of the processor, per unit [default: all; side by side, one].")
    ] = None,
    out: Annotated[Path, typer.Option(help="Run folder; an interrupted run goes on there.")] = Path("runs/ablation"),
    cache: Annotated[Path | None, CACHE] = None,
    overrides: Annotated[list[str] | None, SET] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Train the arms on every fold and compare the trained networks, with intervals.

    A verdict about arms, and not about these networks alone, needs --set seeds=3 or more.

    Example: ictal ablate sim --recipe quick --out runs/demo
    """
    from ictal.distributed import Cluster
    from ictal.experiments import ablation

    chosen = _recipe(recipe, overrides, seed, folds)
    cluster = Cluster(workers, scheduler) if workers or scheduler else None
    names = None if arms is None else _listed(arms)
    with bar() as progress:
        result = ablation.ablate(
            data,
            chosen,
            names,
            out,
            cache=cache,
            progress=progress,
            augmentations=augmentations,
            controls=controls,
            learning_curve=_listed(learning_curve or ""),
            cluster=cluster,
            threads=threads,
        )
    results = Results(json_file)
    results.give_json(result.to_json())
    _show_comparison(results, result.comparison, result.manifest)
    if result.learning_curve:
        _show_curve(results, result.learning_curve)
    for name, control in result.controls.items():
        _show_control(results, name, control)
    results.show("Files:", *(f"  {out / name}" for name in ("report.html", "ablation.csv", "predictions.parquet")))


def train(
    data: Annotated[str, DATA],
    arm: Annotated[
        str | None,
        typer.Option(help="Name of the arm [default: that of --from; the only one that the recipe trains; both]."),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", help="Name of a recipe, or a YAML file [default: quick; with --from, finetune]."),
    ] = None,
    begin_with: Annotated[
        str | None,
        typer.Option("--from", help="Name or folder of a model whose weights the training begins with."),
    ] = None,
    seed: Annotated[int | None, SEED] = None,
    out: Annotated[Path, typer.Option(help="Folder of the model.")] = Path("models/model"),
    cache: Annotated[Path | None, CACHE] = None,
    overrides: Annotated[list[str] | None, SET] = None,
) -> None:
    """Train one arm on all windows of a data set, or on a stream of simulated ones, and save it as a model.

    Example: ictal train sim --arm both --out models/both

    Example: ictal train sim --recipe default --out models/mine

    Example: ictal train data/hms --from default --out models/hms
    """
    from ictal.experiments import train_model

    chosen = _recipe(recipe or ("finetune" if begin_with else "quick"), overrides, seed)
    with bar() as progress:
        folder = train_model.train(
            data, arm, chosen, out, cache=cache, progress=progress, begin_with=begin_with, overrides=overrides or ()
        )
    Results().show("Files:", *(f"  {folder / name}" for name in ("model.safetensors", "card.json")))


def evaluate(
    model: Annotated[Path, MODEL],
    data: Annotated[str, DATA],
    recipe: Annotated[str, RECIPE] = "quick",
    seed: Annotated[int | None, SEED] = None,
    out: Annotated[Path | None, typer.Option(help="Write the predictions here (.parquet or .csv).")] = None,
    cache: Annotated[Path | None, CACHE] = None,
    overrides: Annotated[list[str] | None, SET] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Measure how well a saved model predicts the votes of a data set.

    Example: ictal evaluate default data/iiic --json -
    """
    from ictal.experiments import model_evaluation

    chosen = _recipe(recipe, overrides, seed)
    with bar() as progress:
        result, predictions = model_evaluation.evaluate_model(model, data, chosen, cache, progress)
    if out:
        predictions.write(out)
    results = Results(json_file)
    results.give_json(result.to_json())
    _show_evaluation(results, result)
    if out:
        results.show(f"Predictions: {out}")
    if json_file not in (None, "-"):
        results.show(f"Figures: {json_file}")
    if not out and not json_file:
        say("No file was written. --out keeps the predictions, --json the figures.")


def compare(
    files: Annotated[list[Path], typer.Argument(help="Tables of predictions, CSV or Parquet: a row per window.")],
    patients: Annotated[
        Path | None, typer.Option(help="Table with the patient of each EEG, where the tables have none.")
    ] = None,
    average: Annotated[bool, typer.Option("--average", help="Compare the mean of all tables as well.")] = False,
    weighted: Annotated[
        bool, typer.Option("--weighted", help="Compare their mean with the best weights, fitted on other patients.")
    ] = False,
    weight: Annotated[str, typer.Option(help="What weighs the same: each 'window', 'eeg' or 'patient'.")] = "window",
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Leave out windows that are not in all tables, and say so.")
    ] = False,
    window: Annotated[str | None, typer.Option(help="Columns that name a window, separated by commas.")] = None,
    eeg: Annotated[str, typer.Option(help="Column of the EEG.")] = "eeg_id",
    patient: Annotated[str, typer.Option(help="Column of the patient.")] = "patient_id",
    votes: Annotated[str | None, typer.Option(help="Six columns of votes, separated by commas.")] = None,
    probabilities: Annotated[
        str | None, typer.Option(help="Six columns of probabilities, in the same order.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of resamples and permutations.")] = 0,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Say, with intervals and tests by patient, which of several tables of predictions is better.

    Example: ictal compare raw.csv spectrogram.csv --average --patients train.csv
    """
    from ictal.core.labels import VOTE_COLUMNS
    from ictal.errors import UsageError
    from ictal.evaluation import ColumnNames, compare_tables, read_patients, read_table
    from ictal.report.verdicts import verdict_in_words

    def columns(text: str | None) -> tuple[str, ...] | None:
        return None if text is None else tuple(name.strip() for name in text.split(","))

    names = ColumnNames(columns(window), eeg, patient, columns(votes) or VOTE_COLUMNS, columns(probabilities))
    titles = [file.name.split(".")[0] for file in files]
    if len({*titles, "mean", "weighted"}) < len(titles) + 2:  # alike, or called as an average is
        titles = [str(file) for file in files]
    if len({*titles}) < len(titles):
        raise UsageError("a file is named twice; each table is compared once")
    with bar("compare them from the beginning") as progress:
        tables = {}
        for number, (title, file) in enumerate(zip(titles, files, strict=True)):
            progress("reading tables", number, len(files))
            tables[title] = read_table(file, names)
        progress("reading tables", len(files), len(files))
        whose = read_patients(patients, names) if patients else None
        result = compare_tables(
            tables,
            whose,
            average=average,
            weighted=weighted,
            weight=weight,
            allow_partial=allow_partial,
            seed=seed,
            progress=progress,
        )
    results = Results(json_file)
    results.give_json(result.to_json())
    _show_tables(results, result)
    results.show(verdict_in_words(result))


def experts(
    file: Annotated[
        Path,
        typer.Argument(
            help="Labels per expert and a model's probabilities: CSV or Parquet (window_id, six probabilities, a "
            "column per expert with names of patterns or nothing), or .npz (labels, classes, probability)."
        ),
    ],
    least: Annotated[int, typer.Option(min=1, help="Labels of others that a window needs.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of resamples.")] = 0,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Set a model among experts: how well each agrees with the others, and the model in the same place.

    Example: ictal experts labels.csv
    """
    from ictal.evaluation import compare_with_experts, read_expert_labels
    from ictal.report.verdicts import few_patients_in_words

    result = compare_with_experts(read_expert_labels(file), min_others=least, seed=seed)
    results = Results(json_file)
    shown = new_table("expert", "windows", "kappa", "model's kappa", "agree", "model agrees")
    for row in result.rows:
        figures = (row.kappa, row.model_kappa, row.agreeing, row.model_agreeing)
        shown.add_row(row.expert, str(row.n_windows), *(f"{one.value:.3f}" for one in figures))
    results.show(shown)
    results.show(f"KL of the votes from the model's probabilities: {result.kl}.")
    for name, kl in result.calibrated.items():
        results.show(f"After a calibration by {name} that was fitted on the other half: {kl}.")
    if result.left_out:
        results.show(f"Left out, for lack of labels: {', '.join(result.left_out)}.")
    results.show(f"Median kappa of the experts with the others: {result.expert}; of the model there: {result.model}.")
    results.show(
        f"Median difference: {result.difference}; the model agrees better than the expert in "
        f"{result.n_better.value:.0f} of {len(result.rows)} places. Resampled: {result.resampled} "
        f"(effective number {result.n_effective:.1f})."
    )
    if warning := few_patients_in_words(result.n_effective, result.resampled):
        say(f"Warning: {warning}")
    results.give_json(result.to_json())


def explain(
    model: Annotated[Path, MODEL],
    data: Annotated[str, DATA],
    window: Annotated[str, typer.Option(help="Id of the window.")],
    out: Annotated[Path, typer.Option(help="Figure to write (.svg or .png).")],
    pattern: Annotated[str | None, typer.Option(help="Name of the pattern [default: the most probable one].")] = None,
    method: Annotated[str, typer.Option(help="'occlusion', 'gradients' or 'gradcam'.")] = "occlusion",
    check: Annotated[
        bool, typer.Option("--check", help="Say whether the explanation changes when the weights are made random.")
    ] = False,
    page: Annotated[str, typer.Option(help="Traces of the 'centre' 10 s, or of the whole 'window'.")] = "centre",
    recipe: Annotated[str, RECIPE] = "quick",
    overrides: Annotated[list[str] | None, SET] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Draw what in a window speaks for a pattern.

    Example: ictal explain models/both sim --window p3e1_0 --out why.svg
    """
    from ictal.experiments import window_explanation
    from ictal.explanations.sanity import sanity as check_sanity
    from ictal.models.checkpoint import load_model
    from ictal.report.explanation_figure import explanation_figure, save_figure

    found = window_explanation.explain_window(
        model, data, window, pattern, cast(Any, (method,)), _recipe(recipe, overrides, None)
    )
    save_figure(explanation_figure(found, cast(Any, method), cast(Any, page), f"window {window}"), out)
    told, results = found.to_json(), Results(json_file)
    if check:
        network = load_model(model).network
        sanity = check_sanity(network, [found.window], found.pattern, cast(Any, method))
        told["correlation_with_random_weights"] = sanity.correlations[-1]
        verdict = (
            "it changes with the weights, as it should"
            if sanity.differs
            else "it hardly changes, so it may show the EEG and not the model"
        )
        correlation = f"{sanity.correlations[-1]:+.2f}"
        results.show(f"Rank correlation with an explanation under random weights {correlation}: {verdict}.")
    results.show(f"{found.pattern}, probability {found.probability:.2f}", f"Figure: {out}")
    results.give_json(told)


def simulate(
    out: Annotated[Path, typer.Option(help="Folder to make, in HMS layout; with --hours, the EDF file to make.")],
    patients: Annotated[int | None, typer.Option(min=2, help="How many patients [default: 100].")] = None,
    eegs: Annotated[int | None, typer.Option(min=1, help="EEGs of 50 s per patient [default: 5].")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulation.")] = 0,
    hours: Annotated[float | None, typer.Option(help="Write one recording of so many hours instead.")] = None,
    patient: Annotated[int | None, typer.Option(min=0, help="Whose recording, with --hours [default: 0].")] = None,
) -> None:
    """Write simulated EEG with votes as a folder that 'ictal ablate' reads, or hours of it as one EDF file.

    Example: ictal simulate --out data/sim --patients 50 --seed 1

    Example: ictal simulate --hours 24 --seed 1 --out night.edf
    """
    from ictal.data.simulated import SimulatedDataset, write_folder
    from ictal.errors import RunError, UsageError
    from ictal.io.edf.writer import write_edf
    from ictal.simulator import SimulationSettings, simulate_recording

    if hours is None:
        if patient is not None:
            raise UsageError(
                "--patient chooses whose recording is made, which needs --hours; a folder has --patients"
            )
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise RunError(f"{out}: exists and is not an empty folder; name another by --out")
        settings = SimulationSettings(patients=patients or 100, eegs_per_patient=eegs or 5, seed=seed)
        with bar("begin anew") as progress:
            write_folder(SimulatedDataset(settings), out, progress)
        n_eegs = settings.patients * settings.eegs_per_patient
        Results().show("Files:", f"  {out / 'train.csv'}", f"  {out / 'train_eegs'} ({n_eegs} EEGs)")
        return
    not_here = [name for name, value in (("--patients", patients), ("--eegs", eegs)) if value is not None]
    if not_here:
        raise UsageError(f"{' and '.join(not_here)} cannot go with --hours, which makes one recording of one patient")
    if out.suffix.lower() != ".edf":
        raise UsageError(f"{out}: with --hours, --out is the file to make, and its name must end in .edf")
    if out.exists():
        raise RunError(f"{out}: exists; name another file by --out")
    recording = simulate_recording(seed, patient or 0, hours)
    with bar("begin anew") as progress:
        write_edf(out, recording, progress)
    made = f"{recording.duration_s / 3600:.6g} hours, {len(recording.annotations)} annotated episodes"
    Results().show(f"EDF: {out} ({made})")


def _recipe(name: str, overrides: list[str] | None, seed: int | None, folds: int | None = None) -> "Recipe":
    from ictal.recipes import load_recipe

    chosen = list(overrides or [])
    chosen += [f"seed={seed}"] if seed is not None else []
    chosen += [f"data.folds={folds}"] if folds is not None else []
    return load_recipe(name, chosen)


def _show_comparison(results: Results, comparison: "Comparison", manifest: dict[str, Any]) -> None:
    from ictal.report.verdicts import (
        difference_in_words,
        few_patients_in_words,
        patients_in_words,
        verdict_of_arms,
        way_in_words,
    )

    names = ("arm", "cross-validation", "held-out test", "test − c.-v.")
    table = new_table(
        *names, title=f"KL on {manifest['data']}, networks as trained here (lower is better)", min_width=9
    )
    for arm in comparison.rows:
        style = None if arm in comparison.arms else "dim"
        gap = f"{arm.difference.value:+.3f}" if arm.difference else "–"
        table.add_row(arm.name, str(arm.cv), str(arm.test or "–"), gap, style=style)
    results.show(table)
    judged = comparison.arms[0].evaluations["cv"]
    patients = patients_in_words(judged.n_patients, judged.n_effective)
    results.show(f"Cross-validation: {judged.n_windows} windows of {patients}.")
    results.show(verdict_of_arms(comparison))
    if warning := few_patients_in_words(judged.n_effective):
        say(f"Warning: {warning}")
    if len(comparison.arms) > MOST_TOLD:
        return  # the report says the rest, and draws it
    for way in comparison.ways:
        results.show(way_in_words(way))
    for difference in comparison.differences:
        if difference.b in (comparison.reference, "prior"):
            results.show(difference_in_words(difference))


def _show_control(results: Results, name: str, control: "Comparison") -> None:
    table = new_table("arm", "cross-validation", title=f"KL on sim:{name}", min_width=9)
    for arm in control.rows:
        table.add_row(arm.name, str(arm.cv), style=None if arm in control.arms else "dim")
    results.show(table)


def _show_curve(results: Results, curve: "LearningCurve") -> None:
    from ictal.report.verdicts import curve_in_words

    table = new_table("arm", "training patients", "KL, cross-validation", "gain")
    for point in curve.points:
        table.add_row(point.arm, str(point.n_patients), f"{point.kl}", f"{point.gain}" if point.gain else "–")
    results.show(table)
    for sentence in curve_in_words(curve):
        results.show(sentence)


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _show_tables(results: Results, result: "TableComparison") -> None:
    from ictal.evaluation import MEASURES
    from ictal.report.verdicts import few_patients_in_words, patients_in_words

    for sentence in result.left_out:
        results.show(f"Left out: {sentence}.")
    first = result.tables[0]
    alike = {"window": "window", "eeg": "EEG", "patient": "patient"}[result.weight]
    patients = patients_in_words(first.n_patients, first.evaluation.n_effective)
    results.show(f"{first.n_windows} windows of {patients}, each {alike} weighing the same")
    if warning := few_patients_in_words(first.evaluation.n_effective):
        say(f"Warning: {warning}")
    partial = first.n_windows_all > first.n_windows and first.kl_all is not None
    shown = new_table("table", "KL", *([f"KL of all {first.n_windows_all}"] if partial else []))
    for table in result.tables:
        shown.add_row(table.name, f"{table.kl:.4f}", *([f"{table.kl_all:.4f}"] if partial else []))
    results.show(shown)
    shown = new_table("measure", *(table.name for table in result.tables))
    for name, measure in MEASURES.items():
        if name != "kl":
            found = [table.evaluation.measures[name] for table in result.tables]
            shown.add_row(measure.title, *("–" if isnan(one.value) else f"{one.value:.3f}" for one in found))
    for name in first.calibrated:
        shown.add_row(f"KL after {name}", *(f"{table.calibrated[name].value:.4f}" for table in result.tables))
    results.show(shown)
    pairs = new_table("difference of KL", "estimate", "p", "p (Holm)", "detectable")
    for row in result.differences:
        detectable = "–" if row.detectable is None else f"{row.detectable:.4f}"
        numbers = (f"{row.estimate:.4f}", f"{row.p:.4f}", f"{row.p_holm:.4f}", detectable)
        pairs.add_row(f"{row.a} − {row.b}", *numbers)
    if result.differences:
        results.show(pairs)


def _show_evaluation(results: Results, result: "Evaluation") -> None:
    from ictal.report.verdicts import few_patients_in_words, patients_in_words

    patients = patients_in_words(result.n_patients, result.n_effective)
    results.show(f"{result.n_windows} windows of {result.n_eegs} EEGs of {patients}")
    if warning := few_patients_in_words(result.n_effective):
        say(f"Warning: {warning}")
    results.show(_overall(result))
    table = new_table("windows by", "n", "KL", "accuracy", "AUROC against the rest")
    for name, group in result.per_pattern.items():
        table.add_row(name, *_of_group(group), _or_dash(result.measures[f"auroc_{name}"]))
    table.add_section()
    for name, group in result.per_stratum.items():
        table.add_row(name, *_of_group(group))
    results.show(table)


def _overall(result: "Evaluation") -> Table:
    table = new_table("figure", "with interval", "of windows")
    table.add_row("KL", f"{result.kl}", str(result.n_windows))
    table.add_row("KL of the best constant", f"{result.constant_kl}", str(result.n_windows), style="dim")
    table.add_row("model minus constant", f"{result.difference_to_constant:+.3f}", str(result.n_windows))
    table.add_row("balanced accuracy", f"{result.balanced_accuracy}", str(result.n_windows))
    any_tied = result.measures["balanced_accuracy_any"]
    table.add_row("... any tied pattern right", f"{any_tied}", str(result.n_windows), style="dim")
    for one, other in (("lateralized", "generalized"), ("periodic", "rhythmic")):
        name = f"{one}_auroc"
        counts = result.contrasts[name]
        lacking = [side for side, count in zip((one, other), counts, strict=True) if not count]
        told = f"– (none {' or '.join(lacking)})" if lacking else f"{result.measures[name]}"
        table.add_row(f"AUROC, {one} against {other}", told, f"{counts[0]} : {counts[1]}")
    return table


def _of_group(group: "Group") -> tuple[str, str, str]:
    accuracy = f"{group.accuracy:.2f}" if group.accuracy else "–"
    return str(group.n_windows), f"{group.kl}" if group.kl else "–", accuracy


def _or_dash(estimate: "Estimate") -> str:
    return "–" if isnan(estimate.value) else f"{estimate:.2f}"
