"""Manifests: CSV tables with a row per window, for recordings in any supported format."""

import os
import unicodedata
from pathlib import Path

from ictal.core.atomic_files import file_identity
from ictal.core.ids import normalize_id
from ictal.core.labels import VOTE_COLUMNS
from ictal.data.dataset import FileDataset
from ictal.data.label_table import CENTRE_COLUMN, make_labels, read_labels
from ictal.errors import TableError, raise_problems

MANIFEST_COLUMNS = ("file", CENTRE_COLUMN, "patient_id", *VOTE_COLUMNS)
"""Columns of a manifest. `CENTRE_COLUMN` is the start of the labelled 10 s, in true seconds from the start of the
recording, gaps included. Older manifests have 'start_s' instead: the start of the 50 s around them."""


def read_manifest(path: Path, *, with_votes: bool = True) -> FileDataset:
    """Open a manifest, without its EEG files.

    Parameters
    ----------
    path
        A CSV with the columns `MANIFEST_COLUMNS` (or older ones), and optionally 'fold'. Files are relative to the
        manifest. Each file is one EEG, even if several paths or links lead to it; window_id is file@centre_s.
    with_votes
        Whether the table must have votes.

    Raises
    ------
    TableError
        Listing all problems of the table.
    """
    frame = read_labels(path, ("file", "patient_id"), with_votes=with_votes)
    times = [name for name in (CENTRE_COLUMN, "start_s") if name in frame.columns]
    if len(times) != 1:
        raise TableError(
            f"{path}: has {' and '.join(times) or 'neither centre_s nor start_s'}; allowed is one of them: centre_s, "
            "the start of the labelled 10 s, or start_s, the start of the 50 s around them"
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
            problems.append(f"file '{written}' differs from another only in blanks or Unicode form; rename one")
        ids[written] = name
    raise_problems(str(path), problems)
    frame["eeg_id"] = frame["file"].map(ids)
    frame["window_id"] = frame["eeg_id"] + "@" + frame[time]
    return FileDataset(str(path), make_labels(frame, path), files, centred=time == CENTRE_COLUMN)


def _file(folder: Path, written: str) -> Path:
    """Return the file that a manifest names, as written or, if there is none, in another Unicode form."""
    exact = folder / written
    forms = (
        folder / form for name in (written, written.strip()) for form in (name, _composed(name), _decomposed(name))
    )
    return next((file for file in forms if file.exists()), exact)


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _decomposed(name: str) -> str:
    return unicodedata.normalize("NFD", name)
