"""A process beside the server that holds torch and the model, so that neither page turns nor memory suffer."""

import ctypes
import multiprocessing
import signal
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ictal.errors import IctalError, require
from ictal.web.parent_watch import end_with_parent

IDLE_S = 120.0
"""A helper that nobody asked for so long ends, and gives its memory back."""
WAIT_S = 1.0
"""So long is waited for what was told to stop."""


class BusyError(IctalError):
    """The helper is answering somebody else."""


class WorkerProcess:
    """Asks a model that is loaded in another process, which begins with the first question.

    Parameters
    ----------
    folder
        Of the model.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: multiprocessing.process.BaseProcess | None = None
        self._line: Connection | None = None
        self._one_at_a_time = threading.Lock()

    def ask(self, what: str, *arguments: Any, wait: bool = True) -> Any:
        """Return what a method of `ictal.web.explainer.Explainer` answers.

        Raises
        ------
        BusyError
            If another question is being answered and this one is not to wait.
        IctalError
            What the method raised, or that the process died, or that torch is not installed.
        """
        require("train", "explaining what a model sees")
        if not self._one_at_a_time.acquire(blocking=wait):
            raise BusyError("the model is busy with another question; ask again in a moment")
        try:
            line = self._started()
            line.send((what, arguments))
            fine, answer = line.recv()
        except (EOFError, OSError) as error:
            self._end()
            raise IctalError("the process that holds the model ended unexpectedly; ask again") from error
        finally:
            self._one_at_a_time.release()
        if not fine:
            raise answer
        return answer

    def stop(self) -> None:
        """End the process, whatever it is doing; a moment is waited until it is gone."""
        if self._process is not None:
            self._process.terminate()
            self._process.join(WAIT_S)

    def _started(self) -> Connection:
        if self._process is not None and self._process.is_alive() and self._line is not None:
            return self._line
        spawning = multiprocessing.get_context("spawn")  # a fork would copy locks that threads of the server hold
        self._line, theirs = spawning.Pipe()
        self._process = spawning.Process(target=serve_requests, args=(theirs, self.folder), daemon=True, name="model")
        self._process.start()
        theirs.close()
        return self._line

    def _end(self) -> None:
        self.stop()
        self._process = self._line = None


def serve_requests(line: Connection, folder: Path) -> None:
    """Load a model and answer questions until nobody asks any more; runs in the other process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this process
    end_with_parent()  # also in the midst of an answer, and where the server was killed
    sys.modules.setdefault("triton", None)  # type: ignore[arg-type]  # torch would load 75 MiB that compile for GPUs
    from ictal.web.explainer import Explainer  # torch takes seconds

    explainer: Explainer | None = None
    while line.poll(IDLE_S):
        try:
            what, arguments = line.recv()
            explainer = explainer or Explainer(folder)
            line.send((True, getattr(explainer, what)(*arguments)))
        except EOFError:
            return
        except Exception as error:
            line.send((False, error if isinstance(error, IctalError) else IctalError(f"the model failed: {error}")))
        release_memory()


def release_memory() -> None:
    """Let the system have what the last answer needed, a tenth of a gigabyte, where the C library knows how."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:  # glibc
        trim(0)
