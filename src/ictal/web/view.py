"""Open the viewer on recordings."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ictal.errors import ReadError, UsageError
from ictal.io.joined import joined_path
from ictal.models.hub import find_model
from ictal.report.results_folder import check_names, results_folder
from ictal.web import serve
from ictal.web.settings import ServerSettings
from ictal.web.viewer import Viewer


def view(
    files: str | Path | Sequence[str | Path] = (),
    model: str | Path | None = None,
    out: str | Path | None = None,
    settings: ServerSettings = ServerSettings(),  # noqa: B008 (frozen)
    *,
    join: bool = False,
    say: Callable[[str], None] = print,
    **changes: Any,
) -> int:
    """Show recordings in a browser until Ctrl-C.

    Parameters
    ----------
    files
        A recording or several; none is needed with ``upload=True``.
    model
        Folder or name of the model that scores; None: the one that made existing scores, else 'default'.
    out
        Folder of scores and votes; None: see `results_folder`.
    settings
        What the viewer may do, and where it listens.
    join
        Whether the files are pieces of one recording, see `ictal.join`.
    say
        Called with the address to open, and with the error of each recording that cannot be read.
    **changes
        Single fields of `settings`, such as ``port=8000``.

    Returns
    -------
    int
        How many recordings could not be read.

    Raises
    ------
    UsageError
        If there is nothing to show.
    ReadError
        If no recording can be read.
    """
    chosen = settings.changed(changes)
    paths = [Path(file) for file in ([files] if isinstance(files, str | Path) else files)]
    if not paths and not chosen.upload:
        raise UsageError("name at least one recording, 'ictal view night.edf', or allow uploads with --upload")
    named = [joined_path(paths)] if join and paths else paths
    check_names(named)
    if model is not None:
        model = find_model(model)  # once: what a name on the Hub means may change while the page is open
    viewer = Viewer(Path(out) if out else results_folder(named), model, chosen)
    failed = 0
    if join and paths:
        viewer.show(named[0], pieces=paths)
    else:
        failed = _add_all(viewer, paths, say)
    serve.serve(viewer, chosen.host, chosen.port, browser=chosen.browser, say=say)
    return failed


def _add_all(viewer: Viewer, files: Sequence[Path], say: Callable[[str], None]) -> int:
    """Add files to the viewer, and return how many cannot be read. A single one is an error."""
    failed = 0
    for file in files:
        try:
            viewer.show(file)
        except ReadError as error:
            if len(files) == 1:
                raise
            say(f"Error: {error}")
            failed += 1
    if failed and failed == len(files):
        raise ReadError("none of the recordings can be read")
    return failed
