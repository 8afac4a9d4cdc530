"""Which data an experiment reads, and how their windows are prepared for its networks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from ictal.core.progress import Progress, silent
from ictal.data import Dataset, DataSettings, WindowArray, open_dataset, prepare
from ictal.data.window_array import default_cache
from ictal.errors import RecipeError
from ictal.models.arms import find_arm, trained_arms
from ictal.models.checkpoint import Model
from ictal.models.input_needs import needs_of_arms
from ictal.preprocessing.input_needs import Needs
from ictal.preprocessing.settings import StandardiseSettings
from ictal.recipes import Recipe
from ictal.recipes.augmentation import AugmentSettings


@dataclass(frozen=True)
class DataSource:
    """A data set as the user names it, and everything that determines its windows.

    Attributes
    ----------
    data
        'sim', a control, a folder in HMS layout, or a manifest CSV, see `ictal.data.open_dataset`.
    settings
        Which windows are used.
    standardise
        How recordings become input.
    needs
        What the networks need of each window.
    with_context
        Whether a network uses contexts.
    cache
        Folder of the prepared windows.
    with_votes
        Whether votes are needed.
    """

    data: str
    settings: DataSettings
    standardise: StandardiseSettings
    needs: Needs
    with_context: bool
    cache: Path
    with_votes: bool = True

    @classmethod
    def for_arms(cls, data: str, arms: Sequence[str], recipe: Recipe, cache: Path | None) -> Self:
        """Return the source of windows on which a recipe trains arms."""
        needs = replace(needs_of_arms(arms, recipe.models), interpolate=recipe.data.interpolate)
        augmentations = [getattr(recipe.training_of(arm), "augment", AugmentSettings()) for arm in arms]
        if any(augment.swap_neighbours or augment.swap_any for augment in augmentations):
            needs = replace(needs, derivations=None)  # any two electrodes may be swapped
        with_context = any(needs_context(arm) for arm in arms)
        return cls(data, recipe.data, recipe.standardise, needs, with_context, cache or default_cache())

    @classmethod
    def for_model(
        cls, data: str, model: Model, settings: DataSettings, cache: Path | None, *, with_votes: bool = True
    ) -> Self:
        """Return the source of windows for a saved model, which determines how they are standardised."""
        needs = replace(model.needs, interpolate=settings.interpolate)
        with_context = model.network.sees_context
        return cls(data, settings, model.card.standardise, needs, with_context, cache or default_cache(), with_votes)

    def open(self) -> Dataset:
        """Open the data set and check it, without reading EEG."""
        return open_dataset(
            self.data,
            self.settings,
            with_context=self.with_context,
            needs=self.needs,
            short=self.standardise.short,
            with_votes=self.with_votes,
        )

    def prepare(self, dataset: Dataset, progress: Progress = silent) -> WindowArray:
        """Return the windows of the opened data set, from the cache if they are there."""
        missing = self.settings.context_missing if self.with_context else None
        return prepare(dataset, self.standardise, self.cache, progress, needs=self.needs, context_missing=missing)

    def absolute(self) -> Self:
        """Return the same source with absolute paths, for processes with another working directory."""
        data = str(Path(self.data).absolute()) if Path(self.data).exists() else self.data
        return replace(self, data=data, cache=self.cache.absolute())


def needs_context(arm: str) -> bool:
    """Return whether an arm, or one of its parts, uses the ten minutes around a window."""
    return any(find_arm(part).sees_context for part in trained_arms([arm]))


def check_stream(data: str, trained: Sequence[str], recipe: Recipe) -> None:
    """Refuse to train only on a stream if other data than 'sim' are given, since they would never be used.

    Raises
    ------
    RecipeError
        In that case, or if the recipe does not train one of the arms.
    """
    for arm in trained:
        if recipe.training_of(arm).only_streams and data != "sim":
            raise RecipeError(
                f"recipe '{recipe.name}' trains '{arm}' on a stream of simulated windows, so '{data}' would never be "
                "used for training; allowed is 'sim', a real_share above 0, or another recipe ('finetune' continues "
                "from a trained model)"
            )
