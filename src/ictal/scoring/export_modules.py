"""The modules that are exported as ONNX, one graph each. Their inputs are named like the arguments of `forward`."""

from torch import Tensor, nn

from ictal.models.arm_network import ArmNetwork, MeanOfArms
from ictal.models.efficientnet import Efficientnet
from ictal.models.wavenet import Wavenet
from ictal.views.spectrogram import Spectrogram


class WindowModel(nn.Module):
    """Windows [batch, 20, 10000] to probabilities [batch, 6] and perhaps concentrations [batch]."""

    def __init__(self, network: ArmNetwork | MeanOfArms) -> None:
        super().__init__()
        self.network = network

    def forward(self, windows: Tensor, contexts: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return probabilities, and concentrations if the network predicts them."""
        return _outputs(*self.network.panel(windows, contexts))


class ContextModel(WindowModel):
    """Contexts [batch, 4, 100, 300] to what `WindowModel` returns."""

    def forward(self, contexts: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        """Return probabilities, and concentrations if the network predicts them."""
        return super().forward(contexts, contexts)


class WavenetFrames(nn.Module):
    """Windows, or a longer signal, [batch, 20, time] to what overlapping windows share of a WaveNet.

    If the network drops edges, that is the features of each frame, [batch, filters, chain, frame]. If not, it is the
    traces [batch, 1, derivation, frame], the features of each stage, and in place of the last ones their means over
    each chain. All have as many frames: in each layer, zeros take the place of what is before and after the signal.
    """

    def __init__(self, network: Wavenet) -> None:
        super().__init__()
        self.network, self.stages = network, nn.ModuleList([] if network.drops else network.stages)

    def forward(self, windows: Tensor) -> tuple[Tensor, ...]:
        """Return what is shared."""
        if self.network.drops:
            return (self.network.over_time(windows),)
        found: list[Tensor] = [self.network.view(windows).unsqueeze(1)]
        for stage in self.stages:
            found.append(stage(found[-1]))
        return (*found[:-1], self.network.chains(found[-1]))


class WavenetHead(nn.Module):
    """Means over the frames of windows, [batch, filters, chain], to what `WindowModel` returns."""

    def __init__(self, network: ArmNetwork, wavenet: Wavenet) -> None:
        super().__init__()
        self.head, self.arm = wavenet.head, network

    def forward(self, means: Tensor) -> tuple[Tensor, ...]:
        """Return probabilities, and perhaps concentrations."""
        return _outputs(*self.arm.of_outputs(self.head(means.transpose(1, 2).flatten(1))))


class ImageColumns(nn.Module):
    """A signal [batch, 20, time] to the columns of its images, [batch, 4, n_mels, column]."""

    def __init__(self, view: Spectrogram) -> None:
        super().__init__()
        self.view = view

    def forward(self, electrodes: Tensor) -> Tensor:
        """Return the columns."""
        return self.view.columns(electrodes)


class ImageModel(nn.Module):
    """Images [batch, 4, n_mels, width] to what `WindowModel` returns."""

    def __init__(self, network: ArmNetwork, efficientnet: Efficientnet) -> None:
        super().__init__()
        self.efficientnet, self.arm = efficientnet, network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return probabilities, and perhaps concentrations."""
        return _outputs(*self.arm.of_outputs(self.efficientnet.of_images(images)))


def _outputs(logits: Tensor, concentrations: Tensor | None) -> tuple[Tensor, ...]:
    probabilities = logits.softmax(dim=1)
    return (probabilities,) if concentrations is None else (probabilities, concentrations)
