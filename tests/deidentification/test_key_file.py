"""The key file: who may read it, what is in it, and that no row is lost."""

import stat
import subprocess
import sys

import pytest
from filelock import FileLock

from ictal.deidentification import key_file
from ictal.deidentification.key_file import SHIFT_DAYS, create_key, find_row, key_warning, read_key, row_for, who
from ictal.errors import IctalError, TableError, UsageError


def test_a_new_key_is_for_its_owner_and_never_replaces_one(tmp_path):
    key = tmp_path / "deep" / "key.csv"
    create_key(key)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key_warning(key) == ""
    row_for(key, "john smith", "a.edf", "")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with pytest.raises(UsageError, match="exists already; leave out --new-key"):
        create_key(key)
    assert len(read_key(key)) == 1
    key.chmod(0o604)
    assert "chmod 600" in key_warning(key)


def test_codes_and_shifts_are_random_and_unlike():
    rows = []
    for number in range(300):
        rows.append(find_row(rows, f"patient {number}", "a.edf", ""))
    assert len({row.code for row in rows}) == len({row.name for row in rows}) == 300
    assert len({row.shift_days for row in rows}) > 100
    assert all(row.shift_days in SHIFT_DAYS for row in rows)


def test_two_recordings_with_one_name_and_start_are_one_recording(tmp_path):
    create_key(tmp_path / "key.csv")
    first = row_for(tmp_path / "key.csv", "john", "a.edf", "2020-01-01 10:00:00")
    assert row_for(tmp_path / "key.csv", "john", "a.edf", "2020-01-01 10:00:00") == first
    assert row_for(tmp_path / "key.csv", "john", "a.edf", "2020-01-02 10:00:00").name == f"{first.code}_02"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("01 02-JAN-1980 Roe_Jane", "02 01-JAN-1980 Roe_Jane"),
        ("Weber, Na", "Weber, No"),
        ("Smith, John Sr", "Smith, John Jr"),
        ("12-34 Roe", "34-12 Roe"),
    ],
)
def test_patients_who_are_nearly_alike_have_two_codes(one, other):
    assert find_row([find_row([], one, "a.edf", "")], other, "a.edf", "").name.endswith("_01")
    assert who(one) != who(other)


def test_spellings_of_one_patient_have_one_code():
    assert who("MRN-12 02-JAN-1980 Müller^Eva") == who("mrn_12 02-Jan-1980 Dr. EVA MUELLER")
    assert who("No Name") == who("Mr. X") == ()


def test_a_key_behind_a_link_is_the_one_that_is_written(tmp_path):
    create_key(tmp_path / "safe" / "key.csv")
    link = tmp_path / "key.csv"
    link.symlink_to(tmp_path / "safe" / "key.csv")
    row_for(link, "john", "a.edf", "")
    assert link.is_symlink()
    assert len(read_key(tmp_path / "safe" / "key.csv")) == 1
    (tmp_path / "new.csv").symlink_to(tmp_path / "none")
    with pytest.raises(UsageError, match="exists already"):
        create_key(tmp_path / "new.csv")


def test_processes_that_share_a_key_lose_no_row(tmp_path):
    create_key(tmp_path / "key.csv")
    code = (
        "import sys; from pathlib import Path; from ictal.deidentification.key_file import row_for\n"
        "for n in range(20): row_for(Path(sys.argv[1]), sys.argv[2], f'{n}.edf', '')"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, tmp_path / "key.csv", name]) for name in "ab"]
    assert [one.wait(60) for one in running] == [0, 0]
    rows = read_key(tmp_path / "key.csv")
    assert len(rows) == len({row.name for row in rows}) == 40
    assert len({row.code for row in rows}) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not a key file; its first line is 'patient"),
        ("patient,code\n", "is not a key file"),
        ("patient,code,shift_days,recording,start,name\na,B2,many,c,d,B2_01\n", "line 2 is damaged"),
        ("patient,code,shift_days,recording,start,name\na,B2,9,c\n", "line 2"),
        ("patient,code,shift_days,recording,start,name\na,B2,9,c,d,../e\n", "allowed are letters and digits"),
        (b"\xff\xfe\x00", "is not a key file"),
    ],
)
def test_a_damaged_key_is_an_error_that_names_the_line(tmp_path, content, message):
    path = tmp_path / "key.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TableError, match=message):
        read_key(path)


def test_a_key_that_another_program_holds_is_waited_for(tmp_path, monkeypatch):
    create_key(tmp_path / "key.csv")
    monkeypatch.setattr(key_file, "WAIT_S", 0.05)
    with FileLock(tmp_path / ".key.csv.lock"), pytest.raises(IctalError, match="another program"):
        row_for(tmp_path / "key.csv", "john", "a.edf", "")
    with pytest.raises(UsageError, match="there is no such key file"):
        row_for(tmp_path / "none" / "key.csv", "john", "a.edf", "")
