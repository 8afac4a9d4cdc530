"""Limits on the size of requests."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 1 << 16
"""Limit for requests other than uploads."""


class BodyLimit:
    """Rejects requests that are too large, whether or not they state their size.

    Parameters
    ----------
    app
        The application.
    larger
        Limits, in bytes, of the paths that may receive more than `MOST_BYTES`.
    """

    def __init__(self, app: ASGIApp, larger: Mapping[str, int]) -> None:
        self.app, self.larger = app, larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle or reject a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = self.larger.get(scope["path"], MOST_BYTES)
        stated = Headers(scope=scope).get("content-length", "0")
        if not stated.isdecimal() or int(stated) > most:
            await JSONResponse({"detail": _too_much(most)}, 413)(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                raise HTTPException(413, _too_much(most))
            return message

        await self.app(scope, counted, send)


def _too_much(most: int) -> str:
    return f"the request is too large; allowed are {most} bytes"
