"""Explain one prediction by several methods at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ictal.core.labels import PATTERNS
from ictal.core.montage import Derivation
from ictal.core.recording import Signal
from ictal.explanations.explained import (
    METHOD_NAMES,
    Explained,
    Floats,
    MethodName,
    as_explained,
    checked_methods,
    checked_window,
    open_explained,
    rounded,
)
from ictal.explanations.gradcam import Gradcam, gradcam
from ictal.explanations.integrated_gradients import IntegratedGradients, integrate_gradients
from ictal.explanations.occlusion import Occlusion, occlude
from ictal.models.hub import find_model

if TYPE_CHECKING:
    from torch import nn

    from ictal.models.checkpoint import Model


@dataclass(frozen=True)
class Explanation:
    """Which parts of one window support one pattern, by one or more methods.

    Attributes
    ----------
    pattern
        The pattern that is explained.
    probabilities
        Probability of each pattern, [6].
    window
        The window that is explained, [20, 10000], µV.
    occlusion, gradients, gradcam
        Result of each method; None if it was not requested or does not apply.
    arm
        Name of the arm, from the model's card; empty for a network without a card.
    missing
        Which samples of the window the recording lacks, [20, 10000]; None if it lacks none.
    lost
        Derivations that cannot be formed from the recording.
    """

    pattern: str
    probabilities: Floats
    window: Signal = field(repr=False)
    occlusion: Occlusion | None = None
    gradients: IntegratedGradients | None = None
    gradcam: Gradcam | None = None
    arm: str = ""
    missing: npt.NDArray[np.bool_] | None = field(default=None, repr=False)
    lost: tuple[Derivation, ...] = ()

    @property
    def recorded(self) -> Signal:
        """The window, with NaN where the recording lacks samples."""
        return self.window if self.missing is None else np.where(self.missing, np.float32(np.nan), self.window)

    @property
    def probability(self) -> float:
        """Probability of the pattern."""
        return float(self.probabilities[PATTERNS.index(self.pattern)])

    def to_json(self) -> dict[str, Any]:
        """Return everything except the window and the attributions of single samples."""
        parts = {name: getattr(self, name) for name in METHOD_NAMES}
        return {
            "arm": self.arm,
            "pattern": self.pattern,
            "probabilities": dict(zip(PATTERNS, rounded(self.probabilities), strict=True)),
            **{name: part.to_json() for name, part in parts.items() if part is not None},
        }


def explain(
    model: "str | Path | Explained | Model | nn.Module",
    window: Signal,
    pattern: str | None = None,
    methods: Sequence[MethodName] | None = None,
) -> Explanation:
    """Explain which parts of a window support a pattern.

    Parameters
    ----------
    model
        Folder or name of a saved model, a loaded model, or a network.
    window
        Standardised window, [20, 10000], µV.
    pattern
        Name of the pattern; None for the most probable one.
    methods
        Some of `METHOD_NAMES`; None for all that apply to the network.

    Raises
    ------
    UnknownNameError
        If there is no such pattern or method.
    ModelError
        If the network reads more than the window, or a requested method does not apply to it: Grad-CAM needs images,
        and gradients a network of ictal.
    ValueError
        If the window has another shape, or samples that are not finite.
    """
    checked_methods(methods)
    explained = _explained(model)
    probabilities = np.exp(explained.log_probabilities(checked_window(window)[None])[0])
    pattern = pattern or PATTERNS[int(probabilities.argmax())]
    parts: dict[str, Any] = {
        name: _EXPLAIN[name](explained, window, pattern)
        for name in (explained.methods if methods is None else methods)
    }
    return Explanation(pattern, probabilities, window, arm=explained.title, **parts)


def _explained(model: "str | Path | Explained | Model | nn.Module") -> Explained:
    if isinstance(model, str | Path):
        return open_explained(find_model(model))
    if isinstance(model, Explained):
        return model
    from ictal.explanations.torch_model import TorchModel  # torch takes seconds
    from ictal.models.checkpoint import Model

    return TorchModel(model.network, model.title) if isinstance(model, Model) else as_explained(model)


_EXPLAIN: dict[MethodName, Callable[[Explained, Signal, str], Any]] = {
    "occlusion": occlude,
    "gradients": integrate_gradients,
    "gradcam": gradcam,
}
