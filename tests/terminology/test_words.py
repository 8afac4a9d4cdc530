"""Sentences and paragraphs of a report.

The terms and their order are those of the ACNS 2021 terminology (Hirsch et al., J Clin Neurophysiol 2021;38:1-29):
section A for the background, C for patterns, D for seizures and status epilepticus, F for the continuum.
"""

import dataclasses
import re
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.labels import PATTERNS
from ictal.report.clock import Clock
from ictal.terminology import terms
from ictal.terminology.english import ENGLISH
from ictal.terminology.findings import BackgroundFinding, Frequency, Location, RecordingFinding, Shape, StatusFinding
from ictal.terminology.language import Language
from ictal.terminology.words import background_sentence, event_sentence, recording_paragraph
from tests.terminology.examples import GENERALIZED, LEFT_TEMPORAL, background, event, recording, unknown_background
from tests.terminology.german import GERMAN

LANGUAGES = (ENGLISH, GERMAN)


def located(main_term, side=None, regions=()):
    return Location(main_term, side, regions, (), LEFT_TEMPORAL.involvement)


def between(low, typical, high):
    return Frequency(typical, low, high, (typical, typical))


def runs(pattern, n, length_s, **values):
    return [event(pattern, start_s=600.0 * i, stop_s=600.0 * i + length_s, **values) for i in range(n)]


def test_an_event_in_the_order_of_section_c():
    assert event_sentence(event()) == (
        "Left temporal LPDs at 1.0–1.5 Hz (typically 1.2 Hz), sharp, biphasic, of medium voltage (85 µV), without "
        "evolution in frequency, for 42 s from 0:02:00."
    )
    assert event_sentence(event("seizure", frequency=between(2.4, 3.2, 4.3), start_s=4000, stop_s=4065)) == (
        "Left temporal electrographic seizure at 2.5–4.3 Hz (typically 3.2 Hz), of medium voltage (120 µV), "
        "evolving in frequency, for 1 min 5 s from 1:06:40."
    )


def test_an_event_of_which_nothing_could_be_measured():
    nothing = {"frequency": None, "location": None, "shape": None, "evolution": None}
    unknown = (
        "42 s from 0:02:00; the location could not be determined; frequency and amplitude could not be measured."
    )
    assert [event_sentence(event(name, **nothing)) for name in ("lpd", "grda", "seizure")] == [
        f"LPDs for {unknown}".replace("location", "side").replace("amplitude", "morphology"),
        f"GRDA for {unknown}",
        f"Electrographic seizure for {unknown}",
    ]


def test_the_clock_of_a_recording_writes_the_times():
    clock = Clock(datetime(2030, 1, 2, 2, 11, 5)).text
    assert event_sentence(event(), clock).endswith("for 42 s from 02:13:05.")


@pytest.mark.parametrize(
    ("pattern", "location", "words"),
    [
        ("lpd", located("lateralized", "left", ("temporal",)), "Left temporal LPDs at"),
        ("lrda", located("lateralized", "right", ("frontal", "temporal")), "Right frontotemporal LRDA at"),
        ("lpd", located("lateralized", "left", ("parietal", "occipital")), "Left parieto-occipital LPDs at"),
        (
            "lpd",
            located("lateralized", "left", ("frontal", "central", "temporal")),
            "Left fronto-centro-temporal LPDs at",
        ),
        (
            "lpd",
            located("lateralized", "right", ("frontal", "central", "temporal", "parietal")),
            "Right hemispheric LPDs at",
        ),
        ("lpd", located("lateralized", "left"), "Left LPDs at"),
        ("lpd", located("lateralized"), "the side could not be determined."),
        ("gpd", GENERALIZED, "GPDs at 1.0–1.5 Hz (typically 1.2 Hz), sharp"),
        ("gpd", located("generalized", None, ("frontal",)), "Hz), with frontal predominance, sharp"),
        (
            "gpd",
            located("bilateral independent", "left", ("temporal",)),
            (
                "Bilateral independent periodic discharges (BIPDs) at 1.0–1.5 Hz (typically 1.2 Hz), with temporal "
                "predominance, larger on the left, sharp"
            ),
        ),
        ("seizure", GENERALIZED, "Generalized electrographic seizure at"),
        ("seizure", located("bilateral independent"), "Bilateral independent electrographic seizure at"),
    ],
)
def test_section_c1_where_a_pattern_is(pattern, location, words):
    assert words in event_sentence(event(pattern, location=location))


@pytest.mark.parametrize(
    ("low", "typical", "high", "words"),
    [
        (1.1, 1.2, 1.24, "at 1.2 Hz,"),  # within one step
        (1.0, 1.2, 1.4, "at 1.0–1.5 Hz (typically 1.2 Hz)"),
        (0.7, 1.24, 1.24, "at 0.5–1.5 Hz (typically 1.2 Hz)"),  # the nearest step, 1.0, leaves out 1.2
        (1.3, 1.4, 2.1, "at 1.0–2.0 Hz (typically 1.4 Hz)"),  # the nearest step, 1.5, leaves out 1.4
        (0.3, 0.8, 1.1, "at < 0.5–1.0 Hz (typically 0.8 Hz)"),
        (0.3, 0.4, 0.45, "at 0.4 Hz,"),
        (3.6, 4.4, 5.68, "at 3.5–5.7 Hz (typically 4.4 Hz)"),
    ],
)
def test_section_c_frequency_in_words(low, typical, high, words):
    assert words in event_sentence(event(frequency=between(low, typical, high)))


def test_section_c_a_lag():
    assert "lag" not in event_sentence(event("gpd", lag_s=None))
    assert ", with an anterior-posterior lag of 120 ms, without" in event_sentence(event("gpd", lag_s=0.12))
    assert ", with a posterior-anterior lag of 150 ms, without" in event_sentence(event("gpd", lag_s=-0.15))


def test_section_a_background():
    assert background_sentence(background()) == (
        "The background was continuous, of normal voltage (42 µV) and symmetric, with predominant alpha activity "
        "(9.0 Hz) and a posterior dominant rhythm of 9.5 Hz."
    )
    slow = {"predominant_hz": 5.5, "predominant": "theta", "posterior_hz": 0.0}
    weak_left = {"left_right": 0.45, "symmetry": "marked asymmetry"}
    almost = {"continuity": "nearly continuous", "suppressed_share": 0.04}
    assert background_sentence(background(**slow, **weak_left, **almost)) == (
        "The background was nearly continuous (attenuated or suppressed 4 % of the time), of normal voltage (42 µV) "
        "and markedly asymmetric (lower on the left by 55 %), with predominant theta activity (5.5 Hz) and no "
        "posterior dominant rhythm."
    )


def test_section_a1_names_the_weaker_side():
    assert "mildly asymmetric (lower on the right by 33 %)" in background_sentence(
        background(left_right=1.5, symmetry="mild asymmetry")
    )


def test_section_a4_bursts_and_suppression():
    bare = {"predominant_hz": None, "predominant": None, "posterior_hz": None}
    bursts = background(continuity="burst-suppression", suppressed_share=0.72, voltage_uv=14, voltage="low", **bare)
    assert background_sentence(bursts) == (
        "The background was in burst-suppression (suppressed 72 % of the time), of low voltage (14 µV) and symmetric."
    )
    flat = background(continuity="suppressed", suppressed_share=1, voltage_uv=6, voltage="suppressed", **bare)
    assert background_sentence(flat) == "The background was suppressed (below 10 µV) and symmetric."


def test_a_background_that_is_known_in_part():
    part = background(continuity=None, suppressed_share=None, left_right=None, symmetry=None)
    assert background_sentence(part) == (
        "The background was of normal voltage (42 µV), with predominant alpha activity (9.0 Hz) and a posterior "
        "dominant rhythm of 9.5 Hz; its continuity and symmetry could not be determined."
    )


def test_a_background_that_is_not_known():
    assert background_sentence(unknown_background()) == "The background could not be measured."


def test_no_posterior_rhythm_is_stated_only_where_one_was_looked_for():
    bare = {"predominant_hz": 3.0, "predominant": "delta"}
    assert "no posterior dominant rhythm" in background_sentence(background(**bare, posterior_hz=0.0))
    assert "posterior" not in background_sentence(background(**bare, posterior_hz=None))


def test_a_paragraph_in_the_order_of_a_report():
    seizures = runs("seizure", 3, 60)
    seizures[1] = replace(seizures[1], location=located("lateralized", "right", ("frontal",)), evolution="static")
    seizures[2] = replace(seizures[2], location=None)
    found = recording([*runs("gpd", 1, 30, frequency=between(1, 1, 1)), *runs("lpd", 7, 400), *seizures])
    assert recording_paragraph(replace(found, continuum_share=0.389)).split(". ")[1:] == [
        (
            "Frequent left temporal LPDs at 1.0–1.5 Hz (typically 1.2 Hz), sharp, biphasic, of medium voltage "
            "(85 µV), without evolution in frequency; 39 % of the recording, "
            "up to 78 % of one hour (from 0:00:00); 7 runs, "
            "the longest 6 min 40 s (intermediate duration), the first from 0:00:00"
        ),
        (
            "Rare GPDs at 1.0 Hz, sharp, biphasic, of medium voltage (85 µV), without evolution in frequency; < 1 % "
            "of the recording, up to 1 % of one hour (from 0:00:00); one run of 30 s (brief duration) from 0:00:00"
        ),
        (
            "There were 3 electrographic seizures (1 left temporal, 1 right frontal and 1 of undetermined location), "
            "at 1.0–1.5 Hz (typically 1.2 Hz), of medium voltage (120 µV), evolving in frequency in 2 of 3; "
            "3 min in total, the longest 1 min, the first at 0:00:00; 2 % of the recording, "
            "up to 5 % of one hour (from 0:00:00)"
        ),
        "The definition of electrographic status epilepticus was not met",
        "Patterns on the ictal-interictal continuum made up 39 % of the recording (plus modifiers not assessed)",
        "The recording showed no LRDA or GRDA.",
    ]


def test_one_seizure():
    words = recording_paragraph(recording([event("seizure")], span_s=1800.0))
    assert (
        "There was one electrographic seizure, left temporal, at 1.0–1.5 Hz (typically 1.2 Hz), of medium voltage "
        "(120 µV), evolving in frequency; it lasted 42 s and began at 0:02:00; 2 % of the recording." in words
    )


def test_many_places_of_seizures_are_counted_by_side():
    places = [("left", "frontal"), ("left", "central"), ("left", "temporal"), ("right", "occipital")]
    seizures = [
        replace(found, location=located("lateralized", side, (region,)))
        for found, (side, region) in zip(runs("seizure", 4, 20), places, strict=True)
    ]
    assert "4 electrographic seizures (3 left and 1 right)" in recording_paragraph(recording(seizures))
    assert "(both left)" in recording_paragraph(
        recording([replace(seizures[0], location=located("lateralized", "left"))] * 2)
    )


def test_section_d_status_epilepticus_and_its_criterion():
    long = StatusFinding("10 minutes", 600.0, 1440.0, 840.0)
    assert (
        "This meets the definition of electrographic status epilepticus (a seizure of at least 10 min): 14 min from "
        "0:10:00 to 0:24:00." in recording_paragraph(recording([event("seizure")], status=long))
    )
    many = StatusFinding("20 % of an hour", 600.0, 4200.0, 900.0)
    assert (
        "status epilepticus (seizures for at least 20 % of any 60 min): 15 min from 0:10:00 to 1:10:00."
        in recording_paragraph(recording([event("seizure")], status=many))
    )


def test_section_d_events_that_are_seizures_by_definition_need_review():
    words = recording_paragraph(recording([*runs("lpd", 2, 20, evolution="evolving"), event("gpd")]))
    assert "2 runs of LPDs may meet the definition of an electrographic seizure" in words
    assert "showed no LRDA or GRDA." in words
    assert "continuum" not in words
    assert "One run of GPDs may meet" in recording_paragraph(
        recording([event("gpd", frequency=between(2.8, 2.8, 2.8))])
    )


def test_section_f_no_continuum_is_said_only_if_it_could_be_measured():
    def words(**values):
        return recording_paragraph(recording([event(**values)]))

    assert "No pattern was on the ictal-interictal continuum" in words()
    for unmeasured in ({"frequency": None}, {"evolution": None}, {"pattern": "grda"}):
        assert "continuum" not in words(**unmeasured)


def test_what_is_absent_and_what_the_model_does_not_know():
    assert recording_paragraph(recording()).endswith(
        "The recording showed no electrographic seizures, LPDs, GPDs, LRDA or GRDA."
    )
    assert recording_paragraph(recording(absent=("seizure", "lpd"))).endswith(
        "The recording showed no electrographic seizures or LPDs. The model does not assess GPDs, LRDA or GRDA."
    )


def test_what_could_not_be_scored():
    assert recording_paragraph(recording(scored_s=2400.0)).endswith(
        "40 min of 2 h were scored; all shares refer to this time."
    )
    assert "scored" not in recording_paragraph(recording(scored_s=6900.0))
    assert recording_paragraph(recording(scored_s=0.0)) == "Nothing could be scored."


def test_a_single_hour_is_not_repeated_as_the_busiest_one():
    assert "one hour" not in recording_paragraph(recording([event()], span_s=3600.0))


def test_runs_that_are_too_short_for_evolution():
    words = recording_paragraph(recording([event(evolution=None)]))
    assert "; evolution could not be assessed." in words


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_term_has_a_word_in_every_language(language):
    tables = {
        "prevalence": terms.PREVALENCE, "durations": terms.DURATION, "amplitudes": terms.AMPLITUDE_UV,
        "voltages": terms.VOLTAGE_UV,
    }  # fmt: skip
    for name, table in tables.items():
        assert set(getattr(language, name)) >= {word for _, word in table}, name
    assert set(language.phases) == set(terms.PHASES)
    assert set(language.bands) == {terms.band_word(hz) for hz in (2, 5, 9, 20)}
    assert set(language.continuity) == {
        terms.continuity_word(share, suppressed) for share in (0, 0.05, 0.3, 0.7, 1) for suppressed in (True, False)
    }
    assert set(language.sharpness) == {
        terms.sharpness_word(ms, pointed) for ms, pointed in ((50, None), (90, None), (300, True), (300, False))
    }
    assert set(language.symmetry) == {terms.symmetry_word(ratio) for ratio in (1, 1.5, 3)}
    assert set(language.patterns) == {*PATTERNS, "bipd"} - {"other"}
    for name in ("continuity", "sharpness", "symmetry", "bands", "quantities", "evolution", "sides", "main_terms"):
        assert set(getattr(language, name)) == set(getattr(ENGLISH, name)), name


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Language)])
def test_phrases_use_the_values_that_english_phrases_get(field):
    english, german = getattr(ENGLISH, field), getattr(GERMAN, field)
    if isinstance(english, str):
        assert set(re.findall(r"{(\w+)}", german)) <= set(re.findall(r"{(\w+)}", english))


def test_german_needs_another_table_only():
    assert event_sentence(event(), language=GERMAN) == (
        "LPDs links temporal mit 1,0–1,5 Hz (typisch 1,2 Hz), scharf, biphasisch, mittelhoch (85 µV), ohne "
        "Evolution, über 42 s um 0:02:00."
    )
    assert recording_paragraph(recording([event("seizure")], span_s=1800.0), language=GERMAN).split(". ")[1:] == [
        (
            "Ein elektrografischer Anfall, links temporal, mit 1,0–1,5 Hz (typisch 1,2 Hz), mittelhoch (120 µV), mit "
            "Evolution; Dauer 42 s, Beginn um 0:02:00; 2 % der Ableitung"
        ),
        "Die Kriterien eines elektrografischen Status epilepticus sind nicht erfüllt",
        "Keine LPDs, GPDs, LRDA oder GRDA.",
    ]


hz = st.floats(0.1, 12)
frequencies = st.none() | st.lists(hz, min_size=3, max_size=3).map(sorted).map(lambda three: between(*three))
regions = st.lists(st.sampled_from(sorted(set(terms.REGIONS.values()))), unique=True).map(tuple)
locations = st.none() | st.builds(
    located,
    st.sampled_from(["generalized", "lateralized", "bilateral independent"]),
    st.sampled_from([None, "left", "right"]),
    regions,
)
shapes = st.none() | st.builds(
    Shape, st.floats(0, 900), st.sampled_from([None, *ENGLISH.sharpness]), st.none() | st.integers(1, 9)
)
events = st.builds(
    lambda pattern, start, length, values: event(pattern, start_s=start, stop_s=start + length, **values),
    st.sampled_from([name for name in PATTERNS if name != "other"]),
    st.floats(0, 7000),
    st.floats(1, 200),
    st.fixed_dictionaries(
        {
            "frequency": frequencies,
            "location": locations,
            "shape": shapes,
            "lag_s": st.none() | st.floats(-0.4, 0.4),
            "evolution": st.sampled_from([None, *ENGLISH.evolution]),
        }
    ),
)


def optional(values):
    return st.none() | values


backgrounds = st.builds(
    BackgroundFinding,
    optional(st.sampled_from(sorted(ENGLISH.continuity))),
    optional(st.floats(0, 1)),
    optional(st.floats(0, 400)),
    optional(st.sampled_from(sorted(ENGLISH.voltages))),
    optional(st.floats(0.1, 10)),
    optional(st.sampled_from(sorted(ENGLISH.symmetry))),
    optional(hz),
    optional(st.sampled_from(sorted(ENGLISH.bands))),
    optional(hz),
    st.floats(0, 1e5),
)
recordings = st.builds(
    lambda found, back, scored, continuum: recording(
        found, background=back, scored_s=scored, continuum_share=continuum
    ),
    st.lists(events, max_size=6),
    backgrounds,
    st.floats(2000, 7200),
    st.just(0.0) | st.floats(0, 1),
)


def check(text):
    """It is a text of whole sentences without a value that is none."""
    assert text.endswith(".")
    assert "None" not in text
    assert "nan" not in text.lower().split()
    assert not re.search(r"  |\( | \)|\(\)|\.\.| [.,;]|[,;]{2}|[{}]", text)
    assert text[0].isupper()
    assert all(part[0].isupper() or part[0].isdigit() for part in re.split(r"(?<!Std)\. ", text))


@given(events, st.sampled_from(LANGUAGES))
def test_every_event_gives_a_sentence(found, language):
    check(event_sentence(found, language=language))


@given(recordings, st.sampled_from(LANGUAGES))
def test_every_recording_gives_a_paragraph(found: RecordingFinding, language):
    text = recording_paragraph(found, language=language)
    check(text)
    if language is ENGLISH:
        names = {**dict.fromkeys(("gpd", "lpd"), r"[GL]PDs|BIPDs"), "lrda": "LRDA", "grda": "GRDA"}
        assert all(re.search(names.get(one.pattern, "seizure"), text) for one in found.events)


@given(backgrounds)
def test_what_is_not_known_of_a_background_is_not_described(found):
    text = background_sentence(found)
    check(text)
    assert ("posterior dominant rhythm of" in text) == (
        bool(found.posterior_hz) and "could not be measured" not in text
    )
    for name, word in (("symmetry", "symmetr"), ("voltage", "voltage")):
        if getattr(found, name) is None:
            assert word not in text.split("; its")[0].replace("asymmetr", "symmetr")
