"""Clients that know the viewer's token. Imports no torch."""

import time
from collections.abc import Callable
from typing import Any

from starlette.testclient import TestClient

from ictal.web.app import create_app
from ictal.web.viewer import Viewer
from ictal.web.ward_page import WardPage

TOKEN = "a-token-of-the-tests"


def wait_for(fact: Callable[[], Any], seconds: float = 60) -> Any:
    """Return what a function gives as soon as it is true; fail where it never is."""
    end = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
    return found


def client_of(viewer: Viewer, ward: WardPage | None = None, **more: Any) -> TestClient:
    """Return a client that knows the token and calls the server by its address."""
    return TestClient(
        create_app(viewer, TOKEN, ward=ward),
        base_url="http://127.0.0.1:8000",
        headers={"X-Ictal-Token": TOKEN},
        **more,
    )
