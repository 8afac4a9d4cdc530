"""What the labels of one file mean together."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.channel_labels import ELECTRODES, Label, read_labels
from ictal.core.montage import CHAINS, MONTAGES, derivations_of
from ictal.core.recording import Recording
from ictal.errors import ElectrodeError, ReadError
from ictal.io import open_recording
from ictal.preprocessing.channel_mapping import map_channels
from tests.helpers import noise
from tests.io.test_edf_file import Made, ramp, write

BANANA = derivations_of(MONTAGES["double_banana"])
NEW = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}


def made(labels: list[str], kinds: tuple[str, ...] = ()) -> Recording:
    recording = Recording.from_array(noise(40, n_channels=len(labels)), tuple(labels), 200, "a.edf")
    return Recording(**{**recording.__dict__, "kinds": kinds})


ENDINGS = (
    *(
        "AA",
        "Org",
        "Vref",
        "LER",
        "M1M2",
        "M1+M2",
        "(A1+A2)",
        "AVG_REF",
        "COMM",
        "Average",
        "G2",
        "CS2",
        "CPz",
        "Foo",
    ),
    *("A1-A2", "Ref Mont", "$BN", "Ref1", "LE", "AR", "[REF]"),
)
FORMS = (
    *("{}", "EEG {}", "EEG{}", "EEG_{}", "EEG:{}", "eeg {}", "POL {}", "EEG ({})", "{}.", "{}..", " {} ", "'{}'"),
    *(
        "EEG {} Ref",
        "EEG_{}_REF",
        "EEG.{}.REF",
        "{}Ref",
        "{}-REF-0",
        "{} - Ref",
        "{} \u2013 Ref",
        "EEG\u00a0{}\u00a0-\u00a0Ref",
    ),
    *(f"EEG {{}}-{ending}" for ending in ENDINGS),
    *(f"{{}} {ending}" for ending in ENDINGS),
)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", [str, str.upper, str.lower])
def test_one_ending_that_all_electrodes_share_is_the_reference(form, case):
    for names in (ELECTRODES, [NEW.get(name, name) for name in ELECTRODES]):
        for zero in (False, True):
            labels = [form.format(case(name.replace("O", "0") if zero else name)) for name in names]
            found = read_labels(labels)
            assert [label and label.electrode for label in found] == list(ELECTRODES)
            assert len({label.against for label in found if label}) == 1
            mapping = map_channels(made([*labels, "SaO2", "EMG1"]))
            assert (mapping.kind, mapping.known, mapping.rows) == ("referential", ELECTRODES, tuple(range(19)))


@pytest.mark.parametrize(
    "whole", ["EEG {}-Ref Montage", "EEG {}-Average Reference", "Patient7 {}-Org 12", "EEG {} - Reference"]
)
def test_labels_that_were_cut_at_16_characters_have_one_reference(whole):
    labels = [whole.format(name)[:16].strip() for name in ELECTRODES]
    if whole.startswith("Patient"):
        labels = [label.replace("Patient7", "EEG     ") for label in labels]
    assert map_channels(made(labels)).known == ELECTRODES


def test_endings_that_may_have_been_cut_of_several_are_not_guessed():
    labels = [f"EEG {name}-Mastoid {'L' if name[-1] in '13579' else 'R'}"[:16].strip() for name in ELECTRODES]
    with pytest.raises(ElectrodeError):
        map_channels(made(labels))


def test_what_is_cut_within_the_second_electrode_is_no_derivation():
    assert read_labels(["EEG  chain 1 T3-T", "EEG          T3-T", "EEG         F7-T3"])[1] is None


@pytest.mark.parametrize(
    ("labels", "missing"),
    [
        (["01", "02", "03", "04"], "no channel for .*O1"),  # channels by numbers
        ([*(f"EEG {number:02d}" for number in range(1, 20)), *ELECTRODES[:7]], "O1"),
        (["01", "02"], "O1"),
        ([*ELECTRODES[:7], *ELECTRODES[8:-1], "O2 Sat", "O2-Flow"], "no channel for O1, O2"),
        ([*ELECTRODES[1:], "EMG Fp1", "EOG-Fp1", "Fp1 resp"], "no channel for Fp1"),
    ],
)
def test_what_is_no_electrode_is_not_taken_for_one(labels, missing):
    with pytest.raises(ElectrodeError, match=missing):
        map_channels(made(labels))


def test_zeros_are_letters_only_where_the_letter_is_not():
    names = ["O1" if name == "O1" else name.replace("O", "0") for name in ELECTRODES]
    assert read_labels(names)[-1] is None
    chain = ["FP1-F7", "F7-T7", "T7-P7", "P7-01", "FP1-F3", "F3-C3", "C3-P3", "P3-01"]
    assert read_labels(chain)[3] == Label("T5", "O1")
    assert map_channels(made(chain), CHAINS["LL"]).kind == "bipolar"


@given(st.sampled_from(["-", "_", " ", "/", "", " - "]), st.sampled_from(["", "EEG ", "EEG", "POL "]))
def test_derivations_may_be_written_in_any_way(between, prefix):
    labels = [f"{prefix}{pair.anode}{between}{pair.cathode}" for pair in BANANA]
    assert read_labels(labels) == BANANA
    assert map_channels(made(labels), BANANA).kind == "bipolar"


@pytest.mark.parametrize(
    "label",
    [
        "ECG1-ECG2",
        "ECG II",
        "ECG",
        "EKG1",
        "ECG ECG",
        "EEG EKG1-REF",
        "EKG1-CHIN",
        "ECG_L-R",
        "ekg-le",
        "ECG V5",
        "ECGL",
    ],
)
def test_the_heart_is_found(label):
    mapping = map_channels(made([*ELECTRODES, "HR", "ECG rate", "ECG-HR", label]))
    assert mapping.rows[-1] == 22
    assert mapping.ignored == ("HR", "ECG rate", "ECG-HR")


def test_a_channel_that_its_file_calls_the_heart_is_it_whatever_its_name():
    kinds = (*["eeg"] * 19, "misc", "ecg")
    assert map_channels(made([*ELECTRODES, "X1", "BIP1"], kinds)).rows[-1] == 20
    with pytest.raises(ElectrodeError, match="no channel for Fp1"):
        map_channels(made([*ELECTRODES, "X1", "BIP1"], ("ecg", *kinds[1:])))


def test_two_names_of_one_electrode_are_it_and_an_electrode_against_itself_is_nothing():
    names = [f"{name}/{NEW[name]}" if name in NEW else name for name in ELECTRODES]
    assert map_channels(made(names)).known == ELECTRODES
    assert read_labels(["Cz-Cz", "T7 (T3)", "-", "", "--0", "."]) == (None, Label("T3", ""), None, None, None, None)


def test_against_one_of_the_19_that_one_is_zero():
    names = [name for name in ELECTRODES if name != "Pz"]
    recording = made([f"EEG {name.upper()} - Pz" for name in [*names, "Pz"]])
    mapping = map_channels(recording)
    assert (mapping.kind, mapping.known, mapping.references) == ("referential", ELECTRODES, ("Pz",))
    electrodes = mapping.apply(recording.read(rows=mapping.rows))
    assert not electrodes[ELECTRODES.index("Pz")].any()
    assert not mapping.silent[:19].any()
    np.testing.assert_array_equal(electrodes[ELECTRODES.index("Cz")], recording.read()[names.index("Cz")])


@pytest.mark.parametrize("one", ["Fp1-REF", "EEG FP1-A1", "EEG_fp1", "Fp1-AVG"])
def test_two_channels_for_one_electrode_are_an_error_that_names_both(one):
    with pytest.raises(ElectrodeError, match=rf"two channels for one electrode: .*{one}.*\(both Fp1\)"):
        map_channels(made([*ELECTRODES, one]))


def test_an_ending_of_its_own_does_not_double_an_electrode():
    labels = [*ELECTRODES, "C3 filtered", "C4 filtered", "Cz filtered"]
    assert map_channels(made(labels)).ignored == tuple(labels[19:])


def test_blanks_that_do_not_break_a_line_are_read_in_edf(tmp_path):
    labels = [f"EEG\u00a0{name}-Ref" for name in ELECTRODES]
    found = open_recording(write(tmp_path / "a.edf", [Made(label, ramp(2)) for label in labels]))
    assert found.channels[0] == "EEG Fp1-Ref"
    assert map_channels(found).known == ELECTRODES


def test_the_unit_and_rate_of_electrodes_count_whatever_their_ending(tmp_path):
    labels = [f"{name}-AA" for name in ELECTRODES]
    path = write(tmp_path / "a.edf", [Made(label, ramp(2), unit="furlong") for label in labels])
    with pytest.raises(ReadError, match=r"voltages of Fp1-AA.*are unknown"):
        open_recording(path)
    fast = [Made(f"DC{number}", ramp(2, 500)) for number in range(30)]
    found = open_recording(write(tmp_path / "b.edf", [*(Made(label, ramp(2)) for label in labels), *fast]))
    assert (found.rate_hz, found.channels) == (100, tuple(labels))


@given(st.lists(st.text(max_size=20) | st.sampled_from([*FORMS, "Fp1-", "01", "T3"]), max_size=30))
def test_any_labels_are_read(labels):
    found = read_labels(labels)
    assert len(found) == len(labels)
    assert all(label is None or label.electrode not in ("01", "02") for label in found)
    assert all(one is two or one == two for one, two in pairwise([found, read_labels(labels)]))
