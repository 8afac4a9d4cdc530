"""An overview of scores: any part of a recording in a limited number of columns."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.core.labels import PATTERNS
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.report.score_columns import Floats, column_means, own_times, spectra
from ictal.scoring.quality import SPECTRUM_HZ
from ictal.scoring.scores import AEEG_COLUMNS

SIDES = ("left", "right")
PLAIN = ("spread", "usable", "left_right")


def overview(frame: pd.DataFrame, start_s: float, stop_s: float, width: int) -> dict[str, Any]:
    """Return the mean scores in each column of a time span; None where nothing is known.

    Parameters
    ----------
    frame
        Scores, in the order of time.
    start_s, stop_s
        The time span.
    width
        Maximum number of columns. If there are fewer windows, each has its own column.
    """
    shown = frame[(frame["stop_s"] > start_s) & (frame["start_s"] < stop_s)].reset_index(drop=True)
    edges = _edges(shown, start_s, stop_s, width)
    means = _Means(edges, shown)
    probabilities = means.of(*PROBABILITY_COLUMNS)
    aeeg = dict(zip(AEEG_COLUMNS, means.of(*AEEG_COLUMNS).T, strict=True))
    images = {side: column_means(edges, shown, spectra(shown, side)).T for side in SIDES}
    return {
        "edges": numbers(edges, 3),
        "probabilities": {name: numbers(row, 4) for name, row in zip(PATTERNS, probabilities.T, strict=True)},
        **{name: numbers(row, 4) for name, row in zip(PLAIN, means.of(*PLAIN).T, strict=True)},
        "aeeg": {
            side: {border: numbers(aeeg[f"aeeg_{side}_{border}"], 2) for border in ("low", "high")} for side in SIDES
        },
        "spectrum": {
            "frequencies_hz": numbers(SPECTRUM_HZ, 1),
            **{side: [numbers(row, 1) for row in image] for side, image in images.items()},
        },
        "reasons": reasons(shown),
    }


class _Means:
    def __init__(self, edges: Floats, frame: pd.DataFrame) -> None:
        self.edges, self.frame = edges, frame

    def of(self, *names: str) -> Floats:
        values = self.frame[list(names)].to_numpy(dtype=np.float64)
        return column_means(self.edges, self.frame, values)


def _edges(frame: pd.DataFrame, start_s: float, stop_s: float, width: int) -> Floats:
    ends = np.concatenate([*own_times(frame), [start_s, stop_s]])
    own = np.unique(ends[(ends >= start_s) & (ends <= stop_s)].round(3))
    return own if 1 < len(own) <= width + 1 else np.linspace(start_s, stop_s, width + 1)


def reasons(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the time spans without a prediction, with reasons; adjacent spans with the same reason are merged."""
    refused = frame[frame["reason"] != ""]
    rows: list[dict[str, Any]] = []
    for start_s, stop_s, text in zip(refused["start_s"], refused["stop_s"], refused["reason"], strict=True):
        if rows and rows[-1]["text"] == text and start_s <= rows[-1]["stop_s"]:
            rows[-1]["stop_s"] = float(stop_s)
        else:
            rows.append({"start_s": float(start_s), "stop_s": float(stop_s), "text": str(text)})
    return rows


def numbers(values: npt.ArrayLike, digits: int) -> list[float | None]:
    """Return rounded numbers for JSON, with None for unknown values."""
    rounded = np.asarray(values, dtype=np.float64).round(digits)
    return [value if value - value == 0 else None for value in rounded.tolist()]  # neither NaN nor infinite
