"""A folder in the layout of the HMS competition: train.csv and train_eegs/ID.parquet."""

from pathlib import Path

import pandas as pd

from ictal.data.dataset import FileDataset
from ictal.data.table import make_labels, read_csv
from ictal.errors import TableError
from ictal.labels import VOTE_COLUMNS

TABLE = "train.csv"
EEGS = "train_eegs"
OFFSET_COLUMN = "eeg_label_offset_seconds"
TABLE_COLUMNS = ("eeg_id", "eeg_sub_id", OFFSET_COLUMN, "patient_id", *VOTE_COLUMNS)


def read_hms_labels(path: Path) -> pd.DataFrame:
    """Read and check the label table of the competition.

    Parameters
    ----------
    path
        A CSV file, perhaps compressed, with the columns `TABLE_COLUMNS`; a column 'fold' is kept.

    Returns
    -------
    DataFrame
        `ictal.data.table.LABEL_COLUMNS`; window_id is 'EEG_SUBID', start_s the sub-window's offset.

    Raises
    ------
    TableError
        With all problems of the table.
    """
    frame = read_csv(path, TABLE_COLUMNS)
    frame["window_id"] = frame["eeg_id"] + "_" + frame["eeg_sub_id"]
    frame["start_s"] = frame[OFFSET_COLUMN]
    return make_labels(frame, path)


def read_hms_folder(folder: Path) -> FileDataset:
    """Open a folder in HMS layout; its files are not looked at yet.

    Raises
    ------
    TableError
        If train.csv is absent or wrong.
    """
    table = folder / TABLE
    if not table.is_file():
        raise TableError(f"{folder}: has no {TABLE}; a data folder holds {TABLE} and {EEGS}/ID.parquet")
    labels = read_hms_labels(table)
    files = {eeg: folder / EEGS / f"{eeg}.parquet" for eeg in labels["eeg_id"].unique()}
    return FileDataset(str(folder), labels, files)
