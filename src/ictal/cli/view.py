"""The command that opens the viewer."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ictal.cli.recordings import ACCEPT_DOUBTFUL
from ictal.cli.screen import PARTLY_FAILED, say, say_error
from ictal.errors import ReadError, UsageError, require

if TYPE_CHECKING:
    from ictal.web.viewer import Viewer


def view(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Recordings; none are needed with --upload.", show_default=False)
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="Folder of a model, or its name [default: whatever scored it, else 'default']."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of scores and votes [default: ictal_NAME beside you; of several or none, ictal]."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 0,
    host: Annotated[
        str, typer.Option(help="Address to listen at; any but the default lets others in.")
    ] = "127.0.0.1",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
    blind: Annotated[
        bool, typer.Option("--blind/--not-blind", help="Tell raters what the model says only after they voted.")
    ] = True,
    upload: Annotated[bool, typer.Option("--upload", help="Let the page send files.")] = False,
    accept_doubtful: Annotated[bool, ACCEPT_DOUBTFUL] = False,
    show_patient: Annotated[
        bool, typer.Option("--show-patient", help="Show the patient field of EDF files.")
    ] = False,
) -> None:
    """Look at recordings in a browser: EEG, what the model says and why; and vote. For research only.

    Example: ictal view night.edf
    """
    require("web", "the viewer")
    from ictal.report.results_folder import check_names, results_folder
    from ictal.web.serve import serve
    from ictal.web.settings import ViewerSettings
    from ictal.web.viewer import Viewer

    shown = files or []
    if not shown and not upload:
        raise UsageError("name at least one recording, 'ictal view night.edf', or let the page send some: --upload")
    check_names(shown)
    settings = ViewerSettings(blind=blind, upload=upload, show_patient=show_patient, accept_doubtful=accept_doubtful)
    viewer = Viewer(out or results_folder(shown), model, settings)
    failed = _show_all(viewer, shown)
    serve(viewer, host, port, browser=browser, say=say)
    if failed:
        raise typer.Exit(PARTLY_FAILED)


def _show_all(viewer: "Viewer", files: list[Path]) -> int:
    """Add files to the viewer; say which cannot be read, and return how many. A single one is an error."""
    failed = 0
    for file in files:
        try:
            viewer.show(file)
        except ReadError as error:
            if len(files) == 1:
                raise
            say_error(error)
            failed += 1
    if failed and failed == len(files):
        raise ReadError("none of the recordings can be read")
    return failed
