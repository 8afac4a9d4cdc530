"""Labels of each expert of a panel, with the predictions of a model for the same windows."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.core.ids import case_variants, normalize_id_columns, normalize_ids
from ictal.core.labels import N_PATTERNS, PATTERNS
from ictal.core.predictions import (
    ID_COLUMNS,
    PROBABILITY_COLUMNS,
    SUM_TOLERANCE,
    read_frame,
    require_columns,
    wrong_probabilities,
)
from ictal.errors import TableError, listed, raise_problems, reason

Floats = npt.NDArray[np.float64]

NOT_LABELLED = -1


@dataclass(frozen=True)
class ExpertLabels:
    """Labels of each expert for each window, and the predictions of a model.

    Attributes
    ----------
    experts
        Names, [expert].
    labels
        Index of the pattern in `PATTERNS`, or -1 if an expert did not label the window, [window, expert].
    probabilities
        Probabilities of the model, [window, 6].
    patients
        Patient of each window, [window]; None if unknown.
    """

    experts: tuple[str, ...]
    labels: npt.NDArray[np.int8]
    probabilities: Floats
    patients: npt.NDArray[np.object_] | None = None

    @property
    def votes(self) -> npt.NDArray[np.int64]:
        """Votes per pattern, [window, 6]."""
        return np.asarray((self.labels[:, :, None] == np.arange(N_PATTERNS)).sum(axis=1), dtype=np.int64)


def read_expert_labels(path: Path) -> ExpertLabels:
    """Read labels per expert and a model's probabilities.

    Parameters
    ----------
    path
        Either `.npz` with the arrays 'labels' [window, expert] (indices into 'classes', -1 if not labelled),
        'classes' (the six names of `PATTERNS` in the order of labels and probabilities), one whose name ends in
        'probability' [window, 6], and optionally 'experts' [expert] and 'patients' [window].
        Or CSV or Parquet with a row per window: 'window_id', optionally 'patient_id' and 'eeg_id', six probabilities
        (`PROBABILITY_COLUMNS`), and a column per expert with names of patterns, or empty cells if the expert did not
        label. Numbers are not accepted there, because different orders of patterns are in use.

    Raises
    ------
    TableError
        If the file cannot be read, something is missing, or labels or probabilities are not allowed.
    """
    labels = _read_arrays(path) if path.suffix == ".npz" else _read_rows(path)
    raise_problems(str(path), _problems(labels))
    return labels


def _read_arrays(path: Path) -> ExpertLabels:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise TableError(f"{path}: cannot be read as expert labels: {reason(error)}") from error
    probability = [name for name in arrays if name.endswith("probability")]
    problems = [f"array '{name}' is missing" for name in ("labels", "classes") if name not in arrays]
    if len(probability) != 1:
        found = listed(probability) or "none"
        problems.append(f"one array needs a name that ends in 'probability'; found are: {found}")
    raise_problems(str(path), problems)
    labels, probabilities = arrays["labels"], arrays[probability[0]]
    raise_problems(str(path), _shape_problems(arrays, labels, probabilities))
    # From the index of a class in the file to the index of the pattern; -1, the last, stays -1.
    classes = arrays["classes"].tolist()
    numbers = np.array([*(PATTERNS.index(name) for name in classes), NOT_LABELLED], dtype=np.int8)
    experts = arrays.get("experts", np.array([f"expert {number + 1}" for number in range(labels.shape[1])]))
    return ExpertLabels(
        experts=tuple(str(name) for name in experts),
        labels=numbers[labels],
        probabilities=probabilities[:, [classes.index(name) for name in PATTERNS]].astype(np.float64),
        patients=normalize_ids(pd.Series(arrays["patients"])).to_numpy(object) if "patients" in arrays else None,
    )


def _shape_problems(
    arrays: dict[str, npt.NDArray[Any]], labels: npt.NDArray[Any], probabilities: npt.NDArray[Any]
) -> list[str]:
    """List the problems that prevent the arrays of a file from being read."""
    problems = []
    classes = arrays["classes"].tolist()
    if sorted(map(str, classes)) != sorted(PATTERNS):
        problems.append(f"classes are {listed(classes)}; needed are, in any order, {', '.join(PATTERNS)}")
    if labels.ndim != 2 or labels.dtype.kind not in "iu":
        problems.append(f"labels are {labels.dtype} of shape {labels.shape}; needed are integers, [window, expert]")
        return problems
    wrong = labels[(labels < NOT_LABELLED) | (labels >= N_PATTERNS)]
    if len(wrong):
        problems.append(
            f"{len(wrong)} labels are not allowed, for example {wrong[0]}; allowed are -1 to {N_PATTERNS - 1}"
        )
    needed = {"experts": (labels.shape[1],), "patients": (len(labels),)}
    shapes = [(name, arrays[name].shape, shape) for name, shape in needed.items() if name in arrays]
    for name, found, shape in [*shapes, ("probabilities", probabilities.shape, (len(labels), N_PATTERNS))]:
        if found != shape:
            problems.append(f"{name} have the shape {found}; needed is {shape}")
    return problems


def _read_rows(path: Path) -> ExpertLabels:
    frame = normalize_id_columns(read_frame(path, str, "expert labels"), ID_COLUMNS, str(path))
    require_columns(str(path), frame, ["window_id", *PROBABILITY_COLUMNS])
    experts = [str(column) for column in frame.columns if column not in (*ID_COLUMNS, *PROBABILITY_COLUMNS)]
    cells = frame[experts].fillna("").astype(str).apply(lambda column: column.str.strip().str.lower())
    numbers = {"": NOT_LABELLED} | {pattern: number for number, pattern in enumerate(PATTERNS)}
    problems = []
    for name in experts:
        unknown = frame.loc[~cells[name].isin(numbers), name]
        if len(unknown):
            problems.append(
                f"column '{name}', taken for an expert, has {listed(unknown.unique(), 3)}; allowed are empty and "
                f"{', '.join(PATTERNS)}"
            )
    windows = frame["window_id"]
    doubled = windows[windows.duplicated()].unique()
    if len(doubled):
        problems.append(f"{len(doubled)} windows are duplicated, for example {listed(doubled, 3)}")
    raise_problems(str(path), problems)
    probabilities = frame[list(PROBABILITY_COLUMNS)].apply(pd.to_numeric, errors="coerce")
    return ExpertLabels(
        experts=tuple(experts),
        labels=cells.apply(lambda column: column.map(numbers)).to_numpy(dtype=np.int8),
        probabilities=probabilities.to_numpy(dtype=np.float64, na_value=np.nan),
        patients=frame["patient_id"].to_numpy(dtype=object) if "patient_id" in frame else None,
    )


def _problems(labels: ExpertLabels) -> list[str]:
    """List the problems of labels from either kind of file."""
    problems = []
    if len(labels.experts) < 2:
        problems.append(f"labels of at least two experts are needed; found are: {listed(labels.experts) or 'none'}")
    if len({*labels.experts}) < len(labels.experts):
        problems.append(f"names of experts are duplicated: {listed(labels.experts)}")
    if labels.patients is not None and (labels.patients == "").any():
        problems.append(
            f"{(labels.patients == '').sum()} windows have no patient; give the patient of all windows, or of none"
        )
    if labels.patients is not None:
        problems += case_variants("patient_id", map(str, labels.patients))
    wrong, off = wrong_probabilities(labels.probabilities)
    for rows, allowed in ((wrong, "numbers from 0 to 1"), (off, f"numbers that sum to 1 within {SUM_TOLERANCE}")):
        if rows.any():
            first = int(np.flatnonzero(rows)[0])
            values = labels.probabilities[first].round(6).tolist()
            problems.append(
                f"{rows.sum()} windows, for example row {first}, have probabilities {values}; allowed are {allowed}"
            )
    return problems
