"""The command that searches an archive."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ictal.cli.completion import complete_table
from ictal.cli.options import ARCHIVE, JSON
from ictal.cli.screen import Results
from ictal.core.atomic_files import atomic_write

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS = 20
"""Number of rows that are printed; the others are only counted."""
SHOWN = {
    "burden": ("recording", "pattern", "burden", "prevalence", "n_events", "longest_s"),
    "events": ("recording", "pattern", "start_s", "duration_s", "frequency_hz", "side", "regions", "peak", "mean"),
    "scores": ("recording", "start_s", "stop_s", "seizure_probability", "reason"),
    "recordings": ("recording", "state", "reason", "eeg_h", "tries"),
}
"""Columns of each table that are printed; files have all columns."""

QUESTION = typer.Argument(metavar="CONDITION", help="An SQL condition on the columns; patterns need no quotes.")
TABLE = typer.Option(
    "--table",
    metavar="TABLE",
    help="Table to search: burden (a row per recording and pattern), events, scores or recordings.",
    show_default="the first of them that has all columns of the condition",
    autocompletion=complete_table,
)
CSV_FILE = typer.Option("--csv", metavar="FILE", help="Write all rows as CSV for spreadsheets.")


def query(
    folder: Annotated[Path, ARCHIVE],
    question: Annotated[str, QUESTION],
    table: Annotated[str | None, TABLE] = None,
    csv_file: Annotated[Path | None, CSV_FILE] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Find recordings, events or windows by a condition.

    Example: ictal archive query scored "pattern = seizure and burden > 0.2"

    Example: ictal archive query scored "pattern = lpd and frequency_hz > 2"

    Example: ictal archive query scored "state = failed"
    """
    from ictal.archive.query import query_archive
    from ictal.core.spreadsheets import for_spreadsheets

    found, results = query_archive(folder, question, cast(Any, table)), Results(json_file)
    searched = found.attrs["table"]
    if csv_file:
        with atomic_write(csv_file) as part:
            for_spreadsheets(found).to_csv(part, index=False, lineterminator="\n")
    _show(results, found, searched)
    if csv_file:
        results.show(f"Rows: {csv_file}")
    if json_file:
        rows = json.loads(found.to_json(orient="records", date_format="iso"))
        results.give_json({"question": question, "table": searched, "rows": rows})


def _show(results: Results, rows: "pd.DataFrame", table: str) -> None:
    columns = SHOWN[table]
    shown = Table(*columns, box=SIMPLE_HEAD, padding=0)
    for row in rows.head(MAX_ROWS)[list(columns)].itertuples(index=False):
        shown.add_row(*map(_cell, row))
    results.show(shown)
    results.show(
        f"{len(rows)} rows of {table}" + (f"; the first {MAX_ROWS} are shown" if len(rows) > MAX_ROWS else "")
    )


def _cell(value: object) -> str:
    if value is None or value != value:  # NaN
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
