"""A small network on waveforms whose output stays the same when left and right are mirrored."""

from itertools import pairwise
from typing import Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch users know

from ictal.core.labels import N_PATTERNS
from ictal.core.montage import CHANNELS, derivations_of, montage, montage_matrix
from ictal.core.settings import Settings
from ictal.models.pooling import AttentionPool
from ictal.views.waveform import Waveform, WaveformSettings

WAVEFORM = WaveformSettings(montage="double_banana", decimate=4, clip_uv=2000.0, scale_uv=20.0)
"""The default view: 18 derivations at 50 Hz. The scale is the voltage above which asinh compresses."""

STEM = 16
"""Kernel of the first convolution in samples, a third of a second at 50 Hz; its stride is 4."""

LITTLE = 0.01
"""Added before taking a logarithm, as a share of the view's scale: 0.2 µV."""

FADING = 1e-3
"""Weight of zeros in the mean over a chain, so that a chain with only bad derivations fades out."""


ABSENT = 100.0
"""Added to the logarithm of the size of derivations without an electrode, to exclude them from its minimum."""


class SymmetricSettings(Settings):
    """The size of the network.

    Attributes
    ----------
    widths
        Channels of the stem and of the residual blocks that follow it, over the time of one derivation. The stem has
        a stride of 4, each block a stride of 2.
    kernel
        Kernel size of the convolutions in these blocks, samples.
    hemisphere, both
        Channels for one hemisphere, and for both combined.
    drop_rate
        Dropout before the head.
    quality
        What `Trust` judges an electrode by: its 'derivations', so that a signal common to all electrodes changes
        nothing, or its own voltage ('electrodes'), as in models of ictal 0.1.
    """

    widths: tuple[int, ...] = (24, 32, 48, 64)
    kernel: int = Field(5, ge=1)
    hemisphere: int = Field(96, ge=1)
    both: int = Field(128, ge=1)
    drop_rate: float = Field(0.3, ge=0, lt=1)
    quality: Literal["derivations", "electrodes"] = "derivations"

    @field_validator("widths")
    @classmethod
    def _positive(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if min(value, default=0) < 1:
            raise ValueError(f"{list(value)}; allowed are whole numbers from 1: the stem's, then one per block")
        return value

    @field_validator("kernel")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError(f"{value}; allowed are odd numbers, so that a kernel has a middle")
        return value


def entrance(n_in: int, n_out: int, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    """Return a convolution over time, a batch norm and a ReLU."""
    padding = (kernel - stride) // 2
    convolution = nn.Conv2d(n_in, n_out, (1, kernel), (1, stride), (0, padding), bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.ReLU(inplace=True))


class ResidualBlock(nn.Module):
    """Two convolutions over time, added to the input (He et al. 2016).

    [batch, n_in, row, time] to [batch, n_out, row, time / stride]; rows are independent.
    """

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        size, padding = (1, kernel), (0, kernel // 2)
        self.first = nn.Conv2d(n_in, n_out, size, (1, stride), padding, bias=False)
        self.first_norm = nn.BatchNorm2d(n_out)
        self.second = nn.Conv2d(n_out, n_out, size, 1, padding, bias=False)
        self.second_norm = nn.BatchNorm2d(n_out)
        self.skip = nn.Sequential()
        if stride > 1 or n_in != n_out:
            self.skip.append(nn.AvgPool2d((1, stride), ceil_mode=True))
            self.skip.append(nn.Conv2d(n_in, n_out, 1, bias=False))

    def forward(self, signal: Tensor) -> Tensor:
        """Return the block's output."""
        changed = self.second_norm(self.second(F.relu_(self.first_norm(self.first(signal)))))
        return F.relu_(changed.add_(self.skip(signal)))


class Trust(nn.Module):
    """A learned weight of each derivation by its signal quality: [batch, derivation], between 0 and 1.

    A small network, the same for all derivations, reads six features of a trace: its mean size, its mean step and its
    peak (both relative to that size), its size relative to the median derivation, and that of its worse electrode,
    all as logarithms; and the share of time in which it is flat. An electrode is as large as the smallest of its
    derivations, since noise at one electrode is in all of them. Initially, nearly all weights are close to 1.
    """

    anode: Tensor
    cathode: Tensor
    absent: Tensor

    def __init__(
        self,
        waveform: WaveformSettings,
        quality: Literal["derivations", "electrodes"] = "derivations",
        hidden: int = 16,
    ) -> None:
        super().__init__()
        self.every, self.scale_uv, self.quality = waveform.decimate, waveform.scale_uv, quality
        derivations = derivations_of(montage(waveform.montage))
        anode, cathode = torch.tensor([[CHANNELS.index(name) for name in pair] for pair in derivations]).unbind(dim=1)
        absent = torch.from_numpy(montage_matrix(derivations)).T == 0  # [electrode, derivation]
        self.register_buffer("anode", anode, persistent=False)
        self.register_buffer("cathode", cathode, persistent=False)
        self.register_buffer("absent", absent * ABSENT, persistent=False)
        verdict = nn.Linear(hidden, 1)
        nn.init.constant_(verdict.bias, 2.0)
        self.judge = nn.Sequential(nn.Linear(6, hidden), nn.ReLU(), verdict)

    def figures(self, windows: Tensor, traces: Tensor) -> Tensor:
        """Return six features, [batch, derivation, 6], from windows and their traces [batch, derivation, time]."""
        step = traces.diff(dim=-1).abs()
        size, roughness, peak = (
            _log(value) for value in (traces.abs().mean(-1), step.mean(-1), traces.abs().amax(-1))
        )
        still = (1 - step / (5 * LITTLE)).clamp(min=0).mean(dim=-1)
        median = _median(size)
        if self.quality == "electrodes":
            electrodes = _log(windows[..., :: self.every].abs().mean(dim=-1) / self.scale_uv)
            worse = torch.minimum(electrodes[:, self.anode], electrodes[:, self.cathode])
        else:
            electrodes = (size[:, None] + self.absent).amin(dim=-1)
            worse = torch.maximum(electrodes[:, self.anode], electrodes[:, self.cathode]) - median
        return torch.stack([size, roughness - size, peak - size, size - median, worse, still], dim=-1)

    def forward(self, windows: Tensor, traces: Tensor) -> Tensor:
        """Return the weights, always in float32, also under autocast."""
        with torch.autocast(windows.device.type, enabled=False):
            factors: Tensor = self.judge(self.figures(windows, traces)).squeeze(-1).sigmoid()
            return factors


class Symmetric(nn.Module):
    """Raw windows [batch, 20, 10000] to logits [batch, n_outputs], the same for a window and its mirror image.

    All derivations share one encoder; its maps are averaged over each chain, weighted by `Trust`. Both hemispheres,
    each with its own two chains and the midline, share one network. At each time, they are then combined by their sum
    and by the absolute value of their difference. Neither changes when the sides are swapped, and the second shows a
    pattern on one side. Nothing has to be learned twice.
    """

    bf16_on_cpu = False
    of_chain: Tensor

    def __init__(
        self, waveform: WaveformSettings, settings: SymmetricSettings, *, n_outputs: int = N_PATTERNS
    ) -> None:
        super().__init__()
        self.view = Waveform(waveform)
        self.trust = Trust(waveform, settings.quality)
        sizes = torch.tensor(self.view.chain_sizes)
        of_chain = nn.functional.one_hot(torch.arange(len(sizes)).repeat_interleave(sizes)).T
        self.register_buffer("of_chain", of_chain.float(), persistent=False)  # [chain, derivation]
        widths, hemisphere, both = settings.widths, settings.hemisphere, settings.both
        self.encoder = entrance(1, widths[0], STEM, 4)
        self.encoder.extend(ResidualBlock(n_in, n_out, settings.kernel, 2) for n_in, n_out in pairwise(widths))
        n_chains = len(self.view.chain_sizes) - 2  # of a hemisphere; the midline, if there is one, belongs to both
        self.hemisphere = entrance(n_chains * widths[-1], hemisphere).append(ResidualBlock(hemisphere, hemisphere, 3))
        self.both = entrance(2 * hemisphere, both).append(ResidualBlock(both, both, 3))
        self.pool = AttentionPool(both, waveform.seen_s)
        self.n_features = 2 * both
        self.head = nn.Sequential(nn.Dropout(settings.drop_rate), nn.Linear(self.n_features, n_outputs))
        self.to(memory_format=torch.channels_last)

    def chains(self, windows: Tensor) -> list[Tensor]:
        """Return [batch, channel, time] for each chain of the montage: the weighted mean over its derivations."""
        windows = self.view.middle(windows)  # the weights must not depend on the rest of the window either
        traces = self.view(windows)
        weights = self.of_chain * self.trust(windows, traces)[:, None]
        weights = weights / (weights.sum(dim=2, keepdim=True) + FADING)
        maps = self.encoder(traces.asinh().unsqueeze(1).contiguous(memory_format=torch.channels_last))
        # In this order of axes, the maps are where they are in memory, and one matrix product makes all means.
        by_row = maps.permute(0, 2, 3, 1)
        means = (weights @ by_row.flatten(2)).unflatten(2, by_row.shape[2:])
        return list(means.transpose(2, 3).unbind(dim=1))

    def features(self, windows: Tensor) -> Tensor:
        """Return [batch, 2 x both]: both hemispheres, pooled over the whole signal and over its central 10 s."""
        left_lateral, left, right, right_lateral, *midline = self.chains(windows)
        sides = [torch.cat([*side, *midline], dim=1) for side in ((left_lateral, left), (right_lateral, right))]
        hemispheres = torch.stack(sides, dim=2).contiguous(memory_format=torch.channels_last)
        one, other = self.hemisphere(hemispheres).split(1, dim=2)
        pooled: Tensor = self.pool(self.both(torch.cat([one + other, (one - other).abs()], dim=1)).squeeze(2))
        return pooled

    def forward(self, windows: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.head(self.features(windows))
        return logits


def _log(value: Tensor) -> Tensor:
    return (value + LITTLE).log()


def _median(values: Tensor) -> Tensor:
    """Return the median over an even number of derivations, [batch, 1]; ONNX export supports topk, not median."""
    half = values.shape[1] // 2
    return values.topk(half + 1, dim=1).values[:, half - 1 :].mean(dim=1, keepdim=True)
