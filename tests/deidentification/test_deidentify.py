"""Header, dates, names and reports of de-identified files; other readers read them."""

import json
import os
import re
import warnings
from datetime import date, timedelta
from pathlib import Path

import edfio
import mne
import numpy as np
import pyedflib
import pytest
from typer.testing import CliRunner

import ictal
from ictal.cli import app
from ictal.deidentification.deidentify import deidentify
from ictal.deidentification.key_file import read_key
from ictal.deidentification.results import results_beside
from ictal.errors import IctalError, ReadError, UsageError, WriteError
from ictal.io import open_recording
from ictal.io.edf.header import EdfFile
from tests.deidentification.helpers import PATIENT, named, new_key
from tests.io.test_edf_file import Made, ramp, real_files, tals, write


def run(*words):
    return CliRunner().invoke(app, ["deidentify", *map(str, words)])


def refused(message, folder, path, key, **changes):
    with pytest.raises(IctalError, match=message):
        deidentify(path, folder, key, **changes)


def test_the_header_follows_edf_plus_and_the_samples_are_the_same(tmp_path):
    path, key = named(tmp_path), new_key(tmp_path)
    done = ictal.deidentify(path, tmp_path / "new", key)
    (row,) = read_key(key)
    assert done.out == tmp_path / "new" / f"{row.name}.edf"
    old, new = path.read_bytes(), done.out.read_bytes()
    day = date(2024, 2, 29) - timedelta(days=row.shift_days)
    assert new[8:88].decode().rstrip() == f"{row.code} X X X"
    assert new[88:168].decode().rstrip() == f"Startdate {day:%d-%b-%Y} X X X".upper().replace(
        "STARTDATE", "Startdate"
    )
    assert new[168:184].decode() == f"{day:%d.%m.%y}23.59.58"
    assert len(new) == len(old)
    file = EdfFile.open(done.out)
    size = sum(signal.n_samples for signal in file.signals[:2]) * 2
    for number in range(4):
        begin = file.header_bytes + number * file.record_bytes
        assert new[begin : begin + size] == old[begin : begin + size]
    assert EdfFile.open(path).onsets_s.tolist() == file.onsets_s.tolist() == [0.25, 1.25, 7.25, 8.25]
    notes = [(note.onset_s, note.duration_s, note.text) for note in file.annotations]
    assert notes == [(1.7, 10, "Eyes open"), (7.5, 0, "eyes closed")]
    removed = {(one.old, one.why, one.times_s) for one in done.removals if one.place == "annotation"}
    assert removed == {
        ("John moved", "the name of the patient", (1.5,)),
        ("Dr. House called", "a title before a name", (7.5,)),
    }
    assert done.kept == {"Eyes open": 1, "eyes closed": 1}
    assert done.kept_labels == ("SaO2",)


@pytest.mark.parametrize("plus", ["", "EDF+C"])
@pytest.mark.parametrize("bdf", [False, True])
def test_mne_pyedflib_and_edfio_read_the_new_file(tmp_path, bdf, plus):
    kind = "BDF" if bdf else "EDF"
    digital, size = ramp(4), 120
    times = [tals(f"+{n}", f"+{n}.5\x14{text}\x14".encode(), n_bytes=size) for n, text in enumerate("ABC")]
    times.append(tals("+3", b"+3.5\x14John\x14"))
    path, limits = tmp_path / f"Smith.{kind.lower()}", ("-8388608", "8388607") if bdf else ("-32768", "32767")
    signals = [Made("EEG Fp1-REF", digital, limits=limits), Made("EEG F3-REF", digital, limits=limits)]
    if plus:
        block = np.frombuffer(b"".join(times), np.uint8).reshape(4, -1, 3 if bdf else 2).astype(int)
        text = block[..., 0] + 256 * block[..., 1] + (65536 * block[..., 2] if bdf else 0)
        signals.append(Made(f"{kind} Annotations", text, "", ("-1", "1"), limits))
    write(path, signals, bdf=bdf, plus=plus.replace("EDF", kind), patient=PATIENT)
    done = deidentify(path, tmp_path / "new", new_key(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = mne.io.read_raw(done.out, verbose="ERROR")
        before = mne.io.read_raw(path, verbose="ERROR")
    np.testing.assert_array_equal(raw.get_data(["EEG Fp1-REF"]), before.get_data(["EEG Fp1-REF"]))
    with pyedflib.EdfReader(str(done.out)) as reader:
        np.testing.assert_array_equal(reader.readSignal(0, digital=True), digital.ravel())
        if plus:
            assert [*reader.readAnnotations()[2]] == [*"ABC"]
            assert reader.getPatientCode() == read_key(tmp_path / "key.csv")[0].code
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        signal = (edfio.read_bdf if bdf else edfio.read_edf)(done.out).signals[0]
    np.testing.assert_array_equal(signal.digital, digital.ravel())


def test_real_files_read_the_same_but_for_date_and_notes(shared_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path holds 'test', as the name of a patient does
    key, compared = new_key(tmp_path), 0
    for path in real_files(shared_data):
        try:
            before = open_recording(path, accept_doubtful=True)
        except ReadError:
            continue
        after = open_recording(deidentify(path, "new", key).out, accept_doubtful=True)
        assert (after.channels, after.rate_hz, after.gaps) == (before.channels, before.rate_hz, before.gaps), path
        assert after.annotations == before.annotations, path
        assert after.start != before.start or before.start is None or before.start.year == 1985
        stop = min(before.n_samples, round(before.rate_hz * 20))
        np.testing.assert_array_equal(after.read(0, stop), before.read(0, stop))
        compared += 1
    assert compared > 10


def test_a_dry_run_writes_nothing_and_reports_the_same(tmp_path):
    path, key = named(tmp_path), new_key(tmp_path)
    dry = deidentify(path, tmp_path / "new", key, dry_run=True)
    without = deidentify(path, tmp_path / "new", None, dry_run=True)
    assert {one.name for one in tmp_path.iterdir()} == {path.name, "key.csv"}
    assert read_key(key) == []
    done = deidentify(path, tmp_path / "new", key)
    for other in (dry, without):
        assert other.kept == done.kept
        assert [(one.place, one.old, one.why) for one in other.removals] == [
            (one.place, one.old, one.why) for one in done.removals
        ]
    assert "without a key file, the new code, name and date are examples" in without.notes


def test_dates_can_be_removed(tmp_path):
    done = deidentify(named(tmp_path), tmp_path / "new", new_key(tmp_path), dates="remove")
    new = done.out.read_bytes()
    assert new[88:168].decode().rstrip() == "Startdate X X X X"
    assert new[168:184] == b"01.01.8523.59.58"


def test_a_date_that_would_leave_the_years_of_edf_is_an_error_with_a_way_out(tmp_path):
    path, key = named(tmp_path, date="20.01.85", recording="Startdate 20-JAN-1985 X X X"), new_key(tmp_path)
    refused("would be in 1984|would be in 198[12]|EDF can state 1985", tmp_path / "new", path, key)
    assert deidentify(path, tmp_path / "new", key, dates="remove").out.exists()
    unknown = named(tmp_path, "unknown.edf", date="01.01.85", recording="Startdate X X X X")
    assert deidentify(unknown, tmp_path / "new", key).out.read_bytes()[168:176] == b"01.01.85"


def test_words_of_the_user_are_removed(tmp_path):
    (tmp_path / "staff.txt").write_text("eyes OPEN\n\n  \nZoë\n", encoding="utf-8")
    words = ("--out", tmp_path / "new", "--key", tmp_path / "key.csv", "--new-key", "--also", tmp_path / "staff.txt")
    words += ("--patient", "closed")
    result = run(named(tmp_path), *words, "--json", tmp_path / "told.json")
    assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["kept"] == {}
    assert {one["why"] for one in told["removals"]} >= {"your list: eyes OPEN", "the patient as you named them"}


def test_fields_of_signals_stay_only_in_known_forms(tmp_path):
    path, n = named(tmp_path), 3
    data = bytearray(path.read_bytes())

    def put(column, number, width, text):
        begin = 256 + n * column + number * width
        data[begin : begin + width] = text.ljust(width)

    put(0, 0, 16, b"EEG Fp1-Smith")
    put(0, 1, 16, b"SaO2\0John")
    put(16, 0, 80, b"AgAgCl electrode")
    put(16, 1, 80, b"cap of room 7")
    put(96, 1, 8, b"Smith")
    put(136, 0, 80, b"HP:0.1Hz LP:75Hz N:50Hz")
    put(136, 1, 80, b"HP:0.1Hz, set by Jo")
    put(224, 0, 32, b"whatever")
    path.write_bytes(data)
    done = deidentify(path, tmp_path / "new", new_key(tmp_path))
    new = done.out.read_bytes()
    assert new[256:272].rstrip() == b"EEG Fp1-REF"
    assert new[272:288].rstrip() == b"SaO2"
    assert new[304:544].split() == [b"AgAgCl", b"electrode"]
    assert b"HP:0.1Hz LP:75Hz N:50Hz" in new
    assert not [word for word in (b"Smith", b"John", b"room", b"Jo", b"whatever") if word in new]
    assert {one.old for one in done.removals} >= {"EEG Fp1-Smith", "John", "cap of room 7", "Smith", "whatever"}


def test_the_first_annotation_never_becomes_the_onset_of_a_record(tmp_path):
    """A record may have no onset; a list that loses its text would look like one (EDF+ 2.2.4)."""
    times = [tals("+0"), b"+9\x14John\x14\0+7\x14\x14\0+8\x14ok\x14".ljust(120, b"\0"), tals("+2"), tals("+3")]
    path = write(tmp_path / "a.edf", [Made("EEG Fp1-REF", ramp(4))], times, plus="EDF+C", patient=PATIENT)
    done = deidentify(path, tmp_path / "new", new_key(tmp_path))
    assert EdfFile.open(done.out).onsets_s.tolist() == EdfFile.open(path).onsets_s.tolist() == [0, 1, 2, 3]
    assert list(done.kept) == ["ok"]


def test_a_record_keeps_its_onset_if_a_text_stands_beside_it(tmp_path):
    times = [
        tals("+0"),
        b"+1\x14\x14John\x14ok\x14".ljust(120, b"\0"),
        b"+2\x14\x14John\x14".ljust(120, b"\0"),
        tals("+3"),
    ]
    path = write(tmp_path / "a.edf", [Made("EEG Fp1-REF", ramp(4))], times, plus="EDF+D", patient=PATIENT)
    done = deidentify(path, tmp_path / "new", new_key(tmp_path))
    assert EdfFile.open(done.out).onsets_s.tolist() == [0, 1, 2, 3]
    assert b"John" not in done.out.read_bytes()
    assert done.kept == {"ok": 1}


@pytest.mark.parametrize("label", [b"EDF Annotation", b"EDF AnnotationsX", b"my annotations"])
def test_a_signal_that_is_nearly_named_as_annotations_is_refused(tmp_path, label):
    path = named(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"EDF Annotations ", label.ljust(16)))
    refused("nearly, but not the name", tmp_path / "new", path, new_key(tmp_path), dry_run=True)


def test_labels_with_unknown_references_are_listed_for_a_look(tmp_path):
    times = [tals(f"+{number}") for number in range(4)]
    labels = ("Fp1-Weber", "F3-Weber", "C3-Weber", "EEG A1-REF", "EEG P3-REF")
    path = write(tmp_path / "a.edf", [Made(label, ramp(4)) for label in labels], times, plus="EDF+C")
    assert deidentify(path, tmp_path / "new", None, dry_run=True).kept_labels == labels[:3]


def test_a_short_name_does_not_take_an_electrode(tmp_path):
    path = named(tmp_path, patient="X X X Fp_Ref")
    assert deidentify(path, tmp_path / "new", new_key(tmp_path)).out.read_bytes()[256:272].rstrip() == b"EEG Fp1-REF"


def test_a_file_name_of_any_bytes_is_a_name(tmp_path):
    path = named(tmp_path)
    odd = path.rename(os.fsdecode(os.fsencode(tmp_path) + b'/M\xfcller, "Jo".edf'))
    key = new_key(tmp_path)
    first = deidentify(odd, tmp_path / "new", key)
    assert deidentify(odd, tmp_path / "again", key).out.name == first.out.name
    assert len(read_key(key)) == 1


def mutations(data: bytes, n: int, seed: int):
    """Give damaged versions of a file: other bytes, zeros, digits or texts in one to five places, or a cut."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        made = bytearray(data)
        for _ in range(int(rng.integers(1, 6))):
            at = int(rng.integers(0, 1300 if rng.random() < 0.8 else len(made)))
            piece = [
                rng.bytes(4),
                bytes(8),
                b"99999999",
                b"-1      ",
                b"HP  " * 20 + b"!",
                b"\x14\0+1\x14Smith\x14",
                b"",
            ]
            put = piece[int(rng.integers(len(piece)))]
            made[at : at + len(put)] = put
        yield bytes(made[: int(rng.integers(len(made)))] if rng.random() < 0.1 else made)


def check_damaged(folder, n, seed):
    whole, key, done = named(folder).read_bytes(), new_key(folder), 0
    for number, data in enumerate(mutations(whole, n, seed)):
        path = folder / f"{number}.edf"
        path.write_bytes(data)
        try:
            made = deidentify(path, folder / "new", key, patient="Smith, John, 123456")
        except IctalError:
            continue
        found = open_edf(made.out)
        assert found.n_records == open_edf(path).n_records
        assert not re.search(b"smith|john", made.out.read_bytes()[: found.header_bytes], re.I), number
        assert not [note for note in found.annotations if re.search("smith|john", note.text, re.I)], number
        done += 1
    return done


def open_edf(path):
    return EdfFile.open(path)


def test_damaged_files_give_a_clean_copy_or_one_error(tmp_path):
    assert check_damaged(tmp_path, 150, seed=0) > 50


@pytest.mark.exhaustive
def test_five_thousand_damaged_files_give_a_clean_copy_or_one_error(tmp_path):
    assert check_damaged(tmp_path, 5000, seed=1) > 1000


def test_what_cannot_be_done_is_said(tmp_path):
    path, key = named(tmp_path), new_key(tmp_path)
    out = tmp_path / "new"
    (tmp_path / "night.fif").write_bytes(b"not EDF, but something")
    refused("is in another format.*ictal convert", out, tmp_path / "night.fif", key)
    refused("there is no such file", out, tmp_path / "none.edf", key)
    refused("is a folder; name the EDF or BDF files in it", out, tmp_path, key)
    refused("'smith-new' in its path holds the name of the patient", tmp_path / "smith-new", path, key)
    refused("'John' in its path holds the name of the patient", tmp_path / "John" / "new", path, key)
    refused("is in the folder of the new files", out, path, tmp_path / "new_results" / "key.csv")
    refused("is not a folder", tmp_path / "new.edf", path, key)
    refused("is in the folder of the new files", tmp_path, path, key)
    refused("a key file is needed", out, path, None)
    refused("there is no such key file.*--new-key", out, path, tmp_path / "lost.csv")
    refused("dates is 'never'", out, path, key, dates="never")
    done = deidentify(path, out, key)
    content = done.out.read_bytes()
    refused("exists already", out, path, key)
    assert done.out.read_bytes() == content
    data = bytearray(path.read_bytes())
    data[184:192] = b"2000    "
    path.write_bytes(data)
    refused("states a header of 2000 bytes", tmp_path / "other", path, key)


def test_a_file_that_shrinks_and_a_full_disk_leave_nothing(tmp_path, monkeypatch):
    path, key = named(tmp_path), new_key(tmp_path)
    opened = EdfFile.open(path)
    path.write_bytes(path.read_bytes()[:-10])
    monkeypatch.setattr(EdfFile, "open", lambda _: opened)
    with pytest.raises(ReadError, match="has become shorter"):
        deidentify(path, tmp_path / "new", key)
    assert not [*(tmp_path / "new").iterdir()]
    monkeypatch.setattr(
        "ictal.deidentification.deidentify.copy_records", lambda *_: (_ for _ in ()).throw(OSError(28, ""))
    )
    with pytest.raises(WriteError, match="cannot be written"):
        deidentify(path, tmp_path / "new", key)
    assert not [*(tmp_path / "new").iterdir()]


def test_a_path_that_holds_the_name_is_noted(tmp_path, monkeypatch):
    path, key = named(tmp_path), new_key(tmp_path)
    (tmp_path / "smith").mkdir()
    monkeypatch.chdir(tmp_path / "smith")
    (note,) = [note for note in deidentify(path, "new", key).notes if "path" in note]
    assert note == (
        "the path of the new folder holds the name of the patient; an archive of its scores would state the path"
    )


def test_the_command_lists_what_goes_and_what_stays(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named(tmp_path)
    (tmp_path / "bad.edf").write_text("no EEG")
    result = run("Smith_John.edf", "bad.edf", "--out", "new", "--key", "key.csv", "--new-key")
    assert result.exit_code == 3
    for text in ("annotation at 1.5 s", "John moved", "the name of the patient", "  Eyes open", "SaO2"):
        assert text in result.stdout
    assert "1 of 2 recordings failed" in result.stderr
    (tmp_path / "key.csv").chmod(0o640)
    result = run("Smith_John.edf", "--out", "other", "--key", "key.csv")
    assert result.exit_code == 0
    assert "Warning: the key file key.csv can be read or changed by other users" in result.stderr
    assert (tmp_path / "key.csv").stat().st_mode & 0o777 == 0o640
    before = (tmp_path / "key.csv").read_bytes()
    wrong = (
        *(("names the patients; keep it elsewhere", report) for report in ("new/told.json", "new_results/told.json")),
        *(("is used already", report) for report in ("key.csv", "Smith_John.edf")),
    )
    for message, report in wrong:
        words = ["deidentify", "Smith_John.edf", "--out", "new", "--key", "key.csv", "--json", report]
        with pytest.raises(UsageError, match=message):
            CliRunner().invoke(app, words, catch_exceptions=False)
    assert (tmp_path / "key.csv").read_bytes() == before
    assert run("Smith_John.edf", "--out", "new", "--key", "new/key.csv", "--new-key").exit_code != 0
    assert not (tmp_path / "new" / "key.csv").exists()


@pytest.mark.parametrize(("out", "beside"), [(".", "here_results"), ("..", "up_results"), ("new", "new_results")])
def test_results_have_a_folder_beside_any_folder(tmp_path, monkeypatch, out, beside):
    here = tmp_path / "up" / "here"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    assert results_beside(Path(out)).name == beside
