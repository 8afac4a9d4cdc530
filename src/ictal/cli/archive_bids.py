"""The command that writes an archive as a BIDS data set."""

from pathlib import Path
from typing import Annotated

import typer

from ictal.cli.options import ARCHIVE, JSON, PARTITION
from ictal.cli.screen import PARTLY_FAILED, Results, bar, say_error

OUT = typer.Option("--out", metavar="FOLDER", help="Folder of the data set; one from an earlier call is updated.")
NAMES = typer.Option(
    "--names",
    metavar="CSV",
    help="Names for recordings without BIDS names: columns recording, subject, and session, task and run if needed.",
)


def bids(
    folder: Annotated[Path, ARCHIVE],
    out: Annotated[Path, OUT],
    model: Annotated[str | None, PARTITION] = None,
    names: Annotated[Path | None, NAMES] = None,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Write events and scores as a BIDS derivative data set.

    Repeat the command to write only what is new.

    Example: ictal archive bids scored --out data/derivatives/ictal
    """
    from ictal.archive.bids_folder import archive_to_bids

    results = Results(json_file)
    with bar() as progress:
        found = archive_to_bids(folder, out, model, names, progress=progress)
    removed = f", {found.n_removed} removed" if found.n_removed else ""
    counts = f"{found.n_written} recordings written, {found.n_kept} already there{removed}"
    results.show(f"{found.model}: {counts}", f"Data set: {out}")
    results.give_json(found.to_json())
    for problem in found.failed:
        say_error(problem)
    if found.failed:
        raise typer.Exit(PARTLY_FAILED)
