"""Natus recordings, written by our own encoder: no file from a device was at hand."""

import os
import re
import struct
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.montage import ELECTRODES
from ictal.core.recording import Gap
from ictal.errors import MissingExtraError, ReadError
from ictal.io import open_recording
from ictal.io.recording_files import parts_of, recording_hash
from ictal.scoring.recording_info import info
from tests.helpers import noise
from tests.io.devices.natus_files import START, Options, write_natus

pytest.importorskip("natus_erd")
from ictal.io.devices.natus import HEADBOXES, read_natus

NAMES = ("Fp1", "F7", "T3", "ECG")
RATE_HZ = 256.0
EMU40 = Options(headbox=17, n_channels=46, discard_bits=2)
FLOAT32 = 2**-24


def written(folder: Path, samples: np.ndarray | None = None, names=NAMES, **options) -> Path:
    path = folder / "night.erd"
    samples = noise(5120, n_channels=len(names)) if samples is None else samples
    write_natus(path, samples, names, RATE_HZ, Options(**options))
    return path


def change(path: Path, at: int, kind: str, *values: object) -> None:
    content = bytearray(path.read_bytes())
    struct.pack_into(kind, content, at, *values)
    path.write_bytes(content)


@given(data=st.data())
def test_every_voltage_comes_back_within_half_a_step(tmp_path_factory, data):
    """Small and large steps between samples, and absolute values: all ways in which a sample is compressed."""
    folder = tmp_path_factory.mktemp("a")
    options = Options(
        headbox=data.draw(st.sampled_from([kind for kind in HEADBOXES if kind != 20])),
        n_channels=data.draw(st.integers(5, 32)),
        discard_bits=data.draw(st.integers(0, 6)),
        packet=data.draw(st.integers(1, 300)),
        segment=data.draw(st.integers(60, 500)),
        first_stamp=data.draw(st.integers(0, 5000)),
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    samples = rng.normal(0, rng.choice([3, 300, 3000], (4, 200))).clip(-8700, 8700)
    write_natus(folder / "night.erd", samples, NAMES, RATE_HZ, options)
    made = read_natus(folder / "night.erd")
    tolerance = abs(options.step_uv) / 2 + 8711 * FLOAT32
    np.testing.assert_allclose(made.read(), samples, rtol=0, atol=tolerance)
    start, rows = data.draw(st.integers(0, 199)), data.draw(st.permutations(range(4)))
    np.testing.assert_array_equal(made.read(start, 200, rows), made.read()[rows, start:])


def test_channels_times_notes_and_limits(tmp_path):
    path = written(tmp_path, notes=((1000 + 512, "seizure\\nat  bedside"), (900, "before")))
    made = open_recording(path)
    assert (made.name, made.channels, made.rate_hz, made.start) == (str(path), NAMES, RATE_HZ, START)
    assert [(note.onset_s, note.text) for note in made.annotations] == [
        (-100 / RATE_HZ, "before"),
        (2.0, "seizure at bedside"),
    ]
    assert made.limits_uv[0] == pytest.approx((-8711, 8711), abs=0.01)
    assert made.notes == (
        "its voltages have the sign that NeuroWorks gives them in its own EDF export; wonambi inverts it",
        "its times are in UTC, since its files do not state a time zone",
    )


def test_pauses_become_gaps_and_short_ones_missing_samples(tmp_path):
    """A pause within a segment, one of a sample, and one between two segments (2500 samples each)."""
    samples = noise(5120, n_channels=4)
    path = written(tmp_path, samples, pauses={1000: 2560, 2000: 1, 2500: 512}, notes=((1000 + 3560, "after"),))
    made = open_recording(path)
    assert made.gaps == (Gap(1000 / RATE_HZ, 10.0), Gap(5061 / RATE_HZ, 2.0))
    assert made.n_samples == 5121
    assert made.annotations[0].onset_s == made.runs[1].onset_s == 3560 / RATE_HZ
    expected = np.insert(samples, 2000, np.nan, axis=1)
    np.testing.assert_allclose(made.read(), expected, rtol=0, atol=0.14)
    np.testing.assert_array_equal(made.read(990, 2600, [1]), made.read()[[1], 990:2600])


def test_what_is_no_eeg_is_left_out_with_a_note(tmp_path):
    names = (*(f"E{number}" for number in range(39)), "", "DC1", "DC2", "DC3", "DC4", "SpO2", "Pulse")
    made = read_natus(written(tmp_path, noise(600, n_channels=46), names, **vars(EMU40)))
    assert made.channels == names[:39]
    assert made.notes[1:3] == (
        "left out because they are not EEG inputs of the headbox: DC1, DC2, DC3, DC4, SpO2, Pulse",
        "left out because the montage does not name them: 1 inputs",
    )


def test_voltages_of_a_headbox_that_nobody_checked_are_a_doubt(tmp_path):
    path = written(tmp_path, **vars(EMU40))
    with pytest.raises(ReadError, match=r"headbox is of the type 17 \(EMU40\): size and sign .* --accept-doubtful"):
        open_recording(path)
    assert open_recording(path, accept_doubtful=True).notes[0].startswith("accepted although doubtful: its headbox")


@pytest.mark.parametrize(
    ("montages", "words"),
    [
        ((("Fp1", "F7", "T3", "ECG"), NAMES), None),
        ((("FP1-Ref", "F7", "T7", "EKG1"), NAMES), None),
        ((("Fp2", "F7", "T3", "ECG"), NAMES), "Fp2 became Fp1"),
        ((("C3", "C4", "T3", "ECG"), NAMES), "C3 became Fp1, C4 became F7"),
    ],
)
def test_electrodes_that_change_their_input_are_a_doubt(tmp_path, montages, words):
    path = written(tmp_path, montages=montages)
    assert [doubt.rpartition(": ")[2] for doubt in read_natus(path).doubts] == ([words] if words else [])


def test_the_clock_file_counts_and_its_absence_is_noted(tmp_path):
    made = open_recording(written(tmp_path / "a"))
    assert made.start == START
    made = open_recording(written(tmp_path / "b", with_clock=False))
    assert made.start == START + timedelta(seconds=1000 / RATE_HZ)
    assert made.notes[-1] == "its start is the time when its files were made, since night.snc has no clock"
    made = open_recording(written(tmp_path / "c", fast=1.2))
    assert made.notes[-1].startswith("its clock and its samples disagree by 4.0 s at the end")
    path = written(tmp_path / "d")
    change(path.with_suffix(".snc"), 352 + 4, "<q", -(2**62))
    made = open_recording(path)
    assert (made.start, made.notes[-1]) == (None, "its start is unknown, since its clock states an impossible time")


@pytest.mark.parametrize("missing", ["night.stc", "night.ent", "night.etc", "night_001.erd", "night_002.etc"])
def test_a_missing_file_is_named(tmp_path, missing):
    path = written(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(ReadError) as caught:
        open_recording(path)
    assert str(caught.value) == f"{path}: its file {missing} is missing; copy the whole folder of the recording"


def test_a_recording_without_names_is_refused(tmp_path):
    with pytest.raises(ReadError, match=r"the names of its channels are unknown: night\.ent has no montage"):
        open_recording(written(tmp_path, montages=()))
    with pytest.raises(ReadError, match="has no recorded EEG input with a name"):
        open_recording(written(tmp_path, montages=(("", "", "", ""),)))


@pytest.mark.parametrize(
    ("at", "kind", "value", "words"),
    [
        (4464, "<i", 99, "its headbox has the type 99; known are 1, 3, 4, 5,"),
        (4468, "<i", 17, "it has more than one headbox"),
        (364, "<i", 16, "its differences have 16 bits instead of 8"),
        (4556, "<i", 77, "it leaves out 77 bits"),
        (368, "<i", 3, "its channels are in another order than the inputs"),
        (6608, "<h", 1, "its channels have several rates"),
        (16, "<H", 8, "unsupported ERD schema 8"),
        (352, "<d", float("nan"), "sample rate must be finite"),
    ],
)
def test_what_cannot_be_read_rightly_is_refused(tmp_path, at, kind, value, words):
    path = written(tmp_path, **vars(EMU40))
    change(path, at, kind, value)
    with pytest.raises(ReadError) as caught:
        open_recording(path)
    assert str(caught.value).startswith(f"{path}: cannot be read: ")
    assert words in str(caught.value)


def test_notes_in_an_unknown_form_are_counted(tmp_path):
    path = written(tmp_path, notes=((1000, "fine"), (2000, 'a " within')))
    made = open_recording(path)
    assert [note.text for note in made.annotations] == ["fine"]
    assert made.notes[-1] == "1 of its notes are not in a known form, and are left out"


def test_a_folder_is_the_recording_in_it(tmp_path):
    path = written(tmp_path / "night.eeg")
    assert open_recording(path.parent).name == str(path)
    assert {part.name for part in parts_of(path.parent)} == {file.name for file in path.parent.iterdir()}
    before = recording_hash(path.parent)
    change(path.with_name("night_001.erd"), 9000, "<b", 1)
    assert recording_hash(path.parent) == recording_hash(path) != before
    write_natus(path.with_name("day.erd"), noise(600, n_channels=4), NAMES, RATE_HZ)
    with pytest.raises(ReadError, match=r"is a folder with 2 EEG recordings: day\.erd, night\.erd; name one of them"):
        open_recording(path.parent)


def test_its_folder_is_described_by_info(tmp_path):
    names = (*ELECTRODES, "ECG")
    written(tmp_path, noise(30_000, n_channels=len(names)).cumsum(axis=1) / 50, names, segment=20_000)
    found = info(tmp_path)
    assert (found.name, found.missing, found.n_windows) == (str(tmp_path / "night.erd"), (), 11)
    assert found.start == START


@pytest.mark.parametrize(
    "part", ["night_001.erd", "night_001.etc", "night.eeg", "night.stc", "night.ent", "night.vtc"]
)
def test_a_part_names_the_file_to_open(tmp_path, part):
    written(tmp_path)
    with pytest.raises(ReadError, match=rf"{re.escape(part)}: is a part of a recording; open night\.erd instead"):
        open_recording(tmp_path / part)


def test_without_the_extra_the_error_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['natus_erd'] = None")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(MissingExtraError, match=r"natus_erd; install it with: pip install 'ictal\[vendor\]'"):
        open_recording(written(tmp_path / "a"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning:wonambi")
@pytest.mark.filterwarnings("ignore:Data type alias 'a':DeprecationWarning")
def test_wonambi_reads_the_same_with_the_opposite_sign(tmp_path, monkeypatch):
    """Someone else's decoder: samples, names, rate, start, notes. It reads neither Quantum nor shorted channels."""
    ktlx = pytest.importorskip("wonambi.ioeeg.ktlx")

    class OldArray(np.ndarray):  # wonambi 7.17 was written for an older NumPy
        def tostring(self):
            return self.tobytes()

    def empty(shape, dtype=float):
        return np.empty(shape, "S1" if dtype == "a1" else dtype).view(OldArray)

    monkeypatch.setattr(ktlx, "empty", empty)
    names = tuple(f"E{number}" for number in range(46))
    samples = noise(3000, n_channels=46)
    samples[3, 100:] += 8000
    samples[5, ::7] += 5000
    options = replace(EMU40, segment=1200, first_stamp=0, notes=((512, "seizure"),), pauses={700: 20})
    path = tmp_path / "night" / "night.erd"
    write_natus(path, samples, names, RATE_HZ, options)
    theirs, ours = ktlx.Ktlx(path.parent), read_natus(path)
    _, start, rate_hz, found, last, _ = theirs.return_hdr()
    assert (found, rate_hz, last + 1) == (list(names), RATE_HZ, ours.n_samples)
    assert start.timestamp() == START.timestamp() == ours.start.timestamp()
    np.testing.assert_allclose(-theirs.return_dat(list(range(40)), 0, 3020), ours.read(), rtol=1e-6, atol=1e-3)
    (marker,), (note,) = theirs.return_markers(), ours.annotations
    assert (marker["start"], marker["name"]) == (note.onset_s, f"{note.text} (nurse)")
