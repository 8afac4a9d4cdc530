"""Messages to the addresses that the user allowed, sent from threads of their own."""

import json
import time
import urllib.request
from collections import deque
from collections.abc import Callable
from http.client import HTTPException
from threading import Condition, Event, Lock, Thread
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

from ictal.core.addresses import is_loopback
from ictal.data.download import LONGEST_WAIT_S, TEMPORARY, USER_AGENT, Patience, why_failed

MOST_WAITING = 100
"""Messages that wait for one address; if there are more, the oldest is given up."""
PATIENCE = Patience(timeout_s=10.0, tries=4, wait_s=2.0)
REDIRECTS = range(300, 400)

Message = dict[str, Any]
Outcome = Callable[[str], None]
"""Callback when a message is settled: receives why it was given up; empty if it arrived."""


class Webhook:
    """Sends messages to one address as JSON by POST, one after the other.

    `send` never waits. A message is tried several times if the failure may pass: no connection, no answer in time, or
    a server in trouble. Redirects are not followed, because they lead to addresses that nobody allowed.

    Parameters
    ----------
    name
        Names its thread.
    url
        An address that `ictal.live.rules.why_refused` accepts. No outcome names it, since it may contain a secret.
    patience
        How long and how often to try.
    """

    def __init__(self, name: str, url: str, patience: Patience = PATIENCE) -> None:
        self._url, self._patience = url, patience
        # What is meant for this machine must not go to a proxy.
        proxies = [urllib.request.ProxyHandler({})] if is_loopback(urlsplit(url).hostname or "") else []
        self._opener = urllib.request.build_opener(_NoRedirect, *proxies)
        self._waiting: deque[tuple[Message, Outcome]] = deque()
        self._changed, self._closing = Condition(), False
        self._settling, self._stop = Lock(), Event()
        self._thread = Thread(target=self._run, name=f"webhook {name}", daemon=True)
        self._thread.start()

    def send(self, message: Message, outcome: Outcome) -> None:
        """Queue a message; its outcome is told once, in any thread, unless `close` comes before it is known."""
        with self._changed:
            given_up = [self._waiting.popleft()] if len(self._waiting) >= MOST_WAITING else []
            self._waiting.append((message, outcome))
            self._changed.notify()
        for _, old in given_up:
            old(f"more than {MOST_WAITING} messages wait")

    def close(self, until: float) -> None:
        """Send what waits until a time of `time.monotonic`; the rest has no outcome."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        try:
            self._thread.join(max(0.0, until - time.monotonic()))
        finally:
            with self._settling:
                self._stop.set()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                message, outcome = self._waiting.popleft()
            why = self._deliver(message)
            with self._settling:
                if self._stop.is_set():
                    return
                outcome(why)

    def _deliver(self, message: Message) -> str:
        """Try to send a message; return why it failed, or nothing."""
        why = ""
        for number in range(self._patience.tries):
            wait_s = self._patience.wait_s * 2**number
            try:
                self._post(message)
            except HTTPError as error:
                error.close()
                why, asked = f"the server answers {error.code}", error.headers.get("Retry-After", "")
                wait_s = float(asked) if asked.isdigit() else wait_s
                if error.code in REDIRECTS:
                    why += ", a redirect, which is not followed"
                if error.code not in TEMPORARY:
                    return why
            except (OSError, HTTPException, ValueError) as error:
                why = why_failed(error)
            else:
                return ""
            if number + 1 < self._patience.tries and self._stop.wait(min(wait_s, LONGEST_WAIT_S)):
                break
        return f"{why} ({number + 1} tries)"

    def _post(self, message: Message) -> None:
        headers = {"User-Agent": USER_AGENT, "Content-Type": "application/json"}
        request = urllib.request.Request(self._url, json.dumps(message).encode(), headers, method="POST")
        with self._opener.open(request, timeout=self._patience.timeout_s):
            pass  # the answer's status is all that matters


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Refuse each redirect; it then is an `HTTPError`."""
