"""How well events agree with a reference: settings, counts and ratios, for one recording and for many."""

import math
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any

from pydantic import Field
from timescoring.scoring import EventScoring

from ictal.core.settings import Settings
from ictal.errors import listed
from ictal.scoring.event_intervals import AgreementIntervals, intervals_of

RATE_HZ = 10
"""Rate of the time grid of `timescoring`, for events and samples; samples are reported in seconds."""

IGNORED = ("n_given", "n_ignored", "n_found_ignored")
"""Counts of `FileEvaluation` that are summed over recordings."""


class MatchSettings(Settings):
    """When an event counts as found; the defaults are those of SzCORE (Dan et al., Epilepsia 2024).

    Attributes
    ----------
    before_s, after_s
        An event is not a false alarm if it overlaps a reference event that is extended by these times at both ends.
    min_overlap
        The share of this extended event that must be covered for it to be found; 0: any overlap.
    merge_s
        Events (of both sides) that are closer than this count as one.
    split_s
        Events (of both sides) that are longer than this count as several.
    """

    before_s: float = Field(default=30.0, ge=0)
    after_s: float = Field(default=60.0, ge=0)
    min_overlap: float = Field(default=0.0, ge=0, lt=1)
    merge_s: float = Field(default=90.0, ge=0)
    split_s: float = Field(default=300.0, ge=1)


@dataclass(frozen=True)
class EventAgreement:
    """Counts, and the ratios that `timescoring` computes from them.

    Attributes
    ----------
    reference, hits, false_alarms
        Number of events, after merging and splitting, or seconds.
    sensitivity, precision, f1
        None if the denominator is 0.
    false_alarms_per_day
        Events, or seconds, per 24 h of recording.
    """

    reference: float
    hits: float
    false_alarms: float
    sensitivity: float | None
    precision: float | None
    f1: float | None
    false_alarms_per_day: float

    @classmethod
    def of(cls, reference: float, hits: float, false_alarms: float, duration_s: float) -> "EventAgreement":
        """Divide the counts as `timescoring` does; its clock here is one sample per second of recording."""
        counts = SimpleNamespace(refTrue=reference, tp=hits, fp=false_alarms, numSamples=duration_s, fs=1)
        EventScoring.computeScores(counts)
        return cls(
            reference,
            hits,
            false_alarms,
            _known(counts.sensitivity),
            _known(counts.precision),
            _known(counts.f1),
            float(counts.fpRate),
        )


@dataclass(frozen=True)
class FileEvaluation:
    """Events of one recording compared with its reference.

    Attributes
    ----------
    name, duration_s
        Of the recording.
    events, samples
        Event by event, and second by second.
    unscored_reference_s
        Seconds of reference events for which there is no prediction, so that they cannot be found; None if the scored
        time is unknown.
    n_given, n_merged, n_ignored, ignored_types
        Of the reference, as in `Reference`.
    n_found_ignored
        How many of the evaluated events were left out, since their type is not a pattern.
    """

    name: str
    duration_s: float
    events: EventAgreement
    samples: EventAgreement
    unscored_reference_s: float | None = None
    n_given: int = 0
    n_merged: int = 0
    n_ignored: int = 0
    ignored_types: tuple[str, ...] = ()
    n_found_ignored: int = 0


@dataclass(frozen=True)
class EventEvaluation:
    """Events of one pattern in one or many recordings, compared with a reference.

    Attributes
    ----------
    pattern, settings
        What was compared, and how.
    files
        One entry per recording.
    events, samples
        Of all recordings together: counts and durations are summed before division.
    without_scores, without_reference
        Recordings that only the reference, or only the folder of scores, has.
    """

    pattern: str
    settings: MatchSettings
    files: tuple[FileEvaluation, ...]
    events: EventAgreement
    samples: EventAgreement
    without_scores: tuple[str, ...] = ()
    without_reference: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """Seconds of all recordings."""
        return sum(file.duration_s for file in self.files)

    @property
    def unscored_reference_s(self) -> float | None:
        """Sum over the recordings, or None if one is unknown."""
        seconds = [file.unscored_reference_s for file in self.files]
        return None if None in seconds else sum(value or 0.0 for value in seconds)

    @property
    def intervals(self) -> dict[str, AgreementIntervals]:
        """Confidence intervals of `events` and of `samples`, see `ictal.scoring.event_intervals.intervals_of`."""
        counts: dict[str, list[tuple[float, float, float, float]]] = {
            kind: [
                (one.reference, one.hits, one.false_alarms, file.duration_s)
                for file in self.files
                for one in [getattr(file, kind)]
            ]
            for kind in ("events", "samples")
        }
        return {kind: intervals_of(rows, of_events=kind == "events") for kind, rows in counts.items()}

    @property
    def left_out(self) -> list[str]:
        """Count the events of unknown type, in a sentence each for the reference and for the evaluated events."""
        total = {name: sum(getattr(file, name) for file in self.files) for name in IGNORED}
        types = dict.fromkeys(name for file in self.files for name in file.ignored_types)
        sentences = []
        if total["n_ignored"]:
            count = f"{total['n_ignored']} of {total['n_given']} events of the reference"
            sentences.append(f"{count} have unknown types and were left out: {listed(types)}")
        if total["n_found_ignored"]:
            sentences.append(
                f"Of the found events, {total['n_found_ignored']} were left out: their types are unknown"
            )
        return sentences

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers, lists and None."""
        totals = {"n_files": len(self.files), "duration_s": self.duration_s, "rate_hz": RATE_HZ}
        totals |= {name: sum(getattr(file, name) for file in self.files) for name in IGNORED}
        content = asdict(self) | {"settings": self.settings.model_dump()} | totals
        content["unscored_reference_s"] = self.unscored_reference_s
        content["intervals"] = {name: ends.to_json() for name, ends in self.intervals.items()}
        return {key: list(value) if isinstance(value, tuple) else value for key, value in content.items()}


def _known(ratio: float) -> float | None:
    return None if math.isnan(ratio) else float(ratio)


def shown(value: float | None, interval: tuple[float, float] | None = None) -> str:
    """Write a ratio, with its interval on the line below to keep tables narrow; '–' if there is none."""
    if value is None:
        return "–"
    return f"{value:.2f}\n{interval[0]:.2f}–{interval[1]:.2f}" if interval else f"{value:.2f}"
