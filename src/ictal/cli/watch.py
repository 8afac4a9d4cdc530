"""The command that watches recordings while they are being recorded."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ictal.cli.options import ACCEPT_DOUBTFUL, MODEL, PLUGIN, STEP, load_plugins
from ictal.cli.screen import say
from ictal.cli.view import BROWSER, HOST, PORT, SHOW_PATIENT

SOURCES = typer.Argument(
    metavar="SOURCES",
    help="Sources, one for each bed: EDF or BDF files that grow, folders into which a recorder drops files, and "
    "'lsl:STREAM' for streams of the Lab Streaming Layer. 'NAME=SOURCE' names the bed.",
)
OUT = typer.Option("--out", metavar="FOLDER", help="Folder for journals, scores and votes.")
RULES = typer.Option(
    "--rules", metavar="FILE", help="YAML file with the rules of alarms.", show_default="the default rules"
)
PAGE = typer.Option("--page/--no-page", help="Show the beds in a browser.")


def watch(
    sources: Annotated[list[str], SOURCES],
    out: Annotated[Path, OUT],
    model: Annotated[Path, MODEL] = Path("default"),
    rules: Annotated[Path | None, RULES] = None,
    step: Annotated[float, STEP] = 10.0,
    plugins: Annotated[list[Path] | None, PLUGIN] = None,
    accept_doubtful: Annotated[bool, ACCEPT_DOUBTFUL] = False,
    page: Annotated[bool, PAGE] = True,
    port: Annotated[int, PORT] = 0,
    host: Annotated[str, HOST] = "127.0.0.1",
    browser: Annotated[bool, BROWSER] = True,
    show_patient: Annotated[bool, SHOW_PATIENT] = False,
) -> None:
    """Score EEG while it is being recorded, and raise alarms.

    Alarms are lines of JSON on standard output. Repeat the command to go on after an interruption. For research only.

    Example: ictal watch bed-1.edf bed-2.edf --out ward
    """
    from ictal.core.event_log import write_event
    from ictal.web.watch import WatchSettings
    from ictal.web.watch import watch as run

    load_plugins(plugins)
    settings = WatchSettings(
        step_s=step,
        rules=rules,
        page=page,
        host=host,
        port=port,
        browser=browser,
        show_patient=show_patient,
        accept_doubtful=accept_doubtful,
    )
    run(sources, out, model, settings, tell=partial(write_event, sys.stdout), say=say)
