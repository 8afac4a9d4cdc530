"""Grad-CAM: which places of the spectrogram support a pattern, by the last feature map."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from timm.models.efficientnet import EfficientNet
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch users know

from ictal.core.montage import CHAINS
from ictal.core.recording import Signal
from ictal.core.windows import RATE_HZ, WINDOW_S
from ictal.errors import ModelError, listed
from ictal.explanations.log_probabilities import (
    Floats,
    as_array,
    checked_window,
    evaluating,
    log_softmax,
    pattern_index,
    rounded,
)
from ictal.models.checkpoint import device_of
from ictal.views.spectrogram import Spectrogram, hz_to_mel, mel_to_hz


@dataclass(frozen=True)
class Gradcam:
    """Where in the spectrogram the last feature map supports a pattern; one map for all four chains.

    Attributes
    ----------
    heat
        The cells, interpolated to the image, [mel band, frame]; not negative, without unit.
    cells
        The map at the resolution of the feature map, [row, column].
    images
        The spectrogram of each chain, [chain, mel band, frame], dB.
    hertz, seconds
        Centres of the bands and of the frames.
    """

    heat: Floats = field(repr=False)
    cells: Floats
    images: Floats = field(repr=False)
    hertz: Floats = field(repr=False)
    seconds: Floats = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the cells, and the range of both axes, from the centre of the first pixel to that of the last."""
        axes = {"hertz": rounded(self.hertz[[0, -1]]), "seconds": rounded(self.seconds[[0, -1]])}
        return {"cells": rounded(self.cells), **axes}


def gradcam(network: nn.Module, window: Signal, pattern: str) -> Gradcam:
    """Weight the last feature map of an EfficientNet by the gradient of log p (Selvaraju et al. 2017).

    Raises
    ------
    ModelError
        If the network does not contain exactly one EfficientNet with a spectrogram view, or runs it more than once
        per window.
    """
    view, images = _image_network(network)
    whole = torch.from_numpy(checked_window(window)).to(device_of(network))[None]
    maps: list[Tensor] = []
    hook = images.bn2.register_forward_hook(lambda _module, _given, made: maps.append(made.requires_grad_()))
    try:
        with evaluating(network), torch.enable_grad():
            score = log_softmax(network(whole))[:, pattern_index(pattern)].sum()
    finally:
        hook.remove()
    if len(maps) != 1 or len(maps[0]) != 1:
        raise ModelError("Grad-CAM needs a network that has one feature map per window; this one has several")
    (slope,) = torch.autograd.grad(score, maps[0])
    weighed = (slope.mean(dim=(2, 3), keepdim=True) * maps[0].detach()).sum(dim=1, keepdim=True).relu()
    settings = view.settings
    size = (settings.n_mels, settings.width)
    heat = F.interpolate(weighed, size, mode="bilinear", align_corners=False)
    with torch.inference_mode():
        decibels = view.decibels(whole).reshape(len(CHAINS), -1, settings.width, settings.n_mels).mean(dim=1)
    bands = mel_to_hz(np.linspace(0, hz_to_mel(settings.max_hz), settings.n_mels + 2))[1:-1]
    seconds = (WINDOW_S - settings.seen_s) / 2 + np.arange(settings.width) * settings.hop / RATE_HZ
    return Gradcam(as_array(heat[0, 0]), as_array(weighed[0, 0]), as_array(decibels.transpose(1, 2)), bands, seconds)


def _image_network(network: nn.Module) -> tuple[Spectrogram, Any]:
    found = image_networks_of(network)
    if len(found) != 1:
        names = f"{len(found)}: {listed(found)}" if found else "none"
        raise ModelError(f"Grad-CAM needs a network with one EfficientNet on spectrograms; this one has {names}")
    return next(iter(found.values()))


def image_networks_of(network: nn.Module) -> dict[str, tuple[Spectrogram, Any]]:
    """Return every EfficientNet that shares a parent module with one spectrogram view, by the name of the parent."""
    found = {}
    for name, module in network.named_modules():
        views = [child for child in module.children() if isinstance(child, Spectrogram)]
        networks = [child for child in module.children() if isinstance(child, EfficientNet)]
        if len(views) == len(networks) == 1:
            found[name or "the network itself"] = (views[0], networks[0])
    return found
