"""The command that opens the viewer."""

from pathlib import Path
from typing import Annotated

import typer

from ictal.cli.completion import complete_model
from ictal.cli.options import ACCEPT_DOUBTFUL, JOIN, PLUGIN, load_plugins
from ictal.cli.screen import PARTLY_FAILED, say
from ictal.errors import require

FILES = typer.Argument(metavar="FILES", help="Recordings; not needed with --upload.", show_default=False)
MODEL = typer.Option(
    "--model",
    metavar="MODEL",
    help="Name of a model, or its folder.",
    show_default="the one that made existing scores, else default",
    autocompletion=complete_model,
)
OUT = typer.Option(
    "--out",
    metavar="FOLDER",
    help="Folder for scores and votes.",
    show_default="ictal_NAME in the current folder; ictal for several or no recordings",
)
PORT = typer.Option("--port", min=0, max=65535, metavar="N", help="Port; 0 for any free port.")
HOST = typer.Option(
    "--host",
    metavar="ADDRESS",
    help="Address to listen on; any other than the default lets other machines connect.",
)
BROWSER = typer.Option("--browser/--no-browser", help="Open a browser.")
BLIND = typer.Option("--blind/--not-blind", help="Hide the model's prediction until a rater has voted.")
UPLOAD = typer.Option("--upload", help="Allow uploads from the page.")
SHOW_PATIENT = typer.Option("--show-patient", help="Show the patient field of EDF files.")


def view(
    files: Annotated[list[Path] | None, FILES] = None,
    join: Annotated[bool, JOIN] = False,
    model: Annotated[Path | None, MODEL] = None,
    out: Annotated[Path | None, OUT] = None,
    port: Annotated[int, PORT] = 0,
    host: Annotated[str, HOST] = "127.0.0.1",
    browser: Annotated[bool, BROWSER] = True,
    blind: Annotated[bool, BLIND] = True,
    upload: Annotated[bool, UPLOAD] = False,
    plugins: Annotated[list[Path] | None, PLUGIN] = None,
    accept_doubtful: Annotated[bool, ACCEPT_DOUBTFUL] = False,
    show_patient: Annotated[bool, SHOW_PATIENT] = False,
) -> None:
    """Show recordings and scores in a browser, and vote.

    The page shows the EEG, what the model predicts and why. For research only.

    Example: ictal view night.edf
    """
    require("web", "the viewer")
    from ictal.web.settings import ServerSettings
    from ictal.web.view import view as show

    load_plugins(plugins)
    settings = ServerSettings(
        host=host,
        port=port,
        browser=browser,
        blind=blind,
        upload=upload,
        show_patient=show_patient,
        accept_doubtful=accept_doubtful,
    )
    if show(files or (), model, out, settings, join=join, say=say):
        raise typer.Exit(PARTLY_FAILED)
