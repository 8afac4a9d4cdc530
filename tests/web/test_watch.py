"""`ictal watch` as a program and as a function: what it says, how it ends, and what it refuses."""

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

import ictal
from ictal.cli import app
from ictal.errors import IctalError, RunError, UnknownNameError, UsageError
from ictal.live.journal import claim_journal
from ictal.live.ward import Ward
from ictal.web import serve
from tests.live.servers import Server
from tests.web.beds import BedRecorder
from tests.web.clients import wait_for


@contextmanager
def running(*arguments: object):
    command = [sys.executable, "-u", "-m", "ictal", "watch", *map(str, arguments), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        try:
            yield program
        finally:
            program.kill()


@pytest.mark.parametrize("page", ["--page", "--no-page"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_alarms_are_lines_of_json_and_a_signal_ends_it_cleanly(whole, tmp_path, page, number, code):
    recorder = BedRecorder(whole, tmp_path / "bed-1.edf")
    recorder.record(120)
    with running(recorder.path, "--out", tmp_path / "out", page) as program:
        first = json.loads(program.stdout.readline())
        assert (first["event"], first["bed"], first["rule"]) == ("alarm", "bed-1", "seizure")
        program.send_signal(number)
        out, err = program.communicate(timeout=30)
    assert program.returncode == code
    assert all(json.loads(line)["event"] == "alarm" for line in out.splitlines())
    assert err.startswith(
        f"1 bed watched. Journals and scores: {tmp_path / 'out'}. For research. Not a medical device"
    )
    assert "Press Ctrl-C to stop." in err
    assert ("/ward?token=" in err) == (page == "--page")
    assert "Traceback" not in err
    with claim_journal(tmp_path / "out" / "bed-1") as journal:
        assert journal.alarms[1].rule == "seizure"
        assert len(journal.rows) >= 11


def settled(journal: Path, n_told: int) -> bool:
    """Return whether so many actions are noted as done."""
    return journal.exists() and journal.read_bytes().count(b'"told": ') >= n_told


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, -9), pytest.param(signal.SIGINT, 0, marks=pytest.mark.slow)]
)
def test_an_alarm_that_was_not_delivered_is_delivered_by_the_next_watcher(whole, tmp_path, number, code):
    recorder, journal = BedRecorder(whole, tmp_path / "bed-1.edf"), tmp_path / "out" / "bed-1" / "journal.jsonl"
    recorder.record(120)
    server = Server(200, down=True)
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "rules: [{name: long, when: event, pattern: seizure, hold_off_s: 3600, actions: [log, pager]}]\n"
        f"webhooks: {{pager: '{server.url}'}}\nallowed_hosts: [127.0.0.1]\n"
    )
    command = (recorder.path, "--out", tmp_path / "out", "--no-page", "--rules", rules)
    try:
        with running(*command) as program:
            line = json.loads(program.stdout.readline())
            wait_for(lambda: settled(journal, 1))  # the log
            program.send_signal(number)
            assert program.communicate(timeout=60)[0] == ""
        assert program.returncode == code
        assert not settled(journal, 2)
        server.server_activate()
        server.start()
        with running(*command) as program:
            assert server.came.wait(60)
            wait_for(lambda: settled(journal, 2))
            program.send_signal(signal.SIGINT)
            assert program.communicate(timeout=30)[0] == ""  # the log has it already
        assert server.bodies == [{name: value for name, value in line.items() if name not in ("time", "event")}]
    finally:
        server.stop()
    with claim_journal(tmp_path / "out" / "bed-1") as found:
        assert [alarm.untold for alarm in found.alarms.values()] == [()]


@pytest.fixture
def served(monkeypatch):
    """Note what is served in place of serving it."""
    calls = []
    monkeypatch.setattr(serve, "serve", lambda viewer, *place, **rest: calls.append((viewer, *place, rest)))
    return calls


def test_the_page_is_served_where_the_settings_say(tmp_path, served):
    ictal.watch(tmp_path / "bed.edf", tmp_path / "out", port=8123, browser=False, say=lambda _: None)
    ((viewer, host, port, rest),) = served
    viewer.stop()
    assert (host, port, rest["browser"]) == ("127.0.0.1", 8123, False)
    assert [bed.name for bed in rest["ward"].beds] == ["bed"]


def test_patients_are_hidden_unless_asked_for(tmp_path, served):
    sources = ["watch", str(tmp_path / "bed.edf"), "--out", str(tmp_path / "out")]
    for more in ([], ["--show-patient"]):
        CliRunner().invoke(app, sources + more, catch_exceptions=False)
    assert [viewer.settings.show_patient for viewer, *_ in served] == [False, True]
    assert all(rest["ward"].patients is viewer.patients for viewer, *_, rest in served)


def test_what_cannot_be_watched_is_refused(tmp_path, served):
    (tmp_path / "rules.yaml").write_text("rules: [{name: x, when: never}]")
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="name at least one"):
        ictal.watch([], out)
    with pytest.raises(UsageError, match="would both be bed 'bed'"):
        ictal.watch([tmp_path / "bed.edf", tmp_path / "bed.bdf"], out)
    with pytest.raises(UnknownNameError, match="unknown setting 'prot'"):
        ictal.watch("bed.edf", out, prot=1)
    with pytest.raises(UsageError, match=r"rules\.yaml"):
        ictal.watch("bed.edf", out, rules=tmp_path / "rules.yaml")
    with pytest.raises(IctalError, match=r"the step is 0\.1 s"):
        ictal.watch("bed.edf", out, step_s=0.1)
    with claim_journal(out / "bed"), pytest.raises(RunError, match="bed"):
        ictal.watch("bed.edf", out)
    assert served == []


@pytest.mark.parametrize("page", [True, False])
def test_an_unexpected_error_ends_it(tmp_path, monkeypatch, page):
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Ward, "run", fail)
    with pytest.raises(ZeroDivisionError):
        ictal.watch(Path("bed.edf"), tmp_path / "out", page=page, browser=False, say=lambda _: None)
