"""Scores with known events, and findings on them that are made by hand."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ictal.core.labels import PATTERNS
from ictal.core.montage import ELECTRODES
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.scoring.scores import Scores
from ictal.terminology.findings import (
    BackgroundFinding,
    EventFinding,
    Frequency,
    Location,
    RecordingFinding,
    Shape,
)

EVENTS = (("lpd", 60.0, 120.0), ("seizure", 100.0, 130.0), ("grda", 250.0, 290.0))
"""Pattern, start and stop of each event; the first two overlap."""
EVERY_S = 0.8
"""Between two discharges of the first event."""
INVOLVEMENT = {"T3": 1.0, "F7": 0.8, "T5": 0.6, "Pz": float("nan")}
"""Of electrodes in the first event; 0.1 elsewhere."""
LOCATION = Location(
    "lateralized", "left", ("temporal",), ("F7", "T3", "T5"), tuple(INVOLVEMENT.get(name, 0.1) for name in ELECTRODES)
)


def eventful(scores: Scores) -> Scores:
    """Return scores whose events are `EVENTS`."""
    values = np.zeros((len(scores.frame), len(PATTERNS)))
    middles = scores.frame[["start_s", "stop_s"]].to_numpy(dtype=float).mean(axis=1)
    for pattern, start_s, stop_s in EVENTS:
        values[(middles > start_s) & (middles < stop_s), PATTERNS.index(pattern)] = 0.5
    values[:, PATTERNS.index("other")] = 1 - values.sum(axis=1)
    frame = scores.frame.copy()
    frame[list(PROBABILITY_COLUMNS)] = values
    return replace(scores, frame=frame)


def findings_of(events: Sequence[tuple[str, float, float]] = EVENTS) -> RecordingFinding:
    """Return findings in which the first event is fully measured, and the others not at all."""
    (pattern, start_s, stop_s), *others = events
    first = EventFinding(
        pattern, start_s, stop_s,
        frequency=Frequency(1.25, 1.0, 1.5, (1.2, 1.3)),
        location=LOCATION,
        shape=Shape(90.0, "sharply contoured", 3),
        lag_s=None,
        evolution="static",
        cycles_s=tuple(np.arange(start_s + 0.3, stop_s, EVERY_S).tolist()),
        measured_s=stop_s - start_s,
    )  # fmt: skip
    rest = [EventFinding(*event, None, None, None, None, None, (), 0.0) for event in others]
    background = BackgroundFinding(*[None] * 9, measured_s=0.0)
    return RecordingFinding(420.0, 420.0, background, (), (), (first, *rest), (), None, 0.0)
