"""Sanity checks: whether explanations change when the weights are randomised."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import rankdata
from torch import nn

from ictal.core.recording import Signal
from ictal.errors import UnknownNameError
from ictal.explanations.base import Floats, MethodName
from ictal.explanations.methods import METHODS, Method
from ictal.models.arm_network import MeanOfArms

NOTHING = 1e-4
"""What is below this share of the largest magnitude of a map counts as nothing, for it may be rounding."""
ALIKE = 0.5
"""Rank correlation from which explanations of two networks count as alike: a quarter of the variance is shared."""


@dataclass(frozen=True)
class Sanity:
    """Whether explanations change when what the network has learned is taken from it.

    Attributes
    ----------
    shares
        Which share of the layers, from the head down, has random weights at each step; the last is all.
    correlations
        Spearman's correlation of the magnitudes with those of the trained network, mean over the windows.
    """

    shares: tuple[float, ...]
    correlations: tuple[float, ...]

    @property
    def differs(self) -> bool:
        """Whether the explanations of a random network are others, so that the method explains what was learned."""
        return self.correlations[-1] < ALIKE


def sanity(
    network: nn.Module,
    windows: Sequence[Signal],
    pattern: str,
    method: MethodName | Method,
    seed: int = 0,
    n_steps: int = 4,
) -> Sanity:
    """Compare explanations with those of the same network after its weights are made random (Adebayo et al. 2018).

    Weights become random from the head down, in the reverse order of their definition, more of them at each step
    and all at the last. Only what either map shows is compared. A map that stays the same does not explain what the
    network has learned.

    Parameters
    ----------
    network
        Is not changed.
    windows, pattern
        As in `explain`; several windows, over which the correlations are averaged.
    method
        A name, or a function that makes a map.
    seed
        Of the random weights.
    n_steps
        Of the cascade.
    """
    if isinstance(method, str) and method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
    explained = METHODS[method] if isinstance(method, str) else method
    trained = [explained(network, window, pattern) for window in windows]
    changed, random = copy.deepcopy(network), torch.Generator().manual_seed(seed)
    shares, correlations = [], []
    for step, layers in enumerate(_layer_groups(changed, n_steps), 1):
        for layer in layers:
            _randomise(layer, random)
        maps = [explained(changed, window, pattern) for window in windows]
        shares.append(step / n_steps)
        correlations.append(float(np.mean([_rank_correlation(a, b) for a, b in zip(trained, maps, strict=True)])))
    return Sanity(tuple(shares), tuple(correlations))


@torch.no_grad()
def _randomise(layer: nn.Module, generator: torch.Generator) -> None:
    """Draw weights from a normal distribution of their own size, so that signals neither die nor explode."""
    for parameter in layer.parameters(recurse=False):
        noise = torch.randn(parameter.shape, generator=generator).to(parameter)
        parameter.copy_(noise * parameter.square().mean().sqrt())


def _rank_correlation(one: Floats, other: Floats) -> float:
    """Return Spearman's correlation of magnitudes where either map has any; 0 where one is the same everywhere.

    Cells that no network of this kind can see, as electrodes outside of its montage, are nothing in both and would
    make any two maps alike.
    """
    sizes = np.abs(np.stack([one.ravel(), other.ravel()]))
    seen = (sizes > NOTHING * sizes.max(axis=1, keepdims=True)).any(axis=0)
    first, second = rankdata(sizes[:, seen], axis=1)
    if min(np.ptp(first), np.ptp(second)) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _layer_groups(network: nn.Module, n_steps: int) -> list[list[nn.Module]]:
    """Return the layers with weights in so many groups from the head down; parts that are averaged go in step."""
    means = [module for module in network.modules() if isinstance(module, MeanOfArms)]
    steps: list[list[nn.Module]] = [[] for _ in range(n_steps)]
    for part in means[0].networks.values() if means else [network]:
        layers = [layer for layer in part.modules() if any(True for _ in layer.parameters(recurse=False))][::-1]
        for place, layer in enumerate(layers):
            steps[place * n_steps // len(layers)].append(layer)
    return steps
