"""Commands on recordings: say what is in one, score it, and hold its events against a reference."""

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ictal.cli.screen import JSON, bar, give_json, new_table, say, screen

if TYPE_CHECKING:
    import pandas as pd

    from ictal.scoring.agreement import EventEvaluation
    from ictal.scoring.info import Info
    from ictal.scoring.scores import Scores

# Reading and scoring need neither torch nor matplotlib; what little they need is imported when a command runs.

MODEL = typer.Option("--model", help="Folder of a model, or its name: see 'ictal models'.")
STEP = typer.Option("--step", help="Seconds from one window to the next.")
ENGINE = typer.Option("--engine", help="'auto', 'onnxruntime', 'openvino' or 'torch'.")
INTERPOLATE = typer.Option(
    "--interpolate", min=0, help="So many missing electrodes may be made of the others by spherical splines."
)
MOST_EVENTS = 12
"""Events that are printed; of more, how many there are."""


def info(
    file: Annotated[Path, typer.Argument(help="A recording, or a folder of a BIDS data set that holds one.")],
    model: Annotated[Path, MODEL] = Path("default"),
    interpolate: Annotated[int, INTERPOLATE] = 0,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Say what a recording holds and whether a model can score it, before any scoring.

    Example: ictal info night.edf
    """
    from ictal.io import open_recording
    from ictal.scoring.contract import read_input
    from ictal.scoring.info import describe

    told = describe(open_recording(file), read_input(model), interpolate)
    _print_info(told)
    give_json(told.to_json(), json_file)


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
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Score whole recordings: six probabilities over time, events, burden, and a report. For research only.

    Example: ictal score night.edf
    """
    from typing import cast

    from ictal import recordings
    from ictal.errors import IctalError
    from ictal.scoring.engine import open_engine
    from ictal.shipped import find_model

    names = list(recordings.FORMATS) if formats == "all" else [name.strip() for name in formats.split(",")]
    recordings.check_formats(names)
    recordings.check_names(files)
    folder = out or recordings.results_folder(files)
    saved = find_model(model)
    announce = partial(say, f"Exporting model {saved}: this takes some seconds, and is done once.")
    running = open_engine(saved, cast(Any, engine), threads, announce)
    failed, told = [], []
    for file in files:
        try:
            with bar("score anew") as progress:
                first = _First()
                done = recordings.score_file(
                    file,
                    running,
                    folder,
                    names,
                    step_s=step,
                    interpolate=interpolate,
                    progress=progress,
                    on_scores=first,
                )
        except IctalError as error:
            if len(files) == 1:
                raise
            failed.append(str(error))
            say(f"Error: {error}")
            continue
        _print_scores(done.scores)
        say(f"Files: {', '.join(str(path) for path in done.files)}")
        told.append(recordings.summary(done.scores))
    if json_file:
        give_json(told[0] if len(files) == 1 else {"recordings": told, "failed": failed}, json_file)
    if failed:
        say(f"{len(failed)} of {len(files)} recordings could not be scored.")
        raise typer.Exit(2)


class _First:
    """Says the first scores of a recording as soon as they are there."""

    def __init__(self) -> None:
        self.said = False

    def __call__(self, frame: "pd.DataFrame") -> None:
        from ictal.predictions import PROBABILITY_COLUMNS

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
    from ictal.scoring.agreement import evaluate_files

    result = evaluate_files(scores, events, pattern)
    _print_evaluation(result)
    give_json(result.to_json(), json_file)


def _print_info(told: "Info") -> None:
    from ictal.errors import listed
    from ictal.report.clock import duration_in_words
    from ictal.windows import CENTRE_S

    say(f"{told.name}")
    start = f", from {told.start:%Y-%m-%d %H:%M:%S}" if told.start else ""
    say(f"  {duration_in_words(told.span_s)}{start}; {len(told.channels)} channels at {told.rate_hz:g} Hz")
    if told.kind == "bipolar":
        say(f"  bipolar: {listed(told.derivations, 30)}")
    else:
        say(f"  electrodes: {listed(told.electrodes, 19) or 'none'}")
    if told.missing:
        say(f"  missing: {listed(told.missing, 19)}")
    if told.interpolated:
        say(f"  to be made of others: {', '.join(told.interpolated)}")
    if told.ignored:
        say(f"  ignored: {listed(told.ignored, 12)}")
    views = "; ".join(f"{name} {formed} of {of}" for name, (formed, of) in told.views.items())
    say(f"  derivations that can be formed: {views}")
    if told.amplitude_uv is not None:
        say(f"  median amplitude: {told.amplitude_uv:.3g} µV")
    if told.flat:
        say(f"  flat: {', '.join(told.flat)}")
    if told.gaps:
        say(f"  {len(told.gaps)} gaps, {duration_in_words(sum(length for _, length in told.gaps))} in all")
    if told.n_annotations:
        say(f"  {told.n_annotations} annotations")
    for note in told.notes:
        say(f"  note: {note}")
    if told.problem:
        say(f"  cannot be scored by the model '{told.model}': {told.problem}")
        return
    sees = "" if told.window_s == CENTRE_S else f", of which the model sees {told.window_s:g} s around the middle"
    say(f"  can be scored by the model '{told.model}': {told.n_windows} times {CENTRE_S} s{sees}")


def _print_scores(scores: "Scores") -> None:
    from ictal.labels import PATTERN_TITLES
    from ictal.report.clock import duration_in_words

    frame, events = scores.frame, scores.events()
    refused = int((frame["reason"] != "").sum())
    seconds = scores.manifest["seconds"]["all"]
    say(
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
        say("No events.")
        return
    screen.print(shown)
    if len(events) > MOST_EVENTS:
        say(f"... and {len(events) - MOST_EVENTS} more events.")


def _print_evaluation(result: "EventEvaluation") -> None:
    from ictal.scoring.agreement import shown as told

    say(f"{result.pattern}: {len(result.files)} recordings, {result.duration_s / 3600:.2f} h")
    shown = new_table("", "reference", "found", "false", "sensitivity", "precision", "F1", "false per day")
    for name, one in (("events", result.events), ("seconds", result.samples)):
        counts = (f"{one.reference:g}", f"{one.hits:g}", f"{one.false_alarms:g}")
        ratios = (told(one.sensitivity), told(one.precision), told(one.f1), told(one.false_alarms_per_day))
        shown.add_row(name, *counts, *ratios)
    screen.print(shown)
    if result.unscored_reference_s:
        say(f"{result.unscored_reference_s:g} s of reference events have no prediction and cannot be found.")
    if result.without_reference:
        say(f"Left out, for lack of a reference: {', '.join(result.without_reference)}.")
    if result.without_scores:
        say(f"In the reference, and not scored: {', '.join(result.without_scores)}.")
