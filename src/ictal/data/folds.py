"""Divide patients into held-out test patients and folds; no patient is in two of them."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.core.labels import VOTE_COLUMNS, distribution
from ictal.data.label_table import FOLD_COLUMN, TEST_FOLD
from ictal.errors import FoldError

TEST = -1
"""The fold number of the held-out test patients."""

Ints = npt.NDArray[np.int64]


def check_folds(outline: pd.DataFrame, n_folds: int, test_share: float) -> None:
    """Check that a table can be divided, before its EEG is read; parameters are as for `assign_folds`.

    Raises
    ------
    FoldError
        If there are too few patients; the message says how many folds are possible.
    """
    if FOLD_COLUMN in outline.columns:
        _given_folds(outline, n_folds)
        return
    n_patients = outline["patient_id"].nunique()
    n_test = _n_test(n_patients, test_share)
    if n_patients - n_test < n_folds:
        raise FoldError(_too_few(n_patients, n_test, n_folds))


def assign_folds(labels: pd.DataFrame, n_folds: int, test_share: float, seed: int) -> Ints:
    """Return the fold of each row, 0 to n_folds - 1, or `TEST`.

    Patients are sorted by main pattern and number of EEGs and assigned in randomised blocks, so that folds are
    similar in both. If the table has a column 'fold', it is used unchanged.

    Parameters
    ----------
    labels
        A label table.
    n_folds, test_share
        Number of folds, and share of the patients that is held out.
    seed
        Seed of the assignment.

    Raises
    ------
    FoldError
        If there are too few patients; the message says how many folds are possible.
    """
    check_folds(labels, n_folds, test_share)
    if FOLD_COLUMN in labels.columns:
        return _given_folds(labels, n_folds)
    patients = _ordered_patients(labels, np.random.default_rng((seed, 1)))
    rng = np.random.default_rng((seed, 2))
    n_test = _n_test(len(patients), test_share)
    fold_of = dict.fromkeys(patients, TEST)
    if n_test:
        chosen = {int(rng.choice(block)) for block in np.array_split(np.arange(len(patients)), n_test)}
        patients = [patient for index, patient in enumerate(patients) if index not in chosen]
    for begin in range(0, len(patients), n_folds):
        block = patients[begin : begin + n_folds]
        fold_of.update(zip(block, rng.permutation(n_folds).tolist(), strict=False))
    return np.asarray(labels["patient_id"].map(fold_of), dtype=np.int64)


def _n_test(n_patients: int, test_share: float) -> int:
    return max(1, round(n_patients * test_share)) if test_share > 0 else 0


def _ordered_patients(labels: pd.DataFrame, rng: np.random.Generator) -> list[str]:
    shares = pd.DataFrame(distribution(labels[list(VOTE_COLUMNS)].to_numpy()), index=labels.index)
    groups = shares.groupby(labels["patient_id"], sort=True)
    table = pd.DataFrame({"main": groups.mean().to_numpy().argmax(axis=1)}, index=list(groups.groups))
    table["n_eegs"] = labels.groupby("patient_id", sort=True)["eeg_id"].nunique().to_numpy()
    table["tie"] = rng.permutation(len(table))
    return [str(patient) for patient in table.sort_values(["main", "n_eegs", "tie"]).index]


def _given_folds(labels: pd.DataFrame, n_folds: int) -> Ints:
    folds = np.asarray(labels[FOLD_COLUMN].replace(TEST_FOLD, str(TEST)), dtype=np.int64)
    found = sorted(set(folds.tolist()) - {TEST})
    if found != list(range(n_folds)):
        raise FoldError(
            f"the table's column '{FOLD_COLUMN}' has the folds {found}, but {n_folds} folds were requested; "
            f"allowed are all of 0 to {n_folds - 1}, or another number with --folds"
        )
    return folds


def _too_few(n_patients: int, n_test: int, n_folds: int) -> str:
    left = n_patients - n_test
    are = "is" if left == 1 else "are"
    message = f"{n_folds} folds need at least {n_folds} patients for cross-validation, but there {are} {left}"
    if n_test:
        message += f" ({n_patients} patients, {n_test} of them held out for testing)"
    if left >= 2:
        return f"{message}; at most {left} folds are possible (--folds {left})"
    if n_patients >= 2:
        return (
            f"{message}; at most {n_patients} folds are possible without held-out patients "
            f"(--folds {n_patients} --set data.test_share=0)"
        )
    return f"{message}; no folds are possible with one patient"
