"""Background work: threads that run jobs one after another, and scoring."""

import logging
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ictal.errors import IctalError
from ictal.models.hub import find_model
from ictal.scoring.engines import Engine, open_engine
from ictal.scoring.pipeline import score
from ictal.scoring.scores import Scores
from ictal.web.library import CONTENT, Item, belong_to_other_file, score_paths
from ictal.web.worker_process import WAIT_S, JobStoppedError, WorkerProcess

Job = Callable[[], None]
log = logging.getLogger(__name__)


class JobThread:
    """A daemon thread that runs jobs in the order of submission."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._begun = threading.Lock()

    def do(self, job: Job) -> None:
        """Add a job to the queue."""
        self._jobs.put(job)
        with self._begun:
            if not self._thread.is_alive() and not self._stopped.is_set():
                self._thread.start()

    def stop(self) -> None:
        """End the running job at its next `check`, wait a moment for it, and start no other."""
        self._stopped.set()
        self._jobs.put(lambda: None)  # wakes a waiting thread
        if self._thread.is_alive():
            self._thread.join(WAIT_S)

    def check(self) -> None:
        """Raise a `JobStoppedError` if the thread was stopped; jobs call this regularly."""
        if self._stopped.is_set():
            raise JobStoppedError

    def _work(self) -> None:
        while not self._stopped.is_set():
            job = self._jobs.get()
            try:
                job()
            except JobStoppedError:
                return
            except Exception:
                log.exception("a job in the background failed")


class Scorer:
    """Scores recordings with one model, which is opened for the first of them.

    Parameters
    ----------
    model
        Folder or name of the model.
    out
        Folder of the results.
    """

    def __init__(self, model: str | Path, out: Path) -> None:
        self.model, self.out = model, out
        self._engine: Engine | None = None
        self._exporter: WorkerProcess | None = None

    def path(self, item: Item) -> Path:
        """Return the path for the scores of a recording; scores of another recording are never replaced."""
        usual, other = score_paths(self.out, item.path)
        try:
            taken = usual.is_file() and belong_to_other_file(Scores.read(usual), item.path)
        except IctalError:
            taken = False  # it is no longer a table of scores
        return other if taken else usual

    def score(self, item: Item, worker: JobThread) -> None:
        """Score a recording; the item receives rows as they are made, and the reason if scoring fails."""

        def report(task: str, done: float, total: float) -> None:
            worker.check()
            item.set_progress(task, done, total)

        try:
            item.state = "scoring"
            engine = self._opened(worker)
            contract = engine.contract
            named = {"name": contract.name, "arm": contract.arm, "warnings": list(contract.warnings)}
            item.model = named | {"seen_s": contract.seen_s}
            scores = score(item.recording, engine, progress=report, on_scores=item.add)
            scores = replace(scores, manifest=scores.manifest | {CONTENT: item.content})
            scores.write(self.path(item))
            item.finish(scores)
        except IctalError as error:
            item.fail(str(error))
        except OSError as error:
            item.fail(f"the scores could not be written: {error}")

    def stop(self) -> None:
        """End the process that exports the model, if there is one."""
        if self._exporter is not None:
            self._exporter.stop()

    def _opened(self, worker: JobThread) -> Engine:
        if self._engine is None:
            # Half of the CPUs stay free for users who turn pages.
            threads = max(1, (os.cpu_count() or 2) // 2)
            self._engine = open_engine(
                find_model(self.model), threads=threads, on_export=worker.check, export=self._export
            )
        return self._engine

    def _export(self, model: Path) -> None:
        """Export a model in another process, since torch's exporter changes global state."""
        self._exporter = WorkerProcess(model)
        try:
            self._exporter.ask("export")
        finally:
            self._exporter.stop()
