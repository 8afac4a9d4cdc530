"""Own arms in experiments: trained, killed and resumed, averaged, exported and scored as the arms of ictal are."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

import ictal
from ictal import cli
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.distributed import Cluster
from ictal.errors import RunError
from ictal.experiments.ablation import ablate
from ictal.experiments.train_model import train
from ictal.models.checkpoint import load_model
from ictal.recipes import load_recipe
from ictal.scoring.engines import open_engine
from ictal.scoring.export_contract import read_contract
from tests.conftest import TINY
from tests.helpers import recording as noise
from tests.helpers import undrawn
from tests.own_arms import FOREST, NETWORK, forgotten, write

SLOW = NETWORK.replace("return self", "import time; time.sleep(0.3 * self.training); return self")
"""The same network; an epoch takes long enough to be killed after it."""


@pytest.fixture(autouse=True)
def _forget():
    with forgotten():
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("own")
    return [write(folder, SLOW), write(folder, FOREST, "forest.py")]


def command(out: Path, cache: Path, files: list[Path], arms: str) -> list[str]:
    options = ["--recipe", TINY, "--arms", arms, "--out", out, "--cache", cache, "--set", "models.own.mine.width=3"]
    return ["ablate", "sim", *map(str, options), *(word for file in files for word in ("--plugin", str(file)))]


@pytest.fixture(scope="module")
def ran(files, cache, tmp_path_factory) -> Path:
    """Return the folder of a run with an own network and an own estimator beside an arm of ictal."""
    out = tmp_path_factory.mktemp("ran") / "run"
    with forgotten(), undrawn():
        result = CliRunner().invoke(cli.app, command(out, cache, files, "temporal,mine,forest"))
    assert result.exit_code == 0, result.output
    return out


def test_own_arms_stand_in_the_table_and_in_all_records(ran, files):
    table = pd.read_csv(ran / "ablation.csv")
    assert table["arm"].tolist()[:3] == ["temporal", "mine", "forest"]
    manifest = json.loads((ran / "manifest.json").read_text())
    assert {name: code["source"] for name, code in manifest["own_arms"].items()} == {
        "mine": "my_arm.py",
        "forest": "forest.py",
    }
    for file in files:
        ictal.load_plugin(file)
    recipe = load_recipe(str(ran / "recipe.yaml"))
    assert recipe.models.own["mine"].width == 3
    assert recipe.training["mine"].learning_rates == (0.01, 0.01)
    assert recipe.training["forest"].panel_weight == 0.5
    report = (ran / "report.html").read_text()
    assert "Two convolutions on eight derivations." in report
    assert "A random forest on hand-made features." in report


@pytest.mark.slow
def test_a_killed_run_resumes_to_equal_weights(ran, files, cache, tmp_path):
    out = tmp_path / "run"
    words = [sys.executable, "-m", "ictal", *command(out, cache, files, "mine,forest")]
    checkpoint = out / "units" / "mine-fold0-seed0" / "last.ckpt"
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 120
        while not checkpoint.exists():
            assert process.poll() is None, "it ended too early"
            assert time.monotonic() < end, "it saved no epoch"
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    assert checkpoint.exists()
    assert not (checkpoint.parent / "done.json").exists()
    with undrawn():
        result = CliRunner().invoke(cli.app, command(out, cache, files, "mine,forest"))
    assert result.exit_code == 0, result.output
    for unit in (out / "units").iterdir():
        weights = [(folder / "units" / unit.name / "model.safetensors").read_bytes() for folder in (ran, out)]
        assert weights[0] == weights[1], unit.name


@pytest.mark.slow
def test_workers_run_the_files_and_end_in_the_same_table(ran, files, cache, tmp_path):
    for file in files:
        ictal.load_plugin(file)
    recipe = load_recipe(TINY, ["models.own.mine.width=3"])
    with undrawn():
        ablate("sim", recipe, ["mine", "forest"], tmp_path / "run", cache=cache, cluster=Cluster(workers=1))
    here, there = (pd.read_parquet(folder / "predictions.parquet") for folder in (ran, tmp_path / "run"))
    here = here[here["arm"] != "temporal"].reset_index(drop=True)
    pd.testing.assert_frame_equal(here, there, check_exact=True)


def test_an_arm_that_is_in_no_file_cannot_be_trained_by_workers(cache, tmp_path):
    names = {"torch": torch, "ictal": ictal, "__name__": "prompt"}
    exec("@ictal.arm('typed')\nclass Typed(torch.nn.Linear):\n    def __init__(self): super().__init__(20, 6)\n"
         "    def forward(self, x): return super().forward(x.std(2))\n", names)  # fmt: skip
    with pytest.raises(RunError, match="the arm 'typed' is in no file, so that workers do not know it"):
        ablate("sim", TINY, ["typed"], tmp_path / "run", cache=cache, cluster=Cluster(workers=1))


def test_a_run_takes_more_own_arms_but_no_changed_ones(ran, files, cache, tmp_path, monkeypatch):
    monkeypatch.setattr("ictal.training.unit.train_arm", lambda *_: pytest.fail("trained again"))
    with forgotten():
        result = CliRunner().invoke(cli.app, command(ran, cache, files, "temporal"))
    assert result.exit_code == 0, result.output
    assert list(json.loads((ran / "manifest.json").read_text())["own_arms"]) == ["mine", "forest"]
    changed = write(tmp_path, SLOW.replace("stride=4", "stride=5"))
    with forgotten():
        result = CliRunner().invoke(cli.app, command(ran, cache, [changed, files[1]], "mine"))
    assert isinstance(result.exception, RunError)
    assert "code of the arm 'mine': {'source': 'my_arm.py', 'sha256'" in str(result.exception)


@pytest.mark.parametrize("arm", ["mine", "forest"])
def test_a_mean_over_seeds_is_saved_exported_and_scored(arm, files, cache, tmp_path):
    for file in files:
        ictal.load_plugin(file)
    folder = train("sim", arm, load_recipe(TINY, ["seeds=2"]), tmp_path / "model", cache=cache)
    model = load_model(folder)
    assert len(model.network.networks) == 2
    recording = noise(20_000)
    engines = [open_engine(folder, name) for name in ("onnxruntime", "torch")]
    exported, direct = (ictal.score(recording, engine).frame for engine in engines)
    columns = list(PROBABILITY_COLUMNS)
    np.testing.assert_allclose(exported[columns], direct[columns], atol=1e-5)
    with forgotten():  # an exported model needs the file no more
        open_engine(folder)
    contract, _ = read_contract(folder)
    assert contract.arm == arm
