"""Models that have a name: found, listed, told, and used by it."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import ictal
from ictal.cli import app
from ictal.core.atomic_files import write_text
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.windows import WINDOW_SAMPLES
from ictal.errors import ModelError, UnknownNameError
from ictal.io.edf.writer import write_edf
from ictal.models import hub
from ictal.models.checkpoint import Card, load_model
from ictal.models.hub import NOT_A_DEVICE, describe_model, find_model, is_shipped, named_folders
from ictal.preprocessing.standardise import standardise
from ictal.scoring import export_contract as contracts
from tests.conftest import TINY
from tests.scoring.helpers import SMALL, eeg, recording_of, save

REAL_WEIGHTS = hub.SHIPPED
MOST_MEGABYTES = 23
"""Of both models that ship: weights, graphs for scoring and explanations, and windows to compare with."""


def call(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def places(tmp_path, monkeypatch) -> tuple[Path, Path]:
    """Return the folders of the models that ship and of the user's, both without any yet."""
    monkeypatch.setattr(hub, "SHIPPED", tmp_path / "package" / "weights")
    monkeypatch.setattr(hub, "user_data_path", lambda name: tmp_path / "user" / name)
    monkeypatch.setattr(contracts, "user_cache_path", lambda name: tmp_path / "cache" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "package" / "weights", tmp_path / "user" / "ictal" / "models"


def model(folder: Path, **card: object) -> Path:
    """Save a model whose weights nobody looks at."""
    about = {"arm": "temporal", "data": "simulated EEG"} | card
    write_text(folder / "card.json", json.dumps(about))
    write_text(folder / "model.safetensors", "0123456789")
    return folder


def test_a_model_is_found_by_path_then_among_those_that_ship_then_among_the_users(places):
    ships, own = places
    default, mine = model(ships / "default"), model(own / "mine")
    assert find_model("default") == default
    assert find_model("mine") == find_model(Path("mine")) == mine
    assert find_model(default) == find_model(str(default)) == default
    here = model(Path("default"))
    assert find_model("default") == here
    (here / "card.json").unlink()  # a folder of that name that is no model is no obstacle
    assert find_model("default") == default
    assert find_model("package") == Path("package")  # and where nothing else has the name, it is told what it lacks
    with pytest.raises(ModelError, match=r"package: is not a saved model: card\.json, model\.safetensors missing"):
        load_model("package")


def test_an_unknown_name_lists_those_that_there_are(places):
    ships, own = places
    model(ships / "default"), model(ships / "small"), model(own / "mine")
    (own / "empty").mkdir()
    expected = r"unknown model 'large'; known are: default, small, mine \(yours\), the folder of any model"
    for ask in (find_model, load_model, describe_model):
        with pytest.raises(UnknownNameError, match=expected):
            ask("large")
    for name in ("../weights/default", "", "models/mine"):
        with pytest.raises((UnknownNameError, ModelError)):
            describe_model(name)


def test_a_name_that_both_have_is_refused_and_the_message_says_what_to_do(places):
    ships, own = places
    default, mine = model(ships / "default"), model(own / "default")
    with pytest.raises(ModelError, match="both a model that ships with ictal and one of yours") as told:
        find_model("default")
    assert str(default) in str(told.value)
    assert str(mine) in str(told.value)
    assert [find_model(folder) for folder in named_folders()] == [default, mine]


def test_a_model_that_ships_is_told_from_others(places):
    ships, own = places
    default, mine = model(ships / "default"), model(own / "mine")
    assert (is_shipped(default), is_shipped(mine), is_shipped(ships)) == (True, False, False)
    assert is_shipped(Path(os.path.relpath(default)))
    (ships / "latest").symlink_to(default)
    assert is_shipped(ships / "latest")
    assert describe_model("latest").name == "latest"


def test_a_card_in_words_has_what_the_card_has(places):
    ships, _ = places
    about = {"metrics": {"KL on iiic": 0.5512}, "known_failures": ["calls LRDA other"], "summary": "Quick."}
    folder = model(ships / "bare", **about)
    assert describe_model(folder).text == (
        "# bare\n\nQuick.\n\n- Arm: temporal\n- Trained on: simulated EEG\n- Licence: that of the training data\n\n"
        "## Figures\n\n- KL on iiic: 0.551\n\n## Known failures\n\n- calls LRDA other\n\n"
        f"## Warnings\n\n- {NOT_A_DEVICE}\n"
    )
    (folder / "CARD.md").write_text("# Bare\n\nSaid by a person.\n")
    assert describe_model("bare").text == "# Bare\n\nSaid by a person.\n"


@pytest.mark.parametrize("content", ["", "[]", '{"arm": "temporal"}', '{"arm": 1, "data": "d"}', "\ud800"])
def test_what_is_no_card_is_refused(places, content):
    folder = model(places[0] / "default")
    (folder / "card.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(ModelError, match=r"card\.json: is not the card of a model"):
        describe_model("default")


def test_models_are_listed_and_one_bad_card_hides_no_other(places):
    ships, own = places
    model(ships / "default", n_parameters=281_234, licence="Apache-2.0", warnings=["Look first.", "And second."])
    model(own / "mine", data="my hospital")
    model(own / "odd")
    (own / "odd" / "card.json").write_text("{}")
    result = call("models", "--json", "-")
    assert result.exit_code == 3
    default, mine = json.loads(result.stdout)["models"]
    assert (default["name"], default["ships_with_ictal"], default["licence"]) == ("default", True, "Apache-2.0")
    assert (mine["name"], mine["ships_with_ictal"], mine["n_parameters"]) == ("mine", False, None)
    assert mine["megabytes"] == pytest.approx(1e-5)
    assert "281,234" in result.stderr
    assert "default: Look first." in result.stderr
    assert "And second" not in result.stderr
    assert "odd/card.json: is not the card of a model" in result.stderr
    with pytest.warns(UserWarning, match=r"odd/card\.json: is not the card of a model"):
        assert [one.name for one in ictal.list_models()] == ["default", "mine"]
    assert str(own) in result.stderr


def test_without_any_model_the_list_says_where_one_may_stand(places):
    result = call("models", "--json", "-")
    assert json.loads(result.stdout) == {"models": []}
    assert str(places[1]) in result.stderr


def test_one_model_is_told_by_its_card(places):
    folder = model(places[0] / "default")
    (folder / "CARD.md").write_text("# default\n\nTrained on simulated EEG. [0.42, 0.70]\n")
    result = call("models", "default", "--json", "-")
    assert "Trained on simulated EEG. [0.42, 0.70]" in result.stderr
    told = json.loads(result.stdout)
    assert (told["name"], told["text"]) == ("default", (folder / "CARD.md").read_text())
    assert "Example: ictal models" in call("models", "--help").output


def test_names_need_no_torch():
    code = "import sys; from ictal.models.hub import named_folders; named_folders(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def default(places, monkeypatch) -> Path:
    """Return a small model that ships; the network is away."""

    def refuse(*_: object) -> None:
        raise AssertionError("a model was asked for over the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return save(places[0] / "default", "temporal", SMALL)


def test_the_default_scores_offline_and_leaves_the_package_as_it_is(default, tmp_path):
    write_edf(tmp_path / "night.edf", recording_of(eeg(70).clip(-3000, 3000)))
    before = {path.name: path.read_bytes() for path in default.iterdir()}
    arguments = ("score", "night.edf", "--formats", "json", "--out", tmp_path / "out")
    first = call(*arguments)
    assert first.exit_code == 0, first.output
    assert "Exporting" in first.stderr
    assert {path.name: path.read_bytes() for path in default.iterdir()} == before
    assert len(list((tmp_path / "cache").rglob("contract.json"))) == 1
    assert "Exporting" not in call(*arguments).stderr
    scores = ictal.score(tmp_path / "night.edf")
    assert scores.manifest["model"]["name"] == "default"
    loaded = ictal.load_model("default")
    signal = standardise(ictal.read(tmp_path / "night.edf"), loaded.card.standardise).signal
    windows = np.stack([signal[:, start : start + WINDOW_SAMPLES] for start in (0, 2000, 4000)])
    np.testing.assert_allclose(scores.frame[list(PROBABILITY_COLUMNS)], loaded.predict(windows), atol=1e-4)
    told = call("info", "night.edf", "--model", "default").stdout
    assert "can be scored by the model 'default': 3 windows of 10 s" in told


def test_the_default_is_evaluated_and_explained_by_its_name(default, cache):
    options = ("--recipe", TINY, "--cache", cache)
    result = call("evaluate", "default", "sim", *options, "--json", "-")
    told = json.loads(result.stdout)
    for name in ("kl", "constant_kl", "difference_to_constant", "balanced_accuracy"):
        low, high = told[f"{name}_interval"]
        assert low <= told[name] <= high
    assert told["difference_to_constant"] == pytest.approx(told["kl"] - told["constant_kl"])
    assert {"lateralized_auroc", "lateralized_auroc_interval", "periodic_auroc", "periodic_auroc_interval"} <= {*told}
    for name, other_name in (("lateralized", "generalized"), ("periodic", "rhythmic")):
        (line,) = (row for row in result.stderr.splitlines() if f"{name} against {other_name}" in row)
        one, other = told[f"{name}_auroc_windows"]
        assert f"{one} : {other}" in line
        expected = "none" if told[f"{name}_auroc"] is None else f"{told[f'{name}_auroc']:.3f}"
        assert expected in line
    (line,) = (line for line in result.stderr.splitlines() if "best constant" in line)
    assert f"{told['constant_kl']:.3f} [" in line
    explained = call("explain", "default", "sim", "--window", "p0e0_0", "--out", "w.svg", "--recipe", TINY)
    assert explained.exit_code == 0, explained.output
    assert Path("w.svg").stat().st_size > 1000


@pytest.mark.skipif(
    not (REAL_WEIGHTS / "default" / "card.json").is_file(), reason="the weights of 'default' are not in the package"
)
class TestDefault:
    """The model that ships."""

    def test_it_is_within_its_size(self):
        files = [path for path in REAL_WEIGHTS.rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) <= MOST_MEGABYTES * 1_000_000
        names = {path.name for path in files if path.suffix != ".onnx"}
        assert names == {
            "card.json", "CARD.md", "contract.json", "explanation.json", "model.safetensors", "similar.npz",
        }  # fmt: skip

    def test_it_loads_by_its_name_and_its_card_says_what_it_is(self):
        loaded = ictal.load_model("default")
        assert isinstance(loaded.card, Card)
        text = describe_model("default").text
        for warning in loaded.card.warnings:
            assert warning in text
        assert NOT_A_DEVICE in loaded.card.warnings
        assert loaded.card.licence.startswith("Apache-2.0; NOTICE has the attributions")
        assert loaded.card.summary
        assert loaded.card.known_failures
        assert "simulat" in text

    def test_it_tells_some_windows_from_others(self):
        piece = eeg(90)
        found = ictal.load_model("default").predict(np.stack([piece[:, :10_000], piece[:, 8000:18_000]]))
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)
        assert abs(found[0] - found[1]).max() > 1e-3
