"""The input that a network needs: which derivations, and how much of each window."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ictal.core.montage import CHAINS, N_CHANNELS, Derivation, derivations_of
from ictal.core.windows import WINDOW_S
from ictal.models.arm_network import ArmNetwork, MeanOfArms, parts_of
from ictal.models.build import build_trained
from ictal.models.external_input import derivations_in
from ictal.models.model_settings import ModelSettings
from ictal.preprocessing.input_needs import Needs, needs_of_all
from ictal.views.middle import MiddleSettings


def needs_of(network: ArmNetwork | MeanOfArms) -> Needs:
    """Return the needs of a network or of a mean of several."""
    return Needs(tuple(derivations_seen(network)) or None, seconds_seen(network))


def needs_of_arms(arms: Sequence[str], settings: ModelSettings) -> Needs:
    """Return the joint needs of several trained arms."""
    with torch.random.fork_rng():  # building draws weights, which are discarded
        return needs_of_all([needs_of(build_trained(arm, settings, initial=False)) for arm in arms])


def derivations_seen(network: ArmNetwork | MeanOfArms) -> list[Derivation]:
    """Return derivations from which a network's input can be computed; contexts are computed from the four chains."""
    found: dict[Derivation, None] = dict.fromkeys(derivations_of(CHAINS) if network.sees_context else ())
    for view in filter(_is_view, network.modules()):
        found |= dict.fromkeys(derivations_in(cast(Tensor, view.matrix).cpu().numpy()) or ())
    return list(found)


def seconds_seen(network: ArmNetwork | MeanOfArms) -> float:
    """Return how many seconds of the middle of a window a network uses at most; a view without settings uses all."""
    return max(_seconds_of(part) for part in parts_of(network))


def _seconds_of(part: ArmNetwork) -> float:
    views = [] if part.sees_context else [module for module in part.modules() if _is_view(module)]
    settings = [getattr(view, "settings", None) for view in views]
    return max((one.seen_s if isinstance(one, MiddleSettings) else WINDOW_S for one in settings), default=WINDOW_S)


def _is_view(module: nn.Module) -> bool:
    matrix = getattr(module, "matrix", None)
    return isinstance(matrix, Tensor) and matrix.shape[-1] == N_CHANNELS
