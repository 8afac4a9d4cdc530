"""Label tables: read, and checked as a whole, so that one message lists all problems."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ictal.core.ids import case_variants, normalize_id_columns, strip_zero_decimals
from ictal.core.labels import TRUE_COLUMNS, VOTE_COLUMNS, check_votes
from ictal.core.predictions import ID_COLUMNS, ambiguous_keys
from ictal.core.windows import BEFORE_S
from ictal.errors import TableError, listed, raise_problems, reason

LABEL_COLUMNS = (*ID_COLUMNS, "start_s", *VOTE_COLUMNS)
"""What every label table has: ids as text, start of the window's 50 s in true seconds from the start of the recording
(it is negative where the voted 10 s, `BEFORE_S` later, are among the first 20 s), votes as counts."""
CENTRE_COLUMN = "centre_s"
"""In place of `start_s`, where a table says when the voted 10 s begin."""

FOLD_COLUMN = "fold"
"""Optional: the fold of each row (0, 1, ...), or 'test'."""

TEST_FOLD = "test"

TRUTH_TOLERANCE = 1e-3
"""How far the shares of a true distribution may be from a sum of one, because of rounding in the table."""


def read_csv(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV file as text, its index being the line numbers of the file.

    Parameters
    ----------
    path
        May be compressed (.gz).
    columns
        Which must be there.

    Raises
    ------
    TableError
        If the file is not a table, has no rows or lacks columns.
    """
    try:
        # Blank lines are read, and dropped below, so that the line numbers of messages are those of the file.
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=False, index_col=False)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise TableError(f"{path}: cannot be read as a CSV table: {reason(error)}") from error
    missing = [column for column in columns if column not in frame.columns]
    raise_problems(
        str(path),
        [f"column '{column}' is missing; the table has {listed(frame.columns, 20)}" for column in missing],
    )
    frame.index = pd.RangeIndex(2, len(frame) + 2)
    frame = frame[(frame != "").any(axis=1)]
    if frame.empty:
        raise TableError(f"{path}: has a header but no rows")
    return frame


def make_labels(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Check a label table and give it its types.

    Parameters
    ----------
    frame
        The columns `LABEL_COLUMNS` (in place of start_s perhaps `CENTRE_COLUMN`), and perhaps `FOLD_COLUMN` and
        `TRUE_COLUMNS`, as text; others are left out. The index holds line numbers.
    path
        Named in the message.

    Returns
    -------
    DataFrame
        Ids, as `ictal.core.ids.normalize_id` writes them, and fold as text; start_s as float, votes as int; the index
        counts from 0.

    Raises
    ------
    TableError
        With all problems: empty ids, starts that are no time, votes that are negative, not whole or all
        zero, windows that stand twice, an EEG of two patients, patients whose ids differ by case alone, a patient
        in two folds.
    """
    with_fold = FOLD_COLUMN in frame.columns
    with_truth = all(column in frame.columns for column in TRUE_COLUMNS)
    extra = [*([FOLD_COLUMN] if with_fold else []), *(TRUE_COLUMNS if with_truth else [])]
    frame = normalize_id_columns(frame, ID_COLUMNS, str(path))
    time = CENTRE_COLUMN if CENTRE_COLUMN in frame.columns else "start_s"
    texts = frame[time]
    times_s = pd.to_numeric(texts, errors="coerce").astype(float)
    called = CENTRE_COLUMN if time == CENTRE_COLUMN else "the start"
    problems = [
        f"line {line}: {called} is '{text}'; allowed are seconds from 0"
        for line, text in texts[~(times_s >= 0) | np.isinf(times_s)].items()
    ]
    frame = frame.assign(start_s=times_s if time == "start_s" else (times_s - BEFORE_S).round(6))
    frame = frame[[*LABEL_COLUMNS, *extra]].copy()
    for column in ID_COLUMNS[1:]:
        empty = frame.index[frame[column] == ""]
        problems += [f"line {line}: {column} is empty" for line in empty]
    problems += check_votes(frame, "line")
    named = frame.rename(columns={"start_s": time}).assign(**{time: times_s})
    for keys in (["window_id"], ["eeg_id", time]):
        doubled = named[named.duplicated(keys, keep=False)]
        groups = doubled.groupby(keys if len(keys) > 1 else keys[0], sort=False).groups
        problems += [
            f"lines {listed(lines)}: {' and '.join(keys)} {key} stands {len(lines)} times; allowed is once"
            for key, lines in groups.items()
        ]
    problems += ambiguous_keys(frame, "eeg_id", "patient_id") + case_variants("patient_id", frame["patient_id"])
    if with_fold:
        frame[FOLD_COLUMN] = folds = strip_zero_decimals(frame[FOLD_COLUMN])
        odd = folds[~(folds.str.fullmatch(r"\d+") | (folds == TEST_FOLD))]
        problems += [
            f"line {line}: fold is '{fold}'; allowed are 0, 1, 2, ... and '{TEST_FOLD}'" for line, fold in odd.items()
        ]
        problems += ambiguous_keys(frame, "patient_id", FOLD_COLUMN)
    if with_truth:
        truth = frame[list(TRUE_COLUMNS)].apply(pd.to_numeric, errors="coerce").astype(float)
        odd = frame.index[~((truth >= 0).all(axis=1) & ((truth.sum(axis=1) - 1).abs() <= TRUTH_TOLERANCE))]
        problems += [
            f"line {line}: the columns {listed(TRUE_COLUMNS)} are no distribution; allowed are shares that sum to 1"
            for line in odd
        ]
        frame[list(TRUE_COLUMNS)] = truth
    raise_problems(str(path), problems)
    votes = {column: pd.to_numeric(frame[column]).astype(int) for column in VOTE_COLUMNS}
    return frame.assign(**votes).reset_index(drop=True)
