"""The command that scores an archive."""

from pathlib import Path
from typing import Annotated, Any, cast

import typer

from ictal.cli.archive_log import finish, logging_to, show_status
from ictal.cli.options import (
    ACCEPT_DOUBTFUL,
    ENGINE,
    INTERPOLATE,
    JSON,
    LOG,
    MEMORY,
    MODEL,
    PLUGIN,
    SCHEDULER,
    STEP,
    WORKERS,
    load_plugins,
)
from ictal.cli.screen import Results

SOURCE = typer.Argument(
    metavar="SOURCE",
    help="A folder, BIDS data set or manifest (CSV or Parquet with a column 'file'), or the URL of one.",
)
JOIN = typer.Option(
    "--join",
    metavar="PATTERN",
    help="Join files that are pieces of one recording: '{recording}_*.edf' makes one of night_01.edf, night_02.edf.",
    show_default=False,
)
OUT = typer.Option("--out", metavar="FOLDER", help="Folder for the results, which all workers share.")


def score_archive(
    source: Annotated[str, SOURCE],
    out: Annotated[Path, OUT],
    join: Annotated[str, JOIN] = "",
    model: Annotated[Path, MODEL] = Path("default"),
    step: Annotated[float, STEP] = 10.0,
    engine: Annotated[str, ENGINE] = "auto",
    interpolate: Annotated[int, INTERPOLATE] = 0,
    plugins: Annotated[list[Path] | None, PLUGIN] = None,
    accept_doubtful: Annotated[bool, ACCEPT_DOUBTFUL] = False,
    workers: Annotated[int | None, WORKERS] = None,
    scheduler: Annotated[str | None, SCHEDULER] = None,
    memory: Annotated[str | None, MEMORY] = None,
    log: Annotated[str | None, LOG] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Score a folder of recordings on many CPUs or a cluster.

    Repeat the command to score what is missing or has changed.

    Example: ictal score-archive data/eeg --out scored --workers 4
    """
    from ictal.archive.run import score_archive as run
    from ictal.distributed import Cluster

    load_plugins(plugins)
    cluster = Cluster(workers, scheduler, memory)
    with logging_to(log) as (progress, events):
        status = run(
            source,
            out,
            model,
            cluster=cluster,
            step_s=step,
            engine=cast(Any, engine),
            interpolate=interpolate,
            accept_doubtful=accept_doubtful,
            join=join,
            progress=progress,
            tell=events,
        )
    results = Results(json_file, taken=log == "-")
    show_status(results, status)
    results.show("Files:", *(f"  {out / name}" for name in ("ledger.parquet", "scores", "events", "burden")))
    finish(results, status)
