"""The report of a scored recording: one HTML page for an EEG reader who reviews a patient's day."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.core.labels import PATTERN_TITLES
from ictal.core.montage import ELECTRODES, Derivation
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.recording import Signal
from ictal.errors import listed
from ictal.report.clock import HOUR_S, Clock, counted, duration_in_words, interval_in_words
from ictal.report.colours import PATTERN_COLOURS
from ictal.report.day import Day
from ictal.report.drawing import to_svg
from ictal.report.html_page import page
from ictal.report.recording_figures import scores_figure
from ictal.report.recording_words import (
    UNKNOWN,
    coverage_in_words,
    frequency_in_words,
    location_in_words,
    shape_in_words,
)
from ictal.report.scalp_map import scalp_map
from ictal.report.score_columns import own_times
from ictal.report.window_drawing import window_svg
from ictal.scoring.events import EventSettings
from ictal.scoring.quality import FLAWS
from ictal.scoring.scores import Scores
from ictal.terminology.english import ENGLISH
from ictal.terminology.findings import HourFinding
from ictal.terminology.phrases import percent
from ictal.terminology.words import event_sentence, recording_paragraph

SignalsOf = Callable[[Sequence[tuple[float, float]]], list[Signal]]
"""Returns the standardised signals between pairs of true times, [20, time] at 200 Hz, µV; NaN where the recording has
no samples."""

HIGH = 0.5
"""Windows of a pattern without events are shown as well if its probability reaches this anywhere."""
GLANCE_DPI = 160
MANY_ROWS = 40
"""A longer table is folded away on the screen."""


@dataclass(frozen=True)
class DrawnWindow:
    """A drawn window: when its centre begins, the probability of its pattern, and flaws of electrodes."""

    when: str
    probability: float
    flaws: str
    svg: str


def render_recording(
    scores: Scores,
    signals_of: SignalsOf | None = None,
    settings: EventSettings | None = None,
    top: int = 3,
    lost: Collection[Derivation] = (),
) -> str:
    """Return the page.

    Parameters
    ----------
    scores
        Of the recording.
    signals_of
        Called once, for the traces of all windows that are drawn; without it none are drawn.
    settings
        How probabilities become events.
    top
        At most this many windows are drawn per pattern.
    lost
        Derivations that the recording cannot form, and that are not drawn.
    """
    day = Day(scores, settings or EventSettings())
    every = 6 * HOUR_S if day.span_s > 36 * HOUR_S else HOUR_S
    return page(
        "recording.html",
        info=scores.recording,
        head=_head(scores),
        paragraph=recording_paragraph(day.findings, day.clock.text),
        coverage=coverage_in_words(day),
        glance=to_svg(scores_figure(scores, day.settings), "none", GLANCE_DPI),
        windows=_windows(day, signals_of, top, lost) if signals_of else None,
        maps=_maps(day),
        events=_events(day),
        every=interval_in_words(every),
        hours=[_hour(hour, day) for hour in day.findings.hours],
        quality=_quality(day, every),
        warnings=[*scores.recording.notes, *scores.manifest.get("warnings", [])],
        manifest=json.dumps(scores.manifest, indent=2, ensure_ascii=False, default=str),
        clock=day.clock,
        duration=duration_in_words,
        many=MANY_ROWS,
        patterns=day.patterns,
        titles=PATTERN_TITLES,
        colours=PATTERN_COLOURS,
        flaws=FLAWS,
        top=top,
    )


def _head(scores: Scores) -> dict[str, str]:
    info, clock = scores.recording, Clock(scores.recording.start)
    gaps = [f"{clock.text(start_s)} ({duration_in_words(duration_s)})" for start_s, duration_s in info.gaps]
    electrodes = f"{info.kind}, {counted(len(info.channels), 'channel')} at {info.rate_hz:g} Hz"
    if info.interpolated:
        electrodes += f"; interpolated from others: {', '.join(info.interpolated)}"
    head = {
        "file": PurePath(info.name.replace("\\", "/")).name,
        "start": clock.date() or "unknown: times count from the start",
        "duration": duration_in_words(info.span_s),
        "electrodes": electrodes,
        "gaps": listed(gaps) or "none",
    }
    parts = {"model": ("name", "arm", "trained_on"), "engine": ("engine", "version", "precision", "device")}
    known = {name: keys for name, keys in parts.items() if name in scores.manifest}
    return head | {name: _said(scores.manifest[name], keys) for name, keys in known.items()}


def _said(value: object, keys: tuple[str, ...]) -> str:
    """Write a part of the manifest in one line; the first value is written without its key."""
    if not isinstance(value, Mapping):
        return str(value)
    named = [f"{key.replace('_', ' ')} {value[key]}" for key in keys[1:] if value.get(key)]
    return ", ".join([str(value.get(keys[0], "")), *named])


def top_windows(frame: pd.DataFrame, pattern: str, top: int) -> list[int]:
    """Return the rows in which a pattern is most probable, best first, without overlapping centres."""
    starts, stops = (frame[name].to_numpy() for name in ("start_s", "stop_s"))
    values = frame[f"{pattern}_probability"].to_numpy(dtype=np.float64)
    chosen: list[int] = []
    for row in np.argsort(-values, kind="stable").tolist():
        if len(chosen) == top or np.isnan(values[row]):
            break
        if all(stops[row] <= starts[other] or starts[row] >= stops[other] for other in chosen):
            chosen.append(row)
    return chosen


def _windows(day: Day, signals_of: SignalsOf, top: int, lost: Collection[Derivation]) -> dict[str, list[DrawnWindow]]:
    """Draw the top windows of each pattern that has events or is likely somewhere."""
    rows = {
        pattern: top_windows(day.frame, pattern, top)
        for pattern in day.patterns
        if day.events_of(pattern) or day.frame[f"{pattern}_probability"].max() >= HIGH
    }
    numbers = sorted({number for chosen in rows.values() for number in chosen})
    times = day.frame[["start_s", "stop_s"]].iloc[numbers].to_numpy(dtype=float).tolist()
    samples = dict(zip(numbers, signals_of([(start_s, stop_s) for start_s, stop_s in times]), strict=True))
    return {
        pattern: [_window(day, number, pattern, samples[number], lost) for number in chosen]
        for pattern, chosen in rows.items()
    }


def _window(day: Day, number: int, pattern: str, samples: Signal, lost: Collection[Derivation]) -> DrawnWindow:
    row = day.frame.iloc[number]
    when = day.clock.text(row["start_s"])
    axis = f"seconds from {when}"
    if day.clock.start is not None:
        axis += f", {duration_in_words(row['start_s'])} after the start"
    probabilities = [float(row[name]) for name in PROBABILITY_COLUMNS]
    svg = window_svg(samples, probabilities, axis, lost, day.scores.recording.interpolated)
    return DrawnWindow(when, float(row[f"{pattern}_probability"]), _flaws(row["marks"]), svg)


def _flaws(marks: npt.ArrayLike) -> str:
    """List the electrodes of a window with each flaw, from the bits of their marks [19]."""
    found = []
    for bit, flaw in enumerate(FLAWS):
        names = [name for name, mark in zip(ELECTRODES, np.asarray(marks).tolist(), strict=True) if mark >> bit & 1]
        found += [f"{flaw.replace('_', ' ')}: {', '.join(names)}"] if names else []
    return "; ".join(found)


def _maps(day: Day) -> dict[str, str]:
    """Draw where each pattern is, if that is known."""
    found = {one.pattern: one.location for one in day.findings.patterns}
    return {
        pattern: scalp_map(location, PATTERN_TITLES[pattern])
        for pattern, location in found.items()
        if location is not None
    }


def _events(day: Day) -> list[dict[str, Any]]:
    """Return a row per event: what the model says, what was measured, and its sentence."""
    return [
        {
            "event": event,
            "frequency": frequency_in_words(found.frequency),
            "location": location_in_words(found.location),
            "shape": shape_in_words(found.shape),
            "evolution": found.evolution or UNKNOWN,
            "sentence": event_sentence(found, day.clock.text),
        }
        for event, found in zip(day.events, day.findings.events, strict=True)
    ]


def _hour(hour: HourFinding, day: Day) -> dict[str, Any]:
    """Return a row of the table of hours: each pattern's share and prevalence, and the background."""
    shares = {pattern: share for pattern, share in hour.shares.items() if np.isfinite(share)}
    background = hour.background
    suppressed, voltage_uv = background.suppressed_share, background.voltage_uv
    return {
        "when": day.clock.span(hour.start_s, hour.stop_s),
        "scored_s": hour.scored_s,
        "cells": {pattern: (percent(share, ENGLISH), hour.prevalence[pattern]) for pattern, share in shares.items()},
        "continuity": background.continuity or UNKNOWN,
        "voltage": UNKNOWN if voltage_uv is None else f"{voltage_uv:.0f} µV",
        "voltage_term": background.voltage,
        "suppressed": UNKNOWN if suppressed is None else percent(suppressed, ENGLISH),
        "symmetry": background.symmetry or UNKNOWN,
    }


def _quality(day: Day, every: int) -> list[dict[str, Any]]:
    """Return a row per interval: shares of time, mean number of electrodes with each flaw, and left / right."""
    starts, stops = own_times(day.frame)
    table = day.frame.assign(refused=(day.frame["reason"] != "").astype(float), weight=stops - starts)
    rows = []
    for _, group in table.groupby(day.frame["start_s"] // every):
        start_s = every * float(group["start_s"].iloc[0] // every)
        means = {
            name: float(np.average(group[name].to_numpy(dtype=float), weights=group["weight"]))
            for name in ("refused", "usable", *FLAWS)
        }
        when = day.clock.span(start_s, min(start_s + every, day.span_s))
        rows.append({"when": when, "left_right": float(group["left_right"].median()), **means})
    return rows
