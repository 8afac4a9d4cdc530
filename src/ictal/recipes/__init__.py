"""Recipes: all settings of a training run, as YAML files that come with ictal or are your own."""

from ictal.recipes.loading import load_recipe, recipe_names
from ictal.recipes.schema import Recipe
from ictal.recipes.stages import TrainingSettings

__all__ = ["Recipe", "TrainingSettings", "load_recipe", "recipe_names"]
