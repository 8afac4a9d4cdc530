"""What alarms do: a line in the log, and messages to webhooks. The page makes the sound."""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict
from threading import Lock
from typing import Any

from ictal.core.event_log import Tell
from ictal.data.download import Patience
from ictal.errors import IctalError
from ictal.live.alarms import Alarm
from ictal.live.rules import LOG, Rules
from ictal.live.webhooks import PATIENCE, Message, Webhook

log = logging.getLogger(__name__)

LOG_PROBLEM = "log"
TOLD = ("number", "rule", "pattern", "since_s", "at_s", "text")
"""What is told of an alarm."""
CLOSING_S = 10.0
"""How long the messages that wait are sent when the program ends."""


class Actions:
    """Does what the rules of alarms ask for.

    Nothing here waits for a network or raises an error: scoring goes on whatever happens to alarms. Each failure is a
    warning of the module's logger and an event `webhook_failed` of `tell`, and `problems` lists the last ones.

    Parameters
    ----------
    rules
        The rules that raise the alarms.
    tell
        Receives the event `alarm`, as a line of the log, and `webhook_failed`. It is never called by two threads at
        once.
    patience
        How long and how often to try to reach a webhook.
    """

    def __init__(self, rules: Rules, tell: Tell, patience: Patience = PATIENCE) -> None:
        self._rules, self._tell, self._lock = rules, tell, Lock()
        self._problems: dict[str, str] = {}
        used = {action for rule in rules.rules for action in rule.actions}
        self._webhooks = {
            name: Webhook(name, url, self._outcome, patience) for name, url in rules.webhooks.items() if name in used
        }

    def act(self, bed: str, alarm: Alarm) -> None:
        """Do what the rule of an alarm asks for.

        Parameters
        ----------
        bed
            Label of the bed. It leaves this machine with the alarm, as the text does, so it must not be the name of a
            patient.
        alarm
            The alarm.
        """
        rule = self._rules.rule(alarm.rule)
        message = {"bed": bed} | {name: value for name, value in asdict(alarm).items() if name in TOLD}
        for action in rule.actions if rule else ():
            if action == LOG:
                self._log("alarm", message)
            elif action in self._webhooks:
                self._webhooks[action].send(message)

    def problems(self) -> Sequence[str]:
        """Return what does not work at present, a sentence each: for each webhook and the log, its last failure."""
        with self._lock:
            return list(self._problems.values())

    def close(self, timeout_s: float = CLOSING_S) -> None:
        """Send what waits, for so many seconds at most."""
        until = time.monotonic() + timeout_s
        for webhook in self._webhooks.values():
            webhook.close(max(0.0, until - time.monotonic()))

    def _log(self, event: str, details: dict[str, Any]) -> None:
        with self._lock:
            try:
                self._tell(event, details)
            except (IctalError, OSError) as error:
                if LOG_PROBLEM not in self._problems:
                    log.warning("alarms cannot be logged: %s", error)
                self._problems[LOG_PROBLEM] = f"alarms cannot be logged: {error}"
            else:
                self._problems.pop(LOG_PROBLEM, None)

    def _outcome(self, name: str, message: Message, why: str) -> None:
        """Note whether a message arrived."""
        with self._lock:
            if not why:
                self._problems.pop(f"webhook {name}", None)
                return
            told = f"alarm {message['number']} of {message['bed']} did not reach the webhook '{name}': {why}"
            self._problems[f"webhook {name}"] = told
        log.warning("%s", told)
        self._log("webhook_failed", {"webhook": name, "bed": message["bed"], "number": message["number"], "why": why})
