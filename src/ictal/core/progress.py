"""Progress reporting: a callback draws a bar in the terminal, updates a web page, or does nothing."""

from typing import Protocol


class Progress(Protocol):
    """A callback that receives the name of a task, the amount done and the total."""

    def __call__(self, task: str, done: float, total: float, /) -> None:
        """Report that `done` of `total` of `task` is finished."""
        ...


def silent(task: str, done: float, total: float) -> None:
    """Ignore progress."""
