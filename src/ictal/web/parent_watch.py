"""Processes beside the server end with it, however it ends: also where it was killed and could tell them nothing."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from multiprocessing.connection import wait

ORPHANED = 3
"""The code with which a process ends whose server is gone."""


def end_with_parent() -> None:
    """Let this process, if `multiprocessing` began it, end as soon as its parent is gone."""
    parent = parent_process()
    if parent is not None:
        _when(lambda: wait([parent.sentinel]))


@contextmanager
def lifeline() -> Iterator[int]:
    """Give what a process gets as its standard input; it ends with the block, and with this process."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def end_with_input() -> None:
    """Let this process end as soon as its standard input does, see `lifeline`."""
    _when(lambda: os.read(0, 1))


def _when(gone: Callable[[], object]) -> None:
    """End this process, whatever it is doing, when a function returns."""

    def watch() -> None:
        gone()
        os._exit(ORPHANED)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
