"""Collect the real EEG next to the project: one table of labelled windows, manifests of it, predictions and folds.

Nothing is copied: manifests name the files by absolute paths and are written into a folder that the caller chooses.
Run as a script, it prints how many windows and patients there are.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from _machine import SHARED
from ictal.core.atomic_files import atomic_write
from ictal.core.labels import PATTERNS, VOTE_COLUMNS, top_patterns
from ictal.core.predictions import Predictions
from ictal.core.windows import CENTRE_S
from ictal.data import WindowArray, assign_folds, open_dataset, prepare
from ictal.data.hms import EEGS, TABLE
from ictal.data.manifest import MANIFEST_COLUMNS
from ictal.experiments.model_evaluation import evaluate_model
from ictal.io import open_recording
from ictal.preprocessing.input_needs import Needs
from ictal.preprocessing.settings import StandardiseSettings
from ictal.recipes import Recipe, load_recipe
from real_seizures import kind_of

VOTED, CLIPS = ("iiic", "pages"), "seizure"
"""Sets of segments that experts labelled, and the set of clips, which are windows with a known kind."""
SETS = (*VOTED, CLIPS)
PANELS: Mapping[str, Mapping[str, int]] = {"seizure": {"seizure": 3}, "after": {"other": 3}, "healthy": {"other": 3}}
"""Votes of a window of a clip, by its kind; see `real_seizures.kind_of`."""


def real_windows(
    sets: Collection[str] = SETS, panels: Mapping[str, Mapping[str, int]] = PANELS, step_s: float = CENTRE_S
) -> pd.DataFrame:
    """Return a row per labelled window of real EEG: the columns of a manifest and 'set'.

    Patients are named by set and number ('iiic-3', 'pages-7', 'seizure-chb01'); pages of one day are one patient.

    Parameters
    ----------
    sets
        Which of `SETS`.
    panels
        Votes of a window of a clip, by its kind; windows of other kinds are left out.
    step_s
        Distance between windows of a clip.
    """
    found = [_clips(panels, step_s) if name == CLIPS else _voted(name) for name in SETS if name in sets]
    return pd.concat(found, ignore_index=True)[[*MANIFEST_COLUMNS, "set"]]


def _voted(name: str) -> pd.DataFrame:
    """Return the segments of a folder in HMS layout; each is one recording, labelled in its middle."""
    table = pd.read_csv(SHARED / name / TABLE, dtype={"eeg_id": str, "patient_id": str})
    return table.assign(
        file=[str(SHARED / name / EEGS / f"{eeg}.parquet") for eeg in table["eeg_id"]],
        centre_s=(table["seconds"] - CENTRE_S) / 2,
        patient_id=f"{name}-" + table["patient_id"],
        set=name,
    )


def _clips(panels: Mapping[str, Mapping[str, int]], step_s: float) -> pd.DataFrame:
    rows = []
    for clip in pd.read_csv(SHARED / CLIPS / "labels.csv").itertuples():
        path = SHARED / CLIPS / str(clip.file)
        seizure_s = (float(clip.seizure_start_s), float(clip.seizure_end_s))
        for begin_s in np.arange(0, open_recording(path).duration_s - CENTRE_S + 1e-6, step_s).tolist():
            kind = kind_of(str(clip.file), begin_s, begin_s + CENTRE_S, seizure_s)
            if kind in panels:
                votes = (panels[kind].get(pattern, 0) for pattern in PATTERNS)
                rows.append((str(path), begin_s, f"{CLIPS}-{clip.patient_id}", *votes))
    return pd.DataFrame(rows, columns=[*MANIFEST_COLUMNS]).assign(set=CLIPS)


def write_manifest(windows: pd.DataFrame, path: Path, patients: Collection[str] | None = None) -> Path:
    """Write the windows of some patients (None: of all) as a manifest, and return its path."""
    chosen = windows if patients is None else windows[windows["patient_id"].isin([*patients])]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part:
        chosen[[*MANIFEST_COLUMNS]].to_csv(part, index=False)
    return path


def sets_of(patients: npt.ArrayLike) -> npt.NDArray[np.str_]:
    """Return the set of each patient, [row], from ids like 'iiic-3'."""
    return np.array([str(patient).partition("-")[0] for patient in np.asarray(patients)])


def real_array(
    needs: Needs, standardise: StandardiseSettings, folder: Path, windows: pd.DataFrame | None = None
) -> WindowArray:
    """Return real windows as input of models; the column 'set' of `labels` names the set.

    Parameters
    ----------
    needs
        What the models need, such as ``needs_of(model.network)``.
    standardise
        How recordings become input: that of the models.
    folder
        Of the manifest and the cache.
    windows
        From `real_windows`; None for the segments that experts labelled.
    """
    path = write_manifest(real_windows(VOTED) if windows is None else windows, folder / "windows.csv")
    dataset = open_dataset(str(path), _recipe().data, needs=needs, short=standardise.short)
    array = prepare(dataset, standardise, folder / "cache", needs=needs)
    return replace(array, labels=array.labels.assign(set=sets_of(array.labels["patient_id"])))


def real_predictions(model: str | Path, folder: Path, windows: pd.DataFrame | None = None) -> Predictions:
    """Return the predictions of a saved model for real windows, in the order of `windows`."""
    path = write_manifest(real_windows(VOTED) if windows is None else windows, folder / "windows.csv")
    return evaluate_model(model, str(path), _recipe(), folder / "cache")[1]


def _recipe() -> Recipe:
    return load_recipe("quick", ["evaluation.n_resamples=100"])  # its intervals are not used


def real_folds(labels: pd.DataFrame, n_folds: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """Return the fold of each window, [window]; no patient is in two, and folds are alike in sets and top patterns.

    Parameters
    ----------
    labels
        A table from `real_windows`, the labels of an array, or the frame of predictions.
    n_folds
        At most the number of patients in the smallest set.
    seed
        Seed of the assignment.
    """
    labels = labels.drop(columns="fold", errors="ignore")  # a column of predictions
    labels = labels if "eeg_id" in labels else labels.assign(eeg_id=labels["file"])
    names = sets_of(labels["patient_id"])
    folds = np.empty(len(labels), dtype=np.int64)
    for number, name in enumerate(np.unique(names)):
        own = names == name
        folds[own] = assign_folds(labels[own].reset_index(drop=True), n_folds, 0.0, seed + 1000 * number)
    return folds


def main() -> None:
    windows = real_windows()
    top = top_patterns(windows[[*VOTE_COLUMNS]].to_numpy())
    counts = pd.DataFrame(top, columns=[*PATTERNS]).groupby(windows["set"]).sum()
    counts.insert(0, "patients", windows.groupby("set")["patient_id"].nunique())
    counts.insert(1, "windows", windows.groupby("set").size())
    print(counts.to_string())


if __name__ == "__main__":
    main()
