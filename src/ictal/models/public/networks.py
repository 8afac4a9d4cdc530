"""The public networks by name. Read without torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ictal.errors import UnknownNameError
from ictal.models.external_contract import ExternalContract

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class PublicNetwork:
    """A network whose weights the user has.

    Attributes
    ----------
    contract_file
        Name of the file with its contract, in this folder.
    module, class_name
        Where its architecture is.
    arguments
        Of the class.
    """

    contract_file: str
    module: str
    class_name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def contract(self) -> ExternalContract:
        """Return what it takes and returns."""
        text = Path(__file__).with_name(self.contract_file).read_text(encoding="utf-8")
        return ExternalContract.model_validate(yaml.safe_load(text))

    def build(self) -> "nn.Module":
        """Return the network with weights that mean nothing."""
        made: Callable[..., nn.Module] = getattr(import_module(self.module), self.class_name)
        return made(**self.arguments)


_BIOT = ("biot.yaml", "ictal.models.public.biot", "BIOT")
NETWORKS = {
    "sparcnet": PublicNetwork("sparcnet.yaml", "ictal.models.public.sparcnet", "SPaRCNet"),
    "biot-16": PublicNetwork(*_BIOT, {"n_tokens": 16}),
    "biot-18": PublicNetwork(*_BIOT, {"n_tokens": 18}),
}


def public_network(name: str) -> PublicNetwork:
    """Return a public network.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    """
    if name not in NETWORKS:
        raise UnknownNameError("public network", name, NETWORKS)
    return NETWORKS[name]
