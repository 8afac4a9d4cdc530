"""The context view: the regional spectrogram of ten minutes as an image."""

import math

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from ictal.core.settings import Settings
from ictal.preprocessing.regional_spectrogram import N_COLUMNS


class ContextSettings(Settings):
    """How images are made.

    Attributes
    ----------
    columns
        How many of the 300 columns of 2 s are used, around the centre.
    width
        Width of the image; neighbouring columns are averaged.
    low, high
        Limits of the natural logarithm of power in µV²/Hz; values beyond are clipped, as in the public notebooks.
    offset, scale
        A pixel is (logarithm + offset) / scale. With the defaults, the pixels of two real spectrograms have a mean of
        about zero and a standard deviation of about one.
    """

    columns: int = Field(N_COLUMNS, ge=2, le=N_COLUMNS, multiple_of=2)
    width: int = Field(256, ge=1)
    low: float = -4.0
    high: float = 8.0
    offset: float = 1.24
    scale: float = Field(1.68, gt=0)

    @model_validator(mode="after")
    def _limits_are_possible(self) -> "ContextSettings":
        if self.width > self.columns:
            raise ValueError(f"width is {self.width}; allowed is at most the number of columns, {self.columns}")
        if self.low >= self.high:
            raise ValueError(f"low is {self.low:g}; allowed is less than high, {self.high:g}")
        return self


class Context(nn.Module):
    """Contexts [batch, 4, 100, 300] in µV²/Hz to images [batch, 4, 100, width].

    A missing pixel (NaN) gets the mean of its row: the same region and frequency at other times. If the whole row is
    missing, it gets zero, which is about the mean of all images.
    """

    pool: Tensor

    def __init__(self, settings: ContextSettings) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("pool", _pool(settings.columns, settings.width), persistent=False)

    def forward(self, contexts: Tensor) -> Tensor:
        """Return the images, always in float32, also under autocast."""
        settings = self.settings
        with torch.autocast(contexts.device.type, enabled=False):
            skipped = (N_COLUMNS - settings.columns) // 2
            power = contexts[..., skipped : skipped + settings.columns].float()
            missing = power.isnan()
            # Clipping comes before the logarithm, and missing values are replaced by one, so no infinity occurs.
            limits = math.exp(settings.low), math.exp(settings.high)
            level = power.masked_fill(missing, 1.0).clamp(*limits).log()
            pixels = ((level + settings.offset) / settings.scale).masked_fill(missing, 0.0)
            there = (~missing).sum(dim=-1, keepdim=True).clamp(min=1)
            filled = torch.where(missing, pixels.sum(dim=-1, keepdim=True) / there, pixels)
            return filled @ self.pool


def _pool(columns: int, width: int) -> Tensor:
    """Return the matrix [column, pixel] that averages columns; a column may contribute to two pixels."""
    edges = torch.linspace(0, columns, width + 1, dtype=torch.float64)
    first = torch.arange(columns, dtype=torch.float64)[:, None]
    overlap = torch.minimum(edges[1:], first + 1) - torch.maximum(edges[:-1], first)
    return (overlap.clamp(min=0) * width / columns).float()
