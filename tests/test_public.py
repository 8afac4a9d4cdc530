import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ictal
from ictal.cli import ARCHIVE_COMMANDS, COMMANDS, MODELS_COMMANDS

TWINS = {
    "experts": "compare_with_experts",
    "show": "describe_model",
    "add": "add_model",
    "export": "export_for_hub",
    "import_": "import_model",
    "status": "archive_status",
    "retry": "retry_archive",
    "query": "query_archive",
    "bids": "archive_to_bids",
}
"""Functions that are named otherwise than their commands."""


def stub() -> ast.Module:
    return ast.parse(Path(ictal.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ictal.__all__)
def test_every_public_name_is_there(name):
    assert getattr(ictal, name) is not None


@pytest.mark.parametrize("command", [one.__name__ for one in (*COMMANDS, *ARCHIVE_COMMANDS, *MODELS_COMMANDS)])
def test_every_command_has_a_function(command):
    assert callable(getattr(ictal, TWINS.get(command, command)))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'ictal' has no attribute 'scores'"):
        _ = ictal.scores


def test_importing_ictal_and_asking_for_a_recording_needs_no_torch():
    code = "import sys, ictal; ictal.read; ictal.simulator.simulate_recording; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_dir_shows_the_public_names_without_importing_them():
    code = (
        "import sys, ictal; names = dir(ictal); sys.exit('torch' in sys.modules or not {*ictal.__all__} <= {*names})"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {"__name__", "__version__"} <= {*dir(ictal)}
    assert {name for name in dir(ictal) if not name.startswith("__")} == {*ictal.__all__} - {"__version__"}


def test_the_stub_imports_each_name_from_where_it_is_imported():
    """So the stub's signatures are those of the functions."""
    imported = {
        alias.asname or alias.name: f"{node.module}:{alias.name}".replace("ictal:", "ictal.")
        for node in stub().body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported == ictal._PUBLIC
    (exported,) = (node.value for node in stub().body if ast.unparse(node).startswith("__all__"))
    assert sorted(ast.literal_eval(exported)) == sorted(ictal.__all__)


def test_a_deprecated_name_warns_and_works():
    with pytest.warns(DeprecationWarning, match=r"ictal\.evaluate_model is deprecated; use ictal\.evaluate"):
        assert ictal.evaluate_model is ictal.evaluate
    assert "evaluate_model" not in dir(ictal)


@pytest.mark.slow
def test_mypy_sees_the_types_of_the_public_functions(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import ictal\n"
        "reveal_type(ictal.score('night.edf'))\n"
        "reveal_type(ictal.read('night.edf'))\n"
        "reveal_type(ictal.simulate('night.edf', hours=1))\n"
        "reveal_type(ictal.simulate('data'))\n"
        "reveal_type(ictal.evaluate('default', 'sim')[0])\n"
        "ictal.no_such_name\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(program)]
    environment = os.environ | {"MYPYPATH": str(Path(ictal.__file__).parents[1])}
    said = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False).stdout
    types = [line.split('"')[1] for line in said.splitlines() if "Revealed type" in line]
    assert types == [
        "ictal.scoring.scores.Scores",
        "ictal.core.recording.Recording",
        "ictal.core.recording.Recording",
        "pathlib.Path",
        "ictal.evaluation.evaluate.Evaluation",
    ]
    assert said.count("error:") == 1, said
    assert 'Module has no attribute "no_such_name"' in said
