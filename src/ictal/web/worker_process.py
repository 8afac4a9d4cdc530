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
from ictal.errors import IctalError, require
from ictal.models.plugins import load_files, own_files

IDLE_S = 120.0
"""An idle process ends after this time, to release its memory."""
WAIT_S = 1.0
"""How long to wait for a process or thread to stop."""


class BusyError(IctalError):
    """The process is busy with another request."""


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

    def ask(self, what: str, *arguments: Any, wait: bool = True) -> Any:
        """Return the result of a method of `ictal.web.explainer.Explainer`.

        Raises
        ------
        BusyError
            If the process is busy and `wait` is False.
        IctalError
            If the method raises an error, the process dies, or torch is not installed.
        """
        require("train", "explaining what a model sees")
        if not self._one_at_a_time.acquire(blocking=wait):
            raise BusyError("the model is busy with another request; try again in a moment")
        try:
            line = self._started()
            line.send((what, arguments))
            fine, answer = line.recv()
        except (EOFError, OSError) as error:
            self._end()
            raise IctalError("the process of the model ended unexpectedly; try again") from error
        finally:
            self._one_at_a_time.release()
        if not fine:
            raise answer
        return answer

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

    explainer: Explainer | None = None
    while line.poll(IDLE_S):
        try:
            what, arguments = line.recv()
            load_files(files)
            explainer = explainer or Explainer(folder)
            line.send((True, getattr(explainer, what)(*arguments)))
        except EOFError:
            return
        except Exception as error:
            line.send((False, error if isinstance(error, IctalError) else IctalError(f"the model failed: {error}")))
        release_memory()


def release_memory() -> None:
    """Return unused memory to the system, about 0.1 GB, if the C library supports it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:  # glibc
        trim(0)
