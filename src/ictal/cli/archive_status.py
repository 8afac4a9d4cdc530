"""The command that shows the status of an archive."""

from pathlib import Path
from typing import Annotated

from ictal.cli.archive_log import show_status
from ictal.cli.options import ARCHIVE, JSON, PARTITION
from ictal.cli.screen import Results


def status(
    folder: Annotated[Path, ARCHIVE],
    model: Annotated[str | None, PARTITION] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Show what is done, what is left, and what failed and why.

    This also works during a run.

    Example: ictal archive status scored
    """
    from ictal.archive.status import archive_status

    found, results = archive_status(folder, model), Results(json_file)
    show_status(results, found)
    results.give_json(found.to_json())
