"""How a network is trained: stages, learning rates, batches, augmentation."""

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from ictal.core.settings import Settings
from ictal.data.simulated_stream import StreamSettings
from ictal.recipes.augmentation import AugmentSettings
from ictal.recipes.regression import FittedSettings, RegressionSettings

MIN_RATE = 0.01
"""Rate at the start and end of a one-cycle schedule, as a share of its peak."""


class OneCycle(Settings):
    """A learning rate that rises linearly, then falls as half a cosine (Smith and Topin 2019).

    Attributes
    ----------
    peak
        The largest rate; the first and the last are a hundredth of it.
    epochs
        Number of epochs.
    warm_up
        Number of epochs until the peak.
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
        """Return the rate after a number of epochs, which may be fractional."""
        if epochs < self.warm_up:
            height = epochs / self.warm_up
        else:
            height = 0.5 + 0.5 * math.cos(math.pi * (epochs - self.warm_up) / (self.epochs - self.warm_up))
        return self.peak * (MIN_RATE + (1 - MIN_RATE) * height)


def _kind_of_rates(value: object) -> str:
    return "cycle" if isinstance(value, Mapping | OneCycle) else "list"


Rates = Annotated[
    Annotated[tuple[float, ...], Tag("list")] | Annotated[OneCycle, Tag("cycle")], Discriminator(_kind_of_rates)
]
"""Learning rates: one per epoch, or one cycle that changes with each step."""


class Stage(Settings):
    """A stage of training on windows with few votes, many votes, or both.

    Attributes
    ----------
    learning_rates
        One per epoch, which also sets the number of epochs; or {peak, epochs, warm_up}, see `OneCycle`.
    population
        Train on windows with 'few' votes (below 10), 'many' votes, or 'all' windows.
    mix
        Share of an epoch's windows that comes from the other population, if there is one. A network that continues
        with many votes alone forgets the windows with few.
    panel_weight
        In the loss, a window has the weight (panel size) ** panel_weight: 0, equal weights; 1, the number of votes.
    kl_weight, likelihood_weight
        Weights of the KL and of the negative log-likelihood of the votes, which models.votes = 'dirichlet' adds.
    trains
        'all', or only the 'head', while everything below keeps its weights and batch statistics.
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
        """Number of epochs."""
        return self.learning_rates.epochs if isinstance(self.learning_rates, OneCycle) else len(self.learning_rates)

    def rate(self, epochs: float) -> float:
        """Return the learning rate after a number of epochs of the stage, which may be fractional."""
        if isinstance(self.learning_rates, OneCycle):
            return self.learning_rates.at(epochs)
        return self.learning_rates[int(epochs)]

    @model_validator(mode="after")
    def _mixes_into_one_population(self) -> "Stage":
        if self.mix and self.population == "all":
            raise ValueError(f"mix is {self.mix}; it needs population 'few' or 'many', to add the other to it")
        return self


class TrainingSettings(Stage):
    """How the network of one arm is trained: the first stage, settings of all stages, and further stages.

    Attributes
    ----------
    batch_size
        Windows per optimizer step.
    micro_batch
        Windows per pass through the network; gradients are accumulated over a batch. None: the whole batch. Small
        values are faster if activations do not fit into the CPU's cache. Batch normalisation computes its statistics
        over the micro-batch.
    optimizer, weight_decay, clip_norm
        Adam or AdamW; the largest gradient norm, or None.
    precision
        '32', 'bf16' (mixed), or 'auto': bf16 on a GPU, and on a CPU with bf16 instructions for networks that run
        faster with them (one-dimensional ones).
    augment
        Augmentation of training windows.
    ema
        Decay per step of an exponential moving average of the weights, which is then evaluated and saved. After n
        steps the decay is at most (1 + n) / (10 + n). 0: the weights of the last step are used.
    stream
        Train on simulated windows, each used for one step; None: on the windows of the data set. Streamed windows
        have a distribution of votes but no panel, so that populations and `panel_weight` do not apply.
    real_share
        With a stream: share of each batch that consists of windows of the data set instead, one per EEG in random
        order, again and again. Training on a few real windows then does not forget what only simulated ones show.
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
    real_share: float = Field(0.0, ge=0, lt=1)
    then: tuple[Stage, ...] = ()

    @model_validator(mode="after")
    def _micro_batch_divides(self) -> "TrainingSettings":
        if self.micro_batch and self.batch_size % self.micro_batch:
            raise ValueError(f"micro_batch is {self.micro_batch}; it must divide batch_size {self.batch_size}")
        return self

    @model_validator(mode="after")
    def _stream_has_no_populations(self) -> "TrainingSettings":
        populations = [stage.population for stage in self.stages if stage.population != "all"]
        if self.stream and populations:
            raise ValueError(f"a stage trains on the population '{populations[0]}'; with a stream, allowed is 'all'")
        return self

    @model_validator(mode="after")
    def _share_is_of_a_stream(self) -> "TrainingSettings":
        if self.real_share and not self.stream:
            raise ValueError(f"real_share is {self.real_share:g}; without a stream, all windows are of the data set")
        if self.real_share and not 0 < self.n_real < self.per_pass:
            raise ValueError(f"real_share is {self.real_share:g}, which leaves no window of one kind per pass")
        return self

    @property
    def only_streams(self) -> bool:
        """Whether all training windows are simulated, so that none of the data set is used."""
        return self.stream is not None and not self.real_share

    @property
    def n_real(self) -> int:
        """Windows of the data set per pass through the network, with a stream."""
        return round(self.per_pass * self.real_share)

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
        """Number of the stage, from 0, and learning rate at the middle, for each epoch."""
        return tuple(
            (number, stage.rate(epoch + 0.5))
            for number, stage in enumerate(self.stages)
            for epoch in range(stage.n_epochs)
        )


ArmTraining = TrainingSettings | RegressionSettings | FittedSettings
"""How an arm is trained; `Arm.kind` says which of them it has."""
