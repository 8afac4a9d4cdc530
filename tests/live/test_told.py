"""Each action of an alarm is done at least once, whenever the watcher is killed, and once after a clean end."""

import json
from collections import Counter
from contextlib import contextmanager

import pytest

import ictal
from ictal.live.actions import LATE_S
from ictal.live.journal import claim_journal
from ictal.live.rules import Rules
from ictal.live.ward import open_ward
from tests.live.helpers import catch_up
from tests.live.servers import Server


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Two minutes with a seizure, which raise two alarms."""
    path = tmp_path_factory.mktemp("told") / "bed-1.edf"
    ictal.simulate(path, hours=240 / 3600, seed=1, patient=0)
    return path


@pytest.fixture
def server():
    made = Server(200)
    made.start()
    yield made
    made.stop()


def rules_for(server):
    actions = ["log", "sound", "pager"]
    return Rules.model_validate(
        {
            "rules": [
                {"name": "seizure", "when": "event", "pattern": "seizure", "hold_off_s": 3600, "actions": actions},
                {"name": "new", "when": "new_pattern", "actions": actions},
            ],
            "webhooks": {"pager": server.url},
            "allowed_hosts": ["127.0.0.1"],
        }
    )


@contextmanager
def watched(recording, out, server, log):
    with open_ward([recording], out, rules=rules_for(server), tell=lambda _, alarm: log.append(alarm)) as ward:
        yield ward.beds["bed-1"]


def ended(recording, out, server, log):
    """Watch until nothing is new, and end cleanly; return what was told of each alarm, and the alarms."""
    server.bodies.clear()
    log.clear()
    with watched(recording, out, server, log) as bed:
        catch_up(bed)
    with claim_journal(out / "bed-1") as journal:
        assert not any(alarm.untold for alarm in journal.alarms.values())
        told = Counter(("log", one["number"]) for one in log) + Counter(("pager", b["number"]) for b in server.bodies)
        return told, dict(journal.alarms)


def test_after_a_clean_end_each_action_was_done_once(recording, server, tmp_path):
    log = []
    told, alarms = ended(recording, tmp_path, server, log)
    assert len(alarms) >= 2
    assert told == Counter((action, number) for number in alarms for action in ("log", "pager"))
    assert sorted(log, key=lambda one: one["number"]) == sorted(server.bodies, key=lambda one: one["number"])
    assert ended(recording, tmp_path, server, log)[0] == Counter()


def test_whenever_it_is_killed_each_action_is_done(recording, server, tmp_path):
    log, path = [], tmp_path / "bed-1" / "journal.jsonl"
    _, alarms = ended(recording, tmp_path, server, log)
    lines = path.read_bytes().splitlines(keepends=True)
    first = next(number for number, line in enumerate(lines) if b'"alarm": ' in line)
    for n_kept in range(first, len(lines) + 1):
        for torn in (b"", b"".join(lines[n_kept : n_kept + 1])[:60]):
            path.write_bytes(b"".join(lines[:n_kept]) + torn)
            before = [json.loads(line).get("told") for line in lines[:n_kept]]
            noted = {(one["action"], one["number"]) for one in before if one}
            told, again = ended(recording, tmp_path, server, log)
            assert {number: alarm.text for number, alarm in again.items()} == {
                number: alarm.text for number, alarm in alarms.items()
            }
            assert {*told} | noted == {(action, number) for number in alarms for action in ("log", "pager")}
            assert not {*told} & noted
            assert {*told.values()} <= {1}


def test_in_a_journal_that_does_not_say_what_was_told_all_was(recording, server, tmp_path):
    log, path = [], tmp_path / "bed-1" / "journal.jsonl"
    _, alarms = ended(recording, tmp_path, server, log)
    older = []
    for line in path.read_text().splitlines():
        entry = json.loads(line)
        for kind, names in (("alarm", ("raised_at", "untold")), ("event", ("until_s",))):
            for name in names if kind in entry else ():
                del entry[kind][name]
        older += [entry] if "told" not in entry else []
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in older))
    assert ended(recording, tmp_path, server, log)[0] == Counter()
    with watched(recording, tmp_path, server, log) as bed:
        assert [alarm.text for alarm in bed.alarms] == [alarm.text for alarm in alarms.values()]


def test_what_is_too_old_is_noted_as_given_up(recording, server, tmp_path):
    log, path = [], tmp_path / "bed-1" / "journal.jsonl"
    ended(recording, tmp_path, server, log)
    kept = [json.loads(line) for line in path.read_text().splitlines()]
    kept = [entry for entry in kept if "told" not in entry]
    for entry in kept:
        if "alarm" in entry:
            entry["alarm"]["raised_at"] -= LATE_S
    path.write_text("".join(f"{json.dumps(entry)}\n" for entry in kept))
    _, alarms = ended(recording, tmp_path, server, log)
    assert server.bodies == []
    assert [one["why"] for one in log] == ["it was raised more than 5 min ago"] * len(alarms)
    noted = [json.loads(line).get("told") for line in path.read_text().splitlines()]
    assert sum(bool(one and one["why"]) for one in noted) == 2 * len(alarms)
