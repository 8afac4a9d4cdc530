"""Shared by all methods: the log-probabilities of a network, and checks of its input."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ictal.core.labels import PATTERNS
from ictal.core.montage import ELECTRODES, N_CHANNELS
from ictal.core.recording import Signal
from ictal.core.windows import WINDOW_SAMPLES
from ictal.errors import ModelError, UnknownNameError
from ictal.models.checkpoint import device_of
from ictal.models.estimator import EstimatorNetwork
from ictal.models.external_network import ExternalNetwork

Floats = npt.NDArray[np.float64]
MethodName = Literal["occlusion", "gradients", "gradcam"]
METHOD_NAMES: tuple[MethodName, ...] = get_args(MethodName)
N_ELECTRODES = len(ELECTRODES)


def log_softmax(logits: Tensor) -> Tensor:
    """Return log-probabilities in float64, [batch, 6]."""
    return logits.double().log_softmax(dim=1)


def log_probabilities(network: nn.Module, windows: Iterator[Signal], batch_size: int) -> Floats:
    """Return log p of every pattern, [window, 6]; windows are taken from the iterator one batch at a time."""
    where, parts = device_of(network), []
    with evaluating(network), torch.inference_mode():
        while batch := list(islice(windows, batch_size)):
            parts.append(as_array(log_softmax(network(torch.from_numpy(np.stack(batch)).to(where)))))
    return np.concatenate(parts)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode and freeze its weights, for the duration of a `with` block.

    Gradients of the weights are not needed, and what they require would be most of the memory of a forward pass.

    Raises
    ------
    ModelError
        If the network reads contexts instead of windows.
    """
    if getattr(network, "sees_context", False):
        raise ModelError("this network reads the ten minutes around a window, which none of the methods can explain")
    training, learning = network.training, [each for each in network.parameters() if each.requires_grad]
    network.eval().requires_grad_(False)
    try:
        yield
    finally:
        network.train(training)
        for parameter in learning:
            parameter.requires_grad_()


def checked_window(window: Signal) -> Signal:
    """Return a window as float32, or raise a `ValueError` for a wrong shape or samples that are not finite."""
    if window.shape != (N_CHANNELS, WINDOW_SAMPLES) or not np.isfinite(window).all():
        raise ValueError(
            f"a window must be [{N_CHANNELS}, {WINDOW_SAMPLES}] finite numbers; this one has the shape "
            f"{list(window.shape)} or samples that are not finite"
        )
    return np.asarray(window, dtype=np.float32)


def has_gradients(network: nn.Module) -> bool:
    """Return whether a network can be differentiated, which an estimator and a model from elsewhere cannot."""
    return not any(isinstance(part, EstimatorNetwork | ExternalNetwork) for part in network.modules())


def pattern_index(pattern: str) -> int:
    """Return the index of a pattern, or raise an `UnknownNameError`."""
    if pattern not in PATTERNS:
        raise UnknownNameError("pattern", pattern, PATTERNS)
    return PATTERNS.index(pattern)


def as_array(tensor: Tensor) -> Floats:
    """Return a tensor as an array of float64."""
    return tensor.detach().cpu().double().numpy()


def rounded(values: Floats) -> Any:
    """Return an array as nested lists, rounded to six decimals."""
    return np.round(values, 6).tolist()
