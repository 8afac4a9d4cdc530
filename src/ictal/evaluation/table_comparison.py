"""Compare prediction tables on their common windows: the figures of each, and which is better."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import field_validator

from ictal.core.labels import PATTERNS, VOTE_COLUMNS
from ictal.core.predictions import PROBABILITY_COLUMNS, eeg_weights
from ictal.core.progress import Progress, silent
from ictal.errors import TableError, UnknownNameError, listed, raise_problems
from ictal.evaluation.bootstrap import PatientBootstrap, ResamplingSettings
from ictal.evaluation.calibration import calibrated_kl, patient_folds
from ictal.evaluation.differences import paired_differences
from ictal.evaluation.ensemble import weigh
from ictal.evaluation.evaluate import evaluate_votes
from ictal.evaluation.metric_table import measure_table
from ictal.evaluation.metrics import kl_divergence
from ictal.evaluation.table_results import TableComparison, TableResult

Floats = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]

WEIGHTS = ("window", "eeg", "patient")
"""What has equal weight: each window, each EEG, or each patient."""
MEAN, WEIGHTED = "mean", "weighted"
"""Names of the averages of all tables."""
N_FOLDS, NO_FOLD = 5, -1
"""Groups of patients, each evaluated with what was fitted on the others; and the group of unknown patients."""
VOTE_TOLERANCE = 1e-3
COMPARING = "comparing tables"


class TableComparisonSettings(ResamplingSettings):
    """How tables are compared.

    Attributes
    ----------
    average
        Add the mean of all tables' probabilities as a table named 'mean'.
    weighted
        Add their mean with the best weights as a table named 'weighted'. Each group of patients gets weights that
        were fitted on the other groups.
    weight
        One of `WEIGHTS`.
    allow_partial
        Leave out windows that some table lacks or whose patient is unknown, and list them in the result; otherwise
        they are an error.
    n_resamples, seed, confidence
        See `ResamplingSettings`.
    """

    average: bool = False
    weighted: bool = False
    weight: str = "window"
    allow_partial: bool = False

    @field_validator("weight")
    @classmethod
    def _known_weight(cls, value: str) -> str:
        if value not in WEIGHTS:
            raise UnknownNameError("weight", value, WEIGHTS)
        return value


def compare_tables(
    tables: Mapping[str, pd.DataFrame],
    patients: "pd.Series[str] | None" = None,
    settings: TableComparisonSettings | None = None,
    *,
    progress: Progress = silent,
    **changes: Any,
) -> TableComparison:
    """Compare tables of predictions on the windows that all of them have.

    Parameters
    ----------
    tables
        By name, as `ictal.evaluation.read_table` returns them.
    patients
        Patient by EEG; None if a table has a column of patients.
    settings
        How they are compared; defaults if None.
    progress
        Called for each table.
    **changes
        Single fields of `settings` to change.

    Raises
    ------
    TableError
        If windows, votes or patients do not agree or are unknown.
    """
    settings = (settings or TableComparisonSettings()).changed(changes)
    windows = _match(tables, patients, allow_partial=settings.allow_partial)
    known = windows.known
    rows = slice(None) if known.all() else known  # a slice saves a copy
    bootstrap = windows.bootstrap(settings, rows)
    folds = _folds(bootstrap, known, settings)
    predicted, ensemble = _with_averages(windows, folds, settings)
    n_steps = 2 * len(predicted) + 1
    votes, eegs = windows.votes[rows], windows.eegs[rows]
    losses, measured, results = {}, {}, []
    for number, (name, probabilities) in enumerate(predicted.items()):
        progress(COMPARING, 2 * number, n_steps)
        kl, own = kl_divergence(windows.votes, probabilities), probabilities[rows]
        losses[name], measured[name] = kl[rows], measure_table(bootstrap, votes, own)
        progress(COMPARING, 2 * number + 1, n_steps)
        results.append(
            TableResult(
                name=name,
                evaluation=evaluate_votes(bootstrap, votes, own, eegs, measured[name]),
                calibrated=calibrated_kl(bootstrap, votes, own, folds[rows]),
                n_windows_all=len(known),
                kl_all=windows.mean(kl, settings.weight),
            )
        )
    progress(COMPARING, n_steps - 1, n_steps)
    differences = paired_differences([(b, a) for a, b in combinations(predicted, 2)], losses, measured, bootstrap)
    progress(COMPARING, n_steps, n_steps)
    left_out = tuple(windows.left_out)
    return TableComparison(
        tuple(results), differences, ensemble, settings.weight, left_out, settings.n_resamples, settings.seed
    )


@dataclass(frozen=True)
class _CommonWindows:
    """The windows that all tables have, in one order.

    Attributes
    ----------
    votes
        Shares of votes, [window, 6].
    eegs, patients
        Of each window, [window]; an unknown patient is NaN.
    probabilities
        Of each table, [window, 6].
    left_out
        Sentences about windows that some table lacks or whose patient is unknown.
    """

    votes: Floats
    eegs: "pd.Series[str]"
    patients: "pd.Series[str]"
    probabilities: Mapping[str, Floats]
    left_out: list[str]

    @cached_property
    def known(self) -> Marks:
        """Which windows have a known patient, [window]."""
        return self.patients.notna().to_numpy()

    def weights(self, weight: str, rows: "slice | Marks" = slice(None)) -> Floats:
        """Return the weight of each window among some of them, [window]."""
        owners = (self.patients if weight == "patient" else self.eegs)[rows]
        return np.ones(len(owners)) if weight == "window" else eeg_weights(owners)

    def mean(self, values: Floats, weight: str) -> float | None:
        """Return the mean over all windows; None if patients have equal weight, as some may be unknown."""
        return None if weight == "patient" else float(np.average(values, weights=self.weights(weight)))

    def bootstrap(self, settings: TableComparisonSettings, rows: "slice | Marks") -> PatientBootstrap:
        """Return resamples of the patients of some windows."""
        numbers, names = pd.factorize(self.patients[rows])
        patients = names.to_numpy(dtype=object)[numbers]  # one string per patient, not one per window
        weights = self.weights(settings.weight, rows)
        return PatientBootstrap(patients, weights, settings.n_resamples, settings.seed, settings.confidence)


def _match(
    tables: Mapping[str, pd.DataFrame], patients: "pd.Series[str] | None", *, allow_partial: bool
) -> _CommonWindows:
    rows, left_out = _common_rows(tables)
    name, first = next(iter(tables.items()))
    eegs = first["eeg_id"].iloc[rows[name]]
    probabilities = {name: _numbers(table, PROBABILITY_COLUMNS, rows[name]) for name, table in tables.items()}
    votes = _numbers(first, VOTE_COLUMNS, rows[name])
    windows = _CommonWindows(votes, eegs, _patients_of(eegs, tables, patients, rows), probabilities, left_out)
    known = windows.known
    if not known.all():
        unknown = eegs[~known].unique()
        left_out.append(
            f"{(~known).sum()} windows of {len(unknown)} EEGs have no known patient, for example EEG "
            f"{listed(unknown, 3)}"
        )
    if left_out and not allow_partial:
        raise_problems("tables that do not cover each other (--allow-partial leaves such windows out)", left_out)
    if not known.any():
        raise TableError("there is nothing to compare: no window is in all tables and has a known patient")
    return windows


def _folds(bootstrap: PatientBootstrap, known: Marks, settings: TableComparisonSettings) -> npt.NDArray[np.int64]:
    """Return a group of patients for each window, [window]; `NO_FOLD` if its patient is unknown or the only one."""
    folds = np.full(len(known), NO_FOLD)
    n_folds = min(N_FOLDS, bootstrap.n_patients())
    if n_folds > 1:
        folds[known] = patient_folds(bootstrap.patients, n_folds, settings.seed)
    elif settings.weighted:
        raise TableError("weights must be fitted and evaluated on different patients, but there is only one")
    return folds


def _with_averages(
    windows: _CommonWindows, folds: npt.NDArray[np.int64], settings: TableComparisonSettings
) -> tuple[dict[str, Floats], dict[str, list[float]]]:
    """Return the probabilities of all tables and of the averages, by name, and the fitted weights by group."""
    predicted, parts = dict(windows.probabilities), list(windows.probabilities.values())
    if settings.average:
        predicted[MEAN] = np.mean(parts, axis=0)
    if not settings.weighted:
        return predicted, {}
    predicted[WEIGHTED], found = weigh(windows.votes, parts, windows.weights(settings.weight), folds, windows.known)
    return predicted, {f"group {group}": weights.tolist() for group, weights in found.items()}


def _common_rows(tables: Mapping[str, pd.DataFrame]) -> tuple[dict[str, Rows], list[str]]:
    """Return the rows of the common windows in each table, and sentences about the others; votes must agree."""
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
            left_out.append(f"{len(shown)} windows of {name} are not in every table, for example {listed(shown, 3)}")
    common = first.index[everywhere]
    for name, table in others:
        ours, theirs = (_numbers(one, VOTE_COLUMNS, rows[of]) for one, of in ((first, first_name), (table, name)))
        differing = common[abs(theirs - ours).max(axis=1) > VOTE_TOLERANCE]
        if len(differing):
            raise TableError(
                f"{name} and {first_name} have different votes for {len(differing)} of {len(common)} windows, "
                f"for example {listed(differing, 3)}; are the patterns of both in the order {', '.join(PATTERNS)}?"
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
        "no table has a column of patients, which confidence intervals need because windows of one patient are not "
        "independent; use --patients to name a table with the patient of each EEG"
    )


def _numbers(table: pd.DataFrame, columns: Sequence[str], rows: Rows) -> Floats:
    """Return six columns, [window, 6], in column-major order; without a copy if all rows are needed."""
    begin = list(table.columns).index(columns[0])
    values = table.iloc[:, begin : begin + len(columns)].to_numpy()
    if len(rows) == len(values) and (rows == np.arange(len(rows))).all():
        return values
    return np.asfortranarray(values[rows])
