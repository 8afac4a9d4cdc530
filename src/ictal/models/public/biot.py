"""BIOT, the transformer over patches of spectra of Yang et al., NeurIPS 2023 (arxiv.org/abs/2305.10351).

Written anew from the paper and from the layers that ycq091044/BIOT lists; its attention is that of the library
linear-attention-transformer. Parameters have the names of `BIOTClassifier` there. Dropout is left out, since it only
acts in training.
"""

from collections import OrderedDict
from math import pi

import torch
from torch import Tensor, nn

from ictal.core.labels import N_PATTERNS

N_DERIVATIONS = 16
N_FFT, HOP = 200, 100
"""Samples of a patch, and from one to the next: 1 s and 0.5 s."""
SIZE, N_HEADS, N_LAYERS = 256, 8, 4
MOST_PATCHES = 1000
"""Length of the table of positions; of 10 s, the first 19 are used."""


class BIOT(nn.Module):
    """Derivations [batch, 16, time] at 200 Hz, each divided by its 95th percentile, to logits [batch, 6].

    Parameters
    ----------
    n_tokens
        Channels that the checkpoint has a token for: 16; or 18, of which the last two (C3-A2, C4-A1) are not used.
    """

    def __init__(self, n_tokens: int) -> None:
        super().__init__()
        self.biot = Encoder(n_tokens)
        head = nn.Sequential(nn.ELU(), nn.Linear(SIZE, N_PATTERNS))
        self.classifier = nn.Sequential(OrderedDict(clshead=head))

    def forward(self, array: Tensor) -> Tensor:
        """Return logits, in the order other, seizure, LPD, GPD, LRDA, GRDA."""
        logits: Tensor = self.classifier(self.biot(array))
        return logits


class Encoder(nn.Module):
    """Derivations [batch, 16, time] to features [batch, 256]."""

    index: Tensor
    waves: Tensor

    def __init__(self, n_tokens: int) -> None:
        super().__init__()
        self.patch_embedding = nn.Sequential(OrderedDict(projection=nn.Linear(N_FFT // 2 + 1, SIZE)))
        layers = [nn.Sequential(Residual(Attention()), Residual(_feed_forward())) for _ in range(N_LAYERS)]
        self.transformer = _named("layers", _named("layers", nn.Sequential(*layers)))
        self.positional_encoding = Positions()
        self.channel_tokens = nn.Embedding(n_tokens, SIZE)
        self.register_buffer("index", torch.arange(n_tokens))
        self.register_buffer("waves", _waves(), persistent=False)

    def forward(self, array: Tensor) -> Tensor:
        """Return the mean over all patches."""
        patches = self.patch_embedding(self.spectra(array))
        tokens = self.channel_tokens(self.index[:N_DERIVATIONS])[:, None]
        embedded = self.positional_encoding(patches + tokens)
        features: Tensor = self.transformer(embedded.flatten(1, 2)).mean(dim=1)
        return features

    def spectra(self, array: Tensor) -> Tensor:
        """Return the amplitudes [batch, 16, patch, 101] of the frequencies of each patch.

        They are those of `torch.stft` without a window and without padding. A convolution with sines and cosines runs
        on every version of ONNX.
        """
        parts = nn.functional.conv1d(array.flatten(0, 1)[:, None], self.waves, stride=HOP)
        cosines, sines = parts.chunk(2, dim=1)
        amplitudes = (cosines.square() + sines.square()).sqrt()
        return amplitudes.transpose(1, 2).reshape(-1, N_DERIVATIONS, amplitudes.shape[2], amplitudes.shape[1])


class Positions(nn.Module):
    """Adds to patches [batch, channel, patch, 256] the code of their place in time."""

    pe: Tensor

    def __init__(self) -> None:
        super().__init__()
        at = torch.arange(MOST_PATCHES)[:, None] * 10_000 ** (-torch.arange(0, SIZE, 2) / SIZE)
        self.register_buffer("pe", torch.stack([at.sin(), at.cos()], dim=2).flatten(1)[None])

    def forward(self, patches: Tensor) -> Tensor:
        """Return the sum."""
        return patches + self.pe[:, : patches.shape[2]]


class Residual(nn.Module):
    """Adds to its input [batch, patch, 256] what a layer makes of it after normalisation."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.norm, self.fn = nn.LayerNorm(SIZE), layer

    def forward(self, array: Tensor) -> Tensor:
        """Return the sum."""
        found: Tensor = array + self.fn(self.norm(array))
        return found


class Attention(nn.Module):
    """Linear attention over patches [batch, patch, 256]: queries and keys each have a softmax of their own.

    Shen et al. 2021, 'Efficient attention: attention with linear complexities'.
    """

    def __init__(self) -> None:
        super().__init__()
        self.to_q, self.to_k, self.to_v = (nn.Linear(SIZE, SIZE, bias=False) for _ in range(3))
        self.to_out = nn.Linear(SIZE, SIZE)

    def forward(self, array: Tensor) -> Tensor:
        """Return, for each patch, what it attends to."""
        queries, keys, values = (
            layer(array).unflatten(2, (N_HEADS, -1)).transpose(1, 2) for layer in (self.to_q, self.to_k, self.to_v)
        )
        queries = queries.softmax(dim=-1) * queries.shape[-1] ** -0.5
        attended = queries @ (keys.softmax(dim=-2).transpose(2, 3) @ values)
        found: Tensor = self.to_out(attended.transpose(1, 2).flatten(2))
        return found


def _feed_forward() -> nn.Module:
    layers = OrderedDict(w1=nn.Linear(SIZE, 4 * SIZE), act=nn.GELU(), w2=nn.Linear(4 * SIZE, SIZE))
    return _named("fn", nn.Sequential(layers))


def _named(name: str, module: nn.Module) -> nn.Module:
    """Return a module that is a part, with a name, of another one that does nothing else, as in the checkpoint."""
    return nn.Sequential(OrderedDict({name: module}))


def _waves() -> Tensor:
    """Return cosines and sines [101 + 101, 1, 200] of the frequencies of a patch."""
    at = torch.arange(N_FFT, dtype=torch.float64) * torch.arange(N_FFT // 2 + 1, dtype=torch.float64)[:, None]
    at = at * 2 * pi / N_FFT
    return torch.cat([at.cos(), at.sin()]).float()[:, None]
