"""Server-sent events: streams of changes, which end before the server does."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

from starlette.concurrency import run_in_threadpool

from ictal.web.ending import Ending

TICK_S = 1.0
"""How often a stream looks for changes."""
HEART_BEAT_TICKS = 5
"""After so many ticks without a change, a stream shows that it is alive."""
MEDIA_TYPE = "text/event-stream"


async def events(changes: Iterator[object | None], ending: Ending) -> AsyncIterator[str]:
    """Yield server-sent events, whose data are JSON, and comments as the heart-beat.

    Parameters
    ----------
    changes
        Gives what has changed since it was last asked, at first everything, or None if nothing has. It is asked in a
        thread, so it may take its time.
    ending
        Says when to stop.
    """
    quiet = 0
    while not ending.is_near:
        event = await run_in_threadpool(_next_event, changes)
        if event:
            quiet = 0
            yield event
        elif (quiet := quiet + 1) % HEART_BEAT_TICKS == 0:
            yield ": alive\n\n"
        await asyncio.sleep(TICK_S)


def _next_event(changes: Iterator[object | None]) -> str:
    """Return the next change as an event, or '' if there is none."""
    changed = next(changes)
    return "" if changed is None else f"data: {json.dumps(changed, allow_nan=False)}\n\n"
