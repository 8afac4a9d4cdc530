"""Watch recordings while they are being recorded."""

import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from ictal.core.event_log import Tell, ignore_event
from ictal.core.windows import CENTRE_S
from ictal.errors import require
from ictal.live.rules import DEFAULT_RULES, read_rules
from ictal.live.ward import Ward, open_ward
from ictal.models.hub import NOT_A_DEVICE, find_model
from ictal.report.clock import counted
from ictal.scoring.pipeline import ScoreSettings
from ictal.web.ending import end_cleanly_on
from ictal.web.settings import ServerSettings

if TYPE_CHECKING:
    from ictal.web.viewer import Viewer

LOOK_S = 5.0
"""How often recordings that have ended are looked for."""


class WatchSettings(ServerSettings):
    """How beds are watched and shown, and where.

    Attributes
    ----------
    step_s
        Seconds from one window to the next, see `ictal.score`.
    rules
        File of rules that raise alarms; None: the default ones.
    page
        Whether there is a page.
    """

    step_s: float = float(CENTRE_S)
    rules: Path | None = None
    page: bool = True


def watch(
    sources: str | Path | Sequence[str | Path],
    out: str | Path,
    model: str | Path = "default",
    settings: WatchSettings = WatchSettings(),  # noqa: B008 (frozen)
    *,
    tell: Tell = ignore_event,
    say: Callable[[str], None] = print,
    **changes: Any,
) -> None:
    """Score EEG while it is being recorded, raise alarms, and show the beds in a browser, until Ctrl-C or SIGTERM.

    For research. Not a medical device. Each 10 s of EEG give a row as soon as the EEG that the model needs is there:
    what `ictal.score` would say of the recording up to then. Rows, events and alarms are in a journal at once, and
    the same call goes on after them. When a recording has ended, it is scored as a whole.

    Parameters
    ----------
    sources
        A source or several, one for each bed: EDF or BDF files that grow, which may not exist yet, folders into which
        a recorder drops files, and 'lsl:STREAM' for streams of the Lab Streaming Layer. A bed is named after its
        source, or 'NAME=SOURCE' names it.
    out
        Folder of journals, scores and votes.
    model
        Folder or name of the model.
    settings
        How beds are watched and shown, and where.
    tell
        Receives events of the log: alarms of rules with the action `log`, and webhooks that failed.
    say
        Called with notes, and the address to open.
    **changes
        Single fields of `settings`, such as ``port=8000`` or ``rules="rules.yaml"``.

    Raises
    ------
    UsageError, RunError
        If two sources have the same name, the rules are not allowed, or another process watches a bed in this folder.

    Examples
    --------
    >>> ictal.watch(["bed-1.edf", "bed-2.edf"], "ward", page=False)
    """
    chosen = settings.changed(changes)
    if chosen.page:
        require("web", "the page")
    rules = read_rules(chosen.rules) if chosen.rules else DEFAULT_RULES
    scoring = ScoreSettings(step_s=chosen.step_s, accept_doubtful=chosen.accept_doubtful)
    paths = [sources] if isinstance(sources, str | Path) else list(sources)
    folder, found = Path(out), find_model(model)
    with open_ward(paths, folder, found, scoring, rules, tell) as ward:
        say(f"{counted(len(ward.beds), 'bed')} watched. Journals and scores: {folder}. {NOT_A_DEVICE}")
        if chosen.page:
            _run_with_page(ward, folder, found, chosen, say)
        else:
            say("Press Ctrl-C to stop.")
            end_cleanly_on(signal.SIGTERM)
            with suppress(KeyboardInterrupt):
                ward.run(Event())


def _run_with_page(ward: Ward, out: Path, model: Path, settings: WatchSettings, say: Callable[[str], None]) -> None:
    """Watch and serve; if either ends, the other does."""
    from ictal.web.serve import serve
    from ictal.web.viewer import Viewer
    from ictal.web.ward_page import WardPage

    stop = Event()
    viewer = Viewer(out, model, settings, tuple(ward.beds.values()))
    page = WardPage(ward, viewer.patients)
    with ThreadPoolExecutor(2, "ward") as threads:
        tasks = [threads.submit(ward.run, stop), threads.submit(follow_ends, viewer, stop)]
        for task in tasks:
            task.add_done_callback(lambda _: viewer.ending.begin())
        try:
            serve(viewer, settings.host, settings.port, browser=settings.browser, say=say, ward=page)
        finally:
            stop.set()
    for task in tasks:
        task.result()  # an unexpected error


def follow_ends(viewer: "Viewer", stop: Event) -> None:
    """Let votes go to recordings that have ended, also where nobody looks at them."""
    while not stop.wait(LOOK_S):
        for _ in viewer.library:
            pass  # each takes note of what its bed knows
