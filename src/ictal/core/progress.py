"""Progress is a function that is handed in: a terminal's bar, a web page, or nothing."""

from typing import Protocol


class Progress(Protocol):
    """Called with the name of a task, how much of it is done, and how much there is."""

    def __call__(self, task: str, done: float, total: float, /) -> None:
        """Take note that `done` of `total` of `task` is finished."""
        ...


def silent(task: str, done: float, total: float) -> None:
    """Ignore progress."""
