"""The registry of arms: the named models of the ablation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from ictal.core.labels import N_PATTERNS
from ictal.core.settings import Settings
from ictal.errors import UnknownNameError
from ictal.models.context import ContextNetwork
from ictal.models.efficientnet import Efficientnet, EfficientnetSettings
from ictal.models.features import FeatureNetwork
from ictal.models.fusion import Fusion, FusionSettings
from ictal.models.symmetric import WAVEFORM, Symmetric, SymmetricSettings
from ictal.models.volume import VolumeNetwork, VolumeNetworkSettings
from ictal.models.wavenet import Wavenet, WavenetSettings
from ictal.views.context import ContextSettings
from ictal.views.features import FeaturesSettings
from ictal.views.spectrogram import SpectrogramSettings
from ictal.views.volume import VolumeSettings
from ictal.views.waveform import WaveformSettings


class TemporalSettings(Settings):
    """View and network of the arm 'temporal'."""

    waveform: WaveformSettings = WaveformSettings()
    wavenet: WavenetSettings = WavenetSettings()


class SpatialSettings(Settings):
    """View and network of the arm 'spatial'."""

    spectrogram: SpectrogramSettings = SpectrogramSettings()
    efficientnet: EfficientnetSettings = EfficientnetSettings()


class VolumeArmSettings(Settings):
    """View and network of the arm 'volume'."""

    volume: VolumeSettings = VolumeSettings()
    network: VolumeNetworkSettings = VolumeNetworkSettings()


class SymmetricArmSettings(Settings):
    """View and network of the arm 'symmetric'."""

    waveform: WaveformSettings = WAVEFORM
    symmetric: SymmetricSettings = SymmetricSettings()


class FeaturesArmSettings(Settings):
    """View of the arm 'features'; its regression has nothing to choose but how it is fitted."""

    features: FeaturesSettings = FeaturesSettings()


class ContextArmSettings(Settings):
    """View and network of the arm 'context'."""

    context: ContextSettings = ContextSettings()
    efficientnet: EfficientnetSettings = EfficientnetSettings()


class CalibrationSettings(Settings):
    """What was fitted after training: probabilities become softmax(log p / temperature + bias).

    Attributes
    ----------
    temperature
        Above 1: the probabilities were too sure (Guo et al. 2017).
    bias
        One per pattern.
    """

    temperature: float = Field(1.0, gt=0)
    bias: tuple[float, ...] = Field((0.0,) * N_PATTERNS, min_length=N_PATTERNS, max_length=N_PATTERNS)


class ModelSettings(Settings):
    """Views and networks of all arms.

    Attributes
    ----------
    temporal, spatial, features, volume, symmetric, context, fusion
        See the classes.
    votes
        What is predicted of a panel's votes: 'distribution', or 'dirichlet': also how far a panel strays from it. The
        votes of a panel of n are then Dirichlet-multinomial (Mosimann 1962), with a concentration per window.
    lapse
        Share of each prediction that is spread evenly over the patterns, in training and after, as experts' votes
        also stray: no pattern is then impossible, and no window costs more than log(6 / lapse). 0: none.
    calibration
        Of the probabilities with their lapse; that of each network of an arm that is trained by itself.
    """

    temporal: TemporalSettings = TemporalSettings()
    spatial: SpatialSettings = SpatialSettings()
    features: FeaturesArmSettings = FeaturesArmSettings()
    volume: VolumeArmSettings = VolumeArmSettings()
    symmetric: SymmetricArmSettings = SymmetricArmSettings()
    context: ContextArmSettings = ContextArmSettings()
    fusion: FusionSettings = FusionSettings()
    votes: Literal["distribution", "dirichlet"] = "distribution"
    lapse: float = Field(0.0, ge=0, lt=1)
    calibration: CalibrationSettings = CalibrationSettings()

    @property
    def n_outputs(self) -> int:
        """Of a network: a logit per pattern, and perhaps the logarithm of the concentration."""
        return N_PATTERNS + (self.votes == "dirichlet")


LOG_CONCENTRATION = (-4.0, 9.0)
"""Least and largest logarithm of a concentration; beyond, the votes of any panel are all but multinomial."""

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
    branches
        The arms that are trained before, and whose networks are the branches that this one begins with.
    sees_context
        Whether its network looks at the ten minutes around a window and not at the window.
    weighted
        Whether the weights of its average are fitted to predictions out of fold, which only an ablation has.
    fitted
        Whether it is a regression, fitted at once, and not a network that is trained step by step.
    """

    name: str
    summary: str
    make: Build | None = None
    parts: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    sees_context: bool = False
    weighted: bool = False
    fitted: bool = False

    @property
    def trained(self) -> tuple[str, ...]:
        """The arms that must be trained for this one, in their order."""
        return self.parts or (*self.branches, self.name)


def _temporal(settings: ModelSettings, initial: bool) -> nn.Module:
    return Wavenet(settings.temporal.waveform, settings.temporal.wavenet, n_outputs=settings.n_outputs)


def _spatial(settings: ModelSettings, initial: bool) -> nn.Module:
    own = settings.spatial
    return Efficientnet(own.spectrogram, own.efficientnet, initial=initial, n_outputs=settings.n_outputs)


def _fusion(settings: ModelSettings, initial: bool) -> nn.Module:
    branches = {"temporal": _temporal(settings, initial), "spatial": _spatial(settings, initial)}
    return Fusion(branches, settings.fusion, n_outputs=settings.n_outputs)


def _fusion_of_trained(settings: ModelSettings, initial: bool) -> nn.Module:
    return _fusion(settings, False)  # trained branches come, so none are fetched


def _volume(settings: ModelSettings, initial: bool) -> nn.Module:
    return VolumeNetwork(settings.volume.volume, settings.volume.network, n_outputs=settings.n_outputs)


def _symmetric(settings: ModelSettings, initial: bool) -> nn.Module:
    return Symmetric(settings.symmetric.waveform, settings.symmetric.symmetric, n_outputs=settings.n_outputs)


def _features(settings: ModelSettings, initial: bool) -> nn.Module:
    return FeatureNetwork(settings.features.features, n_outputs=settings.n_outputs)


def _context(settings: ModelSettings, initial: bool) -> nn.Module:
    own = settings.context
    return ContextNetwork(own.context, own.efficientnet, initial=initial, n_outputs=settings.n_outputs)


ARMS = {
    arm.name: arm
    for arm in (
        Arm("temporal", "WaveNet on the waveforms of derivations", _temporal),
        Arm("spatial", "EfficientNet on mel spectrograms of the four chains", _spatial),
        Arm("both", "the mean of the probabilities of temporal and spatial", parts=("temporal", "spatial")),
        Arm("features", "a logistic regression on 101 hand-made features of the waveforms", _features, fitted=True),
        Arm("fusion", "both networks with one head, trained together from the start", _fusion),
        Arm(
            "fusion-finetuned",
            "the trained networks of temporal and spatial under one new head, fine-tuned together",
            _fusion_of_trained,
            branches=("temporal", "spatial"),
        ),
        Arm("volume", "a 3D network over time x electrode x frequency", _volume),
        Arm("symmetric", "a small network for which left and right are alike", _symmetric),
        Arm("context", "EfficientNet on the regional spectrogram of ten minutes", _context, sees_context=True),
        Arm("KE", "the mean of the probabilities of context and spatial", parts=("context", "spatial")),
        Arm("KR", "the mean of the probabilities of context and temporal", parts=("context", "temporal")),
        Arm("KER", "the mean of context, spatial and temporal", parts=("context", "spatial", "temporal")),
        Arm("SE", "the mean of the probabilities of symmetric and spatial", parts=("symmetric", "spatial")),
    )
}
"""All arms by name."""


ALIASES = {"K": "context", "E": "spatial", "R": "temporal", "ER": "both", "S": "symmetric"}
"""Names of the HMS competition's notebooks (K the 10-minute spectrogram, E the mel image, R the raw EEG), and S."""

WEIGHTED = "-weighted"
"""What follows the name of an average whose weights are fitted."""

VARIANT = "+"
"""Stands between the name of an arm and what is changed in its training."""

Count = Annotated[int, Field(ge=1, le=100)]
Seeds = Count | dict[str, Count]
"""How many networks of each arm are averaged: the same number of all, or by arm, where those not named have one.

There is a bound, since a model folder may come from anybody, and its networks are made before their weights are read.
"""


class ArmNetwork(nn.Module):
    """The network of one arm, and what its outputs mean.

    Parameters
    ----------
    network
        Windows, or their contexts, to [batch, n_outputs].
    settings
        The lapse, the calibration, and whether there is a concentration.
    sees_context
        Which of the two.
    """

    def __init__(self, network: nn.Module, settings: ModelSettings, *, sees_context: bool = False) -> None:
        super().__init__()
        self.sees_context = sees_context
        self.network, self.lapse, self.calibration = network, settings.lapse, settings.calibration
        self.has_concentration = settings.votes == "dirichlet"

    def panel(self, windows: Tensor, contexts: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return logits [batch, 6], and the concentration [batch] of a panel's votes where there is one."""
        return self.of_outputs(self.network(contexts if self.sees_context else windows))

    def of_outputs(self, outputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return what `panel` does, of what the network gave."""
        outputs = outputs.float()
        logits = outputs[:, :N_PATTERNS]
        if self.lapse:
            mixed = (1 - self.lapse) * logits.softmax(dim=1) + self.lapse / N_PATTERNS
            logits = mixed.log()
        if self.calibration != CalibrationSettings():
            logits = logits / self.calibration.temperature + logits.new_tensor(self.calibration.bias)
        if not self.has_concentration:
            return logits, None
        return logits, outputs[:, N_PATTERNS].clamp(*LOG_CONCENTRATION).exp()

    def forward(self, windows: Tensor, contexts: Tensor | None = None) -> Tensor:
        """Return logits [batch, 6], whose softmax holds lapse and calibration."""
        return self.panel(windows, contexts)[0]


class MeanOfArms(nn.Module):
    """Several networks, of several arms or seeds, on the same windows; the logits are the logarithm of their mean."""

    def __init__(self, networks: Mapping[str, ArmNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleDict(networks)
        self.sees_context = any(network.sees_context for network in networks.values())

    def panel(self, windows: Tensor, contexts: Tensor | None = None) -> tuple[Tensor, None]:
        """Return logits [batch, 6]; a mean of distributions has no concentration."""
        logs = [network(windows, contexts).float().log_softmax(dim=1) for network in self.networks.values()]
        return torch.logsumexp(torch.stack(logs), dim=0), None

    def forward(self, windows: Tensor, contexts: Tensor | None = None) -> Tensor:
        """Return logits [batch, 6] whose softmax is the mean of the parts' softmax."""
        return self.panel(windows, contexts)[0]


def find_arm(name: str) -> Arm:
    """Return an arm by its name or an alias.

    An average may be followed by `WEIGHTED`; an arm that is trained, by a change of its training ('temporal+mirror').

    Raises
    ------
    UnknownNameError
        Listing the known ones.
    """
    if name.endswith(WEIGHTED):
        return _weighted(name)
    base, *changes = name.split(VARIANT)
    base = ALIASES.get(base, base)
    fixed = base in ARMS and (ARMS[base].parts or ARMS[base].branches or ARMS[base].fitted)
    if base not in ARMS or (changes and fixed):
        raise UnknownNameError("arm", name, ARMS)
    if not changes:
        return ARMS[base]
    title = VARIANT.join((base, *changes))
    return replace(ARMS[base], name=title, summary=f"{base}, trained with {', '.join(changes)}")


def _weighted(name: str) -> Arm:
    average = find_arm(name.removesuffix(WEIGHTED))
    if not average.parts:
        raise UnknownNameError("arm", name, weighted_averages())
    summary = f"{average.name}, with weights that were fitted on the other folds"
    return replace(average, name=average.name + WEIGHTED, summary=summary, weighted=True)


def weighted_averages() -> list[str]:
    """Return the names of all averages with fitted weights."""
    return [name + WEIGHTED for name, arm in ARMS.items() if arm.parts]


def refuse_weighted(name: str) -> None:
    """Raise an `UnknownNameError` for an average with fitted weights, which is no network."""
    if find_arm(name).weighted:
        raise UnknownNameError("arm", name, ARMS)


def trained_arms(names: Sequence[str]) -> list[str]:
    """Return the arms to be trained so that all named ones can be had, each once."""
    needed = (of_part for name in names for part in find_arm(name).trained for of_part in find_arm(part).trained)
    return list(dict.fromkeys(needed))


def networks_of(arm: str, seeds: Seeds) -> list[str]:
    """Return the names of the networks of one trained arm within a model of so many seeds."""
    n = seeds if isinstance(seeds, int) else seeds.get(arm, 1)
    return [f"{arm}-seed{number}" for number in range(n)] if n > 1 else [arm]


def members(name: str, seeds: Seeds = 1) -> dict[str, str]:
    """Return the networks whose mean a model is, by their name: the arm of each."""
    arm = find_arm(name)
    return {network: part for part in arm.parts or (arm.name,) for network in networks_of(part, seeds)}


def build(name: str, settings: ModelSettings, *, seeds: Seeds = 1, initial: bool = True) -> ArmNetwork | MeanOfArms:
    """Make the network of an arm.

    Parameters
    ----------
    name
        Of the arm.
    settings
        Views and networks.
    seeds
        How many networks of each arm are averaged, each with the same weight.
    initial
        False where weights will be loaded over the first ones, so that none are fetched.

    Returns
    -------
    ArmNetwork or MeanOfArms
        Windows [batch, 20, 10000] in µV, and contexts [batch, 4, 100, 300] where it looks at them, to logits
        [batch, 6].
    """
    refuse_weighted(name)
    networks = {own: build_trained(arm, settings, initial=initial) for own, arm in members(name, seeds).items()}
    return averaged(networks)


def parts_of(network: ArmNetwork | MeanOfArms) -> list[ArmNetwork]:
    """Return the networks whose mean a network is, or itself."""
    return (
        [network] if isinstance(network, ArmNetwork) else [cast(ArmNetwork, one) for one in network.networks.values()]
    )


def averaged(networks: Mapping[str, ArmNetwork]) -> ArmNetwork | MeanOfArms:
    """Return the mean of networks, or the only one."""
    return MeanOfArms(networks) if len(networks) > 1 else next(iter(networks.values()))


def build_trained(name: str, settings: ModelSettings, *, initial: bool = True) -> ArmNetwork:
    """Make the network of an arm that is trained; the parameters are those of `build`."""
    arm = find_arm(name)
    assert arm.make is not None
    return ArmNetwork(arm.make(settings, initial), settings, sees_context=arm.sees_context)
