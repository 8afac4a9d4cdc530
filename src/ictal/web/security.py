"""Access control: the token, the host name in the request, and the origin of the requesting page."""

import ipaddress
import re
import secrets
import socket
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ictal.core.addresses import is_loopback

TOKEN_HEADER = "X-Ictal-Token"
TOKEN_BYTES = 32
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""Headers of every response, including errors."""
_PORT = re.compile(r":[0-9]{1,5}$")


def new_token() -> str:
    """Return a random token of 256 bits, for a URL."""
    return secrets.token_urlsafe(TOKEN_BYTES)


class Guard:
    """Accepts only requests with the token that are meant for this server, and adds the security headers.

    A page of another site can make a browser send requests, but it does not know the token and cannot set its header.
    A site whose name was redirected to this machine after loading (DNS rebinding) is detected by its name in `Host`.

    Parameters
    ----------
    app
        The application.
    token
        The token that every request below /api must have in the header `X-Ictal-Token`.
    host
        Address or name to which the server is bound.
    """

    def __init__(self, app: ASGIApp, token: str, host: str = "127.0.0.1") -> None:
        self.app, self.token = app, token.encode()
        self.names = {"localhost"} if is_loopback(host) else {"localhost", host.lower(), socket.gethostname().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle or reject a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)  # server startup; there are no web sockets
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY_HEADERS)
                if scope["path"].startswith("/api"):
                    headers["Cache-Control"] = "no-store"
            await send(message)

        refusal = self.refuse(scope["path"], Headers(scope=scope))
        await (refusal or self.app)(scope, receive, send_with_headers)

    def refuse(self, path: str, headers: Headers) -> JSONResponse | None:
        """Return the response to a request that is rejected, or None."""
        host = headers.get("host", "")
        if not self._is_ours(_PORT.sub("", host).strip("[]").lower()):
            return _refusal(400, f"this server is not called '{host[:80]}'; open the address that was printed")
        if not _is_same(headers, host):
            return _refusal(403, "pages of other sites may not send requests to this server")
        if path.startswith("/api") and not self._knows(headers.getlist(TOKEN_HEADER)):
            return _refusal(401, f"the header {TOKEN_HEADER} must contain the token of the address that was printed")
        return None

    def _is_ours(self, name: str) -> bool:
        """Return whether a name belongs to this server; addresses are accepted, since DNS cannot redirect them."""
        if name in self.names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _knows(self, tokens: Iterable[str]) -> bool:
        given = [*tokens, ""][0].encode("utf-8", "replace")
        return secrets.compare_digest(given, self.token)


def _is_same(headers: Headers, host: str) -> bool:
    """Return whether a request comes from a page of this server, or from no page."""
    origin = headers.get("origin")
    return origin is None or origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")


def _refusal(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status)
