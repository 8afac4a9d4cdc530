"""Read prediction tables of any software, and the patients of their EEGs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.core.ids import case_variants, normalize_id_columns
from ictal.core.labels import PATTERNS, VOTE_COLUMNS, distribution
from ictal.core.predictions import (
    PROBABILITY_COLUMNS,
    SUM_TOLERANCE,
    ambiguous_keys,
    column_names,
    read_columns,
    require_columns,
    require_votes,
    wrong_probabilities,
)
from ictal.errors import TableError, listed, raise_problems

WINDOW_NAMES = (("window_id",), ("eeg_id", "eeg_sub_id"), ("label_id",))
"""Columns that identify a window: those of ictal, those of the HMS competition."""
PROBABILITY_NAMES = (PROBABILITY_COLUMNS, tuple(f"{name}_prediction" for name in VOTE_COLUMNS))
"""Columns of the probabilities: those of ictal, and those that HMS notebooks use."""


@dataclass(frozen=True)
class ColumnNames:
    """The names of a table's columns; None for the known ones (`WINDOW_NAMES`, `PROBABILITY_NAMES`).

    Attributes
    ----------
    window
        Columns that together identify a window.
    eeg, patient
        Columns with the ids of EEGs and patients.
    votes, probabilities
        One column per pattern, in the order of `ictal.core.labels.PATTERNS`; votes are counts or shares.
    """

    window: tuple[str, ...] | None = None
    eeg: str = "eeg_id"
    patient: str = "patient_id"
    votes: tuple[str, ...] = VOTE_COLUMNS
    probabilities: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name, columns in (("votes", self.votes), ("probabilities", self.probabilities)):
            if columns is not None and len({*columns}) != len(PATTERNS):
                raise TableError(
                    f"the columns of {name} are {listed(columns)}; needed are six, in the order {', '.join(PATTERNS)}"
                )


def read_table(path: Path, names: ColumnNames) -> pd.DataFrame:
    """Read a table of predictions, Parquet or CSV (optionally compressed).

    Returns
    -------
    DataFrame
        Indexed by window: 'eeg_id', 'patient_id' if present, votes as shares (`VOTE_COLUMNS`), and
        `PROBABILITY_COLUMNS`.

    Raises
    ------
    TableError
        If the file cannot be read, columns are missing, windows are duplicated, or votes or probabilities are
        invalid.
    """
    there = column_names(path)
    window = names.window or _known(there, WINDOW_NAMES)
    require_votes(str(path), there, names.votes)
    probabilities = names.probabilities or _known(there, PROBABILITY_NAMES)
    require_columns(str(path), there, [*window, names.eeg, *names.votes, *probabilities])
    ids = [*window, names.eeg, *({names.patient} & {*there})]
    # Column-major order: operations on all windows of a pattern are fast, and nothing is copied.
    frame, numbers = read_columns(path, ids, [*names.votes, *probabilities])
    frame = normalize_id_columns(frame, ids, str(path))
    windows = frame[window[0]]
    for other in window[1:]:
        windows = windows + " / " + frame[other]
    columns = [*VOTE_COLUMNS, *PROBABILITY_COLUMNS]
    table = pd.DataFrame(numbers, pd.Index(windows, name="window"), columns, copy=False)
    raise_problems(str(path), _problems(table))
    votes = numbers[:, : len(PATTERNS)]
    votes[:] = distribution(votes)
    table = pd.DataFrame(numbers, table.index, columns, copy=False)
    for ours, theirs in (("patient_id", names.patient), ("eeg_id", names.eeg)):
        if theirs in frame.columns:
            table.insert(0, ours, frame[theirs].array)
    return table


def read_patients(path: Path, names: ColumnNames) -> "pd.Series[str]":
    """Read the patient of each EEG from a table with a row per EEG or window.

    Raises
    ------
    TableError
        If the file cannot be read, a column is missing, or an EEG has several patients.
    """
    require_columns(str(path), column_names(path), [names.eeg, names.patient])
    frame, _ = read_columns(path, [names.eeg, names.patient], [])
    frame = normalize_id_columns(frame, [names.eeg, names.patient], str(path))
    frame = frame[(frame[names.eeg] != "") & (frame[names.patient] != "")]
    raise_problems(
        str(path),
        [*ambiguous_keys(frame, names.eeg, names.patient), *case_variants(names.patient, frame[names.patient])],
    )
    return frame.drop_duplicates(names.eeg).set_index(names.eeg)[names.patient]


def _known(there: Sequence[str], choices: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the first choice whose columns are all present, or the first choice."""
    return next((names for names in choices if {*names} <= {*there}), choices[0])


def _problems(table: pd.DataFrame) -> list[str]:
    problems = []
    doubled = table.index[table.index.duplicated()]
    if len(doubled):
        problems.append(f"{len(doubled)} rows repeat a window, for example {listed(doubled.unique(), 3)}")

    def found(wrong: npt.NDArray[np.bool_], columns: Sequence[str], allowed: str) -> None:
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            values = table[list(columns)].iloc[row].round(6).tolist()
            problems.append(
                f"{wrong.sum()} rows, for example window {table.index[row]}, have {values}; allowed are {allowed}"
            )

    votes = table[list(VOTE_COLUMNS)].to_numpy()
    wrong = ~(np.isfinite(votes) & (votes >= 0)).all(axis=1)
    found(wrong | ~(votes.sum(axis=1) > 0), VOTE_COLUMNS, "votes, or shares of votes, from 0, and at least one above")
    odd, off = wrong_probabilities(table[list(PROBABILITY_COLUMNS)].to_numpy())
    found(odd, PROBABILITY_COLUMNS, "probabilities from 0 to 1")
    found(off, PROBABILITY_COLUMNS, f"probabilities that sum to 1 within {SUM_TOLERANCE}")
    return problems
