"""The how-to of docs/archive.md, run as it stands on processes of this machine."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.archive.helpers import check_adds_up, ledger
from tests.pages import ROOT, code_of, in_shell

FILE = ROOT / "docs" / "archive.md"
PAGE = FILE.read_text(encoding="utf-8")
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> tuple[Path, str]:
    """Return the folder in which every shell block of the page was run, in order, and what that said."""
    folder = tmp_path_factory.mktemp("howto")
    commands = code_of(FILE, "bash")
    assert len(commands) == 5
    return folder, in_shell("\n".join(commands), folder)


@pytest.mark.exhaustive
def test_the_commands_of_the_page_do_what_it_says(done):
    folder, told = done
    nights = {"ward1/night1.edf", "ward1/night2.edf", "ward2/night1.edf"}
    rows = check_adds_up(folder / "scored", nights | {"ward2/notes.edf"}, {"ward2/notes.edf"})
    assert rows.loc["ward2/notes.edf", "state"] == "failed"
    assert told.count("4 recordings: 3 done, 1 failed, 0 quarantined, 0 left") == 3
    assert told.count("Dask's dashboard") == 1, "the second run starts no worker"
    assert {"recording", "duration_s"} <= set(pd.read_csv(folder / "long_seizures.csv").columns)
    for kind, columns in re.findall(r"^\| `(burden|events)` \|[^|]*\| (.*) \|$", PAGE, re.MULTILINE):
        table = pd.read_parquet(folder / "scored" / kind).drop(columns="model")
        assert re.findall(r"`(\w+)`", columns) == list(table)


@pytest.mark.exhaustive
def test_the_python_of_the_page_runs_on_a_local_cluster(done):
    folder, _ = done
    (code,) = code_of(FILE, "python")
    (folder / "howto.py").write_text(code)
    env = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    told = subprocess.run([sys.executable, "howto.py"], cwd=folder, capture_output=True, text=True, env=env)
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() == "{'done': 3, 'failed': 1, 'quarantined': 0}"
    assert len(list((folder / "scored" / "scores").iterdir())) == 2
    assert len(ledger(folder / "scored")) == 8


def test_the_line_that_changes_is_shown_for_each_place():
    (local,) = re.findall(r"^    (with LocalCluster\(.*\) as workers:)$", PAGE, re.MULTILINE)
    for name in ("SLURMCluster", "KubeCluster", "SSHCluster"):
        (line,) = re.findall(rf"`(with {name}\(.*\) as workers:)`", PAGE)
        code = PAGE.replace(local, line)
        (block,) = re.findall(r"```python\n(.*?)```", code, re.DOTALL)
        compile(block, name, "exec")
