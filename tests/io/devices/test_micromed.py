import struct
import warnings
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.recording import Annotation, Gap
from ictal.errors import ReadError
from ictal.io import open_recording
from tests.io.devices.micromed_files import START, UNUSED, Channel, Micromed, write

RATE_HZ = 256
NAMES = ("Fp1", "C3", "O2", "ECG1+")
N_SAMPLES, FIRST = 1664, 1024
PARTS = ((0, 0), (FIRST + 1800 * RATE_HZ, FIRST))
EXCERPT = ((2560, 0), (2560 + FIRST + 512, FIRST))
"""Parts that begin 10 s after the start of the whole recording, with a pause of 2 s."""
NOTES = ((0, "start"), (320, "crisi é"), (FIRST + 128, "after the gap"))


def digital(seed: int = 0, n_samples: int = N_SAMPLES, n_bytes: int = 2) -> np.ndarray:
    made = np.random.default_rng(seed).integers(0, 256**n_bytes, n_samples)
    made[0], made[-1] = 0, 256**n_bytes - 1
    return made


def made(**changes: object) -> Micromed:
    """Return two parts of four channels with different ranges."""
    channels = [
        Channel(name, digital(number), "G2" if number < 3 else "ECG1-", physical_range=(-800 * number - 800, 1600))
        for number, name in enumerate(NAMES)
    ]
    return replace(
        Micromed(
            channels, RATE_HZ, parts=PARTS, notes=NOTES, triggers=((640, 7),), flags=((64, 128), (FIRST - 64, 1088))
        ),
        **changes,
    )


def microvolts(file: Micromed) -> np.ndarray:
    """Return the samples as the description defines them."""
    steps = [(each.physical_range[1] - each.physical_range[0]) / 65536 for each in file.channels]
    rows = [(each.digital - each.zero) * step for each, step in zip(file.channels, steps, strict=True)]
    return np.array(rows, dtype=np.float32)


@pytest.fixture(params=[".trc", ".vwr"])
def path(request, tmp_path) -> Path:
    return tmp_path / f"a{request.param}"


def test_everything_the_file_states_is_read(path):
    found = open_recording(write(path, made()))
    assert (found.channels, found.references, found.rate_hz) == (NAMES, ("G2", "G2", "G2", "ECG1-"), RATE_HZ)
    assert (found.start, found.gaps) == (START, (Gap(4.0, 1800.0),))
    np.testing.assert_allclose(found.read(), microvolts(made()), rtol=1e-6)
    assert found.annotations == (
        Annotation(0.0, 0.0, "start"),
        Annotation(0.25, 0.25, "Flag 1"),
        Annotation(1.25, 0.0, "crisi é"),
        Annotation(2.5, 0.0, "Trigger 7"),
        Annotation(3.75, 1800.5, "Flag 2"),
        Annotation(1804.5, 0.0, "after the gap"),
    )
    assert found.notes == ()


@given(st.integers(0, N_SAMPLES - 1), st.integers(1, N_SAMPLES), st.permutations(range(4)))
def test_any_part_of_any_channels_is_a_part_of_the_whole(tmp_path_factory, start, length, rows):
    path = tmp_path_factory.getbasetemp() / "part.trc"
    stop = min(start + length, N_SAMPLES)
    found = open_recording(path if path.exists() else write(path, made()))
    np.testing.assert_allclose(found.read(start, stop, rows), microvolts(made())[rows, start:stop], rtol=1e-6)


@pytest.mark.parametrize(("n_bytes", "zero"), [(1, 128), (2, 32768), (4, 2**31 - 1)])
def test_samples_of_one_two_and_four_bytes(path, n_bytes, zero):
    top = min(256**n_bytes - 1, 2**31 - 2)
    channel = Channel("C3", digital(n_bytes=n_bytes), zero=zero, digital_range=(0, top), physical_range=(0, 1000))
    found = open_recording(write(path, Micromed([channel], n_bytes=n_bytes)))
    np.testing.assert_allclose(found.read()[0], (channel.digital - zero) * (1000 / (top + 1)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("unit", "uv"), [(-1, 1e-3), (0, 1), (1, 1e3), (2, 1e6)])
def test_units_become_microvolts(path, unit, uv):
    channel = Channel("C3", digital(), unit=unit)
    found = open_recording(write(path, Micromed([channel])))
    np.testing.assert_allclose(found.read()[0], (channel.digital - 32768) * (6400 / 65536) * uv, rtol=1e-6)


def test_what_is_no_voltage_is_left_out_and_an_electrode_must_be_one(path):
    others = (Channel("SaO2", digital(), unit=100), Channel("X1", digital(), physical_range=(5, 5)))
    found = open_recording(write(path, made(channels=(*made().channels, *others))))
    assert found.channels == NAMES
    assert found.notes == (
        "left out because they are not voltages: SaO2",
        "left out because they have no valid range of values: X1",
    )
    odd = (*made().channels, Channel("Pz", digital(), unit=101))
    with pytest.raises(
        ReadError, match=r"the voltages of Pz are unknown: their unit has the code 101; allowed are -1, 0"
    ):
        open_recording(write(path, made(channels=odd)))


# Other decoders


def test_neo_agrees_but_for_what_the_formats_page_lists(tmp_path):
    """neo 0.14.6 drops a note at sample 0, and times marks after a pause as if there were none."""
    neo = pytest.importorskip("neo.rawio")
    path = write(tmp_path / "a.trc", made(parts=EXCERPT))
    found = open_recording(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reader = neo.MicromedRawIO(str(path))
        reader.parse_header()
    assert tuple(reader.header["signal_channels"]["name"]) == found.channels
    assert reader.get_signal_sampling_rate(stream_index=0) == found.rate_hz
    assert tuple(
        reader.raw_annotations["blocks"][0]["segments"][0]["signals"][0]["__array_annotations__"]["ground"]
    ) == (found.references)
    begin = reader.raw_annotations["blocks"][0]["rec_datetime"]
    assert begin + timedelta(seconds=10) == found.start.replace(tzinfo=None)
    assert reader.segment_count(0) == len(found.runs)
    for number, run in enumerate(found.runs):
        raw = reader.get_analogsignal_chunk(0, number, stream_index=0)
        theirs = reader.rescale_signal_raw_to_float(raw, dtype="float64", stream_index=0).T
        np.testing.assert_allclose(found.read(run.start, run.stop), theirs, rtol=1e-5, atol=1e-4)
        assert reader.segment_t_start(0, number) == 10 + run.onset_s
    onsets, _, texts = reader.get_event_timestamps(0, 0, event_channel_index=1)
    assert dict(zip(texts, onsets / RATE_HZ, strict=True)) == {"crisi é": 10 + 1.25}


def test_eeg2edf_agrees(tmp_path):
    """eeg2edf 0.1.0 ignores units and factors of the rate; here, they are µV and 1."""
    vwr = pytest.importorskip("eeg2edf.micromed.vwr")
    path = write(tmp_path / "a.vwr", made(parts=EXCERPT))
    found, header = open_recording(path), vwr.read_header(path)
    assert tuple(channel.label for channel in header.channels) == found.channels
    assert tuple(channel.ground for channel in header.channels) == found.references
    assert (header.frequency, header.n_samples) == (found.rate_hz, found.n_samples)
    assert header.start + timedelta(seconds=10) == found.start.replace(tzinfo=None)
    theirs = vwr.calibrated(vwr.read_frames(header, 0, header.n_samples), header.channels).T
    np.testing.assert_allclose(found.read(), theirs, rtol=1e-5, atol=1e-4)
    starts = [part.original_frame / RATE_HZ - 10 for part in header.parts]
    assert starts == [run.onset_s for run in found.runs]
    assert [part.frame for part in header.parts] == [run.start for run in found.runs]
    marks = {(marker.label, marker.frame) for marker in header.markers if marker.frame < FIRST}
    ours = {(note.text, round(note.onset_s * RATE_HZ)) for note in found.annotations if note.onset_s < 4}
    assert marks == ours


# What a file may state


def test_an_excerpt_starts_when_its_first_sample_was_recorded(path):
    found = open_recording(write(path, made(parts=EXCERPT)))
    assert (found.start, found.gaps) == (START + timedelta(seconds=10), (Gap(4.0, 2.0),))
    assert found.notes == ("it is an excerpt that begins 10 s after the start that its header states",)


def test_parts_that_overlap_are_a_doubt_and_unordered_ones_an_error(path):
    with pytest.raises(ReadError, match="its clock goes back by 2 s after 4 s of samples"):
        open_recording(write(path, made(parts=((0, 0), (512, FIRST)))))
    with pytest.raises(ReadError, match="is damaged: its parts are not in the order of its samples"):
        open_recording(write(path, made(parts=((0, 0), (5000, FIRST), (9000, 10)))))


def test_the_factor_of_the_rate_counts_and_must_be_the_same(path):
    channels = made().channels
    doubled = [replace(channel, factor=2) for channel in channels]
    assert open_recording(write(path, made(channels=doubled, parts=()))).rate_hz == 2 * RATE_HZ
    unstated = open_recording(write(path, made(channels=[replace(channel, factor=0) for channel in channels])))
    assert unstated.rate_hz == RATE_HZ
    assert unstated.notes == ("its channels state no rate of their own; the file's 256 Hz is used",)
    with pytest.raises(ReadError, match=r"different sampling rates \(256 Hz, 512 Hz\), which is not read"):
        open_recording(write(path, made(channels=[*channels[:3], doubled[3]])))


def test_marks_whose_layout_is_not_sure_are_named(path):
    found = open_recording(write(path, made(event_a=b"seizure" + bytes(57) + struct.pack("<I", 100))))
    assert found.notes == ("its marks of EVENT A are not read, since their layout is not known for sure",)


def test_unused_marks_are_no_annotations(path):
    file = made(notes=((UNUSED, "gone"), (5, "")), triggers=((0, 0), (UNUSED, 3)), flags=((UNUSED, 5), (9, 9)))
    assert open_recording(write(path, file)).annotations == ()


def test_a_truncated_file_says_so(path):
    write(path, made(parts=()))
    path.write_bytes(path.read_bytes()[:-11])
    found = open_recording(path)
    assert found.n_samples == N_SAMPLES - 2
    assert found.notes == ("it is truncated: its last 5 bytes are an incomplete sample",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": 3}, r"its header has type 3 \(allowed is 4\)"),
        ({"n_bytes": 2, "rate_hz": 0}, "states 4 channels, 0 Hz and 2 bytes per sample"),
        ({"compressed": 1}, "it states that its samples are compressed"),
    ],
)
def test_headers_that_cannot_be_read_are_refused(path, changes, words):
    with pytest.raises(ReadError, match=words):
        open_recording(write(path, made(**changes)))


def test_an_invalid_date_is_noted(path):
    found = open_recording(write(path, made(date=bytes((31, 2, 124, 0, 0, 0)))))
    assert found.start is None
    assert "its start is invalid" in found.notes


def test_trc_is_known_by_its_content(tmp_path):
    path = write(tmp_path / "a.trc", made())
    found = open_recording(path.rename(tmp_path / "a.dat"))
    assert found.notes == ("it is a file in TRC format despite its suffix '.dat'",)
