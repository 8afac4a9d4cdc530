"""Run the server: bind a port, print the address, open a browser, and stop on Ctrl-C."""

import signal
import socket
import threading
import webbrowser
from collections.abc import Callable

import uvicorn

from ictal.core.addresses import is_loopback
from ictal.errors import IctalError
from ictal.web.app import create_app
from ictal.web.ending import end_cleanly_on
from ictal.web.kept_token import kept_token
from ictal.web.security import new_token
from ictal.web.viewer import Viewer
from ictal.web.ward_page import WardPage

SECONDS_TO_END = 2


def serve(
    viewer: Viewer, host: str, port: int, *, browser: bool, say: Callable[[str], None], ward: WardPage | None = None
) -> None:
    """Serve until Ctrl-C or SIGTERM; all child processes end with the server.

    Parameters
    ----------
    viewer
        The viewer.
    host, port
        Address to bind; port 0 means any free port.
    browser
        Whether to open a browser.
    say
        Callback for the address, and for a warning if others can reach it.
    ward
        The ward whose page is opened, with the token that is kept in the folder of the viewer; None: the viewer is
        opened, with a new token.

    Raises
    ------
    IctalError
        If the address is not available, or the token cannot be kept.
    """
    end_cleanly_on(signal.SIGTERM)
    try:
        _serve(viewer, host, port, browser=browser, say=say, ward=ward)
    except KeyboardInterrupt:
        pass
    finally:
        viewer.stop()


def _serve(
    viewer: Viewer, host: str, port: int, *, browser: bool, say: Callable[[str], None], ward: WardPage | None
) -> None:
    token = kept_token(viewer.out) if ward else new_token()
    with bound(host, port) as listening:
        url = address(host, listening.getsockname()[1], token, "ward" if ward else "")
        if not is_loopback(host):
            say(
                f"Anybody who can reach {host} and knows this address can see the recordings and vote. Data are sent "
                "without encryption. Use a network that you trust, or leave --host out and use an SSH tunnel."
            )
        say(f"Open {url}")
        say("Press Ctrl-C to stop.")
        config = uvicorn.Config(
            create_app(viewer, token, host, ward), log_level="warning", access_log=False, server_header=False,
            timeout_graceful_shutdown=SECONDS_TO_END, ws="none",
        )  # fmt: skip
        if browser:
            threading.Timer(0.5, webbrowser.open, [url]).start()
        server = uvicorn.Server(config)
        viewer.ending.watch(server)
        server.run(sockets=[listening])


def bound(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises
    ------
    IctalError
        If the address is not available; the message says what to do.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise IctalError(
            f"{host} port {port}: is not available: {error.strerror or error}; leave --port out to use a free one"
        ) from error


def address(host: str, port: int, token: str, page: str = "") -> str:
    """Return the URL of a page to open in a browser on this machine."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/{page}?token={token}"
