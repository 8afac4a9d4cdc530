"""Matrix products on one thread: small ones gain nothing from more, which spin on CPUs that other threads need."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from threading import Lock

from threadpoolctl import OpenBLASController, ThreadpoolController


class _OneThread:
    """Limits the libraries of this process while any of its threads is within a `with` block of `limited`."""

    def __init__(self) -> None:
        self._lock, self._within, self._limit = Lock(), 0, ExitStack()

    @cached_property
    def _libraries(self) -> ThreadpoolController:
        return ThreadpoolController()

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Run the matrix products of the process on one thread within a `with` block."""
        with self._lock:
            if not self._within:
                self._limit.enter_context(self._libraries.limit(limits=1, user_api="blas"))
            self._within += 1
        try:
            yield
        finally:
            with self._lock:
                self._within -= 1
                if not self._within:
                    # Only the thread that sets a limit may change it, and it may have left its block before.
                    OpenBLASController.clear_controlling_thread(force=True)
                    self._limit.close()


one_blas_thread = _OneThread().limited
