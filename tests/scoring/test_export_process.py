"""Models are exported in a process of their own, which gives its memory back."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ictal.errors import ModelError
from ictal.models.checkpoint import load_model
from ictal.scoring import export
from ictal.scoring.engines import open_engine
from ictal.scoring.export_process import export_apart
from tests.scoring.helpers import SMALL, save, windows_of

FRESH = """
import sys
from pathlib import Path
from ictal.scoring.engines import open_engine
open_engine(Path(sys.argv[1]))
raise SystemExit("torch was loaded" if "torch" in sys.modules else 0)
"""


@pytest.fixture
def without_torch(monkeypatch):
    """Let this process seem to have no torch."""
    monkeypatch.delitem(sys.modules, "torch")


@pytest.mark.exhaustive
def test_a_process_that_scores_never_loads_torch(tmp_path, monkeypatch):
    folder = save(tmp_path / "model", "spatial", SMALL)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    done = subprocess.run([sys.executable, "-c", FRESH, folder], check=False, capture_output=True, env=os.environ)
    assert (done.returncode, done.stderr) == (0, b"")
    monkeypatch.setattr(export, "export_model", None)  # a second export fails
    piece = windows_of(2)
    expected = load_model(folder).predict(piece.windows)
    np.testing.assert_allclose(open_engine(folder)(piece).probabilities, expected, atol=1e-4)


def test_the_error_is_the_one_that_exporting_here_has(tmp_path, without_torch):
    folder = tmp_path / "nothing"
    with pytest.raises(ModelError) as here:
        export.export_model(folder)
    with pytest.raises(ModelError) as there:
        export_apart(folder)
    assert str(there.value) == str(here.value)


def test_a_process_that_fails_is_one_error(monkeypatch, without_torch):
    def failed(*_: object, **__: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.CompletedProcess([], -9, "", "first line\nlast line\n")

    monkeypatch.setattr(subprocess, "run", failed)
    with pytest.raises(ModelError, match=r"model: cannot be exported: the process ended with code -9: last line"):
        export_apart(Path("model"))


def test_where_torch_is_loaded_no_process_starts(monkeypatch):
    made: list[Path] = []
    monkeypatch.setattr(subprocess, "run", None)
    monkeypatch.setattr(export, "export_model", made.append)
    export_apart(Path("model"))
    assert made == [Path("model")]
