"""The learning curve of an ablation: the extra units that it needs, and how they are summarised."""

from collections.abc import Sequence

from ictal.core.predictions import concatenate
from ictal.data import TEST
from ictal.errors import RunError
from ictal.evaluation import LearningCurve, learning_curve
from ictal.models.arms import find_arm
from ictal.training.run_folder import Unit
from ictal.training.unit import RunSetup

PARTS = (8, 4, 2)
"""The curve has an eighth, a quarter and half of a fold's training patients, besides all of them."""
DRAWS = 3
"""How often each number of patients is drawn per fold; smaller draws are subsets of larger ones."""
MIN_PATIENTS = 2
"""Smallest number of training patients."""


def curve_arms(names: Sequence[str], trained: Sequence[str]) -> list[str]:
    """Return the arms that get a learning curve, each once.

    Parameters
    ----------
    names
        As the user gives them.
    trained
        Arms that the ablation trains; their units are the last point of the curve.

    Raises
    ------
    RunError
        For an arm that is not trained on its own in this run.
    """
    possible = [name for name in trained if not find_arm(name).branches]
    chosen = list(dict.fromkeys(find_arm(name).name for name in names))
    if wrong := [name for name in chosen if name not in possible]:
        raise RunError(
            f"no learning curve for {', '.join(wrong)}; allowed are arms that this run trains on their own: "
            f"{', '.join(possible)}"
        )
    return chosen


def curve_units(arms: Sequence[str], setup: RunSetup) -> list[Unit]:
    """Return the units of a learning curve, except those on all patients, which the ablation has anyway."""
    everyone = _n_training_patients(setup)
    sizes = sorted({size for part in PARTS if MIN_PATIENTS <= (size := round(everyone / part)) < everyone})
    return [
        Unit(arm, fold, setup.recipe.seed + draw, size)
        for arm in arms
        for size in sizes
        for draw in range(DRAWS)
        for fold in range(setup.recipe.data.folds)
    ]


def curve_of(arms: Sequence[str], units: Sequence[Unit], setup: RunSetup) -> LearningCurve:
    """Return the learning curve of an ablation whose units are done.

    Parameters
    ----------
    arms
        The arms of the curve.
    units
        All units of the ablation, including those of the curve.
    setup
        Of the run.
    """
    everyone, recipe = _n_training_patients(setup), setup.recipe
    tables = {}
    for arm in arms:
        own = [unit for unit in units if unit.arm == arm]
        for size in sorted({unit.patients or everyone for unit in own}):
            of_size = [setup.folder.predictions(unit) for unit in own if (unit.patients or everyone) == size]
            tables[arm, size] = concatenate([table.select(split="cv") for table in of_size])
    return learning_curve(tables, recipe.evaluation.n_resamples, recipe.seed, recipe.evaluation.confidence)


def _n_training_patients(setup: RunSetup) -> int:
    """Return the number of training patients in the fold with the fewest."""
    patients, folds = setup.patients, setup.folds
    left_in = [(folds != fold) & (folds != TEST) for fold in range(setup.recipe.data.folds)]
    return min(len({*patients[rows]}) for rows in left_in)
