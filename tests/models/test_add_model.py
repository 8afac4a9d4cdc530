"""Adding a model: what is checked on simulated windows, and that nothing is half-registered."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from torch import nn
from typer.testing import CliRunner

import ictal
from ictal.cli import app
from ictal.core.montage import MONTAGES, derivations_of
from ictal.errors import ModelError
from ictal.models.add import add_model
from ictal.models.checkpoint import load_model
from ictal.models.external import open_external
from ictal.models.external_check import check_external, simulated
from ictal.models.hub import models_folder, named_folders
from ictal.preprocessing.settings import StandardiseSettings
from tests.models.external import PATTERNS, Amplitude, OfDerivations, contract, save_external

BANANA = [str(pair) for pair in derivations_of(MONTAGES["double_banana"])]


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network from elsewhere that knows the patterns: the symmetric one of the shipped model."""
    networks = load_model("simulated").own.networks
    symmetric = next(network for name, network in networks.items() if name.startswith("symmetric"))
    return save_external(tmp_path_factory.mktemp("trained") / "theirs", OfDerivations(symmetric), contract())


def changed(trained, folder, **changes):
    folder.mkdir()
    (folder / "model.onnx").write_bytes((trained / "model.onnx").read_bytes())
    (folder / "contract.yaml").write_text(yaml.safe_dump(contract(**changes)))
    return folder


def test_a_model_is_added_under_its_name(trained):
    result = CliRunner().invoke(app, ["models", "add", str(trained), "--name", "theirs"])
    assert result.exit_code == 0, result.output
    assert "tells the patterns apart with a mean AUROC of 0.9" in result.output
    assert "theirs" in {folder.name for folder in named_folders()}
    assert ictal.describe_model("theirs").card.data == "nothing"
    window = np.zeros((1, 20, 10_000), np.float32)
    np.testing.assert_array_equal(open_external(models_folder() / "theirs")(window), open_external(trained)(window))
    saved = yaml.safe_load((models_folder() / "theirs" / "contract.yaml").read_text())
    assert len(saved["weights_sha256"]) == 64


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        (
            {"output": {"values": "logits", "patterns": [PATTERNS[-1], *PATTERNS[:-1]]}},
            f"in another order than output.patterns states: perhaps {', '.join(PATTERNS)}",
        ),
        (
            {"input": {"channels": sorted(BANANA), "seconds": 10}},
            f"in another order than input.channels states: perhaps {', '.join(BANANA)}",
        ),
    ],
)
def test_a_wrong_order_is_found(trained, tmp_path, changes, doubt):
    folder = changed(trained, tmp_path / "wrong", **changes)
    with pytest.raises(ModelError) as caught:
        add_model(folder, "wrong")
    assert doubt in str(caught.value)
    assert not models_folder().exists()
    assert add_model(folder, "wrong", accept_doubtful=True).doubts


def test_the_right_order_is_not_doubted(trained):
    assert not check_external(open_external(trained)).doubts


class Noise(nn.Module):
    """Two runs differ, as with dropout that was left on."""

    def forward(self, array):
        return array.abs().mean(dim=-1)[:, :6] + torch.rand(array.shape[0], 6)


class OfBatch(nn.Module):
    """The output depends on the other windows, as with batch statistics."""

    def forward(self, array):
        means = array.abs().mean(dim=-1)[:, :6]
        return (means - means.mean(dim=0)) / 10


class Constant(nn.Module):
    def forward(self, array):
        return array.mean(dim=-1)[:, :6] * 1e-9


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Noise, "two runs on the same windows differ"),
        (OfBatch, "depends on the other windows of its batch"),
        (Constant, "have the same output"),
    ],
)
def test_a_network_that_is_not_a_function_of_its_window_is_refused(tmp_path, network, message):
    with pytest.raises(ModelError, match=message):
        add_model(save_external(tmp_path / "theirs", network(), contract()), "theirs")
    assert not models_folder().exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a b", "is not a name"),
        ("../up", "is not a name"),
        ("", "is not a name"),
        ("default", "already a model 'default'"),
    ],
)
def test_names(trained, name, message):
    with pytest.raises(ModelError, match=message):
        add_model(trained, name)


def test_a_killed_addition_leaves_no_model(trained, tmp_path):
    code = (
        "import os, shutil, sys\n"
        "from ictal.models.add import add_model\n"
        "copy = shutil.copyfile\n"
        "shutil.copyfile = lambda *files: (copy(*files), os.kill(os.getpid(), 9))\n"
        f"add_model({str(trained)!r}, 'theirs')\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], env=os.environ | {"XDG_DATA_HOME": str(tmp_path / "home")})
    assert killed.returncode == -9
    assert list(models_folder().iterdir())  # what was begun
    assert "theirs" not in {folder.name for folder in named_folders()}
    assert add_model(trained, "theirs") is not None


def test_simulated_windows_fill_what_a_model_sees():
    windows, targets = simulated(StandardiseSettings(), 30.0)
    assert windows.shape[1:] == (20, 10_000)
    assert np.ptp(windows[:, 0, 2000:8000], axis=-1).min() > 0
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-5)


def test_amplitude_alone_is_no_order(tmp_path):
    """A network that knows no pattern is added, and the report says that nothing could be checked."""
    found = add_model(save_external(tmp_path / "theirs", Amplitude(), contract()), "theirs")
    assert "could not be checked" in found.in_words()
