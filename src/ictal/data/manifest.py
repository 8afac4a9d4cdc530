"""A manifest: a CSV with a row per window, for recordings of any format that can be read."""

from pathlib import Path

from ictal.data.dataset import FileDataset
from ictal.data.table import CENTRE_COLUMN, make_labels, read_csv
from ictal.errors import TableError, raise_problems
from ictal.labels import VOTE_COLUMNS

MANIFEST_COLUMNS = ("file", CENTRE_COLUMN, "patient_id", *VOTE_COLUMNS)
"""Of a manifest as it is written: `CENTRE_COLUMN` is when the voted 10 s begin, in true seconds from the start of the
recording, gaps included. Older ones have 'start_s' in its place: when the 50 s begin of which they are the middle."""


def read_manifest(path: Path) -> FileDataset:
    """Open a manifest; its files are not looked at yet.

    Parameters
    ----------
    path
        A CSV with the columns `MANIFEST_COLUMNS` (or an older one), and perhaps 'fold'. A file is named relative to
        the manifest; it is the EEG, and file@centre_s the window.

    Raises
    ------
    TableError
        With all problems of the table.
    """
    frame = read_csv(path, [name for name in MANIFEST_COLUMNS if name != CENTRE_COLUMN])
    times = [name for name in (CENTRE_COLUMN, "start_s") if name in frame.columns]
    if len(times) != 1:
        raise TableError(
            f"{path}: has {' and '.join(times) or 'neither centre_s nor start_s'}; allowed is one of them: centre_s, "
            "when the 10 s that were voted on begin, or start_s, when the 50 s begin whose middle they are"
        )
    (time,) = times
    raise_problems(str(path), [f"line {line}: file is empty" for line in frame.index[frame["file"] == ""]])
    frame["eeg_id"] = frame["file"]
    frame["window_id"] = frame["file"] + "@" + frame[time]
    labels = make_labels(frame, path)
    files = {file: path.parent / file for file in labels["eeg_id"].unique()}
    return FileDataset(str(path), labels, files, centred=time == CENTRE_COLUMN)
