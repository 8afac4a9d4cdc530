"""Windows as views of stretches that are stored in 16 bits: how exact they are, how they are indexed, and damage."""

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ictal.core.montage import CHANNELS, N_CHANNELS
from ictal.core.recording import Recording
from ictal.core.windows import BEFORE_S, RATE_HZ, WINDOW_S, WINDOW_SAMPLES, WindowPosition
from ictal.data import DataSettings, open_dataset, prepare
from ictal.data.preparation import most_blocks
from ictal.data.rows_file import RowsFile
from ictal.data.stored_signals import BLOCK, BLOCK_SAMPLES, StoredSignals, decode, encode
from ictal.errors import ReadError
from ictal.io import open_recording
from ictal.io.hms import write_hms
from ictal.preprocessing.input_needs import ALL, Needs
from ictal.preprocessing.model_windows import model_windows
from ictal.preprocessing.runs import recorded_runs
from ictal.preprocessing.settings import StandardiseSettings
from tests.helpers import manifest, noise, recording, save

STANDARD = StandardiseSettings()
SECONDS = [0, 3.5, 40, 41, 130, 500, 1700]
"""Starts of windows in a recording: some overlap, some are alone, some are in another chunk."""


def bound_of(signal: np.ndarray) -> np.ndarray:
    """Return the stated error of each sample: a share of the largest of its channel and block."""
    n_blocks = -(-signal.shape[1] // BLOCK_SAMPLES)
    padded = np.pad(signal, ((0, 0), (0, n_blocks * BLOCK_SAMPLES - signal.shape[1]))).astype(np.float64)
    largest = abs(padded.reshape(N_CHANNELS, n_blocks, BLOCK_SAMPLES)).max(axis=2)
    return np.repeat(largest / 65_000, BLOCK_SAMPLES, axis=1)[:, : signal.shape[1]] + 1e-30


# The code


@given(
    arrays(
        np.float32,
        st.tuples(st.just(N_CHANNELS), st.integers(1, 3)),
        elements=st.floats(-(2.0**99), 2.0**99, width=32),
    ),
    st.integers(1, 1000),
    st.integers(-40, 8),
)
@settings(deadline=None)
def test_each_sample_is_within_the_stated_share_of_the_largest_beside_it(few, n_samples, exponent):
    signal = np.resize(few.T, (n_samples, N_CHANNELS)).T * np.float32(10.0**exponent)
    signal = np.nan_to_num(signal, posinf=0, neginf=0).astype(np.float32)
    again = decode(encode(signal))
    assert again.dtype == np.float32
    assert (abs(again[:, :n_samples].astype(np.float64) - signal) <= bound_of(signal)).all()
    assert not again[:, n_samples:].any()


def test_an_artifact_spoils_nothing_but_its_own_channel_and_block():
    signal = noise(3 * BLOCK_SAMPLES)
    plain = decode(encode(signal))
    signal[4, BLOCK_SAMPLES + 7] = 1e6
    spoilt = decode(encode(signal)) != plain
    assert spoilt[4, BLOCK_SAMPLES : 2 * BLOCK_SAMPLES].any()
    spoilt[4, BLOCK_SAMPLES : 2 * BLOCK_SAMPLES] = False
    assert not spoilt.any()


def test_zeros_stay_zeros_and_the_largest_sample_stays_as_it_is():
    signal = noise(BLOCK_SAMPLES)
    signal[7] = 0
    again = decode(encode(signal))
    assert not again[7].any()
    largest = abs(signal).argmax(axis=1)
    chosen = np.arange(N_CHANNELS), largest
    np.testing.assert_allclose(again[chosen], signal[chosen], rtol=2e-7)


def test_on_real_eeg_the_error_is_far_below_the_step_of_an_amplifier(shared_data):
    errors = []
    for path in sorted((shared_data / "iiic" / "train_eegs").glob("*.parquet")):
        opened = open_recording(path)
        (run,) = recorded_runs(opened, ALL.map_channels(opened), "linear")
        signal = run.standardised(0, run.n_samples, STANDARD)[0].signal
        errors.append(np.quantile(abs(decode(encode(signal))[:, : run.n_samples] - signal), 0.99))
    assert np.median(errors) < 0.005
    assert max(errors) < 0.1  # beside an artifact of 35 mV


# Windows


@pytest.fixture(scope="module")
def long_eeg(tmp_path_factory) -> Path:
    """Return a manifest of windows of one recording of half an hour with a bad electrode and missing samples."""
    folder = tmp_path_factory.mktemp("long")
    samples = noise(1800 * RATE_HZ, 5)
    samples[3, 39 * RATE_HZ : 60 * RATE_HZ] = np.nan
    samples[5] *= 30
    write_hms(folder / "a.parquet", Recording.from_array(samples, CHANNELS, RATE_HZ))
    rows = [("a.parquet", seconds, "p") for seconds in SECONDS]
    return save(manifest(rows), folder / "m.csv")


@pytest.mark.parametrize("short", ["reflect", "zero", "refuse"])
@pytest.mark.parametrize("seen_s", [10, 50])
def test_windows_are_those_of_the_recording_within_the_error_of_16_bits(long_eeg, short, seen_s, tmp_path):
    needs, setting = Needs(seen_s=seen_s), STANDARD.model_copy(update={"short": short})
    dataset = open_dataset(str(long_eeg), DataSettings(), needs=needs, short=short)
    made = prepare(dataset, setting, tmp_path, needs=needs)
    opened = dataset.recording("a.parquet")
    runs = recorded_runs(opened, needs.map_channels(opened), setting.fill)
    geometry = needs.geometry(short)
    places = [geometry.place(runs, seconds + BEFORE_S) for seconds in SECONDS]
    expected = [one.window for one in model_windows(runs, places, geometry, setting)]
    assert len(made) == len(expected) == len(SECONDS)
    for ours, theirs in zip(made.signals, expected, strict=True):
        largest = abs(theirs).max(axis=1, keepdims=True)
        # Blocks may have larger samples before and after the window.
        assert (abs(ours - theirs) <= 3 * largest / 65_000).all()


@pytest.mark.parametrize("n_samples", [2001, 3456, 9999])
@pytest.mark.parametrize("short", ["reflect", "zero"])
def test_a_short_eeg_is_stored_as_it_is_and_completed_when_it_is_read(n_samples, short, tmp_path):
    write_hms(tmp_path / "a.parquet", recording(n_samples, seed=3))
    setting = STANDARD.model_copy(update={"short": short})
    dataset = open_dataset(
        str(save(manifest([("a.parquet", 0, "p")]), tmp_path / "m.csv")), DataSettings(), short=short
    )
    made = prepare(dataset, setting, tmp_path / "cache")
    opened = dataset.recording("a.parquet")
    runs = recorded_runs(opened, ALL.map_channels(opened), setting.fill)
    place = WindowPosition(0, -((WINDOW_SAMPLES - n_samples) // 2))
    (expected,) = model_windows(runs, [place], ALL.geometry(short), setting)
    assert (abs(made.signals[0] - expected.window) <= abs(expected.window).max() / 65_000).all()
    assert len(np.load(made.signals.path)) == -(-n_samples // BLOCK_SAMPLES)


def test_neighbours_share_what_is_stored(tmp_path):
    write_hms(tmp_path / "a.parquet", recording(200 * RATE_HZ))
    rows = [("a.parquet", seconds, "p") for seconds in range(0, 31, 2)]
    dataset = open_dataset(str(save(manifest(rows), tmp_path / "m.csv")), DataSettings())
    made = prepare(dataset, STANDARD, tmp_path / "cache")
    assert len(made) == 16
    assert len(np.load(made.signals.path)) == 80 // 2
    assert most_blocks(dataset.outline) == 41


def blocks_of(starts_s: list[int]) -> int:
    """Return how many blocks an EEG's windows take: chunks of at most 1000 s, in each of them each stretch once."""
    n_blocks, first, before, stop = 0, -np.inf, -np.inf, -np.inf
    for start in starts_s:
        if start - first > 1000 or start - before > 200:
            first, stop = start, -np.inf
        n_blocks += min(start - stop, 0) // 2 + WINDOW_S // 2 if np.isfinite(stop) else WINDOW_S // 2
        before, stop = start, start + WINDOW_S
    return int(n_blocks)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2000)), min_size=1, max_size=60, unique=True))
def test_space_is_reserved_for_all_blocks_and_hardly_more(rows):
    outline = pd.DataFrame(sorted(rows), columns=["eeg_id", "start_s"])
    outline["start_s"] = outline["start_s"] * 2.0  # blocks are 2 s
    stored = sum(blocks_of(starts.tolist()) for _, starts in outline.groupby("eeg_id")["start_s"])
    assert stored <= most_blocks(outline) <= stored + len(rows) + 26 * 3 * 4


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> StoredSignals:
    """Return five windows of a stretch, in another order than in the file, one before its start, one past its end."""
    signal, path = noise(30_000, 1), tmp_path_factory.mktemp("stored") / "a.npy"
    with RowsFile(path, BLOCK, (), 100) as file:
        file.append([encode(signal[:, :5000]).tobytes()], None)
        file.append([encode(signal).tobytes()], None)
    places = [(13, 30_000, start) for start in (12_345, 0, -3000, 23_000)] + [(0, 5000, -2500)]
    return StoredSignals(path, np.array(places), "zero")


@pytest.mark.parametrize(
    "index",
    [0, -1, np.int64(2), slice(None), slice(1, 4, 2), slice(4, None, -1), [3, 0, 0], np.array([4, 1]),
     np.array([True, False, True, False, False]), [], (slice(None), slice(0, 19)), (2, 3), ([1, 2], 3, slice(5, 9)),
     (..., slice(4000, 6000)), (slice(0, 2), ..., 7), (), None, (None, 0), ([0, 1], [2, 3]), (0, slice(None), [1, 2]),
     ([[0, 1], [4, 2]], slice(None), 5), (slice(1, 3), [4, 2])],
)  # fmt: skip
def test_indices_are_those_of_numpy(stored, index):
    whole = np.asarray(stored)
    assert whole.shape == stored.shape == (5, N_CHANNELS, WINDOW_SAMPLES)
    assert whole.dtype == stored.dtype == np.float32
    np.testing.assert_array_equal(stored[index], whole[index])


@pytest.mark.parametrize("index", [5, -6, [0, 7]])
def test_an_index_out_of_range_is_an_error_of_numpy(stored, index):
    with pytest.raises(IndexError):
        stored[index]


def test_windows_can_be_iterated_and_sent_to_another_process(stored):
    sent = pickle.dumps(stored)
    assert len(sent) < 2000
    for one, other in zip(stored, pickle.loads(sent), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="always a copy"):
        np.asarray(stored, copy=False)


# Damage


@pytest.fixture
def damageable(tmp_path):
    """Return an array that was prepared, and a way to open it again."""
    write_hms(tmp_path / "a.parquet", recording(100 * RATE_HZ))
    rows = [("a.parquet", seconds, "p") for seconds in (0, 50)]
    dataset = open_dataset(str(save(manifest(rows), tmp_path / "m.csv")), DataSettings())

    def again():
        return prepare(dataset, STANDARD, tmp_path / "cache")

    return again(), again


def test_a_changed_byte_is_noticed_where_it_is_read_and_nowhere_else(damageable):
    made, again = damageable
    content = bytearray(made.signals.path.read_bytes())
    content[-30 * BLOCK.itemsize + 1000] ^= 1
    made.signals.path.write_bytes(content)
    opened = again()
    opened.signals[1]
    with pytest.raises(ReadError, match=r"signals\.npy: is damaged: block 20 has changed\. Remove the folder .*"):
        opened.signals[0]


def test_a_truncated_file_is_noticed_when_it_is_opened_and_when_it_is_read(damageable):
    made, again = damageable
    with made.signals.path.open("r+b") as file:
        file.truncate(made.signals.path.stat().st_size - 1)
    with pytest.raises(ReadError, match=r"signals\.npy: is damaged: .*Remove the folder"):
        again()
    made.signals[0]
    with pytest.raises(ReadError, match="it was truncated"):
        made.signals[1]
    made.signals.path.unlink()
    with pytest.raises(ReadError, match="no such file"):
        made.signals[0]


def test_a_damaged_table_is_noticed(damageable):
    made, again = damageable
    table = made.signals.path.with_name("windows.parquet")
    table.write_bytes(table.read_bytes()[:-100])
    with pytest.raises(ReadError, match=r"windows\.parquet: is damaged.*Remove the folder"):
        again()


# The file


@pytest.mark.parametrize("n_rows", [0, 1, 11])
def test_rows_are_an_array_of_numpy(tmp_path, n_rows):
    rows = np.random.default_rng(0).normal(size=(n_rows, 2, 3)).astype(np.float32)
    with RowsFile(tmp_path / "a.npy", rows.dtype, (2, 3), 20) as file:
        for row in rows[:5]:
            file.append([row.tobytes()], "one")
        file.append([row.tobytes() for row in rows[5:]], {"more": 1.5})
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), rows)
    assert file.notes == ["one"] * min(n_rows, 5) + [{"more": 1.5}]
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]
