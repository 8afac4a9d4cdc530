"""Ids that a program has turned into decimal numbers: '1.0' is the patient '1', and never another one."""

from collections.abc import Sequence

import pandas as pd

from ictal.errors import listed, raise_problems

WHOLE = r"-?\d+"
DECIMAL = r"-?(?:0|[1-9]\d*)\.0+"
"""What pandas makes of a whole number in a column that has an empty cell."""
ROUNDED = r"-?\d+(?:\.\d+[eE]\+?|[eE]\+)\d+"
"""What programs make of large numbers; digits may be lost. (Plain 1e9 can be the id of a hash, and stays.)"""
EXACT_BELOW = 2**53
"""Whole numbers from here on are not all told apart as decimal numbers."""


def with_whole_ids(frame: pd.DataFrame, columns: Sequence[str], name: str) -> pd.DataFrame:
    """Return a table whose ids are text, whole numbers without the '.0' that a program has added.

    Empty cells become empty texts. Ids that are words stay as they are.

    Parameters
    ----------
    frame
        The table.
    columns
        Those of ids; those that the table lacks are passed over.
    name
        Of the table, for the message.

    Raises
    ------
    TableError
        If ids have an exponent or so many digits that some may be lost, or a column has both '1' and '1.0' among
        ids that are no numbers.
    """
    there = [column for column in dict.fromkeys(columns) if column in frame.columns]
    found = {column: _whole(frame[column]) for column in there}
    raise_problems(name, [f"{column}: {problem}" for column, (_, problem) in found.items() if problem])
    return frame.assign(**{column: ids for column, (ids, _) in found.items()})


def whole_number(texts: "pd.Series[str]") -> "pd.Series[str]":
    """Return texts, such as folds, in which every whole number with '.0' is one without."""
    return texts.where(~texts.str.fullmatch(DECIMAL), texts.str.partition(".")[0])


def _whole(column: "pd.Series") -> tuple["pd.Series[str]", str]:
    """Return the ids of a column as text, and what is wrong with them."""
    texts = column.astype(str)
    if column.hasnans:
        texts = texts.mask(column.isna(), "")
    if not texts.str.contains(r"[.+]").any():  # as nearly always, and much faster than what follows
        return texts, ""
    unique = pd.Series(texts.unique())
    decimal, rounded = unique.str.fullmatch(DECIMAL), unique.str.fullmatch(ROUNDED)
    if not (decimal | rounded).any():
        return texts, ""
    whole = unique.str.fullmatch(WHOLE)
    if (decimal | rounded | whole | (unique.str.strip() == "")).all():
        large = decimal & (pd.to_numeric(unique.where(decimal), errors="coerce").abs() >= EXACT_BELOW)
        lost = unique[rounded | large]
        if len(lost):
            return texts, (
                f"{listed(lost, 3)} are ids that a program has turned into decimal numbers, of which digits may be "
                "lost; write the table again with whole numbers or text (pandas: dtype=str)"
            )
    else:
        both = unique[decimal & unique.str.partition(".")[0].isin(unique[whole])]
        if len(both):
            without = [text.partition(".")[0] for text in both]
            return texts, (
                f"{listed(both, 3)} stand beside {listed(without, 3)}: a program has turned some ids into decimal "
                "numbers; write the table again with whole numbers or text (pandas: dtype=str)"
            )
        return texts, ""
    return texts.map(dict(zip(unique, whole_number(unique), strict=True))), ""
