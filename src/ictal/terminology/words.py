"""What was found in a recording, in sentences of an EEG report.

What could not be measured is either said to be undetermined or not mentioned; no value is made up for it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ictal.core.labels import PATTERNS
from ictal.terminology.background_words import background_sentence
from ictal.terminology.english import ENGLISH
from ictal.terminology.findings import (
    EventFinding,
    Evolution,
    Frequency,
    Location,
    PatternFinding,
    RecordingFinding,
    Shape,
    StatusFinding,
)
from ictal.terminology.language import Language
from ictal.terminology.sentences import percent, sentence
from ictal.terminology.terms import (
    FREQUENCY_STEP_HZ,
    LAG_S,
    PERIODIC,
    SLOWEST_HZ,
    amplitude_word,
    duration_word,
    frequency_step,
    is_seizure,
    pattern_name,
    phases_word,
)

__all__ = ["background_sentence", "event_sentence", "recording_paragraph"]

Clock = Callable[[float], str]
"""Writes a time, given in seconds of the recording."""

HOUR_S = 3600
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
class _Where:
    """Where a pattern is: before its name, after it, and which quantity could not be determined."""

    before: str = ""
    after: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Writer:
    language: Language
    clock: Clock

    def event(self, event: EventFinding) -> str:
        where = self._where(event.pattern, event.location)
        subject = self._subject(event.pattern, event.location, "", where.before)
        if event.pattern == "seizure":
            subject = self.language.one_seizure.format(place=where.before)
        evolution = [self.language.evolution[event.evolution]] if event.evolution else []
        when = self.language.when.format(
            duration=self.language.duration(event.duration_s), time=self.clock(event.start_s)
        )
        traits = [*where.after, *self._shape(event.shape), *self._lag(event.lag_s), *evolution, when]
        unknown = (*where.unknown, *_unmeasured(event.pattern, event.frequency, event.shape))
        text = ", ".join([f"{subject} {self._frequency(event.frequency)}".strip(), *traits])
        return sentence(text, *self._not_determined(unknown))

    def recording(self, finding: RecordingFinding) -> str:
        if finding.scored_s <= 0:
            return sentence(self.language.nothing_scored)
        patterns = sorted(finding.patterns, key=lambda pattern: -pattern.share)
        sentences = [
            background_sentence(finding.background, self.language),
            *(self._pattern(pattern, finding) for pattern in patterns if pattern.pattern != "seizure"),
            *(self._seizures(pattern, finding) for pattern in patterns if pattern.pattern == "seizure"),
            *self._continuum(finding),
            *self._absent(finding),
            *self._for_review(finding),
            *self._coverage(finding),
        ]
        return " ".join(sentences)

    def _pattern(self, pattern: PatternFinding, finding: RecordingFinding) -> str:
        language, events = self.language, _events_of(finding, pattern.pattern)
        where = self._where(pattern.pattern, pattern.location)
        subject = self._subject(
            pattern.pattern, pattern.location, language.prevalence[pattern.prevalence], where.before
        )
        traits = [*where.after, *self._shape(pattern.shape), *self._evolution(pattern.evolution, events)]
        text = ", ".join([f"{subject} {self._frequency(pattern.frequency)}".strip(), *traits])
        runs = (language.run if pattern.n_events == 1 else language.runs).format(**self._runs(pattern))
        short = [language.too_short] if pattern.evolution is None else []
        unknown = (*where.unknown, *_unmeasured(pattern.pattern, pattern.frequency, pattern.shape))
        return sentence(text, self._share(pattern, finding.span_s), runs, *short, *self._not_determined(unknown))

    def _seizures(self, seizures: PatternFinding, finding: RecordingFinding) -> str:
        language, events = self.language, _events_of(finding, "seizure")
        one = seizures.n_events == 1
        places = self._places(events, one)
        head = language.seizure if one else language.seizures
        traits = [
            head.format(number=seizures.n_events, places=places),
            self._frequency(seizures.frequency),
            *self._shape(seizures.shape),
            *self._evolution(seizures.evolution, events),
        ]
        runs = (language.seizure_run if one else language.seizure_runs).format(**self._runs(seizures))
        unknown = self._not_determined(_unmeasured("seizure", seizures.frequency, seizures.shape))
        text = ", ".join(trait for trait in traits if trait)
        said = sentence(text, runs, self._share(seizures, finding.span_s), *unknown)
        return f"{said} {self._status(finding.status)}"

    def _places(self, events: Sequence[EventFinding], one: bool) -> str:
        """Write how many seizures are where."""
        places = Counter(self._place(event.location) for event in events)
        if len(places) > MOST_PLACES:
            places = Counter(self._place(event.location, by_region=False) for event in events)
        if len(places) == 1:
            (place,) = places
            return place if one else self.language.all_placed.format(place=place)
        named = [self.language.placed.format(number=n, place=place) for place, n in places.most_common()]
        return self.language.conjunction(named)

    def _place(self, location: Location | None, by_region: bool = True) -> str:
        where = self._where("seizure", location, by_region)
        return where.before or self.language.unknown_place

    def _status(self, status: StatusFinding | None) -> str:
        if status is None:
            return sentence(self.language.no_status)
        by_length = status.criterion == "10 minutes"
        phrase = self.language.status_by_length if by_length else self.language.status_by_share
        return sentence(
            phrase.format(
                duration=self.language.duration(status.seizure_s),
                share=percent(status.seizure_s / (status.stop_s - status.start_s), self.language),
                start=self.clock(status.start_s),
                stop=self.clock(status.stop_s),
            )
        )

    def _continuum(self, finding: RecordingFinding) -> list[str]:
        """State the share on the ictal-interictal continuum; that it is none only if that could be measured."""
        if finding.continuum_share > 0:
            share = percent(finding.continuum_share, self.language)
            return [sentence(self.language.continuum.format(share=share))]
        candidates = [event for event in finding.events if event.pattern in ("lpd", "gpd", "lrda")]
        measured = all(event.frequency is not None and event.evolution is not None for event in candidates)
        return [sentence(self.language.no_continuum)] if candidates and measured else []

    def _absent(self, finding: RecordingFinding) -> list[str]:
        names = self.language.patterns
        assessed = {*finding.absent, *(pattern.pattern for pattern in finding.patterns)}
        absent = [names[name] for name in PATTERNS if name in finding.absent]
        unknown = [names[name] for name in PATTERNS if name in names and name not in assessed]
        listed = self.language.disjunction
        sentences = [sentence(self.language.absent.format(patterns=listed(absent)))] if absent else []
        return sentences + (
            [sentence(self.language.not_assessed.format(patterns=listed(unknown)))] if unknown else []
        )

    def _for_review(self, finding: RecordingFinding) -> list[str]:
        """Name the events that the terminology calls seizures and the model does not."""
        events = [event for event in finding.events if event.pattern != "seizure" and is_seizure(event)]
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

    def _subject(self, pattern: str, location: Location | None, prevalence: str, place: str) -> str:
        name = pattern_name(pattern, location)
        written = self.language.written_out.get(name, self.language.patterns[name])
        return self.language.subject.format(prevalence=prevalence, place=place, pattern=written)

    def _where(self, pattern: str, location: Location | None, by_region: bool = True) -> _Where:
        language, lateralized = self.language, pattern in ("lpd", "lrda")
        unknown = _Where(unknown=("side" if lateralized else "location",))
        if location is None:
            return unknown
        regions = location.regions if by_region else ()
        focal = [language.predominance.format(regions=language.regions(regions))] if 0 < len(regions) <= 2 else []
        larger = [language.larger_side.format(side=language.sides[location.side])] if location.side else []
        if location.main_term == "lateralized":
            if location.side is None:
                return unknown
            if pattern in ("gpd", "grda"):
                return _Where(after=tuple(larger))
            return _Where(language.place(location.side, regions))
        if pattern == "seizure":
            return _Where(language.main_terms[location.main_term], (*focal, *larger))
        if location.main_term == "generalized" and lateralized:
            return _Where(after=(language.no_clear_side,))
        return _Where(after=(*focal, *larger))

    def _frequency(self, frequency: Frequency | None) -> str:
        """Write the typical frequency, and the range in the terminology's steps if it spans more than one."""
        if frequency is None:
            return ""
        typical, text = round(frequency.typical, 1), self.language.number(frequency.typical, 1)
        low, high = frequency_step(frequency.low), frequency_step(frequency.high)
        if low == high:
            return self.language.frequency.format(typical=text)
        # The nearest steps may leave out the typical frequency: then the next ones.
        low = low - FREQUENCY_STEP_HZ if low > typical else low
        high = high + FREQUENCY_STEP_HZ if high < typical else high
        return self.language.frequency_range.format(low=self._step(low), high=self._step(high), typical=text)

    def _step(self, frequency_hz: float) -> str:
        if frequency_hz > 0:
            return self.language.number(frequency_hz, 1)
        return self.language.slower_than.format(frequency=self.language.number(SLOWEST_HZ, 1))

    def _shape(self, shape: Shape | None) -> list[str]:
        if shape is None:
            return []
        word = self.language.amplitudes[amplitude_word(shape.amplitude_uv)]
        return [
            *([self.language.sharpness[shape.sharpness]] if shape.sharpness else []),
            *([self.language.phases[phases_word(shape.phases)]] if shape.phases else []),
            self.language.amplitude.format(amplitude=word, uv=self.language.number(shape.amplitude_uv, 0)),
        ]

    def _lag(self, lag_s: float | None) -> list[str]:
        if lag_s is None or abs(lag_s) <= LAG_S:
            return []
        phrase = self.language.front_leads if lag_s > 0 else self.language.back_leads
        return [phrase.format(ms=self.language.number(1000 * abs(lag_s), 0))]

    def _evolution(self, evolution: Evolution | None, events: Sequence[EventFinding]) -> list[str]:
        """Write the evolution, and in how many events it was seen if not in all."""
        if evolution is None:
            return []
        word, total = self.language.evolution[evolution], len(events)
        number = sum(event.evolution == evolution for event in events)
        if evolution == "static" or number == total:
            return [word]
        return [self.language.evolution_in.format(evolution=word, number=number, total=total)]

    def _runs(self, pattern: PatternFinding) -> dict[str, str | int]:
        return {
            "number": pattern.n_events,
            "total": self.language.duration(pattern.total_s),
            "duration": self.language.duration(pattern.longest_s),
            "word": self.language.durations[duration_word(pattern.longest_s)],
            "time": self.clock(pattern.first_s),
        }

    def _share(self, pattern: PatternFinding, span_s: float) -> str:
        text = self.language.share.format(share=percent(pattern.share, self.language))
        if span_s <= HOUR_S or pattern.worst_share <= pattern.share:
            return text
        worst = percent(pattern.worst_share, self.language)
        return self.language.worst_hour.format(share=text, worst=worst, time=self.clock(pattern.worst_start_s))

    def _not_determined(self, quantities: Sequence[str]) -> list[str]:
        if not quantities:
            return []
        names = self.language.conjunction([self.language.quantities[quantity] for quantity in quantities])
        return [self.language.not_determined.format(quantities=names)]


def _events_of(finding: RecordingFinding, pattern: str) -> list[EventFinding]:
    return [event for event in finding.events if event.pattern == pattern]


def _unmeasured(pattern: str, frequency: Frequency | None, shape: Shape | None) -> tuple[str, ...]:
    """Name what could not be measured."""
    morphology = "morphology" if pattern in PERIODIC else "amplitude"
    return (("frequency",) if frequency is None else ()) + ((morphology,) if shape is None else ())
