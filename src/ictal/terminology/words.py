"""What was found in a recording, in sentences of an EEG report.

What could not be measured is either said to be undetermined or not mentioned; no value is made up for it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ictal.core.labels import PATTERNS
from ictal.terminology.background_words import background_sentence
from ictal.terminology.english import ENGLISH, HOUR_S
from ictal.terminology.findings import EventFinding, Location, PatternFinding, RecordingFinding, StatusFinding
from ictal.terminology.language import Language
from ictal.terminology.phrases import (
    evolution_phrases,
    frequency_phrase,
    lag_phrases,
    percent,
    seizure_subject,
    sentence,
    shape_phrases,
    subject,
    unknown_phrases,
    where,
)
from ictal.terminology.terms import duration_word, is_seizure, pattern_name

__all__ = ["background_sentence", "event_sentence", "recording_paragraph"]

Clock = Callable[[float], str]
"""Writes a time, given in seconds of the recording."""

MOST_BOTH = 2
MOST_PLACES = 3
"""Seizures in more places than this are counted by side only."""
WELL_SCORED = 0.95
"""If less of the recording was scored, the paragraph says how much."""


def event_sentence(event: EventFinding, clock: Clock | None = None, language: Language = ENGLISH) -> str:
    """Describe an event in a sentence.

    Parameters
    ----------
    event
        What was measured.
    clock
        Writes times, such as `ictal.report.clock.Clock.text`; default: h:mm:ss from the start of the recording.
    language
        Of the sentence.
    """
    return _Writer(language, clock or _from_start).event(event)


def recording_paragraph(finding: RecordingFinding, clock: Clock | None = None, language: Language = ENGLISH) -> str:
    """Describe a recording in a paragraph, in the order of an EEG report.

    The background comes first, then each pattern from the most to the least prevalent, seizures and status
    epilepticus, the ictal-interictal continuum, what was not seen, and what needs review or could not be scored.

    Parameters
    ----------
    finding
        What was measured.
    clock
        Writes times, such as `ictal.report.clock.Clock.text`; default: h:mm:ss from the start of the recording.
    language
        Of the paragraph.
    """
    return _Writer(language, clock or _from_start).recording(finding)


def _from_start(time_s: float) -> str:
    whole = round(time_s)
    return f"{whole // HOUR_S}:{whole % HOUR_S // 60:02d}:{whole % 60:02d}"


@dataclass(frozen=True)
class _Writer:
    language: Language
    clock: Clock

    def event(self, event: EventFinding) -> str:
        language = self.language
        if event.pattern == "seizure":
            what = seizure_subject(event.location, event.frequency, language)
        else:
            what = subject(event.pattern, event.location, event.frequency, language)
        traits = [
            *where(event.pattern, event.location, language).after,
            *shape_phrases(event.shape, language),
            *lag_phrases(event.lag_s, language),
            *evolution_phrases(event.evolution, [event], language),
        ]
        when = language.when.format(duration=language.duration(event.duration_s), time=self.clock(event.start_s))
        text = ", ".join([what, *traits, when]) if traits else f"{what} {when}"
        return sentence(text, *unknown_phrases(event, language))

    def recording(self, finding: RecordingFinding) -> str:
        if finding.scored_s <= 0:
            return sentence(self.language.nothing_scored)
        patterns = sorted(finding.patterns, key=lambda pattern: -pattern.share)
        sentences = [
            background_sentence(finding.background, self.language),
            *(self._pattern(pattern, finding) for pattern in patterns if pattern.pattern != "seizure"),
            *(self._seizures(pattern, finding) for pattern in patterns if pattern.pattern == "seizure"),
            *self._continuum(finding),
            *self._for_review(finding),
            *self._absent(finding),
            *self._coverage(finding),
        ]
        return " ".join(sentences)

    def _pattern(self, pattern: PatternFinding, finding: RecordingFinding) -> str:
        language, events = self.language, _events_of(finding, pattern.pattern)
        prevalence = language.prevalence[pattern.prevalence]
        traits = [
            subject(pattern.pattern, pattern.location, pattern.frequency, language, prevalence),
            *where(pattern.pattern, pattern.location, language).after,
            *shape_phrases(pattern.shape, language),
            *evolution_phrases(pattern.evolution, events, language),
        ]
        runs = (language.run if pattern.n_events == 1 else language.runs).format(**self._runs(pattern))
        unclear = [language.not_evolved] if pattern.evolution is None and pattern.frequency else []
        share = self._share(pattern, finding.span_s)
        return sentence(", ".join(traits), share, runs, *unclear, *unknown_phrases(pattern, language))

    def _seizures(self, seizures: PatternFinding, finding: RecordingFinding) -> str:
        language, events = self.language, _events_of(finding, "seizure")
        one = seizures.n_events == 1
        head = language.seizure if one else language.seizures
        traits = [
            head.format(number=seizures.n_events, places=self._places(events, one)),
            *([frequency_phrase(seizures.frequency, language)] if seizures.frequency else []),
            *shape_phrases(seizures.shape, language),
            *evolution_phrases(seizures.evolution, events, language),
        ]
        runs = (language.seizure_run if one else language.seizure_runs).format(**self._runs(seizures))
        unknown = unknown_phrases(seizures, language, placed=False)
        said = sentence(", ".join(traits), runs, self._share(seizures, finding.span_s), *unknown)
        return f"{said} {self._status(finding.status)}"

    def _places(self, events: Sequence[EventFinding], one: bool) -> str:
        """Write how many seizures are where."""
        places = Counter(self._place(event.location) for event in events)
        if len(places) > MOST_PLACES:
            places = Counter(self._place(event.location, by_region=False) for event in events)
        if len(places) == 1:
            (place,) = places
            both = len(events) == MOST_BOTH
            return (
                place
                if one
                else (self.language.both_placed if both else self.language.all_placed).format(place=place)
            )
        named = [self.language.placed.format(number=n, place=place) for place, n in places.most_common()]
        return self.language.conjunction(named)

    def _place(self, location: Location | None, by_region: bool = True) -> str:
        return where("seizure", location, self.language, by_region).before or self.language.unknown_place

    def _status(self, status: StatusFinding | None) -> str:
        if status is None:
            return sentence(self.language.no_status)
        by_length = status.criterion == "10 minutes"
        phrase = self.language.status_by_length if by_length else self.language.status_by_share
        return sentence(
            phrase.format(
                duration=self.language.duration(status.seizure_s),
                start=self.clock(status.start_s),
                stop=self.clock(status.stop_s),
            )
        )

    def _continuum(self, finding: RecordingFinding) -> list[str]:
        """State the share on the ictal-interictal continuum; that it is none only if that could be measured."""
        if finding.continuum_share > 0:
            share = percent(finding.continuum_share, self.language)
            return [sentence(self.language.continuum.format(share=share))]
        candidates = [
            event
            for event in finding.events
            if pattern_name(event.pattern, event.location) not in ("seizure", "grda")
        ]
        measured = all(event.frequency is not None and event.evolution is not None for event in candidates)
        known = candidates and measured and not _like_seizures(finding)
        return [sentence(self.language.no_continuum)] if known else []

    def _absent(self, finding: RecordingFinding) -> list[str]:
        names = self.language.patterns
        assessed = {*finding.absent, *(pattern.pattern for pattern in finding.patterns)}
        doubtful = "seizure" if _like_seizures(finding) else None
        absent = [names[name] for name in PATTERNS if name in finding.absent and name != doubtful]
        unknown = [names[name] for name in PATTERNS if name in names and name not in assessed]
        listed = self.language.disjunction
        sentences = [sentence(self.language.absent.format(patterns=listed(absent)))] if absent else []
        return sentences + (
            [sentence(self.language.not_assessed.format(patterns=listed(unknown)))] if unknown else []
        )

    def _for_review(self, finding: RecordingFinding) -> list[str]:
        """Name the events that the terminology calls seizures and the model does not."""
        events = _like_seizures(finding)
        if not events:
            return []
        names = dict.fromkeys(self.language.patterns[pattern_name(one.pattern, one.location)] for one in events)
        phrase = self.language.like_seizure if len(events) == 1 else self.language.like_seizures
        return [sentence(phrase.format(number=len(events), patterns=self.language.conjunction(list(names))))]

    def _coverage(self, finding: RecordingFinding) -> list[str]:
        if finding.scored_s >= WELL_SCORED * finding.span_s:
            return []
        scored, span = (self.language.duration(seconds) for seconds in (finding.scored_s, finding.span_s))
        return [sentence(self.language.scored.format(scored=scored, span=span))]

    def _runs(self, pattern: PatternFinding) -> dict[str, str | int]:
        return {
            "number": pattern.n_events,
            "total": self.language.duration(pattern.total_s),
            "duration": self.language.duration(pattern.longest_s),
            "word": self.language.durations[duration_word(pattern.longest_s)],
            "time": self.clock(pattern.first_s),
        }

    def _share(self, pattern: PatternFinding, span_s: float) -> str:
        share, worst = (percent(value, self.language) for value in (pattern.share, pattern.worst_share))
        text = self.language.share.format(share=share)
        if span_s <= HOUR_S or pattern.worst_share <= pattern.share:
            return text
        return self.language.worst_hour.format(share=text, worst=worst, time=self.clock(pattern.worst_start_s))


def _events_of(finding: RecordingFinding, pattern: str) -> list[EventFinding]:
    return [event for event in finding.events if event.pattern == pattern]


def _like_seizures(finding: RecordingFinding) -> list[EventFinding]:
    """Return the events that the model does not call seizures, and the terminology does."""
    return [event for event in finding.events if event.pattern != "seizure" and is_seizure(event)]
