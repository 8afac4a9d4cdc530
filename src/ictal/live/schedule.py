"""Do things at the right times: one thread plays many recordings, none of which drifts."""

import heapq
import math
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from itertools import count
from typing import Protocol

from ictal.core.progress import Progress, silent
from ictal.errors import UsageError

TASK = "playing"
FASTEST = 10_000.0
"""Largest speed; a record per tenth of a millisecond is more than any machine writes."""

Step = tuple[float, Callable[[], None]]
Steps = Generator[Step, None, None]


class Player(Protocol):
    """Plays one recording."""

    def steps(self) -> Steps:
        """Yield what to do, and when, in seconds from the start of the recording; in the order of time."""
        ...

    def close(self) -> None:
        """Finish what was written, also after an error."""
        ...


def play(players: Sequence[Player], speed: float, span_s: float, progress: Progress = silent) -> float:
    """Do the steps of all players at their times, and close the players, also after an error or Ctrl-C.

    Times are those of a clock that cannot be set, from the start of this function: a step that is late does not make
    the next ones late, and those that have become due are done at once.

    Parameters
    ----------
    players
        What to play, all from the same moment.
    speed
        Seconds of the recordings per second.
    span_s
        Duration of the longest recording, for `progress`.
    progress
        Callback with the number of seconds played.

    Returns
    -------
    float
        By how many seconds the latest step was late.
    """
    latest_s = 0.0
    with ExitStack() as stack:
        for player in players:
            stack.callback(player.close)
        steps = [stack.enter_context(closing(_numbered(player, number))) for number, player in enumerate(players)]
        merged = heapq.merge(*steps)
        waiting = next(merged, None)  # what must be read first is read before the clock starts
        begin = time.monotonic()
        while waiting is not None:
            due_s, _, _, do = waiting
            at = begin + due_s / speed
            time.sleep(max(at - time.monotonic(), 0.0))
            latest_s = max(latest_s, time.monotonic() - at)
            do()
            progress(TASK, due_s, span_s)
            waiting = next(merged, None)
    return latest_s


def checked_speed(speed: float) -> float:
    """Return a speed.

    Raises
    ------
    UsageError
        If it is not allowed.
    """
    if not 0 < speed <= FASTEST or math.isnan(speed):
        raise UsageError(f"speed is {speed:g}; allowed is more than 0 and at most {FASTEST:g}")
    return speed


def _numbered(player: Player, number: int) -> Generator[tuple[float, int, int, Callable[[], None]], None, None]:
    """Yield the steps of a player with numbers, by which those at the same time are sorted."""
    with closing(player.steps()) as steps:
        for at, (due_s, do) in zip(count(), steps):
            yield due_s, number, at, do
