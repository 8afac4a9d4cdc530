"""The findings of a recording: patterns, events, hours, background and status, in numbers and terms."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.scoring.background import background_of
from ictal.scoring.burden import Cover, burden, most_covered
from ictal.scoring.event_measurement import MeasuredRows, measured_event, measured_together
from ictal.scoring.events import Event, scored_rows
from ictal.terminology.findings import (
    EventFinding,
    HourFinding,
    PatternFinding,
    RecordingFinding,
    StatusFinding,
)
from ictal.terminology.terms import ROUNDING, STATUS_S, STATUS_SHARE, in_continuum, prevalence_word

Floats = npt.NDArray[np.float64]

HOUR_S = 3600.0


def find_findings(
    frame: pd.DataFrame, events: Sequence[Event], patterns: Sequence[str], span_s: float
) -> RecordingFinding:
    """Return what a report says of a recording.

    Parameters
    ----------
    frame
        Scores, ordered by time.
    events
        Events of the patterns.
    patterns
        The patterns that the model knows.
    span_s
        Duration of the recording, gaps included.
    """
    rows = scored_rows(frame)
    scored = Cover.of(rows["start_s"], rows["stop_s"])
    measured = MeasuredRows.of(frame)
    found = tuple(measured_event(measured, event) for event in events)
    present = [pattern for pattern in patterns if any(event.pattern == pattern for event in events)]
    continuum = [event for event in found if in_continuum(event)]
    return RecordingFinding(
        span_s=span_s,
        scored_s=scored.total_s,
        background=background_of(frame),
        patterns=tuple(
            _pattern(measured, [event for event in found if event.pattern == pattern], scored, span_s)
            for pattern in present
        ),
        absent=tuple(pattern for pattern in patterns if pattern not in present),
        events=found,
        hours=tuple(_hours(frame, events, span_s)),
        status=status_of(found, span_s),
        continuum_share=scored.share_of(Cover.of(*_edges(continuum))),
    )


def _edges(events: Sequence[EventFinding]) -> tuple[list[float], list[float]]:
    return [event.start_s for event in events], [event.stop_s for event in events]


def _pattern(rows: MeasuredRows, events: Sequence[EventFinding], scored: Cover, span_s: float) -> PatternFinding:
    """Put together the events of one pattern."""
    cover = Cover.of(*_edges(events))
    pattern, share = events[0].pattern, scored.share_of(cover)
    whole = measured_together(rows.take(np.concatenate([rows.within(event) for event in events])), pattern)
    evolutions = [event.evolution for event in events if event.evolution]
    within_s = min(HOUR_S, span_s)
    worst_start_s, worst_s = most_covered(cover, within_s)
    return PatternFinding(
        pattern=pattern,
        share=share,
        prevalence=prevalence_word(share),
        n_events=len(events),
        total_s=sum(event.duration_s for event in events),
        longest_s=max(event.duration_s for event in events),
        first_s=events[0].start_s,
        worst_share=worst_s / within_s,
        worst_start_s=max(0.0, min(worst_start_s, span_s - within_s)),
        frequency=whole.frequency,
        location=whole.location,
        shape=whole.shape,
        evolution=min(evolutions, key=("evolving", "fluctuating", "static").index, default=None),
    )


def status_of(events: Sequence[EventFinding], span_s: float) -> StatusFinding | None:
    """Return the electrographic status epilepticus of a recording of some seconds, if it is one (ACNS 2021, D)."""
    seizures = [event for event in events if event.pattern == "seizure"]
    for event in seizures:
        if event.duration_s >= STATUS_S - ROUNDING:
            return StatusFinding("10 minutes", event.start_s, event.stop_s, event.duration_s)
    start_s, seizure_s = most_covered(Cover.of(*_edges(seizures)), HOUR_S)
    if seizure_s >= STATUS_SHARE * HOUR_S - ROUNDING:
        start_s = max(0.0, min(start_s, span_s - HOUR_S))
        return StatusFinding("20 % of an hour", start_s, min(start_s + HOUR_S, span_s), seizure_s)
    return None


def _hours(frame: pd.DataFrame, events: Sequence[Event], span_s: float) -> list[HourFinding]:
    hours = []
    for _, group in burden(frame, events, f"{HOUR_S:g}s").groupby("start_s"):
        known = group[group["burden"].notna()]
        start_s, stop_s, scored_s = group[["start_s", "stop_s", "scored_s"]].to_numpy(dtype=float)[0].tolist()
        inside = (frame["start_s"] >= start_s) & (frame["start_s"] < stop_s)
        hours.append(
            HourFinding(
                start_s=start_s,
                stop_s=min(stop_s, span_s),
                scored_s=scored_s,
                shares=dict(zip(known["pattern"], known["burden"].astype(float), strict=True)),
                prevalence=dict(zip(known["pattern"], known["prevalence"], strict=True)),
                background=background_of(frame[inside]),
            )
        )
    return hours
