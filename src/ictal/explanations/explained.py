"""What the methods ask of a model, and checks of their input. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args, runtime_checkable

import numpy as np
import numpy.typing as npt

from ictal.core.labels import PATTERNS
from ictal.core.montage import ELECTRODES, N_CHANNELS
from ictal.core.recording import Signal
from ictal.core.windows import RATE_HZ, WINDOW_SAMPLES
from ictal.errors import UnknownNameError, require

if TYPE_CHECKING:
    from torch import nn

Floats = npt.NDArray[np.float64]
MethodName = Literal["occlusion", "gradients", "gradcam"]
METHOD_NAMES: tuple[MethodName, ...] = get_args(MethodName)
N_ELECTRODES = len(ELECTRODES)
AT_ONCE = 16
"""Windows for which a model is asked at once: between two such questions, an explanation can be stopped."""


@dataclass(frozen=True)
class FeatureMap:
    """The last feature map of an EfficientNet for one window, and the image that it was computed from.

    Attributes
    ----------
    values, slopes
        The map, and the gradient of log p with respect to it, [channel, row, column].
    decibels
        The spectrogram of each chain, [chain, mel band, frame], dB.
    hertz, seconds
        Centres of the bands and of the frames.
    """

    values: Floats
    slopes: Floats
    decibels: Floats
    hertz: Floats
    seconds: Floats


@runtime_checkable
class Explained(Protocol):
    """A model as the methods see it: `TorchModel`, or `ExportedModel`, which needs no torch."""

    @property
    def title(self) -> str:
        """Name of the arm; empty for a network without a card."""

    @property
    def methods(self) -> tuple[MethodName, ...]:
        """The methods that apply."""

    @property
    def seen(self) -> slice:
        """The samples of a window that the model uses; all others change nothing."""

    def log_probabilities(self, windows: Signal) -> Floats:
        """Return log p of every pattern, [window, 6], for windows [window, 20, 10000]."""

    def slopes(self, windows: Signal, column: int) -> tuple[Floats, Signal]:
        """Return log p of one pattern, [window], and its gradient, [window, 20, time], at the samples `seen`."""

    def feature_map(self, window: Signal, column: int) -> FeatureMap:
        """Return the last feature map for Grad-CAM."""

    def features(self, windows: Signal) -> Signal:
        """Return the inputs of the last layer, [window, feature]."""


def as_explained(model: "Explained | nn.Module") -> Explained:
    """Return a model as the methods see it, from a network of torch."""
    if isinstance(model, Explained):
        return model
    from ictal.explanations.torch_model import TorchModel  # torch takes seconds

    return TorchModel(model)


def open_explained(folder: Path, accelerator: str = "cpu") -> Explained:
    """Return the saved model in a folder: its exported graphs if it brings them, or else its network.

    Parameters
    ----------
    folder
        Folder of the model.
    accelerator
        Where to run the network, see `ictal.models.checkpoint.device`; the graphs run on the CPU.

    Raises
    ------
    MissingExtraError
        If torch is needed and not installed.
    ModelError
        If the folder is not a model, or its files do not belong together.
    """
    from ictal.explanations.exported_model import open_exported  # which reads what this module defines

    if exported := open_exported(folder):
        return exported
    require("train", "explaining what a model sees")
    from ictal.explanations.torch_model import TorchModel

    return TorchModel.open(folder, accelerator)


def middle(seen_s: float) -> slice:
    """Return the samples of the middle `seen_s` seconds of a window."""
    n_samples = round(seen_s * RATE_HZ)
    begin = (WINDOW_SAMPLES - n_samples) // 2
    return slice(begin, begin + n_samples)


def checked_window(window: Signal) -> Signal:
    """Return a window as float32, or raise a `ValueError` for a wrong shape or samples that are not finite."""
    if window.shape != (N_CHANNELS, WINDOW_SAMPLES) or not np.isfinite(window).all():
        raise ValueError(
            f"a window must be [{N_CHANNELS}, {WINDOW_SAMPLES}] finite numbers; this one has the shape "
            f"{list(window.shape)} or samples that are not finite"
        )
    return np.asarray(window, dtype=np.float32)


def checked_methods(methods: Sequence[str] | None) -> None:
    """Raise an `UnknownNameError` if one of the names is not that of a method."""
    if unknown := [name for name in methods or () if name not in METHOD_NAMES]:
        raise UnknownNameError("method", unknown[0], METHOD_NAMES)


def pattern_index(pattern: str) -> int:
    """Return the index of a pattern, or raise an `UnknownNameError`."""
    if pattern not in PATTERNS:
        raise UnknownNameError("pattern", pattern, PATTERNS)
    return PATTERNS.index(pattern)


def rounded(values: Floats) -> Any:
    """Return an array as nested lists, rounded to six decimals."""
    return np.round(values, 6).tolist()
