from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ictal.core.montage import (
    ALIASES,
    CHAINS,
    CHANNELS,
    ELECTRODES,
    MIRROR,
    MONTAGES,
    Derivation,
    derivation,
    derivations_of,
    electrode,
    find_electrode,
    mirror,
    montage,
    montage_matrix,
)
from ictal.errors import ElectrodeError, UnknownNameError

NAMES = {**{name: name for name in CHANNELS}, **ALIASES}
PREFIXES = ("", "EEG ", "eeg_", "POL ", "EEG-", "EEG: ")
REFERENCES = ("", "-REF", "-LE", "-AR", "-AVG", "-A1", "-M2", "-A1A2", "-A1+A2", " - Ref", ".")
CASES = (str, str.upper, str.lower, str.swapcase)

scalp_names = st.sampled_from(sorted(name for name in NAMES if NAMES[name] != "EKG"))
electrodes = st.sampled_from(ELECTRODES)
derivations = (
    st.tuples(electrodes, electrodes).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: Derivation(*pair))
)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        *[
            ("EEG Fp1-REF", "Fp1"),
            ("Fp1-LE", "Fp1"),
            ("ECG ECG", "EKG"),
            ("Cz..", "Cz"),
            ("EEG EKG1-REF", "EKG"),
        ],
        *[("T7", "T3"), ("t8", "T4"), ("EEG P7-M2", "T5"), ("p8", "T6")],  # the names of the 10-10 system
    ],
)
def test_names_as_they_stand_in_real_files(name, found):
    assert electrode(name) == found


@pytest.mark.parametrize("name", NAMES)
def test_every_name_in_every_case_with_every_prefix_and_reference(name):
    for prefix, reference, case in product(PREFIXES, REFERENCES, CASES):
        written = case(f" {prefix}{name}{reference} ")
        assert find_electrode(written) == NAMES[name], written


@pytest.mark.parametrize(
    "name",
    [
        *["", " ", "-", "EEG", "EEG ", "SaO2", "A1", "A1-A2", "Fz1", "F9", "Fc5.", "FpZ", "T3T5"],
        *["Fp1-F7", "EEG T7-P7", "T8-P8-0", "Fp1-Cz", "EDF Annotations", "Photic-REF", "O2 Sat"],
    ],
)
def test_other_channels_are_no_electrodes_and_the_error_says_what_is_allowed(name):
    assert find_electrode(name) is None
    with pytest.raises(ElectrodeError) as caught:
        electrode(name)
    assert f"'{name}'" in str(caught.value)
    for allowed in (*CHANNELS, "T7 (= T3)", "P8 (= T6)"):
        assert allowed in str(caught.value)


@given(st.text() | st.lists(st.sampled_from(["EEG ", "Fp", "1", "-", "REF", "Cz", ".", " "])).map("".join))
@example("EEG EEG Fp1")
def test_any_text_is_one_of_the_electrodes_or_none(name):
    assert find_electrode(name) in (*CHANNELS, None)


@given(scalp_names, scalp_names, st.sampled_from(CASES))
def test_a_derivation_is_read_by_its_aliases_and_written_by_its_canonical_names(anode, cathode, case):
    written = case(f"{anode}-{cathode}")
    if NAMES[anode] == NAMES[cathode]:
        with pytest.raises(ElectrodeError, match=f"'{written}'.*{NAMES[anode]} minus itself"):
            derivation(written)
    else:
        assert str(derivation(written)) == f"{NAMES[anode]}-{NAMES[cathode]}"
        assert derivation(f"EEG {written}") == (NAMES[anode], NAMES[cathode])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Fp1", "two electrodes with a dash"),
        ("Fp1-F7-T3", "two electrodes"),
        ("Fp1-SaO2", "'SaO2'.*allowed are Fp1"),
    ],
)
def test_what_is_no_derivation_is_refused_with_its_name(name, words):
    with pytest.raises(ElectrodeError, match=words):
        derivation(name)


def test_the_mirror_is_an_involution_that_keeps_the_midline_and_swaps_odd_and_even():
    for name, canonical in NAMES.items():
        there = mirror(name)
        assert mirror(there) == canonical
        assert (there == canonical) == (canonical in ("Fz", "Cz", "Pz", "EKG"))
        if there != canonical:
            assert there[:-1] == canonical[:-1]
            assert int(there[-1]) - int(canonical[-1]) == (1 if int(canonical[-1]) % 2 else -1)
    assert [MIRROR[index] for index in MIRROR] == list(range(len(CHANNELS)))


@given(st.lists(derivations, min_size=1, max_size=8), st.integers(0, 99))
def test_a_montage_matrix_subtracts_and_commutes_with_the_mirror(pairs, seed):
    matrix = montage_matrix(tuple(pairs))
    window = np.random.default_rng(seed).integers(-500, 500, (len(CHANNELS), 4)).astype(np.float32)
    expected = [window[CHANNELS.index(a)] - window[CHANNELS.index(b)] for a, b in pairs]
    np.testing.assert_array_equal(matrix @ window, expected)
    mirrored = montage_matrix(tuple(Derivation(mirror(a), mirror(b)) for a, b in pairs))
    np.testing.assert_array_equal(mirrored, matrix[:, MIRROR])
    np.testing.assert_array_equal(mirrored @ window[MIRROR, :], expected)


def test_the_double_banana_has_18_derivations_in_chains_that_mirror_each_other():
    banana = montage("double_banana")
    pairs = derivations_of(banana)
    assert len(pairs) == len(set(pairs)) == 18
    assert {name for pair in pairs for name in pair} == set(ELECTRODES)
    for chain in banana.values():
        assert all(one.cathode == following.anode for one, following in pairwise(chain))
    for left, right in (("LL", "RR"), ("LP", "RP")):
        assert CHAINS[right] == tuple(Derivation(mirror(a), mirror(b)) for a, b in CHAINS[left])


def test_each_long_derivation_is_the_sum_of_two_neighbours_of_the_double_banana():
    for name, chain in montage("long_chains").items():
        pairs = montage_matrix(CHAINS[name])
        np.testing.assert_array_equal(montage_matrix(chain), [pairs[0] + pairs[1], pairs[2] + pairs[3]])


@pytest.mark.parametrize("name", MONTAGES)
def test_every_derivation_of_every_montage_is_read_back_from_its_name(name):
    for pair in derivations_of(MONTAGES[name]):
        assert derivation(str(pair)) == pair


def test_an_unknown_montage_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="unknown montage 'banana'; known are: double_banana, long_chains"):
        montage("banana")
