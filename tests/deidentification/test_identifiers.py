"""Which texts identify somebody, and which do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.deidentification.identifiers import identifiers_of, read_list
from ictal.deidentification.text_patterns import fold, personal_pattern, squeeze
from ictal.errors import TableError
from tests.deidentification.plantings import INNOCENT

ANNA = identifiers_of(
    "MCH-0234567 F 02-MAY-1951 Müller^Anna_Li",
    "Startdate 02-MAR-2002 PSG-1234/2002 NN Telemetry03",
    "night_01",
    ["Robin Hood", "Zoë"],
)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "Anna talks",
            "MUELLER moved",
            "anna_muller",
            "mrn 0234-567",
            "234567",
            "Li here",
            "LiAnna",
            "psg1234",
            "robinhood",
        ),
        *(
            "zoe",
            "Anna's mother",
            "MÃ¼ller",
            "ＡＮＮＡ",
            "anna2",
            "Telemetry 03",
            "a text of some length, said by Mull",
        ),
    ],
)
def test_identifiers_are_found_however_they_are_written(text):
    assert ANNA.known(next(iter(text.splitlines()))) or ANNA.find(text)


@pytest.mark.parametrize(
    "data", ["Müller".encode(code) for code in ("utf-8", "latin-1", "cp437", "mac_roman", "cp1250")]
)
def test_identifiers_are_found_in_the_encodings_of_recorders(data):
    assert ANNA.find(b"said " + data) == "the name of the patient"


def test_a_latin_1_letter_at_the_end_is_no_truncated_utf_8():
    assert identifiers_of("X X X Tetowè", "", "a").find("pt tetowè".encode("latin-1"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        *(
            (text, "a date")
            for text in ("born 3/14/1962", "1962-03-14", "14.03.62", "14. März", "March 1962", "03/1962")
        ),
        *((text, "a date") for text in ("24.12. eeg", "2 May 51", "１９５１-０５-０２", "03_14_1962", "14 03 1962")),
        *(
            (text, "a long number")
            for text in ("19620314", "no 12345", "555-123-4567", "+1 (555) 123 4567", "123-45-6789")
        ),
        *(
            (text, "a title before a name")
            for text in ("Dr. Jones called", "Frau Weber", "MRS SMITH", "seen by dr who")
        ),
        *(
            (text, "a date")
            for text in ("14\u201303\u20131962", "3,14,1962", "14 maj 1962", "3 marts 62", "14. augusti 1962")
        ),
        *(
            (text, "a long number")
            for text in ("tel 01 42 34 56 78", "01.42.34.56.78", "12.345.678-5", "no.555-1234", "call:555-1234")
        ),
        *((text, "a long number") for text in ("555-123-4567: called", "123456789 mg", "12345 V", "12345 i.e. him")),
        *(
            (text, "a title before a name")
            for text in ("Nurse Jones", "seen by doctor Élan", "Madame Dupont", "Dr. Inman", "Dr Calledine")
        ),
        *((text, "an address") for text in ("a@b.org", "see www.hospital.org", "http://pacs/1")),
        *((text, "a heading of personal data") for text in ("Name: foo", "MRN 12", "Patient ID = 4", "DOB: ?")),
    ],
)
def test_personal_patterns_are_found_whatever_their_value(text, why):
    assert personal_pattern(text) == why


@pytest.mark.parametrize(
    "text",
    [
        *INNOCENT,
        *(
            "2 marked bursts",
            "10 decreased",
            "3 separate runs",
            "Rec 10:15:22 to 10:20:30",
            "FP1-F7, F7-T3",
            "LTM 1:00:00",
        ),
        *(
            "10000 µV",
            "Keppra 1000-1500 mg i.v.",
            "photic 5-10-15-20-25-30 Hz",
            "8-10-12 Hz",
            "30000 Ohm",
            "25000 IE",
            "10000 uV",
            "12345 µg",
        ),
        *("Dr. in room", "dr called", "Prof. Visite", "nurse in room", "NURSE IN ROOM", "12:30-12:45", "1.5-2.5 s"),
        *("1000 uV", "HFF 70 Hz, LFF 1 Hz", "Patient Event", "50 uV/mm", "MS patient", "Montage 12", "sat 92-94 %"),
    ],
)
def test_clinical_texts_stay(text):
    assert ANNA.find(text) == ""


def test_common_words_of_free_text_are_not_searched_for_and_named():
    found = identifiers_of("New Julie U Dataset", "", "eyes_open")
    assert found.find("Eyes open") == found.find("new seizure") == ""
    assert found.find("julie") == "the patient field"
    assert set(found.skipped) == {"new", "u", "dataset"}


def test_a_name_that_is_a_common_word_is_searched_for_where_the_field_is_one_of_names():
    found = identifiers_of("X X X Day^Zu", "", "a")
    assert found.find("Mr Day") == found.find("zu moves") == "the name of the patient"
    assert not found.find("Monday")


@pytest.mark.parametrize(
    "text", ["1-" * 30_000, "a" * 60_000, "1 " * 30_000, "-" * 60_000, "a@" * 30_000, "1.2." * 15_000]
)
def test_long_texts_take_no_long_time(text):
    """Patterns that try every combination would take hours; EDF+ allows annotations as long as a record."""
    assert isinstance(ANNA.find(text), str)


def test_short_names_of_the_file_are_searched_for_or_named():
    found = identifiers_of("X X X X", "", "Kim_Li_raw_GPD_night")
    assert found.find("Kim moves") == "the name of the file"
    assert found.find("GPD at 2 Hz") == found.find("kimono") == ""
    assert found.skipped == ("li",)


def test_names_are_found_where_words_have_no_blanks_between_them():
    assert identifiers_of("X X X 王小明", "", "a").find("患者王小明移动") == "the name of the patient"


def test_numbers_are_not_truncated_in_the_middle_of_a_word():
    found = identifiers_of("P300173 M X X", "", "a")
    assert found.find("Impedance 12:30:01") == ""
    assert found.find("seen by nurse, P3001") == "the code of the patient"


def test_common_words_are_names_if_a_comma_says_that_the_field_is_a_name():
    assert identifiers_of("Merusu, To 12345", "", "a").find("seen by To") == "the patient field"


def test_placeholders_are_names_only_beside_another_name():
    assert identifiers_of("0 X X No_Name", "", "a").find("no movement") == ""
    assert identifiers_of("0 X X Na_Weber", "", "a").find("Na here") == "the name of the patient"
    assert identifiers_of("test subject 3", "", "a").find("TestStim#1") == ""


def test_particles_of_names_are_not_names():
    found = identifiers_of("X X X van_der_Berg_Eva", "", "a")
    assert found.find("van links") == ""
    assert found.find("Berg") == found.find("eva") == "the name of the patient"


@given(st.text())
def test_any_text_can_be_searched(text):
    assert isinstance(ANNA.find(text), str)
    assert isinstance(ANNA.find(text.encode("utf-16")), str)
    assert fold(fold(text)) == fold(fold(fold(text)))


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzäöüß", min_size=5, max_size=12), st.sampled_from("_ -,.^'/"))
def test_a_name_is_found_in_other_case_and_between_punctuation(name, mark):
    found = identifiers_of(f"X X X {name}", "", "a")
    if squeeze(name) not in {squeeze(text) for text in found.skipped}:
        assert found.find(f"x{mark}{name.upper()}{mark}y")


def test_a_list_of_words_is_read_and_a_wrong_one_is_an_error(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("Robin Hood\n\n --- \nZoë\n", encoding="utf-8-sig")
    assert read_list(path) == ("Robin Hood", "Zoë")
    path.write_bytes(b"\xff\xfe")
    for wrong in (path, tmp_path / "none.txt"):
        with pytest.raises(TableError, match="cannot be read"):
            read_list(wrong)
