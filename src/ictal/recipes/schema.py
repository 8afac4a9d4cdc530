"""A recipe: everything that determines a training run, as one YAML file."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from ictal.core.settings import Settings, read_by_name
from ictal.data import DataSettings
from ictal.errors import RecipeError, UnknownNameError
from ictal.models.arms import ARMS, VARIANT, Arm, Seeds, find_arm
from ictal.models.model_settings import ModelSettings
from ictal.preprocessing.settings import StandardiseSettings
from ictal.recipes.augmentation import AUGMENTATIONS, CONTEXT_AUGMENTATIONS
from ictal.recipes.regression import FittedSettings, RegressionSettings
from ictal.recipes.stages import ArmTraining, OneCycle, TrainingSettings
from ictal.views import WaveformSettings

WITHOUT = "no-"
VARIANT_CHANCE = 0.5
"""Probability of an augmentation that is added by the name of an arm."""
KINDS: dict[str, type[TrainingSettings | FittedSettings]] = {
    "network": TrainingSettings,
    "regression": RegressionSettings,
    "estimator": FittedSettings,
}
"""The class of the settings under `training`, by `Arm.kind`."""
OWN_TRAINING: dict[str, TrainingSettings | FittedSettings] = {
    "network": TrainingSettings(
        learning_rates=OneCycle(peak=1e-3, epochs=8), batch_size=16, optimizer="adamw", weight_decay=0.05
    ),
    "estimator": FittedSettings(),
}
"""How an own arm is trained if neither the recipe nor the arm says so, by `Arm.kind`."""


class TrainerSettings(Settings):
    """Where networks are trained.

    Attributes
    ----------
    accelerator, devices, strategy
        As for `lightning.Trainer`; several devices need the strategy 'ddp_spawn'.
    workers
        Processes that simulate the windows of a stream; None: one per CPU. Their number does not affect results.
    """

    accelerator: str = "auto"
    devices: int | Literal["auto"] = 1
    strategy: str = "auto"
    workers: int | None = Field(None, ge=0)


class EvaluationSettings(Settings):
    """Number of bootstrap resamples, and two-sided confidence level of intervals."""

    n_resamples: int = Field(10_000, ge=100)
    confidence: float = Field(0.95, gt=0.5, lt=1)


class Recipe(Settings):
    """Everything that determines a run, except the data.

    Attributes
    ----------
    name, summary
        Its name, and its purpose in one line.
    seed
        Seed for folds, initial weights, order of windows and resampling.
    seeds
        Number of seeds from which each network is trained. An ablation uses them to measure the effect of the seed;
        `ictal train` averages the networks, and also accepts a number per arm.
    calibration
        What `ictal train` fits to the data set's windows after training on a stream, which does not contain them:
        nothing, a temperature, or a temperature and a bias per pattern.
    data, standardise, models, training, trainer, evaluation
        See the classes; `training` has one entry per trained arm.
    """

    name: str
    summary: str = ""
    seed: int = Field(0, ge=0)
    seeds: Seeds = 1
    calibration: Literal["none", "temperature", "temperature and bias"] = "none"
    data: DataSettings = DataSettings()
    standardise: StandardiseSettings = StandardiseSettings()
    models: ModelSettings = ModelSettings()
    training: dict[str, ArmTraining]
    trainer: TrainerSettings = TrainerSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @field_validator("training", mode="before")
    @classmethod
    def _by_kind_of_arm(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        arms = {name: _trained(name) for name in value}
        if unknown := [name for name, arm in arms.items() if arm is None]:
            trained = [arm.name for arm in ARMS.values() if not arm.parts]
            raise ValueError(
                f"{unknown} cannot be trained; allowed are {trained}, and an own arm that --plugin gives"
            )
        return read_by_name({name: KINDS[arm.kind] for name, arm in arms.items() if arm}, value)

    @field_validator("training")
    @classmethod
    def _streams_have_no_contexts(cls, value: dict[str, ArmTraining]) -> dict[str, ArmTraining]:
        streamed = [name for name in value if value[name].stream and find_arm(name).sees_context]
        if streamed:
            raise ValueError(f"{streamed} use contexts, which a stream does not have; allowed is stream: null")
        return value

    @model_validator(mode="after")
    def _seeds_are_of_trained_arms(self) -> "Recipe":
        named = [] if isinstance(self.seeds, int) else list(self.seeds)
        unknown = [name for name in named if name not in self.training and not _is_own(name)]
        if unknown:
            raise ValueError(f"seeds: {unknown} are not trained; allowed are {list(self.training)}")
        return self

    @model_validator(mode="after")
    def _views_lie_within_the_band(self) -> "Recipe":
        if problem := _aliasing(self.standardise.band_hz, "temporal", self.models.temporal.waveform):
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _streamed_windows_are_not_refused(self) -> "Recipe":
        short = [name for name, training in self.training.items() if training.stream and training.stream.is_short]
        if short and self.standardise.short == "refuse":
            raise ValueError(
                f"standardise.short is 'refuse', but {short} would be trained on a stream of EEGs shorter than a "
                "window; allowed are 'reflect' and 'zero', or lengths_s of 50"
            )
        return self

    def with_own_arms(self, names: Sequence[str]) -> "Recipe":
        """Return the recipe with everything that it leaves to the own arms among these: settings and training."""
        arms = [find_arm(name.partition(VARIANT)[0]) for name in names]
        own = {arm.name: own_training(arm) for arm in arms if arm.code}
        models = self.models.for_arms([*self.models.own, *own])
        content = {"models": models, "training": {**own, **self.training}}
        return self.model_validate({name: getattr(self, name) for name in type(self).model_fields} | content)

    def with_own_arms_of(self, other: "Recipe") -> "Recipe":
        """Return the recipe with the own arms of another recipe that it does not have."""
        own = {name: training for name, training in other.training.items() if _is_own(name)}
        models = self.models.model_copy(update={"own": {**other.models.own, **self.models.own}})
        return self.model_copy(update={"models": models, "training": {**own, **self.training}})

    def training_of(self, arm: str) -> ArmTraining:
        """Return how an arm is trained.

        The name of an arm may change augmentations: 'temporal+mirror' sets the probability of mirroring to one half,
        'temporal+no-mirror' to zero.

        Raises
        ------
        RecipeError
            If the recipe does not train the arm, or filters out what its views need.
        """
        name, *changes = arm.split(VARIANT)
        if name not in self.training:
            raise RecipeError(
                f"recipe '{self.name}' does not say how to train '{name}'; it has {', '.join(self.training)}"
            )
        view = self._waveform_of(find_arm(name))
        if view and (problem := _aliasing(self.standardise.band_hz, name, view)):
            raise RecipeError(f"recipe '{self.name}': {problem}")
        training = self.training[name]
        for change in changes:
            augmentation = change.removeprefix(WITHOUT)
            if augmentation not in AUGMENTATIONS:
                raise UnknownNameError("augmentation", augmentation, AUGMENTATIONS)
            assert isinstance(training, TrainingSettings)  # `find_arm` knows no variants of a regression
            chance = 0.0 if change.startswith(WITHOUT) else VARIANT_CHANCE
            augment = training.augment.model_copy(update={augmentation: chance})
            training = training.model_copy(update={"augment": augment})
        return training

    def _waveform_of(self, arm: Arm) -> WaveformSettings | None:
        """Return the settings of an arm's waveform view, if it has one that is checked only when it is trained."""
        if arm.fitted:
            return self.models.features.features.waveform
        if arm.name == "symmetric":
            return self.models.symmetric.waveform
        view = getattr(self.models.settings_of(arm.name), "waveform", None)
        return view if isinstance(view, WaveformSettings) else None

    def of_seed(self, number: int) -> "Recipe":
        """Return the recipe for one of several seeds, which also has its own streams."""
        own = dict(self.training)
        for arm, training in own.items():
            if training.stream:
                stream = training.stream.model_copy(update={"seed": training.stream.seed + number})
                own[arm] = training.model_copy(update={"stream": stream})
        return self.model_copy(update={"seed": self.seed + number, "seeds": 1, "training": own})

    def variants_of(self, arm: str) -> list[str]:
        """Return variants of an arm: each augmentation added, or removed if the recipe has it."""
        training = self.training_of(arm)
        assert isinstance(training, TrainingSettings)
        augment = training.augment
        seen = CONTEXT_AUGMENTATIONS if find_arm(arm).sees_context else AUGMENTATIONS
        # Mirroring does not change the output of 'symmetric'.
        names = [name for name in seen if (arm, name) != ("symmetric", "mirror")]
        return [f"{arm}{VARIANT}{WITHOUT if getattr(augment, name) else ''}{name}" for name in names]


def own_training(arm: Arm) -> TrainingSettings | FittedSettings:
    """Return how an own arm is trained unless a recipe says so.

    Raises
    ------
    RecipeError
        If it was registered with settings of another class.
    """
    training, kind = arm.training or OWN_TRAINING[arm.kind], KINDS[arm.kind]
    if not isinstance(training, kind):
        raise RecipeError(
            f"the arm '{arm.name}' was registered with training={training!r}; allowed are {kind.__name__}"
        )
    return training


def _trained(name: object) -> Arm | None:
    """Return an arm that can have an entry under `training`; None if there is no such arm."""
    try:
        arm = find_arm(str(name))
    except UnknownNameError:
        return None
    return arm if arm.name == name and not arm.parts else None


def _is_own(name: str) -> bool:
    arm = _trained(name)
    return arm is not None and arm.code is not None


def _aliasing(band: tuple[float, float] | None, arm: str, waveform: WaveformSettings) -> str:
    """Describe the aliasing that a waveform view of this frequency band would cause; return '' if there is none."""
    half_rate = waveform.rate_hz / 2
    if (band[1] if band else 100.0) <= half_rate:
        return ""
    key = f"own.{arm}" if _is_own(arm) else arm
    fitted = find_arm(arm).fitted
    of_view = "features are measured at" if fitted else f"models.{key}.waveform.decimate leaves"
    return (
        f"{of_view} {2 * half_rate:g} Hz, too low for the frequencies "
        f"that standardise.band_hz = {band} passes; allowed is a band that ends at {half_rate:g} Hz"
    )
