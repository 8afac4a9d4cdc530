"""The units of an ablation: what each is trained on, one after the other in this process, or side by side on Dask."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from filelock import FileLock

from ictal.core.progress import Progress, silent
from ictal.data import Dataset, DataSettings, WindowArray, assign_folds, check_folds, open_dataset, prepare
from ictal.distributed import Cluster, LostWorkerError, open_cluster, spread
from ictal.errors import FoldError, RunError
from ictal.models.arms import find_arm
from ictal.preprocessing.input_needs import Needs
from ictal.preprocessing.settings import StandardiseSettings
from ictal.recipes import Recipe
from ictal.recipes.loading import parse
from ictal.training.run_folder import RunFolder, Unit
from ictal.training.unit import run_unit

Folds = npt.NDArray[np.int64]


@dataclass(frozen=True)
class UnitData:
    """What the units of an ablation are trained on; a worker finds it again by these words.

    Attributes
    ----------
    data
        What the user calls DATA.
    recipe
        As YAML.
    cache
        Folder of the array of windows; a worker that does not share it makes its own.
    with_context
        Whether an arm looks at contexts.
    needs
        What the arms look at.
    fingerprints
        Of the array.
    name
        Of the data set, for cards.
    run
        The run folder, which all workers share.
    threads
        Of torch, per unit.
    """

    data: str
    recipe: str
    cache: Path
    with_context: bool
    needs: Needs
    fingerprints: str
    name: str
    run: Path
    threads: int


@dataclass(frozen=True)
class UnitDone:
    """A unit that has ended: how many seconds it took, 0 where it was done before, and which warnings it raised."""

    unit: Unit
    seconds: float
    warnings: tuple[str, ...]


def open_windows(
    data: str,
    settings: DataSettings,
    settings_of_input: StandardiseSettings,
    with_context: bool,
    needs: Needs,
    cache: Path,
    progress: Progress,
    *,
    folded: bool = False,
) -> tuple[Dataset, WindowArray]:
    """Open a data set and make its windows; where they are to be folded, see first that they can be."""
    needs, short = replace(needs, interpolate=settings.interpolate), settings_of_input.short
    dataset = open_dataset(data, settings, with_context=with_context, needs=needs, short=short)
    if folded:
        check_folds(dataset.outline, settings.folds, settings.test_share)
    missing = settings.context_missing
    array = prepare(
        dataset, settings_of_input, cache, progress, needs=needs, context_missing=missing if with_context else None
    )
    return dataset, array


def folds_of(array: WindowArray, recipe: Recipe) -> Folds:
    """Return the fold of each row of the array, after some windows may have been refused."""
    settings = recipe.data
    folds = assign_folds(array.labels, settings.folds, settings.test_share, recipe.seed)
    empty = sorted(set(range(settings.folds)) - set(folds.tolist()))
    if empty:
        raise FoldError(f"folds {empty} have no windows; choose fewer folds (--folds)")
    return folds


def run_units_here(
    units: Sequence[Unit],
    array: WindowArray,
    folds: Folds,
    recipe: Recipe,
    folder: RunFolder,
    data: str,
    progress: Progress,
) -> Iterator[UnitDone]:
    """Train units one after the other."""
    for done, unit in enumerate(units):
        with _recorded_warnings() as messages:
            seconds = run_unit(unit, array, folds, recipe, folder, data, _within(progress, done, len(units)))
        yield UnitDone(unit, seconds, tuple(messages))
    progress("all units", len(units), len(units))


def run_units_on(cluster: Cluster, units: Sequence[Unit], known: UnitData, progress: Progress) -> Iterator[UnitDone]:
    """Train units wherever a worker is free; those that begin with others come after them.

    Raises
    ------
    RunError
        If the scheduler is lost, or a worker dies of a unit, every time it is tried.
    """
    folder = RunFolder(known.run)
    left = [unit for unit in units if not folder.is_done(unit)]
    waves = [[unit for unit in left if bool(find_arm(unit.arm).branches) == joined] for joined in (False, True)]
    done = len(units) - len(left)
    progress("all units", done, len(units))
    with open_cluster(cluster) if left else nullcontext() as client:
        for finished in (one for wave in waves if client for one in spread(client, partial(run_there, known), wave)):
            if isinstance(finished.error, LostWorkerError):
                raise RunError(f"unit {finished.job.name}: {finished.error} ({finished.tries} tries)")
            if finished.result is None:
                raise finished.error or RunError(f"unit {finished.job.name}: nothing came of it")
            done += 1
            progress("all units", done, len(units))
            yield finished.result


def run_there(known: UnitData, unit: Unit) -> UnitDone:
    """Train a unit in the process of a worker, unless another worker has done it."""
    torch.set_num_threads(known.threads)
    recipe, array, folds = _found_again(known)
    folder = RunFolder(known.run)
    folder.unit(unit).mkdir(parents=True, exist_ok=True)
    # A worker that was given up, since nobody could reach it, may still be at the unit.
    with FileLock(folder.unit(unit) / ".lock"), _recorded_warnings() as messages:
        seconds = run_unit(unit, array, folds, recipe, folder, known.name)
    return UnitDone(unit, seconds, tuple(messages))


@lru_cache(maxsize=1)
def _found_again(known: UnitData) -> tuple[Recipe, WindowArray, Folds]:
    """Return recipe, windows and folds, opened once per process."""
    if not known.run.is_dir():
        raise RunError(f"{known.run}: is not there on a worker; a run must lie in a folder that all workers share")
    recipe = parse(known.recipe, "the recipe of the run")
    settings = recipe.data, recipe.standardise
    _, array = open_windows(known.data, *settings, known.with_context, known.needs, known.cache, silent)
    if array.fingerprints != known.fingerprints:
        raise RunError(f"{known.data}: is another data set on a worker than where the run was started")
    return recipe, array, folds_of(array, recipe)


@contextmanager
def limited_threads(threads: int | None) -> Iterator[None]:
    """Let torch take so many threads within a block; None: as many as it likes."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _within(progress: Progress, done: int, total: int) -> Progress:
    """Return a hook for one of so many units, which moves the bar of all units as well."""

    def tell(task: str, batches: float, of_batches: float) -> None:
        progress(task, batches, of_batches)
        progress("all units", done + 0.99 * batches / of_batches, total)

    return tell


@contextmanager
def _recorded_warnings() -> Iterator[list[str]]:
    """Collect the warnings that are raised, for the manifest and the report, and raise them again at the end."""
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield messages
    for warning in caught:
        if issubclass(warning.category, UserWarning):
            messages.append(str(warning.message))
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
