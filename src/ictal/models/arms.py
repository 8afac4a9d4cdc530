"""The registry of arms: the named models of the ablation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor, nn

from ictal.errors import UnknownNameError
from ictal.labels import N_PATTERNS
from ictal.models.efficientnet import Efficientnet, EfficientnetSettings
from ictal.models.wavenet import Wavenet, WavenetSettings
from ictal.settings import Settings
from ictal.views.spectrogram import SpectrogramSettings
from ictal.views.waveform import WaveformSettings


class TemporalSettings(Settings):
    """View and network of the arm 'temporal'."""

    waveform: WaveformSettings = WaveformSettings()
    wavenet: WavenetSettings = WavenetSettings()


class SpatialSettings(Settings):
    """View and network of the arm 'spatial'."""

    spectrogram: SpectrogramSettings = SpectrogramSettings()
    efficientnet: EfficientnetSettings = EfficientnetSettings()


class ModelSettings(Settings):
    """Views and networks of all arms.

    Attributes
    ----------
    temporal, spatial
        See the classes.
    lapse
        Share of each prediction that is spread evenly over the patterns, in training and after, as experts' votes
        also stray: no pattern is then impossible, and no window costs more than log(6 / lapse). 0: none.
    """

    temporal: TemporalSettings = TemporalSettings()
    spatial: SpatialSettings = SpatialSettings()
    lapse: float = Field(0.0, ge=0, lt=1)


Build = Callable[[ModelSettings, bool], nn.Module]
"""Make an untrained network; the flag says whether its first weights matter (or will be loaded over)."""


@dataclass(frozen=True)
class Arm:
    """A named model.

    Attributes
    ----------
    name, summary
        What tables call it, and what it is in one line.
    make
        Makes the network of an arm that is trained.
    parts
        The arms whose probabilities are averaged, for an arm that is not trained itself.
    """

    name: str
    summary: str
    make: Build | None = None
    parts: tuple[str, ...] = ()

    @property
    def trained(self) -> tuple[str, ...]:
        """The arms that must be trained for this one."""
        return self.parts or (self.name,)


def _temporal(settings: ModelSettings, initial: bool) -> nn.Module:
    return Wavenet(settings.temporal.waveform, settings.temporal.wavenet)


def _spatial(settings: ModelSettings, initial: bool) -> nn.Module:
    return Efficientnet(settings.spatial.spectrogram, settings.spatial.efficientnet, initial=initial)


ARMS = {
    arm.name: arm
    for arm in (
        Arm("temporal", "WaveNet on the waveforms of derivations", _temporal),
        Arm("spatial", "EfficientNet on mel spectrograms of the four chains", _spatial),
        Arm("both", "the mean of the probabilities of temporal and spatial", parts=("temporal", "spatial")),
    )
}
"""All arms by name."""


class WithLapse(nn.Module):
    """A network whose probabilities are mixed with a little of the uniform distribution."""

    def __init__(self, network: nn.Module, lapse: float) -> None:
        super().__init__()
        self.network, self.lapse = network, lapse

    def forward(self, windows: Tensor) -> Tensor:
        """Return logits [batch, 6] whose softmax is the mixture."""
        probabilities = self.network(windows).float().softmax(dim=1)
        mixed: Tensor = (1 - self.lapse) * probabilities + self.lapse / N_PATTERNS
        return mixed.log()


class MeanOfArms(nn.Module):
    """Several networks on the same windows; the logits are the logarithm of their mean probability."""

    def __init__(self, networks: dict[str, nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleDict(networks)

    def forward(self, windows: Tensor) -> Tensor:
        """Return logits [batch, 6] whose softmax is the mean of the parts' softmax."""
        logs = torch.stack([network(windows).float().log_softmax(dim=1) for network in self.networks.values()])
        return torch.logsumexp(logs, dim=0)


def find_arm(name: str) -> Arm:
    """Return an arm by its name.

    Raises
    ------
    UnknownNameError
        Listing the known ones.
    """
    if name not in ARMS:
        raise UnknownNameError("arm", name, ARMS)
    return ARMS[name]


def trained_arms(names: Sequence[str]) -> list[str]:
    """Return the arms to be trained so that all named ones can be had, each once."""
    return list(dict.fromkeys(part for name in names for part in find_arm(name).trained))


def build(name: str, settings: ModelSettings, *, initial: bool = True) -> nn.Module:
    """Make the network of an arm.

    Parameters
    ----------
    name
        Of the arm.
    settings
        Views and networks.
    initial
        False where weights will be loaded over the first ones, so that none are fetched.

    Returns
    -------
    nn.Module
        Windows [batch, 20, 10000] in µV to logits [batch, 6].
    """
    arm = find_arm(name)
    if arm.make is None:
        return MeanOfArms({part: build(part, settings, initial=initial) for part in arm.parts})
    network = arm.make(settings, initial)
    return WithLapse(network, settings.lapse) if settings.lapse else network
