"""What alarms do: the log, and webhooks against real servers on this machine."""

import io
import json
import re
import threading
import time
from dataclasses import replace

import pytest

from ictal.core.event_log import write_event
from ictal.data.download import Patience
from ictal.errors import WriteError
from ictal.live import webhooks
from ictal.live.actions import Actions, actions_of
from ictal.live.alarms import Alarm
from ictal.live.rules import EventRule, Rules
from tests.live.servers import WAIT_S, Server

ALARM = Alarm(7, "seizure", "seizure", 100.0, 140.0, "Bed 3: seizure since 0:01:40, for 40 s")
QUICK = Patience(timeout_s=5.0, tries=3, wait_s=0.001)


@pytest.fixture
def serve():
    """Start servers, which end with the test."""
    servers = []

    def start(*states, **more):
        server = Server(*states, **more)
        server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


def rules_of(actions, **webhooks):
    rule = {"name": "seizure", "when": "event", "pattern": "seizure", "actions": actions}
    return Rules.model_validate({"rules": [rule], "webhooks": webhooks, "allowed_hosts": ["127.0.0.1"]})


class Told(list):
    def __call__(self, *what):
        self.append(what)


def alarm(*untold, **changes):
    return replace(ALARM, untold=untold, raised_at=time.time(), **changes)


def deliver(server_url, *alarms, patience=QUICK):
    """Send alarms to a webhook, wait until all is settled, and return the actions and what they told."""
    told, done = Told(), Told()
    actions = Actions(rules_of(["pager"], pager=server_url), told, patience)
    alarms = alarms or (alarm("pager"),)
    for one in alarms:
        actions.act("Bed 3", one, done)
    actions.close(WAIT_S)
    assert [(number, action) for number, action, _ in done] == [(one.number, "pager") for one in alarms]
    return actions, told


def test_the_log_has_a_line_of_json():
    file = io.StringIO()
    file.name = "log"
    actions = Actions(rules_of(["log", "sound"]), lambda event, details: write_event(file, event, details))
    actions.act("Bed 3", alarm("log"), done := Told())
    assert done == [(7, "log", "")]
    line = json.loads(file.getvalue())
    assert line.pop("time")
    assert line == {
        "event": "alarm", "bed": "Bed 3", "number": 7, "rule": "seizure", "pattern": "seizure", "since_s": 100.0,
        "at_s": 140.0, "text": ALARM.text,
    }  # fmt: skip


def test_a_log_that_cannot_be_written_is_shown_and_stops_nothing(caplog):
    broken = [True]

    def tell(event, details):
        if broken:
            raise WriteError("log.jsonl: cannot be written: no space left on device")

    actions, done = Actions(rules_of(["log"]), tell), Told()
    actions.act("Bed 3", alarm("log"), done)
    actions.act("Bed 3", alarm("log"), done)
    assert actions.problems() == ["alarms cannot be logged: log.jsonl: cannot be written: no space left on device"]
    assert (len(caplog.records), done) == (1, [])  # to be told by the next watcher
    broken.clear()
    actions.act("Bed 3", alarm("log"), done)
    assert (actions.problems(), done) == ([], [(7, "log", "")])


def test_a_journal_that_cannot_be_written_is_shown_and_stops_nothing(serve):
    def done(*_):
        raise WriteError("journal.jsonl: cannot be written: no space left on device")

    server = serve(200)
    actions = Actions(rules_of(["pager"], pager=server.url), Told(), QUICK)
    actions.act("Bed 3", alarm("pager"), done)
    actions.act("Bed 3", alarm("pager", number=8), done)
    actions.close(WAIT_S)
    assert [body["number"] for body in server.bodies] == [7, 8]
    (problem,) = actions.problems()
    assert problem.startswith(
        "what was told cannot be noted, and may be told again: journal.jsonl: cannot be written"
    )


def test_what_is_done_for_a_rule():
    rule = EventRule(name="x", pattern="seizure", actions=("log", "sound", "pager", "log"))
    assert actions_of(rule) == ("log", "pager")


def test_a_webhook_that_no_rule_uses_any_more_is_given_up():
    actions = Actions(Rules(rules=()), told := Told())
    actions.act("Bed 3", alarm("pager"), done := Told())
    assert done == [(7, "pager", "no rule uses it any more")]
    assert [event for event, _ in told] == ["webhook_failed"]


def test_what_was_raised_long_ago_is_given_up(serve):
    server = serve(200)
    actions = Actions(rules_of(["log", "pager"], pager=server.url), told := Told(), QUICK)
    actions.act("Bed 3", replace(ALARM, untold=("log", "pager"), raised_at=time.time() - 301), done := Told())
    actions.close(WAIT_S)
    why = "it was raised more than 5 min ago"
    assert done == [(7, "log", why), (7, "pager", why)]
    assert server.bodies == []
    assert [event for event, _ in told] == ["webhook_failed"]
    assert actions.problems() == [f"alarm 7 of Bed 3 did not reach the webhook 'pager': {why}"]


def test_a_webhook_gets_the_alarm_as_json(serve):
    server = serve(200)
    actions, told = deliver(server.url)
    assert server.bodies == [
        {
            "bed": "Bed 3", "number": 7, "rule": "seizure", "pattern": "seizure", "since_s": 100.0, "at_s": 140.0,
            "text": ALARM.text,
        }
    ]  # fmt: skip
    assert server.headers[0]["Content-Type"] == "application/json"
    assert server.headers[0]["User-Agent"].startswith("ictal/")
    assert (actions.problems(), told) == ([], [])


def test_no_proxy_sees_what_is_meant_for_this_machine(serve, monkeypatch):
    server, proxy = serve(200), serve(200)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.server_port}")
    deliver(server.url)
    assert (len(server.bodies), proxy.bodies) == (1, [])


def test_a_server_in_trouble_is_tried_again(serve):
    server = serve(503, 429, 204)
    actions, told = deliver(server.url)
    assert len(server.bodies) == 3
    assert (actions.problems(), told) == ([], [])


@pytest.mark.parametrize(
    ("state", "tries", "why"),
    [(404, 1, "the server answers 404"), (500, 3, r"the server answers 500 \(3 tries\)")],
)
def test_a_failure_is_logged_and_shown_without_the_address(serve, caplog, state, tries, why):
    server = serve(state)
    actions, told = deliver(server.url)
    assert len(server.bodies) == tries
    (problem,) = actions.problems()
    assert problem.startswith("alarm 7 of Bed 3 did not reach the webhook 'pager': the server answers")
    assert "SECRET" not in problem + caplog.text + str(told)
    ((event, details),) = told
    assert (event, details["webhook"], details["number"]) == ("webhook_failed", "pager", 7)
    assert re.fullmatch(why, details["why"])


def test_the_next_alarm_that_arrives_ends_the_problem(serve):
    actions, told = deliver(serve(404, 200).url, alarm("pager"), alarm("pager"))
    assert (actions.problems(), len(told)) == ([], 1)


@pytest.mark.parametrize("state", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(serve, state):
    elsewhere = serve(200)
    server = serve(state, location=elsewhere.url)
    actions, _ = deliver(server.url)
    assert (len(server.bodies), elsewhere.bodies) == (1, [])
    assert f"the server answers {state}, a redirect, which is not followed" in actions.problems()[0]


def test_a_slow_server_holds_nothing_up_and_is_given_up(serve):
    server = serve(200)
    server.go_on.clear()
    actions = Actions(rules_of(["log", "pager"], pager=server.url), told := Told(), Patience(0.05, 2, 0.001))
    actions.act("Bed 3", alarm("log", "pager"), Told())
    assert told == [("alarm", told[0][1])]  # before the server answers
    actions.close(WAIT_S)
    assert actions.problems() == [
        "alarm 7 of Bed 3 did not reach the webhook 'pager': the server does not answer in time (2 tries)"
    ]


def test_a_killed_server_is_given_up():
    server = Server(200)
    url = server.url
    server.server_close()
    actions, _ = deliver(url)
    assert "Connection refused (3 tries)" in actions.problems()[0]


def test_of_too_many_alarms_the_oldest_is_given_up(serve, monkeypatch):
    monkeypatch.setattr(webhooks, "MOST_WAITING", 2)
    server = serve(200)
    server.go_on.clear()
    actions = Actions(rules_of(["pager"], pager=server.url), told := Told(), QUICK)
    numbered = [alarm("pager", number=number) for number in range(1, 5)]
    actions.act("Bed 3", numbered[0], done := Told())
    assert server.came.wait(WAIT_S)  # the first one is on its way, so that two of the others wait
    for one in numbered[1:]:
        actions.act("Bed 3", one, done)
    assert [(event, details["number"], details["why"]) for event, details in told] == [
        ("webhook_failed", 2, "more than 2 messages wait")
    ]
    server.go_on.set()
    actions.close(WAIT_S)
    assert [body["number"] for body in server.bodies] == [1, 3, 4]
    assert sorted(done) == [
        (1, "pager", ""),
        (2, "pager", "more than 2 messages wait"),
        *((n, "pager", "") for n in (3, 4)),
    ]


def test_what_waits_when_the_program_ends_has_no_outcome(serve):
    server = serve(200)
    server.go_on.clear()
    actions = Actions(rules_of(["pager"], pager=server.url), told := Told(), QUICK)
    actions.act("Bed 3", alarm("pager"), done := Told())
    assert server.came.wait(WAIT_S)
    actions.act("Bed 3", alarm("pager"), done)
    actions.close(0)
    server.go_on.set()
    (thread,) = [one for one in threading.enumerate() if one.name == "webhook pager"]
    thread.join(WAIT_S)
    assert (told, done, len(server.bodies)) == ([], [], 1)


def test_another_host_is_refused_before_anything_is_sent(serve):
    server = serve(200)
    with pytest.raises(ValueError, match="the host 'localhost' is not in allowed_hosts"):
        rules_of(["pager"], pager=server.url.replace("127.0.0.1", "localhost"))
    assert server.bodies == []


def test_a_webhook_that_no_rule_uses_has_no_thread():
    actions = Actions(rules_of(["log"], pager="https://127.0.0.1/"), Told())
    assert not any("pager" in thread.name for thread in threading.enumerate())
    actions.close()
