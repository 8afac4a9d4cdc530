"""Findings with sensible values, for tests: each builder takes the values that differ as keywords."""

from collections.abc import Sequence
from typing import Any

from ictal.core.labels import PATTERNS
from ictal.core.montage import ELECTRODES
from ictal.terminology.findings import (
    BackgroundFinding,
    EventFinding,
    Frequency,
    HourFinding,
    Location,
    PatternFinding,
    RecordingFinding,
    Shape,
)
from ictal.terminology.terms import PERIODIC, REGIONS, prevalence_word

HOUR_S = 3600.0

LEFT_TEMPORAL = Location(
    "lateralized", "left", ("temporal",), ("T3", "T5"), tuple(float(name in ("T3", "T5")) for name in ELECTRODES)
)
GENERALIZED = Location(
    "generalized", None, tuple(dict.fromkeys(REGIONS.values())), ELECTRODES, (1.0,) * len(ELECTRODES)
)
INDEPENDENT = Location("bilateral independent", "left", ("temporal",), ("T3", "T4"), LEFT_TEMPORAL.involvement)

FREQUENCY = Frequency(1.2, 1.0, 1.5, (1.15, 1.25))
DISCHARGE, WAVE = Shape(85.0, "sharp", 2), Shape(120.0, None, None)


def event(pattern: str = "lpd", **values: Any) -> EventFinding:
    """Return an event of 42 s; by default it was measured completely and does not evolve."""
    default = {
        "pattern": pattern,
        "start_s": 120.0,
        "stop_s": 162.0,
        "frequency": FREQUENCY,
        "location": GENERALIZED if pattern.startswith("g") else LEFT_TEMPORAL,
        "shape": DISCHARGE if pattern in PERIODIC else WAVE,
        "lag_s": None,
        "evolution": "evolving" if pattern == "seizure" else "static",
        "cycles_s": (),
        "measured_s": 40.0,
    }
    return EventFinding(**(default | values))


def pattern(events: Sequence[EventFinding], scored_s: float = 7200.0, **values: Any) -> PatternFinding:
    """Return all events of a pattern; what was measured is that of the first."""
    first, lengths = events[0], [event.duration_s for event in events]
    share = sum(lengths) / scored_s
    evolutions = [event.evolution for event in events if event.evolution]
    default = {
        "pattern": first.pattern,
        "share": share,
        "prevalence": prevalence_word(share),
        "n_events": len(events),
        "total_s": sum(lengths),
        "longest_s": max(lengths),
        "first_s": first.start_s,
        "worst_share": min(1.0, share * max(1.0, scored_s / HOUR_S)),
        "worst_start_s": first.start_s,
        "frequency": first.frequency,
        "location": first.location,
        "shape": first.shape,
        "evolution": min(evolutions, key=["evolving", "fluctuating", "static"].index, default=None),
    }
    return PatternFinding(**(default | values))


def background(**values: Any) -> BackgroundFinding:
    """Return a normal background."""
    default = {
        "continuity": "continuous",
        "suppressed_share": 0.0,
        "voltage_uv": 42.0,
        "voltage": "normal",
        "left_right": 1.05,
        "symmetry": "symmetric",
        "predominant_hz": 9.0,
        "predominant": "alpha",
        "posterior_hz": 9.5,
        "measured_s": 3000.0,
    }
    return BackgroundFinding(**(default | values))


def unknown_background(measured_s: float = 0.0) -> BackgroundFinding:
    """Return a background of which nothing is known."""
    names = [name for name in BackgroundFinding.__dataclass_fields__ if name != "measured_s"]
    return background(**dict.fromkeys(names), measured_s=measured_s)


def recording(events: Sequence[EventFinding] = (), **values: Any) -> RecordingFinding:
    """Return a recording of two hours with these events and a normal background."""
    span_s = values.get("span_s", 7200.0)
    scored_s = values.get("scored_s", span_s)
    ordered = tuple(sorted(events, key=lambda event: event.start_s))
    names = [name for name in PATTERNS if name != "other"]
    of = {name: [event for event in ordered if event.pattern == name] for name in names}
    default = {
        "span_s": span_s,
        "scored_s": scored_s,
        "background": background(),
        "patterns": tuple(pattern(found, scored_s) for found in of.values() if found),
        "absent": tuple(name for name, found in of.items() if not found),
        "events": ordered,
        "hours": (),
        "status": None,
        "continuum_share": 0.0,
    }
    return RecordingFinding(**(default | values))


def hour(start_s: float = 0.0, **values: Any) -> HourFinding:
    """Return an hour without events."""
    names = [name for name in PATTERNS if name != "other"]
    default = {
        "start_s": start_s,
        "stop_s": start_s + HOUR_S,
        "scored_s": HOUR_S,
        "shares": dict.fromkeys(names, 0.0),
        "prevalence": dict.fromkeys(names, "none"),
        "background": background(),
    }
    return HourFinding(**(default | values))
