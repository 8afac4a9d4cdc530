"""Commands on archives: score one on many workers, say how it stands, try again what failed, and ask it."""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO, cast

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ictal.cli.recordings import ACCEPT_DOUBTFUL, ENGINE, INTERPOLATE, MODEL, STEP
from ictal.cli.screen import JSON, PARTLY_FAILED, Results, bar, say
from ictal.core.atomic_files import atomic_write, writing

if TYPE_CHECKING:
    import pandas as pd

    from ictal.archive.status import Status
    from ictal.core.progress import Progress
    from ictal.distributed import Cluster

MOST_REASONS, MOST_ROWS = 8, 20
"""Reasons and rows that are printed; of more, how many there are."""
SHOWN = {
    "burden": ("recording", "pattern", "burden", "prevalence", "n_events", "longest_s"),
    "events": ("recording", "pattern", "start_s", "duration_s", "peak", "mean"),
    "scores": ("recording", "start_s", "stop_s", "seizure_probability", "reason"),
    "recordings": ("recording", "state", "reason", "eeg_h", "tries"),
}
"""Columns that are printed of each table; files hold all."""

WORKERS = typer.Option(
    "--workers", min=1, help="Processes of this machine, one thread each [default: one per processor]."
)
SCHEDULER = typer.Option(
    "--scheduler", help="Address of a Dask scheduler, as tcp://host:8786, in place of --workers."
)
MEMORY = typer.Option("--memory", help="Of each worker, as 2GiB [default: they share the machine's].")
FOLDER = typer.Argument(help="Folder of an archive that 'ictal score-archive' made.")
PARTITION = typer.Option("--model", help="Partition, as 'status' names it [default: that of the last run].")
LOG = typer.Option(
    "--log", help="Add a line of JSON for each thing that happens to this file; '-' for standard output."
)

archive = typer.Typer(
    name="archive", help="Show the status of an archive, try again what failed, and ask it.", no_args_is_help=True
)


def score_archive(
    source: Annotated[
        str,
        typer.Argument(
            help="Folder, BIDS data set, manifest (CSV or Parquet with a column 'file'), or URL of these."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the results, which all workers share.")],
    model: Annotated[Path, MODEL] = Path("default"),
    step: Annotated[float, STEP] = 10.0,
    engine: Annotated[str, ENGINE] = "auto",
    interpolate: Annotated[int, INTERPOLATE] = 0,
    accept_doubtful: Annotated[bool, ACCEPT_DOUBTFUL] = False,
    workers: Annotated[int | None, WORKERS] = None,
    scheduler: Annotated[str | None, SCHEDULER] = None,
    memory: Annotated[str | None, MEMORY] = None,
    log: Annotated[str | None, LOG] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Score all recordings of an archive, on this machine or a cluster. Repeated, it does what is missing or changed.

    Example: ictal score-archive data/eeg --out scored --workers 4
    """
    from ictal.archive.run import score_archive as run

    place = _cluster(workers, scheduler, memory)
    with _telling(log) as (progress, teller):
        status = run(
            source,
            out,
            model,
            cluster=place,
            step_s=step,
            engine=cast(Any, engine),
            interpolate=interpolate,
            accept_doubtful=accept_doubtful,
            progress=progress,
            tell=teller,
        )
    results = Results(json_file, taken=log == "-")
    _show_status(results, status)
    results.show("Files:", *(f"  {out / name}" for name in ("ledger.parquet", "scores", "events", "burden")))
    _end(results, status)


@archive.command()
def status(
    folder: Annotated[Path, FOLDER],
    model: Annotated[str | None, PARTITION] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Show what is done, what is left, and what failed and why, also while a run is at work.

    Example: ictal archive status scored
    """
    from ictal.archive.status import archive_status

    found, results = archive_status(folder, model), Results(json_file)
    _show_status(results, found)
    results.give_json(found.to_json())


@archive.command()
def retry(
    folder: Annotated[Path, FOLDER],
    model: Annotated[str | None, PARTITION] = None,
    workers: Annotated[int | None, WORKERS] = None,
    scheduler: Annotated[str | None, SCHEDULER] = None,
    memory: Annotated[str | None, MEMORY] = None,
    log: Annotated[str | None, LOG] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Try the recordings again that failed or are in quarantine.

    Example: ictal archive retry scored --workers 1 --memory 8GiB
    """
    from ictal.archive.run import retry_archive

    place = _cluster(workers, scheduler, memory)
    with _telling(log) as (progress, teller):
        found = retry_archive(folder, model, cluster=place, progress=progress, tell=teller)
    results = Results(json_file, taken=log == "-")
    _show_status(results, found)
    _end(results, found)


@archive.command()
def query(
    folder: Annotated[Path, FOLDER],
    question: Annotated[
        str, typer.Argument(help="A condition on the columns, as SQL has it; patterns need no quotes.")
    ],
    table: Annotated[
        str, typer.Option(help="A row per: 'burden' (recording and pattern), 'events', 'scores', 'recordings'.")
    ] = "burden",
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write all rows as CSV for spreadsheets.")] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Find recordings, events or windows by a condition.

    Example: ictal archive query scored "pattern = seizure and burden > 0.2"

    Example: ictal archive query scored "state = failed" --table recordings
    """
    from ictal.archive.query import query_archive
    from ictal.core.spreadsheets import for_spreadsheets

    found, results = query_archive(folder, question, cast(Any, table)), Results(json_file)
    if csv_file:
        with atomic_write(csv_file) as part:
            for_spreadsheets(found).to_csv(part, index=False, lineterminator="\n")
    _show_rows(results, found, table)
    if csv_file:
        results.show(f"Rows: {csv_file}")
    if json_file:
        rows = json.loads(found.to_json(orient="records", date_format="iso"))
        results.give_json({"question": question, "table": table, "rows": rows})


def _cluster(workers: int | None, scheduler: str | None, memory: str | None) -> "Cluster":
    from ictal.distributed import Cluster

    return Cluster(workers, scheduler, memory)


@contextmanager
def _telling(log: str | None) -> "Iterator[tuple[Progress, _Teller]]":
    """Give what a run tells of its progress and of what happens: a bar, and lines of JSON where asked for."""
    with ExitStack() as stack:
        file = stack.enter_context(Path(log).open("a", encoding="utf-8")) if log and log != "-" else None
        teller = _Teller(sys.stdout if log == "-" else file)
        yield stack.enter_context(bar(more=teller.in_short)), teller


class _Teller:
    """Counts what happens, and writes it down."""

    def __init__(self, file: TextIO | None) -> None:
        self.file, self.counts, self.eeg_h, self.begun = file, Counter[str](), 0.0, time.monotonic()

    def __call__(self, event: str, known: dict[str, Any]) -> None:
        self.counts[event] += 1
        self.eeg_h += known.get("eeg_h", 0.0)
        if event == "dashboard":
            say(f"Dask's dashboard: {known['link']}")
            self.begun = time.monotonic()
        if event == "torn":
            say("The ledger ended within a line, as a killed process leaves it; that line does not count.")
        if self.file:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            with writing(Path(self.file.name)):
                print(json.dumps({"time": now, "event": event, **known}), file=self.file, flush=True)

    def in_short(self) -> str:
        """Return what the bar says beside the time left."""
        minutes = (time.monotonic() - self.begun) / 60
        bad = self.counts["failed"] + self.counts["quarantined"]
        return f"{self.counts['done']} done, {bad} failed, {self.eeg_h / minutes:.1f} h of EEG per minute"


def _end(results: Results, status: "Status") -> None:
    """Give the JSON of a run, and end with the code of one in which some recordings failed, where some did."""
    results.give_json(status.to_json())
    if status.states["failed"] or status.states["quarantined"]:
        raise typer.Exit(PARTLY_FAILED)


def _show_status(results: Results, status: "Status") -> None:
    counts = ", ".join(f"{count} {state}" for state, count in status.states.items())
    left = f"{status.n_left} left" + (f" ({status.n_changed} of them changed)" if status.n_changed else "")
    results.show(f"{status.model}: {status.n_recordings} recordings: {counts}, {left}")
    if status.n_departed:
        results.show(f"{status.n_departed} more have left the source; their results stay, and are not counted here")
    if status.unseen:
        results.show(f"Counted as of the last run, since the source cannot be listed: {status.unseen}")
    hours = f"{status.eeg_h:.1f} h of EEG in {status.worker_h:.2f} h of one worker: {status.speed:.0f} h per hour"
    results.show(hours)
    reasons = [f"  {count} x {reason}" for reason, count in status.reasons.items()]
    results.show(*reasons[:MOST_REASONS])
    if len(reasons) > MOST_REASONS:
        results.show(f"  ... and {len(reasons) - MOST_REASONS} more reasons")


def _show_rows(results: Results, rows: "pd.DataFrame", table: str) -> None:
    columns = SHOWN[table]
    shown = Table(*columns, box=SIMPLE_HEAD, padding=0)
    for row in rows.head(MOST_ROWS)[list(columns)].itertuples(index=False):
        shown.add_row(*(f"{value:.4g}" if isinstance(value, float) else escape(str(value)) for value in row))
    results.show(shown)
    results.show(f"{len(rows)} rows" + (f", of which {MOST_ROWS} are shown" if len(rows) > MOST_ROWS else ""))
