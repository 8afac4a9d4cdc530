"""The Predictions table, the only link between training and evaluation."""

import zlib
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ictal.core.atomic_files import atomic_write
from ictal.core.ids import case_variants, normalize_id_columns
from ictal.core.labels import OTHER, PATTERNS, VOTE_COLUMNS, check_votes
from ictal.errors import TableError, listed, raise_problems, reason

ID_COLUMNS = ("window_id", "eeg_id", "patient_id")
KEY_COLUMNS = (*ID_COLUMNS, "split", "fold", "arm", "seed")
PROBABILITY_COLUMNS = tuple(f"{pattern}_probability" for pattern in PATTERNS)
ALWAYS_KNOWN = PROBABILITY_COLUMNS[OTHER]
"""Every model gives it: a model that knows fewer patterns counts everything else as other. In tables of scores, the
columns of patterns that a model does not know are empty (NaN)."""
COLUMNS = (*KEY_COLUMNS, *VOTE_COLUMNS, *PROBABILITY_COLUMNS)
CONCENTRATION = "concentration"
"""An optional column: how closely panels follow the probabilities; empty for arms that do not predict it."""

SPLITS = ("cv", "test")
"""'cv': predicted by the model of the fold that was not trained on the window; 'test': held out from all folds."""

MEAN_OF_FOLDS = -1
"""The fold of a row that averages the predictions of several folds."""

SUM_TOLERANCE = 1e-3

ROWS_AT_A_TIME = 100_000
"""Number of rows read at a time from large tables."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Predictions:
    """A table with one row per window, fold, arm and seed.

    Attributes
    ----------
    frame
        The columns `COLUMNS`: ids as text, as `normalize_id` writes them; split, 'cv' or 'test'; fold and seed as
        whole numbers; votes as counts; probabilities in the order of `PATTERNS`; and optionally `CONCENTRATION`. A
        table for EEG without votes has no columns of votes.
    """

    frame: pd.DataFrame

    @classmethod
    def make(cls, frame: pd.DataFrame, name: str = "predictions", *, with_votes: bool = True) -> "Predictions":
        """Check a table, and put its columns in order with their types.

        Parameters
        ----------
        frame
            The table; other columns are dropped.
        name
            Of the table, for messages.
        with_votes
            Whether it must have votes; if not, it has all six columns of votes or none.

        Raises
        ------
        TableError
            With all problems: missing columns, duplicated windows, invalid votes, probabilities that are negative or
            do not sum to one within 1e-3, a patient or an EEG on both sides of a split.
        """
        if with_votes:
            require_votes(name, frame)
        votes = VOTE_COLUMNS if {*VOTE_COLUMNS} & {*frame.columns} else ()
        required = [*KEY_COLUMNS, *votes, *PROBABILITY_COLUMNS]
        require_columns(name, frame, required)
        columns = [*required, *([CONCENTRATION] if CONCENTRATION in frame.columns else [])]
        frame = frame.loc[:, columns].reset_index(drop=True)
        raise_problems(name, _key_problems(frame))
        frame = normalize_id_columns(frame.astype({"split": str, "arm": str}), ID_COLUMNS, name)
        raise_problems(name, _problems(frame))
        numbers = dict.fromkeys((*PROBABILITY_COLUMNS, *columns[len(required) :]), float)
        return cls(frame.astype({"fold": int, "seed": int} | numbers | dict.fromkeys(votes, int)))

    @classmethod
    def read(cls, path: Path, *, with_votes: bool = True) -> "Predictions":
        """Read a table from Parquet or, with any other suffix, CSV (optionally compressed); see `make`."""
        texts = dict.fromkeys((*ID_COLUMNS, "split", "arm"), str)
        return cls.make(read_frame(path, texts, "a table of predictions"), str(path), with_votes=with_votes)

    def write(self, path: Path) -> None:
        """Write the table atomically as Parquet or, with any other suffix, CSV."""
        with atomic_write(path) as part:
            if path.suffix == ".parquet":
                self.frame.to_parquet(part, index=False)
            else:
                # pandas cannot see the compression in the name of the temporary file.
                self.frame.to_csv(part, index=False, compression="gzip" if path.suffix == ".gz" else None)

    @property
    def votes(self) -> npt.NDArray[np.int64]:
        """Votes per pattern, [row, 6]; a `TableError` if the table has none."""
        require_votes("predictions", self.frame)
        return self.frame[list(VOTE_COLUMNS)].to_numpy(dtype=np.int64)

    @property
    def probabilities(self) -> Floats:
        """Predicted probability per pattern, [row, 6]."""
        return self.frame[list(PROBABILITY_COLUMNS)].to_numpy(dtype=np.float64)

    @property
    def concentrations(self) -> Floats | None:
        """Predicted concentration of the votes, [row]; None if any row lacks it."""
        if CONCENTRATION not in self.frame.columns or self.frame[CONCENTRATION].isna().any():
            return None
        return self.frame[CONCENTRATION].to_numpy(dtype=np.float64)

    @property
    def folds(self) -> npt.NDArray[np.int64]:
        """Fold, [row]."""
        return self.frame["fold"].to_numpy(dtype=np.int64)

    @property
    def seeds(self) -> npt.NDArray[np.int64]:
        """Seed of training, [row]."""
        return self.frame["seed"].to_numpy(dtype=np.int64)

    @property
    def patients(self) -> npt.NDArray[np.object_]:
        """Patient ids, [row]."""
        return self.frame["patient_id"].to_numpy(dtype=object)

    @property
    def weights(self) -> Floats:
        """One over the number of windows of the row's EEG, [row], so that all EEGs have equal weight."""
        return eeg_weights(self.frame["eeg_id"])

    @property
    def arms(self) -> list[str]:
        """Names of the arms, in the order of their first row."""
        return [str(arm) for arm in self.frame["arm"].unique()]

    def __len__(self) -> int:
        return len(self.frame)

    def select(self, **values: object) -> "Predictions":
        """Return the rows with these column values, for example ``select(arm="both", split="cv")``."""
        keep = np.ones(len(self.frame), dtype=bool)
        for column, value in values.items():
            keep &= (self.frame[column] == value).to_numpy()
        return Predictions(self.frame[keep].reset_index(drop=True))

    def average(self) -> "Predictions":
        """Return one row per window, arm and seed, with probabilities averaged over folds.

        A window that only one fold predicted keeps its fold; others get `MEAN_OF_FOLDS`. Concentrations are averaged
        geometrically.
        """
        keys = ["window_id", "arm", "seed"]
        first = self.frame.groupby(keys, sort=False).first()
        groups = self.frame.groupby(keys, sort=False)
        first[list(PROBABILITY_COLUMNS)] = groups[list(PROBABILITY_COLUMNS)].mean()
        if CONCENTRATION in self.frame.columns:
            logs = self.frame.assign(**{CONCENTRATION: np.log(self.frame[CONCENTRATION])})
            first[CONCENTRATION] = np.exp(logs.groupby(keys, sort=False)[CONCENTRATION].mean())
        first["fold"] = first["fold"].where(groups["fold"].min() == groups["fold"].max(), MEAN_OF_FOLDS)
        return Predictions(first.reset_index()[list(self.frame.columns)])


def concatenate(tables: Sequence[Predictions]) -> Predictions:
    """Return the rows of all tables in one table, and check it."""
    return Predictions.make(pd.concat([table.frame for table in tables], ignore_index=True))


def mean_of(tables: Sequence[Predictions], arm: str) -> Predictions:
    """Return a new arm with the mean probabilities of several arms on the same windows, folds and seeds.

    Raises
    ------
    TableError
        If the tables do not have the same windows.
    """
    keys = ["window_id", "split", "fold", "seed"]
    frames = [table.frame.set_index(keys).sort_index() for table in tables]
    for table, frame in zip(tables, frames, strict=True):
        differing = frame.index.symmetric_difference(frames[0].index)
        if len(differing):
            raise TableError(
                f"the mean of arms needs the same windows in each; {table.arms[0]} and {tables[0].arms[0]} "
                f"differ in {len(differing)}: {listed(differing, 3)}"
            )
    mean = frames[0].copy()
    columns = list(PROBABILITY_COLUMNS)
    mean[columns] = np.mean([frame[columns].to_numpy() for frame in frames], axis=0)
    mean["arm"] = arm
    # A mean of distributions has no concentration.
    columns = [column for column in COLUMNS if column in tables[0].frame.columns]
    return Predictions(mean.reset_index()[columns])


def read_frame(path: Path, dtype: "type[str] | dict[str, type[str]]", what: str = "a table") -> pd.DataFrame:
    """Read Parquet or, with any other suffix, CSV (optionally compressed). Empty cells become empty strings.

    Parameters
    ----------
    path
        The file.
    dtype
        Types of the columns of a CSV file.
    what
        What the file should be, for the error message.

    Raises
    ------
    TableError
        If it cannot be read.
    """
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, dtype=dtype, keep_default_na=False)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise TableError(f"{path}: cannot be read as {what}: {reason(error)}") from error


def column_names(path: Path, what: str = "a table") -> list[str]:
    """Return the column names of a Parquet or CSV table without reading its rows; see `read_frame` for `what`."""
    try:
        if path.suffix == ".parquet":
            return [str(name) for name in pq.read_schema(path).names]
        return [str(name) for name in pd.read_csv(path, dtype=str, nrows=0).columns]
    except (OSError, ValueError, EOFError, zlib.error, pa.ArrowException) as error:
        raise TableError(f"{path}: cannot be read as {what}: {reason(error)}") from error


def read_columns(
    path: Path, texts: Sequence[str], numbers: Sequence[str], what: str = "a table"
) -> tuple[pd.DataFrame, Floats]:
    """Read some columns of a Parquet or CSV table in parts, so that a million rows need little extra memory.

    Parameters
    ----------
    path
        The file.
    texts
        Columns with ids.
    numbers
        Columns with numbers.
    what
        See `read_frame`.

    Returns
    -------
    texts : DataFrame
        Empty cells are empty strings.
    numbers : ndarray
        [row, column], column by column in memory; NaN where a cell is not a number.
    """
    own = list(dict.fromkeys(texts))
    try:
        try:
            parts = [_parted(part, own, numbers) for part in _parts_of(path, own, numbers, as_text=False)]
        except ValueError:  # a cell is not a number; the caller reports which one
            parts = [_parted(part, own, numbers) for part in _parts_of(path, own, numbers, as_text=True)]
    except (OSError, ValueError, EOFError, zlib.error, pa.ArrowException) as error:
        raise TableError(f"{path}: cannot be read as {what}: {reason(error)}") from error
    if not parts:
        return pd.DataFrame(columns=own, dtype=str), np.empty((0, len(numbers)))
    held = np.concatenate([values for _, values in parts], axis=1)
    return pd.concat([ids for ids, _ in parts], ignore_index=True), held.T


def _parts_of(path: Path, texts: list[str], numbers: Sequence[str], *, as_text: bool) -> Iterator[pd.DataFrame]:
    """Yield some columns of a table, some rows at a time."""
    columns = [*texts, *numbers]
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_AT_A_TIME, columns=columns):
                yield batch.to_pandas()
        return
    kinds = dict.fromkeys(texts, str) | dict.fromkeys(numbers, str if as_text else float)
    chunks = pd.read_csv(path, dtype=kinds, keep_default_na=False, usecols=columns, chunksize=ROWS_AT_A_TIME)
    with chunks:
        yield from chunks


def _parted(frame: pd.DataFrame, texts: list[str], numbers: Sequence[str]) -> tuple[pd.DataFrame, Floats]:
    """Return the ids as text and the numbers as [column, row]."""
    ids = {name: frame[name].astype(str).mask(frame[name].isna(), "") for name in texts}
    values = np.empty((len(numbers), len(frame)))
    for row, name in zip(values, numbers, strict=True):
        row[:] = pd.to_numeric(frame[name], errors="coerce")
    return pd.DataFrame(ids), values


def require_columns(name: str, there: Iterable[Hashable], columns: Sequence[str]) -> None:
    """Raise a `TableError` that lists the missing columns of a table; `there` is the table or its columns."""
    known = {*there}
    missing = [column for column in dict.fromkeys(columns) if column not in known]
    raise_problems(name, [f"column '{column}' is missing" for column in missing])


def require_votes(name: str, there: Iterable[Hashable], columns: Sequence[str] = VOTE_COLUMNS) -> None:
    """Raise a `TableError` that says so if a table has no column of votes; `there` is the table or its columns."""
    if not {*columns} & {*there}:
        raise TableError(f"{name}: has no votes; needed are the columns {listed(columns)}")


def eeg_weights(eegs: "pd.Series[str]") -> Floats:
    """Return one over the number of rows of each row's EEG, [row], so that all EEGs have equal weight."""
    return 1 / eegs.groupby(eegs).transform("size").to_numpy(dtype=np.float64)


def wrong_probabilities(probabilities: Floats) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Mark the rows of [row, 6] with invalid probabilities, and the other rows that do not sum to one."""
    wrong = np.asarray(~(np.isfinite(probabilities) & (probabilities >= 0)).all(axis=1))
    return wrong, ~wrong & (abs(probabilities.sum(axis=1) - 1) > SUM_TOLERANCE)


def _key_problems(frame: pd.DataFrame) -> list[str]:
    problems = []
    for column in (*ID_COLUMNS, "split", "arm"):
        empty = frame[column].isna() | (frame[column].astype(str).str.strip() == "")
        problems += [f"row {row}: {column} is empty" for row in frame.index[empty]]
    for column in ("fold", "seed"):
        numbers = pd.to_numeric(frame[column], errors="coerce")
        problems += [
            f"row {row}: {column} is {frame[column][row]}; allowed are whole numbers"
            for row in frame.index[~(numbers == numbers.round())]
        ]
    return problems


def _problems(frame: pd.DataFrame) -> list[str]:
    problems = check_votes(frame) if VOTE_COLUMNS[0] in frame.columns else []
    probabilities = frame[list(PROBABILITY_COLUMNS)].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    wrong, off = wrong_probabilities(probabilities)
    problems += [
        f"row {row}: probabilities {probabilities[row].tolist()}; allowed are numbers from 0 to 1"
        for row in np.flatnonzero(wrong)
    ]
    if CONCENTRATION in frame.columns:
        given = pd.to_numeric(frame[CONCENTRATION], errors="coerce").to_numpy(float)
        problems += [
            f"row {row}: {CONCENTRATION} is {given[row]:g}; allowed are numbers above 0, or an empty cell"
            for row in np.flatnonzero(given <= 0)
        ]
    problems += [
        f"row {row}: probabilities sum to {probabilities[row].sum():.6g}; allowed is 1 within {SUM_TOLERANCE}"
        for row in np.flatnonzero(off)
    ]
    unknown = sorted(set(frame["split"]) - set(SPLITS))
    if unknown:
        problems.append(f"split is {listed(unknown)}; allowed are {', '.join(SPLITS)}")
    keys = ["window_id", "arm", "seed", "fold"]
    doubled = frame.loc[frame.duplicated(keys), keys].astype(str).agg(" / ".join, axis=1)
    if len(doubled):
        problems.append(f"{len(doubled)} rows repeat a window, arm, seed and fold: {listed(doubled, 3)}")
    problems += ambiguous_keys(frame, "window_id", "eeg_id") + ambiguous_keys(frame, "eeg_id", "patient_id")
    problems += ambiguous_keys(frame, "patient_id", "split") + case_variants("patient_id", frame["patient_id"])
    cross_validated = frame[frame["split"] == "cv"]
    return problems + ambiguous_keys(cross_validated, "patient_id", "fold")


def ambiguous_keys(frame: pd.DataFrame, inner: str, outer: str) -> list[str]:
    """List the values of column `inner` that occur with more than one value of column `outer`."""
    pairs = frame[[inner, outer]].drop_duplicates()
    several = pairs[pairs[inner].duplicated(keep=False)].groupby(inner, sort=True)[outer]
    return [
        f"{inner} '{value}' has several values of {outer}: {listed(outers)}; allowed is one"
        for value, outers in several
    ]
