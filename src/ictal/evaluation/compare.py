"""Comparison of prediction tables that anyone made: what each says of the same windows, and which is better."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from ictal.errors import TableError, UnknownNameError, listed, raise_problems
from ictal.evaluation.metrics import balanced_accuracy, kl_divergence
from ictal.evaluation.permutation import holm, permutation_p
from ictal.evaluation.resampling import Estimate, PatientBootstrap
from ictal.labels import PATTERNS, VOTE_COLUMNS, distribution
from ictal.predictions import (
    PROBABILITY_COLUMNS,
    SUM_TOLERANCE,
    eeg_weights,
    one_per,
    read_frame,
    require_columns,
    wrong_probabilities,
)

Floats = npt.NDArray[np.float64]

WEIGHTS = ("window", "eeg")
"""What weighs the same: each window, or each EEG."""
WINDOW_NAMES = (("window_id",), ("eeg_id", "eeg_sub_id"), ("label_id",))
"""Columns that tell windows apart: those of ictal, those of the HMS competition."""
PROBABILITY_NAMES = (PROBABILITY_COLUMNS, tuple(f"{name}_prediction" for name in VOTE_COLUMNS))
"""Columns of the probabilities: those of ictal, and the custom of HMS notebooks."""
MEAN = "mean"
VOTE_TOLERANCE = 1e-3
POWER = 0.8
"""With which the smallest difference would have been detected."""


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
        One per pattern, in the order of `ictal.labels.PATTERNS`; votes are counts or shares.
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
    n_windows, n_patients
        That are compared.
    kl
        Mean KL with its interval.
    balanced_accuracy
        Over top-voted patterns.
    n_windows_all, kl_all
        Over all common windows, also those whose patient is not known.
    """

    name: str
    n_windows: int
    n_patients: int
    kl: Estimate
    balanced_accuracy: float
    n_windows_all: int
    kl_all: float


@dataclass(frozen=True)
class TableDifference:
    """The KL of table `a` minus that of table `b`; negative where `a` is better.

    Attributes
    ----------
    estimate
        With its interval by resampling patients.
    p, p_holm
        Of the permutation test by patient, and corrected over all pairs.
    detectable
        The smallest difference that such data would show with a power of 80 % at a level of 5 %: 2.8 standard errors
        (Bloom 1995, *Evaluation Review*).
    """

    a: str
    b: str
    estimate: Estimate
    p: float
    p_holm: float
    detectable: float

    @property
    def decided(self) -> bool:
        """Whether the interval excludes zero and the corrected p is below its level."""
        return self.estimate.excludes_zero and self.p_holm < 1 - self.estimate.confidence


@dataclass(frozen=True)
class TableComparison:
    """Tables, differences of all pairs, and what was left out (sentences)."""

    tables: tuple[TableResult, ...]
    differences: tuple[TableDifference, ...]
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
                    "kl": table.kl.value,
                    "kl_interval": table.kl.interval,
                    "balanced_accuracy": table.balanced_accuracy,
                    "n_windows_all": table.n_windows_all,
                    "kl_all": table.kl_all,
                }
                for table in self.tables
            ],
            "differences": [
                {
                    "a": difference.a,
                    "b": difference.b,
                    "difference": difference.estimate.value,
                    "interval": difference.estimate.interval,
                    "p": difference.p,
                    "p_holm": difference.p_holm,
                    "detectable": difference.detectable,
                }
                for difference in self.differences
            ],
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
    frame = _read(path)
    window = names.window or _known(frame, WINDOW_NAMES)
    probabilities = names.probabilities or _known(frame, PROBABILITY_NAMES)
    require_columns(str(path), frame, [*window, names.eeg, *names.votes, *probabilities])
    table = pd.DataFrame(index=pd.Index(frame[list(window)].agg(" / ".join, axis=1), name="window"))
    table["eeg_id"] = frame[names.eeg].to_numpy()
    if names.patient in frame.columns:
        table["patient_id"] = frame[names.patient].to_numpy()
    for ours, theirs in ((VOTE_COLUMNS, names.votes), (PROBABILITY_COLUMNS, probabilities)):
        numbers = frame[list(theirs)].apply(pd.to_numeric, errors="coerce")
        table[list(ours)] = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    raise_problems(str(path), _problems(table))
    table[list(VOTE_COLUMNS)] = distribution(table[list(VOTE_COLUMNS)].to_numpy())
    return table


def read_patients(path: Path, names: ColumnNames) -> "pd.Series[str]":
    """Read the patient of each EEG from a table with a row per EEG or window.

    Raises
    ------
    TableError
        If the file cannot be read, a column is missing, or an EEG has several patients.
    """
    frame = _read(path)
    require_columns(str(path), frame, [names.eeg, names.patient])
    frame = frame[(frame[names.eeg] != "") & (frame[names.patient] != "")]
    raise_problems(str(path), one_per(frame, names.eeg, names.patient))
    return frame.drop_duplicates(names.eeg).set_index(names.eeg)[names.patient]


def compare_tables(
    tables: Mapping[str, pd.DataFrame],
    patients: "pd.Series[str] | None" = None,
    *,
    average: bool = False,
    weight: str = "window",
    allow_partial: bool = False,
    n_resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
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
    weight
        One of `WEIGHTS`.
    allow_partial
        Leave out windows that not all tables have or whose patient is unknown, and say so, instead of refusing.
    n_resamples, seed, confidence
        Of intervals and permutations.

    Raises
    ------
    TableError
        If windows, votes or patients do not agree or are unknown.
    """
    if weight not in WEIGHTS:
        raise UnknownNameError("weight", weight, WEIGHTS)
    common, left_out = _common(tables)
    first = next(iter(tables.values())).loc[common]
    of_window = _patients_of(first["eeg_id"], tables, patients, common)
    known = of_window.notna().to_numpy()
    if not known.all():
        unknown = first["eeg_id"][~known].unique()
        left_out.append(
            f"{(~known).sum()} windows of {len(unknown)} EEGs have no known patient, as EEG {listed(unknown, 3)}"
        )
    if left_out and not allow_partial:
        raise_problems("tables that do not cover each other (--allow-partial leaves such windows out)", left_out)
    if not known.any():
        raise TableError("no window is common to all tables and of a known patient, so there is nothing to compare")
    votes = first[list(VOTE_COLUMNS)].to_numpy()
    answers = {name: table.loc[common, list(PROBABILITY_COLUMNS)].to_numpy() for name, table in tables.items()}
    if average:
        answers[MEAN] = np.mean(list(answers.values()), axis=0)
    losses = {name: kl_divergence(votes, probabilities) for name, probabilities in answers.items()}
    weights_all = _weights(first["eeg_id"], weight)
    weights = _weights(first["eeg_id"][known], weight)
    whose = of_window[known].to_numpy(dtype=object)
    bootstrap = PatientBootstrap(whose, weights, n_resamples, seed, confidence)
    results = tuple(
        TableResult(
            name=name,
            n_windows=int(known.sum()),
            n_patients=len(set(whose)),
            kl=bootstrap.mean(losses[name][known]),
            balanced_accuracy=balanced_accuracy(votes[known], answers[name][known], weights),
            n_windows_all=len(common),
            kl_all=float(np.average(losses[name], weights=weights_all)),
        )
        for name in answers
    )
    pairs = [(b, a) for a, b in combinations(answers, 2)]
    gaps = [losses[a][known] - losses[b][known] for a, b in pairs]
    p_values = [permutation_p(gap, whose, weights, n_resamples, seed) for gap in gaps]
    factor = norm.ppf(0.975) + norm.ppf(POWER)
    differences = []
    for (a, b), gap, p, p_holm in zip(pairs, gaps, p_values, holm(p_values), strict=True):
        resampled = bootstrap.means(gap)[:, 0]
        estimate = bootstrap.estimate(float(np.average(gap, weights=weights)), resampled)
        differences.append(TableDifference(a, b, estimate, p, p_holm, float(factor * resampled.std())))
    return TableComparison(results, tuple(differences), weight, tuple(left_out), n_resamples, seed)


def _read(path: Path) -> pd.DataFrame:
    return read_frame(path, str).astype(str)


def _known(frame: pd.DataFrame, choices: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the first choice of columns that a table has, else the first choice."""
    return next((names for names in choices if {*names} <= {*frame.columns}), choices[0])


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


def _common(tables: Mapping[str, pd.DataFrame]) -> tuple[pd.Index, list[str]]:
    """Return the windows that all tables have, and what some lack; refuse where votes differ."""
    (first_name, first), *others = tables.items()
    common = first.index
    for _, table in others:
        common = common[common.isin(table.index)]
    left_out = []
    for name, table in tables.items():
        extra = table.index.difference(common)
        if len(extra):
            left_out.append(f"{len(extra)} windows of {name} are not in every table, as {listed(extra, 3)}")
    columns = list(VOTE_COLUMNS)
    for name, table in others:
        gap = abs(table.loc[common, columns].to_numpy() - first.loc[common, columns].to_numpy()).max(axis=1)
        differing = common[gap > VOTE_TOLERANCE]
        if len(differing):
            raise TableError(
                f"{name} and {first_name} have different votes for {len(differing)} of {len(common)} windows, as "
                f"{listed(differing, 3)}; are the patterns of both in the order {', '.join(PATTERNS)}?"
            )
    return common, left_out


def _patients_of(
    eegs: "pd.Series[str]",
    tables: Mapping[str, pd.DataFrame],
    patients: "pd.Series[str] | None",
    common: pd.Index,
) -> "pd.Series[str]":
    if patients is not None:
        return eegs.map(patients)
    for table in tables.values():
        if "patient_id" in table.columns:
            own: pd.Series[str] = table.loc[common, "patient_id"]
            return own.where(own != "")
    raise TableError(
        "no table has a column of patients; windows of one patient are not independent, so no interval can be given. "
        "Name a table with the patient of each EEG by --patients"
    )


def _weights(eegs: "pd.Series[str]", weight: str) -> Floats:
    return np.ones(len(eegs)) if weight == "window" else eeg_weights(eegs)
