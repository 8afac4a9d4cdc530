"""A cache of recent results."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

MAX_RESULTS = 128
"""Number of results in the cache; beyond it, the least recently used one is removed."""
T = TypeVar("T")


class ResultCache:
    """The most recent results, by key; safe for several threads."""

    def __init__(self) -> None:
        self._results: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get_or(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the result for a key; compute it if it is not in the cache."""
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
                kept: T = self._results[key]
                return kept
        found = make()
        with self._lock:
            self._results[key] = found
            if len(self._results) > MAX_RESULTS:
                self._results.popitem(last=False)
        return found
