"""The limits of each table against the ACNS 2021 terminology (Hirsch et al., J Clin Neurophysiol 2021;38:1-29)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.montage import ELECTRODES, mirror
from ictal.terminology.findings import Frequency
from ictal.terminology.terms import (
    AMPLITUDE_UV,
    BANDS_HZ,
    CONTINUITY,
    DURATION,
    PREVALENCE,
    REGIONS,
    SHARPNESS_MS,
    VOLTAGE_UV,
    amplitude_word,
    band_word,
    continuity_word,
    duration_word,
    frequency_step,
    in_continuum,
    is_seizure,
    pattern_name,
    phases_word,
    prevalence_word,
    sharpness_word,
    symmetry_word,
    term,
    voltage_word,
)
from tests.terminology.examples import GENERALIZED, INDEPENDENT, LEFT_TEMPORAL, event

NAN = float("nan")
TABLES = (PREVALENCE, DURATION, SHARPNESS_MS, AMPLITUDE_UV, CONTINUITY, VOLTAGE_UV, BANDS_HZ)


def at(hz: float) -> Frequency:
    return Frequency(hz, hz, hz, (hz, hz))


@pytest.mark.parametrize(
    ("share", "word"),
    [
        (1, "continuous"), (0.9, "continuous"), (0.899, "abundant"), (0.5, "abundant"), (0.499, "frequent"),
        (0.1, "frequent"), (0.099, "occasional"), (0.01, "occasional"), (0.0099, "rare"), (1e-9, "rare"),
        (0, "none"), (NAN, ""),
    ],
)  # fmt: skip
def test_section_c_prevalence(share, word):
    assert prevalence_word(share) == word


@pytest.mark.parametrize(
    ("seconds", "word"),
    [
        (86_400, "very long"), (3600, "very long"), (3599, "long"), (600, "long"), (599, "intermediate"),
        (60, "intermediate"), (59.9, "brief"), (10, "brief"), (9.99, "very brief"), (0, "very brief"),
    ],
)  # fmt: skip
def test_section_c_duration(seconds, word):
    assert duration_word(seconds) == word


@pytest.mark.parametrize(
    ("hz", "step"),
    [
        (0.1, 0), (0.49, 0), (0.5, 0.5), (0.74, 0.5), (0.75, 1), (1.2, 1), (2.5, 2.5), (3.74, 3.5), (3.75, 4),
        (4, 4), (4.1, 4.1), (7.26, 7.3),
    ],
)  # fmt: skip
def test_section_c_frequency(hz, step):
    assert frequency_step(hz) == step


@pytest.mark.parametrize(
    ("ms", "pointed", "word"),
    [
        (20, None, "spiky"), (69.9, None, "spiky"), (70, None, "sharp"), (200, None, "sharp"), (200, False, "sharp"),
        (200.1, None, None), (201, True, "sharply contoured"), (201, False, "blunt"),
    ],
)  # fmt: skip
def test_section_c_sharpness_needs_more_than_a_duration_above_200_ms(ms, pointed, word):
    assert sharpness_word(ms, pointed) == word


def test_section_c_number_of_phases():
    words = [phases_word(number) for number in (1, 2, 3, 4, 9)]
    assert words == ["monophasic", "biphasic", "triphasic", "polyphasic", "polyphasic"]
    with pytest.raises(ValueError, match="0 phases"):
        phases_word(0)


@pytest.mark.parametrize(
    ("uv", "word"),
    [
        (0, "very low"), (19.9, "very low"), (20, "low"), (49.9, "low"), (50, "medium"), (149.9, "medium"),
        (150, "high"), (800, "high"),
    ],
)  # fmt: skip
def test_section_c_absolute_voltage(uv, word):
    assert amplitude_word(uv) == word


@pytest.mark.parametrize(
    ("share", "suppressed", "word"),
    [
        (0, True, "continuous"), (0.0099, True, "continuous"), (0.01, False, "nearly continuous"),
        (0.099, True, "nearly continuous"), (0.1, True, "discontinuous"), (0.499, False, "discontinuous"),
        (0.5, True, "burst-suppression"), (0.5, False, "burst-attenuation"), (0.99, True, "burst-suppression"),
        (0.991, True, "suppressed"), (1, False, "attenuated"),
    ],
)  # fmt: skip
def test_section_a4_continuity(share, suppressed, word):
    assert continuity_word(share, suppressed) == word


@pytest.mark.parametrize(
    ("uv", "word"),
    [
        (9.99, "suppressed"), (10, "low"), (19.9, "low"), (20, "normal"), (149.9, "normal"), (150, "high"),
    ],
)  # fmt: skip
def test_section_a_voltage(uv, word):
    assert voltage_word(uv) == word


@pytest.mark.parametrize(
    ("ratio", "word"),
    [
        (1, "symmetric"), (0.81, "symmetric"), (0.8, "mild asymmetry"), (1.25, "mild asymmetry"),
        (0.501, "mild asymmetry"), (0.5, "marked asymmetry"), (2, "marked asymmetry"), (9, "marked asymmetry"),
    ],
)  # fmt: skip
def test_section_a1_symmetry(ratio, word):
    assert symmetry_word(ratio) == word


@pytest.mark.parametrize(
    ("hz", "word"),
    [
        (0.5, "delta"), (3.99, "delta"), (4, "theta"), (7.99, "theta"), (8, "alpha"), (13, "alpha"), (13.1, "beta"),
    ],
)  # fmt: skip
def test_section_a2_predominant_frequency(hz, word):
    assert band_word(hz) == word


@given(st.sampled_from(TABLES), st.floats(0, 1e5))
def test_every_number_has_exactly_one_term_in_every_table(table, value):
    limits = [least for least, _ in table] + [0]
    intervals = zip(limits, [float("inf"), *limits], strict=False)
    holding = [number for number, (least, below) in enumerate(intervals) if least <= value + 1e-6 < below]
    assert holding[:1] == holding[:2]
    assert term(table, value) == table[holding[0]][1]


@given(st.sampled_from(TABLES))
def test_a_negative_number_has_no_term(table):
    for wrong in (-1, NAN):
        with pytest.raises(ValueError, match="no term"):
            term(table, wrong)


@given(st.floats(0, 30))
def test_a_frequency_is_within_half_a_step_of_its_step(hz):
    step = frequency_step(hz)
    assert abs(step - hz) <= 0.25 + 1e-5 if hz >= 0.5 - 1e-6 else step == 0
    assert step > 4 or step % 0.5 == 0


@given(st.floats(0.01, 100))
def test_symmetry_does_not_depend_on_which_side_is_left(ratio):
    assert symmetry_word(ratio) == symmetry_word(1 / ratio)


def test_every_electrode_has_the_region_of_its_mirror_image():
    assert set(REGIONS) == set(ELECTRODES)
    assert all(REGIONS[name] == REGIONS[mirror(name)] for name in ELECTRODES)
    assert REGIONS["F7"] == "frontal"
    assert REGIONS["T5"] == "temporal"


def test_section_c1_names_bilateral_independent_patterns():
    assert [pattern_name(name, INDEPENDENT) for name in ("lpd", "gpd", "lrda", "grda", "seizure")] == [
        "bipd", "bipd", "lrda", "grda", "seizure",
    ]  # fmt: skip
    assert pattern_name("lpd", None) == pattern_name("lpd", GENERALIZED) == "lpd"


@pytest.mark.parametrize(
    ("pattern", "hz", "evolution", "location", "expected"),
    [
        ("lpd", 1.01, "static", LEFT_TEMPORAL, True),  # a: PD of more than 1.0 and up to 2.5 Hz
        ("gpd", 2.5, "static", GENERALIZED, True),
        ("gpd", 1.5, None, GENERALIZED, True),
        ("lpd", 2.51, "static", LEFT_TEMPORAL, False),  # more than 2.5 Hz: section D
        ("lpd", 1.0, "static", LEFT_TEMPORAL, False),
        ("lpd", 1.0, "fluctuating", LEFT_TEMPORAL, True),  # b: PD of 0.5 to 1.0 Hz that fluctuate
        ("gpd", 0.5, "fluctuating", GENERALIZED, True),
        ("gpd", 0.49, "fluctuating", GENERALIZED, False),
        ("lrda", 1.5, "fluctuating", LEFT_TEMPORAL, True),  # c: lateralized RDA of more than 1 Hz that fluctuates
        ("lrda", 1.0, "fluctuating", LEFT_TEMPORAL, False),
        ("lrda", 1.5, "static", LEFT_TEMPORAL, False),
        ("grda", 1.5, "fluctuating", GENERALIZED, False),
        ("lpd", 1.5, "evolving", LEFT_TEMPORAL, False),  # a seizure by section D
        ("seizure", 2.0, "fluctuating", LEFT_TEMPORAL, False),
    ],
)
def test_section_f_ictal_interictal_continuum(pattern, hz, evolution, location, expected):
    finding = event(pattern, frequency=at(hz), evolution=evolution, location=location)
    assert in_continuum(finding) is expected


def test_section_f_needs_10_s_and_a_frequency():
    assert in_continuum(event("lpd", start_s=0, stop_s=10, frequency=at(1.5)))
    assert not in_continuum(event("lpd", start_s=0, stop_s=9.9, frequency=at(1.5)))
    assert not in_continuum(event("lpd", frequency=None))


@pytest.mark.parametrize(
    ("pattern", "hz", "evolution", "seconds", "expected"),
    [
        ("lpd", 2.51, "static", 10, True),  # a: discharges of more than 2.5 Hz for 10 s
        ("lpd", 2.51, "static", 9, False),
        ("lpd", 2.5, "static", 60, False),
        ("lrda", 3.5, "static", 60, False),  # rhythmic delta activity is up to 4 Hz
        ("lrda", 1.5, "evolving", 10, True),  # b: any pattern with definite evolution for 10 s
        ("gpd", 1.5, "evolving", 9, False),
        ("seizure", 1.5, None, 5, True),
    ],
)
def test_section_d_electrographic_seizures(pattern, hz, evolution, seconds, expected):
    finding = event(pattern, start_s=0, stop_s=seconds, frequency=at(hz), evolution=evolution)
    assert is_seizure(finding) is expected
