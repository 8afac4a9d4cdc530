"""Build a recipe from options."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ictal.recipes import Recipe


def recipe_of(name: str, overrides: Sequence[str] | None, seed: int | None, folds: int | None = None) -> "Recipe":
    """Return a recipe with the overrides of the options."""
    from ictal.recipes import load_recipe

    chosen = list(overrides or ())
    chosen += [f"seed={seed}"] if seed is not None else []
    chosen += [f"data.folds={folds}"] if folds is not None else []
    return load_recipe(name, chosen)
