"""Help and completion of every command."""

import os
import re
import subprocess
import sys
from collections import defaultdict

import pytest
from typer import Context
from typer.cli import get_docs_for_click
from typer.testing import CliRunner

from ictal import cli
from ictal.archive.query import TABLES
from ictal.cli import completion
from ictal.cli.options import OLD_NAMES
from ictal.core.labels import PATTERNS
from ictal.evaluation.table_comparison import WEIGHTS
from ictal.explanations.explained import METHOD_NAMES
from ictal.models.arms import ARMS, weighted_averages
from ictal.models.public.networks import NETWORKS
from ictal.recipes import recipe_names
from ictal.report.results_folder import FORMATS
from ictal.scoring.engines import ENGINES
from ictal.scoring.events import EVENT_PATTERNS
from ictal.simulator import CONTROLS
from tests.cli.test_streams import all_commands
from tests.test_docs import GROUP

EVERY = list(all_commands())
MEANINGS = {
    "--out": {"FOLDER", "FILE", "PATH"},
    "--model": {"MODEL", "NAME"},
    "--patients": {"N", "FILE"},
    "--patient": {"N", "TEXT"},
}
"""Options whose value is of another kind in some commands."""


def help_of(command, columns=100):
    return CliRunner().invoke(cli.app, [*command.split(), "--help"], terminal_width=columns).output


def parameters():
    """Give each option of each command: the command, the option's names, and its placeholder."""
    for words in EVERY:
        command = GROUP
        for word in words.split():
            command = command.commands[word]
        for parameter in command.params:
            yield words, parameter


@pytest.mark.parametrize("command", EVERY)
def test_help_has_an_example_and_no_python_types(command):
    text = help_of(command)
    assert f"Example: ictal {command}" in text
    assert not re.search(r"<\w+|list\[|x>=|\[default: \(", text), text
    assert max(map(len, text.splitlines())) <= 100


def test_the_manual_has_the_same_words():
    text = get_docs_for_click(obj=GROUP, ctx=Context(GROUP, info_name="ictal"), name="ictal")
    assert "`--folds N`: Folds of cross-validation, by patient.  [default: that of the recipe; at least 2]" in text
    assert not re.search(r"<\w+|list\[|x>=|\[default: \(", text)


def test_the_list_of_commands_is_not_cut():
    for command in ("", "archive"):
        for columns in (50, 80):
            text = help_of(command, columns)
            assert "..." not in text.partition("Commands:")[2]
            assert max(map(len, text.splitlines())) <= columns


def test_the_help_of_the_recipe_names_all_recipes():
    for command in ("ablate", "train", "evaluate", "predict", "explain"):
        (line,) = re.findall(r"--recipe RECIPE .*?--", " ".join(help_of(command).split()))
        assert all(name in line for name in recipe_names())


def test_every_value_has_a_placeholder_that_says_what_it_is():
    for command, parameter in parameters():
        if not getattr(parameter, "is_flag", False):
            assert parameter.metavar, f"{command} {parameter.name}"


def test_an_option_has_the_same_placeholder_in_every_command():
    found = defaultdict(set)
    for _, parameter in parameters():
        if parameter.param_type_name == "option" and not parameter.is_flag:
            found[parameter.opts[0]].add(parameter.metavar)
    several = {name: kinds for name, kinds in found.items() if len(kinds) > 1}
    assert several == MEANINGS


def test_options_have_their_old_names_too(tmp_path):
    table = tmp_path / "labels.csv"
    for command, names in OLD_NAMES.items():
        for old, name in names.items():
            assert old not in re.findall(r"--[\w-]+", help_of(command))
            assert name in help_of(command)
            for words in ([old, "3"], [f"{old}=3"]):
                result = CliRunner().invoke(cli.app, [command, str(table), *words])
                assert "No such option" not in result.output, result.output
                assert f"Note: {old} is deprecated; use {name}." in result.stderr


def test_what_is_completed_is_what_there_is():
    assert (*ARMS, *weighted_averages()) == completion.ARMS
    assert completion.PATTERNS == PATTERNS
    assert completion.EVENT_PATTERNS == EVENT_PATTERNS
    assert completion.ENGINES == ENGINES
    assert set(completion.FORMATS) == set(FORMATS)
    assert completion.METHODS == METHOD_NAMES
    assert (*NETWORKS,) == completion.NETWORKS
    assert completion.TABLES == TABLES
    assert completion.WEIGHTS == WEIGHTS
    assert ("sim", *(f"sim:{name}" for name in CONTROLS)) == completion.DATA
    assert completion.complete_recipe("") == recipe_names()


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("ictal sco", {"score", "score-archive"}),
        ("ictal score --model def", {"default"}),
        ("ictal train sim --recipe p", {"paper"}),
        ("ictal train sim --arm fus", {"fusion", "fusion-finetuned"}),
        ("ictal ablate sim --arms temporal,spa", {"temporal,spatial"}),
        ("ictal score --formats csv,p", {"csv,parquet"}),
        ("ictal score --formats csv,c", set()),
        ("ictal evaluate-events a b --pattern o", set()),
        ("ictal evaluate-events a b --pattern l", {"lpd", "lrda"}),
        ("ictal ablate sim:", {"sim:temporal", "sim:spatial", "sim:joint", "sim:null"}),
        ("ictal experts --le", set()),
    ],
)
def test_the_shell_completes_names(words, completed):
    environment = os.environ | {"_ICTAL_COMPLETE": "complete_bash", "COMP_WORDS": words}
    environment["COMP_CWORD"] = str(len(words.split()) - 1)
    code = "import sys; from ictal.cli import main; sys.argv[0] = 'ictal'; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert set(done.stdout.split()) == completed, done


def test_completion_does_not_wait_for_torch():
    names = ("model", "recipe", "arm", "arms", "pattern", "engine", "formats", "data")
    calls = "; ".join(f"completion.complete_{name}('')" for name in names)
    slow = "[name for name in ('torch', 'mne', 'pandas') if name in sys.modules]"
    code = f"import sys; from ictal.cli import app, completion; {calls}; print(*{slow})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


def test_completion_can_be_shown_and_installed():
    text = help_of("")
    assert "--install-completion" in text
    assert "--show-completion" in text
