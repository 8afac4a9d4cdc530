"""The base installation: what works without torch, and what says which extra it needs."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from platformdirs import user_cache_path

from ictal.core.labels import VOTE_COLUMNS
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.errors import EXTRAS, IctalError, MissingExtraError, naming_extras, require
from ictal.io.edf.writer import write_edf
from tests.scoring.helpers import SMALL, eeg, recording_of, save

PROJECT = Path(__file__).resolve().parents[1]
TRAINING = EXTRAS["train"]


def run_without(hidden: tuple[str, ...], folder: Path, *commands: list[object]) -> list[dict[str, Any]]:
    """Run commands in a process that cannot import some modules, with caches of its own."""
    asked = json.dumps([[str(word) for word in command] for command in commands])
    own = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "XDG_DATA_HOME": str(folder / "data")}
    own["MPLCONFIGDIR"] = mpl.get_cachedir()  # whose list of fonts takes seconds to make
    done = subprocess.run(
        [sys.executable, "-m", "tests.without", json.dumps(hidden), asked],
        cwd=PROJECT,
        env={**os.environ, **own, "PYTHONPATH": os.pathsep.join(map(str, (PROJECT, PROJECT / "src")))},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["imported"] == []
    results: list[dict[str, Any]] = told["results"]
    return results


def predictions(path: Path, seed: int) -> Path:
    """Write a small table of predictions."""
    rng = np.random.default_rng(seed)
    votes = np.random.default_rng(0).multinomial(5, np.full(6, 1 / 6), size=24)
    frame = pd.DataFrame({"window_id": range(24), "eeg_id": range(24), "patient_id": np.arange(24) // 2})
    frame[list(VOTE_COLUMNS)] = votes
    frame[list(PROBABILITY_COLUMNS)] = rng.dirichlet(np.ones(6), size=24)
    frame.to_csv(path, index=False)
    return path


def test_the_base_simulates_scores_lists_and_compares_without_torch(tmp_path):
    if (known := user_cache_path("ictal") / "head").is_dir():  # heads take seconds to compute
        shutil.copytree(known, tmp_path / "cache" / "ictal" / "head")
    night, out = tmp_path / "night.edf", tmp_path / "out"
    tables = [predictions(tmp_path / f"{name}.csv", seed) for seed, name in enumerate("ab", 1)]
    results = run_without(
        TRAINING,
        tmp_path,
        ["--help"],
        ["simulate", "--hours", 0.02, "--out", night],
        ["info", night, "--json", "-"],
        ["score", night, "--out", out, "--formats", "all"],
        ["evaluate-events", out, out / "night_events.tsv", "--json", "-"],
        ["szcore", night, out / "szcore.tsv"],
        ["models", "--json", "-"],
        ["models", "default"],
        ["compare", *tables, "--json", "-"],
    )
    assert not [one for one in results if one["code"]]
    _, _, info, _, events, _, models, card, compared = (one["out"] for one in results)
    assert json.loads(info)["n_windows"] == 7
    assert json.loads(events)["pattern"] == "seizure"
    assert [one["name"] for one in json.loads(models)["models"]] == ["default", "simulated"]
    assert card.startswith("# default")
    assert [one["name"] for one in json.loads(compared)["tables"]] == ["a", "b"]
    scores = pd.read_parquet(out / "night_scores.parquet")
    np.testing.assert_allclose(scores[list(PROBABILITY_COLUMNS)].sum(axis=1), 1, atol=1e-6)
    assert not list(tmp_path.rglob("exported")), "the shipped graphs were used"


COMMANDS = {
    "ablate": ["ablate", "sim"],
    "train": ["train", "sim"],
    "fine-tune": ["train", "sim", "--from", "default"],
    "evaluate": ["evaluate", "default", "sim"],
    "predict": ["predict", "default", "sim", "--out", "p.csv"],
    "explain": ["explain", "default", "sim", "--window", "p3e1_0", "--out", "why.svg"],
    "score with torch": ["score", "NIGHT", "--engine", "torch"],
    "score with a model that has no export": ["score", "NIGHT", "--model", "MODEL"],
}


def test_commands_that_need_torch_say_what_to_install_in_one_line(tmp_path):
    write_edf(tmp_path / "night.edf", recording_of(eeg(60)))
    save(tmp_path / "model", "temporal", SMALL)
    words = {"NIGHT": tmp_path / "night.edf", "MODEL": tmp_path / "model"}
    asked = [[words.get(word, word) for word in command] for command in COMMANDS.values()]
    for name, one in zip(COMMANDS, run_without(TRAINING, tmp_path, *asked), strict=True):
        assert one["code"] == 1, (name, one)
        (line,) = one["error"].splitlines()
        assert "needs torch, torchvision, timm, lightning" in line, name
        assert line.endswith("install them with: pip install 'ictal[train]'"), name


def test_other_commands_name_their_extra(tmp_path):
    (tmp_path / "eeg").mkdir()
    night = tmp_path / "eeg" / "night.edf"
    write_edf(night, recording_of(eeg(60)))
    commands: dict[tuple[str, str], list[object]] = {
        ("web", "uvicorn"): ["view", "--upload", "--no-browser"],
        ("archive", "distributed"): ["score-archive", night.parent, "--out", tmp_path / "scored"],
        ("archive", "duckdb"): ["archive", "query", tmp_path, "burden > 0.2"],
        ("openvino", "openvino"): ["score", night, "--engine", "openvino"],
    }
    results = run_without(tuple(module for _, module in commands), tmp_path, *commands.values())
    for (extra, module), one in zip(commands, results, strict=True):
        assert one["code"] == 1, one
        (line,) = one["error"].splitlines()
        assert line.endswith(f"needs {module}; install it with: pip install 'ictal[{extra}]'")


def test_the_public_names_that_need_torch_say_what_to_install(tmp_path):
    code = (
        "import sys; from tests.without import Hidden; sys.meta_path.insert(0, Hidden({'torch'})); import ictal\n"
        "for name in ('train', 'ablate', 'load_model'):\n"
        "    try: getattr(ictal, name)\n"
        "    except ictal.errors.MissingExtraError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"ictal.{name} needs torch; install it with: pip install 'ictal[train]'"
        for name in ("train", "ablate", "load_model")
    ]


def test_modules_of_other_packages_stay_what_python_says_of_them():
    with pytest.raises(ModuleNotFoundError, match="no_such_module") as caught, naming_extras("this"):
        __import__("no_such_module")
    assert not isinstance(caught.value, IctalError)


def test_a_missing_extra_is_an_import_error_of_ictal(monkeypatch):
    monkeypatch.setattr("ictal.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="this needs duckdb, fsspec; install them") as caught:
        require("archive", "this", "duckdb", "fsspec")
    assert isinstance(caught.value, ImportError)
    assert isinstance(caught.value, IctalError)


def test_extras_hold_the_modules_that_are_asked_for():
    packages = {"sklearn": "scikit-learn", "python_multipart": "python-multipart", "distributed": "dask[distributed]"}
    packages["natus_erd"] = "natus-erd-reader"
    known = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    for extra, modules in EXTRAS.items():
        listed = known["optional-dependencies"][extra]
        for module in modules:
            name = packages.get(module, module)
            assert any(one.startswith((f"{name}>", f"{name}[", f"{name}==")) for one in listed), (extra, module)
    needed = {one.partition(">")[0] for one in known["dependencies"]}
    assert not needed & {packages.get(module, module) for modules in EXTRAS.values() for module in modules}
