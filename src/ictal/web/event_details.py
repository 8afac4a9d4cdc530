"""What was measured in events, as plain values: for the list, for a window and for a page; and the report."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ictal.core.montage import ELECTRODES
from ictal.report.clock import Clock
from ictal.report.scalp_map import RIM, place_of
from ictal.terminology.findings import EventFinding, Location
from ictal.terminology.words import event_sentence, recording_paragraph
from ictal.web.library import Item
from ictal.web.overview import numbers


def listed_events(item: Item) -> list[dict[str, Any]]:
    """Return the events, numbered from 1, in the order of time; nothing is measured before scoring is complete."""
    findings, events = item.findings, item.events  # in this order: scoring may end in between
    found = findings.events if findings else [None] * len(events)
    return [
        {
            "number": number,
            "pattern": event.pattern,
            "start_s": event.start_s,
            "stop_s": event.stop_s,
            "peak": event.peak,
            "frequency_hz": finding.frequency.typical if finding and finding.frequency else None,
            "location": _place(finding.location) if finding and finding.location else None,
        }
        for number, (event, finding) in enumerate(zip(events, found, strict=True), 1)
    ]


def events_in(item: Item, start_s: float, stop_s: float) -> list[dict[str, Any]]:
    """Return the events in a time span: each in a sentence, and how much each electrode is involved."""
    clock = Clock(item.recording.start).text
    return [
        {
            "number": number,
            "pattern": event.pattern,
            "sentence": event_sentence(event, clock),
            "electrodes": _electrodes(event.location) if event.location else [],
        }
        for number, event in _overlapping(item, start_s, stop_s)
    ]


def discharges(item: Item, start_s: float, stop_s: float) -> list[dict[str, Any]]:
    """Return the times of the discharges or waves in a time span, by event."""
    found = []
    for number, event in _overlapping(item, start_s, stop_s):
        times_s = np.asarray(event.cycles_s)
        shown = times_s[(times_s >= start_s) & (times_s < stop_s)]
        found.append({"number": number, "pattern": event.pattern, "times_s": numbers(shown, 3)})
    return found


def report(item: Item) -> str | None:
    """Return the report text; None until the recording is scored."""
    findings = item.findings
    return recording_paragraph(findings, Clock(item.recording.start).text) if findings else None


def _overlapping(item: Item, start_s: float, stop_s: float) -> Iterator[tuple[int, EventFinding]]:
    findings = item.findings
    for number, event in enumerate(findings.events if findings else (), 1):
        if event.start_s < stop_s and event.stop_s > start_s:
            yield number, event


def _place(location: Location) -> dict[str, Any]:
    return {"main_term": location.main_term, "side": location.side, "regions": list(location.regions)}


def _electrodes(location: Location) -> list[dict[str, Any]]:
    """Return where each electrode is on a flat map, x to the right ear and y to the nose, and its involvement."""
    places = (np.array([place_of(name) for name in ELECTRODES]) / (RIM, -RIM)).round(3).tolist()
    rows = zip(ELECTRODES, places, numbers(location.involvement, 3), strict=True)
    return [{"name": name, "x": x, "y": y, "involvement": value} for name, (x, y), value in rows]
