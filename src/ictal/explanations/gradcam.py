"""Grad-CAM: which places of the spectrogram support a pattern, by the last feature map."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ictal.core.recording import Signal
from ictal.explanations.explained import Explained, Floats, as_explained, checked_window, pattern_index, rounded

if TYPE_CHECKING:
    from torch import nn


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


def gradcam(model: "Explained | nn.Module", window: Signal, pattern: str) -> Gradcam:
    """Weight the last feature map of an EfficientNet by the gradient of log p (Selvaraju et al. 2017).

    Raises
    ------
    ModelError
        If the network does not contain exactly one EfficientNet with a spectrogram view, or runs it more than once
        per window.
    """
    found = as_explained(model).feature_map(checked_window(window), pattern_index(pattern))
    weights = found.slopes.mean(axis=(1, 2))
    cells = np.maximum(np.einsum("c,chw->hw", weights, found.values), 0)
    heat = _resized(_resized(cells, len(found.hertz)).T, len(found.seconds)).T
    return Gradcam(heat, cells, found.decibels, found.hertz, found.seconds)


def _resized(image: Floats, n_rows: int) -> Floats:
    """Return an image with another number of rows, interpolated linearly between the centres of the old ones."""
    places = (np.arange(n_rows) + 0.5) * len(image) / n_rows - 0.5
    return np.stack([np.interp(places, np.arange(len(image)), column) for column in image.T], axis=1)
