"""The command that tries failed recordings of an archive again."""

from pathlib import Path
from typing import Annotated

from ictal.cli.archive_log import finish, logging_to, show_status
from ictal.cli.options import ARCHIVE, JSON, LOG, MEMORY, PARTITION, SCHEDULER, WORKERS
from ictal.cli.screen import Results


def retry(
    folder: Annotated[Path, ARCHIVE],
    model: Annotated[str | None, PARTITION] = None,
    workers: Annotated[int | None, WORKERS] = None,
    scheduler: Annotated[str | None, SCHEDULER] = None,
    memory: Annotated[str | None, MEMORY] = None,
    log: Annotated[str | None, LOG] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Try recordings again that failed or are in quarantine.

    Example: ictal archive retry scored --workers 1 --memory 8GiB
    """
    from ictal.archive.run import retry_archive
    from ictal.distributed import Cluster

    cluster = Cluster(workers, scheduler, memory)
    with logging_to(log) as (progress, events):
        found = retry_archive(folder, model, cluster=cluster, progress=progress, tell=events)
    results = Results(json_file, taken=log == "-")
    show_status(results, found)
    finish(results, found)
