"""Query an archive: SQL conditions on its columns, run by DuckDB on the Parquet files."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import pandas as pd

from ictal.archive.ledger import STATES, ledger_table, read_ledger
from ictal.archive.partition import BURDEN, EVENTS, KINDS, PARTITION
from ictal.core.labels import PATTERNS
from ictal.errors import RunError, UnknownNameError, require

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

Table = Literal["burden", "events", "scores", "recordings"]
TABLES: tuple[Table, ...] = get_args(Table)
"""Tables: one row per recording and pattern, per event, per window, or per recording."""
SCHEMAS = {"burden": BURDEN, "events": EVENTS}
"""Columns that a table has even if none of its files has them."""
WORDS = (*PATTERNS, *STATES)
"""Words that need no quotes in a condition."""


def query_archive(folder: str | Path, question: str, table: Table | None = None) -> pd.DataFrame:
    """Return the rows of an archive that satisfy a condition.

    Parameters
    ----------
    folder
        Folder of the archive; a run may be active in it.
    question
        An SQL condition on the columns, such as ``pattern = seizure and burden > 0.2`` or ``pattern = lpd and
        frequency_hz > 2``; patterns and states need no quotes.
    table
        One of `TABLES`; by default, the first of them that has all columns of the condition. Only recordings that are
        done have burden, events and scores.

    Returns
    -------
    DataFrame
        The columns of the table, and `model`, the partition; ordered by recording. ``attrs["table"]`` names the
        table.

    Raises
    ------
    RunError
        If the folder is not an archive, or the condition is invalid.
    """
    require("archive", "querying an archive", "duckdb")
    import duckdb

    if table is not None and table not in TABLES:
        raise UnknownNameError("table", table, TABLES)
    folder = Path(folder).absolute()
    with duckdb.connect(":memory:") as connection:
        _restrict(connection, folder)
        tried: list[str] = []
        refused: duckdb.Error | None = None
        for name in (table,) if table else TABLES:
            held = _partitions(folder, name)
            if name == "scores" and not held:
                continue
            rows = _relation(connection, name, held)
            tried.append(f"{', '.join(rows.columns)} ({name})")
            try:
                answer: pd.DataFrame = _found(rows, question).df()
            except duckdb.Error as error:
                refused = refused or error
                if not isinstance(error, duckdb.BinderException):
                    break
            else:
                if name in KINDS and not held:
                    raise RunError(f"{folder}: no recording is done yet")
                answer.attrs["table"] = name
                return answer
    if not tried:
        raise RunError(f"{folder}: no recording is done yet")
    raise RunError(
        f"'{question}' is not a valid condition: {str(refused).splitlines()[0]}; columns are {'; '.join(tried)}; "
        f"patterns are {', '.join(PATTERNS)}"
    ) from refused


def _found(rows: "DuckDBPyRelation", question: str) -> "DuckDBPyRelation":
    """Return the rows that satisfy a condition, ordered; a column that they lack is a `duckdb.BinderException`."""
    columns = list(rows.columns)
    words = ", ".join(f"'{word}' as {word}" for word in WORDS if word not in columns)
    found = rows.project(f"*, {words}").filter(question).project(", ".join(f'"{name}"' for name in columns))
    return found.order(", ".join(name for name in ("model", "recording", "start_s") if name in columns))


def _restrict(connection: "DuckDBPyConnection", folder: Path) -> None:
    """Give a connection the ledger and empty tables, and restrict it to reading this archive."""
    connection.register("ledger", ledger_table(read_ledger(folder).values()))
    for name, schema in SCHEMAS.items():
        connection.register(f"no_{name}", schema.empty_table())
    connection.execute("set allowed_directories = $folders", {"folders": [f"{folder}/", f"{_literal(folder)}/"]})
    connection.execute("set python_enable_replacements = false; set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _partitions(folder: Path, table: Table) -> list[Path]:
    """Return the folders of a table that have files."""
    return [place for place in sorted((folder / table).glob(f"{PARTITION}*")) if any(place.glob("*.parquet"))]


def _relation(connection: "DuckDBPyConnection", table: Table, partitions: Sequence[Path]) -> "DuckDBPyRelation":
    """Return a table of an archive.

    The partition is derived from its own folder only. DuckDB would make a column of every ``name=value`` in the path.
    """
    if table == "recordings":
        return connection.table("ledger")
    # Files of version 0.1 lack columns of events and scores. DuckDB takes twice as long if it compares the columns of
    # all files, so it does not for burden, whose columns never changed.
    by_name = table != "burden"
    parts = [f"select *, '' as model from no_{table}"] if table in SCHEMAS else []
    parts += [
        f"select *, {_quoted(place.name.removeprefix(PARTITION))} as model from read_parquet("
        f"{_quoted(f'{_literal(place)}/*.parquet')}, hive_partitioning = false, union_by_name = {by_name})"
        for place in partitions
    ]
    rows = " union all by name ".join(parts)
    done = "select recording, model from ledger where state = 'done'"
    return connection.sql(f"select * from ({rows}) semi join ({done}) using (recording, model)")


def _literal(path: Path) -> str:
    """Return a path with its glob characters escaped for DuckDB."""
    return re.sub(r"[\[*?]", r"[\g<0>]", str(path))


def _quoted(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"
