import contextlib
import json
import signal
import subprocess
import sys

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from ictal import __version__
from ictal.cli import app
from ictal.cli.screen import bar
from ictal.errors import IctalError, TableError
from tests.conftest import TINY

COMMANDS = ("ablate", "train", "evaluate", "simulate")


def call(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_a_command_does_and_gives_an_example(command):
    result = call(command, "--help")
    assert result.exit_code == 0
    assert f"Example: ictal {command}" in result.output


def test_the_first_help_names_all_commands_and_that_it_is_research():
    output = call("--help").output
    assert all(command in output for command in COMMANDS)
    assert "research" in output


def test_help_and_version_do_not_wait_for_torch():
    code = "import sys; from ictal.cli import app; sys.exit('torch' in sys.modules or 'mne' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert call("--version").output == f"ictal {__version__}\n"


def test_ablate_gives_one_json_object(run, cache, tmp_path):
    arguments = ("ablate", "sim", "--recipe", TINY, "--out", run.folder, "--cache", cache)
    result = call(*arguments, "--json", "-")
    told = json.loads(result.stdout)
    assert [arm["name"] for arm in told["arms"]] == ["temporal", "spatial", "both", "features"]
    assert [arm["name"] for arm in told["baselines"]] == ["prior", "uniform"]
    for arm in told["arms"]:
        low, high = arm["cv_kl_interval"]
        assert low <= arm["cv_kl"] <= high
        assert arm["test_kl"] > 0
    pairs = {(d["a"], d["b"]) for d in told["differences"]}
    baselines = {(arm["name"], baseline) for arm in told["arms"] for baseline in ("prior", "uniform")}
    between = {("temporal", "both"), ("spatial", "both"), ("features", "both"), ("spatial", "temporal")}
    assert pairs == between | {("features", "temporal"), ("features", "spatial"), *baselines}
    assert all(d["interval"][0] <= d["difference"] <= d["interval"][1] for d in told["differences"])
    call(*arguments, "--json", tmp_path / "told.json")
    assert json.loads((tmp_path / "told.json").read_text())["arms"] == told["arms"]
    assert str(run.folder / "report.html") in result.stderr  # standard output is for the JSON


def test_simulate_train_evaluate_from_the_command_line(cache, tmp_path):
    data, model = tmp_path / "data", tmp_path / "model"
    made = call("simulate", "--out", data, "--patients", 3, "--eegs", 2, "--seed", 5)
    assert str(data / "train.csv") in made.stdout
    assert len(pd.read_csv(data / "train.csv")) == 6
    recipe = ("--recipe", TINY, "--cache", cache)
    assert str(model) in call("train", data, "--arm", "temporal", "--out", model, *recipe).stdout
    out = tmp_path / "predictions.csv"
    evaluated = call("evaluate", model, data, *recipe, "--json", "-", "--out", out)
    assert "3.0 effective patients; below 20 do not rely on them" in " ".join(evaluated.stderr.split())
    told = json.loads(evaluated.stdout)
    assert told["n_effective_patients"] == pytest.approx(3)
    assert {"n_windows", "n_patients", "kl", "kl_interval", "balanced_accuracy", "per_pattern", "per_stratum"} <= set(
        told
    )
    assert (told["n_windows"], told["n_patients"]) == (6, 3)
    assert len(pd.read_csv(out)) == 6
    with pytest.raises(IctalError, match="not an empty folder"):
        call("simulate", "--out", data)


def test_an_error_is_one_message_without_a_traceback(tmp_path):
    command = [sys.executable, "-m", "ictal", "ablate", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.strip().startswith(f"Error: {tmp_path}: no train.csv")
    assert "Traceback" not in result.stderr


def test_all_problems_of_a_table_come_in_one_message(tmp_path):
    data = tmp_path / "data"
    call("simulate", "--out", data, "--patients", 2, "--eegs", 2)
    table = pd.read_csv(data / "train.csv")
    table.loc[0, "lpd_vote"] = -1
    table.loc[1, [c for c in table if c.endswith("_vote")]] = 0
    table.to_csv(data / "train.csv", index=False)
    with pytest.raises(TableError) as caught:
        call("ablate", data, "--recipe", TINY, "--out", tmp_path / "run")
    assert "line 2: lpd_vote is -1" in str(caught.value)
    assert "line 3: all six votes are 0" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_two_real_patients_are_too_few_and_the_error_says_what_is_possible(shared_data, tmp_path):
    with pytest.raises(IctalError, match=r"at most 2 folds are possible.*--folds 2 --set data\.test_share=0"):
        call("ablate", shared_data / "hms", "--out", tmp_path / "run")


def test_the_real_segments_run_from_end_to_end(shared_data, cache, tmp_path):
    arguments = ("--recipe", TINY, "--arms", "temporal", "--out", tmp_path / "run", "--cache", cache, "--json", "-")
    told = json.loads(call("ablate", shared_data / "iiic", *arguments).stdout)
    assert told["manifest"]["windows"]["used"] == 32
    assert told["manifest"]["windows"]["partly_made_up"] == 20
    assert told["manifest"]["patients"] == 31


@contextlib.contextmanager
def turned_into_an_error():
    try:
        yield
    except KeyboardInterrupt:
        raise RuntimeError("unexpected pos 46 vs 0") from None


@pytest.mark.parametrize(
    "library", [contextlib.nullcontext(), contextlib.suppress(BaseException), turned_into_an_error()]
)
def test_an_interrupt_stops_the_command_whatever_a_library_makes_of_it(capsys, library):
    # A background job of a shell may have Ctrl-C switched off from the start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def work() -> None:
        with bar() as progress:
            with library:
                signal.raise_signal(signal.SIGINT)
            progress("work", 1, 2)

    with pytest.raises(typer.Exit) as caught:
        work()
    assert caught.value.exit_code == 130
    assert "Repeat the same command" in capsys.readouterr().err
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler
