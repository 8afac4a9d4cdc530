"""Questions to a model that take a while: how far they are, and whether somebody still waits for the answer."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from ictal.core.progress import Progress
from ictal.web.worker_process import JobStoppedError

LOOK_S = 0.1
"""How often to look whether the client is still there."""
T = TypeVar("T")


class Questions:
    """The questions that are being answered, by what they are about."""

    def __init__(self) -> None:
        self._progress: dict[str, tuple[str, float, float]] = {}

    def progress(self, about: str) -> dict[str, Any]:
        """Return the task, the amount done and the total of the latest question about something."""
        return dict(zip(("task", "done", "total"), self._progress.get(about, ("", 0.0, 0.0)), strict=True))

    async def answer(self, request: Request, about: str, ask: Callable[[Progress], T]) -> T:
        """Return the answer to a question; if the client goes away, stop working on it.

        Raises
        ------
        JobStoppedError
            If the client went away.
        """
        gone = threading.Event()

        def report(task: str, done: float, total: float) -> None:
            if gone.is_set():
                raise JobStoppedError
            self._progress[about] = task, done, total

        working = asyncio.ensure_future(run_in_threadpool(ask, report))
        try:
            while not (await asyncio.wait([working], timeout=LOOK_S))[0]:
                if await request.is_disconnected():
                    gone.set()
            return await working
        finally:
            gone.set()
            self._progress.pop(about, None)
