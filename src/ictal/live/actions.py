"""What alarms do: a line in the log, and messages to webhooks. The page makes the sound."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from threading import Lock
from typing import Any

from ictal.core.event_log import Tell
from ictal.data.download import Patience
from ictal.errors import IctalError
from ictal.live.alarms import LATE_S, Alarm
from ictal.live.rules import LOG, SOUND, Rule, Rules
from ictal.live.webhooks import PATIENCE, Message, Webhook

log = logging.getLogger(__name__)

JOURNAL = ""
"""Key of the problem that what is done cannot be noted; no action has this name."""
Done = Callable[[int, str, str], None]
"""Callback when an action is done or given up for good: receives the number of the alarm, the action, and why it was
given up; '' if it is done."""
TOLD = ("number", "rule", "pattern", "since_s", "at_s", "text")
"""What is told of an alarm."""
CLOSING_S = 10.0
"""How long the messages that wait are sent when the program ends."""
TOO_OLD = f"it was raised more than {LATE_S / 60:.0f} min ago"


def actions_of(rule: Rule) -> tuple[str, ...]:
    """Return what is done for the alarms of a rule, each action once; the page makes the sound."""
    return tuple(action for action in dict.fromkeys(rule.actions) if action != SOUND)


class Actions:
    """Does what alarms ask for, each action at least once.

    An action that is done, or given up for good, is reported, so that the journal can have it. One that is not
    reported when the program ends, or is killed, is to be done again. Nothing here waits for a network or raises an
    error: scoring goes on whatever happens to alarms. Each failure is a warning of the module's logger, that of a
    webhook also an event `webhook_failed` of `tell`, and `problems` lists the last ones.

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
        self._tell, self._lock = tell, Lock()
        self._problems: dict[str, str] = {}
        used = {action for rule in rules.rules for action in rule.actions}
        self._webhooks = {name: Webhook(name, url, patience) for name, url in rules.webhooks.items() if name in used}

    def act(self, bed: str, alarm: Alarm, done: Done) -> None:
        """Do what is not done yet for an alarm; if it was raised too long ago, give it up.

        Parameters
        ----------
        bed
            Label of the bed. It leaves this machine with the alarm, as the text does, so it must not be the name of a
            patient.
        alarm
            The alarm.
        done
            Called for each action, in any thread, unless the program ends before.
        """
        message = {"bed": bed} | {name: value for name, value in asdict(alarm).items() if name in TOLD}
        for action in alarm.untold:
            settle = partial(self._settle, action, message, done)
            if time.time() - alarm.raised_at > LATE_S:
                settle(TOO_OLD)
            elif action in self._webhooks:
                self._webhooks[action].send(message, settle)
            elif action != LOG:
                settle("no rule uses it any more")
            elif self._log("alarm", message):
                settle("")

    def problems(self) -> Sequence[str]:
        """Return what does not work at present, a sentence each: for each webhook and the log, its last failure."""
        with self._lock:
            return list(self._problems.values())

    def close(self, timeout_s: float = CLOSING_S) -> None:
        """Send what waits, for so many seconds at most; nothing is reported as done from then on."""
        until = time.monotonic() + timeout_s
        with ExitStack() as stack:  # a second Ctrl-C ends the wait for one webhook, and all are closed
            for webhook in self._webhooks.values():
                stack.callback(webhook.close, until)

    def _log(self, event: str, details: dict[str, Any]) -> bool:
        """Write a line of the log; return whether that worked."""
        try:
            with self._lock:
                self._tell(event, details)
        except (IctalError, OSError) as error:
            self._note(LOG, f"alarms cannot be logged: {error}")
            return False
        self._note(LOG)
        return True

    def _settle(self, action: str, message: Message, done: Done, why: str) -> None:
        """Report an action that is done, or why it was given up."""
        bed, number = message["bed"], message["number"]
        place = "log" if action == LOG else f"webhook '{action}'"
        self._note(action, f"alarm {number} of {bed} did not reach the {place}: {why}" if why else "")
        if why and action != LOG:
            self._log("webhook_failed", {"webhook": action, "bed": bed, "number": number, "why": why})
        try:
            done(number, action, why)
        except (IctalError, OSError) as error:
            self._note(JOURNAL, f"what was told cannot be noted, and may be told again: {error}")
        else:
            self._note(JOURNAL)

    def _note(self, what: str, problem: str = "") -> None:
        """Note a problem, or that there is none any more."""
        with self._lock:
            before = self._problems.pop(what, "")
            if problem:
                self._problems[what] = problem
        if problem and problem != before:
            log.warning("%s", problem)
