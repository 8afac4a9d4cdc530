"""How well events agree with a reference: settings, counts and ratios, for one recording and for many."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from pydantic import Field
from timescoring.scoring import EventScoring

from ictal.core.settings import Settings
from ictal.errors import listed
from ictal.scoring.event_intervals import FIGURES, AgreementIntervals, SubjectMean, intervals_of, subject_means

RATE_HZ = 10
"""Rate of the time grid of `timescoring`, for events and samples; samples are reported in seconds."""

KINDS = ("events", "samples")
"""What is compared: event by event, and second by second."""
SZCORE_NAMES = {"false_alarms_per_day": "fpRate"}
"""Names of figures in SzCORE's results where they differ from ours."""
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

    @classmethod
    def together(cls, parts: Sequence["EventAgreement"], duration_s: float) -> "EventAgreement":
        """Add the counts of recordings before dividing, so that a long recording has more weight than a short one."""
        reference, hits, false_alarms = (
            sum(getattr(part, name) for part in parts) for name in ("reference", "hits", "false_alarms")
        )
        return cls.of(reference, hits, false_alarms, duration_s)


@dataclass(frozen=True)
class SubjectEvaluation:
    """All recordings of one subject together, compared with their references.

    Attributes
    ----------
    name, duration_s
        Of the subject, such as sub-01, and of all its recordings.
    n_files
        How many recordings.
    events, samples
        Event by event, and second by second.
    """

    name: str
    duration_s: float
    n_files: int
    events: EventAgreement
    samples: EventAgreement

    @classmethod
    def of(cls, name: str, files: Sequence["FileEvaluation"]) -> "SubjectEvaluation":
        """Add up the recordings of a subject."""
        duration_s = sum(file.duration_s for file in files)
        events, samples = (
            EventAgreement.together([getattr(file, kind) for file in files], duration_s) for kind in KINDS
        )
        return cls(name, duration_s, len(files), events, samples)


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
    subject
        Whose recording it is, such as sub-01; known in a BIDS data set.
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
    subject: str | None = None


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
        Recordings that only the reference, or only the folder of scores, has. The former are part of `files`, as
        recordings without events, if the reference is a BIDS data set; otherwise, they are left out.
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
    def subjects(self) -> tuple[SubjectEvaluation, ...]:
        """The recordings of each subject together; empty if the subjects are not known."""
        files: dict[str, list[FileEvaluation]] = {}
        for file in self.files:
            if file.subject is not None:
                files.setdefault(file.subject, []).append(file)
        return tuple(SubjectEvaluation.of(name, own) for name, own in files.items())

    @property
    def intervals(self) -> dict[str, AgreementIntervals]:
        """Confidence intervals of `events` and of `samples`, see `ictal.scoring.event_intervals.intervals_of`.

        Subjects are resampled if they are known, recordings otherwise.
        """
        counts: dict[str, list[tuple[float, float, float, float]]] = {
            kind: [
                (one.reference, one.hits, one.false_alarms, unit.duration_s)
                for unit in self.subjects or self.files
                for one in [getattr(unit, kind)]
            ]
            for kind in KINDS
        }
        return {kind: intervals_of(rows, of_events=kind == "events") for kind, rows in counts.items()}

    @property
    def subject_means(self) -> dict[str, dict[str, SubjectMean]]:
        """Means over subjects of the figures of `events` and of `samples`; empty if the subjects are not known."""
        if not (subjects := self.subjects):
            return {}
        values = {
            kind: [[getattr(getattr(one, kind), figure) for figure in FIGURES] for one in subjects] for kind in KINDS
        }
        return {kind: subject_means(np.array(rows, dtype=np.float64)) for kind, rows in values.items()}

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
        content |= self._szcore_results()
        return {key: list(value) if isinstance(value, tuple) else value for key, value in content.items()}

    def _szcore_results(self) -> dict[str, Any]:
        """Return the means over subjects with the keys of SzCORE's results, and their intervals; and each subject."""
        if not (means := self.subject_means):
            return {}
        content: dict[str, Any] = {"subjects": [asdict(one) for one in self.subjects]}
        for kind, of_kind in means.items():
            results = content[f"{kind.removesuffix('s')}_results"] = {}
            for figure, one in of_kind.items():
                name = SZCORE_NAMES.get(figure, figure)
                results |= {name: one.mean, f"{name}_std": one.std}
                results |= {f"{name}_interval": one.interval and list(one.interval), f"{name}_n": one.n_subjects}
        return content


def _known(ratio: float) -> float | None:
    return None if math.isnan(ratio) else float(ratio)


def shown(value: float | None, interval: tuple[float, float] | None = None) -> str:
    """Write a ratio, with its interval on the line below to keep tables narrow; '–' if there is none."""
    if value is None:
        return "–"
    return f"{value:.2f}\n{interval[0]:.2f}–{interval[1]:.2f}" if interval else f"{value:.2f}"
