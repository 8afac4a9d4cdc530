"""A recipe: everything that determines a training run, as one YAML file."""

import math
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from ictal.data import DataSettings
from ictal.data.stream import StreamSettings
from ictal.errors import RecipeError, UnknownNameError, raise_problems
from ictal.models.arms import ARMS, VARIANT, ModelSettings, Seeds, find_arm
from ictal.settings import Settings
from ictal.standardise import StandardiseSettings
from ictal.training.augment import AUGMENTATIONS, OF_CONTEXT, AugmentSettings
from ictal.training.regression import RegressionSettings
from ictal.views import WaveformSettings

WITHOUT = "no-"
VARIANT_CHANCE = 0.5
"""Probability of an augmentation that the name of an arm adds."""


LEAST_RATE = 0.01
"""Share of its peak at which a one-cycle schedule begins and ends."""


class OneCycle(Settings):
    """A learning rate that rises in a straight line, then falls as half a cosine (Smith and Topin 2019).

    Attributes
    ----------
    peak
        The largest rate; the first and the last are a hundredth of it.
    epochs
        How many there are.
    warm_up
        Epochs until the peak.
    """

    peak: float = Field(gt=0)
    epochs: int = Field(ge=1)
    warm_up: float = Field(1.0, ge=0)

    @model_validator(mode="after")
    def _comes_down(self) -> "OneCycle":
        if self.warm_up >= self.epochs:
            raise ValueError(f"warm_up is {self.warm_up:g}; allowed is less than the {self.epochs} epochs")
        return self

    def at(self, epochs: float) -> float:
        """Return the rate after so many epochs."""
        if epochs < self.warm_up:
            height = epochs / self.warm_up
        else:
            height = 0.5 + 0.5 * math.cos(math.pi * (epochs - self.warm_up) / (self.epochs - self.warm_up))
        return self.peak * (LEAST_RATE + (1 - LEAST_RATE) * height)


def _kind_of_rates(value: object) -> str:
    return "cycle" if isinstance(value, Mapping | OneCycle) else "list"


Rates = Annotated[
    Annotated[tuple[float, ...], Tag("list")] | Annotated[OneCycle, Tag("cycle")], Discriminator(_kind_of_rates)
]
"""Learning rates: one per epoch, or one cycle that changes with each step."""


class Stage(Settings):
    """A pass of training over one vote population.

    Attributes
    ----------
    learning_rates
        One per epoch, so their number is the number of epochs; or {peak, epochs, warm_up}, see `OneCycle`.
    population
        Windows of panels with 'few' votes (below 10), with 'many', or 'all'.
    mix
        Share of an epoch's windows that comes from the other population, where there is one: a network that goes on
        with many votes alone forgets the windows of few.
    panel_weight
        A window weighs (panel size) ** panel_weight in the loss: 0, all the same; 1, as many as its votes.
    kl_weight, likelihood_weight
        Of the KL, and of the negative log-likelihood of the votes, which models.votes = 'dirichlet' adds.
    trains
        'all', or only the 'head', while what is below keeps its weights and its batch statistics.
    """

    learning_rates: Rates = (1e-3, 1e-3, 1e-4, 1e-5)
    population: Literal["all", "few", "many"] = "all"
    mix: float = Field(0.0, ge=0, lt=1)
    panel_weight: float = Field(0.5, ge=0, le=2)
    kl_weight: float = Field(1.0, ge=0)
    likelihood_weight: float = Field(0.1, ge=0)
    trains: Literal["all", "head"] = "all"

    @field_validator("learning_rates")
    @classmethod
    def _positive(cls, value: tuple[float, ...] | OneCycle) -> tuple[float, ...] | OneCycle:
        if isinstance(value, tuple) and (not value or min(value) <= 0):
            raise ValueError(f"{list(value)}; allowed is at least one rate, each above 0")
        return value

    @property
    def n_epochs(self) -> int:
        """How many epochs the stage has."""
        return self.learning_rates.epochs if isinstance(self.learning_rates, OneCycle) else len(self.learning_rates)

    def rate(self, epochs: float) -> float:
        """Return the learning rate after so many epochs of the stage, which may be in the midst of one."""
        if isinstance(self.learning_rates, OneCycle):
            return self.learning_rates.at(epochs)
        return self.learning_rates[int(epochs)]

    @model_validator(mode="after")
    def _mixes_into_one_population(self) -> "Stage":
        if self.mix and self.population == "all":
            raise ValueError(f"mix is {self.mix}; it needs the population 'few' or 'many', to mix the other into it")
        return self


class TrainingSettings(Stage):
    """How the network of one arm is trained: the first stage, what holds for all, and the stages that follow.

    Attributes
    ----------
    batch_size
        Windows per step of the optimizer.
    micro_batch
        Windows per pass through the network; gradients are summed up to a batch. None: the whole batch. Smaller
        is faster where activations would not fit the processor's cache; a network with batch normalisation
        sees its statistics over the micro-batch.
    optimizer, weight_decay, clip_norm
        Adam or AdamW; the largest norm of the gradient, or None.
    precision
        '32', 'bf16' (mixed), or 'auto': bf16 on a GPU, and on a CPU that has it for networks that it makes faster
        (of one dimension).
    augment
        See the class.
    ema
        The weights that are judged and saved are the average over steps, each of which fades by this factor per step
        (after n steps by (1 + n) / (10 + n), as long as that is smaller). 0: those of the last step.
    stream
        The windows are simulated, each for one step alone; where it is None, they are those of the data set. A stream
        has no panels, but the distribution behind their votes: no populations, and `panel_weight` plays no part.
    then
        Further stages.
    """

    batch_size: int = Field(32, ge=1)
    micro_batch: int | None = Field(None, ge=1)
    optimizer: Literal["adam", "adamw"] = "adam"
    weight_decay: float = Field(0.0, ge=0)
    clip_norm: float | None = Field(1.0, gt=0)
    precision: Literal["auto", "32", "bf16"] = "auto"
    augment: AugmentSettings = AugmentSettings()
    ema: float = Field(0.0, ge=0, lt=1)
    stream: StreamSettings | None = None
    then: tuple[Stage, ...] = ()

    @model_validator(mode="after")
    def _micro_batch_divides(self) -> "TrainingSettings":
        if self.micro_batch and self.batch_size % self.micro_batch:
            raise ValueError(f"micro_batch is {self.micro_batch}; it must divide batch_size {self.batch_size}")
        return self

    @model_validator(mode="after")
    def _stream_has_no_populations(self) -> "TrainingSettings":
        asked = [stage.population for stage in self.stages if stage.population != "all"]
        if self.stream and asked:
            raise ValueError(f"a stage trains on the population '{asked[0]}'; with a stream, allowed is 'all'")
        return self

    @property
    def per_pass(self) -> int:
        """Windows per pass through the network."""
        return self.micro_batch or self.batch_size

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages, in their order."""
        return (self, *self.then)

    @property
    def epochs(self) -> tuple[tuple[int, float], ...]:
        """Number of the stage, from 0, and learning rate in the middle of each epoch."""
        return tuple(
            (number, stage.rate(epoch + 0.5))
            for number, stage in enumerate(self.stages)
            for epoch in range(stage.n_epochs)
        )


def _kind_of_training(value: object) -> str:
    given = isinstance(value, Mapping) and "penalties" in value
    return "regression" if given or isinstance(value, RegressionSettings) else "network"


ArmTraining = Annotated[
    Annotated[TrainingSettings, Tag("network")] | Annotated[RegressionSettings, Tag("regression")],
    Discriminator(_kind_of_training),
]
"""How an arm is trained step by step, or fitted at once: the latter has 'penalties'."""


class TrainerSettings(Settings):
    """Where Lightning trains; its own words are allowed (several devices: strategy 'ddp_spawn').

    Attributes
    ----------
    accelerator, devices, strategy
        Of Lightning.
    workers
        Processes that simulate the windows of a stream; None: one per processor. They change nothing but the time.
    """

    accelerator: str = "auto"
    devices: int | Literal["auto"] = 1
    strategy: str = "auto"
    workers: int | None = Field(None, ge=0)


class EvaluationSettings(Settings):
    """Resamples of the bootstrap, and the two-sided confidence of its intervals."""

    n_resamples: int = Field(10_000, ge=100)
    confidence: float = Field(0.95, gt=0.5, lt=1)


class Recipe(Settings):
    """Everything that determines a run, but for the data.

    Attributes
    ----------
    name, summary
        What it is called and what it is for.
    seed
        Of folds, first weights, order of windows and resampling.
    seeds
        How many times each network is trained, from as many seeds: by an ablation to tell what the seed alone does,
        by `ictal train` to average them; it also takes a number by arm.
    calibration
        What `ictal train` fits to the windows of the data set after training on a stream, which never shows them:
        nothing, a temperature, or also a bias per pattern.
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
            raise ValueError(f"no arm {unknown} is trained; allowed are {trained}")
        for name, training in value.items():
            if isinstance(training, RegressionSettings) != ARMS[name].fitted:
                kind = "is a regression, and needs" if ARMS[name].fitted else "is no regression, and cannot have"
                raise ValueError(f"{name} {kind} 'penalties'")
        streamed = [name for name in value if value[name].stream and ARMS[name].sees_context]
        if streamed:
            raise ValueError(f"{streamed} look at contexts, which a stream has none of; allowed is stream: null")
        return value

    @model_validator(mode="after")
    def _seeds_are_of_trained_arms(self) -> "Recipe":
        unknown = [] if isinstance(self.seeds, int) else [name for name in self.seeds if name not in self.training]
        if unknown:
            raise ValueError(f"seeds: {unknown} are not trained; allowed are {list(self.training)}")
        return self

    @model_validator(mode="after")
    def _views_lie_within_the_band(self) -> "Recipe":
        if lost := _lost(self.standardise.band_hz, "temporal", self.models.temporal.waveform):
            raise ValueError(lost)
        return self

    @model_validator(mode="after")
    def _streamed_windows_are_not_refused(self) -> "Recipe":
        short = [name for name, training in self.training.items() if training.stream and training.stream.is_short]
        if short and self.standardise.short == "refuse":
            raise ValueError(
                f"standardise.short is 'refuse', and {short} would be trained on a stream of EEGs shorter than a "
                "window; allowed are 'reflect' and 'zero', or lengths_s of 50"
            )
        return self

    def training_of(self, arm: str) -> TrainingSettings | RegressionSettings:
        """Return how an arm is trained, or say that the recipe does not.

        The name of an arm may be followed by augmentations that are changed: 'temporal+mirror' has a probability of
        one half, 'temporal+no-mirror' none.
        """
        name, *changes = arm.split(VARIANT)
        if name not in self.training:
            raise RecipeError(
                f"recipe '{self.name}' does not say how to train '{name}'; it has {', '.join(self.training)}"
            )
        views = {"symmetric": self.models.symmetric.waveform, "features": self.models.features.features.waveform}
        if name in views and (lost := _lost(self.standardise.band_hz, name, views[name])):
            raise RecipeError(f"recipe '{self.name}': {lost}")
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
        """Return the recipe of the networks of one seed of several, which also see streams of their own."""
        own = dict(self.training)
        for arm, training in own.items():
            if training.stream:
                stream = training.stream.model_copy(update={"seed": training.stream.seed + number})
                own[arm] = training.model_copy(update={"stream": stream})
        return self.model_copy(update={"seed": self.seed + number, "seeds": 1, "training": own})

    def variants_of(self, arm: str) -> list[str]:
        """Return the arm with each augmentation that it can see added, or left out where the recipe has it."""
        training = self.training_of(arm)
        assert isinstance(training, TrainingSettings)
        augment = training.augment
        seen = OF_CONTEXT if find_arm(arm).sees_context else AUGMENTATIONS
        names = [name for name in seen if (arm, name) != ("symmetric", "mirror")]  # for which both are the same
        return [f"{arm}{VARIANT}{WITHOUT if getattr(augment, name) else ''}{name}" for name in names]


def _lost(band: tuple[float, float] | None, arm: str, waveform: WaveformSettings) -> str:
    """Say what of a band a waveform view would fold onto lower frequencies; nothing if all is well."""
    half_rate = waveform.rate_hz / 2
    if (band[1] if band else 100.0) <= half_rate:
        return ""
    of_view = "features are measured at" if arm == "features" else f"models.{arm}.waveform.decimate leaves"
    return (
        f"{of_view} {2 * half_rate:g} Hz, which cannot carry what "
        f"standardise.band_hz = {band} lets through; allowed is a band that ends at {half_rate:g} Hz"
    )


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with ictal."""
    return sorted(
        Path(file.name).stem
        for file in resources.files("ictal").joinpath("recipes").iterdir()
        if file.name.endswith(".yaml")
    )


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """Load a recipe.

    Parameters
    ----------
    name
        Of a recipe that comes with ictal, or the path of a YAML file.
    overrides
        'key=value' with dots between levels; the value is YAML, e.g. ``training.temporal.batch_size=16``.

    Raises
    ------
    RecipeError
        If there is no such recipe, or keys or values are not allowed; all problems in one message.
    """
    if name in recipe_names():
        text = resources.files("ictal").joinpath("recipes", f"{name}.yaml").read_text(encoding="utf-8")
    elif Path(name).is_file():
        try:
            text = Path(name).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise RecipeError(f"{name}: is not a text file, so no recipe") from error
    else:
        raise RecipeError(f"no recipe '{name}'; known are {', '.join(recipe_names())}, or a YAML file's path")
    content = parse(text, name).model_dump(mode="json")
    for override in overrides:
        _apply(content, override)
    return _validate(content, f"{name} with {', '.join(overrides)}" if overrides else name)


OF_MODEL = ("models", "standardise", "seeds")
"""Keys of a recipe that a saved model determines for whatever begins with it; its card has the same."""


def recipe_of_model(recipe: Recipe, name: str, known: Mapping[str, Any], overrides: Sequence[str] = ()) -> Recipe:
    """Return a recipe with the networks, their number, views and input of a saved model in place of its own.

    Parameters
    ----------
    recipe
        With all overrides.
    name
        Of the model.
    known
        What its card says of each of `OF_MODEL`.
    overrides
        As in `load_recipe`; those of `OF_MODEL` must say what the model has.

    Raises
    ------
    RecipeError
        If one does not.
    """
    changed = recipe.model_copy(update=known)
    content = changed.model_dump(mode="json")
    for override in overrides:
        if override.partition("=")[0].strip().split(".")[0] in OF_MODEL:
            _apply(content, override)
    if disagree := differences(_validate(content, recipe.name), changed):
        raise RecipeError(
            f"training begins with the model '{name}', whose networks, views and input stay as they are; --set "
            f"disagrees: {disagree[0].replace('in the folder', 'in the model')}"
        )
    return changed


def parse(text: str, name: str) -> Recipe:
    """Make a recipe of YAML text; `name` is what messages call it."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"{name}: is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise RecipeError(f"{name}: is not a recipe; a recipe is a YAML mapping with 'name' and 'training'")
    return _validate(content, name)


def to_yaml(recipe: Recipe) -> str:
    """Return a recipe as YAML, with all its defaults written out."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def differences(one: Recipe, other: Recipe) -> list[str]:
    """List the keys in which two recipes differ, each with both values; the summary does not count."""
    first, second = (_flat(recipe.model_dump(mode="json", exclude={"summary"})) for recipe in (one, other))
    return [
        f"{key}: {second.get(key, '(none)')} in the folder, {first.get(key, '(none)')} now"
        for key in sorted({*first, *second})
        if first.get(key) != second.get(key)
    ]


def _validate(content: Mapping[str, Any], name: str) -> Recipe:
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        problems = [
            f"{_key(problem['loc']) or 'recipe'}: {problem['msg']}"
            + ("" if isinstance(problem["input"], dict) else f" (it is {problem['input']!r})")
            for problem in error.errors()
        ]
        raise_problems(f"recipe {name}", problems, RecipeError)
        raise


def _key(place: Sequence[int | str]) -> str:
    """Return the key that pydantic calls by this place, which also has the kind of an arm's training."""
    return ".".join(str(part) for level, part in enumerate(place) if (level, place[0]) != (2, "training"))


def _apply(content: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals:
        raise RecipeError(f"--set '{override}': write key=value, for example data.folds=3")
    *path, last = key.strip().split(".")
    level: Any = content
    for part in path:
        level = _entries(level).get(part)
    known = _entries(level)
    if last not in known:
        near = ", ".join(known or content)
        raise RecipeError(f"--set '{override}': there is no key '{key}'; known here are {near}")
    try:
        level[int(last) if isinstance(level, list) else last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise RecipeError(f"--set '{override}': the value is not YAML: {error}") from error


def _entries(level: Any) -> dict[str, Any]:
    """Return what a level of a recipe holds, by the name that an override gives it; in a list, its number."""
    if isinstance(level, list):
        return {str(number): entry for number, entry in enumerate(level)}
    return level if isinstance(level, dict) else {}


def _flat(content: Any, prefix: str = "") -> dict[str, Any]:
    of_lists = isinstance(content, list) and any(isinstance(entry, dict) for entry in content)
    if not isinstance(content, dict) and not of_lists:
        return {prefix: content}
    return {
        key: value
        for name, inner in _entries(content).items()
        for key, value in _flat(inner, f"{prefix}.{name}" if prefix else name).items()
    }
