"""End child processes with the server, even if the server is killed and cannot notify them."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from multiprocessing.connection import wait

ORPHANED = 3
"""Exit code of a process whose server is gone."""


def end_with_parent() -> None:
    """End this process, if `multiprocessing` started it, as soon as its parent is gone."""
    parent = parent_process()
    if parent is not None:
        _when(lambda: wait([parent.sentinel]))


@contextmanager
def lifeline() -> Iterator[int]:
    """Yield a pipe for the standard input of a child process; it closes with the block or with this process."""
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(reading)
        os.close(writing)


def end_with_input() -> None:
    """End this process as soon as its standard input closes, see `lifeline`."""
    _when(lambda: os.read(0, 1))


def _when(gone: Callable[[], object]) -> None:
    """End this process immediately when a function returns."""

    def watch() -> None:
        gone()
        os._exit(ORPHANED)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
