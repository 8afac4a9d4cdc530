"""The command that opens the viewer."""

from pathlib import Path
from typing import Annotated

import typer

from ictal.cli.completion import complete_model
from ictal.cli.options import ACCEPT_DOUBTFUL
from ictal.cli.screen import PARTLY_FAILED, say
from ictal.errors import require


def view(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILES", help="Recordings; not needed with --upload.", show_default=False),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL",
            help="Name of a model, or its folder.",
            show_default="the one that made existing scores, else default",
            autocompletion=complete_model,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of scores and votes.",
            show_default="ictal_NAME in the current folder; ictal for several or no recordings",
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="N", help="Port; 0 for any free one.")] = 0,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on; any other than the default lets other machines connect.",
        ),
    ] = "127.0.0.1",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
    blind: Annotated[
        bool, typer.Option("--blind/--not-blind", help="Hide the model's answer until a rater has voted.")
    ] = True,
    upload: Annotated[bool, typer.Option("--upload", help="Let the page upload files.")] = False,
    accept_doubtful: Annotated[bool, ACCEPT_DOUBTFUL] = False,
    show_patient: Annotated[
        bool, typer.Option("--show-patient", help="Show the patient field of EDF files.")
    ] = False,
) -> None:
    """Show recordings and scores in a browser, and vote.

    The page shows the EEG, what the model predicts and why. For research only.

    Example: ictal view night.edf
    """
    require("web", "the viewer")
    from ictal.web.settings import ServerSettings
    from ictal.web.view import view as show

    settings = ServerSettings(
        host=host,
        port=port,
        browser=browser,
        blind=blind,
        upload=upload,
        show_patient=show_patient,
        accept_doubtful=accept_doubtful,
    )
    if show(files or (), model, out, settings, say=say):
        raise typer.Exit(PARTLY_FAILED)
