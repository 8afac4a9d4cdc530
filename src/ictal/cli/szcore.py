"""The command that SzCORE's container runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ictal.cli.options import JSON, MODEL, THREADS
from ictal.cli.screen import Results, bar, say

if TYPE_CHECKING:
    from ictal.scoring.scores import Scores

RECORDING = typer.Argument(metavar="RECORDING", help="Recording, such as an EDF file.")
TABLE = typer.Argument(metavar="TABLE", help="Table to write, such as night_events.tsv; replaced if it exists.")


def szcore(
    recording: Annotated[Path, RECORDING],
    table: Annotated[Path, TABLE],
    model: Annotated[Path, MODEL] = Path("default"),
    threads: Annotated[int | None, THREADS] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Write the seizures of a recording as SzCORE's benchmark expects them.

    The table follows HED-SCORE: a row per seizure, or one row of background if there is none.

    Example: ictal szcore night.edf night_events.tsv
    """
    from ictal.scoring.szcore import szcore
    from ictal.scoring.writers import summary

    with bar("score again from the start") as progress:
        scores = szcore(recording, table, model, progress=progress, threads=threads)
    results = Results(json_file)
    results.give_json(summary(scores))
    _show(results, scores, table)


def _show(results: Results, scores: "Scores", table: Path) -> None:
    n_seizures = sum(event.pattern == "seizure" for event in scores.events())
    plural = "" if n_seizures == 1 else "s"
    results.show(f"{scores.recording.name}: {n_seizures} seizure{plural}", "Files:", f"  {table}")
    for note in scores.recording.notes:
        say(f"Note: {note}.")
