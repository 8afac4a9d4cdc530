"""Ids in one spelling, so that no patient is on both sides of a split.

Blanks and forms of Unicode that nobody sees make no difference, and '1.0' is the patient '1'.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence

import pandas as pd

from ictal.errors import listed, raise_problems

WHOLE = r"-?\d+"
DECIMAL = r"-?(?:0|[1-9]\d*)\.0+"
"""What pandas makes of a whole number in a column that has an empty cell."""
ROUNDED = r"-?\d+(?:\.\d+[eE]\+?|[eE]\+)\d+"
"""What programs make of large numbers; digits may be lost. (Plain 1e9 can be the id of a hash, and stays.)"""
EXACT_BELOW = 2**53
"""Whole numbers from here on are not all told apart as decimal numbers."""


def tidy_id(text: str) -> str:
    """Return an id in Unicode's composed form, with single plain blanks within and none around it.

    Characters that are not seen, as joiners and marks of byte order, are left out.
    """
    if text.isascii() and text.isprintable() and " " not in text:
        return text  # as nearly always, and much faster than what follows
    composed = unicodedata.normalize("NFC", text)
    return " ".join("".join(letter for letter in composed if unicodedata.category(letter) != "Cf").split())


def tidy_ids(ids: "pd.Series[str]") -> "pd.Series[str]":
    """Return a column of ids as text, each in the spelling of `tidy_id`."""
    texts = ids.astype(str)
    return texts.map({text: tidy_id(text) for text in texts.unique()})


def alike(column: str, ids: Iterable[str]) -> list[str]:
    """List the ids that differ by the case of letters alone, which may be one patient written in two ways."""
    spellings: dict[str, set[str]] = defaultdict(set)
    for name in set(ids):
        spellings[name.casefold()].add(name)
    return [
        f"{column} is {listed(sorted(several))}, which differ by upper and lower case alone; allowed is one spelling"
        for _, several in sorted(spellings.items())
        if len(several) > 1
    ]


def with_whole_ids(frame: pd.DataFrame, columns: Sequence[str], name: str) -> pd.DataFrame:
    """Return a table whose ids are text in the spelling of `tidy_id`, whole numbers without the '.0' of a program.

    Empty cells become empty texts.

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
    texts = tidy_ids(texts)
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
