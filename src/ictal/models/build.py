"""Build the networks of arms."""

from collections.abc import Callable

from torch import nn

from ictal.models.arm_network import ArmNetwork, MeanOfArms, averaged
from ictal.models.arms import Seeds, find_arm, members, refuse_weighted
from ictal.models.calibration import NO_CALIBRATION, CalibrationSettings
from ictal.models.context import ContextNetwork
from ictal.models.efficientnet import Efficientnet
from ictal.models.features import FeatureNetwork
from ictal.models.fusion import Fusion
from ictal.models.model_settings import ModelSettings
from ictal.models.symmetric import Symmetric
from ictal.models.volume import VolumeNetwork
from ictal.models.wavenet import Wavenet


def build(
    name: str,
    settings: ModelSettings,
    *,
    seeds: Seeds = 1,
    calibration: CalibrationSettings = NO_CALIBRATION,
    initial: bool = True,
) -> ArmNetwork | MeanOfArms:
    """Build the untrained network of an arm.

    Parameters
    ----------
    name
        Name of the arm.
    settings
        Views and networks.
    seeds
        How many networks of each arm are averaged, each with the same weight.
    calibration
        Of the mean, or of the only network after its own.
    initial
        False if saved weights will replace the initial ones, so that no pretrained weights are downloaded.

    Returns
    -------
    ArmNetwork or MeanOfArms
        Windows [batch, 20, 10000] in µV, and contexts [batch, 4, 100, 300] where the arm needs them, to logits
        [batch, 6].
    """
    refuse_weighted(name)
    networks = {own: build_trained(arm, settings, initial=initial) for own, arm in members(name, seeds).items()}
    return averaged(networks, calibration)


def build_trained(name: str, settings: ModelSettings, *, initial: bool = True) -> ArmNetwork:
    """Build the network of an arm that is trained and not an average; for the parameters, see `build`."""
    arm = find_arm(name)
    assert arm.network is not None
    # Trained branches replace the initial ones.
    network = NETWORKS[arm.network](settings, initial and not arm.branches)
    return ArmNetwork(network, settings, sees_context=arm.sees_context)


def _wavenet(settings: ModelSettings, initial: bool) -> nn.Module:
    return Wavenet(settings.temporal.waveform, settings.temporal.wavenet, n_outputs=settings.n_outputs)


def _efficientnet(settings: ModelSettings, initial: bool) -> nn.Module:
    own = settings.spatial
    return Efficientnet(own.spectrogram, own.efficientnet, initial=initial, n_outputs=settings.n_outputs)


def _features(settings: ModelSettings, initial: bool) -> nn.Module:
    return FeatureNetwork(settings.features.features, n_outputs=settings.n_outputs)


def _fusion(settings: ModelSettings, initial: bool) -> nn.Module:
    branches = {"temporal": _wavenet(settings, initial), "spatial": _efficientnet(settings, initial)}
    return Fusion(branches, settings.fusion, n_outputs=settings.n_outputs)


def _volume(settings: ModelSettings, initial: bool) -> nn.Module:
    return VolumeNetwork(settings.volume.volume, settings.volume.network, n_outputs=settings.n_outputs)


def _symmetric(settings: ModelSettings, initial: bool) -> nn.Module:
    return Symmetric(settings.symmetric.waveform, settings.symmetric.symmetric, n_outputs=settings.n_outputs)


def _context(settings: ModelSettings, initial: bool) -> nn.Module:
    own = settings.context
    return ContextNetwork(own.context, own.efficientnet, initial=initial, n_outputs=settings.n_outputs)


NETWORKS: dict[str, Callable[[ModelSettings, bool], nn.Module]] = {
    "wavenet": _wavenet,
    "efficientnet": _efficientnet,
    "features": _features,
    "fusion": _fusion,
    "volume": _volume,
    "symmetric": _symmetric,
    "context": _context,
}
"""The builder of each kind of network, by `Arm.network`; that of an own arm is added with the arm."""
