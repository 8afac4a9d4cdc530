"""What was measured of a pattern, in phrases; and what makes a sentence of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from ictal.core.labels import PERIODIC
from ictal.terminology.findings import EventFinding, Evolution, Frequency, Location, PatternFinding, Region, Shape
from ictal.terminology.language import Language
from ictal.terminology.terms import (
    FREQUENCY_STEP_HZ,
    SLOWEST_HZ,
    amplitude_word,
    frequency_step,
    pattern_name,
    phases_word,
)

MOST_FOCAL = 2
"""A generalized pattern predominates in so many regions at most; if it is large in more, it predominates nowhere."""


def sentence(*clauses: str) -> str:
    """Join clauses into a sentence with a capital letter and a full stop."""
    text = " ".join("; ".join(clauses).split())
    return f"{text[:1].upper()}{text[1:]}."


def percent(share: float, language: Language) -> str:
    """Write a share in whole per cent; a small one is not written as 0, and a large one not as 100."""
    if 0 < share < 0.005:
        return language.under_one_percent
    if 0.995 <= share < 1:
        return language.nearly_all
    return language.percent.format(number=language.number(100 * share, 0))


@dataclass(frozen=True)
class Where:
    """Where a pattern is, in words before its name ('left temporal') and after it ('with frontal predominance').

    Attributes
    ----------
    unknown
        'side' or 'location' if it could not be determined.
    """

    before: str = ""
    after: tuple[str, ...] = ()
    unknown: str = ""


def where(pattern: str, location: Location | None, language: Language, by_region: bool = True) -> Where:
    """Write where a pattern is, with its regions unless `by_region` is False."""
    lateralized = pattern in ("lpd", "lrda")
    if location is None or (location.main_term == "lateralized" and location.side is None):
        return Where(unknown="side" if lateralized else "location")
    regions: Sequence[Region] = location.regions if by_region else ()
    is_focal = 0 < len(regions) <= MOST_FOCAL
    focal = [language.predominance.format(regions=language.regions(regions))] if is_focal else []
    larger = [language.larger_side.format(side=language.sides[location.side])] if location.side else []
    if location.main_term == "lateralized" and location.side:
        return Where(language.place(location.side, regions))
    before = language.main_terms[location.main_term] if pattern == "seizure" else ""
    return Where(before, (*focal, *larger))


def subject(
    pattern: str, location: Location | None, frequency: Frequency | None, language: Language, prevalence: str = ""
) -> str:
    """Write what a pattern is, where, and how fast: 'abundant left temporal LPDs at 1.2 Hz'."""
    name, place = pattern_name(pattern, location), where(pattern, location, language).before
    written = language.written_out.get(name, language.patterns[name])
    text = language.subject.format(prevalence=prevalence, place=place, pattern=written)
    return _with_frequency(text, frequency, language)


def seizure_subject(location: Location | None, frequency: Frequency | None, language: Language) -> str:
    """Write what a single seizure is, where, and how fast."""
    place = where("seizure", location, language).before
    return _with_frequency(language.one_seizure.format(place=place), frequency, language)


def _with_frequency(text: str, frequency: Frequency | None, language: Language) -> str:
    return f"{text.strip()} {frequency_phrase(frequency, language)}" if frequency else text.strip()


def frequency_phrase(frequency: Frequency, language: Language) -> str:
    """Write the typical frequency, and the range in the terminology's steps if it spans more than one."""
    typical, text = round(frequency.typical, 1), language.number(frequency.typical, 1)
    low, high = frequency_step(frequency.low), frequency_step(frequency.high)
    if low == high:
        return language.frequency.format(typical=text)
    # The nearest steps may leave out the typical frequency: then the next ones.
    low = low - FREQUENCY_STEP_HZ if low > typical else low
    high = high + FREQUENCY_STEP_HZ if high < typical else high
    return language.frequency_range.format(low=_step(low, language), high=_step(high, language), typical=text)


def _step(frequency_hz: float, language: Language) -> str:
    if frequency_hz > 0:
        return language.number(frequency_hz, 1)
    return language.slower_than.format(frequency=language.number(SLOWEST_HZ, 1))


def shape_phrases(shape: Shape | None, language: Language) -> list[str]:
    """Write sharpness, number of phases and amplitude."""
    if shape is None:
        return []
    phrases = [language.sharpness[shape.sharpness]] if shape.sharpness else []
    phrases += [language.phases[phases_word(shape.phases)]] if shape.phases else []
    amplitude, uv = language.amplitudes[amplitude_word(shape.amplitude_uv)], language.number(shape.amplitude_uv, 0)
    return [*phrases, language.amplitude.format(amplitude=amplitude, uv=uv)]


def lag_phrases(lag_s: float | None, language: Language) -> list[str]:
    """Write a lag between front and back."""
    if lag_s is None:
        return []
    phrase = language.front_leads if lag_s > 0 else language.back_leads
    return [phrase.format(ms=language.number(1000 * abs(lag_s), 0))]


def evolution_phrases(evolution: Evolution | None, events: Sequence[EventFinding], language: Language) -> list[str]:
    """Write the evolution, and in how many events it was seen if not in all."""
    if evolution is None or (evolution == "static" and all(event.pattern == "seizure" for event in events)):
        return []  # a seizure evolves by definition, if not in frequency, then in location or morphology
    word, total = language.evolution[evolution], len(events)
    number = sum(event.evolution == evolution for event in events)
    if evolution == "static" or number == total:
        return [word]
    return [language.evolution_in.format(evolution=word, number=number, total=total)]


def unknown_phrases(finding: EventFinding | PatternFinding, language: Language, placed: bool = True) -> list[str]:
    """Write what could not be determined or measured; `placed`: also the location."""
    place = where(finding.pattern, finding.location, language).unknown if placed else ""
    located = [language.not_located.format(quantity=language.quantities[place])] if place else []
    shape = "morphology" if finding.pattern in PERIODIC else "amplitude"
    values = {"frequency": finding.frequency, shape: finding.shape}
    names = [language.quantities[quantity] for quantity, value in values.items() if value is None]
    measured = [language.not_measured.format(quantities=language.conjunction(names))] if names else []
    return [*located, *measured]
