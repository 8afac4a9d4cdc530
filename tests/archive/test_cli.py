"""The commands on archives, as a user calls them."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from ictal import cli
from ictal.cli.archive_query import SHOWN
from ictal.errors import RunError, UnknownNameError
from tests.archive.helpers import make_source
from tests.scoring.helpers import exported


def call(*arguments: object):
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def scored(tmp_path_factory) -> tuple[Path, str, list[dict]]:
    """An archive of three recordings and an empty file; what was said, and the log."""
    top = tmp_path_factory.mktemp("cli")
    source = make_source(top / "eeg", 3)
    (source / "empty.edf").touch()
    options = ("--out", top / "out", "--model", exported(), "--workers", 1, "--log", "-", "--json", top / "told.json")
    result = call("score-archive", source, *options)
    assert result.exit_code == 3, result.stderr
    return top, result.stderr, [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    "command",
    [("score-archive",), ("archive", "status"), ("archive", "retry"), ("archive", "query"), ("archive", "bids")],
)
def test_help_gives_an_example(command):
    assert f"Example: ictal {' '.join(command)}" in call(*command, "--help").output


def test_a_run_says_how_the_archive_stands_and_logs_what_happened(scored):
    top, said, log = scored
    assert re.search(r": 4 recordings: 3 done, 1 failed, 0 quarantined, 0 left", said)
    assert "1 x ...: is empty" in said
    assert re.search(r"Dask's dashboard: http://127.0.0.1:\d+/status", said)
    assert [line["event"] for line in log[:2]] == ["planned", "dashboard"]
    assert sorted(line["event"] for line in log[2:]) == ["done", "done", "done", "failed"]
    assert all(line["recording"] and line["model"] for line in log[2:])
    assert json.loads((top / "told.json").read_text())["done"] == 3


def test_status_and_retry_give_json(scored, tmp_path):
    top, _, _ = scored
    told = json.loads(call("archive", "status", top / "out", "--json", "-").stdout)
    assert (told["done"], told["failed"], told["left"]) == (3, 1, 0)
    again = call("archive", "retry", top / "out", "--workers", 1, "--log", tmp_path / "log", "--json", "-")
    assert again.exit_code == 3
    assert json.loads(again.stdout)["failed"] == 1
    events = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [event["event"] for event in events] == ["planned", "dashboard", "failed"]


@pytest.mark.parametrize("table", SHOWN)
def test_a_query_prints_writes_and_gives_the_same_rows(scored, tmp_path, table):
    top, _, _ = scored
    result = call(
        "archive", "query", top / "out", "true", "--table", table, "--csv", tmp_path / "rows.csv", "--json", "-"
    )
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    rows = told["rows"]
    assert told["table"] == table
    assert len(rows) == {"burden": 15, "scores": 3, "recordings": 4}.get(table, len(rows))
    assert f"{len(rows)} rows of {table}" in result.stderr
    written = pd.read_csv(tmp_path / "rows.csv")
    assert len(written) == len(rows)
    assert set(SHOWN[table]) <= set(written.columns)


def test_a_condition_on_the_frequency_is_a_question_about_events(scored):
    top, _, _ = scored
    result = call("archive", "query", top / "out", "pattern = lpd and frequency_hz > 2", "--json", "-")
    assert json.loads(result.stdout)["table"] == "events"
    assert re.search(r"^\d+ rows of events$", result.stderr, re.MULTILINE)


def test_what_cannot_be_done_is_said(scored):
    top, _, _ = scored
    with pytest.raises(RunError, match="has its own workers"):
        call("score-archive", top / "eeg", "--out", top / "out", "--workers", 2, "--scheduler", "tcp://host:8786")
    with pytest.raises(UnknownNameError, match="unknown table 'votes'"):
        call("archive", "query", top / "out", "true", "--table", "votes")
    with pytest.raises(RunError, match="is not an archive of scores"):
        call("archive", "status", top)


def test_other_commands_do_not_wait_for_dask_or_duckdb():
    slow = ("dask", "distributed", "duckdb", "pandas")
    code = f"import sys, ictal.cli; print(*[name for name in {slow} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.split() == []
