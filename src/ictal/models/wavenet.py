"""WaveNet on the waveform view: the temporal network of the study."""

from itertools import pairwise
from typing import Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch users know

from ictal.core.labels import N_PATTERNS
from ictal.core.settings import Settings
from ictal.errors import ModelError
from ictal.models.gated_layer import GatedLayer
from ictal.views.waveform import Waveform, WaveformSettings

N_PARTS = 16
"""Parts of 3 s into which a window is divided for features over time."""


class WavenetSettings(Settings):
    """The size of the network; the defaults are the reference's stronger variant.

    Attributes
    ----------
    filters, kernels, dilations
        Per block: channels, kernel size in samples, and number of dilations 1, 2, 4, ...
    hidden
        Width of the layer before the logits.
    norm
        'batch': batch normalisation after each block, which needs far fewer training steps; the reference uses
        'none'.
    edges
        'zero': pad the window with zeros, as in the reference. 'drop': no padding; outputs that would need samples
        beyond the window are dropped. Overlapping windows then share computations, and scoring a recording is several
        times as fast.
    """

    filters: tuple[int, ...] = (8, 16, 32, 64)
    kernels: tuple[int, ...] = (4, 4, 4, 4)
    dilations: tuple[int, ...] = (6, 6, 6, 6)
    hidden: int = Field(64, ge=1)
    norm: Literal["none", "batch"] = "none"
    edges: Literal["zero", "drop"] = "zero"

    @property
    def reach_each_side(self) -> int:
        """Largest number of samples that are dropped at each edge; the mean over time leaves them out."""
        if self.edges == "zero":
            return 0
        sizes = zip(self.kernels, self.dilations, strict=True)
        return sum(-(-(kernel - 1) * 2**power // 2) for kernel, number in sizes for power in range(number))

    @field_validator("filters")
    @classmethod
    def _positive(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if min(value, default=0) < 1:
            raise ValueError(f"{list(value)}; allowed are whole numbers from 1, one per block")
        return value

    @field_validator("kernels", "dilations")
    @classmethod
    def _as_many_as_filters(cls, value: tuple[int, ...], info: object) -> tuple[int, ...]:
        filters = getattr(info, "data", {}).get("filters", ())
        if len(value) != len(filters) or min(value, default=0) < 1:
            raise ValueError(f"{list(value)}; allowed are {len(filters)} whole numbers from 1, one per block")
        return value


class WaveBlock(nn.Module):
    """Gated dilated convolutions with residual sums over time, for each derivation independently.

    [batch, channel, derivation, time] to [batch, filters, derivation, time]: a 1x1 convolution, then a gated layer
    for each dilation 1, 2, 4, ...
    """

    def __init__(self, n_in: int, filters: int, kernel: int, n_dilations: int, edges: str) -> None:
        super().__init__()
        self.enter = nn.Conv2d(n_in, filters, 1)
        layers = (GatedLayer(filters, kernel, 2**power, edges) for power in range(n_dilations))
        self.layers = nn.Sequential(*layers)

    def forward(self, signal: Tensor) -> Tensor:
        """Return the block's output, as long as its input except for dropped edges."""
        entered = self.enter(signal).contiguous(memory_format=torch.channels_last)
        left: Tensor = self.layers(entered)
        return left


def reach(module: nn.Module) -> tuple[int, int]:
    """Return by how many frames the output of a part of a `Wavenet` depends on what is before and after it."""
    paddings = [layer.padding for layer in module.modules() if isinstance(layer, GatedLayer)]
    return sum(before for before, _ in paddings), sum(after for _, after in paddings)


class Wavenet(nn.Module):
    """Raw windows [batch, 20, 10000] to logits [batch, 6].

    All derivations share one sub-network. Its mean over time is averaged over the derivations of a chain, and the
    features of the chains are concatenated for a dense head.
    """

    bf16_on_cpu = True

    def __init__(self, waveform: WaveformSettings, settings: WavenetSettings, *, n_outputs: int = N_PATTERNS) -> None:
        super().__init__()
        if settings.reach_each_side * 2 > waveform.n_samples - N_PARTS:
            raise ModelError(
                f"this WaveNet reaches {settings.reach_each_side} samples to each side, and a window has "
                f"{waveform.n_samples}, so too few would remain; allowed with edges 'drop' are fewer dilations or "
                "smaller kernels"
            )
        self.view = Waveform(waveform)
        self.drops = settings.edges == "drop"
        # A view that cuts out the middle needs single windows, and so do layers that reach from edge to edge.
        reaches = settings.model_copy(update={"edges": "drop"}).reach_each_side
        self.shares = waveform.seconds is None and 2 * reaches < waveform.n_samples and min(settings.kernels) > 1
        widths = (1, *settings.filters)
        sizes = zip(pairwise(widths), settings.kernels, settings.dilations, strict=True)
        self.blocks = nn.Sequential()
        for (n_in, n_out), kernel, n_dilations in sizes:
            self.blocks.append(WaveBlock(n_in, n_out, kernel, n_dilations, settings.edges))
            if settings.norm == "batch":
                self.blocks.append(nn.BatchNorm2d(n_out))
        self.n_features = self.n_sequence = len(self.view.chain_sizes) * widths[-1]
        self.head = nn.Sequential(
            nn.Linear(self.n_features, settings.hidden), nn.ReLU(), nn.Linear(settings.hidden, n_outputs)
        )
        self.to(memory_format=torch.channels_last)

    def over_time(self, windows: Tensor) -> Tensor:
        """Return [batch, filters, chain, time]: the mean over the derivations of each chain.

        With edges 'drop', the result for a longer stretch contains that of each window in it.
        """
        traces = self.view(windows).unsqueeze(1).contiguous(memory_format=torch.channels_last)
        found = self.blocks(traces)
        if self.drops and torch.compiler.is_exporting():
            before, after = reach(self.blocks)
            found = found[..., before : found.shape[-1] - after]
        return self.chains(found)

    def chains(self, features: Tensor) -> Tensor:
        """Return the mean over the derivations of each chain, of features [batch, filters, derivation, time]."""
        chains: list[Tensor] = list(torch.split(features, list(self.view.chain_sizes), dim=2))
        return torch.cat([chain.mean(dim=2, keepdim=True) for chain in chains], dim=2)

    @property
    def stages(self) -> list[nn.Sequential]:
        """The blocks, one after the other; each is divided before its widest layer.

        Near the edge of a window that is padded with zeros, the features of a stage are not those of a longer
        stretch. The fewer layers it has, the fewer of them are computed twice, see `ictal.scoring.engines.frames`.
        """
        found: list[nn.Sequential] = []
        for module in self.blocks:
            if isinstance(module, WaveBlock):
                *layers, widest = module.layers
                found.append(nn.Sequential(module.enter, *layers))
                if layers:
                    found.append(nn.Sequential())
                found[-1].append(widest)
            else:
                found[-1].append(module)
        return found

    def features(self, windows: Tensor) -> Tensor:
        """Return [batch, chain x filters]: the mean over time."""
        return self.over_time(windows).mean(dim=3).transpose(1, 2).flatten(1)

    def sequence(self, windows: Tensor) -> Tensor:
        """Return [batch, 16, chain x filters]: the means over sixteenths of the window."""
        found = self.over_time(windows)
        step = found.shape[3] // N_PARTS
        return F.avg_pool2d(found, (1, step)).permute(0, 3, 2, 1)[:, :N_PARTS].flatten(2)

    def forward(self, windows: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.head(self.features(windows))
        return logits
