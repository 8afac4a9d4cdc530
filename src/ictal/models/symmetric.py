"""A small network on waveforms whose output stays the same when left and right are mirrored."""

from itertools import pairwise

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch users know

from ictal.core.labels import N_PATTERNS
from ictal.core.montage import CHANNELS, derivations_of, montage
from ictal.core.settings import Settings
from ictal.models.pooling import AttentionPool
from ictal.views.waveform import Waveform, WaveformSettings

WAVEFORM = WaveformSettings(montage="double_banana", decimate=4, clip_uv=2000.0, scale_uv=20.0)
"""The view that the network is made for: 18 derivations at 50 Hz. The scale is where asinh begins to compress."""

STEM = 16
"""Samples of the first convolution, a third of a second at 50 Hz; it keeps every fourth."""

LITTLE = 0.01
"""Added before a logarithm, as a share of the view's scale: 0.2 µV."""

FADING = 1e-3
"""Weight of zeros in the mean over a chain, so that a chain of none but bad derivations fades out."""


class SymmetricSettings(Settings):
    """The size of the network.

    Attributes
    ----------
    widths
        Channels of the stem and of the residual blocks that follow it, over the time of one derivation. The stem
        keeps every fourth sample, and each block every second.
    kernel
        Samples of a convolution in these blocks.
    hemisphere, both
        Channels for one hemisphere, and for what is made of the two.
    drop_rate
        Dropout before the head.
    """

    widths: tuple[int, ...] = (24, 32, 48, 64)
    kernel: int = Field(5, ge=1)
    hemisphere: int = Field(96, ge=1)
    both: int = Field(128, ge=1)
    drop_rate: float = Field(0.3, ge=0, lt=1)

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
            raise ValueError(f"{value}; allowed are odd numbers, so that a sample stays in the middle")
        return value


def entrance(n_in: int, n_out: int, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    """Return a convolution over time, a batch norm and a rectifier."""
    padding = (kernel - stride) // 2
    convolution = nn.Conv2d(n_in, n_out, (1, kernel), (1, stride), (0, padding), bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out), nn.ReLU())


class ResidualBlock(nn.Module):
    """Two convolutions over time, added to what came in (He et al. 2016).

    [batch, n_in, row, time] to [batch, n_out, row, time / stride]; each row is looked at alone.
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
        changed = self.second_norm(self.second(F.relu(self.first_norm(self.first(signal)))))
        return F.relu(changed + self.skip(signal))


class Trust(nn.Module):
    """How far each derivation is to be believed: [batch, derivation], between 0 and 1, learnt.

    A small network, the same for all derivations, looks at six figures: the trace's mean size, its mean step and its
    peak (both against that size), its size against that of the median derivation, the size of the quieter of its two
    electrodes, all as logarithms; and the share of time in which it does not move. At first nearly all are believed.
    """

    anode: Tensor
    cathode: Tensor

    def __init__(self, waveform: WaveformSettings, hidden: int = 16) -> None:
        super().__init__()
        self.every, self.scale_uv = waveform.decimate, waveform.scale_uv
        pairs = [
            [CHANNELS.index(name) for name in derivation] for derivation in derivations_of(montage(waveform.montage))
        ]
        anode, cathode = torch.tensor(pairs).unbind(dim=1)
        self.register_buffer("anode", anode, persistent=False)
        self.register_buffer("cathode", cathode, persistent=False)
        verdict = nn.Linear(hidden, 1)
        nn.init.constant_(verdict.bias, 2.0)
        self.judge = nn.Sequential(nn.Linear(6, hidden), nn.ReLU(), verdict)

    def figures(self, windows: Tensor, traces: Tensor) -> Tensor:
        """Return [batch, derivation, 6] of windows [batch, 20, time] and their traces [batch, derivation, time]."""
        electrodes = _log(windows[..., :: self.every].abs().mean(dim=-1) / self.scale_uv)
        quieter = torch.minimum(electrodes[:, self.anode], electrodes[:, self.cathode])
        step = traces.diff(dim=-1).abs()
        size, roughness, peak = (
            _log(value) for value in (traces.abs().mean(-1), step.mean(-1), traces.abs().amax(-1))
        )
        still = (1 - step / (5 * LITTLE)).clamp(min=0).mean(dim=-1)
        figures = [size, roughness - size, peak - size, size - _median(size), quieter, still]
        return torch.stack(figures, dim=-1)

    def forward(self, windows: Tensor, traces: Tensor) -> Tensor:
        """Return the factors; float32 whatever the autocast."""
        with torch.autocast(windows.device.type, enabled=False):
            factors: Tensor = self.judge(self.figures(windows, traces)).squeeze(-1).sigmoid()
            return factors


class Symmetric(nn.Module):
    """Raw windows [batch, 20, 10000] to logits [batch, n_outputs], the same for a window and its mirror image.

    One encoder serves all derivations; their maps are averaged over each chain, weighted by `Trust`. One network
    serves both hemispheres, each with its own two chains and the midline. What is then known of the hemispheres is
    their sum and the absolute value of their difference, at each time: neither changes when they change places, and
    the second shows a pattern that is on one side. Hence nothing has to be learnt twice.
    """

    bf16_on_cpu = False

    def __init__(
        self, waveform: WaveformSettings, settings: SymmetricSettings, *, n_outputs: int = N_PATTERNS
    ) -> None:
        super().__init__()
        self.view = Waveform(waveform)
        self.trust = Trust(waveform)
        widths, hemisphere, both = settings.widths, settings.hemisphere, settings.both
        self.encoder = entrance(1, widths[0], STEM, 4)
        self.encoder.extend(ResidualBlock(n_in, n_out, settings.kernel, 2) for n_in, n_out in pairwise(widths))
        n_chains = len(self.view.chain_sizes) - 2  # of a hemisphere; the midline, where there is one, belongs to both
        self.hemisphere = entrance(n_chains * widths[-1], hemisphere).append(ResidualBlock(hemisphere, hemisphere, 3))
        self.both = entrance(2 * hemisphere, both).append(ResidualBlock(both, both, 3))
        self.pool = AttentionPool(both, waveform.seen_s)
        self.n_features = 2 * both
        self.head = nn.Sequential(nn.Dropout(settings.drop_rate), nn.Linear(self.n_features, n_outputs))
        self.to(memory_format=torch.channels_last)

    def chains(self, windows: Tensor) -> list[Tensor]:
        """Return for each chain of the montage [batch, channel, time], the trusted mean over its derivations."""
        windows = self.view.middle(windows)  # what lies further out must not enter the trust either
        traces = self.view(windows)
        trust = self.trust(windows, traces)[:, None, :, None]
        maps = self.encoder(traces.asinh().unsqueeze(1).contiguous(memory_format=torch.channels_last))
        sizes = self.view.chain_sizes
        parts = zip((maps * trust).split(sizes, dim=2), trust.split(sizes, dim=2), strict=True)
        return [chain.sum(dim=2) / (weight.sum(dim=2) + FADING) for chain, weight in parts]

    def features(self, windows: Tensor) -> Tensor:
        """Return [batch, 2 x both]: both hemispheres, pooled over all that is looked at and over the central 10 s."""
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
    """Return the median over an even number of derivations, [batch, 1]; export knows topk but no median."""
    half = values.shape[1] // 2
    return values.topk(half + 1, dim=1).values[:, half - 1 :].mean(dim=1, keepdim=True)
