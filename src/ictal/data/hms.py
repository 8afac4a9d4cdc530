"""Data sets in the layout of the HMS competition: train.csv, train_eegs/ and train_spectrograms/."""

from pathlib import Path

import pandas as pd

from ictal.core.ids import normalize_id_columns
from ictal.core.labels import VOTE_COLUMNS
from ictal.data.dataset import FileDataset
from ictal.data.label_table import make_labels, read_labels
from ictal.errors import TableError, raise_problems
from ictal.io.regional_spectrogram import ContextFile

TABLE = "train.csv"
EEGS = "train_eegs"
SPECTROGRAMS = "train_spectrograms"
OFFSET_COLUMN = "eeg_label_offset_seconds"
SPECTROGRAM_COLUMN = "spectrogram_id"
SPECTROGRAM_OFFSET_COLUMN = "spectrogram_label_offset_seconds"
TABLE_COLUMNS = ("eeg_id", "eeg_sub_id", OFFSET_COLUMN, "patient_id", *VOTE_COLUMNS)


def read_hms_labels(path: Path) -> pd.DataFrame:
    """Read and check the label table of the competition.

    Parameters
    ----------
    path
        A CSV file, optionally compressed, with the columns `TABLE_COLUMNS`; a column 'fold' is kept.

    Returns
    -------
    DataFrame
        `ictal.data.label_table.LABEL_COLUMNS`; window_id is 'EEG_SUBID', start_s is the offset of the sub-window.

    Raises
    ------
    TableError
        Listing all problems of the table.
    """
    return make_labels(_read(path, with_votes=True), path)


def _read(path: Path, *, with_votes: bool) -> pd.DataFrame:
    ids = ("eeg_id", "eeg_sub_id", "patient_id", SPECTROGRAM_COLUMN)
    columns = [name for name in TABLE_COLUMNS if name not in VOTE_COLUMNS]
    frame = normalize_id_columns(read_labels(path, columns, with_votes=with_votes), ids, str(path))
    frame["window_id"] = frame["eeg_id"] + "_" + frame["eeg_sub_id"]
    frame["start_s"] = frame[OFFSET_COLUMN]
    return frame


def read_hms_folder(folder: Path, *, with_votes: bool = True) -> FileDataset:
    """Open a folder in HMS layout, without its EEG files.

    Contexts are read from train_spectrograms/ID.parquet where the table has the columns spectrogram_id and
    spectrogram_label_offset_seconds and the file exists.

    Parameters
    ----------
    folder
        It contains train.csv and train_eegs/.
    with_votes
        Whether the table must have votes.

    Raises
    ------
    TableError
        If train.csv is absent or invalid.
    """
    table = folder / TABLE
    if not table.is_file():
        raise TableError(
            f"{folder}: no {TABLE}; a data folder contains {TABLE} and {EEGS}/ID.parquet (for 'ictal predict', also "
            "test.csv and test_eegs/ID.parquet)"
        )
    frame = _read(table, with_votes=with_votes)
    labels = make_labels(frame, table)
    files = {eeg: folder / EEGS / f"{eeg}.parquet" for eeg in labels["eeg_id"].unique()}
    return FileDataset(str(folder), labels, files, _contexts(frame, folder))


def _contexts(frame: pd.DataFrame, folder: Path) -> dict[str, ContextFile]:
    """Return the files of stored contexts, by window_id."""
    if not {SPECTROGRAM_COLUMN, SPECTROGRAM_OFFSET_COLUMN} <= set(frame.columns):
        return {}
    paths = {name: folder / SPECTROGRAMS / f"{name}.parquet" for name in frame[SPECTROGRAM_COLUMN].unique()}
    kept = frame[frame[SPECTROGRAM_COLUMN].map({name: path.is_file() for name, path in paths.items()})]
    offsets = pd.to_numeric(kept[SPECTROGRAM_OFFSET_COLUMN], errors="coerce").astype(float)
    wrong = kept.loc[~(offsets >= 0), SPECTROGRAM_OFFSET_COLUMN]
    raise_problems(
        str(folder / TABLE),
        [
            f"line {line}: {SPECTROGRAM_OFFSET_COLUMN} is '{text}'; allowed are seconds from 0"
            for line, text in wrong.items()
        ],
    )
    rows = zip(kept["window_id"], kept[SPECTROGRAM_COLUMN], offsets, strict=True)
    return {window: ContextFile(paths[name], offset_s) for window, name, offset_s in rows}
