"""Answers that are kept for whoever asks the same again."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

MAX_RESULTS = 128
"""Answers that are kept; of more, the one that nobody asked for the longest goes."""
T = TypeVar("T")


class ResultCache:
    """The last answers, by what was asked; several threads may ask."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get_or(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return an answer, made anew where it is not kept."""
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                kept: T = self._answers[key]
                return kept
        found = make()
        with self._lock:
            self._answers[key] = found
            if len(self._answers) > MAX_RESULTS:
                self._answers.popitem(last=False)
        return found
