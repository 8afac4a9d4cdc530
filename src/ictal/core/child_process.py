"""Child processes: limit their resources, and end them with their parent, even if it is killed."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import parent_process
from multiprocessing.connection import wait

ORPHANED = 3
"""Exit code of a process whose parent is gone."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Environment of a process that only parses: further threads would cost memory."""


def limit_resources(**most: int) -> None:
    """Limit the resources of this process, if the system supports it (not on Windows).

    Parameters
    ----------
    **most
        Limits by their names in `resource` without `RLIMIT_`, such as ``CORE=0``.
    """
    try:
        import resource
    except ImportError:
        return
    for name, wanted in most.items():
        what = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(what)[1]
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):  # macOS does not accept every limit
            resource.setrlimit(what, (limit, limit))


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
