"""SPaRCNet, the DenseNet over time of Jing et al., Neurology 2023 (doi.org/10.1212/WNL.0000000000207127).

Written anew from figure S4 of the paper and from the layers that bdsp-core/IIIC-SPaRCNet lists. Parameters have the
names of the published checkpoint. Dropout is left out, since it only acts in training.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from ictal.core.labels import N_PATTERNS

N_DERIVATIONS = 16
N_BLOCKS, N_LAYERS = 7, 4
FIRST, GROWTH, BOTTLENECK = 64, 32, 128
"""Channels after the first convolution, that a layer adds, and between the two convolutions of a layer."""
N_LAST = 7
"""Samples that are left of 2000 after the last block, over which the mean is taken."""


class SPaRCNet(nn.Module):
    """Derivations [batch, 16, 2000] in µV, 10 s at 200 Hz, to logits [batch, 6]."""

    def __init__(self) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv0=nn.Conv1d(N_DERIVATIONS, FIRST, kernel_size=7, stride=2, padding=3),
            elu0=nn.ELU(),
            pool0=nn.MaxPool1d(kernel_size=3, stride=2, padding=1),
        )
        size = FIRST
        for number in range(1, N_BLOCKS + 1):
            layers[f"denseblock{number}"] = _block(size)
            size += N_LAYERS * GROWTH
            if number < N_BLOCKS:
                layers[f"transition{number}"] = _transition(size)
                size //= 2
        layers["relu"], layers["mean"] = nn.ReLU(), nn.AvgPool1d(kernel_size=N_LAST)
        self.features = nn.Sequential(OrderedDict(densenet=nn.Sequential(layers)))
        self.classifier = nn.Sequential(OrderedDict({"1": nn.Linear(size, N_PATTERNS)}))

    def forward(self, array: Tensor) -> Tensor:
        """Return logits, in the order other, seizure, LPD, GPD, LRDA, GRDA."""
        logits: Tensor = self.classifier(self.features(array).flatten(1))
        return logits


class DenseLayer(nn.Module):
    """Channels [batch, size, time] to the same and `GROWTH` new ones."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(size, BOTTLENECK, kernel_size=1)
        self.conv2 = nn.Conv1d(BOTTLENECK, GROWTH, kernel_size=3, padding=1)
        self.elu = nn.ELU()

    def forward(self, array: Tensor) -> Tensor:
        """Return the old and the new channels."""
        return torch.cat([array, self.conv2(self.elu(self.conv1(self.elu(array))))], dim=1)


def _block(size: int) -> nn.Module:
    layers = {f"denselayer{number + 1}": DenseLayer(size + number * GROWTH) for number in range(N_LAYERS)}
    return nn.Sequential(OrderedDict(layers))


def _transition(size: int) -> nn.Module:
    """Return layers that halve channels and samples."""
    return nn.Sequential(
        OrderedDict(elu=nn.ELU(), conv=nn.Conv1d(size, size // 2, kernel_size=1), pool=nn.AvgPool1d(kernel_size=2))
    )
