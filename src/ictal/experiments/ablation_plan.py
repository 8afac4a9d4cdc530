"""Plan an ablation: which arms it trains and compares. Invalid requests are refused here, before training."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from ictal.core.settings import Settings
from ictal.data import check_folds, open_dataset
from ictal.distributed import Cluster
from ictal.errors import RecipeError, RunError
from ictal.experiments.data_source import check_stream, needs_context
from ictal.experiments.learning_curve import curve_arms
from ictal.models.arms import every_arm, find_arm, trained_arms, weighted_averages
from ictal.models.network_check import check_own_arms
from ictal.recipes import Recipe
from ictal.simulator import CONTROLS
from ictal.training.run_folder import Unit

DEFAULT_ARMS = ("temporal", "spatial", "both", "features")
"""Arms that are compared by default; 'features' only if the recipe trains it."""


class AblationSettings(Settings):
    """Options of `ablate`.

    Attributes
    ----------
    augmentations
        Train one arm as the recipe says, and again with each augmentation added (or removed, if the recipe has it).
        All variants are compared with the arm itself.
    controls
        Also train the arms that use no context on the simulator's four controls, for which it is known what each arm
        can see. This tests networks and statistics, and takes four times as long again. Size and folds are those of
        the recipe.
    learning_curve
        Arms that are also trained on an eighth, a quarter and half of the training patients, three times each.
    cluster
        Where units are trained in parallel; None: one after the other in this process. In a script, call `ablate`
        below ``if __name__ == "__main__":``, since workers import the script.
    threads
        CPU threads per unit; None: all, or one with a cluster. With the same number of threads and the same type of
        CPU, the table does not depend on where units were trained.
    cache
        Folder of the prepared windows; None for the user's cache folder.
    """

    augmentations: bool = False
    controls: bool = False
    learning_curve: tuple[str, ...] = ()
    cluster: Cluster | None = None
    threads: int | None = Field(None, ge=1)
    cache: Path | None = None


@dataclass(frozen=True)
class AblationPlan:
    """What an ablation trains and compares.

    Attributes
    ----------
    recipe
        How arms are trained.
    arms
        The arms that are compared, in the order of the tables.
    with_curve
        Arms with a learning curve.
    on_controls
        Arms that are also trained on the simulator's controls.
    only_to_reference
        Whether arms are compared only with the reference, not with each other.
    """

    recipe: Recipe
    arms: tuple[str, ...]
    with_curve: tuple[str, ...]
    on_controls: tuple[str, ...]
    only_to_reference: bool

    @property
    def trained(self) -> list[str]:
        """The arms that are trained, parts of averages included."""
        return trained_arms(self.arms)

    @property
    def units(self) -> list[Unit]:
        """The units that the tables need."""
        return [
            Unit(arm, fold, self.recipe.seed + number)
            for number in range(self.n_seeds)
            for fold in range(self.recipe.data.folds)
            for arm in self.trained
        ]

    @property
    def n_seeds(self) -> int:
        """How often each network is trained."""
        assert isinstance(self.recipe.seeds, int)  # `plan_ablation` refuses others
        return self.recipe.seeds

    @property
    def reference(self) -> str:
        """The arm with which others are compared."""
        if self.only_to_reference:
            return self.arms[0]
        return "both" if "both" in self.arms else self.arms[-1]


def plan_ablation(data: str, recipe: Recipe, arms: Sequence[str] | None, settings: AblationSettings) -> AblationPlan:
    """Choose the arms of an ablation and check that they can be trained; no EEG of the data set is read.

    Raises
    ------
    IctalError
        If arms, recipe, data and settings are not compatible.
    """
    if not isinstance(recipe.seeds, int):
        raise RecipeError(
            f"seeds is {recipe.seeds}, but an ablation trains all arms from the same seeds; allowed is one number"
        )
    if arms is None:
        arms = [arm for arm in DEFAULT_ARMS if not find_arm(arm).fitted or arm in recipe.training]
    names = _all_arms(data) if list(arms) == ["all"] else list(dict.fromkeys(find_arm(arm).name for arm in arms))
    if settings.augmentations:
        names = _with_variants(names, recipe.with_own_arms(names))
    trained = trained_arms(names)
    recipe = recipe.with_own_arms(trained)
    with_curve = curve_arms(settings.learning_curve, trained)
    check_stream(data, trained, recipe)
    on_controls = _arms_on_controls(names, recipe) if settings.controls else []
    check_own_arms(trained, recipe.models, recipe.standardise)
    return AblationPlan(recipe, tuple(names), tuple(with_curve), tuple(on_controls), settings.augmentations)


def _all_arms(data: str) -> list[str]:
    """Return all arms for a data set; controls have no context."""
    names = [*(arm.name for arm in every_arm()), *weighted_averages()]
    return [name for name in names if not needs_context(name)] if data.startswith("sim:") else names


def _with_variants(names: Sequence[str], recipe: Recipe) -> list[str]:
    """Return the only arm, followed by its variants with each augmentation added or removed."""
    if len(names) != 1 or find_arm(names[0]).trained != (names[0],) or find_arm(names[0]).fitted:
        raise RunError(f"augmentations are compared for one arm that has its own network, not for {', '.join(names)}")
    return [names[0], *recipe.variants_of(names[0])]


def _arms_on_controls(names: Sequence[str], recipe: Recipe) -> list[str]:
    """Return the arms that can be trained on controls, and check that controls can be divided into folds."""
    found = [name for name in names if not needs_context(name)]
    if not found:
        raise RunError(f"controls have no context, which {', '.join(names)} need; add other arms")
    for control in CONTROLS:
        outline = open_dataset(f"sim:{control}", recipe.data).outline
        check_folds(outline, recipe.data.folds, recipe.data.test_share)
    return found
