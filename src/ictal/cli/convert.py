"""The command that writes a recording as EDF+ or BDF+."""

from pathlib import Path
from typing import Annotated

import typer

from ictal.cli.options import ACCEPT_DOUBTFUL, JSON
from ictal.cli.screen import Results, bar

RECORDING = typer.Argument(
    metavar="RECORDING", help="Recording in any format that ictal reads, or folder of a BIDS data set with one."
)
OUT = typer.Argument(metavar="OUT", help="File to write: .edf (16 bits per sample) or .bdf (24 bits).")
OVERWRITE = typer.Option("--overwrite", help="Replace OUT if it exists.")


def convert(
    recording: Annotated[Path, RECORDING],
    out: Annotated[Path, OUT],
    overwrite: Annotated[bool, OVERWRITE] = False,
    accept_doubtful: Annotated[bool, ACCEPT_DOUBTFUL] = False,
    json_file: Annotated[str | None, JSON] = None,
) -> None:
    """Write a recording as EDF+, with its true times, gaps and annotations.

    The result lists what EDF cannot hold.

    Example: ictal convert night.vhdr night.edf
    """
    from ictal.io.convert import convert as run
    from ictal.report.clock import counted, duration_in_words

    with bar("start again") as progress:
        made = run(recording, out, overwrite=overwrite, accept_doubtful=accept_doubtful, progress=progress)
    results = Results(json_file)
    results.show(
        f"{made.kind}: {made.file}",
        f"  {duration_in_words(made.duration_s)}; {counted(len(made.channels), 'channel')} at {made.rate_hz:g} Hz, "
        f"in steps of {made.step_uv:.2g} µV or less",
        f"  {counted(made.n_gaps, 'gap')}, {counted(made.n_annotations, 'annotation')}",
        *(f"  note: {note}" for note in made.notes),
    )
    results.give_json(made.to_json())
