"""Which recordings are of one patient."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.deidentification.deidentify import deidentify, patient_of
from ictal.deidentification.key_file import read_key
from ictal.errors import UsageError
from tests.deidentification.helpers import named, new_key


def test_a_patient_keeps_code_and_shift_and_each_recording_its_name(tmp_path):
    key = new_key(tmp_path)
    first = named(tmp_path / "a", "one.edf")
    second = named(
        tmp_path / "a", "two.edf", "mrn00123456 X 01-jan-1980 JOHN_SMITH".replace("mrn00123456", "MRN_00123456")
    )
    other = named(tmp_path / "a", "three.edf", "MRN-2 F X Jane_Roe")
    names = [deidentify(path, tmp_path / "new", key).out.stem for path in (first, second, other)]
    codes = [name.split("_")[0] for name in names]
    assert codes[0] == codes[1] != codes[2]
    assert names[1] == f"{codes[0]}_02"
    assert len({row.shift_days for row in read_key(key)[:2]}) == 1
    assert deidentify(first, tmp_path / "again", key).out.stem == names[0]
    assert len(read_key(key)) == 3


def test_without_a_name_in_the_header_each_file_is_a_patient(tmp_path):
    key = new_key(tmp_path)
    for name, patient in (("a.edf", "X X X X"), ("b.edf", "X X X X"), ("c.edf", "0 X X No_Name"), ("d.edf", "")):
        done = deidentify(named(tmp_path, name, patient), tmp_path / "new", key)
        assert "its header names no patient; this file has a code of its own" in done.notes
    assert len({row.code for row in read_key(key)}) == 4


def test_files_with_one_name_in_two_folders_are_not_one_patient(tmp_path):
    """Recorders call the file of every patient the same."""
    key = new_key(tmp_path)
    paths = [named(tmp_path / folder, "EEG.edf", "X X X X") for folder in "ab"]
    first, second = (deidentify(path, tmp_path / "new", key).out for path in paths)
    assert first.stem.split("_")[0] != second.stem.split("_")[0]
    later = Path(shutil.copy(paths[1], paths[0]))
    later.write_bytes(later.read_bytes().replace(b"29.02.24", b"05.06.07"))  # the next export has the same path
    third = deidentify(later, tmp_path / "new", key).out
    assert len({one.stem.split("_")[0] for one in (first, second, third)}) == 3


def test_a_short_code_that_the_user_states_is_a_patient(tmp_path):
    key = new_key(tmp_path)
    for number in range(2):
        done = deidentify(named(tmp_path, f"{number}.edf", "X X X X"), tmp_path / "new", key, patient="P7")
        assert not [note for note in done.notes if "names no patient" in note]
    assert {row.patient for row in read_key(key)} == {"P7"}
    with pytest.raises(UsageError, match="'unknown' names no patient; allowed with --patient are names"):
        deidentify(named(tmp_path), tmp_path / "new", key, patient="unknown")


def test_the_user_can_say_whose_recordings_these_are(tmp_path):
    key = new_key(tmp_path)
    paths = [named(tmp_path, f"{number}.edf", "X X X X") for number in range(2)]
    done = [deidentify(path, tmp_path / "new", key, patient="Smith, John, 123456") for path in paths]
    assert [one.out.stem[-3:] for one in done] == ["_01", "_02"]
    assert done[0].kept == {"Eyes open": 1, "eyes closed": 1}
    assert {row.patient for row in read_key(key)} == {"Smith, John, 123456"}


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_a_patient(field, name):
    assert patient_of(field, Path(name))


def test_a_patient_who_resembles_another_one_is_noted(tmp_path):
    key = new_key(tmp_path)

    def notes_of(name, header, **changes):
        done = deidentify(named(tmp_path, name, header), tmp_path / "new", key, **changes)
        return [note for note in done.notes if "resembles" in note]

    assert not notes_of("a.edf", "MRN-123456 F 02-MAY-1951 Roe_Jane")
    assert not notes_of("b.edf", "MRN-123456 F 02-MAY-1951 Roe_Jane"), "the same patient"
    assert not notes_of("c.edf", "MRN-777777 F 03-MAY-1960 Poe_Jane")
    for name, patient in (("d.edf", "X F X Roe_Jane_Ann"), ("e.edf", "123456 F X Miller_Jane")):
        (note,) = notes_of(name, patient)
        assert "resembles 'MRN-123456 02-MAY-1951 Roe_Jane'" in note
    as_told = "MRN-123456 02-MAY-1951 Roe_Jane"
    assert not notes_of("f.edf", "X F X Roe_Jane_Ann", patient=as_told)
    assert len({row.code for row in read_key(key)}) == 4


def test_a_dry_run_says_that_the_name_of_a_new_recording_is_an_example(tmp_path):
    path, key = named(tmp_path), new_key(tmp_path)
    assert any(
        "a dry run adds nothing" in note for note in deidentify(path, tmp_path / "new", key, dry_run=True).notes
    )
    deidentify(path, tmp_path / "new", key)
    known = deidentify(path, tmp_path / "again", key, dry_run=True)
    assert not any("a dry run adds nothing" in note for note in known.notes)
