"""The command that scores recordings."""

from datetime import timedelta
from functools import partial
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from ictal.cli.completion import complete_formats
from ictal.cli.options import (
    ACCEPT_DOUBTFUL,
    ENGINE,
    INTERPOLATE,
    JOIN,
    JSON,
    MODEL,
    NO_MASK,
    PLUGIN,
    RECORDINGS,
    STEP,
    THREADS,
    given_recordings,
    load_plugins,
    names_in,
)
from ictal.cli.screen import Results, bar, for_each, new_table, say

if TYPE_CHECKING:
    import pandas as pd

    from ictal.core.recording import Recording
    from ictal.scoring.scores import Scores

# Scoring needs neither torch nor matplotlib; what it needs is imported when the command runs.

MAX_EVENTS = 12
"""Number of events that are printed; the others are only counted."""
PARAGRAPH_WIDTH = 80
"""Characters per line of the paragraph about a recording."""

OUT = typer.Option(
    "--out",
    metavar="FOLDER",
    help="Folder for the results.",
    show_default="ictal_NAME in the current folder; ictal for several recordings",
)
FORMATS = typer.Option(
    "--formats",
    metavar="NAMES",
    help="Any of parquet, csv, bids, json, report, edf, separated by commas; or all.",
    autocompletion=complete_formats,
)


def score(
    files: Annotated[list[Path], RECORDINGS],
    model: Annotated[Path, MODEL] = Path("default"),
    join: Annotated[bool, JOIN] = False,
    out: Annotated[Path | None, OUT] = None,
    formats: Annotated[str, FORMATS] = "parquet,csv,bids,json,report",
    step: Annotated[float, STEP] = 10.0,
    engine: Annotated[str, ENGINE] = "auto",
    interpolate: Annotated[int, INTERPOLATE] = 0,
    no_mask: Annotated[bool, NO_MASK] = False,
    threads: Annotated[int | None, THREADS] = None,
    plugins: Annotated[list[Path] | None, PLUGIN] = None,
    accept_doubtful: Annotated[bool, ACCEPT_DOUBTFUL] = False,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Score recordings: probabilities, events and a report.

    A window of 10 s gets six probabilities, one per pattern. For research only.

    Example: ictal score night.edf

    Example: ictal score night_*.edf --join
    """
    from ictal.models.hub import find_model
    from ictal.report import results_folder
    from ictal.scoring.engines import open_engine

    load_plugins(plugins)
    wanted = list(results_folder.FORMATS) if formats == "all" else names_in(formats)
    settings = results_folder.ResultsSettings(
        step_s=step,
        interpolate=interpolate,
        mask=not no_mask,
        accept_doubtful=accept_doubtful,
        formats=tuple(wanted),
    )
    names, recordings = given_recordings(files, join, accept_doubtful)
    results_folder.check_names(names)
    folder, saved = out or results_folder.results_folder(names), find_model(model)
    announce = partial(say, f"Exporting model {saved}: this takes a few seconds, and is done only once.")
    opened = open_engine(saved, cast(Any, engine), threads, announce)
    results = Results(json_file)

    def show(file: "Path | Recording") -> dict[str, Any]:
        with bar("score again from the start") as progress:
            scored = results_folder.score_file(file, opened, folder, settings, progress=progress, on_scores=_First())
        _show_scores(results, scored.scores)
        results.show("Files:", *(f"  {path}" for path in scored.files))
        return results_folder.summary(scored.scores) if json_file else {}

    for_each(recordings, show, results)


class _First:
    """Reports the first scores of a recording as soon as they are known."""

    def __init__(self) -> None:
        self.said = False

    def __call__(self, frame: "pd.DataFrame") -> None:
        from ictal.core.predictions import PROBABILITY_COLUMNS

        given = frame[frame["reason"] == ""]
        if self.said or not len(given):
            return
        self.said = True
        row = given.iloc[0]
        column = str(row[list(PROBABILITY_COLUMNS)].astype(float).idxmax())
        pattern = column.removesuffix("_probability")
        say(f"First scores: {row['start_s']:.0f} to {row['stop_s']:.0f} s: {pattern} {row[column]:.2f}")


def _show_scores(results: Results, scores: "Scores") -> None:
    from ictal.report.clock import Clock, duration_in_words
    from ictal.scoring.event_columns import event_in_brief
    from ictal.terminology.words import recording_paragraph

    frame, events, finding = scores.frame, scores.events(), scores.findings()
    refused = int((frame["reason"] != "").sum())
    seconds = scores.manifest["seconds"]["all"]
    results.show(
        f"{scores.recording.name}: {duration_in_words(scores.recording.span_s)} scored in {seconds:.1f} s; "
        f"{len(frame)} windows, {refused} without a prediction"
    )
    for note in scores.recording.notes:
        say(f"Note: {note}.")
    if events:
        shown = new_table("event", "from", "duration", "peak")
        for event, found in list(zip(events, finding.events, strict=True))[:MAX_EVENTS]:
            shown.add_row(
                event_in_brief(found),
                str(timedelta(seconds=round(event.start_s))),
                duration_in_words(event.duration_s),
                f"{event.peak:.2f}",
            )
        results.show(shown)
    if len(events) > MAX_EVENTS:
        results.show(f"... and {len(events) - MAX_EVENTS} more events.")
    results.show(*wrap(recording_paragraph(finding, Clock(scores.recording.start).text), PARAGRAPH_WIDTH))
