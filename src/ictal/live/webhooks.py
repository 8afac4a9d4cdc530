"""Messages to the addresses that the user allowed, sent from threads of their own."""

import json
import urllib.request
from collections import deque
from collections.abc import Callable
from http.client import HTTPException
from threading import Condition, Event, Thread
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
Outcome = Callable[[str, Message, str], None]
"""Callback after a message: receives the name of the webhook, the message, and why it failed; empty if it arrived."""


class Webhook:
    """Sends messages to one address as JSON by POST, one after the other.

    `send` never waits. A message is tried several times if the failure may pass: no connection, no answer in time, or
    a server in trouble. Redirects are not followed, because they lead to addresses that nobody allowed.

    Parameters
    ----------
    name
        The outcome names it instead of the address, which may contain a secret.
    url
        An address that `ictal.live.rules.why_refused` accepts.
    outcome
        Called after each message, in any thread.
    patience
        How long and how often to try.
    """

    def __init__(self, name: str, url: str, outcome: Outcome, patience: Patience = PATIENCE) -> None:
        self.name, self._url, self._outcome, self._patience = name, url, outcome, patience
        # What is meant for this machine must not go to a proxy.
        proxies = [urllib.request.ProxyHandler({})] if is_loopback(urlsplit(url).hostname or "") else []
        self._opener = urllib.request.build_opener(_NoRedirect, *proxies)
        self._waiting: deque[Message] = deque()
        self._changed, self._closing, self._stop = Condition(), False, Event()
        self._thread = Thread(target=self._run, name=f"webhook {name}", daemon=True)
        self._thread.start()

    def send(self, message: Message) -> None:
        """Queue a message."""
        with self._changed:
            given_up = [self._waiting.popleft()] if len(self._waiting) >= MOST_WAITING else []
            self._waiting.append(message)
            self._changed.notify()
        for old in given_up:
            self._outcome(self.name, old, f"more than {MOST_WAITING} messages wait")

    def close(self, timeout_s: float) -> None:
        """Send what waits, for so many seconds at most; the rest is given up."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout_s)
        self._stop.set()
        with self._changed:
            given_up = list(self._waiting)
            self._waiting.clear()
        for message in given_up:
            self._outcome(self.name, message, "the program ended")

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                message = self._waiting.popleft()
            self._outcome(self.name, message, self._deliver(message))

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
