"""Training: recipes, the loop, and units that can be resumed."""

from ictal.training.loop import fit
from ictal.training.recipe import Recipe, TrainingSettings, load_recipe
from ictal.training.units import RunFolder, Unit, run_unit

__all__ = ["Recipe", "RunFolder", "TrainingSettings", "Unit", "fit", "load_recipe", "run_unit"]
