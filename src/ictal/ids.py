"""Ids in one spelling: what looks alike is alike, so that no patient is on both sides of a split."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable

import pandas as pd

from ictal.errors import listed


def tidy_id(text: str) -> str:
    """Return an id in Unicode's composed form, with single plain blanks within and none around it.

    Characters that are not seen, as joiners and marks of byte order, are left out.
    """
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
