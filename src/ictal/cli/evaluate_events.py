"""The command that compares events with a reference."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ictal.cli.options import EVENT_PATTERN, JSON
from ictal.cli.screen import Results, new_table

if TYPE_CHECKING:
    from ictal.scoring.event_agreement import EventEvaluation

SCORES = typer.Argument(
    metavar="SCORES", help="Scores (Parquet), events (BIDS events.tsv), or a folder of such files: a BIDS data set."
)
EVENTS = typer.Argument(
    metavar="REFERENCE",
    help="BIDS events.tsv, a folder of such files (a BIDS data set), or a table with a row per seizure.",
)


def evaluate_events(
    scores: Annotated[Path, SCORES],
    events: Annotated[Path, EVENTS],
    pattern: Annotated[str, EVENT_PATTERN] = "seizure",
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Compare events with a reference, by the rules of SzCORE.

    For a BIDS data set, figures are also averaged over subjects, and the JSON has the keys of SzCORE's results.

    Example: ictal evaluate-events ictal_night night_reference_events.tsv
    """
    from ictal.scoring.event_scoring import evaluate_files

    result, results = evaluate_files(scores, events, pattern), Results(json_file)
    results.give_json(result.to_json())
    _show(results, result)


def _show(results: Results, result: "EventEvaluation") -> None:
    from ictal.scoring.event_agreement import shown as cell
    from ictal.scoring.event_intervals import FIGURES

    subjects = f" of {len(result.subjects)} subjects" if result.subjects else ""
    results.show(f"{result.pattern}: {len(result.files)} recordings{subjects}, {result.duration_s / 3600:.2f} h")
    table = new_table("", "reference", "found", "false", "sensitivity", "precision", "F1", "false per day")
    for name, one in (("events", result.events), ("seconds", result.samples)):
        counts = (f"{one.reference:g}", f"{one.hits:g}", f"{one.false_alarms:g}")
        intervals = result.intervals["events" if name == "events" else "samples"]
        ratios = (cell(getattr(one, figure), getattr(intervals, figure)) for figure in FIGURES)
        table.add_row(name, *counts, *ratios)
    for kind, means in result.subject_means.items():
        name = "events" if kind == "events" else "seconds"
        table.add_row(f"{name}, mean", "", "", "", *(cell(one.mean, one.interval) for one in means.values()))
    results.show(table)
    if result.subjects:
        results.show("Means are over the subjects that have the figure: one without seizures has no sensitivity.")
    for sentence in result.left_out:
        results.show(f"{sentence}.")
    if result.unscored_reference_s:
        results.show(f"{result.unscored_reference_s:g} s of reference events have no prediction and cannot be found.")
    if result.without_reference:
        results.show(f"Left out, because the reference lacks them: {', '.join(result.without_reference)}.")
    if result.without_scores:
        counted = ", and counted as recordings without events" if result.subjects else ""
        results.show(f"In the reference, but not scored{counted}: {', '.join(result.without_scores)}.")
