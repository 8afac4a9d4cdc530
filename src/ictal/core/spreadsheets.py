"""Tables that are safe to open in a spreadsheet: no text cell is run as a formula."""

import pandas as pd

FORMULA_MARKS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters of text that a spreadsheet may run as a formula (OWASP, *CSV Injection*)."""


def for_spreadsheets(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with an apostrophe before each text that a spreadsheet would run; numbers are unchanged.

    File names and reasons come from the people who made the recordings. Use this only for tables that people read.
    In tables that programs read (manifests, predictions, BIDS) an apostrophe would name another file or patient.
    """
    return table.map(_escaped)


def _escaped(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_MARKS) else cell
