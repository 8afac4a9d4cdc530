"""Summary of a window: expected votes, flaws and scores, in words and plain values."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ictal.core.labels import PATTERN_TITLES, PATTERNS
from ictal.core.montage import ELECTRODES
from ictal.core.predictions import ALWAYS_KNOWN, PROBABILITY_COLUMNS
from ictal.scoring.quality import FLAWS

PANEL = 10
"""Number of experts in the panel whose votes are predicted."""
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def expected_votes(probabilities: Mapping[str, float | None]) -> dict[str, int]:
    """Return the expected votes of a panel of ten, as whole numbers that sum to ten (largest remainder method)."""
    shares = np.array([probabilities[name] or 0.0 for name in PATTERNS]) * PANEL
    votes = np.floor(shares).astype(int)
    order = np.argsort(votes - shares, kind="stable")
    votes[order[: PANEL - votes.sum()]] += 1
    return dict(zip(PATTERNS, votes.tolist(), strict=True))


def expected_in_words(votes: Mapping[str, int]) -> str:
    """Describe the expected votes of a panel."""
    ranked = sorted((name for name in PATTERNS if votes[name]), key=lambda name: -votes[name])
    first, *rest = [f"{NUMBERS[votes[name]]} {PATTERN_TITLES[name]}" for name in ranked]
    split = f"{', '.join([first, *rest[:-1]])} and {rest[-1]}" if rest else first
    return f"Of ten experts, about {split}."


def flaws_in_words(row: "pd.Series[Any]") -> list[str]:
    """Return the reason for a missing prediction, if any, and the electrodes with each flaw."""
    marks = np.asarray(row["marks"]).tolist()
    found = [str(row["reason"])] if row["reason"] else []
    for bit, flaw in enumerate(FLAWS):
        names = [name for name, mark in zip(ELECTRODES, marks, strict=True) if mark >> bit & 1]
        found += [f"{flaw.replace('_', ' ')}: {', '.join(names)}"] if names else []
    return found


def window_in_values(number: int, row: "pd.Series[Any]") -> dict[str, Any]:
    """Return the scores of one window as plain values; they refer to its centre, the 10 s from `start_s`."""
    start_s, stop_s = float(row["start_s"]), float(row["stop_s"])
    values = [float(row[name]) for name in PROBABILITY_COLUMNS]
    known = bool(np.isfinite(row[ALWAYS_KNOWN]))
    probabilities = dict(zip(PATTERNS, [None if np.isnan(value) else value for value in values], strict=True))
    votes = expected_votes(probabilities) if known else None
    return {
        "number": number,
        "centre": (start_s, stop_s),
        "probabilities": probabilities if known else None,
        "spread": float(row["spread"]) if known else None,
        "expected": votes and {"text": expected_in_words(votes), "votes": votes},
        "usable": float(row["usable"]),
        "reasons": flaws_in_words(row),
    }
