"""A ward: many beds, watched by one process."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from ictal.core.blas import one_blas_thread
from ictal.core.event_log import Tell, ignore_event
from ictal.errors import UsageError
from ictal.io.growing import GROWING, Growing, GrowingFile, GrowingFolder
from ictal.io.open import suffix_of
from ictal.live.actions import Actions
from ictal.live.bed import Bed
from ictal.live.journal import claim_journal
from ictal.live.rules import DEFAULT_RULES, Rules
from ictal.models.hub import find_model
from ictal.scoring.engines import open_engine
from ictal.scoring.pipeline import ScoreSettings
from ictal.scoring.scored_recording import stem_of

POLL_S = 0.5
"""How often each bed is looked at."""
MOST_BEDS = 1000


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
        running: dict[str, Future[None]] = {}
        with (
            one_blas_thread(),  # what is done at once already keeps the CPUs busy
            ThreadPoolExecutor(1, "finish") as finisher,
            ThreadPoolExecutor(workers, "bed") as pool,
        ):
            while not stop.wait(POLL_S):
                for name, bed in self.beds.items():
                    before = running.get(name)
                    if before is not None and not before.done():
                        continue
                    if before is not None:
                        before.result()  # an unexpected error ends the program, and does not go unnoticed
                    running[name] = finisher.submit(bed.finish) if bed.to_be_finished else pool.submit(bed.poll)


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
        EDF or BDF files that grow, and folders into which a recorder drops files. A bed is named after its source.
    out
        Each bed has a folder in it.
    model, settings
        See `ictal.score`.
    rules
        Which alarms are raised.
    tell
        See `ictal.live.actions.Actions`.

    Raises
    ------
    UsageError
        If there is no source, or two have the same name, or one is a file that cannot be read while it grows.
    RunError
        If another process watches a bed.
    """
    named = _named(sources)
    engine = open_engine(find_model(model), settings.engine, threads=1)
    with ExitStack() as stack:
        journals = {name: stack.enter_context(claim_journal(out / name)) for name in named}
        actions = Actions(rules, tell)
        stack.callback(actions.close)
        yield Ward(
            {
                name: Bed(
                    name, out / name, _growing(source, settings), journals[name], engine, settings, rules, actions.act
                )
                for name, source in named.items()
            },
            actions,
        )


def _named(sources: Sequence[str | Path]) -> dict[str, Path]:
    """Return sources by the names of their beds."""
    if not sources:
        raise UsageError("name at least one recording or folder to watch")
    if len(sources) > MOST_BEDS:
        raise UsageError(f"{len(sources)} sources are too many; allowed are {MOST_BEDS}")
    named: dict[str, Path] = {}
    for source in map(Path, sources):
        name = re.sub(r"[^\w .+-]", "_", source.resolve().name if source.is_dir() else stem_of(source))
        if name in named:
            raise UsageError(f"{source} and {named[name]} would both be bed '{name}'; rename one of them")
        named[name] = source
    return named


def _growing(source: Path, settings: ScoreSettings) -> Growing:
    if source.is_dir():
        return GrowingFolder(source, accept_doubtful=settings.accept_doubtful)
    if suffix_of(source.name) not in GROWING:
        raise UsageError(
            f"{source}: files of this format cannot be read while they grow; allowed are {' and '.join(GROWING)} "
            "files, and folders of complete files of any format"
        )
    return GrowingFile(source, accept_doubtful=settings.accept_doubtful)
