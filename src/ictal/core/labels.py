"""The six patterns, the votes of a panel, and strata of agreement."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

PATTERNS = ("seizure", "lpd", "gpd", "lrda", "grda", "other")
"""The order of the six patterns in every array, table and model."""

PATTERN_TITLES = {
    "seizure": "Seizure",
    "lpd": "LPD",
    "gpd": "GPD",
    "lrda": "LRDA",
    "grda": "GRDA",
    "other": "Other",
}
"""The patterns as readers see them."""

PERIODIC, RHYTHMIC = ("lpd", "gpd"), ("lrda", "grda")
"""Periodic discharges, and rhythmic delta activity."""

N_PATTERNS = len(PATTERNS)
OTHER = PATTERNS.index("other")
VOTE_COLUMNS = tuple(f"{pattern}_vote" for pattern in PATTERNS)

TRUE_COLUMNS = tuple(f"{pattern}_true" for pattern in PATTERNS)
"""The distribution from which votes were drawn; only a simulator knows it."""

STRATA = ("idealized", "proto", "edge", "other")
"""Levels of agreement, see `strata`."""

PANELS = ("few", "many")
"""Few votes: 1 to 9; many votes: 10 and more."""

MANY_VOTES = 10
MOST_VOTES = 10_000
"""More votes than any panel has: a larger number is an error in the table."""
IDEALIZED_SHARE = 0.8
PAIR_SHARE = 0.8
SECOND_SHARE = 0.3

Floats = npt.NDArray[np.float64]
Number = TypeVar("Number", np.int64, np.float64)


def unknown_patterns(known: Sequence[str]) -> list[str]:
    """Return a sentence on the patterns that a model does not know, in a list; an empty list if it knows all."""
    missing = [PATTERN_TITLES[name] for name in PATTERNS if name not in known]
    if not missing:
        return []
    titles = ", ".join(missing)
    return [
        f"the model does not know {titles}: 'other' is everything that it does not call a pattern, these included"
    ]


def as_known(votes: npt.NDArray[Number], known: Sequence[str]) -> npt.NDArray[Number]:
    """Return votes or their shares, [window, 6], in which those for unknown patterns count as other, a known one."""
    unknown = [number for number, name in enumerate(PATTERNS) if name not in known]
    changed = votes.copy()
    changed[:, OTHER] += votes[:, unknown].sum(axis=1)
    changed[:, unknown] = 0
    return changed


def distribution(votes: npt.ArrayLike) -> Floats:
    """Return the share of each pattern among the votes.

    Parameters
    ----------
    votes
        Counts per pattern, [..., 6], not negative; each panel needs at least one vote.

    Returns
    -------
    ndarray
        [..., 6], sums to one.

    Raises
    ------
    ValueError
        If a count is negative or a panel has no votes.
    """
    counts = np.asarray(votes, dtype=np.float64)
    if counts.shape[-1:] != (N_PATTERNS,):
        raise ValueError(f"votes need a last axis of {N_PATTERNS} patterns, not the shape {counts.shape}")
    totals = counts.sum(axis=-1, keepdims=True)
    if (counts < 0).any() or (totals <= 0).any():
        raise ValueError("votes must not be negative, and each panel needs at least one")
    return np.asarray(counts / totals)


def panel_size(votes: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the number of votes of each panel, [...], from counts [..., 6]."""
    return np.asarray(np.asarray(votes).sum(axis=-1), dtype=np.int64)


def panels(votes: npt.ArrayLike) -> npt.NDArray[np.str_]:
    """Return 'few' (below 10 votes) or 'many' for each panel, [n], from counts [n, 6]."""
    return np.where(panel_size(votes) < MANY_VOTES, *PANELS)


def strata(votes: npt.ArrayLike) -> npt.NDArray[np.str_]:
    """Return the stratum of each panel, [n], from counts [n, 6].

    The names are those of Jing et al. (Neurology 2023), who assigned them by eye; the thresholds are ours:

    - *idealized*: one pattern, possibly 'other', has at least 80 % of the votes;
    - *proto*: 'other' and one named pattern together have at least 80 %, and each has at least 30 %;
    - *edge*: the same with two named patterns;
    - *other*: everything else.

    Each panel is in exactly one stratum.
    """
    shares = distribution(votes)
    order = np.argsort(shares, axis=-1, kind="stable")[:, ::-1]
    ranked = np.take_along_axis(shares, order, axis=-1)
    idealized = ranked[:, 0] >= IDEALIZED_SHARE - 1e-9
    split = (ranked[:, 0] + ranked[:, 1] >= PAIR_SHARE - 1e-9) & (ranked[:, 1] >= SECOND_SHARE - 1e-9)
    with_other = (order[:, :2] == OTHER).any(axis=-1)
    return np.select([idealized, split & with_other, split], STRATA[:3], STRATA[3])


def top_patterns(shares: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Mark the pattern with the most votes, and all patterns tied with it, [n, 6] from shares or counts [n, 6]."""
    values = np.asarray(shares, dtype=np.float64)
    return np.asarray(values >= values.max(axis=-1, keepdims=True) - 1e-9)


def pattern_counts(votes: npt.ArrayLike) -> list[float]:
    """Return in how many windows each pattern has the most votes; if m patterns tie, each counts 1 / m."""
    top = top_patterns(votes).astype(np.float64)
    return [round(float(count), 3) for count in (top / top.sum(axis=1, keepdims=True)).sum(axis=0)]


def check_votes(table: "pd.DataFrame", row_name: str = "row") -> list[str]:
    """List the problems in the vote columns of a table.

    Parameters
    ----------
    table
        Has the columns `VOTE_COLUMNS`; its index gives the row numbers in messages.
    row_name
        What these numbers count: 'row', or 'line' of a file.

    Returns
    -------
    list of str
        One sentence per wrong value or row; empty if there are none.
    """
    import pandas as pd  # everything imports this module, and not everything needs tables

    numbers = table.loc[:, list(VOTE_COLUMNS)].apply(pd.to_numeric, errors="coerce")
    counts = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = ~((counts >= 0) & (counts <= MOST_VOTES) & (counts == np.round(counts)))
    problems = []
    for row, column in np.argwhere(wrong).tolist():
        name = VOTE_COLUMNS[column]
        problems.append(
            f"{row_name} {table.index[row]}: {name} is {table[name].iloc[row]}; allowed are whole numbers from 0 to "
            f"{MOST_VOTES}"
        )
    empty = ~wrong.any(axis=1) & (counts.sum(axis=1) == 0)
    problems += [
        f"{row_name} {table.index[row]}: all six votes are 0; a window needs at least one vote"
        for row in np.flatnonzero(empty).tolist()
    ]
    return problems
