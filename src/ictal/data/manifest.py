"""A manifest: a CSV with a row per window, for recordings of any format that can be read."""

from pathlib import Path

from ictal.data.dataset import FileDataset
from ictal.data.table import make_labels, read_csv
from ictal.errors import raise_problems
from ictal.labels import VOTE_COLUMNS

MANIFEST_COLUMNS = ("file", "start_s", "patient_id", *VOTE_COLUMNS)


def read_manifest(path: Path) -> FileDataset:
    """Open a manifest; its files are not looked at yet.

    Parameters
    ----------
    path
        A CSV with the columns `MANIFEST_COLUMNS`, and perhaps 'fold'. A file is named relative to the
        manifest; it is the EEG, and file@start_s the window.

    Raises
    ------
    TableError
        With all problems of the table.
    """
    frame = read_csv(path, MANIFEST_COLUMNS)
    raise_problems(str(path), [f"line {line}: file is empty" for line in frame.index[frame["file"] == ""]])
    frame["eeg_id"] = frame["file"]
    frame["window_id"] = frame["file"] + "@" + frame["start_s"]
    labels = make_labels(frame, path)
    return FileDataset(str(path), labels, {file: path.parent / file for file in labels["eeg_id"].unique()})
