"""Normalized ids, so that no patient is on both sides of a split.

Invisible differences (blanks, Unicode forms) are removed, and '1.0' is the patient '1'.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence

import pandas as pd

from ictal.errors import listed, raise_problems

WHOLE = r"-?\d+"
DECIMAL = r"-?(?:0|[1-9]\d*)\.0+"
"""How pandas writes a whole number in a column with an empty cell."""
ROUNDED = r"-?\d+(?:\.\d+[eE]\+?|[eE]\+)\d+"
"""How programs write large numbers; digits may be lost. (Plain 1e9 may be a hash, and is kept.)"""
EXACT_BELOW = 2**53
"""From here on, different whole numbers may be the same floating-point number."""


def normalize_id(text: str) -> str:
    """Return an id in Unicode's composed form, with single plain blanks inside and none around it.

    Invisible characters such as joiners and byte order marks are removed.
    """
    if text.isascii() and text.isprintable() and " " not in text:
        return text  # the usual case, and much faster
    composed = unicodedata.normalize("NFC", text)
    return " ".join("".join(letter for letter in composed if unicodedata.category(letter) != "Cf").split())


def normalize_ids(ids: "pd.Series[str]") -> "pd.Series[str]":
    """Return a column of ids as text, each as `normalize_id` writes it."""
    texts = ids.astype(str)
    return texts.map({text: normalize_id(text) for text in texts.unique()})


def case_variants(column: str, ids: Iterable[str]) -> list[str]:
    """List ids that differ only in case, since they may be one patient written in two ways."""
    spellings: dict[str, set[str]] = defaultdict(set)
    for name in set(ids):
        spellings[name.casefold()].add(name)
    return [
        f"{column} is {listed(sorted(several))}, which differ only in upper and lower case; allowed is one spelling"
        for _, several in sorted(spellings.items())
        if len(several) > 1
    ]


def normalize_id_columns(frame: pd.DataFrame, columns: Sequence[str], name: str) -> pd.DataFrame:
    """Return a table with ids as text, as `normalize_id` writes them, and whole numbers without a trailing '.0'.

    Empty cells become empty strings.

    Parameters
    ----------
    frame
        The table.
    columns
        The columns with ids; missing ones are ignored.
    name
        Name of the table, for the message.

    Raises
    ------
    TableError
        If ids have an exponent, or so many digits that some may be lost, or if a column has both '1' and '1.0' among
        ids that are not numbers.
    """
    there = [column for column in dict.fromkeys(columns) if column in frame.columns]
    found = {column: _whole(frame[column]) for column in there}
    raise_problems(name, [f"{column}: {problem}" for column, (_, problem) in found.items() if problem])
    return frame.assign(**{column: ids for column, (ids, _) in found.items()})


def strip_zero_decimals(texts: "pd.Series[str]") -> "pd.Series[str]":
    """Return texts, such as folds, without the trailing '.0' of whole numbers."""
    return texts.where(~texts.str.fullmatch(DECIMAL), texts.str.partition(".")[0])


def _whole(column: "pd.Series") -> tuple["pd.Series[str]", str]:
    """Return the ids of a column as text, and a problem or ''."""
    texts = column.astype(str)
    if column.hasnans:
        texts = texts.mask(column.isna(), "")
    texts = normalize_ids(texts)
    if not texts.str.contains(r"[.+]").any():  # the usual case, and much faster
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
                f"{listed(lost, 3)} are ids that a program has turned into decimal numbers; digits may be lost. "
                "Write the table again with whole numbers or text (pandas: dtype=str)"
            )
    else:
        both = unique[decimal & unique.str.partition(".")[0].isin(unique[whole])]
        if len(both):
            without = [text.partition(".")[0] for text in both]
            return texts, (
                f"both {listed(both, 3)} and {listed(without, 3)} occur: a program has turned some ids into decimal "
                "numbers. Write the table again with whole numbers or text (pandas: dtype=str)"
            )
        return texts, ""
    return texts.map(dict(zip(unique, strip_zero_decimals(unique), strict=True))), ""
