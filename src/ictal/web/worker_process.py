"""A separate process for torch and the model, so that the server stays responsive and small."""

import ctypes
import multiprocessing
import signal
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ictal.core.child_process import end_with_parent
from ictal.core.progress import Progress, silent
from ictal.errors import IctalError, require
from ictal.models.plugins import load_files, own_files

IDLE_S = 120.0
"""An idle process ends after this time, to release its memory."""
WAIT_S = 1.0
"""How long to wait for a process or thread to stop."""


class JobStoppedError(Exception):
    """Ends work whose result is no longer needed."""


class WorkerProcess:
    """Sends requests to a model in another process, which starts with the first request.

    Parameters
    ----------
    folder
        Folder of the model.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: multiprocessing.process.BaseProcess | None = None
        self._line: Connection | None = None
        self._one_at_a_time = threading.Lock()

    def ask(self, what: str, *arguments: Any, progress: Progress = silent) -> Any:
        """Return the result of a method of `ictal.web.explainer.Explainer`.

        Parameters
        ----------
        what, arguments
            Name of the method, and its arguments.
        progress
            Called with its progress; if it raises a `JobStoppedError`, the work ends.

        Raises
        ------
        IctalError
            If the method raises an error, the process dies, or torch is not installed.
        """
        require("train", "explaining what a model sees")
        with self._one_at_a_time:
            try:
                return self._answer(self._started(), what, arguments, progress)
            except (EOFError, OSError) as error:
                self._end()
                raise IctalError("the process of the model ended unexpectedly; try again") from error

    def _answer(self, line: Connection, what: str, arguments: tuple[Any, ...], progress: Progress) -> Any:
        line.send((what, arguments))
        stopped: JobStoppedError | None = None
        while True:
            kind, content = line.recv()
            if kind == "answer":
                return content
            if kind == "error":
                raise stopped or content
            try:
                progress(*content)
            except JobStoppedError as error:
                stopped = error
            line.send(stopped is None)

    def stop(self) -> None:
        """End the process immediately, and wait a moment until it is gone."""
        if self._process is not None:
            self._process.terminate()
            self._process.join(WAIT_S)

    def _started(self) -> Connection:
        if self._process is not None and self._process.is_alive() and self._line is not None:
            return self._line
        spawning = multiprocessing.get_context("spawn")  # a fork would copy locks held by threads of the server
        self._line, theirs = spawning.Pipe()
        self._process = spawning.Process(
            target=serve_requests, args=(theirs, self.folder, own_files()), daemon=True, name="model"
        )
        self._process.start()
        theirs.close()
        return self._line

    def _end(self) -> None:
        self.stop()
        self._process = self._line = None


def serve_requests(line: Connection, folder: Path, files: tuple[tuple[str, Path], ...] = ()) -> None:
    """Load a model, and the files of own arms, and serve requests until idle; runs in the other process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this process
    end_with_parent()  # even during a request, and if the server is killed
    sys.modules.setdefault("triton", None)  # type: ignore[arg-type]  # saves 75 MiB: it compiles for GPUs
    from ictal.web.explainer import Explainer  # torch takes seconds

    def tell(task: str, done: float, total: float) -> None:
        line.send(("progress", (task, done, total)))
        if not line.recv():
            raise JobStoppedError

    explainer: Explainer | None = None
    while line.poll(IDLE_S):
        try:
            what, arguments = line.recv()
            load_files(files)
            explainer = explainer or Explainer(folder)
            line.send(("answer", explainer.ask(what, *arguments, progress=tell)))
        except EOFError:
            return
        except Exception as error:
            known = isinstance(error, IctalError | JobStoppedError)
            line.send(("error", error if known else IctalError(f"the model failed: {error}")))


def release_memory() -> None:
    """Return unused memory to the system, up to 0.25 GB after an answer, if the C library supports it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:  # glibc
        trim(0)
