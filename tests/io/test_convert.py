import json
import resource
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import edfio
import mne
import numpy as np
import pyedflib
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ictal
from ictal.core.recording import Annotation, FileRun, Gap, Recording
from ictal.errors import ReadError, UsageError, WriteError
from ictal.io import open_recording
from ictal.io.convert import Conversion, convert
from ictal.io.edf.header import EdfFile
from ictal.io.edf.records import choose_records, without
from ictal.preprocessing.channel_graph import Channels
from ictal.preprocessing.channel_mapping import widest_mapping
from ictal.preprocessing.filtering import at_limits
from tests.helpers import noise
from tests.helpers import recording as recording_of
from tests.io.test_edf_copy import GAP_S, assert_same_notes, make, triples

BITS = {".edf": 16, ".bdf": 24}
NAMES = ("Fp1", "EEG F3-REF", "SaO2", "EKG")


def converted(made: Recording, folder: Path, suffix: str = ".edf") -> tuple[Conversion, Recording]:
    done = convert(made, folder / f"out{suffix}", overwrite=True)
    return done, open_recording(done.file)


def with_runs(lengths: Sequence[int], pauses_s: Sequence[float], rate_hz: float, seed: int = 0) -> Recording:
    """Return a recording of noise with a gap after each run but the last."""
    samples = noise(sum(lengths), seed, len(NAMES)) * np.array([[1], [0.01], [10], [3]], dtype=np.float32)
    gaps, end_s = [], 0.0
    for length, pause_s in zip(lengths, pauses_s, strict=False):
        end_s += length / rate_hz
        gaps.append(Gap(end_s, pause_s))
        end_s += pause_s
    return replace(Recording.from_array(samples, NAMES, rate_hz, "made"), gaps=tuple(gaps))


def times_of(recording: Recording) -> np.ndarray:
    """Return the time of each sample, in seconds from the start."""
    return np.concatenate(
        [run.onset_s + np.arange(run.stop - run.start) / recording.rate_hz for run in recording.runs]
    )


def kept_of(made: Recording, read: Recording) -> np.ndarray:
    """Return which sample of the original each sample of the new file is, by their clock times."""
    late_s = (read.start - made.start).total_seconds() if made.start else 0.0
    old, new = times_of(made), times_of(read) + late_s
    nearest = np.searchsorted(old, new - 0.4 / made.rate_hz)
    np.testing.assert_allclose(new, old[nearest], rtol=0, atol=1e-6)
    return nearest


def half_step(read: Recording, samples: np.ndarray, bits: int) -> np.ndarray:
    """Return half a digital step, and what float32 rounds away when samples are read."""
    ranges = np.array([high - low for low, high in read.limits_uv])
    return (ranges / (2**bits - 2) / 2 + 2.0**-23 * np.abs(samples).max(axis=1))[:, None]


# What is kept

texts = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), min_size=1, max_size=80).filter(
    lambda text: text == text.strip()
)
microseconds = st.integers(-(10**7), 10**9).map(lambda us: us / 1e6)
annotations = st.lists(st.builds(Annotation, microseconds, st.integers(0, 10**9).map(lambda us: us / 1e6), texts))
starts = st.datetimes(datetime(1985, 1, 2), datetime(2084, 12, 1)).map(lambda day: day.replace(tzinfo=UTC))
EXACT_RATES = (100, 128, 160, 200, 250, 256, 500, 512, 1000 / 3, 2048)


@given(
    rate_hz=st.sampled_from(EXACT_RATES),
    lengths=st.lists(st.integers(1000, 4000), min_size=1, max_size=4),
    pauses_s=st.lists(st.integers(20_000, 10**8).map(lambda us: us / 1e6), min_size=3, max_size=3),
    notes=annotations,
    start=starts,
    suffix=st.sampled_from([".edf", ".bdf"]),
)
def test_samples_times_and_annotations_come_back(rate_hz, lengths, pauses_s, notes, start, suffix, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    notes = tuple(sorted(notes, key=lambda note: note.onset_s))
    made = replace(with_runs(lengths, pauses_s, rate_hz), start=start, annotations=notes)
    done, read = converted(made, folder, suffix)
    kept = kept_of(made, read)
    samples = made.read()[:, kept]
    assert (np.abs(read.read() - samples) <= half_step(read, samples, BITS[suffix])).all()
    assert (read.channels, read.start) == (NAMES, start)
    assert read.rate_hz == pytest.approx(rate_hz, rel=1e-9)
    assert_same_notes(triples(read.annotations), triples(notes))
    lost = [note for note in done.notes if "are left out at the end" in note]
    assert bool(lost) == (len(kept) < made.n_samples)
    assert made.n_samples - len(kept) < 32 * len(lengths)  # at 2048 Hz, a record has a multiple of 32 samples
    assert (done.kind[3:], done.n_gaps) == (("+D" if len(lengths) > 1 else "+C"), len(read.gaps))
    # Once more, and nothing changes: neither digital samples nor times.
    again, twice = convert(done.file, folder / f"again{suffix}"), open_recording(folder / f"again{suffix}")
    assert again.notes == ()
    np.testing.assert_array_equal(twice.read(), read.read())
    assert (twice.gaps, twice.annotations, twice.start) == (read.gaps, read.annotations, read.start)


def with_mne(path: Path) -> tuple[np.ndarray, list]:
    raw = mne.io.read_raw(path, verbose="ERROR")
    return raw.get_data() * 1e6, [(a["onset"], a["duration"], str(a["description"])) for a in raw.annotations]


def with_pyedflib(path: Path) -> tuple[np.ndarray, list]:
    with pyedflib.EdfReader(str(path)) as file:
        onsets, durations, found = file.readAnnotations()
        rows = np.stack([file.readSignal(row) for row in range(file.signals_in_file)])
    return rows, list(zip(onsets, np.maximum(durations, 0), found, strict=True))


def with_edfio(path: Path) -> tuple[np.ndarray, list]:
    file = (edfio.read_bdf if path.suffix == ".bdf" else edfio.read_edf)(path)
    found = [(note.onset, note.duration or 0.0, note.text) for note in file.annotations]
    return np.stack([row.data for row in file.signals]), found


READERS: dict[str, Callable[[Path], tuple[np.ndarray, list]]] = {
    "mne": with_mne,
    "pyedflib": with_pyedflib,
    "edfio": with_edfio,
}


@pytest.mark.parametrize("suffix", BITS)
@pytest.mark.parametrize("lengths", [(1234,), (1000, 500)])
@pytest.mark.parametrize("reader", READERS)
def test_others_read_the_same_samples_and_annotations(reader, lengths, suffix, tmp_path):
    """pyEDFlib refuses EDF+D; MNE and edfio read it as if it had no gaps."""
    notes = (Annotation(0.25, 0, "begin"), Annotation(1.234567, 2, "Müdigkeit"), Annotation(4, 1, "n" * 500))
    start = datetime(2024, 2, 29, 23, 59, 59, 250_000, tzinfo=UTC)
    made = replace(with_runs(lengths, (60,), 200), start=start, annotations=notes)
    done, read = converted(made, tmp_path, suffix)
    if reader == "pyedflib" and done.kind.endswith("D"):
        with pytest.raises(OSError, match="discontinuous"):
            with_pyedflib(done.file)
        return
    samples, found = READERS[reader](done.file)
    assert (np.abs(samples - made.read()) <= half_step(read, made.read(), BITS[suffix])).all()
    assert_same_notes(found, triples(notes))


def test_a_recording_with_gaps_states_the_onset_of_each_record(tmp_path):
    made = replace(with_runs((400, 300, 200), (10.5, 0.25), 200), start=datetime(2024, 1, 1, 0, 0, 0, 125_000))
    done, read = converted(made, tmp_path)
    file = EdfFile.open(done.file)
    assert (file.plus, file.record_s, file.n_records) == ("EDF+D", 0.5, 9)
    expected = [0.125, 0.625, 1.125, 1.625, 12.625, 13.125, 13.625, 14.375, 14.875]
    np.testing.assert_allclose(file.onsets_s, expected, rtol=0, atol=1e-9)
    assert [(gap.start_s, gap.duration_s) for gap in read.gaps] == [(2.0, 10.5), (14.0, 0.25)]


def test_digital_samples_of_edf_and_bdf_stay_what_they_are(tmp_path):
    for kind in ("EDF", "EDF+D", "BDF+C"):
        suffix = f".{kind[:3].lower()}"
        source = make(tmp_path / f"a{suffix}", kind, first_s=0.25 if "+" in kind else 0)
        done = convert(source, tmp_path / f"b{suffix}", overwrite=True)
        old, new = open_recording(source), open_recording(done.file)
        np.testing.assert_array_equal(new.read(), old.read())
        assert (new.gaps, new.annotations, new.start) == (old.gaps, old.annotations, old.start)
        assert done.kind == (kind if "+" in kind else "EDF+C")
        assert done.notes == ()
    assert open_recording(tmp_path / "a.edf").gaps == (Gap(3.0, GAP_S),)


def test_the_24_bits_of_bdf_need_bdf(tmp_path):
    source = make(tmp_path / "a.bdf", "BDF")
    (note,) = convert(source, tmp_path / "b.edf").notes
    assert note.startswith("16 bits and the largest values make steps of voltage coarser: EEG Fp1-REF 0.015 µV")
    assert note.endswith("a .bdf has finer ones")


def test_samples_at_limits_that_the_new_file_cannot_state_are_noted(tmp_path):
    low, high = -262144.0, 262143.0
    samples = np.array([[low, 0, 1] * 100, [-5, 0, high] * 100, [-5, 0, 5] * 100], dtype=np.float32)
    made = Recording.from_array(samples, ("F3", "C3", "P3"), 200, "made")
    done, _ = converted(replace(made, limits_uv=((low, high),) * 3), tmp_path)
    assert done.notes[-1].endswith("so clipped samples cannot be recognized in F3, C3")


# Voltages


@pytest.mark.parametrize("suffix", BITS)
@pytest.mark.parametrize(
    ("low", "high", "unit"),
    [
        (-400, 400, "uV"),
        (99_000, 99_100, "uV"),
        (-5e8, 5e8, "mV"),
        (-3e11, 1, "V"),
        (-1e-4, 2e-4, "uV"),
        (7, 7, "uV"),
        (0, 0, "uV"),
        (-1e-11, 2e-11, "uV"),
        (1e-30, 2e-30, "uV"),
    ],
)
def test_voltages_of_any_size_are_stored_in_the_finest_steps(low, high, unit, suffix, tmp_path):
    samples = np.linspace(low, high, 1000, dtype=np.float32)[None]
    done, read = converted(Recording.from_array(samples, ("DC1",), 200, "made"), tmp_path, suffix)
    signal = EdfFile.open(done.file).signals[0]
    assert signal.dimension == unit
    assert (np.abs(read.read() - samples) <= half_step(read, samples, BITS[suffix])).all()
    assert not at_limits(read.read(), [*read.limits_uv]).any()  # nothing was clipped, and nothing looks so
    span = high - low if low > 0 and high > low else 2 * max(abs(low), abs(high))
    assert done.step_uv <= 1.1 * span / 2 ** BITS[suffix] + 1e-9
    assert any("coarser" in note for note in done.notes) == (done.step_uv > 0.5)


def test_zero_stays_zero_because_it_marks_the_reference(tmp_path):
    rng = np.random.default_rng(0)
    samples = np.vstack([[0.0, limit, 0.0, -limit / 3] * 50 for limit in rng.uniform(1, 5000, 200)])
    names = tuple(f"X{number}" for number in range(200))
    for suffix in BITS:
        _, read = converted(Recording.from_array(samples, names, 200), tmp_path, suffix)
        assert (read.read()[:, ::2] == 0).all()


def test_a_voltage_that_no_header_can_state_is_refused(tmp_path):
    with pytest.raises(WriteError, match=r"channel DC1 has values from -1e\+20 to 1e\+20 µV"):
        converted(Recording.from_array(np.full((1, 200), 1e20), ("DC1",), 200), tmp_path)
    assert not list(tmp_path.iterdir())


@dataclass(frozen=True)
class Digital:
    """A digital source, some samples of which lie beyond its limits."""

    samples: np.ndarray
    steps_uv: tuple[float, ...]

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> np.ndarray:
        return self.samples[list(range(len(self.samples)) if rows is None else rows), start:stop]


def test_samples_beyond_the_limits_of_their_source_are_counted(tmp_path):
    samples = np.zeros((1, 400), dtype=np.float32)
    samples[0, :3] = 4000
    made = Recording("made", ("Fp1",), 200, 400, Digital(samples, (0.1,)), limits_uv=((-3276.8, 3276.7),))
    done, read = converted(made, tmp_path)
    assert done.notes[-1] == "samples beyond the limits that the recording states are clipped: Fp1 3"
    assert read.read()[0, 0] == pytest.approx(3276.7)
    samples[0, 5] = np.nan
    with pytest.raises(WriteError, match=r"Fp1 has no value at 0\.025 s"):
        converted(made, tmp_path / "new")


# Missing samples


def holey() -> Recording:
    """Return 20 s at 200 Hz: all missing in 4 to 6.5 s, C3 in 10.5 to 12.25 s, one sample of all at 15 s."""
    samples = noise(4000, n_channels=3)
    samples[:, 800:1300] = np.nan
    samples[1, 2100:2450] = np.nan
    samples[:, 3000] = np.nan
    samples[2, :100] = np.nan
    return replace(
        Recording.from_array(samples, ("F3", "C3", "P3"), 200, "holey"), start=datetime(2024, 1, 1, tzinfo=UTC)
    )


def test_missing_samples_become_a_gap_or_are_filled_and_marked(tmp_path):
    made = holey()
    done, read = converted(made, tmp_path)
    assert [(gap.start_s, gap.duration_s) for gap in read.gaps] == [(4.0, 2.5)]
    old, new = made.read()[:, kept_of(made, read)], read.read()
    known = np.isfinite(old)
    assert (np.abs(new - old) <= half_step(read, np.nan_to_num(old), 16))[known].all()
    filled = np.flatnonzero(~known[1])
    np.testing.assert_array_equal(new[1, filled[:350]], np.full(350, new[1, filled[0] - 1]))
    np.testing.assert_array_equal(new[2, :100], np.full(100, new[2, 100]))
    assert [(note.onset_s, note.duration_s, note.text) for note in read.annotations] == [
        (0.0, 1.0, "missing samples: P3"),
        (10.0, 3.0, "missing samples: C3"),
        (15.0, 1.0, "missing samples: F3, C3, P3"),
    ]
    gap, lacking = done.notes
    assert gap == "no channel has samples for 1 s or longer in 1 places, 2.5 s in all; these are gaps in EDF"
    assert lacking.startswith("channels lack samples (F3 0.005 s, C3 1.755 s, P3 0.505 s), which EDF cannot mark")


def test_a_recording_that_starts_without_samples_starts_later(tmp_path):
    samples = noise(2000, n_channels=2)
    samples[:, :250] = np.nan
    notes = (Annotation(5.0, 1, "note"),)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    made = replace(Recording.from_array(samples, ("F3", "C3"), 200), start=start, annotations=notes)
    done, read = converted(made, tmp_path)
    assert (done.kind, read.start) == ("EDF+C", start + timedelta(seconds=1.25))
    assert_same_notes(triples(read.annotations), [(3.75, 1, "note")])


def test_a_channel_without_samples_is_left_out(tmp_path):
    samples = noise(2000, n_channels=3)
    samples[1] = np.inf
    made = Recording.from_array(samples, ("F3", "C3", "P3"), 200, "made")
    done, read = converted(made, tmp_path)
    assert read.channels == ("F3", "P3")
    assert done.notes[0] == "left out because they have no samples: C3"
    assert read.annotations == ()
    samples[:] = np.nan
    with pytest.raises(WriteError, match="made: has no samples: all are missing"):
        converted(Recording.from_array(samples, ("F3", "C3", "P3"), 200, "made"), tmp_path)


@given(data=st.data())
def test_what_is_missing_is_found_wherever_it_is(data, tmp_path_factory):
    """Every missing sample is in a gap or in a marked second, and no other sample is in a gap."""
    rate_hz, n_samples = 100, 15_000  # more than two pieces of a minute
    samples = np.ones((2, n_samples), dtype=np.float32)
    for row in (slice(0, 2), slice(0, 1), slice(1, 2)):
        for start in data.draw(st.lists(st.integers(0, n_samples - 1), max_size=4)):
            samples[row, start : start + data.draw(st.integers(1, 900))] = np.nan
    if not np.isfinite(samples).any(axis=1).all():
        return
    start = datetime(2024, 1, 1, tzinfo=UTC)
    made = replace(Recording.from_array(samples, ("F3", "C3"), rate_hz), start=start)
    done, read = converted(made, tmp_path_factory.mktemp("any"))
    kept = np.zeros(n_samples, dtype=bool)
    kept[kept_of(made, read)] = True
    marked = np.zeros(samples.shape, dtype=bool)
    late_s = (read.start - start).total_seconds()
    for note in read.annotations:
        first = round((note.onset_s + late_s) * rate_hz)
        for row, name in enumerate(made.channels):
            marked[row, first : first + round(note.duration_s * rate_hz)] |= name in note.text
    missing = ~np.isfinite(samples)
    assert (marked | ~missing)[:, kept].all()
    assert missing[:, ~kept].all()
    np.testing.assert_allclose(read.read(), 1, rtol=0, atol=done.step_uv)


# Records


@pytest.mark.parametrize(
    ("lengths", "rate_hz", "n_channels", "expected"),
    [
        ((24 * 3600 * 200,), 200, 20, (200, "1")),
        ((1000, 500), 200, 20, (250, "1.25")),  # both fill records of 0.5 or 1.25 s; the latter is closer to 1 s
        ((1300, 900), 200, 20, (100, "0.5")),
        ((17,), 200, 20, (17, "0.085")),
        ((2 * 512 + 8,), 512, 20, (344, "0.671875")),
        ((1_000_003,), 200, 20, (2, "0.01")),  # a prime: one sample is lost
        ((100_000,), 1000 / 3, 20, (400, "1.2")),
        ((60 * 2048,), 2048, 256, (2048, "1")),
    ],
)
def test_records_are_those_that_lose_least(lengths, rate_hz, n_channels, expected):
    runs, begin = [], 0
    for length in lengths:
        runs.append(FileRun(begin, begin + length, 2 * begin / rate_hz))
        begin += length
    found = choose_records(runs, rate_hz, 2 * n_channels, 24, "made")
    assert float(found.duration) == pytest.approx(found.n_samples / rate_hz, rel=1e-12)
    if lengths != (1_000_003,):
        assert (found.n_samples, found.duration, found.lost) == (*expected, ())
    else:
        assert found.lost == (1,)


@given(
    st.lists(st.integers(1, 10**6), min_size=1, max_size=5),
    st.sampled_from([*EXACT_RATES, 250.5, 256.41, 173.61, 199.8, 249.8, float(np.float32(1000 / 3))]),
    st.integers(1, 128),
)
def test_records_hold_all_but_less_than_one_record_of_each_run(lengths, rate_hz, n_channels):
    bounds = np.cumsum([0, *lengths]).tolist()
    runs = [FileRun(start, stop, 2 * start / rate_hz) for start, stop in pairwise(bounds)]
    try:
        found = choose_records(runs, rate_hz, 2 * n_channels, 24, "made")
    except WriteError:
        assert max(lengths) < 2 * rate_hz or rate_hz not in EXACT_RATES
        return
    assert len(found.duration) <= 8
    assert sum(found.lost) + found.n_records * found.n_samples == sum(lengths)
    assert all(lost < found.n_samples for lost in found.lost)
    assert found.n_samples / float(found.duration) == pytest.approx(rate_hz, rel=1.01e-7)
    assert found.drift_s <= 0.5 / rate_hz
    assert found.n_records <= 1_000_000


def test_runs_without_ranges_keep_their_times():
    runs = (FileRun(0, 100, 0.0), FileRun(100, 200, 50.0))
    found = without(runs, [(0, 10), (40, 50), (90, 120), (200, 300)], 10)
    assert found == (FileRun(10, 40, 1.0), FileRun(50, 90, 5.0), FileRun(120, 200, 52.0))
    assert without(runs, [(0, 300)], 10) == ()


@pytest.mark.parametrize(("rate_hz", "noted"), [(250.5, False), (np.pi * 100, True)])
def test_a_rate_that_edf_cannot_state_is_rounded_with_a_note(rate_hz, noted, tmp_path):
    """250.5 Hz are 501 samples in 2 s."""
    done, read = converted(with_runs((1002 * 100,), (), rate_hz), tmp_path)
    assert read.rate_hz == pytest.approx(rate_hz, rel=1e-7)
    assert read.n_samples > 99_000
    notes = [note for note in done.notes if note.startswith(f"EDF states {rate_hz:.10g} Hz as ")]
    assert bool(notes) == noted
    if noted:
        drift_s = abs(read.n_samples / read.rate_hz - read.n_samples / rate_hz)
        assert float(notes[0].rpartition("differ by ")[2].split(" ")[0]) == pytest.approx(drift_s, rel=0.1)


def test_samples_that_fill_no_record_are_noted(tmp_path):
    """At 256 Hz, the duration of fewer than 4 samples does not fit in 8 characters."""
    done, read = converted(with_runs((2563, 1281, 2), (30, 30), 256), tmp_path)
    assert read.n_samples == 2560 + 1280
    lost = next(note for note in done.notes if note.startswith("EDF stores whole records"))
    assert lost.endswith("6 samples, 0.0234 s in all, are left out at the ends of 3 gapless parts")
    with pytest.raises(WriteError, match="EDF cannot store 3 samples at 256 Hz"):
        converted(with_runs((3,), (), 256), tmp_path / "new")


# Annotations


def test_annotations_of_any_length_number_and_time_are_kept(tmp_path):
    notes = [
        Annotation(-3.5, 0, "early"),
        Annotation(15, 1, "in the gap"),
        Annotation(1, 2, "n" * 20_000),
        Annotation(9999.5, 1, "late"),
    ]
    notes += [Annotation(2.5, 0, f"note {number}") for number in range(500)]
    made = replace(with_runs((1000, 1000), (20,), 200), annotations=tuple(notes))
    done, read = converted(made, tmp_path)
    assert_same_notes(triples(read.annotations), triples(notes))
    assert done.n_annotations == 504


def test_texts_that_edf_cannot_hold_are_changed_with_a_note(tmp_path):
    notes = (Annotation(1, 0, "two\nlines"), Annotation(2, 0, ""), Annotation(3, 0, "fine"))
    done, read = converted(replace(with_runs((1000,), (), 200), annotations=notes), tmp_path)
    assert [note.text for note in read.annotations] == ["two lines", "(no text)", "fine"]
    assert done.notes[-1].endswith("empty texts: 2 annotations are changed")


# Names, types, references


@pytest.mark.parametrize(
    ("names", "kinds", "labels"),
    [
        (("Fp1", "EEG F3-REF"), (), ("Fp1", "EEG F3-REF")),
        (("Störung", "心"), (), ("Storung", "?")),
        (("a name of 17 char", "a name of 17 chars"), (), ("a name of 17 cha", "a name of 17 c_2")),
        (("a name of 17 char", "a name of 17 cha"), (), ("a name of 17 c_2", "a name of 17 cha")),
        (("C3", "X1"), ("emg", "ecg"), ("EMG C3", "ECG X1")),
        (("C3", "HEOG", "EKG"), ("eeg", "eog", "ecg"), ("C3", "HEOG", "EKG")),
        (("", "T3"), (), ("channel", "T3")),
        (("Status", "TRIGGER"), (), ("Status_2", "TRIGGER_2")),
        (("edf annotations", "Stätus"), (), ("edf annotation_2", "Status_2")),
    ],
)
def test_names_become_labels_and_changes_are_noted(names, kinds, labels, tmp_path):
    made = replace(Recording.from_array(noise(400, n_channels=len(names)), names, 200, "made"), kinds=kinds)
    done, read = converted(made, tmp_path)
    assert (read.channels, done.channels) == (labels, labels)
    changed = [note for note in done.notes if note.startswith("channels have other names")]
    assert bool(changed) == (names != labels)
    assert all(f"'{old}' is '{new}'" in changed[0] for old, new in zip(names, labels, strict=True) if old != new)
    before, after = Channels.of(made), Channels.of(read)
    assert [edge[::2] for edge in before.electrodes] == [edge[::2] for edge in after.electrodes]
    assert before.heart == after.heart


def test_a_bad_channel_is_noted_because_edf_cannot_mark_it(tmp_path):
    for first, second in (("F3", "C3"), ("F3-C3", "C3-P3")):
        made = Recording.from_array(noise(400, n_channels=2), (first, second), 200, "made")
        done, _ = converted(replace(made, kinds=("eeg", "bad")), tmp_path)
        assert done.notes[0] == f"EDF cannot state why a channel is not used as an electrode: {second} (bad)"
    twice = Recording.from_array(noise(400, n_channels=2), ("C3", "EEG C3"), 200, "made")
    with pytest.raises(WriteError, match=r"EEG C3 and C3 \(both C3\)\. Rename or leave out one of them"):
        converted(replace(twice, kinds=("eeg", "bad")), tmp_path)


def test_references_stated_apart_from_the_names_become_part_of_the_labels(tmp_path):
    names = ("F3", "C3", "P3", "F4", "C4", "P4", "EKG")
    made = replace(
        Recording.from_array(noise(400, n_channels=7), names, 200, "made"),
        references=("A1", "A1", "A1", "A2", "A2", "A2", ""),
    )
    _, read = converted(made, tmp_path)
    assert read.channels == ("F3-A1", "C3-A1", "P3-A1", "F4-A2", "C4-A2", "P4-A2", "EKG")
    assert widest_mapping(read).references == widest_mapping(made).references == ("A1", "A2")
    long = replace(made, references=("the left ear lobe",) * 3 + ("the left ear ring",) * 3 + ("",))
    with pytest.raises(WriteError, match="'F3' as 'F3-the left ear'"):
        converted(long, tmp_path / "new")


# The start


@pytest.mark.parametrize(
    ("start", "note"),
    [
        (None, "its start is unknown; EDF needs one"),
        (datetime(1924, 11, 5, 3, 4, 5), "EDF states years from 1985 to 2084: the date 1924-11-05"),
        (datetime(2084, 12, 31, 23, 59, 59, 999_999), None),
    ],
)
def test_a_start_that_edf_cannot_state_is_noted(start, note, tmp_path):
    done, read = converted(replace(with_runs((400,), (), 200), start=start), tmp_path)
    if note:
        assert done.notes[-1].startswith(note)
        assert read.start.date().isoformat() == "1985-01-01"
    else:
        assert not done.notes
        assert read.start.replace(tzinfo=None) == start


def test_a_time_zone_is_left_out_with_a_note(tmp_path):
    start = datetime(2024, 6, 1, 23, 30, tzinfo=timezone(timedelta(hours=2)))
    done, read = converted(replace(with_runs((400,), (), 200), start=start), tmp_path)
    assert done.notes == ("EDF states no time zone: the clock time 23:30:00 is kept, and 'UTC+0200' is left out",)
    assert read.start == start.replace(tzinfo=UTC)


def test_an_unknown_date_stays_unknown(tmp_path):
    """EDF+ 2.1.3.4: 'Startdate X'. The clock time may be known, as after 'ictal deidentify --dates remove'."""
    start = datetime(1985, 1, 1, 23, 30, tzinfo=UTC)
    done, read = converted(replace(with_runs((400,), (), 200), start=start), tmp_path)
    assert done.file.read_bytes()[88:168].rstrip() == b"Startdate X X X ictal"
    assert (read.start, done.notes) == (start, ())


# Real files


def test_every_real_file_comes_back(shared_data, tmp_path):
    """Digital samples stay what they are; those of Parquet are within half a step."""
    paths = [
        *(shared_data / "edf").iterdir(),
        *(shared_data / "seizure").glob("chb02*.edf"),
        *(shared_data / "hms").glob("*_eegs/*.parquet"),
    ]
    n_files = 0
    for path in sorted(paths):
        try:
            made = open_recording(path)
        except ReadError:
            continue
        suffix = ".bdf" if path.suffix == ".bdf" else ".edf"
        done, read = converted(made, tmp_path, suffix)
        samples = made.read()
        bound = half_step(read, samples, BITS[suffix]) if path.suffix == ".parquet" else 0
        assert (np.abs(read.read() - samples) <= bound).all(), path
        assert read.channels == made.channels
        assert (read.gaps, read.annotations) == (made.gaps, made.annotations)
        assert made.start in (None, read.start)
        mne.io.read_raw(done.file, verbose="ERROR")
        n_files += 1
    assert n_files >= 12


# Files and faults


def test_an_existing_file_is_replaced_only_if_asked_and_the_recording_never(tmp_path):
    source, out = make(tmp_path / "a.edf"), tmp_path / "b.edf"
    out.write_text("old")
    with pytest.raises(WriteError, match=r"b\.edf: exists; name another file, or replace it with --overwrite"):
        convert(source, out)
    assert out.read_text() == "old"
    assert convert(str(source), str(out), overwrite=True).file == out
    before = source.read_bytes()
    (tmp_path / "link.edf").symlink_to(source)
    for name in ("a.edf", "link.edf"):
        for recording in (source, open_recording(source), mne.io.read_raw(source, verbose="ERROR")):
            with pytest.raises(WriteError, match="is the recording itself"):
                convert(recording, tmp_path / name, overwrite=True)
    assert source.read_bytes() == before
    with pytest.raises(UsageError, match=r"c\.txt: the name must end in \.edf or \.bdf"):
        convert(source, tmp_path / "c.txt")
    with pytest.raises(WriteError, match=r"c\.edf: cannot be written: Not a directory"):
        convert(source, source / "below" / "c.edf")
    assert convert(source, tmp_path / "new" / "c.edf").file.exists()


def test_pieces_of_a_joined_recording_and_folders_are_never_replaced(tmp_path):
    start = datetime(2024, 1, 1, tzinfo=UTC)
    paths = [tmp_path / f"night_{number}.edf" for number in range(2)]
    for number, path in enumerate(paths):
        made = with_runs((2000,), (), 200, number)
        convert(replace(made, start=start + timedelta(seconds=20 * number)), path)
    before = [path.read_bytes() for path in paths]
    for pieces in (paths, [open_recording(path) for path in paths]):
        for path in paths:
            with pytest.raises(WriteError, match="is the recording itself"):
                convert(ictal.join(pieces), path, overwrite=True)
    assert [path.read_bytes() for path in paths] == before
    (tmp_path / "folder.edf").mkdir()
    with pytest.raises(WriteError, match=r"folder\.edf: is a folder; name a file"):
        convert(paths[0], tmp_path / "folder.edf", overwrite=True)


def test_the_result_is_json_and_the_function_is_public(tmp_path):
    done = ictal.convert(make(tmp_path / "a.edf", "EDF+D"), tmp_path / "b.bdf")
    found = json.loads(json.dumps(done.to_json()))
    assert (found["file"], found["kind"], found["n_gaps"]) == (str(tmp_path / "b.bdf"), "BDF+D", 1)


@dataclass(frozen=True)
class Long:
    """A day of numbers that are made when they are read."""

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> np.ndarray:
        wave = np.sin(np.arange(start, stop, dtype=np.float32) / 7)
        return np.tile(wave, (20 if rows is None else len(rows), 1))


def test_memory_does_not_grow_with_the_recording(tmp_path):
    peaks = []
    for hours in (0.2, 1.0):
        made = Recording("long", tuple(f"X{n}" for n in range(20)), 200, round(hours * 720_000), Long())
        tracemalloc.start()
        convert(made, tmp_path / f"{hours}.edf")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0]


@pytest.mark.parametrize("lacking", [1, 5000])
def test_a_full_disk_is_an_error_and_leaves_no_file(lacking, tmp_path):
    size = converted(with_runs((4000,), (), 200), tmp_path)[0].file.stat().st_size
    (tmp_path / "out.edf").write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - lacking, before[1]))
    try:
        with pytest.raises(WriteError, match=r"out\.edf: cannot be written: File too large"):
            converted(with_runs((4000,), (), 200), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("out.edf", "old")]


@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_killed_or_interrupted_command_leaves_nothing_under_the_final_name(how, code, tmp_path):
    source, folder = make(tmp_path / "a.edf"), tmp_path / "new"
    with source.open("r+b") as file:
        file.truncate(1_500_000_000)  # a sparse file, whose samples are zero
    folder.mkdir()
    command = [sys.executable, "-m", "ictal", "convert", str(source), str(folder / "b.edf")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while not any(file.stat().st_size for file in folder.iterdir()) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(how)
        assert process.wait(30) == code
    left = [file.name for file in folder.iterdir()]
    assert left == [] if how == signal.SIGINT else all(name.endswith(".part") for name in left)


def test_events_are_annotated_in_a_recording_with_gaps(tmp_path):
    """`Scores.to_edf` writes recordings in other formats with this function."""
    made = replace(recording_of(2000), gaps=(Gap(4.0, 60.0),), annotations=(Annotation(1, 0, "own"),))
    _, read = converted(replace(made, annotations=(*made.annotations, Annotation(65, 2, "ictal: LPD"))), tmp_path)
    assert_same_notes(triples(read.annotations), [(1, 0, "own"), (65, 2, "ictal: LPD")])
    assert read.gaps == made.gaps
