"""The models of braindecode as arms, by name: 'braindecode:EEGConformer'."""

import inspect
import warnings
from importlib import import_module
from typing import Any

from pydantic import Field
from torch import Tensor, nn

from ictal.core.labels import N_PATTERNS
from ictal.core.montage import derivations_of, montage
from ictal.core.settings import Settings
from ictal.errors import ModelError, UnknownNameError, require
from ictal.models.installed_arms import FAMILY
from ictal.models.own_arms import arm
from ictal.views.waveform import Waveform, WaveformSettings


class BraindecodeSettings(Settings):
    """View and network of an arm of braindecode.

    Attributes
    ----------
    waveform
        The traces that the model gets: by default, the 18 derivations of the double banana over the voted 10 s at
        200 Hz.
    options
        Further arguments of the model's class, by name.
    """

    waveform: WaveformSettings = WaveformSettings(montage="double_banana", decimate=1, seconds=10)
    options: dict[str, bool | int | float | str | None] = Field(default_factory=dict)


class BraindecodeNetwork(nn.Module):
    """Raw windows [batch, 20, 10000] to logits [batch, 6], through traces and a model of braindecode."""

    def __init__(self, made: type[nn.Module], settings: BraindecodeSettings) -> None:
        super().__init__()
        waveform = settings.waveform
        self.view = Waveform(waveform)
        n_chans = len(derivations_of(montage(waveform.montage)))
        known = {
            "n_chans": n_chans,
            "n_times": waveform.n_samples,
            "sfreq": waveform.rate_hz,
            "n_outputs": N_PATTERNS,
        }
        if wrong := sorted(known.keys() & settings.options.keys()):
            raise ModelError(f"options has {', '.join(wrong)}, which the view determines")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a model about its own defaults
            self.model = made(**known, **settings.options)

    def forward(self, windows: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.model(self.view(windows))
        return logits


def register_model(name: str) -> None:
    """Register a model of braindecode as an arm.

    Raises
    ------
    MissingExtraError
        If braindecode is not installed.
    UnknownNameError
        If it has no such model.
    """
    require("braindecode", f"the arm 'braindecode{FAMILY}{name}'")
    models = _models()
    if name not in models:
        raise UnknownNameError("model of braindecode", name, sorted(models))

    made = models[name]

    def network(settings: BraindecodeSettings) -> nn.Module:
        return BraindecodeNetwork(made, settings)

    network.__module__, network.__qualname__ = made.__module__, made.__qualname__
    arm(f"braindecode{FAMILY}{name}", summary=f"{name} of braindecode", settings=BraindecodeSettings)(network)


def _models() -> dict[str, type[nn.Module]]:
    """Return the models that classify windows, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other libraries, about names of montages
        module: Any = import_module("braindecode.models")
    found = {name: getattr(module, name) for name in module.__all__}
    needed = {"n_chans", "n_times", "n_outputs", "sfreq"}
    return {
        name: one
        for name, one in found.items()
        if isinstance(one, type) and issubclass(one, nn.Module) and needed <= inspect.signature(one).parameters.keys()
    }
