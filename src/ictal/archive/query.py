"""Query an archive: SQL conditions on its columns, run by DuckDB on the Parquet files."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import pandas as pd

from ictal.archive.ledger import STATES, ledger_table, read_ledger
from ictal.archive.partition import PARTITION
from ictal.core.labels import PATTERNS
from ictal.errors import RunError, UnknownNameError, require

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

Table = Literal["burden", "events", "scores", "recordings"]
TABLES: tuple[Table, ...] = get_args(Table)
"""Tables: one row per recording and pattern, per event, per window, or per recording."""
WORDS = (*PATTERNS, *STATES)
"""Words that need no quotes in a condition."""


def query_archive(folder: str | Path, question: str, table: Table = "burden") -> pd.DataFrame:
    """Return the rows of an archive that satisfy a condition.

    Parameters
    ----------
    folder
        Folder of the archive; a run may be active in it.
    question
        An SQL condition on the columns, such as ``pattern = seizure and burden > 0.2``; patterns and states need no
        quotes.
    table
        One of `TABLES`. Only recordings that are done have burden, events and scores.

    Returns
    -------
    DataFrame
        The columns of the table, and `model`, the partition; ordered by recording.

    Raises
    ------
    RunError
        If the folder is not an archive, or the condition is invalid.
    """
    require("archive", "querying an archive", "duckdb")
    import duckdb

    if table not in TABLES:
        raise UnknownNameError("table", table, TABLES)
    folder = Path(folder).absolute()
    with duckdb.connect(":memory:") as connection:
        rows = _relation(connection, folder, table)
        columns = list(rows.columns)
        words = ", ".join(f"'{word}' as {word}" for word in WORDS if word not in columns)
        try:
            found = rows.project(f"*, {words}").filter(question).project(", ".join(f'"{name}"' for name in columns))
            found = found.order(", ".join(name for name in ("model", "recording", "start_s") if name in columns))
            answer: pd.DataFrame = found.df()
        except duckdb.Error as error:
            message = str(error).splitlines()[0]
            raise RunError(
                f"'{question}' is not a valid condition: {message}; columns are {', '.join(columns)}; "
                f"patterns are {', '.join(PATTERNS)}"
            ) from error
    return answer


def _relation(connection: "DuckDBPyConnection", folder: Path, table: Table) -> "DuckDBPyRelation":
    """Return a table of an archive, and restrict the connection to reading this archive.

    The partition is derived from its own folder only. DuckDB would make a column of every ``name=value`` in the path.
    """
    connection.register("ledger", ledger_table(read_ledger(folder)[0].values()))
    connection.execute("set allowed_directories = $folders", {"folders": [f"{folder}/", f"{_literal(folder)}/"]})
    connection.execute("set python_enable_replacements = false; set enable_external_access = false")
    connection.execute("set lock_configuration = true")
    if table == "recordings":
        return connection.table("ledger")
    held = [place for place in sorted((folder / table).glob(f"{PARTITION}*")) if any(place.glob("*.parquet"))]
    if not held:
        raise RunError(f"{folder}: no recording is done yet")
    rows = " union all by name ".join(
        f"select *, {_quoted(place.name.removeprefix(PARTITION))} as model "
        f"from read_parquet({_quoted(f'{_literal(place)}/*.parquet')}, hive_partitioning = false)"
        for place in held
    )
    done = "select recording, model from ledger where state = 'done'"
    return connection.sql(f"select * from ({rows}) semi join ({done}) using (recording, model)")


def _literal(path: Path) -> str:
    """Return a path with its glob characters escaped for DuckDB."""
    return re.sub(r"[\[*?]", r"[\g<0>]", str(path))


def _quoted(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
