"""The learning curve of an ablation: the units that it needs beside the others, and what comes of them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ictal.core.predictions import concatenate
from ictal.data import TEST, WindowArray
from ictal.errors import RunError
from ictal.evaluation import LearningCurve, learning_curve
from ictal.models.arms import find_arm
from ictal.recipes import Recipe
from ictal.training.run_folder import RunFolder, Unit

PARTS = (8, 4, 2)
"""The curve has an eighth, a quarter and half of a fold's training patients beside all of them."""
DRAWS = 3
"""How many times patients are drawn of each number, per fold; the larger numbers hold the smaller."""
LEAST = 2
"""Patients that an arm is trained on at the least."""


def curve_arms(names: Sequence[str], trained: Sequence[str]) -> list[str]:
    """Return the arms of which a learning curve is asked for, each once.

    Parameters
    ----------
    names
        As the user gives them.
    trained
        Arms that the ablation trains, whose own units are the curve's last point.

    Raises
    ------
    RunError
        For an arm that is not trained by itself here.
    """
    possible = [name for name in trained if not find_arm(name).branches]
    chosen = list(dict.fromkeys(find_arm(name).name for name in names))
    if wrong := [name for name in chosen if name not in possible]:
        raise RunError(
            f"there is no learning curve of {', '.join(wrong)}; allowed are arms of this run that are trained by "
            f"themselves: {', '.join(possible)}"
        )
    return chosen


def curve_units(arms: Sequence[str], array: WindowArray, folds: npt.NDArray[np.int64], recipe: Recipe) -> list[Unit]:
    """Return the units of a learning curve but for those of all patients, which an ablation has anyway."""
    everyone = _n_training_patients(array, folds, recipe)
    sizes = sorted({size for part in PARTS if LEAST <= (size := round(everyone / part)) < everyone})
    return [
        Unit(arm, fold, recipe.seed + draw, size)
        for arm in arms
        for size in sizes
        for draw in range(DRAWS)
        for fold in range(recipe.data.folds)
    ]


def curve_of(
    arms: Sequence[str],
    units: Sequence[Unit],
    folder: RunFolder,
    array: WindowArray,
    folds: npt.NDArray[np.int64],
    recipe: Recipe,
) -> LearningCurve:
    """Return the learning curve of an ablation whose units are done.

    Parameters
    ----------
    arms
        Whose curve.
    units
        All of the ablation, those of the curve among them.
    folder, array, folds, recipe
        Of the run.
    """
    everyone, options = _n_training_patients(array, folds, recipe), recipe.evaluation
    tables = {}
    for arm in arms:
        own = [unit for unit in units if unit.arm == arm]
        for size in sorted({unit.patients or everyone for unit in own}):
            of_size = [folder.predictions(unit) for unit in own if (unit.patients or everyone) == size]
            tables[arm, size] = concatenate([table.select(split="cv") for table in of_size])
    return learning_curve(tables, options.n_resamples, recipe.seed, options.confidence)


def _n_training_patients(array: WindowArray, folds: npt.NDArray[np.int64], recipe: Recipe) -> int:
    """Return how many patients are trained on, in the fold that has the fewest."""
    patients = array.labels["patient_id"].to_numpy()
    left_in = [(folds != fold) & (folds != TEST) for fold in range(recipe.data.folds)]
    return min(len({*patients[rows]}) for rows in left_in)
