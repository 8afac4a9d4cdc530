"""What a network must be given: which voltages, and how much of each window."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from ictal.core.montage import CHAINS, CHANNELS, N_CHANNELS, Derivation, derivations_of
from ictal.core.windows import WINDOW_S
from ictal.models.arm_network import ArmNetwork, MeanOfArms, parts_of
from ictal.models.build import build_trained
from ictal.models.model_settings import ModelSettings
from ictal.preprocessing.input_needs import Needs, needs_of_all
from ictal.views.middle import MiddleSettings


def needs_of(network: ArmNetwork | MeanOfArms) -> Needs:
    """Return what a network looks at, which may be the mean of several."""
    return Needs(tuple(derivations_seen(network)) or None, seconds_seen(network))


def needs_of_arms(arms: Sequence[str], settings: ModelSettings) -> Needs:
    """Return what each of several arms that are trained looks at."""
    with torch.random.fork_rng():  # first weights are drawn, and thrown away
        return needs_of_all([needs_of(build_trained(arm, settings, initial=False)) for arm in arms])


def derivations_seen(network: ArmNetwork | MeanOfArms) -> list[Derivation]:
    """Return voltages between electrodes of which everything is made that a network looks at.

    Each row of a view's matrix is a sum of voltages against one of the electrodes that take part in it; contexts are
    made of the four chains.
    """
    found: dict[Derivation, None] = dict.fromkeys(derivations_of(CHAINS) if network.sees_context else ())
    for view in filter(_is_view, network.modules()):
        for row in cast(Tensor, view.matrix).cpu().numpy():
            first, *others = (CHANNELS[index] for index in np.flatnonzero(row))
            found |= dict.fromkeys(Derivation(first, other) for other in others)
    return list(found)


def seconds_seen(network: ArmNetwork | MeanOfArms) -> float:
    """Return how much of the middle of a window a network looks at, at the most: all, where a view does not say."""
    return max(_seconds_of(part) for part in parts_of(network))


def _seconds_of(part: ArmNetwork) -> float:
    views = [] if part.sees_context else [module for module in part.modules() if _is_view(module)]
    settings = [getattr(view, "settings", None) for view in views]
    return max((one.seen_s if isinstance(one, MiddleSettings) else WINDOW_S for one in settings), default=WINDOW_S)


def _is_view(module: nn.Module) -> bool:
    matrix = getattr(module, "matrix", None)
    return isinstance(matrix, Tensor) and matrix.shape[-1] == N_CHANNELS
