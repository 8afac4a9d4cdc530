"""What a language must say, so that `ictal.terminology.words` can write a report in it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ictal.terminology.findings import Region, Side


@dataclass(frozen=True)
class Language:
    """The words, phrases and small functions of a language.

    Words are tables with the terms of `ictal.terminology.terms` as keys. Phrases are filled with `str.format`, with
    the values that the phrases of `ictal.terminology.english.ENGLISH` name; a phrase may leave some out. They begin
    in lower case: `ictal.terminology.phrases.sentence` writes the capital letter and the full stop.
    """

    # Functions: a number with so many decimals, a duration in seconds, a list, a side of the scalp with its regions
    # ('left temporal'), and regions alone ('temporal').
    number: Callable[[float, int], str]
    duration: Callable[[float], str]
    conjunction: Callable[[Sequence[str]], str]
    disjunction: Callable[[Sequence[str]], str]
    place: Callable[[Side, Sequence[Region]], str]
    regions: Callable[[Sequence[Region]], str]

    # Words.
    patterns: Mapping[str, str]
    written_out: Mapping[str, str]
    main_terms: Mapping[str, str]
    sides: Mapping[str, str]
    prevalence: Mapping[str, str]
    durations: Mapping[str, str]
    sharpness: Mapping[str, str]
    phases: Mapping[str, str]
    amplitudes: Mapping[str, str]
    evolution: Mapping[str, str]
    continuity: Mapping[str, str]
    voltages: Mapping[str, str]
    symmetry: Mapping[str, str]
    bands: Mapping[str, str]
    quantities: Mapping[str, str]

    # Numbers.
    percent: str
    under_one_percent: str
    nearly_all: str

    # A pattern: an event of it, or all of its events.
    subject: str
    one_seizure: str
    frequency: str
    frequency_range: str
    slower_than: str
    predominance: str
    larger_side: str
    amplitude: str
    front_leads: str
    back_leads: str
    evolution_in: str
    when: str
    not_located: str
    not_measured: str
    share: str
    worst_hour: str
    run: str
    runs: str
    not_evolved: str

    # Seizures and status epilepticus.
    seizure: str
    seizures: str
    placed: str
    all_placed: str
    both_placed: str
    unknown_place: str
    seizure_run: str
    seizure_runs: str
    status_by_length: str
    status_by_share: str
    no_status: str

    # The background.
    background_is: str
    background_has: str
    background_is_with: str
    asymmetry: str
    band: str
    posterior_rhythm: str
    no_posterior_rhythm: str
    background_not_determined: str
    background_unknown: str

    # The rest of the recording.
    absent: str
    not_assessed: str
    continuum: str
    no_continuum: str
    like_seizure: str
    like_seizures: str
    scored: str
    nothing_scored: str
