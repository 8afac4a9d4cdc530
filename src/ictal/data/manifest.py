"""A manifest: a CSV with a row per window, for recordings of any format that can be read."""

import os
import unicodedata
from pathlib import Path

from ictal.core.atomic_files import file_identity
from ictal.core.ids import normalize_id
from ictal.core.labels import VOTE_COLUMNS
from ictal.data.dataset import FileDataset
from ictal.data.label_table import CENTRE_COLUMN, make_labels, read_csv
from ictal.errors import TableError, raise_problems

MANIFEST_COLUMNS = ("file", CENTRE_COLUMN, "patient_id", *VOTE_COLUMNS)
"""Of a manifest as it is written: `CENTRE_COLUMN` is when the voted 10 s begin, in true seconds from the start of the
recording, gaps included. Older ones have 'start_s' in its place: when the 50 s begin of which they are the middle."""


def read_manifest(path: Path) -> FileDataset:
    """Open a manifest; its files are not looked at yet.

    Parameters
    ----------
    path
        A CSV with the columns `MANIFEST_COLUMNS` (or an older one), and perhaps 'fold'. A file is named relative to
        the manifest; it is the EEG, by whatever path or link it is reached, and file@centre_s the window.

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
    raise_problems(
        str(path), [f"line {line}: file is empty" for line in frame.index[frame["file"].str.strip() == ""]]
    )
    files: dict[str, Path] = {}
    known: dict[object, str] = {}
    ids: dict[str, str] = {}
    problems = []
    for written in frame["file"].unique():
        file = _file(path.parent, written)
        name = known.setdefault(identity := file_identity(file), normalize_id(os.path.normpath(written)))
        if file_identity(files.setdefault(name, file)) != identity:
            problems.append(f"file '{written}' is named as another but for blanks or the form of letters; rename one")
        ids[written] = name
    raise_problems(str(path), problems)
    frame["eeg_id"] = frame["file"].map(ids)
    frame["window_id"] = frame["eeg_id"] + "@" + frame[time]
    return FileDataset(str(path), make_labels(frame, path), files, centred=time == CENTRE_COLUMN)


def _file(folder: Path, written: str) -> Path:
    """Return the file that a manifest names: as it is written, or, where there is none, in another Unicode form."""
    exact = folder / written
    forms = (
        folder / form for name in (written, written.strip()) for form in (name, _composed(name), _decomposed(name))
    )
    return next((file for file in forms if file.exists()), exact)


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _decomposed(name: str) -> str:
    return unicodedata.normalize("NFD", name)
