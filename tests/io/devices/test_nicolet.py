import importlib.util
import json
import struct
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.recording import Annotation, Gap
from ictal.errors import ReadError
from ictal.io import open_recording
from ictal.io.devices.nicolet_events import TYPES
from tests.io.devices.nicolet_files import (
    COMMENT,
    HYPERVENTILATION,
    SEIZURE,
    START,
    Channel,
    Event,
    Nicolet,
    described,
    write,
)

RATE_HZ = 256
NAMES = ("Fp1", "C3", "O2", "ECG")
SEGMENTS = ((0.0, 4.0), (1804.0, 2.5))
EVENTS = (
    Event(1.25, "onset, with a comma – and more than thirty-two characters"),
    Event(4.5, "in the gap"),
    Event(1805.5, "", 0.75, SEIZURE, "Fp1"),
    Event(1806.0, "3 minutes", 0.0, HYPERVENTILATION),
)


def digital(seconds: float, rate_hz: float = RATE_HZ, seed: int = 0) -> np.ndarray:
    made = np.random.default_rng(seed).integers(-3000, 3000, round(seconds * rate_hz))
    made[::500] = -(2**15)
    made[1::500] = 2**15 - 1
    return made


def made(**changes: object) -> Nicolet:
    """Return two segments of four channels, and a trend of one value per second."""
    eeg = [Channel(name, digital(6.5, seed=number), step_uv=0.25 + number / 8) for number, name in enumerate(NAMES)]
    trend = Channel("Rate", digital(6.5, 1.0), 1.0, 1.0, "")
    return replace(Nicolet((*eeg, trend), SEGMENTS, EVENTS, part=300), **changes)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "a.e"


def test_everything_the_file_states_is_read(path):
    file = made(block=5)
    found = open_recording(write(path, file))
    assert (found.channels, found.references, found.rate_hz) == (NAMES, ("REF",) * 4, RATE_HZ)
    assert (found.start, found.gaps) == (START, (Gap(4.0, 1800.0),))
    steps_uv = np.array([channel.step_uv for channel in file.channels[:4]])
    stored = np.array([channel.digital for channel in file.channels[:4]])
    np.testing.assert_array_equal(found.read(), (stored * steps_uv[:, None]).astype(np.float32))
    assert found.limits_uv[1] == (-(2**15) * 0.375, (2**15 - 1) * 0.375)
    assert found.annotations == (
        Annotation(1.25, 0.0, EVENTS[0].text),
        Annotation(4.5, 0.0, "in the gap"),
        Annotation(1805.5, 0.75, "Seizure: Fp1"),
        Annotation(1806.0, 0.0, "Hyperventilation: 3 minutes"),
    )
    assert found.notes == (
        "left out because they have another sampling rate than the EEG: Rate",
        "its gaps are accurate to the second, since its segments state start times in seconds",
    )


@given(
    data=st.data(),
    block=st.integers(1, 40),
    part=st.integers(1, 2000),
    lengths=st.lists(st.integers(1, 900), min_size=1, max_size=4),
    pauses=st.lists(st.integers(2, 10_000), min_size=4, max_size=4),
)
def test_samples_and_times_do_not_depend_on_how_the_file_is_cut(tmp_path_factory, data, block, part, lengths, pauses):
    path = tmp_path_factory.getbasetemp() / "cut.e"
    samples, starts, at = digital(sum(lengths) / RATE_HZ), [], 0.0
    for length, pause_s in zip(lengths, pauses, strict=False):
        starts.append(at)
        at = float(np.ceil(at + length / RATE_HZ) + pause_s)
    segments = [(start, length / RATE_HZ) for start, length in zip(starts, lengths, strict=True)]
    found = open_recording(write(path, Nicolet([Channel("C3", samples)], segments, block=block, part=part)))
    assert [run.onset_s for run in found.runs] == pytest.approx(starts, abs=1e-5)
    begin = data.draw(st.integers(0, len(samples) - 1))
    end = data.draw(st.integers(begin + 1, len(samples)))
    np.testing.assert_array_equal(found.read(begin, end)[0], samples[begin:end] * np.float32(0.25))


# Other decoders

E2EDF = """
import json, sys
from nicolet_e2edf.nicolet.data import read_nervus_data
from nicolet_e2edf.nicolet.header import read_nervus_header
path, output = sys.argv[1:]
public, header = read_nervus_header(path)
import numpy
numpy.save(output, read_nervus_data(path, header))
print(json.dumps({
    "labels": list(public["label"]), "rate": public["Fs"],
    "references": [header.TSInfo[number - 1].refSensor for number in header.matchingChannels],
    "segments": [[segment.date.isoformat(), segment.duration] for segment in header.Segments],
    "events": [[event.date.isoformat(), event.duration, event.annotation, event.IDStr] for event in header.Events],
}))
"""


def test_nicolet_e2edf_agrees(path, tmp_path):
    """nicolet-e2edf 0.4.2 follows FieldTrip. Its licence is the GPL, so it runs in a process of its own."""
    if importlib.util.find_spec("nicolet_e2edf") is None:
        pytest.skip("nicolet-e2edf is not installed")
    found = open_recording(write(path, made(block=9)))
    command = [sys.executable, "-c", E2EDF, str(path), str(tmp_path / "samples.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout)
    np.testing.assert_array_equal(np.load(tmp_path / "samples.npy").astype(np.float32), found.read())
    assert (tuple(theirs["labels"]), theirs["rate"]) == (found.channels, found.rate_hz)
    assert tuple(theirs["references"]) == found.references
    runs = [
        [(found.start + timedelta(seconds=run.onset_s)).isoformat(), (run.stop - run.start) / RATE_HZ]
        for run in found.runs
    ]
    assert theirs["segments"] == runs
    clocks = [(found.start + timedelta(seconds=note.onset_s)).isoformat() for note in found.annotations]
    assert [event[0] for event in theirs["events"]] == clocks
    assert [event[1] for event in theirs["events"]] == [note.duration_s for note in found.annotations]
    assert [event[2] for event in theirs["events"]] == [EVENTS[0].text, "in the gap", None, "3 minutes"]
    assert [event[3] for event in theirs["events"]][2:] == ["Seizure", "Hyperventilering"]


def test_eeg2edf_agrees_but_for_what_the_formats_page_lists(path):
    """eeg2edf 0.1.0 inverts samples, drops fractions of event times, and names hyperventilation a seizure."""
    nicolet = pytest.importorskip("eeg2edf.nicolet.nicolet")
    found = open_recording(write(path, made(index_first=True)))
    header = nicolet.read_header(str(path))
    chosen = header["channels"][:4]
    assert tuple(channel["label"] for channel in chosen) == found.channels
    assert tuple(channel["reference"] for channel in chosen) == found.references
    with path.open("rb") as file:
        for number, channel in enumerate(chosen):
            raw = np.frombuffer(nicolet.read_channel(file, header, number), "<i2")
            np.testing.assert_array_equal((raw * channel["resolution"]).astype(np.float32), found.read()[number])
    starts = [found.start.replace(tzinfo=None) + timedelta(seconds=run.onset_s) for run in found.runs]
    assert [segment["start"] for segment in header["segments"]] == starts
    assert [event["label"] for event in header["events"]] == [EVENTS[0].text, "in the gap", "", "3 minutes"]
    assert header["events"][3]["type"] == "Seizure"  # the file says hyperventilation
    hundredth = [event["when"] - found.start.replace(tzinfo=None) for event in header["events"]]
    assert [each.total_seconds() for each in hundredth] == [1.0, 4.0, 1805.0, 1806.0]


# What a file may state


def test_the_rate_of_the_electrodes_is_used_even_if_other_channels_are_more(path):
    others = [Channel(f"X{number}", digital(6.5, 512.0), 512.0) for number in range(5)]
    found = open_recording(write(path, made(channels=(*made().channels, *others))))
    assert (found.channels, found.rate_hz) == (NAMES, RATE_HZ)


def test_channels_without_a_valid_resolution_or_rate_are_left_out(path):
    eeg = made().channels
    odd = (replace(eeg[0], step_uv=0.0), replace(eeg[1], step_uv=float("nan")), replace(eeg[2], rate_hz=-1.0))
    found = open_recording(write(path, made(channels=(*eeg, *odd))))
    assert found.channels == NAMES
    assert found.notes[:2] == (
        "left out because they have another sampling rate than the EEG: Rate",
        "left out because they have no valid resolution: Fp1, C3",
    )
    with pytest.raises(
        ReadError, match=r"a\.e: no channel can be used; left out because they have no valid resolution"
    ):
        open_recording(write(path, made(channels=odd[:2])))


def test_a_stated_offset_is_ignored_and_a_long_reference_kept(path):
    channels = [replace(channel, offset_uv=100.0, reference="A1+A2") for channel in made().channels]
    found = open_recording(write(path, made(channels=channels)))
    assert found.references == ("A1+A2",) * 4
    np.testing.assert_array_equal(found.read(), open_recording(write(path, made())).read())


def test_a_description_that_is_repeated_is_one_and_a_changed_one_is_refused(path):
    assert open_recording(write(path, made(descriptions=3))).channels == NAMES
    other = described([replace(channel, reference="A1") for channel in made().channels])
    with pytest.raises(ReadError, match=r"a\.e: its channels change during the recording, which is not read"):
        open_recording(write(path, made(series=described(made().channels) + other)))


def test_segments_without_a_known_pause_are_noted(path):
    found = open_recording(write(path, made(segments=((0.0, 4.0), (4.0, 2.5)))))
    assert found.gaps == ()
    assert found.notes[-1] == "segments were joined at 1 places; gap lengths are unknown"


def test_fractions_of_a_second_in_the_starts_of_segments_are_kept(path):
    found = open_recording(write(path, made(segments=((0.125, 4.0), (4.5, 2.5)))))
    assert found.start == START + timedelta(milliseconds=125)
    assert [(gap.start_s, gap.duration_s) for gap in found.gaps] == [(4.0, pytest.approx(0.375, abs=2e-6))]


def test_a_clock_that_goes_back_is_a_doubt(path):
    write(path, made(segments=((100.0, 4.0), (50.0, 2.5))))
    with pytest.raises(ReadError, match="its clock goes back by 54 s after 4 s of samples"):
        open_recording(path)


@pytest.mark.parametrize(("duration_s", "stated"), [(3.5, 1920), (2.25, 1600)])
def test_samples_that_do_not_fit_the_segments_are_a_doubt(path, duration_s, stated):
    write(path, made(segments=((0.0, 4.0), (1804.0, duration_s))))
    with pytest.raises(ReadError, match=f"its segments state {stated} samples per channel, but 1664 are stored"):
        open_recording(path)
    assert open_recording(path, accept_doubtful=True).n_samples == min(stated, 1664)


def test_a_duration_that_is_rounded_by_a_sample_is_a_note(path):
    found = open_recording(write(path, made(segments=((0.0, 4.0), (1804.0, 2.5 - 1 / RATE_HZ)))))
    assert found.n_samples == 1663
    assert "its segments state 1663 samples per channel, but 1664 are stored" in found.notes


def test_an_event_of_an_unknown_type_keeps_its_text_or_names_its_type(path):
    odd = UUID("{00000000-0000-0000-0000-0000000000AA}")
    events = (Event(1, "hello", kind=odd), Event(2, kind=odd), Event(float(3), "", -5.0, COMMENT))
    found = open_recording(write(path, made(events=events)))
    texts = ("hello", "event of type 00000000-0000-0000-0000-0000000000AA", "event")
    assert found.annotations == tuple(Annotation(float(at), 0.0, text) for at, text in enumerate(texts, start=1))


def test_events_that_cannot_be_read_are_counted(path):
    write(path, made())
    content = path.read_bytes()
    at = content.index(EVENTS[1].text.encode("utf-16-le")) - 0x108
    path.write_bytes(content[: at + 16] + struct.pack("<Q", 5) + content[at + 24 :])
    found = open_recording(path)
    assert [note.text for note in found.annotations] == [EVENTS[0].text]
    assert any("bytes of its events cannot be read" in note for note in found.notes)


def test_types_are_named_once():
    assert all(UUID(kind) and kind == kind.upper() for kind in TYPES)


@pytest.mark.parametrize(
    ("at", "form", "value", "words"),
    [
        (0x18, "<I", 0, "is not a Nicolet file, or was written before about 2012"),
        (0x18, "<I", 2**31, "is damaged or truncated: a block of the index should be"),
        (172, "<I", 2**31, "the list of sections should be"),
        (172_208, "<I", 2**30, "its index has .* of 1073741824 entries|a block of the index should be"),
    ],
)
def test_damaged_heads_are_refused_in_one_sentence(path, at, form, value, words):
    content = bytearray(write(path, made()).read_bytes())
    struct.pack_into(form, content, at, value)
    path.write_bytes(content)
    with pytest.raises(ReadError, match=rf"a\.e: .*({words})"):
        open_recording(path)


def test_an_index_that_leads_back_is_refused(path):
    content = bytearray(write(path, made(block=4)).read_bytes())
    (index,) = struct.unpack_from("<I", content, 0x18)
    struct.pack_into("<Q", content, index + 8 + 4 * 24, index)
    path.write_bytes(content)
    with pytest.raises(ReadError, match=r"a\.e: is damaged: its index has 4 of \d+ entries"):
        open_recording(path)


def test_a_file_that_becomes_shorter_is_an_error(path):
    found = open_recording(write(path, made()))
    path.write_bytes(path.read_bytes()[:190_000])
    with pytest.raises(ReadError, match=r"a\.e: has become shorter since it was opened"):
        found.read()
