"""Explain a prediction: which parts of a window support a pattern, by three methods.

The methods are occlusion, integrated gradients and Grad-CAM. All explain log p, the natural logarithm of the
probability of one pattern, in nats; a change of log p concerns that pattern against the five others. They work with
any network that maps windows [batch, 20, 10000] in µV to logits [batch, 6]; for Grad-CAM, it must contain an
EfficientNet on the spectrogram view.
"""

from ictal.explanations.explanation import Explanation, explain
from ictal.explanations.gradcam import Gradcam
from ictal.explanations.integrated_gradients import IntegratedGradients
from ictal.explanations.log_probabilities import METHOD_NAMES, MethodName
from ictal.explanations.occlusion import Occlusion
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
