"""Units (one arm, fold and seed), and the run folder that stores their results."""

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
from ictal.models.arms import VARIANT, file_name
from ictal.recipes.loading import differences, parse, to_yaml
from ictal.recipes.schema import Recipe

DONE = "done.json"
MANIFEST = "manifest.json"
RECIPE = "recipe.yaml"
PREDICTIONS = "predictions.parquet"
OWN_ARMS = "own_arms"
"""Key of manifests: where the code of the run's own arms is, by name."""
BEGUN_WITH = "begun_with"
"""Key of manifests and cards: the model with whose weights the training began."""


@dataclass(frozen=True)
class Unit:
    """One arm trained on all folds but one, from one seed.

    Attributes
    ----------
    arm, fold, seed
        The arm, the fold left out, and the seed.
    patients
        For a learning curve, the number of training patients, drawn by the seed; None for all.
    """

    arm: str
    fold: int
    seed: int
    patients: int | None = None

    @property
    def name(self) -> str:
        """Name in tables, manifests and progress; `file_name` of it is the name of its folder."""
        return f"{self.arm}{self._of_patients}-fold{self.fold}-seed{self.seed}"

    @property
    def _of_patients(self) -> str:
        return "" if self.patients is None else f"-{self.patients}patients"

    @property
    def seed_name(self) -> str:
        """The name without changes of its training, so that a variant has the same random numbers."""
        return f"{self.arm.partition(VARIANT)[0]}{self._of_patients}-fold{self.fold}-seed{self.seed}"

    def training_rows(self, patients: npt.NDArray[np.object_], folds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the rows to train on, given patient and fold of each row.

        With the same fold and seed, a smaller set of patients is a subset of a larger one.
        """
        rows = np.flatnonzero((folds != self.fold) & (folds != TEST))
        if self.patients is None:
            return rows
        names = sorted({*patients[rows]})
        drawn = np.random.default_rng((self.seed, self.fold, 3)).permutation(names)[: self.patients]
        return rows[np.isin(patients[rows].astype(str), drawn.astype(str))]


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run, which has one recipe and one data set."""

    path: Path

    def unit(self, unit: Unit) -> Path:
        """Return the folder of a unit."""
        return self.path / "units" / file_name(unit.name)

    def is_done(self, unit: Unit) -> bool:
        """Return whether a unit is done."""
        return (self.unit(unit) / DONE).is_file()

    def predictions(self, unit: Unit) -> Predictions:
        """Return the predictions of a finished unit."""
        return Predictions.read(self.unit(unit) / PREDICTIONS)

    @contextmanager
    def claim(self, recipe: Recipe, manifest: dict[str, Any]) -> Iterator[None]:
        """Lock the folder for this recipe and data while the block runs.

        Raises
        ------
        RunError
            If the folder contains a run with another recipe, data set or initial model, or other files, or is in use
            by another process.
        """
        if self.path.exists() and not self.path.is_dir():
            raise RunError(f"{self.path}: is a file; a run needs a folder")
        has_run = (self.path / RECIPE).is_file() and (self.path / MANIFEST).is_file()
        if not has_run and self.path.is_dir() and any(self.path.glob("[!.]*")):
            raise RunError(f"{self.path}: contains files but no run; choose a new or empty folder with --out")
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.path / ".lock", timeout=0):
                for folder in (self.path, *self.path.glob("*/*/")):
                    remove_partial_files(folder)
                if has_run:
                    self._resume(recipe, manifest)
                else:
                    write_json(self.path / MANIFEST, manifest)
                    write_text(self.path / RECIPE, to_yaml(recipe))
                yield
        except Timeout as error:
            raise RunError(f"{self.path}: another process is using this run folder") from error

    def _resume(self, recipe: Recipe, manifest: dict[str, Any]) -> None:
        """Check that this is the run of the folder, to which own arms may be added."""
        stored = parse((self.path / RECIPE).read_text(encoding="utf-8"), str(self.path / RECIPE))
        recipe, joined = recipe.with_own_arms_of(stored), stored.with_own_arms_of(recipe)
        changed = differences(recipe, joined)
        of_folder = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
        was, now = of_folder["data_fingerprint"], manifest["data_fingerprint"]
        if was != now:
            changed.append(f"data: {was} in the folder, {now} now (fingerprints)")
        if of_folder.get(BEGUN_WITH) != manifest.get(BEGUN_WITH):
            changed.append(
                f"initial model: {of_folder.get(BEGUN_WITH)} in the folder, {manifest.get(BEGUN_WITH)} now"
            )
        code = manifest[OWN_ARMS] | of_folder.get(OWN_ARMS, {})
        changed += [
            f"code of the arm '{arm}': {code[arm]} in the folder, {now} now"
            for arm, now in manifest[OWN_ARMS].items()
            if code[arm] != now
        ]
        if changed:
            lines = "".join(f"\n  - {line}" for line in changed)
            raise RunError(
                f"{self.path}: is a run with another recipe or other data:{lines}\n"
                "Choose another folder with --out, or repeat the command that created this one"
            )
        write_json(self.path / MANIFEST, of_folder | {OWN_ARMS: code})
        write_text(self.path / RECIPE, to_yaml(joined))
