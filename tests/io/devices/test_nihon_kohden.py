import struct
import warnings
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import mne
import numpy as np
import pytest

from ictal.core.recording import Annotation, Gap
from ictal.errors import ReadError
from ictal.io import open_recording
from ictal.io.devices.nihon_kohden_names import DEFAULTS
from tests.io.devices.nihon_files import START, ZERO, Nihon, write

RATE_HZ = 200
NAMES = {0: "Fp1", 4: "C3", 9: "O2", 31: "EKG1", 42: "DC01", 76: "Mark1"}
UV = 6400 / 65536
DC_UV = 2 * 12_002_900 / 65536


def digital(seconds: int, seed: int) -> np.ndarray:
    made = np.random.default_rng(seed).integers(-3000, 3000, (len(NAMES), seconds * RATE_HZ))
    made[:, 0], made[:, 1] = -ZERO, ZERO - 1
    return made


BLOCKS = ((0, digital(4, 0)), (1804, digital(3, 1)))
EVENTS = (
    ("REC START, with a text of 35 letters", 0.0, 0.0),
    ("seizure", 1.25, 1.25),
    ("in the gap", 4.0, 60.5),
    ("late", 5.5, 1805.5),
)


def made(**changes: object) -> Nihon:
    """Return two blocks of four channels, a DC input and a mark."""
    return replace(Nihon(tuple(NAMES), BLOCKS, NAMES, EVENTS), **changes)


WIDE = {"extended": True, "version": "EEG-1200A V01.00"}
LAYOUTS = {"EEG-1100": {}, "EEG-1200A": WIDE}


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "a.EEG"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_everything_the_files_state_is_read(path, layout):
    found = open_recording(write(path, made(**LAYOUTS[layout])))
    assert (found.channels, found.kinds) == (("Fp1", "C3", "O2", "EKG1", "DC01"), ("", "", "", "", "misc"))
    assert (found.rate_hz, found.start, found.gaps) == (RATE_HZ, START, (Gap(4.0, 1800.0),))
    stored = np.concatenate([samples[:5] for _, samples in BLOCKS], axis=1)
    np.testing.assert_allclose(found.read(), stored * np.array([UV] * 4 + [DC_UV])[:, None], rtol=1e-6)
    np.testing.assert_array_equal(found.read(700, 900, [2, 0]), found.read()[[2, 0], 700:900])
    assert found.annotations == tuple(Annotation(clock, 0.0, text) for text, _, clock in EVENTS)
    assert found.notes == ("its gaps are accurate to the second, since its blocks state start times in seconds",)


# Other decoders


def test_mne_agrees_about_the_older_layout(path):
    found = open_recording(write(path, made()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = mne.io.read_raw_nihon(path, verbose="ERROR")
    assert raw.ch_names[:5] == list(found.channels)
    assert raw.info["sfreq"] == found.rate_hz
    for run in found.runs:
        theirs = raw.get_data(range(5), run.start, run.stop) * 1e6
        np.testing.assert_allclose(found.read(run.start, run.stop)[:4], theirs[:4], rtol=1e-6, atol=1e-3)
        np.testing.assert_allclose(found.read(run.start, run.stop)[4], theirs[4], rtol=1e-5, atol=DC_UV)
    texts = [(note.text, note.onset_s) for note in found.annotations if note.onset_s < 4]
    assert [(str(note["description"]), note["onset"]) for note in raw.annotations][:2] == texts


def test_mne_reads_only_a_stub_of_the_newer_layout(path):
    """MNE-Python 1.13 does not see the second list of blocks; this is why ictal has a reader of its own."""
    write(path, made(**WIDE))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = mne.io.read_raw_nihon(path, verbose="ERROR")
    assert (len(raw.ch_names), raw.n_times) == (1, RATE_HZ)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_eeg2edf_agrees(path, layout):
    nk = pytest.importorskip("eeg2edf.nihon_kohden.nk")
    convert = pytest.importorskip("eeg2edf.nihon_kohden.convert")
    found = open_recording(write(path, made(**LAYOUTS[layout])))
    blocks = nk.read_blocks(str(path))
    assert [tuple(block["ch_names"]) for block in blocks] == [tuple(NAMES.values())] * 2
    starts = [found.start.replace(tzinfo=None) + timedelta(seconds=run.onset_s) for run in found.runs]
    assert [convert.block_start(block) for block in blocks] == starts
    for block, run in zip(blocks, found.runs, strict=True):
        assert (block["sfreq"], block["n_samples"]) == (found.rate_hz, run.stop - run.start)
        raw = np.fromfile(path, "<u2", offset=block["data_address"], count=block["n_samples"] * 7).reshape(-1, 7)
        theirs = (raw[:, :5].T.astype(float) - ZERO) * np.array([nk.UV_PER_LSB] * 4 + [nk.DC_UV_PER_LSB])[:, None]
        np.testing.assert_allclose(found.read(run.start, run.stop), theirs, rtol=1e-6)
    events = nk.read_log(str(path.with_suffix(".LOG")))
    onsets = [(event["when"] - found.start.replace(tzinfo=None)).total_seconds() for event in events]
    assert onsets == [note.onset_s for note in found.annotations]
    assert [event["text"] for event in events] == [note.text[:20] for note in found.annotations]


# Names


def test_inputs_that_the_list_of_names_lacks_are_noted_and_unnamed_ones_left_out(path):
    names = {**NAMES, 31: ""}
    del names[9]
    found = open_recording(write(path, made(names=names)))
    assert found.channels == ("Fp1", "C3", "O2", "DC01")
    assert found.notes[:2] == (
        "left out because its .21E file gives them no name: X6",
        "its .21E file does not list these inputs, which have the manufacturer's names: O2",
    )


@pytest.mark.parametrize("names", [None, {}, {0: "", 4: ""}])
def test_without_names_the_sides_are_in_doubt(path, names):
    write(path, made(names=names))
    with pytest.raises(
        ReadError, match=r"its channel names are unknown, since its \.21E file is missing or unreadable"
    ):
        open_recording(path)
    found = open_recording(path, accept_doubtful=True)
    assert found.channels == ("FP1", "C3", "O2", "X6", "DC01")


def test_an_input_is_named_as_electrode_rather_than_as_reference(path):
    names = {code: name for code, name in NAMES.items() if code != 9}
    found = open_recording(write(path, made(names=names, references={0: "$A1", 9: "$AV"})))
    assert found.channels[:3] == ("Fp1", "C3", "$AV")


def test_default_names_are_those_of_mne():
    from mne.io.nihon.nihon import _default_chan_labels as theirs

    assert {code: name for code, name in enumerate(theirs) if not name.startswith("NA")} == DEFAULTS


# Times and damage


def test_events_without_clock_times_count_samples(path):
    write(path, made())
    log = path.with_suffix(".LOG")
    log.write_bytes(log.read_bytes().replace(b"(240", b" 240"))
    notes = open_recording(path).annotations
    assert [note.onset_s for note in notes] == [0.0, 1.25, 1804.5, 1805.5]


def test_events_that_cannot_be_read_are_counted(path):
    write(path, made())
    log = path.with_suffix(".LOG")
    log.write_bytes(log.read_bytes().replace(b"000001(", b"00x001("))
    found = open_recording(path)
    assert len(found.annotations) == 3
    assert "1 of its annotations cannot be read and are left out" in found.notes
    log.write_bytes(log.read_bytes()[:0x90])
    assert "its annotations are unknown, since a.LOG is damaged or truncated" in open_recording(path).notes
    log.unlink()
    assert "its annotations are unknown, since its .LOG file is missing" in open_recording(path).notes


def test_a_truncated_last_block_says_so(path):
    write(path, made())
    path.write_bytes(path.read_bytes()[: -(100 * 14 + 3)])
    found = open_recording(path)
    assert found.n_samples == 7 * RATE_HZ - 101
    assert found.notes[0] == "it is truncated: its last block has 499 of 600 samples"


def test_blocks_with_different_channels_or_overlapping_ones_are_refused(path):
    content = bytearray(write(path, made()).read_bytes())
    second = content.index(b"\1TIME", 0x1801)
    content[second + 0x27] = 5
    path.write_bytes(content)
    with pytest.raises(ReadError, match="its blocks have different channels or sampling rates, which is not read"):
        open_recording(path)
    content[second + 0x27] = 0
    content[0x1800 + 0x1C] = 200
    path.write_bytes(content)
    with pytest.raises(ReadError, match="is damaged: its blocks overlap"):
        open_recording(path)


def test_the_second_list_is_found_where_the_head_says_and_is_never_missed(path):
    """Without it, only the stub of one channel would be read."""
    content = bytearray(write(path, made(**WIDE)).read_bytes())
    samples = open_recording(path).read()
    at = content.index(b"EEG-1200A", 0x1800) - 1
    struct.pack_into("<I", content, 0x1800 + 0x1C, 5)  # the stub seems shorter, so the list is not right after it
    path.write_bytes(content)
    with pytest.raises(ReadError, match="its samples are in a second list that is not found"):
        open_recording(path)
    struct.pack_into("<Q", content, 0x3EE, at)
    path.write_bytes(content)
    np.testing.assert_array_equal(open_recording(path).read(), samples)


def test_several_lists_of_the_newer_layout_are_refused(path):
    """Decoders do not agree where the second of them is."""
    content = bytearray(write(path, made(**WIDE)).read_bytes())
    content[content.index(b"EEG-1200A", 0x1800) + 0x10] = 2
    path.write_bytes(content)
    with pytest.raises(ReadError, match="has several lists of blocks in the layout of EEG-1200A, which is not read"):
        open_recording(path)


def test_another_file_with_this_suffix_is_refused(path):
    path.write_bytes(b"EEG-9999Z V01.00" + bytes(10_000))
    with pytest.raises(
        ReadError, match=r"a\.EEG: is not a Nihon Kohden file; it states the versions EEG-9999Z V01\.00"
    ):
        open_recording(path)
