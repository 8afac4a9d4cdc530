"""The network of an arm: calibrated logits from the outputs of one network, or the mean of several."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from ictal.core.labels import N_PATTERNS
from ictal.models.calibration import NO_CALIBRATION, CalibrationSettings
from ictal.models.model_settings import ModelSettings

LOG_CONCENTRATION = (-4.0, 9.0)
"""Smallest and largest logarithm of a concentration; above, votes are practically multinomial for any panel size."""


class ArmNetwork(nn.Module):
    """The network of one arm, with the lapse and the calibration applied to its outputs.

    Parameters
    ----------
    network
        Windows, or contexts, to [batch, n_outputs].
    settings
        For the lapse, the calibration, and whether a concentration is predicted.
    sees_context
        Whether the network reads contexts instead of windows.
    """

    def __init__(self, network: nn.Module, settings: ModelSettings, *, sees_context: bool = False) -> None:
        super().__init__()
        self.sees_context = sees_context
        self.network, self.lapse, self.calibration = network, settings.lapse, settings.calibration
        self.has_concentration = settings.votes == "dirichlet"

    def panel(self, windows: Tensor, contexts: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return logits [batch, 6], and the concentration [batch] of a panel's votes if it is predicted."""
        return self.of_outputs(self.network(contexts if self.sees_context else windows))

    def of_outputs(self, outputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the same as `panel`, from outputs of the network."""
        outputs = outputs.float()
        logits = outputs[:, :N_PATTERNS]
        if self.lapse:
            mixed = (1 - self.lapse) * logits.softmax(dim=1) + self.lapse / N_PATTERNS
            logits = mixed.log()
        logits = _calibrated(logits, self.calibration)
        if not self.has_concentration:
            return logits, None
        return logits, outputs[:, N_PATTERNS].clamp(*LOG_CONCENTRATION).exp()

    def forward(self, windows: Tensor, contexts: Tensor | None = None) -> Tensor:
        """Return logits [batch, 6] whose softmax includes lapse and calibration."""
        return self.panel(windows, contexts)[0]


class MeanOfArms(nn.Module):
    """The mean of several networks (arms or seeds) on the same windows: logits are the logarithm of the mean.

    Parameters
    ----------
    networks
        The networks, by name.
    calibration
        Of their mean.
    """

    def __init__(self, networks: Mapping[str, ArmNetwork], calibration: CalibrationSettings = NO_CALIBRATION) -> None:
        super().__init__()
        self.networks = nn.ModuleDict(networks)
        self.calibration = calibration
        self.sees_context = any(network.sees_context for network in networks.values())

    def panel(self, windows: Tensor, contexts: Tensor | None = None) -> tuple[Tensor, None]:
        """Return logits [batch, 6]; a mean of distributions has no concentration."""
        logs = [network(windows, contexts).float().log_softmax(dim=1) for network in self.networks.values()]
        return _calibrated(torch.logsumexp(torch.stack(logs), dim=0), self.calibration), None

    def forward(self, windows: Tensor, contexts: Tensor | None = None) -> Tensor:
        """Return logits [batch, 6] whose softmax is the mean of the parts' softmax, calibrated."""
        return self.panel(windows, contexts)[0]


def parts_of(network: ArmNetwork | MeanOfArms) -> list[ArmNetwork]:
    """Return the networks that are averaged, or the network itself in a list."""
    return (
        [network] if isinstance(network, ArmNetwork) else [cast(ArmNetwork, one) for one in network.networks.values()]
    )


def averaged(
    networks: Mapping[str, ArmNetwork], calibration: CalibrationSettings = NO_CALIBRATION
) -> ArmNetwork | MeanOfArms:
    """Return the mean of several networks, or the only one, with a calibration after their own."""
    if len(networks) > 1:
        return MeanOfArms(networks, calibration)
    (only,) = networks.values()
    only.calibration = only.calibration.then(calibration)
    return only


def _calibrated(logits: Tensor, calibration: CalibrationSettings) -> Tensor:
    if calibration.changes_nothing:
        return logits
    return logits / calibration.temperature + logits.new_tensor(calibration.bias)
