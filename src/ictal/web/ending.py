"""How a program that runs until it is stopped ends."""

import signal
import sys
import threading
from types import FrameType


def end_cleanly_on(number: signal.Signals) -> None:
    """Make a signal run `finally` blocks before the program ends: uvicorn raises it again after its shutdown."""

    def end(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    if threading.current_thread() is threading.main_thread():
        signal.signal(number, end)
