"""Train the units of an ablation: one after the other in this process, or in parallel on Dask."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Self

import torch
from filelock import FileLock

from ictal.core.progress import Progress
from ictal.distributed import Cluster, LostWorkerError, open_cluster, spread
from ictal.errors import RunError
from ictal.experiments.data_source import DataSource
from ictal.models.arms import find_arm, own_code
from ictal.models.plugins import load_files
from ictal.recipes.loading import parse, to_yaml
from ictal.training.run_folder import RunFolder, Unit
from ictal.training.unit import RunSetup, run_unit


@dataclass(frozen=True)
class UnitDone:
    """A finished unit: its duration in seconds, 0 if it was done before, and the warnings that it raised."""

    unit: Unit
    seconds: float
    warnings: tuple[str, ...]


def run_units_here(units: Sequence[Unit], setup: RunSetup, progress: Progress) -> Iterator[UnitDone]:
    """Train units one after the other in this process."""
    for done, unit in enumerate(units):
        with _recorded_warnings() as messages:
            seconds = run_unit(unit, setup, _within(progress, done, len(units)))
        yield UnitDone(unit, seconds, tuple(messages))
    progress("all units", len(units), len(units))


@dataclass(frozen=True)
class RunReference:
    """All that a worker needs to open the windows, folds and recipe of a run again.

    Attributes
    ----------
    source
        Where the windows come from; a worker that does not share the cache prepares its own.
    recipe
        As YAML.
    fingerprints
        Of the window array.
    data
        Name of the data set, for model cards.
    folder
        The run folder, which all workers must share.
    threads
        Torch threads per unit.
    own_arms
        Name and file of each own arm; a worker runs the file unless a package on it has the arm.
    """

    source: DataSource
    recipe: str
    fingerprints: str
    data: str
    folder: Path
    threads: int
    own_arms: tuple[tuple[str, Path], ...] = ()

    @classmethod
    def of(cls, setup: RunSetup, source: DataSource, threads: int, arms: Sequence[str]) -> Self:
        """Return a reference to a run that trains these arms; paths become absolute.

        Raises
        ------
        RunError
            If an own arm is in no file, so that workers could not know it.
        """
        folder, fingerprints = setup.folder.path.absolute(), setup.array.fingerprints
        files = {name: find_arm(name).file for name in own_code(arms)}
        if without := [name for name, file in files.items() if file is None]:
            raise RunError(
                f"the arm '{without[0]}' is in no file, so that workers do not know it; write it to a file, and load "
                "that with --plugin (in Python: ictal.load_plugin)"
            )
        own = tuple((name, file) for name, file in files.items() if file)
        return cls(source.absolute(), to_yaml(setup.recipe), fingerprints, setup.data, folder, threads, own)


def run_units_on(
    cluster: Cluster, units: Sequence[Unit], reference: RunReference, progress: Progress
) -> Iterator[UnitDone]:
    """Train units on the workers of a cluster; units that start from the weights of others come second.

    Raises
    ------
    RunError
        If the scheduler is lost, or the worker of a unit dies in every attempt.
    """
    folder = RunFolder(reference.folder)
    remaining = [unit for unit in units if not folder.is_done(unit)]
    waves = [[unit for unit in remaining if bool(find_arm(unit.arm).branches) == later] for later in (False, True)]
    done = len(units) - len(remaining)
    progress("all units", done, len(units))
    with open_cluster(cluster) if remaining else nullcontext() as client:
        for finished in (
            one for wave in waves if client for one in spread(client, partial(run_there, reference), wave)
        ):
            if isinstance(finished.error, LostWorkerError):
                raise RunError(f"unit {finished.job.name}: {finished.error} ({finished.tries} tries)")
            if finished.result is None:
                raise finished.error or RunError(f"unit {finished.job.name}: the worker returned no result")
            done += 1
            progress("all units", done, len(units))
            yield finished.result


def run_there(reference: RunReference, unit: Unit) -> UnitDone:
    """Train a unit in a worker process, unless another worker has done it."""
    torch.set_num_threads(reference.threads)
    setup = _opened(reference)
    folder = setup.folder.unit(unit)
    folder.mkdir(parents=True, exist_ok=True)
    # A worker that was given up because it could not be reached may still be training this unit.
    with FileLock(folder / ".lock"), _recorded_warnings() as messages:
        seconds = run_unit(unit, setup)
    return UnitDone(unit, seconds, tuple(messages))


@lru_cache(maxsize=1)
def _opened(reference: RunReference) -> RunSetup:
    """Return the setup of a run, opened once per process."""
    if not reference.folder.is_dir():
        raise RunError(f"{reference.folder}: not found on a worker; a run needs a folder that all workers share")
    load_files(reference.own_arms)
    recipe = parse(reference.recipe, "the recipe of the run")
    array = reference.source.prepare(reference.source.open())
    if array.fingerprints != reference.fingerprints:
        raise RunError(f"{reference.source.data}: differs between a worker and the machine that started the run")
    return RunSetup.divided(array, recipe, RunFolder(reference.folder), reference.data)


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Set the number of torch threads within a block."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _within(progress: Progress, done: int, total: int) -> Progress:
    """Return a progress hook for one unit, which also advances the progress of all units."""

    def report(task: str, batches: float, of_batches: float) -> None:
        progress(task, batches, of_batches)
        progress("all units", done + 0.99 * batches / of_batches, total)

    return report


@contextmanager
def _recorded_warnings() -> Iterator[list[str]]:
    """Collect the warnings of a block for manifest and report, and raise them again at its end."""
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        yield messages
    for warning in caught:
        if issubclass(warning.category, UserWarning):
            messages.append(str(warning.message))
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
