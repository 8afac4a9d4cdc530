"""What in a window speaks for a pattern: occlusion, integrated gradients, Grad-CAM, and whether to trust them.

All three explain log p, the natural logarithm of the probability that a network gives to one pattern; their figures
are in nats and set the pattern against the five others. They take any network that turns windows [batch, 20, 10000]
in µV into logits [batch, 6]; Grad-CAM needs an EfficientNet on the spectrogram view somewhere inside it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from ictal.core.labels import PATTERNS
from ictal.core.montage import Derivation
from ictal.core.recording import Signal
from ictal.errors import UnknownNameError
from ictal.explanations.base import METHOD_NAMES, Floats, MethodName, checked_window, log_probabilities, rounded
from ictal.explanations.gradcam import Gradcam, gradcam, image_networks_of
from ictal.explanations.integrated_gradients import Gradients, integrate_gradients
from ictal.explanations.occlusion import Occlusion, occlude
from ictal.models.checkpoint import Model, load_model


@dataclass(frozen=True)
class Explanation:
    """What in one window speaks for one pattern, by the methods that apply to the network.

    Attributes
    ----------
    pattern
        The one that is explained.
    probabilities
        What the network gives to each pattern, [6].
    window
        What was explained, [20, 10000], µV.
    occlusion, gradients, gradcam
        None where a method was not asked for or does not apply.
    arm
        What the model's card calls it; empty for a network without a card.
    missing
        Which samples of the window the recording lacks, [20, 10000]; None where it lacks none.
    lost
        Derivations that the recording cannot form.
    """

    pattern: str
    probabilities: Floats
    window: Signal = field(repr=False)
    occlusion: Occlusion | None = None
    gradients: Gradients | None = None
    gradcam: Gradcam | None = None
    arm: str = ""
    missing: npt.NDArray[np.bool_] | None = field(default=None, repr=False)
    lost: tuple[Derivation, ...] = ()

    @property
    def recorded(self) -> Signal:
        """The window, but NaN where the recording lacks samples."""
        return self.window if self.missing is None else np.where(self.missing, np.float32(np.nan), self.window)

    @property
    def probability(self) -> float:
        """That of the pattern."""
        return float(self.probabilities[PATTERNS.index(self.pattern)])

    def to_json(self) -> dict[str, Any]:
        """Return everything but the window and the single samples' attributions."""
        parts = {name: getattr(self, name) for name in METHOD_NAMES}
        return {
            "arm": self.arm,
            "pattern": self.pattern,
            "probabilities": dict(zip(PATTERNS, rounded(self.probabilities), strict=True)),
            **{name: part.to_json() for name, part in parts.items() if part is not None},
        }


def explain(
    model: str | Path | Model | nn.Module,
    window: Signal,
    pattern: str | None = None,
    methods: Sequence[MethodName] | None = None,
) -> Explanation:
    """Say what in a window speaks for a pattern.

    Parameters
    ----------
    model
        The folder of a saved model, a loaded one, or a network.
    window
        Standardised, [20, 10000], µV.
    pattern
        Its name; None for the most probable one.
    methods
        Of `METHOD_NAMES`; None for all that apply to the network.

    Raises
    ------
    UnknownNameError
        If there is no such pattern or method.
    ModelError
        If the network looks at more than the window, or Grad-CAM is asked of one for which it is not defined.
    ValueError
        If the window has another shape, or samples that are no numbers.
    """
    if unknown := [name for name in methods or () if name not in METHOD_NAMES]:
        raise UnknownNameError("method", unknown[0], METHOD_NAMES)
    loaded = load_model(model) if isinstance(model, str | Path) else model
    network, arm = (loaded.network, loaded.card.arm) if isinstance(loaded, Model) else (loaded, "")
    if methods is None:
        methods = METHOD_NAMES if len(image_networks_of(network)) == 1 else ("occlusion", "gradients")
    probabilities = np.exp(log_probabilities(network, iter([checked_window(window)]), 1)[0])
    pattern = pattern or PATTERNS[int(probabilities.argmax())]
    parts: dict[str, Any] = {name: _EXPLAIN[name](network, window, pattern) for name in methods}
    return Explanation(pattern, probabilities, window, arm=arm, **parts)


_EXPLAIN: dict[MethodName, Callable[[nn.Module, Signal, str], Any]] = {
    "occlusion": occlude,
    "gradients": integrate_gradients,
    "gradcam": gradcam,
}
Method = Callable[[nn.Module, Signal, str], Floats]
"""Gives a map, of any shape, of a network, a window and a pattern."""
METHODS: dict[MethodName, Method] = {
    "occlusion": lambda network, window, pattern: np.asarray(occlude(network, window, pattern, stretch_s=5).grid),
    "gradients": lambda network, window, pattern: integrate_gradients(network, window, pattern).grid,
    "gradcam": lambda network, window, pattern: gradcam(network, window, pattern).cells,
}
"""The map of each method that `sanity` compares."""
