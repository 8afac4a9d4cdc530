"""Comparison of prediction tables that anyone made: what each says of the same windows, and which is better."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

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
    eeg_weights,
    read_columns,
    require_columns,
    wrong_probabilities,
)
from ictal.core.progress import Progress, silent
from ictal.errors import TableError, UnknownNameError, listed, raise_problems
from ictal.evaluation.bootstrap import Estimate, PatientBootstrap
from ictal.evaluation.calibration import calibrated_kl, patient_folds
from ictal.evaluation.differences import Difference, paired_differences
from ictal.evaluation.ensemble import weigh
from ictal.evaluation.metric_table import measure_table
from ictal.evaluation.metrics import kl_divergence
from ictal.evaluation.tables import Evaluation, evaluate_votes

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

WEIGHTS = ("window", "eeg", "patient")
"""What weighs the same: each window, each EEG, or each patient."""
WINDOW_NAMES = (("window_id",), ("eeg_id", "eeg_sub_id"), ("label_id",))
"""Columns that tell windows apart: those of ictal, those of the HMS competition."""
PROBABILITY_NAMES = (PROBABILITY_COLUMNS, tuple(f"{name}_prediction" for name in VOTE_COLUMNS))
"""Columns of the probabilities: those of ictal, and the custom of HMS notebooks."""
MEAN, WEIGHTED = "mean", "weighted"
N_FOLDS, OUTSIDE = 5, -1
"""Groups of patients, of whom each is judged by what was fitted on the others; and the mark of unknown patients."""
VOTE_TOLERANCE = 1e-3
COMPARING = "comparing tables"


@dataclass(frozen=True)
class ColumnNames:
    """What a table calls its columns; None for those that are known (`WINDOW_NAMES`, `PROBABILITY_NAMES`).

    Attributes
    ----------
    window
        Columns that together name a window.
    eeg, patient
        Ids.
    votes, probabilities
        One per pattern, in the order of `ictal.core.labels.PATTERNS`; votes are counts or shares.
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


@dataclass(frozen=True)
class TableResult:
    """The figures of one table.

    Attributes
    ----------
    evaluation
        Of the windows that are compared.
    calibrated
        KL after a calibration that was fitted on other patients, by its name.
    n_windows_all, kl_all
        Over all common windows, also those whose patient is not known; the KL is None where patients weigh the same.
    """

    name: str
    evaluation: Evaluation
    calibrated: dict[str, Estimate]
    n_windows_all: int
    kl_all: float | None

    @property
    def n_windows(self) -> int:
        """How many are compared."""
        return self.evaluation.n_windows

    @property
    def n_patients(self) -> int:
        """Of whom they are."""
        return self.evaluation.n_patients

    @property
    def kl(self) -> Estimate:
        """Mean KL with its interval."""
        return self.evaluation.kl


@dataclass(frozen=True)
class TableComparison:
    """Tables, differences of all pairs, and what was left out (sentences).

    `ensemble` has the weights of the table named 'weighted', in each group of patients that it was not fitted on.
    """

    tables: tuple[TableResult, ...]
    differences: tuple[Difference, ...]
    ensemble: dict[str, list[float]]
    weight: str
    left_out: tuple[str, ...]
    n_resamples: int
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, lists and None."""
        return {
            "weight": self.weight,
            "n_resamples": self.n_resamples,
            "seed": self.seed,
            "left_out": list(self.left_out),
            "tables": [
                {
                    "name": table.name,
                    "n_windows": table.n_windows,
                    "n_patients": table.n_patients,
                    "n_effective_patients": table.evaluation.n_effective,
                    "kl": table.kl.value,
                    "kl_interval": table.kl.interval,
                    "calibrated_kl": {name: [row.value, row.interval] for name, row in table.calibrated.items()},
                    "evaluation": table.evaluation.to_json(),
                    "n_windows_all": table.n_windows_all,
                    "kl_all": table.kl_all,
                }
                for table in self.tables
            ],
            "ensemble": self.ensemble,
            "differences": [difference.to_json() for difference in self.differences],
        }


def read_table(path: Path, names: ColumnNames) -> pd.DataFrame:
    """Read one table of predictions, Parquet or CSV (perhaps compressed).

    Returns
    -------
    DataFrame
        Index: the window; 'eeg_id', perhaps 'patient_id', votes as shares (`VOTE_COLUMNS`), `PROBABILITY_COLUMNS`.

    Raises
    ------
    TableError
        If the file cannot be read, columns are missing, windows repeat, or votes or probabilities are not allowed.
    """
    there = column_names(path)
    window = names.window or _known(there, WINDOW_NAMES)
    probabilities = names.probabilities or _known(there, PROBABILITY_NAMES)
    require_columns(str(path), there, [*window, names.eeg, *names.votes, *probabilities])
    ids = [*window, names.eeg, *({names.patient} & {*there})]
    # A pattern after the other in memory: what goes over all windows of a pattern is fast, and nothing is copied.
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
    ambiguous = ambiguous_keys(frame, names.eeg, names.patient)
    raise_problems(str(path), [*ambiguous, *case_variants(names.patient, frame[names.patient])])
    return frame.drop_duplicates(names.eeg).set_index(names.eeg)[names.patient]


def compare_tables(
    tables: Mapping[str, pd.DataFrame],
    patients: "pd.Series[str] | None" = None,
    *,
    average: bool = False,
    weighted: bool = False,
    weight: str = "window",
    allow_partial: bool = False,
    n_resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
    progress: Progress = silent,
) -> TableComparison:
    """Compare tables of predictions on the windows that all of them have.

    Parameters
    ----------
    tables
        By name, as `read_table` returns them.
    patients
        Patient by EEG; None where a table tells.
    average
        Whether the mean of all tables' probabilities is one more table, named 'mean'.
    weighted
        Whether their mean with the best weights is one more, named 'weighted'; the weights are fitted on other
        patients than they are judged by.
    weight
        One of `WEIGHTS`.
    allow_partial
        Leave out windows that not all tables have or whose patient is unknown, and say so, instead of refusing.
    n_resamples, seed, confidence
        Of intervals and permutations.
    progress
        Told about each table.

    Raises
    ------
    TableError
        If windows, votes or patients do not agree or are unknown.
    """
    if weight not in WEIGHTS:
        raise UnknownNameError("weight", weight, WEIGHTS)
    rows, left_out = _common(tables)
    name, first = next(iter(tables.items()))
    eegs = first["eeg_id"].iloc[rows[name]]
    of_window = _patients_of(eegs, tables, patients, rows)
    known = of_window.notna().to_numpy()
    if not known.all():
        unknown = eegs[~known].unique()
        left_out.append(
            f"{(~known).sum()} windows of {len(unknown)} EEGs have no known patient, as EEG {listed(unknown, 3)}"
        )
    if left_out and not allow_partial:
        raise_problems("tables that do not cover each other (--allow-partial leaves such windows out)", left_out)
    if not known.any():
        raise TableError("no window is common to all tables and of a known patient, so there is nothing to compare")
    votes = _numbers(first, VOTE_COLUMNS, rows[name])
    answers = {name: _numbers(table, PROBABILITY_COLUMNS, rows[name]) for name, table in tables.items()}
    owners = of_window if weight == "patient" else eegs
    weights_all, weights = (_weights(of, weight) for of in (owners, owners[known]))
    numbers, names = pd.factorize(of_window[known])
    whose = names.to_numpy(dtype=object)[numbers]  # one text per patient, and not one per window
    n_folds = min(N_FOLDS, len(names))
    folds = np.full(len(known), OUTSIDE)
    if n_folds > 1:
        folds[known] = patient_folds(whose, n_folds, seed)
    elif weighted:
        raise TableError(
            "weights are fitted on other patients than they are judged by, and there is one patient alone"
        )
    ensemble: dict[str, list[float]] = {}
    parts = list(answers.values())
    if average:
        answers[MEAN] = np.mean(parts, axis=0)
    if weighted:
        answers[WEIGHTED], found = weigh(votes, parts, weights_all, folds, known)
        ensemble = {f"group {group}": row.tolist() for group, row in found.items()}
    bootstrap = PatientBootstrap(whose, weights, n_resamples, seed, confidence)
    own = slice(None) if known.all() else known
    judged, eegs = votes[own], eegs[own]
    losses, measured, results = {}, {}, []
    for number, (name, probabilities) in enumerate(answers.items()):
        progress(COMPARING, 2 * number, 2 * len(answers) + 1)
        of_all, mine = kl_divergence(votes, probabilities), probabilities[own]
        losses[name], measured[name] = of_all[own], measure_table(bootstrap, judged, mine)
        progress(COMPARING, 2 * number + 1, 2 * len(answers) + 1)
        results.append(
            TableResult(
                name=name,
                evaluation=evaluate_votes(bootstrap, judged, mine, eegs, measured[name]),
                calibrated=calibrated_kl(bootstrap, judged, mine, folds[own]),
                n_windows_all=len(known),
                kl_all=None if weight == "patient" else float(np.average(of_all, weights=weights_all)),
            )
        )
    progress(COMPARING, 2 * len(answers), 2 * len(answers) + 1)
    differences = paired_differences([(b, a) for a, b in combinations(answers, 2)], losses, measured, bootstrap)
    progress(COMPARING, 2 * len(answers) + 1, 2 * len(answers) + 1)
    return TableComparison(tuple(results), differences, ensemble, weight, tuple(left_out), n_resamples, seed)


def _known(there: Sequence[str], choices: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the first choice of columns that a table has, else the first choice."""
    return next((names for names in choices if {*names} <= {*there}), choices[0])


def _numbers(table: pd.DataFrame, columns: Sequence[str], rows: Rows) -> Floats:
    """Return six columns, [window, 6], a pattern after the other in memory; no copy where all rows are asked for."""
    begin = list(table.columns).index(columns[0])
    values = table.iloc[:, begin : begin + len(columns)].to_numpy()
    if len(rows) == len(values) and (rows == np.arange(len(rows))).all():
        return values
    return np.asfortranarray(values[rows])


def _problems(table: pd.DataFrame) -> list[str]:
    problems = []
    doubled = table.index[table.index.duplicated()]
    if len(doubled):
        problems.append(f"{len(doubled)} rows repeat a window, as {listed(doubled.unique(), 3)}")

    def found(wrong: npt.NDArray[np.bool_], columns: Sequence[str], allowed: str) -> None:
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            values = table[list(columns)].iloc[row].round(6).tolist()
            problems.append(f"{wrong.sum()} rows, as window {table.index[row]}, have {values}; allowed are {allowed}")

    votes = table[list(VOTE_COLUMNS)].to_numpy()
    wrong = ~(np.isfinite(votes) & (votes >= 0)).all(axis=1)
    found(wrong | ~(votes.sum(axis=1) > 0), VOTE_COLUMNS, "votes, or shares of votes, from 0, and at least one above")
    odd, off = wrong_probabilities(table[list(PROBABILITY_COLUMNS)].to_numpy())
    found(odd, PROBABILITY_COLUMNS, "probabilities from 0 to 1")
    found(off, PROBABILITY_COLUMNS, f"probabilities that sum to 1 within {SUM_TOLERANCE}")
    return problems


def _common(tables: Mapping[str, pd.DataFrame]) -> tuple[dict[str, Rows], list[str]]:
    """Return where each table has the windows that all have, and what some lack; refuse where votes differ."""
    (first_name, first), *others = tables.items()
    rows = {first_name: np.arange(len(first))}
    for name, table in others:
        rows[name] = rows[first_name] if table.index.equals(first.index) else table.index.get_indexer(first.index)
    everywhere = np.all([of_table >= 0 for of_table in rows.values()], axis=0)
    rows = {name: of_table[everywhere] for name, of_table in rows.items()}
    left_out = []
    for name, table in tables.items():
        extra = np.ones(len(table), dtype=bool)
        extra[rows[name]] = False
        if extra.any():
            shown = table.index[extra].sort_values()
            left_out.append(f"{len(shown)} windows of {name} are not in every table, as {listed(shown, 3)}")
    common = first.index[everywhere]
    for name, table in others:
        ours, theirs = (_numbers(one, VOTE_COLUMNS, rows[of]) for one, of in ((first, first_name), (table, name)))
        differing = common[abs(theirs - ours).max(axis=1) > VOTE_TOLERANCE]
        if len(differing):
            raise TableError(
                f"{name} and {first_name} have different votes for {len(differing)} of {len(common)} windows, as "
                f"{listed(differing, 3)}; are the patterns of both in the order {', '.join(PATTERNS)}?"
            )
    return rows, left_out


def _patients_of(
    eegs: "pd.Series[str]",
    tables: Mapping[str, pd.DataFrame],
    patients: "pd.Series[str] | None",
    rows: Mapping[str, Rows],
) -> "pd.Series[str]":
    if patients is not None:
        return eegs.map(patients)
    for name, table in tables.items():
        if "patient_id" in table.columns:
            own: pd.Series[str] = table["patient_id"].iloc[rows[name]]
            return own.where(own != "")
    raise TableError(
        "no table has a column of patients; windows of one patient are not independent, so no interval can be given. "
        "Name a table with the patient of each EEG by --patients"
    )


def _weights(owners: "pd.Series[str]", weight: str) -> Floats:
    return np.ones(len(owners)) if weight == "window" else eeg_weights(owners)
