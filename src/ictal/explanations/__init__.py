"""Explain a prediction: which parts of a window support a pattern, by three methods.

The methods are occlusion, integrated gradients and Grad-CAM. All explain log p, the natural logarithm of the
probability of one pattern, in nats; a change of log p concerns that pattern against the five others. They work with
any network that maps windows [batch, 20, 10000] in µV to logits [batch, 6]; for Grad-CAM, it must contain an
EfficientNet on the spectrogram view. Models that ship with ictal bring graphs for it, and need no torch.
"""

from typing import TYPE_CHECKING, Any

from ictal.explanations.explained import METHOD_NAMES, MethodName
from ictal.explanations.explanation import Explanation, explain
from ictal.explanations.gradcam import Gradcam
from ictal.explanations.integrated_gradients import IntegratedGradients
from ictal.explanations.occlusion import Occlusion

if TYPE_CHECKING:
    from ictal.explanations.sanity import Sanity

__all__ = [
    "METHOD_NAMES",
    "Explanation",
    "Gradcam",
    "IntegratedGradients",
    "MethodName",
    "Occlusion",
    "Sanity",
    "explain",
]


def __getattr__(name: str) -> Any:
    """Import `Sanity` when it is first used, because torch takes seconds and explanations may not need it."""
    if name == "Sanity":
        from ictal.explanations.sanity import Sanity

        return Sanity
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
