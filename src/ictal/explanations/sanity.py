"""Sanity check: whether explanations change when the weights of the network are randomised."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import rankdata
from torch import nn

from ictal.core.recording import Signal
from ictal.errors import ModelError, UnknownNameError
from ictal.explanations.explained import Floats, MethodName
from ictal.explanations.gradcam import gradcam
from ictal.explanations.integrated_gradients import integrate_gradients
from ictal.explanations.occlusion import occlude_cells
from ictal.explanations.torch_model import has_gradients
from ictal.models.arm_network import MeanOfArms

NEGLIGIBLE = 1e-4
"""Values below this share of the largest magnitude of a map count as zero: they may be rounding errors."""
SIMILAR = 0.5
"""Rank correlation from which maps of two networks count as similar: they share a quarter of the variance."""

Method = Callable[[nn.Module, Signal, str], Floats]
"""Returns a map of any shape for a network, a window and a pattern."""

METHODS: dict[MethodName, Method] = {
    "occlusion": lambda network, window, pattern: occlude_cells(network, window, pattern, stretch_s=5),
    "gradients": lambda network, window, pattern: integrate_gradients(network, window, pattern).grid,
    "gradcam": lambda network, window, pattern: gradcam(network, window, pattern).cells,
}
"""The map of each method that is compared."""


@dataclass(frozen=True)
class Sanity:
    """How similar explanations stay while a network loses what it has learned.

    Attributes
    ----------
    shares
        Share of the layers with random weights at each step, starting at the head; the last is 1.
    correlations
        Spearman's correlation of the magnitudes with those of the trained network at each step, mean over windows.
    """

    shares: tuple[float, ...]
    correlations: tuple[float, ...]

    @property
    def differs(self) -> bool:
        """Whether a random network gives different explanations, so that the method explains what was learned."""
        return self.correlations[-1] < SIMILAR


def sanity(
    network: nn.Module,
    windows: Sequence[Signal],
    pattern: str,
    method: MethodName | Method,
    seed: int = 0,
    n_steps: int = 4,
) -> Sanity:
    """Compare explanations with those of the same network after its weights are made random (Adebayo et al. 2018).

    Layers are randomised from the head down, in the reverse order of their definition: more at each step, and all at
    the last. Cells that are negligible in both maps are left out. A map that stays the same does not explain what the
    network has learned.

    Parameters
    ----------
    network
        A trained network; it is not changed.
    windows, pattern
        As in `explain`; correlations are averaged over the windows.
    method
        A name, or a function that returns a map.
    seed
        Seed for the random weights.
    n_steps
        Number of steps.

    Raises
    ------
    UnknownNameError
        If there is no such method.
    ModelError
        If the network has no weights: it is an external model.
    """
    if isinstance(method, str) and method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
    if not has_gradients(network):
        raise ModelError(
            "an estimator or a model from elsewhere has no weights that can be made random, so there is no such check"
        )
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
    """Draw weights from a normal distribution of the same size, so that signals neither vanish nor explode."""
    for parameter in layer.parameters(recurse=False):
        noise = torch.randn(parameter.shape, generator=generator).to(parameter)
        parameter.copy_(noise * parameter.square().mean().sqrt())


def _rank_correlation(one: Floats, other: Floats) -> float:
    """Return Spearman's correlation of magnitudes where either map is not negligible; 0 if one of them is constant.

    Cells that no such network can see, for example electrodes outside its montage, are zero in both maps and would
    make any two maps similar.
    """
    sizes = np.abs(np.stack([one.ravel(), other.ravel()]))
    seen = (sizes > NEGLIGIBLE * sizes.max(axis=1, keepdims=True)).any(axis=0)
    first, second = rankdata(sizes[:, seen], axis=1)
    if min(np.ptp(first), np.ptp(second)) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _layer_groups(network: nn.Module, n_steps: int) -> list[list[nn.Module]]:
    """Return the layers with weights in groups, from the head down; networks that are averaged advance together."""
    means = [module for module in network.modules() if isinstance(module, MeanOfArms)]
    steps: list[list[nn.Module]] = [[] for _ in range(n_steps)]
    for part in means[0].networks.values() if means else [network]:
        layers = [layer for layer in part.modules() if any(True for _ in layer.parameters(recurse=False))][::-1]
        for place, layer in enumerate(layers):
            steps[place * n_steps // len(layers)].append(layer)
    return steps
