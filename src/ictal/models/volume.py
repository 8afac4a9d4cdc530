"""A (2+1)D network on the volume view: time x channel x frequency."""

from itertools import pairwise

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch users know

from ictal.core.labels import N_PATTERNS
from ictal.core.settings import Settings
from ictal.models.pooling import AttentionPool
from ictal.views.volume import Volume, VolumeSettings

SMALLEST = 5
"""Axes of at most this size are not pooled further: the grid of the scalp, and the last few bands."""


class VolumeNetworkSettings(Settings):
    """The size of the network.

    Attributes
    ----------
    widths
        Channels of the stem, then of each residual block. Before each block, time is halved, and so is each spatial
        axis larger than `SMALLEST`.
    drop_rate
        Dropout before the head.
    """

    widths: tuple[int, ...] = (16, 32, 64, 128, 128)
    drop_rate: float = Field(0.3, ge=0, lt=1)

    @field_validator("widths")
    @classmethod
    def _stem_and_blocks(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(value) < 2 or min(value) < 1:
            raise ValueError(
                f"{list(value)}; allowed are at least two whole numbers from 1: the stem's, then the blocks'"
            )
        return value


class FactoredBlock(nn.Module):
    """A residual block of two convolutions, one over space and one over time (Tran et al. 2018, R(2+1)D).

    [batch, n_in, time, height, width] to [batch, n_out, ...], after a mean over `stride`. A batch norm and a ReLU
    between the two give twice as many nonlinearities as one convolution over all three axes.
    """

    def __init__(self, n_in: int, n_out: int, stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.pool = nn.AvgPool3d(stride, ceil_mode=True)
        self.space = nn.Conv3d(n_in, n_out, (1, 3, 3), padding=(0, 1, 1), bias=False)
        self.space_norm = nn.BatchNorm3d(n_out)
        self.time = nn.Conv3d(n_out, n_out, (3, 1, 1), padding=(1, 0, 0), bias=False)
        self.time_norm = nn.BatchNorm3d(n_out)
        self.skip = nn.Conv3d(n_in, n_out, 1, bias=False)

    def forward(self, volume: Tensor) -> Tensor:
        """Return the block's output, smaller by the stride."""
        volume = self.pool(volume)
        changed = self.time_norm(self.time(F.relu(self.space_norm(self.space(volume)))))
        return F.relu(changed + self.skip(volume))


class VolumeNetwork(nn.Module):
    """Raw windows [batch, 20, 10000] to logits [batch, n_outputs], through a volume.

    Convolutions do not depend on position, so a learned offset per place (channel x frequency) is added after the
    stem. The votes concern the central 10 s, which are pooled in addition to the whole window.
    """

    bf16_on_cpu = False

    def __init__(
        self, volume: VolumeSettings, settings: VolumeNetworkSettings, *, n_outputs: int = N_PATTERNS
    ) -> None:
        super().__init__()
        self.view = Volume(volume)
        widths, (_, height, width) = settings.widths, self.view.shape
        self.stem = nn.Conv3d(self.view.n_channels, widths[0], (1, 3, 3), padding=(0, 1, 1), bias=False)
        self.place = nn.Parameter(torch.zeros(1, widths[0], 1, height, width))
        self.stem_norm = nn.BatchNorm3d(widths[0])
        self.blocks = nn.Sequential()
        for n_in, n_out in pairwise(widths):
            stride = (2, 1 + (height > SMALLEST), 1 + (width > SMALLEST))
            self.blocks.append(FactoredBlock(n_in, n_out, stride))
            height, width = -(-height // stride[1]), -(-width // stride[2])
        self.pool = AttentionPool(widths[-1], volume.seen_s)
        self.n_features = 2 * widths[-1]
        self.head = nn.Sequential(nn.Dropout(settings.drop_rate), nn.Linear(self.n_features, n_outputs))

    def features(self, windows: Tensor) -> Tensor:
        """Return [batch, 2 x channel]: the mean over space, pooled over all times and over the central 10 s."""
        maps = self.blocks(F.relu(self.stem_norm(self.stem(self.view(windows)) + self.place)))
        pooled: Tensor = self.pool(maps.mean(dim=(3, 4)))
        return pooled

    def forward(self, windows: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.head(self.features(windows))
        return logits
