"""A network of torch as the methods see it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ictal.core.montage import CHAINS
from ictal.core.recording import Signal
from ictal.core.windows import RATE_HZ, WINDOW_S
from ictal.errors import ModelError, listed
from ictal.explanations.explained import METHOD_NAMES, FeatureMap, Floats, MethodName, middle
from ictal.models.arm_network import ArmNetwork, MeanOfArms, parts_of
from ictal.models.checkpoint import device, device_of, load_model
from ictal.models.estimator import EstimatorNetwork
from ictal.models.external_network import ExternalNetwork
from ictal.models.input_needs import seconds_seen
from ictal.views.spectrogram import Spectrogram, SpectrogramSettings, hz_to_mel, mel_to_hz

WINDOWS, GRADIENTS = 8, 2
"""Windows per pass without and with gradients: the largest networks need 0.13 GiB for each gradient."""


class TorchModel:
    """A network from windows [batch, 20, 10000] in µV to logits [batch, 6], as the methods see it.

    Parameters
    ----------
    network
        The network, which keeps its mode and its device.
    title
        Name of its arm.
    """

    def __init__(self, network: nn.Module, title: str = "") -> None:
        self.network, self.title = network, title
        known = isinstance(network, ArmNetwork | MeanOfArms) and not network.sees_context
        self.seen = middle(seconds_seen(network) if known else WINDOW_S)  # type: ignore[arg-type]

    @classmethod
    def open(cls, folder: Path, accelerator: str = "cpu") -> "TorchModel":
        """Load the model in a folder."""
        model = load_model(folder)
        return cls(model.network.to(device(accelerator)), model.title)

    @property
    def methods(self) -> tuple[MethodName, ...]:
        """The methods that apply: an estimator and a model from elsewhere have no gradients."""
        applies = {"gradients": has_gradients(self.network), "gradcam": len(image_networks_of(self.network)) == 1}
        return tuple(name for name in METHOD_NAMES if applies.get(name, True))

    def log_probabilities(self, windows: Signal) -> Floats:
        """Return log p of every pattern, [window, 6]."""
        with evaluating(self.network), torch.inference_mode():
            parts = [_log_softmax(self.network(part)) for part in self._batches(windows, WINDOWS)]
            return as_array(torch.cat(parts))

    def slopes(self, windows: Signal, column: int) -> tuple[Floats, Signal]:
        """Return log p of one pattern, [window], and its gradient at the samples `seen`, [window, 20, time].

        Raises
        ------
        ModelError
            If the network cannot be differentiated.
        """
        if not has_gradients(self.network):
            raise ModelError(
                "an estimator or a model from elsewhere has no known gradients; use the method 'occlusion'"
            )
        logs, found = [], []
        with evaluating(self.network), torch.enable_grad():
            for part in self._batches(windows, GRADIENTS):
                scores = _log_softmax(self.network(part.requires_grad_()))[:, column]
                (slope,) = torch.autograd.grad(scores.sum(), part)
                logs.append(as_array(scores))
                found.append(slope[..., self.seen].cpu().numpy())
        return np.concatenate(logs), np.concatenate(found)

    def feature_map(self, window: Signal, column: int) -> FeatureMap:
        """Return the last feature map of the only EfficientNet with a spectrogram view.

        Raises
        ------
        ModelError
            If there is not exactly one, or it runs more than once per window.
        """
        view, images = _image_network(self.network)
        whole = torch.from_numpy(window).to(device_of(self.network))[None]
        maps: list[Tensor] = []
        hook = images.bn2.register_forward_hook(lambda _module, _given, made: maps.append(made.requires_grad_()))
        try:
            with evaluating(self.network), torch.enable_grad():
                score = _log_softmax(self.network(whole))[:, column].sum()
        finally:
            hook.remove()
        if len(maps) != 1 or len(maps[0]) != 1:
            raise ModelError("Grad-CAM needs a network that has one feature map per window; this one has several")
        (slopes,) = torch.autograd.grad(score, maps[0])
        with torch.inference_mode():
            decibels = chain_decibels(view, whole)
        return FeatureMap(as_array(maps[0][0]), as_array(slopes[0]), as_array(decibels[0]), *axes_of(view.settings))

    def features(self, windows: Signal) -> Signal:
        """Return the inputs of the network's last layer, [window, feature].

        Raises
        ------
        ModelError
            If the network needs more than the windows, or its features are unknown.
        """
        network = self.network
        if isinstance(network, ExternalNetwork):
            raise ModelError(f"{self.title}: is an external model, whose features are unknown")
        if not isinstance(network, ArmNetwork | MeanOfArms) or network.sees_context:
            raise ModelError("this network uses the ten minutes around a window; their features are not stored")
        with torch.inference_mode():
            found = [
                torch.cat([_features(arm, part) for arm in parts_of(network)], dim=1)
                for part in self._batches(windows, WINDOWS)
            ]
        return torch.cat(found).float().cpu().numpy()

    def _batches(self, windows: Signal, size: int) -> Iterator[Tensor]:
        where = device_of(self.network)
        for begin in range(0, len(windows), size):
            yield torch.from_numpy(windows[begin : begin + size]).to(where)


def _features(arm: ArmNetwork, batch: Tensor) -> Tensor:
    features: Callable[[Tensor], Tensor] | None = getattr(arm.network, "features", None)
    if features is None:
        raise ModelError("this network has no method 'features', whose numbers would be compared")
    return features(batch)


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


def has_gradients(network: nn.Module) -> bool:
    """Return whether a network can be differentiated, which an estimator and a model from elsewhere cannot."""
    return not any(isinstance(part, EstimatorNetwork | ExternalNetwork) for part in network.modules())


def image_networks_of(network: nn.Module) -> dict[str, tuple[Spectrogram, Any]]:
    """Return every EfficientNet that shares a parent module with one spectrogram view, by the name of the parent."""
    parents = {
        name: module
        for name, module in network.named_modules()
        if sum(isinstance(child, Spectrogram) for child in module.children()) == 1
    }
    if not parents:
        return {}
    from timm.models.efficientnet import EfficientNet  # takes seconds

    found = {}
    for name, module in parents.items():
        view = next(child for child in module.children() if isinstance(child, Spectrogram))
        networks = [child for child in module.children() if isinstance(child, EfficientNet)]
        if len(networks) == 1:
            found[name or "the network itself"] = (view, networks[0])
    return found


def _image_network(network: nn.Module) -> tuple[Spectrogram, Any]:
    found = image_networks_of(network)
    if len(found) != 1:
        names = f"{len(found)}: {listed(found)}" if found else "none"
        raise ModelError(f"Grad-CAM needs a network with one EfficientNet on spectrograms; this one has {names}")
    return next(iter(found.values()))


def chain_decibels(view: Spectrogram, windows: Tensor) -> Tensor:
    """Return the spectrogram of each chain, [window, chain, mel band, frame], dB: the mean over its derivations."""
    decibels: Tensor = view.decibels(windows)
    batch, _, width, n_mels = decibels.shape
    return decibels.reshape(batch, len(CHAINS), -1, width, n_mels).mean(dim=2).transpose(2, 3)


def axes_of(settings: SpectrogramSettings) -> tuple[Floats, Floats]:
    """Return the centres of the bands, Hz, and of the frames, seconds of the window."""
    bands = mel_to_hz(np.linspace(0, hz_to_mel(settings.max_hz), settings.n_mels + 2))[1:-1]
    seconds = (WINDOW_S - settings.seen_s) / 2 + np.arange(settings.width) * settings.hop / RATE_HZ
    return bands, seconds


def _log_softmax(logits: Tensor) -> Tensor:
    """Return log-probabilities in float64, [batch, 6]."""
    return logits.double().log_softmax(dim=1)


def as_array(tensor: Tensor) -> Floats:
    """Return a tensor as an array of float64."""
    return tensor.detach().cpu().double().numpy()
