"""What experiments have in common: the cache, what arms need to be given, streams."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ictal.data.window_array import default_cache
from ictal.errors import RecipeError
from ictal.models.arms import find_arm, trained_arms
from ictal.models.input_needs import needs_of_arms
from ictal.preprocessing.input_needs import Needs
from ictal.recipes import Recipe
from ictal.recipes.augmentation import AugmentSettings


def check_stream(data: str, trained: Sequence[str], recipe: Recipe) -> None:
    """Refuse what the recipe does not say how to train, and a stream for data that it would never show."""
    for arm in trained:
        if recipe.training_of(arm).stream and data != "sim":
            raise RecipeError(
                f"recipe '{recipe.name}' trains '{arm}' on a stream of simulated windows, so that '{data}' would "
                "never be trained on; allowed is 'sim', or another recipe ('finetune' goes on from a trained model)"
            )


def training_needs(arms: Sequence[str], recipe: Recipe) -> Needs:
    """Return what arms must be given: where electrodes are swapped in training, voltages between any two of them."""
    needs = needs_of_arms(arms, recipe.models)
    changes = [getattr(recipe.training_of(arm), "augment", AugmentSettings()) for arm in arms]
    swapped = any(augment.swap_neighbours or augment.swap_any for augment in changes)
    return replace(needs, derivations=None) if swapped else needs


def needs_context(arm: str) -> bool:
    """Return whether an arm, or one of its parts, uses the ten minutes around a window."""
    return any(find_arm(part).sees_context for part in trained_arms([arm]))


def cache_folder(cache: str | Path | None) -> Path:
    """Return the folder of prepared windows: the given one, or that of the user."""
    return Path(cache) if cache else default_cache()


def absolute_data(data: str) -> str:
    """Return DATA as a worker elsewhere can name it."""
    return str(Path(data).absolute()) if Path(data).exists() else data
