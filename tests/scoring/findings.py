"""What a report says of scores, with numbers that are chosen and not measured."""

from dataclasses import replace

from ictal.core.montage import ELECTRODES
from ictal.scoring.burden import burden
from ictal.scoring.events import EventSettings
from ictal.scoring.scores import Scores
from ictal.terminology.findings import (
    BackgroundFinding,
    EventFinding,
    Evolution,
    Frequency,
    HourFinding,
    Location,
    MainTerm,
    PatternFinding,
    RecordingFinding,
    Region,
    Shape,
    Side,
    StatusFinding,
)
from ictal.terminology.terms import prevalence_word


def location(main_term: MainTerm, side: Side | None, regions: tuple[Region, ...], **amplitudes: float) -> Location:
    """Return a place by the amplitudes of some electrodes relative to the largest; all others have a tenth of it."""
    involvement = tuple(amplitudes.get(name, 0.1) for name in ELECTRODES)
    involved = tuple(name for name, share in zip(ELECTRODES, involvement, strict=True) if share >= 0.5)
    return Location(main_term, side, regions, involved, involvement)


TEMPORAL = location("lateralized", "left", ("frontal", "temporal"), F7=0.7, T3=1.0, T5=0.62, C3=0.4, Fp2=float("nan"))
EVERYWHERE = location("generalized", None, ("frontal", "central"), Fp1=0.9, Fp2=0.9, F3=1.0, F4=1.0, Fz=1.0, Cz=0.6)
BACKGROUND = BackgroundFinding(
    "nearly continuous", 0.04, 31.5, "normal", 0.6, "mild asymmetry", 5.5, "theta", None, 200.0
)

Measured = tuple[Frequency | None, Location | None, Shape | None, float | None, Evolution | None]
MEASURED: dict[str, Measured] = {
    "seizure": (Frequency(3.0, 1.5, 4.0, (2.8, 3.2)), TEMPORAL, Shape(240.0, "sharp", 2), None, "evolving"),
    "lpd": (
        Frequency(1.2345678, 1.0, 1.5, (1.1, 1.3)),
        TEMPORAL,
        Shape(104.0, "sharply contoured", 3),
        None,
        "static",
    ),
    "gpd": (Frequency(1.5, 1.0, 2.0, (1.4, 1.6)), EVERYWHERE, Shape(150.0, "sharp", 3), 0.06, "fluctuating"),
    "lrda": (Frequency(2.0, 1.5, 2.5, (1.9, 2.1)), TEMPORAL, Shape(80.0, None, None), None, "static"),
    "grda": (None, None, None, None, None),
}
"""What is measured of each pattern."""


def findings_of(scores: Scores, settings: EventSettings | None = None) -> RecordingFinding:
    """Return findings of the events of scores; to replace `Scores.findings`."""
    events = tuple(_event(event.pattern, event.start_s, event.stop_s) for event in scores.events(settings))
    hours = tuple(
        HourFinding(
            float(start_s),
            min(float(start_s) + 3600, scores.recording.span_s),
            float(rows["scored_s"].iloc[0]),
            dict(zip(rows["pattern"], rows["burden"], strict=True)),
            dict(zip(rows["pattern"], rows["prevalence"], strict=True)),
            BACKGROUND if number % 2 == 0 else replace(BACKGROUND, continuity=None, voltage_uv=None, voltage=None),
        )
        for number, (start_s, rows) in enumerate(burden(scores.frame, events, "1h").groupby("start_s"))
    )
    scored_s = sum(hour.scored_s for hour in hours)
    present = tuple(pattern for pattern in scores.event_patterns if any(event.pattern == pattern for event in events))
    return RecordingFinding(
        span_s=scores.recording.span_s,
        scored_s=scored_s,
        background=BACKGROUND,
        patterns=tuple(_pattern(pattern, events, scored_s) for pattern in present),
        absent=tuple(pattern for pattern in scores.event_patterns if pattern not in present),
        events=events,
        hours=hours,
        status=StatusFinding("20 % of an hour", 0.0, 3600.0, 900.0),
        continuum_share=0.125,
    )


def _event(pattern: str, start_s: float, stop_s: float) -> EventFinding:
    frequency = MEASURED[pattern][0]
    cycles = () if frequency is None else (start_s + 0.5, start_s + 0.5 + 1 / frequency.typical)
    return EventFinding(pattern, start_s, stop_s, *MEASURED[pattern], cycles, stop_s - start_s)


def _pattern(pattern: str, events: tuple[EventFinding, ...], scored_s: float) -> PatternFinding:
    own = [event.duration_s for event in events if event.pattern == pattern]
    first_s = min(event.start_s for event in events if event.pattern == pattern)
    frequency, place, shape, _, evolution = MEASURED[pattern]
    share = sum(own) / scored_s
    return PatternFinding(
        pattern=pattern,
        share=share,
        prevalence=prevalence_word(share),
        n_events=len(own),
        total_s=sum(own),
        longest_s=max(own),
        first_s=first_s,
        worst_share=share,
        worst_start_s=0.0,
        frequency=frequency,
        location=place,
        shape=shape,
        evolution=evolution,
    )
