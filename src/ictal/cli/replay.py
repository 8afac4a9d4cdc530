"""The command that plays a recording out as if it were being recorded now."""

from pathlib import Path
from typing import Annotated

import typer

from ictal.cli.options import ACCEPT_DOUBTFUL, SPEED
from ictal.cli.screen import Results, bar, say

RECORDING = typer.Argument(
    metavar="RECORDING", help="Recording in any format that ictal reads, or folder of a BIDS data set with one."
)
OUT = typer.Option("--out", metavar="FOLDER", help="Folder for the file that grows.")
PIECES = typer.Option(
    "--pieces-min", metavar="MINUTES", help="Begin a new file after each so many minutes.", show_default="one file"
)
LSL = typer.Option("--lsl", metavar="NAME", help="Send a stream of this name by LSL instead.")


def replay(
    recording: Annotated[Path, RECORDING],
    out: Annotated[Path | None, OUT] = None,
    pieces_min: Annotated[float | None, PIECES] = None,
    lsl: Annotated[str | None, LSL] = None,
    speed: Annotated[float, SPEED] = 1.0,
    accept_doubtful: Annotated[bool, ACCEPT_DOUBTFUL] = False,
) -> None:
    """Play a recording out in real time, as if it were being recorded now.

    It becomes an EDF+ or BDF+ file that grows, consecutive files, or a stream of the Lab Streaming Layer (LSL).
    Ctrl-C ends it, and leaves complete files.

    Example: ictal replay night.edf --out ward --speed 60

    Example: ictal replay night.edf --out ward --pieces-min 10

    Example: ictal replay night.edf --lsl bed-7
    """
    from ictal.io.open import open_recording
    from ictal.live.replay import replay as run
    from ictal.report.clock import duration_in_words

    opened = open_recording(recording, accept_doubtful=accept_doubtful)
    with bar(again="") as progress:
        played = run(opened, out, speed=speed, pieces_min=pieces_min, lsl=lsl, progress=progress)
    for note in played.notes:
        say(f"Note: {note}")
    where = [f"  {file}" for file in played.files] or [f"  LSL stream '{lsl}'"]
    Results().show(f"Played {duration_in_words(played.duration_s)} into:", *where)
