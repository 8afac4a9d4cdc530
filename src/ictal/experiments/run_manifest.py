"""The manifest of a run: how, when and where it was made, and from which data."""

import json
import os
import platform
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import metadata
from typing import Any

import torch

from ictal import __version__
from ictal.core.atomic_files import write_json
from ictal.core.labels import PANELS, PATTERNS, STRATA, VOTE_COLUMNS, panels, pattern_counts, strata
from ictal.data import TEST
from ictal.experiments.units import UnitDone
from ictal.models.arms import own_code
from ictal.training.run_folder import MANIFEST, OWN_ARMS, RunFolder
from ictal.training.unit import RunSetup

PACKAGES = ("torch", "torchvision", "timm", "lightning", "mne", "numpy", "scipy", "pandas", "pyarrow")


def new_manifest(setup: RunSetup, arms: Sequence[str]) -> dict[str, Any]:
    """Return the manifest of a run that trains these arms, before its first unit is trained."""
    recipe, array, folds = setup.recipe, setup.array, setup.folds
    labels, in_test = array.labels, folds == TEST
    votes = labels[list(VOTE_COLUMNS)].to_numpy()
    return {
        "ictal_version": __version__,
        "recipe": recipe.name,
        "seed": recipe.seed,
        "data": setup.data,
        "data_fingerprint": array.fingerprints,
        OWN_ARMS: {name: code.model_dump() for name, code in own_code(arms).items()},
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(),
            "processors": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpus": torch.cuda.device_count(),
        },
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "windows": {
            "used": len(labels),
            "refused": len(array.refused),
            "refused_because": f"more than {recipe.standardise.max_missing:.0%} of the samples missing or flat",
            "refused_ids": array.refused["window_id"].tolist()[:100],
            "with_missing_samples": int((labels["missing_share"] > 0).sum()),
            "with_flat_electrodes": int((labels["flat_electrodes"] > 0).sum()),
            "partly_made_up": int((labels["made_up_share"] > 0).sum()),
            "filled_by": recipe.standardise.fill,
            "made_up_by": recipe.standardise.short,
        },
        "eegs": int(labels["eeg_id"].nunique()),
        "patients": int(labels["patient_id"].nunique()),
        "test_patients": int(labels.loc[in_test, "patient_id"].nunique()),
        "patients_per_fold": [
            int(labels.loc[folds == fold, "patient_id"].nunique()) for fold in sorted(set(folds[~in_test].tolist()))
        ],
        "windows_per_pattern": dict(zip(PATTERNS, pattern_counts(votes), strict=True)),
        "windows_per_stratum": {
            **{name: Counter(strata(votes).tolist())[name] for name in STRATA},
            **{name: Counter(panels(votes).tolist())[name] for name in PANELS},
        },
        "seconds": {},
        "warnings": [],
    }


def record_units(running: Iterable[UnitDone], folder: RunFolder) -> dict[str, Any]:
    """Add the seconds and warnings of each unit to the folder's manifest as the unit ends; return the manifest."""
    manifest: dict[str, Any] = json.loads((folder.path / MANIFEST).read_text(encoding="utf-8"))
    for done in running:
        if done.seconds:
            manifest["seconds"][done.unit.name] = round(done.seconds, 1)
        manifest["warnings"] = sorted({*manifest["warnings"], *done.warnings})
        write_json(folder.path / MANIFEST, manifest)
    return manifest
