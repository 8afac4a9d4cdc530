"""How a program that runs until it is stopped ends."""

import signal
import sys
import threading
from types import FrameType
from typing import Protocol


class Endable(Protocol):
    """A server that can be told to end."""

    should_exit: bool


class Ending:
    """Whether a server is about to end. It waits for responses that are being sent, so that streams must ask."""

    def __init__(self) -> None:
        self._server: Endable | None = None
        self._begun = False

    @property
    def is_near(self) -> bool:
        """Whether the server is about to end."""
        return self._begun or (self._server is not None and self._server.should_exit)

    def watch(self, server: Endable) -> None:
        """Note which server this is about."""
        self._server = server
        if self._begun:
            server.should_exit = True

    def begin(self) -> None:
        """End the server, also one that only begins."""
        self._begun = True
        if self._server is not None:
            self._server.should_exit = True


def end_cleanly_on(number: signal.Signals) -> None:
    """Make a signal run `finally` blocks before the program ends: uvicorn raises it again after its shutdown."""

    def end(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    if threading.current_thread() is threading.main_thread():
        signal.signal(number, end)
