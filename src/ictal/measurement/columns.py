"""What is measured of each window, as columns of a table of scores."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from ictal.core.montage import ELECTRODES
from ictal.measurement.background import BackgroundNumbers, measure_backgrounds
from ictal.measurement.pattern import PatternNumbers, measure_pattern
from ictal.measurement.signal import HZ, MeasuredSignal

UNKNOWN = float("nan")
BACKGROUND_COLUMNS = tuple(field.name for field in fields(BackgroundNumbers))
PATTERN_COLUMNS = (
    *("measured", "cycles_s", "frequency_hz", "frequency_low_hz", "frequency_high_hz", "explained"),
    *("involvement_uv", "lateral", "independent", "amplitude_uv", "phase_s", "phases", "lag_s"),
)
MEASURED_COLUMNS = (*BACKGROUND_COLUMNS, *PATTERN_COLUMNS)
"""Columns of what is measured, see docs/outputs.md."""
LISTS = ("cycles_s", "involvement_uv")
"""Columns with a list in each row."""
NOT_MEASURED: dict[str, Any] = dict.fromkeys(MEASURED_COLUMNS, UNKNOWN) | {
    "measured": "",
    "cycles_s": np.empty(0, np.float32),
    "involvement_uv": np.full(len(ELECTRODES), np.nan, np.float32),
    "independent": False,
}
"""The values of a window in which nothing was measured."""


def measured_columns(
    signal: MeasuredSignal, starts_s: Sequence[float], patterns: Sequence[str | None]
) -> list[dict[str, Any]]:
    """Return the columns of windows.

    Parameters
    ----------
    signal
        Of a run, from 0 s.
    starts_s
        When the 10 s of each window begin in it.
    patterns
        The pattern to be measured in each window; '' if only the background is, None if nothing is.
    """
    rows, places = [], [round(start_s * HZ) for start_s in starts_s]
    chosen = list(zip(places, patterns, strict=True))
    backgrounds = iter(measure_backgrounds(signal, [start for start, pattern in chosen if pattern is not None]))
    for start, pattern in chosen:
        row = dict(NOT_MEASURED)
        if pattern is not None:
            row |= vars(next(backgrounds))
        if pattern and (numbers := measure_pattern(signal, start, pattern)):
            row |= _of_pattern(numbers) | {"measured": pattern}
        rows.append(row)
    return rows


def _of_pattern(numbers: PatternNumbers) -> dict[str, Any]:
    return {
        "cycles_s": numbers.cycles_s.astype(np.float32),
        "frequency_hz": numbers.rate_hz,
        "frequency_low_hz": numbers.low_hz,
        "frequency_high_hz": numbers.high_hz,
        "explained": numbers.explained,
        "involvement_uv": numbers.involvement.astype(np.float32),
        "lateral": numbers.lateral,
        "independent": numbers.independent,
        "amplitude_uv": numbers.shape.amplitude_uv,
        "phase_s": numbers.shape.duration_s,
        "phases": numbers.shape.phases,
        "lag_s": numbers.lag_s,
    }
