"""XDF recordings, written by our own encoder; times are checked against what the specification says of each clock."""

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.recording import Gap
from ictal.errors import MissingExtraError, ReadError
from ictal.io import open_recording
from tests.helpers import noise
from tests.io.devices.xdf_files import Stream, eeg, markers, write

pytest.importorskip("pyxdf")
from ictal.io.devices.xdf import read_xdf

NAMES = ("Fp1", "F7", "T3", "ECG")
RATE_HZ = 250.0
MADE = "its start is the time when its file was made, which may be some seconds before the first sample"
GAZE = Stream("eyes", "Gaze", "float32", 0, np.zeros((2, 5)), np.arange(5.0))


def written(
    folder: Path, *others: Stream, samples: np.ndarray | None = None, n_samples: int = 1000, **options
) -> Path:
    samples = noise(n_samples, n_channels=4) if samples is None else samples
    return write(folder / "a.xdf", [eeg(samples, NAMES, RATE_HZ, **options), *others])


@given(data=st.data())
def test_every_value_comes_back(tmp_path_factory, data):
    """Chunks of any size, samples with and without a time of their own, all types of numbers."""
    form = data.draw(st.sampled_from(["int8", "int16", "int32", "int64", "float32", "double64"]))
    samples = np.rint(noise(300, n_channels=3).clip(-128, 127))
    stream = eeg(samples, NAMES[:3], RATE_HZ, form, stated=data.draw(st.integers(1, 400)))
    path = tmp_path_factory.mktemp("a") / f"a.{data.draw(st.sampled_from(['xdf', 'xdfz']))}"
    write(path, [GAZE, stream, markers((1000.1, "a"))], per_chunk=data.draw(st.integers(1, 400)))
    made = read_xdf(path)
    assert (made.n_samples, made.rate_hz, made.gaps, made.doubts) == (300, RATE_HZ, (), ())
    np.testing.assert_array_equal(made.read(), samples)


def test_channels_start_markers_and_other_streams(tmp_path):
    numbers = Stream("keys", "Markers", "int32", 0, [[7]], [1000.5])
    path = written(tmp_path, markers((999.0, "before"), (1002.0, "seizure\n häng"), (1010.0, "after")), GAZE, numbers)
    made = open_recording(path)
    assert (made.name, made.channels, made.kinds) == (str(path), NAMES, ("eeg",) * 4)
    assert made.start == datetime(2024, 2, 29, 23, 59, 58, tzinfo=timezone(timedelta(hours=1)))
    assert [(note.onset_s, note.text) for note in made.annotations] == [
        (pytest.approx(-1, abs=1e-6), "before"),
        (pytest.approx(0.5, abs=1e-6), "7"),
        (pytest.approx(2, abs=1e-6), "seizure häng"),
        (pytest.approx(10, abs=1e-6), "after"),
    ]
    assert made.notes == (MADE, "left out because they are neither EEG nor markers: streams eyes (Gaze)")


def test_units_in_words_and_symbols_and_what_is_no_voltage(tmp_path):
    samples = noise(500, n_channels=5)
    units = ["microvolts", "µV", "millivolts", "V", "percent"]
    described = [(name, unit, "") for name, unit in zip((*NAMES, "SpO2"), units, strict=True)]
    made = open_recording(written(tmp_path, samples=samples, described=described))
    factors = np.array([1, 1, 1e3, 1e6], dtype=np.float32)
    np.testing.assert_array_equal(made.read(), samples[:4] * factors[:, None])
    assert made.notes[0] == "left out because they are not voltages: SpO2"


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ([], "the names of its channels are unknown: its EEG stream has 4 channels, and names 0"),
        ([("Fp1", "uV", "EEG")], "the names of its channels are unknown: its EEG stream has 4 channels, and names 1"),
        ([(name, "", "EEG") for name in NAMES], "the voltages of Fp1, F7, T3 are unknown: their unit is ''"),
        (
            [(name, "bananas", "EEG") for name in NAMES],
            "of Fp1, F7, T3 are unknown: their unit is 'bananas'; allowed",
        ),
    ],
)
def test_names_and_units_must_be_known(tmp_path, described, words):
    with pytest.raises(ReadError) as caught:
        open_recording(written(tmp_path, described=described))
    assert str(caught.value).startswith(f"{tmp_path / 'a.xdf'}: ")
    assert words in str(caught.value)


def test_a_file_has_one_eeg_stream(tmp_path):
    with pytest.raises(
        ReadError, match=r"has 0 streams of type EEG; one is needed. Its streams: eyes \(Gaze\) with 2 chan"
    ):
        open_recording(write(tmp_path / "none.xdf", [GAZE]))
    two = written(tmp_path, eeg(noise(9, n_channels=1), ["Fp2"], RATE_HZ))
    with pytest.raises(
        ReadError, match=r"has 2 streams of type EEG; .*amplifier \(EEG\) with 4 channels, amplifier \(EEG\) with 1"
    ):
        open_recording(two)
    with pytest.raises(ReadError, match=r"values of type float32 at a rate of 0 Hz; allowed are int8, "):
        open_recording(write(tmp_path / "odd.xdf", [eeg(noise(9, n_channels=4), NAMES, 0, stamps=np.arange(9.0))]))


def test_pauses_of_a_second_are_gaps_and_bursts_are_not(tmp_path):
    """Samples that arrive in bursts of 50 have the time of their burst; a pause of 4 s after 600 samples."""
    burst = 1000 + np.arange(1000) // 50 * 50 / RATE_HZ
    stamps = burst + np.repeat([0, 4], [600, 400])
    made = open_recording(written(tmp_path, markers((1006.4 + 0.1, "late")), stamps=stamps))
    (gap,) = made.gaps
    assert gap.start_s == 600 / RATE_HZ
    assert gap.duration_s == pytest.approx(4, abs=0.05)
    assert made.annotations[0].onset_s == pytest.approx(6.5, abs=0.15)
    assert made.n_samples == 1000


def test_clocks_are_brought_together_by_their_offsets(tmp_path):
    """The amplifier's clock is 50 s behind that of the markers, which is the clock of the recording."""
    offsets = [(1000 + second, 50.0) for second in range(5)]
    made = open_recording(written(tmp_path, markers((1051.0, "a")), offsets=offsets))
    assert made.annotations[0].onset_s == pytest.approx(1, abs=1e-3)


def test_a_slow_clock_is_a_note_and_its_markers_stand_at_their_sample(tmp_path):
    """0.2 % slower than stated, for 1100 s: sample 13750 has the time 550 * 1.002 s."""
    n_samples, slow, rate_hz = 27_500, 1.002, 25.0
    stamps = 1000 + np.arange(n_samples) / rate_hz * slow
    stream = eeg(np.zeros((1, n_samples)), ["Fp1"], rate_hz, "int8", stamps=stamps)
    made = open_recording(write(tmp_path / "a.xdf", [stream, markers((1000 + 550 * slow, "half"))], per_chunk=5000))
    assert made.annotations[0].onset_s == pytest.approx(550, abs=0.01)
    assert made.notes[1] == "its time stamps and samples disagree by 2.2 s at the end; times are counted in samples"


def test_a_wrong_rate_and_a_clock_that_goes_back_are_doubts(tmp_path):
    wrong = written(tmp_path, stamps=np.arange(1000) / 500)
    with pytest.raises(
        ReadError, match=r"its EEG stream states 250 Hz, but its time stamps are those of 500 Hz\. Corr"
    ):
        open_recording(wrong)
    assert open_recording(wrong, accept_doubtful=True).n_samples == 1000
    back = written(tmp_path, stamps=1000 + np.arange(1000) / RATE_HZ - np.repeat([0, 100], 500))
    with pytest.raises(ReadError, match=r"its clock goes back by 100 s after 2 s of samples"):
        open_recording(back)
    drops = written(tmp_path, more="<synchronization><can_drop_samples>true</can_drop_samples></synchronization>")
    with pytest.raises(ReadError, match=r"its EEG stream states that it may drop samples"):
        open_recording(drops)


def test_the_reference_is_that_of_the_stream(tmp_path):
    for xml, reference in (
        ("<reference><label>CPz</label><subtracted>Yes</subtracted></reference>", "CPz"),
        ("<reference><label>CPz</label><subtracted>No</subtracted></reference>", ""),
        ("<reference><subtracted>Yes</subtracted><common_average>Yes</common_average></reference>", "AVG"),
    ):
        assert set(open_recording(written(tmp_path, more=xml)).references) == {reference}


def test_the_last_part_of_a_truncated_file_is_left_out_and_not_filled(tmp_path):
    """pyxdf would fill the last sample with parts of the one before it."""
    path = written(tmp_path)
    whole, content = open_recording(path).read(), path.read_bytes()
    at = content.rindex(b"amplifier") + 15_000
    for cut in range(at, at + 30):
        path.write_bytes(content[:cut])
        made = read_xdf(path)
        assert 0 < made.n_samples < 1000
        assert made.n_samples % 100 == 0
        assert "it is truncated: its last " in made.notes[-1]
        np.testing.assert_array_equal(made.read(), whole[:, : made.n_samples])


def test_samples_that_do_not_fit_their_chunk_are_refused(tmp_path):
    """The mark of the first sample's time is lost, so that its time would be read as voltages."""
    path = written(tmp_path)
    content = bytearray(path.read_bytes())
    at = content.index(b"\x08" + np.array(1000.0).tobytes())
    content[at] = 0
    path.write_bytes(content)
    with pytest.raises(ReadError, match=r"is damaged: the part at byte \d+ has another size than it states"):
        open_recording(path)


def test_content_counts_and_not_the_suffix(tmp_path):
    path = written(tmp_path).rename(tmp_path / "a.dat")
    assert open_recording(path).notes[-1] == "it is a file in XDF format despite its suffix '.dat'"
    (tmp_path / "b.xdf").write_bytes(b"abcdef")
    with pytest.raises(ReadError, match=r"b\.xdf: is not an XDF file: it starts with b'abcd' instead of b'XDF:'"):
        open_recording(tmp_path / "b.xdf")


def test_without_the_extra_the_error_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['pyxdf'] = None")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(MissingExtraError, match=r"pyxdf; install it with: pip install 'ictal\[vendor\]'"):
        open_recording(written(tmp_path))


def test_gaps_are_counted_by_samples(tmp_path):
    stamps = 1000 + np.arange(1000) / RATE_HZ + np.repeat([0, 3, 10], [500, 250, 250])
    assert open_recording(written(tmp_path, stamps=stamps)).gaps == (
        Gap(2.0, pytest.approx(3, abs=1e-6)),
        Gap(pytest.approx(6, abs=1e-6), pytest.approx(7, abs=1e-6)),
    )
