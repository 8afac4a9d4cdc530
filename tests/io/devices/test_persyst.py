"""Persyst against MNE-Python, which reads the same samples, and against what MNE does not read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import mne
import numpy as np
import pytest

from ictal.errors import ReadError
from ictal.io import open_recording
from tests.helpers import noise

NAMES = ("Fp1-Ref", "C3-Ref", "O2-Ref")
INFO = {
    "File": "a.dat",
    "FileType": "Interleaved",
    "SamplingRate": "256",
    "HeaderLength": "0",
    "Calibration": "0.1",
    "WaveformCount": "3",
    "DataType": "7",
}
PATIENT = ["BirthDate=01/02/50", "Sex=F", "Hand=R", "TestDate=03/02/2024", "TestTime=23:00:00"]
SAMPLES = noise(2560, n_channels=3)


def write(
    folder: Path,
    info: dict[str, str] | None = None,
    channels: tuple[str, ...] = tuple(f"{name}={number}" for number, name in enumerate(NAMES, 1)),
    patient: list[str] = PATIENT,
    times: tuple[str, ...] = (),
    comments: tuple[str, ...] = (),
    kind: str = "<i4",
    head: bytes = b"",
) -> Path:
    fields = INFO | (info or {})
    (folder / fields.get("File", "a.dat")).write_bytes(head + np.rint(SAMPLES / 0.1).astype(kind).T.tobytes())
    sections = {"FileInfo": [f"{key}={value}" for key, value in fields.items() if value], "ChannelMap": channels}
    sections |= {"Patient": patient, "SampleTimes": times, "Comments": comments}
    lines = [line for name, rows in sections.items() if rows for line in (f"[{name}]", *rows)]
    path = folder / "a.lay"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(("number", "kind"), [("7", "<i4"), ("0", "<i2")])
def test_samples_start_and_comments_are_those_that_mne_reads(number, kind, tmp_path):
    path = write(tmp_path, {"DataType": number}, kind=kind, comments=("2.5,1.5,0,1,eyes, open", "0.5,0,0,1,start"))
    made, raw = open_recording(path), mne.io.read_raw_persyst(path, verbose="ERROR")
    np.testing.assert_allclose(made.read(), raw.get_data() * 1e6, rtol=1e-6, atol=1e-4)
    np.testing.assert_array_equal(made.read(100, 200, [2, 0]), made.read()[[2, 0], 100:200])
    assert (made.rate_hz, made.n_samples, made.start) == (256, 2560, raw.info["meas_date"])
    assert made.channels == NAMES
    assert [(note.onset_s, note.duration_s, note.text) for note in made.annotations] == [
        (0.5, 0, "start"),
        (2.5, 1.5, "eyes, open"),
    ]
    assert made.notes == ()


def test_a_recording_without_fields_of_the_patient_is_read(tmp_path):
    made = open_recording(write(tmp_path, patient=[]))
    assert made.start is None
    assert made.notes == ("its start is unknown: date and time are '' and ''",)
    made = open_recording(write(tmp_path, patient=["TestDate=02-03-2024", "TestTime=01:02:03"]))
    assert made.start == datetime(2024, 3, 2, 1, 2, 3, tzinfo=UTC)


def test_channels_have_the_numbers_that_the_map_gives_them(tmp_path):
    """MNE takes the order of the lines, so that left and right may be exchanged."""
    made = open_recording(write(tmp_path, channels=("O2-Ref=3", "Fp1-Ref=1", "C3-Ref=2")))
    assert made.channels == ("O2-Ref", "Fp1-Ref", "C3-Ref")
    np.testing.assert_allclose(made.read(), SAMPLES[[2, 0, 1]], atol=0.051)


@pytest.mark.parametrize("names", [("A.LAY", "A.DAT"), ("a.Lay", "a.dat"), ("a.lay", "A.Dat")])
def test_capitals_in_names_do_not_matter(names, tmp_path):
    path = write(tmp_path)
    path.rename(tmp_path / "x").rename(tmp_path / names[0])
    (tmp_path / "a.dat").rename(tmp_path / "y").rename(tmp_path / names[1])
    np.testing.assert_allclose(open_recording(tmp_path / names[0]).read(), SAMPLES, atol=0.051)


def test_a_path_of_windows_a_header_of_the_samples_and_latin_letters_are_read(tmp_path):
    path = write(tmp_path, {"HeaderLength": "16"}, head=b"x" * 16, comments=("1,0,0,1,Anf\u00e4lle",))
    path.write_bytes(path.read_text(encoding="utf-8").replace("File=a.dat", "File=C:\\eeg\\a.dat").encode("cp1252"))
    made = open_recording(path)
    np.testing.assert_allclose(made.read(), SAMPLES, atol=0.051)
    assert made.annotations[0].text == "Anfälle"


def test_samples_beside_it_under_its_own_name_are_taken_with_a_note(tmp_path):
    path = write(tmp_path)
    path.write_text(path.read_text().replace("File=a.dat", "File=other.dat"))
    assert open_recording(path).notes == ("its samples are read from a.dat, since other.dat is missing",)
    (tmp_path / "a.dat").unlink()
    with pytest.raises(ReadError, match=r"a\.lay: its samples are in other\.dat, which is not in the same folder"):
        open_recording(path)


def test_the_clock_of_samples_gives_the_fraction_of_the_start_and_a_contradiction_is_a_note(tmp_path):
    start = datetime(2024, 3, 2, 23, tzinfo=UTC)
    assert open_recording(write(tmp_path, times=("0=82800.250",))).start == start + timedelta(seconds=0.25)
    assert open_recording(write(tmp_path, times=("256=82801.0",))).start == start
    assert open_recording(write(tmp_path, times=("0=0.0",))).notes == ()
    made = open_recording(write(tmp_path, times=("0=79200.0",)))
    assert made.start == start
    assert made.notes == (
        "TestTime is 23:00:00, but the first of [SampleTimes] is 22:00:00; TestTime is used as start",
    )
    made = open_recording(write(tmp_path, times=("0=82800.0", "99999=90000.0")))
    assert made.gaps == ()
    assert made.notes == ("[SampleTimes] names 1 samples after the last of 2560; they are ignored",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"info": {"DataType": "9"}}, "states '9' as DataType; allowed are 0"),
        ({"info": {"SamplingRate": "fast"}}, "states 'fast' as SamplingRate; allowed is a number"),
        ({"info": {"SamplingRate": "0"}}, "states '0' as SamplingRate"),
        ({"info": {"Calibration": ""}}, "lacks the field 'calibration'"),
        (
            {"info": {"WaveformCount": "4"}},
            "has the channel numbers 1, 2, 3; allowed is each number from 1 to 4 .WaveformCount. once",
        ),
        ({"channels": ("Fp1=1", "Fp2=1", "C3=3")}, "has the channel numbers 1, 1, 3"),
        ({"info": {"FileType": "Blocked"}}, "states 'Blocked' as FileType"),
        ({"times": ("soon=82800",)}, r"\[SampleTimes\] has the line 'soon=82800'; allowed are SAMPLE=SECONDS"),
        ({"times": ("0=noon",)}, "states 'noon' as time of sample 0"),
    ],
)
def test_what_cannot_be_read_is_named(changes, words, tmp_path):
    with pytest.raises(ReadError, match=rf"a\.lay: .*{words}"):
        open_recording(write(tmp_path, **changes))


def test_comments_that_cannot_be_read_are_counted_and_a_cut_is_told(tmp_path):
    path = write(tmp_path, comments=("soon,0,0,1,a", "1,0", "1,0,0,1,b"))
    (tmp_path / "a.dat").write_bytes((tmp_path / "a.dat").read_bytes()[:-5])
    made = open_recording(path)
    assert (made.n_samples, [note.text for note in made.annotations]) == (2559, ["b"])
    assert made.notes == (
        "a.dat is truncated: its last 7 bytes are an incomplete sample",
        "2 of its comments cannot be read and are left out",
    )
    (tmp_path / "a.dat").write_bytes(b"")
    with pytest.raises(ReadError, match=r"a\.dat: has no samples"):
        open_recording(path)
