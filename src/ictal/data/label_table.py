"""Read label tables and check them as a whole, so that one message lists all problems."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ictal.core.ids import case_variants, normalize_id_columns, strip_zero_decimals
from ictal.core.labels import TRUE_COLUMNS, VOTE_COLUMNS, check_votes
from ictal.core.predictions import ID_COLUMNS, ambiguous_keys, require_votes
from ictal.core.windows import BEFORE_S
from ictal.errors import TableError, listed, raise_problems, reason

LABEL_COLUMNS = (*ID_COLUMNS, "start_s", *VOTE_COLUMNS)
"""The columns of every label table: ids as text, start of the 50 s window in true seconds from the start of the
recording (negative where the labelled 10 s, `BEFORE_S` later, start within the first 20 s), votes as counts. Tables
of EEG without votes lack `VOTE_COLUMNS`."""
CENTRE_COLUMN = "centre_s"
"""Replaces `start_s` in tables that give the start of the labelled 10 s."""

FOLD_COLUMN = "fold"
"""Optional: the fold of each row (0, 1, ...), or 'test'."""

TEST_FOLD = "test"

TRUTH_TOLERANCE = 1e-3
"""How far the sum of a true distribution may be from one, because the table is rounded."""


def read_labels(path: Path, columns: Sequence[str], *, with_votes: bool) -> pd.DataFrame:
    """Read a label table as text, see `read_csv`.

    Parameters
    ----------
    path
        The file.
    columns
        Required columns, other than those of votes.
    with_votes
        Whether it must have votes; if not, it has all six columns of votes or none.
    """
    frame = read_csv(path, columns, VOTE_COLUMNS)
    if with_votes:
        require_votes(str(path), frame)
    return frame


def read_csv(path: Path, columns: Sequence[str], all_or_none: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV file as text, indexed by line number.

    Parameters
    ----------
    path
        The file, optionally compressed (.gz).
    columns
        Required columns.
    all_or_none
        Columns of which the table must have all if it has one.

    Raises
    ------
    TableError
        If the file is not a table, has no rows or lacks columns.
    """
    try:
        # Blank lines are dropped only below, so that messages give the file's line numbers.
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, skip_blank_lines=False, index_col=False)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise TableError(f"{path}: cannot be read as a CSV table: {reason(error)}") from error
    required = [*columns, *(all_or_none if {*all_or_none} & {*frame.columns} else ())]
    missing = [column for column in required if column not in frame.columns]
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
    """Check a label table and convert its columns.

    Parameters
    ----------
    frame
        Text columns `LABEL_COLUMNS` (`CENTRE_COLUMN` may replace start_s; all or none of the votes), and optionally
        `FOLD_COLUMN` and `TRUE_COLUMNS`; others are dropped. The index is the line numbers.
    path
        Of the table, for error messages.

    Returns
    -------
    DataFrame
        Ids and folds as text (ids spelt as `ictal.core.ids.tidy_id` does), start_s as float, votes as int; the index
        counts from 0.

    Raises
    ------
    TableError
        Listing all problems: empty ids, invalid times, votes that are negative, fractional or all zero, repeated
        windows, an EEG of two patients, patient ids that differ only by case, a patient in two folds.
    """
    with_truth = all(column in frame.columns for column in TRUE_COLUMNS)
    votes = VOTE_COLUMNS if VOTE_COLUMNS[0] in frame.columns else ()
    extra = [*([FOLD_COLUMN] if FOLD_COLUMN in frame.columns else []), *(TRUE_COLUMNS if with_truth else [])]
    time = CENTRE_COLUMN if CENTRE_COLUMN in frame.columns else "start_s"
    frame = normalize_id_columns(frame, ID_COLUMNS, str(path))
    times_s = pd.to_numeric(frame[time], errors="coerce").astype(float)
    problems = _time_problems(frame[time], times_s)
    frame = frame.assign(start_s=times_s if time == "start_s" else (times_s - BEFORE_S).round(6))
    frame = frame[[*ID_COLUMNS, "start_s", *votes, *extra]].copy()
    problems += empty_ids(frame, ID_COLUMNS[1:])
    if votes:
        problems += check_votes(frame, "line")
    problems += _repeated_windows(frame.rename(columns={"start_s": time}).assign(**{time: times_s}), time)
    problems += ambiguous_keys(frame, "eeg_id", "patient_id") + case_variants("patient_id", frame["patient_id"])
    if FOLD_COLUMN in extra:
        frame[FOLD_COLUMN] = strip_zero_decimals(frame[FOLD_COLUMN])
        problems += _fold_problems(frame)
    if with_truth:
        truth = frame[list(TRUE_COLUMNS)].apply(pd.to_numeric, errors="coerce").astype(float)
        problems += _truth_problems(truth)
        frame[list(TRUE_COLUMNS)] = truth
    raise_problems(str(path), problems)
    counts = {column: pd.to_numeric(frame[column]).astype(int) for column in votes}
    return frame.assign(**counts).reset_index(drop=True)


def empty_ids(frame: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """List the lines whose ids are empty; the index of the table is the line numbers."""
    return [f"line {line}: {column} is empty" for column in columns for line in frame.index[frame[column] == ""]]


def repeated(frame: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    """List what occurs on several lines of a table in the columns `keys`; the index is the line numbers."""
    several = frame[frame.duplicated(list(keys), keep=False)]
    groups = several.groupby(list(keys) if len(keys) > 1 else keys[0], sort=False).groups
    return [
        f"lines {listed(lines)}: {' and '.join(keys)} {key} found {len(lines)} times; allowed is once"
        for key, lines in groups.items()
    ]


def _time_problems(texts: "pd.Series[str]", times_s: "pd.Series[float]") -> list[str]:
    name = CENTRE_COLUMN if texts.name == CENTRE_COLUMN else "the start"
    return [
        f"line {line}: {name} is '{text}'; allowed are seconds from 0"
        for line, text in texts[~(times_s >= 0) | np.isinf(times_s)].items()
    ]


def _repeated_windows(frame: pd.DataFrame, time: str) -> list[str]:
    """List windows that occur more than once, by id or by time within an EEG."""
    return repeated(frame, ["window_id"]) + repeated(frame, ["eeg_id", time])


def _fold_problems(frame: pd.DataFrame) -> list[str]:
    folds = frame[FOLD_COLUMN]
    wrong = folds[~(folds.str.fullmatch(r"\d+") | (folds == TEST_FOLD))]
    problems = [
        f"line {line}: fold is '{fold}'; allowed are 0, 1, 2, ... and '{TEST_FOLD}'" for line, fold in wrong.items()
    ]
    return problems + ambiguous_keys(frame, "patient_id", FOLD_COLUMN)


def _truth_problems(truth: pd.DataFrame) -> list[str]:
    is_distribution = (truth >= 0).all(axis=1) & ((truth.sum(axis=1) - 1).abs() <= TRUTH_TOLERANCE)
    return [
        f"line {line}: the columns {listed(TRUE_COLUMNS)} are not a distribution; allowed are shares that sum to 1"
        for line in truth.index[~is_distribution]
    ]
