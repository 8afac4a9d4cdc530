"""A ward: many beds, watched by one process."""

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from ictal.core.blas import one_blas_thread
from ictal.core.event_log import Tell, ignore_event
from ictal.errors import UsageError, require
from ictal.io.growing import GROWING, Growing, GrowingFile, GrowingFolder
from ictal.io.open import suffix_of
from ictal.live.actions import Actions
from ictal.live.bed import Bed
from ictal.live.journal import claim_journal
from ictal.live.rules import DEFAULT_RULES, Rules
from ictal.models.hub import find_model
from ictal.report.clock import counted
from ictal.scoring.engines import open_engine
from ictal.scoring.pipeline import ScoreSettings
from ictal.scoring.scored_recording import stem_of

log = logging.getLogger(__name__)

POLL_S = 0.5
"""How often each bed is looked at."""
MOST_BEDS = 1000
LSL = "lsl:"
"""How sources that are LSL streams begin."""
NAMED = re.compile(r"(?:([^=/\\]+)=)?(.*)", re.DOTALL)
"""A source with the name of its bed in front, or without."""


@dataclass(frozen=True)
class Ward:
    """Beds that are watched together.

    Attributes
    ----------
    beds
        By name.
    actions
        What alarms do.
    """

    beds: Mapping[str, Bed]
    actions: Actions

    def run(self, stop: Event) -> None:
        """Watch all beds until `stop` is set; what is being scored then is completed first."""
        workers = os.cpu_count() or 1
        running: dict[object, Future[None]] = {}
        with (
            one_blas_thread(),  # what is done at once already keeps the CPUs busy
            ThreadPoolExecutor(1, "finish") as finisher,
            ThreadPoolExecutor(workers, "bed") as pool,
            ExitStack() as stack,
        ):
            stack.callback(finisher.shutdown, wait=False, cancel_futures=True)  # the next watcher does the rest
            while not stop.wait(POLL_S):
                for bed in self.beds.values():
                    if _is_free(bed.poll, running):
                        running[bed.poll] = pool.submit(bed.poll)
                    if bed.to_be_finished and _is_free(bed.finish, running):
                        running[bed.finish] = finisher.submit(bed.finish)


def _is_free(work: object, running: Mapping[object, Future[None]]) -> bool:
    """Return whether some work is neither queued nor being done."""
    before = running.get(work)
    if before is None:
        return True
    if before.done():
        before.result()  # an unexpected error ends the program, and does not go unnoticed
    return before.done()


@contextmanager
def open_ward(
    sources: Sequence[str | Path],
    out: Path,
    model: str | Path = "default",
    settings: ScoreSettings = ScoreSettings(),  # noqa: B008 (frozen)
    rules: Rules = DEFAULT_RULES,
    tell: Tell = ignore_event,
) -> Iterator[Ward]:
    """Yield a ward with a bed for each source.

    Parameters
    ----------
    sources
        EDF or BDF files that grow, folders into which a recorder drops files, and 'lsl:NAME' for LSL streams. See
        `name_beds` for their names, which appear in alarms.
    out
        Each bed has a folder in it.
    model, settings
        See `ictal.score`.
    rules
        Which alarms are raised.
    tell
        Called with each alarm whose rule has the action 'log', and each failure of a webhook.

    Raises
    ------
    UsageError
        If there is no source, or two have the same name, or one is a file that cannot be read while it grows.
    RunError
        If another process watches a bed.
    """
    named = name_beds(sources)
    engine = open_engine(find_model(model), settings.engine, threads=1)
    with ExitStack() as stack:
        held = {
            name: (
                stack.enter_context(claim_journal(out / name)),
                stack.enter_context(_growing(source, out / name, settings)),
            )
            for name, source in named.items()
        }
        actions = Actions(rules, tell)
        beds = {
            name: Bed(name, out / name, growing, journal, engine, settings, rules, actions.act)
            for name, (journal, growing) in held.items()
        }
        stack.callback(_warn_of_untold, beds)
        stack.callback(actions.close)  # while the journals are open
        yield Ward(beds, actions)


def name_beds(sources: Sequence[str | Path]) -> dict[str, str]:
    """Return sources by the names of their beds: 'NAME=SOURCE', or the name of the file, folder or stream.

    Raises
    ------
    UsageError
        If there is no source, or two have the same name.
    """
    if not sources:
        raise UsageError("name at least one recording, folder or stream to watch")
    if len(sources) > MOST_BEDS:
        raise UsageError(f"{len(sources)} sources are too many; allowed are {MOST_BEDS}")
    named: dict[str, str] = {}
    for source in map(str, sources):
        given, found = NAMED.fullmatch(source).groups()  # type: ignore[union-attr]  # it matches everything
        plain = found.removeprefix(LSL) if found.startswith(LSL) else stem_of(Path(found).resolve())
        name = re.sub(r"[^\w .+-]", "_", given or plain).strip(". ") or "bed"
        if name in named:
            raise UsageError(
                f"{found} and {named[name]} would both be bed '{name}'; name them, as in 'bed-2={found}'"
            )
        named[name] = found
    return named


def _warn_of_untold(beds: Mapping[str, Bed]) -> None:
    if n_untold := sum(bool(alarm.untold) for bed in beds.values() for alarm in bed.alarms):
        log.warning("%s not told yet; the next watcher of this folder goes on with that", counted(n_untold, "alarm"))


@contextmanager
def _growing(source: str, folder: Path, settings: ScoreSettings) -> Iterator[Growing]:
    """Yield a source by what it is."""
    path = Path(source)
    if source.startswith(LSL):
        require("lsl", "watching an LSL stream")
        from ictal.live.lsl_source import LslSource

        with closing(LslSource(source.removeprefix(LSL), folder)) as stream:
            yield stream
    elif path.is_dir():
        yield GrowingFolder(path, accept_doubtful=settings.accept_doubtful)
    elif suffix_of(path.name) in GROWING:
        yield GrowingFile(path)
    else:
        raise UsageError(
            f"{path}: is neither a folder nor a file that can be read while it grows ({', '.join(GROWING)}); drop "
            "complete files of other formats into a folder, and name the folder"
        )
