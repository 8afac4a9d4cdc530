"""Settings of the views and networks of all arms."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import Field, SerializeAsAny, field_validator

from ictal.core.labels import N_PATTERNS
from ictal.core.settings import Settings, read_by_name
from ictal.errors import UnknownNameError
from ictal.models.arms import find_arm
from ictal.models.calibration import NO_CALIBRATION, CalibrationSettings
from ictal.models.efficientnet import EfficientnetSettings
from ictal.models.fusion import FusionSettings
from ictal.models.symmetric import WAVEFORM, SymmetricSettings
from ictal.models.volume import VolumeNetworkSettings
from ictal.models.wavenet import WavenetSettings
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
    """View of the arm 'features'; the settings of its regression are in the recipe, under `training`."""

    features: FeaturesSettings = FeaturesSettings()


class ContextArmSettings(Settings):
    """View and network of the arm 'context'."""

    context: ContextSettings = ContextSettings()
    efficientnet: EfficientnetSettings = EfficientnetSettings()


class ModelSettings(Settings):
    """Views and networks of all arms, as in the section `models` of a recipe.

    Attributes
    ----------
    temporal, spatial, features, volume, symmetric, context, fusion
        See the classes.
    own
        Settings of own arms, by name; each is of the class that the arm was registered with.
    votes
        'distribution': predict the distribution of a panel's votes. 'dirichlet': predict also how much panels vary
        around it; the votes of a panel are then Dirichlet-multinomial (Mosimann 1962), with a concentration per
        window.
    lapse
        Share of each prediction that is spread evenly over the patterns, in training and afterwards, because experts
        lapse too. No pattern is then impossible, and no window costs more than log(6 / lapse). 0: none.
    calibration
        Of the probabilities after the lapse, for each network separately.
    """

    temporal: TemporalSettings = TemporalSettings()
    spatial: SpatialSettings = SpatialSettings()
    features: FeaturesArmSettings = FeaturesArmSettings()
    volume: VolumeArmSettings = VolumeArmSettings()
    symmetric: SymmetricArmSettings = SymmetricArmSettings()
    context: ContextArmSettings = ContextArmSettings()
    fusion: FusionSettings = FusionSettings()
    own: dict[str, SerializeAsAny[Settings]] = Field(default_factory=dict)
    votes: Literal["distribution", "dirichlet"] = "distribution"
    lapse: float = Field(0.0, ge=0, lt=1)
    calibration: CalibrationSettings = NO_CALIBRATION

    @property
    def n_outputs(self) -> int:
        """Outputs of a network: a logit per pattern and, with 'dirichlet', the logarithm of the concentration."""
        return N_PATTERNS + (self.votes == "dirichlet")

    @field_validator("own", mode="before")
    @classmethod
    def _of_registered_arms(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        try:
            kinds = {name: find_arm(name).settings for name in map(str, value)}
        except UnknownNameError as error:
            raise ValueError(str(error)) from error
        if without := [name for name, kind in kinds.items() if kind is None]:
            raise ValueError(f"the arm '{without[0]}' has no settings here")
        return read_by_name({name: kind for name, kind in kinds.items() if kind}, value)

    def settings_of(self, arm: str) -> Settings | None:
        """Return the settings of an own arm, which are its defaults unless `own` has others; None if it has none."""
        kind = find_arm(arm).settings
        return self.own.get(arm, kind()) if kind else None

    def for_arms(self, arms: Sequence[str]) -> Self:
        """Return the same settings, with those of all own arms among these and of no others."""
        settings = {arm: self.settings_of(arm) for arm in arms}
        return self.model_copy(update={"own": {arm: one for arm, one in settings.items() if one is not None}})
