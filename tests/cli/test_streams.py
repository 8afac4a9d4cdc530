"""What a shell expects of every command: results on standard output, the rest on standard error, and exit codes."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import typer
from safetensors.torch import save_file
from typer.testing import CliRunner

from ictal import cli
from ictal.cli.screen import EXIT_CODES, Results, new_table
from ictal.core.labels import PATTERNS
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.errors import IctalError, UnknownNameError, UsageError
from ictal.models.public.networks import NETWORKS
from tests.archive.helpers import edf
from tests.conftest import TINY
from tests.evaluation.test_table_comparison import table
from tests.scoring.helpers import exported
from tests.test_docs import GROUP

slow = pytest.mark.exhaustive
ROW = r"^ *\S.* +\d.*$"
"""A row of a table."""


@dataclass(frozen=True)
class Case:
    """A command that ends well, what it must print on standard output, and one that fails.

    Attributes
    ----------
    right, wrong
        Words after the command's name; MODEL, TINY and CACHE stand for a small model, recipe and cache.
    results
        Patterns of lines on standard output.
    progress
        Patterns of lines that belong on standard error.
    """

    right: str
    wrong: str
    results: tuple[str, ...]
    progress: tuple[str, ...] = ()
    wrong_code: int = 1


TWENTY = "--set data.sim.patients=20 --set data.sim.eegs_per_patient=1"
ARCHIVE = (r"recordings: 3 done, 0 failed, 0 quarantined, 0 left$",)
DASK = (r"^Dask's dashboard",)
CASES = {
    "info": Case("night.edf", "bad.edf", ("^night.edf$", "can be scored by the model 'default': 7 windows of 10 s")),
    "deidentify": Case(
        "night.edf --out nameless --key key.csv --new-key",
        "bad.edf --out nameless --key key.csv",
        (r"^night.edf → nameless/\w+_01.edf$", r"^ *patient .* X X X ", r"^ *file name ", "^No annotation was kept"),
    ),
    "score": Case(
        "night.edf --model MODEL --formats csv,json --out fresh",
        "bad.edf --model MODEL --out fresh",
        (
            r"^night.edf: 1 min 10 s scored in",
            "^The background ",
            "^Files:$",
            r"^  fresh/night_scores.csv$",
            r"^  fresh/night_summary.json$",
        ),
        (r"^First scores: 20 to 30 s",),
    ),
    "evaluate-events": Case("found.tsv truth.tsv", "found.tsv none.tsv", ("^seizure: 1 recordings, 1.00 h$", ROW)),
    "szcore": Case(
        "night.edf night_events.tsv --model MODEL",
        "bad.edf bad_events.tsv --model MODEL",
        (r"^night.edf: \d+ seizures?$", "^  night_events.tsv$"),
    ),
    "convert": Case(
        "night.edf fresh/night.bdf",
        "bad.edf fresh/bad.edf",
        (r"^BDF\+C: fresh/night.bdf$", "^  1 min 10 s; 20 channels at 200 Hz", "^  0 gaps, 0 annotations$"),
    ),
    "models": Case("", "none", ("^ *default ", "^Your own models"), wrong_code=2),
    "models show": Case("MODEL", "none", ("^- Arm: temporal",), wrong_code=2),
    "models add": Case("MODEL --name added", "none --name refused", ("^Added 'added', in",), wrong_code=2),
    "models import": Case(
        "sparcnet weights.safetensors --name imported", "sparcnet bad.edf --name imported", ("^Added 'imported', in",)
    ),
    "models export": Case(
        "MODEL --hub shared", "none --hub refused", ("^Files:$", "^  shared/card.json$"), wrong_code=2
    ),
    "fetch": Case("", "none", ("^ *chb-mit +43 +Open Data Commons", "^ *siena +20 +Creative Commons"), wrong_code=2),
    "simulate": Case(
        "--hours 0.003 --out made.edf", "--hours 0.003 --out night.edf", (r"^EDF: made.edf \(0.003\d+ hours",)
    ),
    "replay": Case(
        "night.edf --out played --speed 1000",
        "bad.edf --out played",
        ("^Played 1 min 10 s into:$", "^  played/night.edf$"),
    ),
    "experts": Case("labels.csv", "bad.edf", (r"^ *e0 .*\d$", "^Median kappa")),
    "compare": Case("good.csv noisy.csv", "good.csv bad.edf", (r"^ *noisy − good .*\d$", r"^ *good +\d", "KL")),
    "evaluate": Case(
        "MODEL sim --recipe TINY --cache CACHE",
        "MODEL nowhere --recipe TINY --cache CACHE",
        (r"windows of .* patients \(effective", r"^ *KL +\d\.\d+ \[", r"AUROC against the rest"),
        ("^No file was written",),
    ),
    "predict": Case(
        "MODEL sim --recipe TINY --cache CACHE --out predictions.parquet",
        "MODEL nowhere --recipe TINY --cache CACHE --out predictions.parquet",
        (
            r"^\d+ windows of \d+ EEGs of",
            r"^Mean predicted shares: seizure 0\.",
            "^Predictions: predictions.parquet$",
        ),
    ),
    "calibrate": Case(
        f"MODEL sim --recipe TINY {TWENTY} --cache CACHE --out calibrated",
        "MODEL sim --recipe TINY --cache CACHE --out refused",
        (r"^\d+ windows of 20 patients \(effective", r"^Fitted: temperature \d", r"^ *KL before +\d", "^Files:$"),
    ),
    "explain": Case(
        "MODEL sim --window p0e0_0 --out why.svg --recipe TINY",
        "MODEL sim --window none --out why.svg --recipe TINY",
        ("^Figure: why.svg$",),
    ),
    "train": Case(
        "sim --arm temporal --recipe TINY --cache CACHE --out model",
        "nowhere --arm temporal --recipe TINY --cache CACHE --out model",
        ("^  model/model.safetensors$", "^  model/card.json$"),
    ),
    "ablate": Case(
        "sim --arms temporal --recipe TINY --cache CACHE --out run",
        "nowhere --recipe TINY --out run",
        (r"^ *temporal +\d\.\d+ \[", "^  run/report.html$"),
    ),
    "score-archive": Case(
        "ward --out anew --model MODEL --workers 1",
        "bad.edf --out anew --model MODEL",
        (*ARCHIVE, "^  anew/scores$"),
        DASK,
    ),
    "archive status": Case("archive", "ward", ARCHIVE),
    "archive retry": Case("archive --workers 1", "ward", ARCHIVE),
    "archive query": Case("archive true", "ward true", ("^ *recording +pattern ", "^15 rows of burden$")),
    "archive bids": Case(
        "archive --out bids --names names.csv",
        "archive --out refused",
        ("3 recordings written, 0 already there$", "^Data set: bids$"),
        wrong_code=2,
    ),
    # The server's address is what a person at the terminal needs, and the commands do not end by themselves.
    "view": Case("", "bad.edf --no-browser", ()),
    "watch": Case("", "bad.edf bad.bdf --out ward --no-page", (), wrong_code=2),
}
ENDLESS = ("view", "watch")
SLOW = ("train", "ablate", "models import")


def all_commands(group=GROUP, above=()):
    """Give the words of every command that is registered."""
    for name, command in group.commands.items():
        if getattr(command, "invoke_without_command", False):
            yield " ".join((*above, name))
        if hasattr(command, "commands"):
            yield from all_commands(command, (*above, name))
        else:
            yield " ".join((*above, name))


COMMANDS = [pytest.param(name, id=name, marks=slow if name in SLOW else ()) for name in all_commands()]


def call(*arguments: object):
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory, cache):
    """Return a folder with a small input for every command."""
    folder = tmp_path_factory.mktemp("place")
    edf(folder / "night.edf", 70)
    (folder / "bad.edf").write_text("no EEG")
    for number in range(3):
        edf(folder / "ward" / f"r{number}.edf", seed=number)
    options = ("--out", folder / "archive", "--model", exported(), "--workers", 1)
    assert call("score-archive", folder / "ward", *options).exit_code == 0
    (folder / "names.csv").write_text("recording,subject\n" + "".join(f"r{n}.edf,{n}\n" for n in range(3)))
    head = "onset\tduration\teventType\trecordingDuration\n"
    for name, onset in (("found", 100), ("truth", 110)):
        (folder / f"{name}.tsv").write_text(f"{head}{onset}\t40\tsz\t3600\n")
    for name, noise in (("good", 0.2), ("noisy", 1.0)):
        table(1, noise).to_csv(folder / f"{name}.csv", index=False)
    rng = np.random.default_rng(0)
    labels = pd.DataFrame({"window_id": range(60)})
    labels[list(PROBABILITY_COLUMNS)] = rng.dirichlet(np.ones(6), 60)
    for number in range(5):
        labels[f"e{number}"] = rng.choice(PATTERNS, 60)
    labels.to_csv(folder / "labels.csv", index=False)
    save_file(NETWORKS["sparcnet"].build().state_dict(), folder / "weights.safetensors")
    return folder


@pytest.fixture
def shell(place, cache, monkeypatch, capfd):
    """Return a function that runs a command, and gives its exit code and what it wrote to either stream.

    The command runs in this process, because starting one takes longer than most commands. The streams are captured
    below Python, so that what libraries and worker processes write is included.
    """
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "40")

    def ran(command: str, words: str) -> tuple[int, str, str]:
        for name, value in (("MODEL", exported()), ("TINY", TINY), ("CACHE", cache)):
            words = re.sub(rf"\b{name}\b", str(value), words)
        monkeypatch.setattr(sys, "argv", ["ictal", *command.split(), *words.split()])
        capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            cli.main()
        return left.value.code, *capfd.readouterr()

    return ran


def test_every_command_has_a_case():
    assert set(all_commands()) == set(CASES)


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.id not in ENDLESS])
def test_results_go_to_standard_output_and_progress_does_not(shell, command):
    case = CASES[command]
    code, out, err = shell(command, case.right)
    assert code == 0, err
    for line in case.results:
        assert re.search(line, out, re.MULTILINE), out
        assert not re.search(line, err, re.MULTILINE), err
    for line in (*case.progress, "Error", "━"):
        assert not re.search(line, out, re.MULTILINE), out
    for line in case.progress:
        assert re.search(line, err, re.MULTILINE), err
    assert "…" not in out, "a table was cut"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_failure_writes_nothing_to_standard_output_and_has_a_code(shell, command):
    case = CASES[command]
    code, out, err = shell(command, case.wrong)
    assert (code, out) == (case.wrong_code, ""), err
    assert re.match(r"Error: ", err), err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_option_is_wrong_usage(command):
    result = CliRunner().invoke(cli.app, [*command.split(), "--no-such-option"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "No such option" in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (IctalError("wrong"), 1), (UsageError("wrong"), 2), (UnknownNameError("arm", "wrong", ["both"]), 2),
        (PermissionError(13, "Permission denied", "wrong.csv"), 1), (OSError(28, "No space left", "wrong.csv"), 1),
        (KeyboardInterrupt(), 130), (typer.Exit(3), 3),
    ],
)  # fmt: skip
def test_how_a_command_ends_is_its_exit_code(monkeypatch, capsys, error, code):
    def info() -> None:
        raise error

    monkeypatch.setattr(sys, "argv", ["ictal", "info"])
    registered = next(one for one in cli.app.registered_commands if one.callback.__name__ == "info")
    monkeypatch.setattr(registered, "callback", info)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == code
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert ("wrong" in said.err) == (code in (1, 2))


def test_the_help_says_what_the_exit_codes_mean():
    assert EXIT_CODES in " ".join(call("--help").output.split())


def test_several_recordings_go_on_after_a_bad_one(place, tmp_path):
    files = (place / "night.edf", place / "bad.edf", place / "ward" / "r0.edf")
    for words in (("info",), ("score", "--model", exported(), "--formats", "json", "--out", tmp_path)):
        result = call(words[0], *files, *words[1:], "--json", tmp_path / "told.json")
        assert result.exit_code == 3
        told = json.loads((tmp_path / "told.json").read_text())
        assert len(told["recordings"]) == 2
        assert "bad.edf" in told["failed"][0]
        assert result.stdout.index("night.edf") < result.stdout.index("r0.edf")
        assert "bad.edf" not in result.stdout
        assert result.stderr.count("Error: ") == 1
        assert "1 of 3 recordings failed." in result.stderr


def test_a_folder_of_recordings_is_for_score_archive(place):
    with pytest.raises(IctalError, match=r"ward: is a folder with 3 EEG recordings.*ictal score-archive"):
        call("score", place / "ward", "--model", exported())


def test_json_on_standard_output_is_alone_there(place):
    result = call("evaluate-events", place / "found.tsv", place / "truth.tsv", "--json", "-")
    assert json.loads(result.stdout)["events"]["hits"] == 1
    assert "sensitivity" in result.stderr


def test_what_is_of_an_unknown_type_is_counted_on_the_screen_and_zero_events_have_no_sensitivity(place, tmp_path):
    head = "onset\tduration\teventType\trecordingDuration\n"
    events = "110\t40\tLPD\t3600\n500\t5\tblink\t3600\n900\t9\tspsw\t3600\n"
    (tmp_path / "truth.tsv").write_text(head + events)
    result = call("evaluate-events", place / "found.tsv", tmp_path / "truth.tsv", "--json", tmp_path / "told.json")
    assert "2 of 3 events of the reference have unknown types and were left out: blink, spsw." in result.stdout
    told = json.loads((tmp_path / "told.json").read_text())
    assert (told["n_ignored"], told["events"]["sensitivity"], told["samples"]["sensitivity"]) == (2, None, None)
    (row,) = (line for line in result.stdout.splitlines() if line.strip().startswith("events"))
    assert row.split()[1:5] == ["0", "0", "1", "–"]


def test_a_table_is_as_wide_as_it_needs_in_a_file_and_as_the_terminal_there(monkeypatch, capsys):
    shown = new_table("name", "figure")
    shown.add_row("a" * 200, "1")
    Results().show(shown)
    assert "a" * 200 in capsys.readouterr().out
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    Results().show(shown)
    lines = re.sub(r"\x1b\[\d*m", "", capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) == 60
    assert sum(line.count("a") for line in lines) == 200 + "name".count("a"), "a cell was cut"


def test_an_old_code_page_gets_a_question_mark_and_no_traceback(place):
    command = [sys.executable, "-m", "ictal", "info", str(place / "night.edf")]
    told = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"}, check=True)
    assert b"amplitude" in told.stdout
    assert b"?V" in told.stdout
