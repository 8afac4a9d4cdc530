"""True times: one check for every format that can state a pause, read from its file or handed in as MNE's Raw."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mne
import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.recording import Gap, Recording
from ictal.errors import ReadError
from ictal.io import open_recording
from ictal.io.mne_formats.reader import from_raw
from ictal.io.times import JITTER_S, Join, Times, find_joins, layout_of
from tests.io.devices import nihon_files
from tests.io.test_edf_file import Made, tals
from tests.io.test_edf_file import write as write_edf

RATE_HZ, BEFORE_S, AFTER_S = 200, 40, 30
N_SAMPLES = (BEFORE_S + AFTER_S) * RATE_HZ
START = datetime(2024, 2, 29, 23, 59, 50, tzinfo=UTC)
NAMES = ("Fp1", "C3", "O2")
EARLY_S, LATE_S = 10.0, 5.0
"""Two comments: so many seconds behind the start, and behind the end of the pause."""


def steps() -> np.ndarray:
    """Return whole µV, each sample another number, [channel, time]."""
    return (np.arange(len(NAMES) * N_SAMPLES) % 6000 - 3000).reshape(len(NAMES), -1).astype(float)


def write_persyst(path: Path, pause_s: float) -> None:
    (path.parent / "a.dat").write_bytes(np.rint(steps()).astype("<i2").T.tobytes())
    late, clock = BEFORE_S + pause_s + LATE_S, 86_390.0
    path.write_text(
        f"[FileInfo]\nFile=a.dat\nFileType=Interleaved\nSamplingRate={RATE_HZ}\nHeaderLength=0\nCalibration=1\n"
        f"WaveformCount={len(NAMES)}\nDataType=0\n[ChannelMap]\n"
        + "".join(f"{name}-Ref={number}\n" for number, name in enumerate(NAMES, 1))
        + "[Patient]\nBirthDate=01/02/50\nSex=F\nHand=R\nTestDate=02/29/2024\nTestTime=23:59:50\n[SampleTimes]\n"
        f"0={clock:.3f}\n{20 * RATE_HZ}={clock + 20.004:.3f}\n"
        f"{BEFORE_S * RATE_HZ}={clock + BEFORE_S + pause_s:.3f}\n"
        f"[Comments]\n{EARLY_S},0.0,0,1,early, with a comma\n{late},2.5,0,1,late\n"
    )


def write_brainvision(path: Path, pause_s: float) -> None:
    channels = "".join(f"Ch{number}={name},,1,µV\n" for number, name in enumerate(NAMES, 1))
    path.write_text(
        "BrainVision Data Exchange Header File Version 1.0\n[Common Infos]\nCodepage=UTF-8\nDataFile=a.eeg\n"
        "MarkerFile=a.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\n"
        f"NumberOfChannels={len(NAMES)}\nSamplingInterval={1e6 / RATE_HZ}\n[Binary Infos]\n"
        f"BinaryFormat=INT_16\n[Channel Infos]\n{channels}",
        encoding="utf-8",
    )
    (path.parent / "a.eeg").write_bytes(steps().T.astype("<i2").tobytes())
    again = (START + timedelta(seconds=BEFORE_S + pause_s)).strftime("%Y%m%d%H%M%S%f")
    early, late = round(EARLY_S * RATE_HZ) + 1, round((BEFORE_S + LATE_S) * RATE_HZ) + 1
    (path.parent / "a.vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\nCodepage=UTF-8\nDataFile=a.eeg\n"
        f"[Marker Infos]\nMk1=New Segment,,1,1,0,{START:%Y%m%d%H%M%S%f}\n"
        f"Mk2=Comment,early\\1 with a comma,{early},1,0\n"
        f"Mk3=New Segment,,{BEFORE_S * RATE_HZ + 1},1,0,{again}\nMk4=Comment,late,{late},500,0\n",
        encoding="utf-8",
    )


def write_eeglab(path: Path, pause_s: float) -> None:
    """EEGLAB: latencies are samples from 1; a boundary lies between two of them, and lasts what was cut out."""
    place = [("labels", "O"), ("type", "O")]
    events = [("type", "O"), ("latency", "O"), ("duration", "O")]
    rows = [
        ("boundary", 0.5, 4000.0),
        ("early, with a comma", EARLY_S * RATE_HZ + 1, 0.0),
        ("boundary", BEFORE_S * RATE_HZ + 0.5, pause_s * RATE_HZ),
        ("late", (BEFORE_S + LATE_S) * RATE_HZ + 1, 500.0),
    ]
    eeg = {"setname": "a", "nbchan": float(len(NAMES)), "pnts": float(N_SAMPLES), "trials": 1.0, "xmin": 0.0}
    eeg["chanlocs"] = np.array([(name, "EEG") for name in NAMES], dtype=place)
    eeg |= {"srate": float(RATE_HZ), "xmax": N_SAMPLES / RATE_HZ, "data": steps()}
    eeg |= {
        "chanlocs": np.array([(name, "EEG") for name in NAMES], dtype=place),
        "event": np.array(rows, dtype=events),
    }
    scipy.io.savemat(path, {"EEG": eeg})


def write_edf_plus(kind: str) -> Callable[[Path, float], None]:
    def write(path: Path, pause_s: float) -> None:
        digital = steps().reshape(len(NAMES), -1, RATE_HZ).astype(int)
        signals = [Made(name, row, physical=("-32768", "32767")) for name, row in zip(NAMES, digital, strict=True)]
        times = []
        for record in range(BEFORE_S + AFTER_S):
            onset = record if record < BEFORE_S else record + pause_s
            notes = {10: b"+10\x14early, with a comma\x14"}
            late = f"+{BEFORE_S + pause_s + LATE_S:.6f}\x152.5\x14late\x14".encode()
            notes[BEFORE_S + round(LATE_S)] = late
            times.append(tals(f"+{onset:.6f}", *[notes[record]] if record in notes else []))
        write_edf(path, signals, times, plus=kind, time="23.59.50", recording="Startdate 29-FEB-2024 X X X")

    return write


def write_fif(path: Path, pause_s: float) -> None:
    """MNE writes a skip in place of samples that are marked as never recorded, as acquisition does."""
    skipped = round(pause_s * RATE_HZ)
    samples = np.insert(steps(), [BEFORE_S * RATE_HZ] * skipped, 0, axis=1)
    raw = mne.io.RawArray(samples * 1e-6, mne.create_info(list(NAMES), RATE_HZ, "eeg"), verbose="ERROR")
    raw.set_meas_date(START)
    onsets = [EARLY_S, BEFORE_S, BEFORE_S + pause_s + LATE_S]
    words = ["early, with a comma", "BAD_ACQ_SKIP", "late"]
    raw.set_annotations(mne.Annotations(onsets, [0, pause_s, 2.5], words, orig_time=START))
    raw.save(path, buffer_size_sec=1, verbose="ERROR")


def write_nihon(path: Path, pause_s: float) -> None:
    """EEG-1100C with two blocks, of which each states when it begins."""
    digital = np.rint(steps() / (6400 / 2**16))
    cut, second = BEFORE_S * RATE_HZ, round((START - nihon_files.START).total_seconds())
    later = second + BEFORE_S + round(pause_s)
    events = (
        ("early, with a comma", EARLY_S, second + EARLY_S),
        ("late", BEFORE_S + LATE_S, later + LATE_S),
    )
    blocks = ((second, digital[:, :cut]), (later, digital[:, cut:]))
    made = nihon_files.Nihon(range(len(NAMES)), blocks, dict(enumerate(NAMES)), events, RATE_HZ)
    nihon_files.write(path, made)


@dataclass(frozen=True)
class Format:
    """A format that states pauses, how exactly (s), and MNE's reader where it reads it too."""

    file: str
    write: Callable[[Path, float], None]
    exact_s: float
    raw: Callable[..., mne.io.BaseRaw] | None = None
    prefix: str = ""
    lasts_s: float = 2.5
    tolerance_uv: float = 2e-4
    knows_start: bool = True


FORMATS = {
    "persyst": Format("a.lay", write_persyst, 0.6e-3, mne.io.read_raw_persyst),
    "brainvision": Format("a.vhdr", write_brainvision, 1e-6, mne.io.read_raw_brainvision, prefix="Comment/"),
    "eeglab": Format("a.set", write_eeglab, 1e-6, mne.io.read_raw_eeglab, knows_start=False),
    "edf+d": Format("a.edf", write_edf_plus("EDF+D"), 1e-6, mne.io.read_raw_edf),
    "edf+c": Format("b.edf", write_edf_plus("EDF+C"), 1e-6, mne.io.read_raw_edf),
    "fif": Format("a_raw.fif", write_fif, 1e-6, mne.io.read_raw_fif),
    "nihon kohden": Format("a.EEG", write_nihon, 1e-6, mne.io.read_raw_nihon, lasts_s=0, tolerance_uv=0.06),
}
PAUSES = {"persyst": (1800.0, 0.05, 7.0013), "fif": (1800.0, 3.0), "nihon kohden": (1800.0, 86_400.0)}
"""FIF skips whole buffers, and Nihon Kohden states whole seconds; others fractions of a sample."""
CASES = [(name, pause_s) for name in FORMATS for pause_s in PAUSES.get(name, (1800.0, 0.0123, 7.0013))]


def written(folder: Path, name: str, pause_s: float) -> Path:
    path = folder / FORMATS[name].file
    FORMATS[name].write(path, pause_s)
    return path


def check(made: Recording, name: str, pause_s: float, *, knows_start: bool) -> None:
    """Compare times, segments, annotations and samples with what was written."""
    form = FORMATS[name]
    near = form.exact_s + 1e-9
    (gap,) = made.gaps
    assert (gap.start_s, gap.duration_s) == pytest.approx((BEFORE_S, pause_s), abs=near)
    assert made.span_s == pytest.approx(BEFORE_S + pause_s + AFTER_S, abs=near)
    assert [(part.start, part.stop) for part in made.runs] == [(0, 8000), (8000, 14_000)]
    assert [part.onset_s for part in made.runs] == pytest.approx([0, BEFORE_S + pause_s], abs=near)
    assert made.start == (START if knows_start else None)
    found = [(note.text, note.onset_s, note.duration_s) for note in made.annotations]
    expected = [("early, with a comma", EARLY_S, 0.0), ("late", BEFORE_S + pause_s + LATE_S, form.lasts_s)]
    assert [text for text, *_ in found] == [form.prefix + text for text, *_ in expected]
    for (_, onset_s, duration_s), (text, true_s, lasts_s) in zip(found, expected, strict=True):
        assert onset_s == pytest.approx(true_s, abs=near + 1e-6), text
        if lasts_s:
            assert duration_s == pytest.approx(lasts_s, abs=1e-6)
    np.testing.assert_allclose(made.read(), steps(), rtol=0, atol=form.tolerance_uv)
    across = made.read(7_990, 8_020, [2, 0])
    np.testing.assert_array_equal(across, made.read()[[2, 0], 7_990:8_020])


@pytest.mark.parametrize(("name", "pause_s"), CASES)
def test_times_are_true_ones(name, pause_s, tmp_path):
    made = open_recording(written(tmp_path, name, pause_s))
    check(made, name, pause_s, knows_start=FORMATS[name].knows_start)
    said = [note for note in made.notes if "PNT" not in note and "midnight" not in note]
    assert said == (
        ["its gaps are accurate to the second, since its blocks state start times in seconds"]
        if "nihon" in name
        else []
    )


@pytest.mark.parametrize("name", FORMATS)
def test_times_of_a_raw_that_is_handed_in_are_true_ones(name, tmp_path):
    """The date of a Raw is its own: without a .PNT file MNE knows none of Nihon Kohden's."""
    raw = FORMATS[name].raw(written(tmp_path, name, 1800.0), verbose="ERROR")
    check(from_raw(raw), name, 1800.0, knows_start=raw.info["meas_date"] is not None)


@pytest.mark.parametrize("name", ["persyst", "brainvision", "edf+d"])
def test_times_of_a_raw_that_was_cropped_count_from_its_first_sample(name, tmp_path):
    path = written(tmp_path, name, 1800.0)
    made = from_raw(FORMATS[name].raw(path, verbose="ERROR").crop(35, None))
    assert made.gaps == (Gap(5, pytest.approx(1800)),)
    assert made.start == START + timedelta(seconds=35)
    assert [note.onset_s for note in made.annotations if "late" in note.text] == [pytest.approx(1810)]
    last = from_raw(FORMATS[name].raw(path, verbose="ERROR").crop(42, None))
    assert (last.gaps, last.start) == ((), START + timedelta(seconds=1842))
    assert [note.onset_s for note in last.annotations if "late" in note.text] == [pytest.approx(3)]
    assert from_raw(FORMATS[name].raw(path, verbose="ERROR").crop(0, 39)).gaps == ()


def test_what_mne_marks_as_never_recorded_is_no_sample():
    """As EGI's epochs: a skip begins half a sample early there, and one may stand at either end."""
    info = mne.create_info(["Fp1"], 100, "eeg")
    raw = mne.io.RawArray(np.arange(1000.0)[None] * 1e-6, info, verbose="ERROR")
    notes = mne.Annotations([0, 3.995, 9, 2], [0.5, 2, 1, 0], [*["BAD_ACQ_SKIP"] * 3, "event"])
    made = from_raw(raw.set_annotations(notes))
    assert made.gaps == (Gap(3.5, pytest.approx(2)),)
    np.testing.assert_allclose(made.read()[0], [*range(50, 400), *range(600, 900)], rtol=1e-6)
    assert [(note.text, note.onset_s) for note in made.annotations] == [("event", pytest.approx(1.5))]
    all_skipped = raw.copy().set_annotations(mne.Annotations(0, 10, "BAD_ACQ_SKIP"))
    with pytest.raises(ReadError, match="raw: has no samples"):
        from_raw(all_skipped)


# What cannot be known, and what cannot be


def test_a_pause_that_nobody_knows_is_a_note(tmp_path):
    path = written(tmp_path, "brainvision", 7)
    markers = tmp_path / "a.vmrk"
    markers.write_text(
        markers.read_text().replace("Mk3=New Segment,,8001,1,0,20240301000037000000", "Mk3=New Segment,,8001,1,0")
    )
    made = open_recording(path)
    assert made.gaps == ()
    assert made.notes == ("segments were joined at 1 places; gap lengths are unknown",)
    path = written(tmp_path, "eeglab", np.nan)
    assert open_recording(path).notes[-1].startswith("segments were joined at 1 places")


def test_what_eeglab_states_between_a_pause_and_the_sample_behind_it_is_after_the_pause(tmp_path):
    """A resampled recording has events between two samples; 8000.5 is the boundary, 8001 the first sample."""
    path = written(tmp_path, "eeglab", 1800.0)
    eeg = scipy.io.loadmat(path)
    rows = [("before", 8000.4, 0.0), ("boundary", 8000.5, 1800.0 * RATE_HZ), ("after", 8000.9, 0.0)]
    rows.append(("up to it", 7801.0, 200.0))
    events = np.array(rows, dtype=[("type", "O"), ("latency", "O"), ("duration", "O")])
    eeg["EEG"][0, 0]["event"] = events[None]
    scipy.io.savemat(path, {"EEG": eeg["EEG"]})
    made = open_recording(path)
    found = {note.text: (note.onset_s, note.duration_s) for note in made.annotations}
    assert found["before"][0] == pytest.approx(7999.4 / RATE_HZ)
    assert found["after"][0] == pytest.approx(BEFORE_S + 1800)
    assert found["up to it"] == pytest.approx((39.0, 1.0))


@pytest.mark.parametrize("name", ["persyst", "brainvision", "edf+d", "nihon kohden"])
def test_times_that_go_back_are_refused_or_accepted_with_a_note(name, tmp_path):
    path = written(tmp_path, name, -5)
    words = r"its clock goes back by 5 s after 40 s of samples\. .*--accept-doubtful"
    with pytest.raises(ReadError, match=words):
        open_recording(path)
    made = open_recording(path, accept_doubtful=True)
    assert made.gaps == ()
    assert any(note.startswith("accepted although doubtful: its clock goes back") for note in made.notes)
    with pytest.raises(ReadError, match="its clock goes back"):
        from_raw(FORMATS[name].raw(path, verbose="ERROR")).resolve_doubts()


def test_a_continuous_edf_that_contradicts_itself_is_taken_as_continuous_with_a_note(tmp_path):
    made = open_recording(written(tmp_path, "edf+c", -5))
    assert made.gaps == ()
    assert [note[:40] for note in made.notes] == ["its records state overlapping times; since it"[:40]]


def test_the_times_of_an_edf_that_names_no_kind_are_true_ones(tmp_path):
    """Programs that take names out of headers empty this field too, and leave the records as they are."""
    path = written(tmp_path, "edf+d", 1800.0)
    content = bytearray(path.read_bytes())
    content[192:236] = b" " * 44
    path.write_bytes(content)
    check(open_recording(path), "edf+d", 1800.0, knows_start=True)
    path = written(tmp_path, "edf+d", -5)
    content = bytearray(path.read_bytes())
    content[192:236] = b" " * 44
    path.write_bytes(content)
    made = open_recording(path)
    assert (made.gaps, [note[:40] for note in made.notes]) == (
        (),
        ["its records state overlapping times; since it"[:40]],
    )


def test_a_clock_that_passes_midnight_goes_on(tmp_path):
    path = written(tmp_path, "persyst", 100)
    path.write_text(path.read_text().replace("8000=86530.000", "8000=130.000"))
    made = open_recording(path)
    assert made.gaps == (Gap(40, pytest.approx(100)),)
    assert "[SampleTimes] restarts at midnight; times after that are taken as the next day" in made.notes


@given(
    lengths=st.lists(st.integers(1, 5000), min_size=1, max_size=6),
    pauses=st.lists(st.floats(2 * JITTER_S, 1e5), min_size=5, max_size=5),
    rate_hz=st.sampled_from([100.0, 199.9, 256.0, 999.4121]),
)
def test_pieces_are_placed_where_they_are_stated(lengths, pauses, rate_hz):
    firsts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    late = np.concatenate([[0.0], np.cumsum(pauses[: len(lengths) - 1])])
    joins = find_joins((firsts / rate_hz).tolist(), (firsts / rate_hz + late).tolist())
    layout = layout_of(int(sum(lengths)), rate_hz, joins)
    assert layout.ranges == tuple(zip(firsts, np.cumsum(lengths), strict=True))
    assert [segment.onset_s for segment in layout.segments] == pytest.approx(
        (firsts / rate_hz + late).tolist(), abs=1e-6
    )
    assert [gap.duration_s for gap in layout.gaps] == pytest.approx(pauses[: len(lengths) - 1], abs=1e-6)
    assert layout.n_samples == sum(lengths)


def test_rounded_clocks_make_no_pause():
    assert find_joins([0, 1, 2, 3], [0, 1.004, 1.996, 3.003]) == ()
    slow = find_joins(range(100), [1.009 * second for second in range(100)])
    assert [round(join.pause_s, 3) for join in slow] == [0.504]
    assert Times((Join(5, -0.05),), clock_s=0.1).doubts == ()
    assert Times((Join(5, -0.05),), clock_s=0.1).all_notes == (
        "its clock goes back by up to 0.05 s at 1 joins, which is ignored",
    )
