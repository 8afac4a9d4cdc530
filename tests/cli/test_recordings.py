import json
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from ictal import cli
from ictal.errors import IctalError, UnknownNameError, WriteError
from ictal.io.edf.writer import write_edf
from ictal.scoring.scores import Scores
from tests.scoring.helpers import SMALL, eeg, exported, recording_of, save

HEAVY = ("torch", "matplotlib", "mne", "lightning", "sklearn", "scipy")


def call(*arguments: object):
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments], catch_exceptions=False)


def edf(path: Path, seconds: float = 70, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_edf(path, recording_of(eeg(seconds, seed=seed).clip(-3000, 3000)))
    return path


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> Path:
    return edf(tmp_path_factory.mktemp("night") / "night.edf")


@pytest.mark.parametrize("command", ["info", "score", "evaluate-events"])
def test_help_gives_an_example(command):
    assert f"Example: ictal {command}" in call(command, "--help").output


def test_a_recording_is_scored_and_said(night, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call("score", night, "--model", exported(), "--formats", "csv, json", "--json", "-")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told == json.loads((tmp_path / "ictal_night" / "night_summary.json").read_text())
    assert told["windows"] == {"all": 3, "refused": 0, "reasons": {}}
    assert {path.name for path in (tmp_path / "ictal_night").iterdir()} == {"night_scores.csv", "night_summary.json"}
    assert "First scores: 20 to 30 s: " in result.stderr
    assert "3 windows, 0 without a prediction" in result.stderr
    assert "night_scores.csv" in result.stderr
    assert "Exporting" not in result.stderr


def test_one_bad_file_of_several_stops_none_of_the_others(night, tmp_path):
    (tmp_path / "bad.edf").write_bytes(night.read_bytes()[:300])
    files = [night, tmp_path / "bad.edf", edf(tmp_path / "day.edf", seed=1), tmp_path / "nowhere.edf"]
    result = call(
        "score", *files, "--model", exported(), "--formats", "parquet", "--out", tmp_path / "out", "--json", "-"
    )
    assert result.exit_code == 3
    told = json.loads(result.stdout)
    assert [Path(one["recording"]["name"]).name for one in told["recordings"]] == ["night.edf", "day.edf"]
    assert [("bad.edf" in text, "nowhere.edf" in text) for text in told["failed"]] == [(True, False), (False, True)]
    assert "2 of 4 recordings failed." in result.stderr
    assert result.stderr.count("Error: ") == 2
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"night_scores.parquet", "day_scores.parquet"}
    frames = [Scores.read(path).frame for path in sorted((tmp_path / "out").iterdir())]
    assert not frames[0]["seizure_probability"].equals(frames[1]["seizure_probability"])


def test_an_error_is_one_message_and_exit_code_1(night, tmp_path, monkeypatch, capsys):
    (tmp_path / "bad.edf").write_text("not an EEG")
    for arguments in (
        ("score", tmp_path / "bad.edf", "--model", exported(), "--out", tmp_path / "out"),
        ("score", night, "--model", tmp_path / "no such"),
        ("info", tmp_path / "bad.edf"),
        ("evaluate-events", tmp_path / "none.parquet", tmp_path / "none.tsv"),
    ):
        monkeypatch.setattr(sys, "argv", ["ictal", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        assert left.value.code == (2 if "no such" in str(arguments) else 1)
        said = capsys.readouterr()
        assert said.err.strip().startswith("Error: ")
        assert "Traceback" not in said.err
        assert said.out == ""
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_done_is_said_before_anything_is_scored(night, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="is a file, not a folder"):
        call("score", night, "--model", exported(), "--out", tmp_path / "file")
    with pytest.raises(UnknownNameError, match="unknown format 'pdf'; known are: parquet"):
        call("score", night, "--model", exported(), "--formats", "csv,pdf")
    with pytest.raises(UnknownNameError, match="unknown engine 'abacus'"):
        call("score", night, "--model", exported(), "--engine", "abacus")
    other = edf(tmp_path / "other" / "night.edf")
    with pytest.raises(WriteError, match="their results would have the same names"):
        call("score", night, other, "--model", exported(), "--out", tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "other"}


@pytest.mark.exhaustive
def test_the_export_is_announced(night, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # where no test has exported these weights
    model = save(tmp_path / "model", "temporal", SMALL)
    arguments = ("score", night, "--model", model, "--formats", "csv", "--out", tmp_path / "out", "--threads", 1)
    assert f"Exporting model {model}: this takes a few seconds" in call(*arguments).stderr
    assert "Exporting" not in call(*arguments).stderr


def test_info_says_what_is_there_and_what_a_model_makes_of_it(night):
    result = call("info", night, "--json", "-")
    told = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (told["kind"], told["model"], told["n_windows"], told["problem"]) == ("referential", "default", 7, "")
    assert "can be scored by the model 'default': 7 windows of 10 s" in result.stderr
    again = call("info", night, "--model", exported(), "--json", "-")
    assert json.loads(again.stdout)["n_windows"] == 3
    assert "3 windows of 10 s; for each, the model uses 50 s around the middle" in again.stderr


def test_info_knows_what_a_model_that_is_not_exported_looks_at(night, tmp_path):
    model = save(tmp_path / "model", "temporal", SMALL)
    assert json.loads(call("info", night, "--model", model, "--json", "-").stdout)["n_windows"] == 3
    card = json.loads((model / "card.json").read_text())
    assert card["seen_s"] == 50
    for name in ("seen_s", "derivations"):  # as in cards of before
        del card[name]
    (model / "card.json").write_text(json.dumps(card))
    assert json.loads(call("info", night, "--model", model, "--json", "-").stdout)["n_windows"] == 3


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (("info",), []),
        (("score", "--formats", "csv"), ["scipy"]),
        pytest.param(("score", "--formats", "all"), ["matplotlib", "scipy"], marks=pytest.mark.exhaustive),
    ],
)
def test_torch_and_other_slow_libraries_are_not_waited_for(night, tmp_path, arguments, needed):
    """Matplotlib draws the report, and nothing else."""
    code = f"""
import sys
from ictal.cli import main
try:
    main()
except SystemExit as left:
    assert not left.code, left.code
print(*[name for name in {HEAVY!r} if name in sys.modules])
"""
    command, *more = arguments
    options = [*more, "--model", exported(), "--out", tmp_path] if command == "score" else more
    done = subprocess.run(
        [sys.executable, "-c", code, command, night, *options], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1].split() == needed


def test_ctrl_c_ends_the_command_and_leaves_nothing_half_written(tmp_path):
    path = edf(tmp_path / "long.edf", 900)
    options = ("--model", exported(), "--step", "0.5", "--out", tmp_path / "out")
    command = [sys.executable, "-m", "ictal", "score", path, *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        lines = [running.stderr.readline()]
        while "First scores" not in lines[-1]:
            assert lines[-1], lines
            lines.append(running.stderr.readline())
        running.send_signal(signal.SIGINT)
        _, rest = running.communicate(timeout=60)
    assert running.returncode == 130, rest
    assert "Interrupted. Repeat the same command to score again from the start." in rest
    assert "Traceback" not in rest
    assert not (tmp_path / "out").exists()


@pytest.mark.exhaustive
def test_every_clip_with_a_seizure_scores_and_its_events_are_evaluated(shared_data, tmp_path):
    """Bipolar at 256 Hz, and referential at 500 Hz."""
    files = sorted((shared_data / "seizure").glob("*.edf"))
    arguments = ("--model", exported(), "--formats", "parquet,bids", "--out", tmp_path / "out")
    result = call("score", *files, *arguments, "--json", tmp_path / "told.json")
    assert result.exit_code == 0, result.stderr
    told = json.loads((tmp_path / "told.json").read_text())["recordings"]
    assert len(told) == len(files) > 30
    kinds = {(one["recording"]["kind"], one["recording"]["rate_hz"]) for one in told}
    assert kinds == {("bipolar", 256.0), ("referential", 500.0)}
    assert all(one["windows"]["all"] > one["windows"]["refused"] for one in told)
    evaluated = call("evaluate-events", tmp_path / "out", shared_data / "seizure" / "labels.csv", "--json", "-")
    assert evaluated.exit_code == 0
    found = json.loads(evaluated.stdout)
    labels = pd.read_csv(shared_data / "seizure" / "labels.csv")
    assert found["events"]["reference"] == labels["seizure_start_s"].notna().sum()
    assert 0 <= found["events"]["hits"] <= found["events"]["reference"]


@pytest.mark.exhaustive
def test_every_real_file_scores_or_gets_one_error_that_names_it(shared_data, tmp_path):
    scored = []
    for path in sorted((shared_data / "edf").iterdir()):
        arguments = ("score", path, "--model", exported(), "--formats", "json", "--out", tmp_path)
        result = CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
        if result.exit_code == 0:
            scored.append(path.name)
        else:
            assert isinstance(result.exception, IctalError)
            assert path.name in str(result.exception)
    assert "stevenson_neonatal_burst_eg.edf" in scored
    assert 1 < len(scored) < 10
