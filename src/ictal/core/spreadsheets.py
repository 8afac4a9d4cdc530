"""Tables for people who open them in a spreadsheet: a cell of text is never taken for a formula."""

import pandas as pd

FORMULA_MARKS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a text begins with that a spreadsheet may run as a formula (OWASP, *CSV Injection*)."""


def for_spreadsheets(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts that a spreadsheet would run begin with an apostrophe; numbers stay numbers.

    File names and reasons come from whoever made the recordings. This is for tables that people read. Tables that
    programs read (manifests, predictions, BIDS) hold their texts as they are, since an apostrophe there would name
    another file or patient.
    """
    return table.map(_inert)


def _inert(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_MARKS) else cell
