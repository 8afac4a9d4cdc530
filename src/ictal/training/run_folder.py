"""Units (one arm, fold and seed), and the run folder that keeps what each has made."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from ictal.core.atomic_files import remove_partial_files, write_json, write_text
from ictal.core.predictions import Predictions
from ictal.data import TEST
from ictal.errors import RunError
from ictal.models.arms import VARIANT
from ictal.recipes.loading import differences, parse, to_yaml
from ictal.recipes.schema import Recipe

DONE = "done.json"
MANIFEST = "manifest.json"
RECIPE = "recipe.yaml"
PREDICTIONS = "predictions.parquet"
BEGUN_WITH = "begun_with"
"""Key of a manifest: the model whose weights a training begins with."""


@dataclass(frozen=True)
class Unit:
    """One arm trained on all folds but one, from one seed.

    Attributes
    ----------
    arm, fold, seed
        Which.
    patients
        Of a learning curve: on how many of the patients, drawn by the seed; None: on all.
    """

    arm: str
    fold: int
    seed: int
    patients: int | None = None

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.arm}{self._of_patients}-fold{self.fold}-seed{self.seed}"

    @property
    def _of_patients(self) -> str:
        return "" if self.patients is None else f"-{self.patients}patients"

    @property
    def stream(self) -> str:
        """The name without what is changed in its training, so that a variant differs in nothing else."""
        return f"{self.arm.partition(VARIANT)[0]}{self._of_patients}-fold{self.fold}-seed{self.seed}"

    def training_rows(self, patients: npt.NDArray[np.object_], folds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the rows to train on, given patient and fold of each row.

        Of one fold and seed, those of fewer patients are among those of more.
        """
        rows = np.flatnonzero((folds != self.fold) & (folds != TEST))
        if self.patients is None:
            return rows
        names = sorted({*patients[rows]})
        drawn = np.random.default_rng((self.seed, self.fold, 3)).permutation(names)[: self.patients]
        return rows[np.isin(patients[rows].astype(str), drawn.astype(str))]


@dataclass(frozen=True)
class RunFolder:
    """A folder that belongs to one recipe and one data set."""

    path: Path

    def unit(self, unit: Unit) -> Path:
        """Return the folder of a unit."""
        return self.path / "units" / unit.name

    def is_done(self, unit: Unit) -> bool:
        """Tell whether a unit has left its mark."""
        return (self.unit(unit) / DONE).is_file()

    def predictions(self, unit: Unit) -> Predictions:
        """Return what a finished unit predicted."""
        return Predictions.read(self.unit(unit) / PREDICTIONS)

    @contextmanager
    def claim(self, recipe: Recipe, fingerprint: str, manifest: dict[str, Any]) -> Iterator[None]:
        """Take the folder for this recipe and data, alone, for as long as the block runs.

        Raises
        ------
        RunError
            If the folder holds a run of another recipe or data, or one that began with another model, or something
            else; or another process is at work in it.
        """
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self.path}: is a file; a run needs a folder")
        held = (self.path / RECIPE).is_file() and (self.path / MANIFEST).is_file()
        if not held and self.path.is_dir() and any(self.path.glob("[!.]*")):
            raise RunError(f"{self.path}: holds files but no run; name a new or empty folder by --out")
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.path / ".lock", timeout=0):
                for folder in (self.path, *self.path.glob("*/*/")):
                    remove_partial_files(folder)
                if held:
                    self._check(recipe, fingerprint, manifest.get(BEGUN_WITH))
                else:
                    write_json(self.path / MANIFEST, manifest)
                    write_text(self.path / RECIPE, to_yaml(recipe))
                yield
        except Timeout as error:
            raise RunError(f"{self.path}: another process is at work in this run folder") from error

    def _check(self, recipe: Recipe, fingerprint: str, begun_with: dict[str, str] | None) -> None:
        stored = parse((self.path / RECIPE).read_text(encoding="utf-8"), str(self.path / RECIPE))
        changed = differences(recipe, stored)
        manifest = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
        of_folder = manifest["data_fingerprint"]
        if of_folder != fingerprint:
            changed.append(f"data: {of_folder} in the folder, {fingerprint} now (fingerprints)")
        if manifest.get(BEGUN_WITH) != begun_with:
            changed.append(f"began with: {manifest.get(BEGUN_WITH)} in the folder, {begun_with} now")
        if changed:
            lines = "".join(f"\n  - {line}" for line in changed)
            raise RunError(
                f"{self.path}: is a run of another recipe or of other data:{lines}\n"
                "Name another folder by --out, or repeat the command that made this one"
            )
