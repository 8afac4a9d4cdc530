"""Commands on recordings: say what is in one, score it, and hold its events against a reference."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ictal.cli.screen import JSON, PARTLY_FAILED, Results, bar, new_table, say, say_error

if TYPE_CHECKING:
    import pandas as pd

    from ictal.scoring.event_agreement import EventEvaluation
    from ictal.scoring.recording_info import Info
    from ictal.scoring.scores import Scores

# Reading and scoring need neither torch nor matplotlib; what little they need is imported when a command runs.

MODEL = typer.Option("--model", help="Folder of a model, or its name: see 'ictal models'.")
STEP = typer.Option("--step", help="Seconds from one window to the next.")
ENGINE = typer.Option("--engine", help="'auto', 'onnxruntime', 'openvino' or 'torch'.")
INTERPOLATE = typer.Option(
    "--interpolate", min=0, help="So many missing electrodes may be made of the others by spherical splines."
)
ACCEPT_DOUBTFUL = typer.Option(
    "--accept-doubtful", help="Read recordings whose channel names, times or voltages are in doubt, with a note."
)
MOST_EVENTS = 12
"""Events that are printed; of more, how many there are."""


def info(
    files: Annotated[
        list[Path], typer.Argument(help="Recordings, or folders of a BIDS data set that hold one each.")
    ],
    model: Annotated[Path, MODEL] = Path("default"),
    interpolate: Annotated[int, INTERPOLATE] = 0,
    accept_doubtful: Annotated[bool, ACCEPT_DOUBTFUL] = False,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Say what a recording holds and whether a model can score it, before any scoring.

    Example: ictal info night.edf
    """
    from ictal.io import open_recording
    from ictal.scoring.export_contract import read_input
    from ictal.scoring.recording_info import describe

    wanted, results = read_input(model), Results(json_file)

    def told(file: Path) -> dict[str, Any]:
        known = describe(open_recording(file, accept_doubtful=accept_doubtful), wanted, interpolate)
        _show_info(results, known)
        return known.to_json()

    _each(files, told, results)


def score(
    files: Annotated[list[Path], typer.Argument(help="Recordings.")],
    model: Annotated[Path, MODEL] = Path("default"),
    out: Annotated[
        Path | None, typer.Option(help="Folder of the results [default: ictal_NAME beside you; of several, ictal].")
    ] = None,
    formats: Annotated[
        str, typer.Option(help="Some of parquet, csv, bids, json, report, edf, separated by commas; or 'all'.")
    ] = "parquet,csv,bids,json,report",
    step: Annotated[float, STEP] = 10.0,
    engine: Annotated[str, ENGINE] = "auto",
    interpolate: Annotated[int, INTERPOLATE] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Of the processor [default: all].")] = None,
    accept_doubtful: Annotated[bool, ACCEPT_DOUBTFUL] = False,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Score whole recordings: six probabilities over time, events, burden, and a report. For research only.

    Example: ictal score night.edf
    """
    from typing import cast

    from ictal.models.hub import find_model
    from ictal.report import results_folder
    from ictal.scoring.engine import open_engine

    names = list(results_folder.FORMATS) if formats == "all" else [name.strip() for name in formats.split(",")]
    results_folder.check_formats(names)
    results_folder.check_names(files)
    folder = out or results_folder.results_folder(files)
    saved = find_model(model)
    announce = partial(say, f"Exporting model {saved}: this takes some seconds, and is done once.")
    running = open_engine(saved, cast(Any, engine), threads, announce)
    results = Results(json_file)
    settings = results_folder.ResultsSettings(
        step_s=step, interpolate=interpolate, accept_doubtful=accept_doubtful, formats=tuple(names)
    )

    def told(file: Path) -> dict[str, Any]:
        with bar("score anew") as progress:
            done = results_folder.score_file(file, running, folder, settings, progress=progress, on_scores=_First())
        _show_scores(results, done.scores)
        results.show("Files:", *(f"  {path}" for path in done.files))
        return results_folder.summary(done.scores)

    _each(files, told, results)


def _each(files: Sequence[Path], told: Callable[[Path], dict[str, Any]], results: Results) -> None:
    """Do something with each file and give its JSON; of several, one that fails stops none of the others.

    Parameters
    ----------
    told
        Does it, shows what came out, and returns it.
    """
    from ictal.errors import IctalError

    if len(files) == 1:
        results.give_json(told(files[0]))
        return
    found, failed = [], []
    for file in files:
        try:
            found.append(told(file))
        except IctalError as error:
            failed.append(str(error))
            say_error(error)
    results.give_json({"recordings": found, "failed": failed})
    if failed:
        say(f"{len(failed)} of {len(files)} recordings failed.")
        raise typer.Exit(PARTLY_FAILED)


class _First:
    """Says the first scores of a recording as soon as they are there."""

    def __init__(self) -> None:
        self.said = False

    def __call__(self, frame: "pd.DataFrame") -> None:
        from ictal.core.predictions import PROBABILITY_COLUMNS

        given = frame[frame["reason"] == ""]
        if self.said or not len(given):
            return
        self.said = True
        row = given.iloc[0]
        named = max(PROBABILITY_COLUMNS, key=lambda name: row[name])
        pattern = named.removesuffix("_probability")
        say(f"First scores: {row['start_s']:.0f} to {row['stop_s']:.0f} s: {pattern} {row[named]:.2f}")


def evaluate_events(
    scores: Annotated[
        Path, typer.Argument(help="Scores (Parquet), events (BIDS events.tsv), or a folder of such files.")
    ],
    events: Annotated[
        Path, typer.Argument(help="The reference: BIDS events.tsv, a folder of them, or a table with a row per file.")
    ],
    pattern: Annotated[str, typer.Option(help="Which pattern's events.")] = "seizure",
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Hold the events of scored recordings against a reference, by the rules of SzCORE.

    Example: ictal evaluate-events ictal_night night_reference_events.tsv
    """
    from ictal.scoring.event_scoring import evaluate_files

    result, results = evaluate_files(scores, events, pattern), Results(json_file)
    results.give_json(result.to_json())
    _show_evaluation(results, result)


def _show_info(results: Results, told: "Info") -> None:
    from ictal.core.windows import CENTRE_S
    from ictal.errors import listed
    from ictal.report.clock import counted, duration_in_words

    results.show(f"{told.name}")
    start = f", from {told.start:%Y-%m-%d %H:%M:%S}" if told.start else ""
    results.show(f"  {duration_in_words(told.span_s)}{start}; {len(told.channels)} channels at {told.rate_hz:g} Hz")
    if told.kind == "bipolar":
        results.show(f"  bipolar: {listed(told.derivations, 30)}")
    else:
        results.show(f"  electrodes: {listed(told.electrodes, 19) or 'none'}")
    if told.missing:
        results.show(f"  missing: {listed(told.missing, 19)}")
    if told.interpolated:
        results.show(f"  to be made of others: {', '.join(told.interpolated)}")
    if told.ignored:
        results.show(f"  ignored: {listed(told.ignored, 12)}")
    views = "; ".join(f"{name} {formed} of {of}" for name, (formed, of) in told.views.items())
    results.show(f"  derivations that can be formed: {views}")
    if told.amplitude_uv is not None:
        results.show(f"  median amplitude: {told.amplitude_uv:.3g} µV")
    if told.flat:
        results.show(f"  flat: {', '.join(told.flat)}")
    if told.gaps:
        in_all = duration_in_words(sum(length for _, length in told.gaps))
        results.show(f"  {counted(len(told.gaps), 'gap')}, {in_all} in all")
    if told.n_annotations:
        results.show(f"  {counted(told.n_annotations, 'annotation')}")
    for note in told.notes:
        results.show(f"  note: {note}")
    if told.problem:
        results.show(f"  cannot be scored by the model '{told.model}': {told.problem}")
        return
    sees = "" if told.window_s == CENTRE_S else f", of which the model sees {told.window_s:g} s around the middle"
    results.show(f"  can be scored by the model '{told.model}': {told.n_windows} times {CENTRE_S} s{sees}")


def _show_scores(results: Results, scores: "Scores") -> None:
    from ictal.core.labels import PATTERN_TITLES
    from ictal.report.clock import duration_in_words

    frame, events = scores.frame, scores.events()
    refused = int((frame["reason"] != "").sum())
    seconds = scores.manifest["seconds"]["all"]
    results.show(
        f"{scores.recording.name}: {duration_in_words(scores.recording.span_s)} scored in {seconds:.1f} s; "
        f"{len(frame)} windows, {refused} without a prediction"
    )
    for note in scores.recording.notes:
        say(f"Note: {note}.")
    shown = new_table("event", "from", "duration", "peak")
    for event in events[:MOST_EVENTS]:
        shown.add_row(
            PATTERN_TITLES[event.pattern],
            str(timedelta(seconds=round(event.start_s))),
            duration_in_words(event.duration_s),
            f"{event.peak:.2f}",
        )
    if not events:
        results.show("No events.")
        return
    results.show(shown)
    if len(events) > MOST_EVENTS:
        results.show(f"... and {len(events) - MOST_EVENTS} more events.")


def _show_evaluation(results: Results, result: "EventEvaluation") -> None:
    from ictal.scoring.event_agreement import shown as told
    from ictal.scoring.event_intervals import FIGURES

    results.show(f"{result.pattern}: {len(result.files)} recordings, {result.duration_s / 3600:.2f} h")
    shown = new_table("", "reference", "found", "false", "sensitivity", "precision", "F1", "false per day")
    for name, one in (("events", result.events), ("seconds", result.samples)):
        counts = (f"{one.reference:g}", f"{one.hits:g}", f"{one.false_alarms:g}")
        ends = result.intervals["events" if name == "events" else "samples"]
        ratios = (told(getattr(one, figure), getattr(ends, figure)) for figure in FIGURES)
        shown.add_row(name, *counts, *ratios)
    results.show(shown)
    for sentence in result.left_out:
        results.show(f"{sentence}.")
    if result.unscored_reference_s:
        results.show(f"{result.unscored_reference_s:g} s of reference events have no prediction and cannot be found.")
    if result.without_reference:
        results.show(f"Left out, for lack of a reference: {', '.join(result.without_reference)}.")
    if result.without_scores:
        results.show(f"In the reference, and not scored: {', '.join(result.without_scores)}.")
