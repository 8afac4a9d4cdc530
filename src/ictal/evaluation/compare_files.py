"""Compare files of predictions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ictal.core.progress import Progress, silent
from ictal.errors import UsageError
from ictal.evaluation.prediction_tables import ColumnNames, read_patients, read_table
from ictal.evaluation.table_comparison import compare_tables
from ictal.evaluation.table_results import TableComparison

Files = Sequence[str | Path] | Mapping[str, str | Path]


def compare(
    files: Files,
    patients: str | Path | None = None,
    columns: ColumnNames = ColumnNames(),  # noqa: B008 (frozen)
    *,
    progress: Progress = silent,
    **options: Any,
) -> TableComparison:
    """Compare files of predictions on the windows that all of them have.

    Parameters
    ----------
    files
        Paths of tables, CSV or Parquet with a row per window; or a dictionary of these, by the names to show.
    patients
        A table with the patient of each EEG, if the files do not name them.
    columns
        What the files call their columns.
    progress
        Called for each file.
    **options
        See `compare_tables`, such as ``average=True``.

    Raises
    ------
    UsageError
        If a file is named twice.
    TableError
        If a file cannot be read, or the files do not agree on windows, votes or patients.
    """
    named = files if isinstance(files, Mapping) else by_title(files)
    tables = {}
    for number, (title, file) in enumerate(named.items()):
        progress("reading tables", number, len(named))
        tables[title] = read_table(Path(file), columns)
    progress("reading tables", len(named), len(named))
    owners = read_patients(Path(patients), columns) if patients else None
    return compare_tables(tables, owners, progress=progress, **options)


def by_title(files: Sequence[str | Path]) -> dict[str, str | Path]:
    """Return files by a short title: the name without suffixes, or the path where names repeat."""
    titles = [Path(file).name.split(".")[0] for file in files]
    if len({*titles, "mean", "weighted"}) < len(titles) + 2:  # repeated, or the name of an average
        titles = [str(file) for file in files]
    if len({*titles}) < len(titles):
        raise UsageError("a file is named twice; each table is compared once")
    return dict(zip(titles, files, strict=True))
