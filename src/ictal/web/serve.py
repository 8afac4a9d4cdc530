"""Run the server: bind, say where, open a browser, end on Ctrl-C."""

import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from types import FrameType

import uvicorn

from ictal.errors import IctalError
from ictal.web.app import create_app
from ictal.web.security import is_loopback, new_token
from ictal.web.viewer import Viewer

SECONDS_TO_END = 2


def serve(viewer: Viewer, host: str, port: int, *, browser: bool, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; no process that was begun outlives this.

    Parameters
    ----------
    viewer
        What is shown.
    host, port
        Where; port 0 takes any that is free.
    browser
        Whether to open one.
    say
        Is told the address, and what it means if others can reach it.

    Raises
    ------
    IctalError
        If the address cannot be had.
    """
    _end_cleanly_on(signal.SIGTERM)
    try:
        _serve(viewer, host, port, browser=browser, say=say)
    except KeyboardInterrupt:
        pass
    finally:
        viewer.stop()


def _serve(viewer: Viewer, host: str, port: int, *, browser: bool, say: Callable[[str], None]) -> None:
    token = new_token()
    with bound(host, port) as listening:
        url = address(host, listening.getsockname()[1], token)
        if not is_loopback(host):
            say(
                f"Anybody who can reach {host} and knows this address can see the recordings and vote. It is sent "
                "without encryption: use it in a network that you trust, or leave --host out and use an SSH tunnel."
            )
        say(f"Open {url}")
        say("Ctrl-C ends it.")
        config = uvicorn.Config(
            create_app(viewer, token, host), log_level="warning", access_log=False, server_header=False,
            timeout_graceful_shutdown=SECONDS_TO_END, ws="none",
        )  # fmt: skip
        if browser:
            threading.Timer(0.5, webbrowser.open, [url]).start()
        uvicorn.Server(config).run(sockets=[listening])


def _end_cleanly_on(number: signal.Signals) -> None:
    """Let a signal end the program by way of its `finally`: uvicorn, once it has shut down, raises it again."""

    def end(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    if threading.current_thread() is threading.main_thread():
        signal.signal(number, end)


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    IctalError
        If the address cannot be had, with what to do.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise IctalError(
            f"{host} port {port}: cannot be had: {error.strerror or error}; leave --port out to get a free one"
        ) from error


def address(host: str, port: int, token: str) -> str:
    """Return the URL to open in a browser on this machine."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{name}]' if ':' in name else name}:{port}/?token={token}"
