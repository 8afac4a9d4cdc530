"""A recipe: everything that determines a training run, as one YAML file."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from ictal.core.settings import Settings
from ictal.data import DataSettings
from ictal.errors import RecipeError, UnknownNameError
from ictal.models.arms import ARMS, VARIANT, Seeds, find_arm
from ictal.models.model_settings import ModelSettings
from ictal.preprocessing.settings import StandardiseSettings
from ictal.recipes.augmentation import AUGMENTATIONS, CONTEXT_AUGMENTATIONS
from ictal.recipes.regression import RegressionSettings
from ictal.recipes.stages import ArmTraining, TrainingSettings
from ictal.views import WaveformSettings

WITHOUT = "no-"
VARIANT_CHANCE = 0.5
"""Probability of an augmentation that is added by the name of an arm."""


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

    @field_validator("training")
    @classmethod
    def _names_trained_arms(cls, value: dict[str, ArmTraining]) -> dict[str, ArmTraining]:
        trained = [arm.name for arm in ARMS.values() if not arm.parts]
        unknown = [name for name in value if name not in trained]
        if unknown:
            raise ValueError(f"{unknown} cannot be trained; allowed are {trained}")
        for name, training in value.items():
            if isinstance(training, RegressionSettings) != ARMS[name].fitted:
                kind = "is a regression and needs" if ARMS[name].fitted else "is not a regression and cannot have"
                raise ValueError(f"{name} {kind} 'penalties'")
        streamed = [name for name in value if value[name].stream and ARMS[name].sees_context]
        if streamed:
            raise ValueError(f"{streamed} use contexts, which a stream does not have; allowed is stream: null")
        return value

    @model_validator(mode="after")
    def _seeds_are_of_trained_arms(self) -> "Recipe":
        unknown = [] if isinstance(self.seeds, int) else [name for name in self.seeds if name not in self.training]
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

    def training_of(self, arm: str) -> TrainingSettings | RegressionSettings:
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
        views = {"symmetric": self.models.symmetric.waveform, "features": self.models.features.features.waveform}
        if name in views and (problem := _aliasing(self.standardise.band_hz, name, views[name])):
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


def _aliasing(band: tuple[float, float] | None, arm: str, waveform: WaveformSettings) -> str:
    """Describe the aliasing that a waveform view of this frequency band would cause; return '' if there is none."""
    half_rate = waveform.rate_hz / 2
    if (band[1] if band else 100.0) <= half_rate:
        return ""
    of_view = "features are measured at" if arm == "features" else f"models.{arm}.waveform.decimate leaves"
    return (
        f"{of_view} {2 * half_rate:g} Hz, too low for the frequencies "
        f"that standardise.band_hz = {band} passes; allowed is a band that ends at {half_rate:g} Hz"
    )
