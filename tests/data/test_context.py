"""Contexts of whole data sets: from files, from EEG, and what is said where there are none."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from ictal.core.labels import PATTERNS
from ictal.core.windows import RATE_HZ
from ictal.data import DataSettings, SimulatedDataset, open_dataset, prepare, write_folder
from ictal.data.hms import SPECTROGRAM_COLUMN, SPECTROGRAM_OFFSET_COLUMN
from ictal.data.stored_signals import BLOCK
from ictal.errors import ReadError, TableError
from ictal.io.hms import write_hms
from ictal.preprocessing.regional_spectrogram import CONTEXT_HZ, contexts_of
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.standardise import resample
from ictal.simulator import SimulationSettings, simulate_eeg
from tests.data.helpers import spectrogram_table
from tests.data.test_window_array import Usage, finished, interrupt_after
from tests.helpers import manifest, noise, recording, save

STANDARD = StandardiseSettings()
LONG = SimulationSettings(patients=2, eegs_per_patient=1, seed=3, eeg_s=600)
SHORT = SimulationSettings(patients=2, eegs_per_patient=1, seed=3)


@pytest.fixture(scope="module")
def long_sim(tmp_path_factory):
    """Return a simulated data set whose EEGs last ten minutes, and its windows with their contexts."""
    cache = tmp_path_factory.mktemp("long")
    dataset = SimulatedDataset(LONG)
    return dataset, prepare(dataset, STANDARD, cache, context_missing=0.0), cache


def by_hand(dataset, eeg_id: str, *starts_s: float) -> np.ndarray:
    eeg = resample(dataset.recording(eeg_id), "linear")
    return contexts_of(eeg.signal, eeg.missing, starts_s)


# Simulated EEG


def test_simulated_eegs_of_ten_minutes_have_their_window_in_the_middle(long_sim):
    dataset, made, _ = long_sim
    assert made.labels["start_s"].tolist() == [275, 275]
    assert made.contexts.shape == (2, 4, 100, 300)
    assert made.contexts.dtype == np.float32
    assert isinstance(made.contexts, np.memmap)
    for row, eeg_id in enumerate(made.labels["eeg_id"]):
        assert dataset.recording(eeg_id).duration_s == dataset.duration_s(eeg_id) == 600
        np.testing.assert_array_equal(made.contexts[row], by_hand(dataset, eeg_id, 275)[0])
    assert "EEGs of 600 s" in dataset.name


def test_the_context_of_a_window_holds_the_window_in_its_middle(long_sim):
    """The windows went through a band-pass of 0.1 to 20 Hz, which leaves 1 - (10 / 20) ** 8 of 10 Hz, 99.6 %."""
    _, made, _ = long_sim
    rows = (CONTEXT_HZ > 2) & (CONTEXT_HZ < 10)
    for signal, context in zip(made.signals, made.contexts, strict=True):
        (alone,) = contexts_of(signal, np.zeros(signal.shape, dtype=bool), [0.0])
        inner = slice(142, 158)
        np.testing.assert_allclose(
            alone[:, rows, inner], context[:, rows, inner], rtol=0.02, atol=1e-3 * context.max()
        )


def test_votes_are_of_what_is_seen_in_the_centre():
    """Panels see what was asked for as they do in EEGs of 50 s, for which tests/simulate says the same."""
    found = []
    for patient, pattern in enumerate(("seizure", "seizure", "lpd", "gpd", "lrda", "grda")):
        made = simulate_eeg(1, patient, 0, kind=(pattern, pattern), eeg_s=600)
        assert made.samples.shape == (20, 600 * RATE_HZ)
        assert made.pattern.onset_s < 301
        assert made.pattern.offset_s > 299
        found.append(made.probabilities[PATTERNS.index(pattern)])
    assert np.mean(found) > 0.6


def test_an_eeg_of_50_s_is_the_one_without_a_length():
    plain, given = simulate_eeg(3, 1, 0), simulate_eeg(3, 1, 0, eeg_s=50.0)
    np.testing.assert_array_equal(plain.samples, given.samples)
    assert (plain.pattern, plain.evidence) == (given.pattern, given.evidence)
    with_length = SHORT.model_copy(update={"eeg_s": 50.0})
    prints = [SimulatedDataset(settings).fingerprint() for settings in (SHORT, with_length, LONG)]
    assert prints[0] == prints[1] != prints[2]
    # pinned: it changes with the simulator's VERSION alone
    assert SimulatedDataset(SimulationSettings(patients=3, eegs_per_patient=2)).fingerprint() == "0a629e84ca925b51"


@pytest.mark.parametrize("eeg_s", [49.0, 4000.0])
def test_an_impossible_length_is_refused(eeg_s):
    with pytest.raises(ValidationError, match="eeg_s"):
        SimulationSettings(eeg_s=eeg_s)


def test_eegs_are_as_long_as_is_needed_unless_the_settings_say():
    def opened(spec: str, eeg_s: float | None, with_context: bool) -> SimulatedDataset:
        sim = SHORT.model_copy(update={"eeg_s": eeg_s})
        return open_dataset(spec, DataSettings(sim=sim), with_context=with_context)

    assert opened("sim", None, with_context=False).eeg_s == 50
    assert opened("sim", None, with_context=True).eeg_s == 600
    assert opened("sim", 120.0, with_context=True).eeg_s == 120
    assert opened("sim:temporal", 50.0, with_context=False).eeg_s == 50
    for eeg_s, with_context in ((None, True), (600.0, False)):
        with pytest.raises(
            TableError, match=r"'sim:temporal': EEGs of a control last 50 s and have no context, but 600"
        ):
            opened("sim:temporal", eeg_s, with_context=with_context)


def test_each_eeg_is_simulated_once_for_windows_and_labels(tmp_path, monkeypatch):
    made = SimulatedDataset(SHORT).labels
    simulated, real = [], simulate_eeg

    def counted(seed, patient, eeg, *rest, **more):
        simulated.append((patient, eeg))
        return real(seed, patient, eeg, *rest, **more)

    monkeypatch.setattr("ictal.data.simulated.simulate_eeg", counted)
    dataset = open_dataset("sim", DataSettings(sim=SHORT))
    array = prepare(dataset, STANDARD, tmp_path)
    pd.testing.assert_frame_equal(dataset.labels, made)
    assert len(simulated) == len(set(simulated)) == len(made)
    simulated.clear()
    again = prepare(open_dataset("sim", DataSettings(sim=SHORT)), STANDARD, tmp_path)
    assert not simulated
    pd.testing.assert_frame_equal(again.labels, array.labels)


def test_a_folder_of_long_simulated_eegs_keeps_windows_and_contexts(long_sim, tmp_path):
    dataset, made, _ = long_sim
    write_folder(dataset, tmp_path / "data")
    opened = open_dataset(str(tmp_path / "data"), DataSettings())
    again = prepare(opened, STANDARD, tmp_path / "cache", context_missing=0.0)
    np.testing.assert_array_equal(again.signals, made.signals)
    np.testing.assert_array_equal(again.contexts, made.contexts)


# The array


def test_contexts_join_windows_which_stay_as_they_are(long_sim, tmp_path):
    dataset, made, cache = long_sim
    assert {path.name for path in finished(cache)} == {made.fingerprint, made.context_fingerprint}
    alone = prepare(dataset, STANDARD, tmp_path)
    assert alone.contexts is None
    assert alone.context_fingerprint is None
    (windows,) = finished(tmp_path)
    before = (windows / "signals.npy").stat().st_mtime_ns
    joined = prepare(dataset, STANDARD, tmp_path, context_missing=0.0)
    np.testing.assert_array_equal(joined.contexts, made.contexts)
    assert (windows / "signals.npy").stat().st_mtime_ns == before
    for array in (alone, joined):
        assert array.fingerprint == made.fingerprint
        np.testing.assert_array_equal(array.signals, made.signals)
        pd.testing.assert_frame_equal(array.labels, made.labels)
    fail = lambda *_: pytest.fail("was built again")  # noqa: E731
    for with_context in (True, False):
        again = prepare(dataset, STANDARD, tmp_path, fail, context_missing=0.0 if with_context else None)
        assert (again.contexts is not None) == with_context


@pytest.fixture
def eegs(tmp_path):
    """Return a manifest with windows of two EEGs of 700 and 610 s and one of which all is missing."""
    samples = noise(610 * RATE_HZ, 2)
    samples[:19, 5000:17000] = np.nan
    for name, made in (("a", recording(700 * RATE_HZ, seed=1)), ("b", recording(610 * RATE_HZ, seed=2))):
        write_hms(tmp_path / f"{name}.parquet", made)
    write_hms(tmp_path / "c.parquet", type(made).from_array(samples, made.channels, RATE_HZ))
    rows = [("a.parquet", 0, "p"), ("a.parquet", 300, "p"), ("c.parquet", 30, "r"), ("c.parquet", 300, "r"),
            ("b.parquet", 560, "q")]  # fmt: skip
    return open_dataset(str(save(manifest(rows), tmp_path / "m.csv")), DataSettings())


def test_contexts_stay_with_their_windows_where_some_are_refused(eegs, tmp_path):
    windows_of = {"a.parquet": (0, 300), "c.parquet": (300,), "b.parquet": (560,)}
    expected = np.concatenate([by_hand(eegs, eeg, *starts) for eeg, starts in windows_of.items()])
    whole = prepare(eegs, STANDARD, tmp_path / "one", context_missing=0.0)
    shutil.copytree(tmp_path / "one" / whole.fingerprint, tmp_path / "two" / whole.fingerprint)
    for made in (whole, prepare(eegs, STANDARD, tmp_path / "two", context_missing=0.0)):
        assert made.refused["window_id"].tolist() == ["c.parquet@30"]
        assert made.labels["window_id"].tolist() == [
            "a.parquet@0", "a.parquet@300", "c.parquet@300", "b.parquet@560"
        ]  # fmt: skip
        # the slowest that its filter passes is looked at from 330 s around, by one FFT: of float32, 1e-5 is left
        np.testing.assert_allclose(made.contexts, expected, rtol=1e-5)
    missing = np.isnan(whole.contexts[:, 0, 0]).sum(axis=1)
    assert missing.tolist() == [
        138,
        0,
        30 + 8,
        138,
    ]  # from -275 s; -; from 25 s, where 25 to 85 s lack, to 625 s; to 885 s


@pytest.mark.parametrize("windows_first", [False, True])
def test_an_interrupted_preparation_is_resumed(eegs, windows_first, tmp_path):
    whole = prepare(eegs, STANDARD, tmp_path / "whole", context_missing=0.0)
    cache = tmp_path / "cache"
    if windows_first:
        prepare(eegs, STANDARD, cache)
    for n_eegs in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            prepare(eegs, STANDARD, cache, interrupt_after(n_eegs, KeyboardInterrupt()), context_missing=0.0)
    (lines,) = cache.rglob("contexts.journal")
    assert lines.read_text().count("\n") == 2
    made = prepare(eegs, STANDARD, cache, context_missing=0.0)
    assert sorted(path.name for path in finished(cache)) == sorted([made.fingerprint, made.context_fingerprint])
    for one, other in ((made.signals, whole.signals), (made.contexts, whole.contexts)):
        np.testing.assert_array_equal(one, other)
    pd.testing.assert_frame_equal(made.labels, whole.labels)


def test_contexts_that_were_begun_with_windows_are_resumed_without_them(tmp_path):
    """Of the first EEG, no window is usable: it has no contexts, and is counted in both cases."""
    lost = recording(610 * RATE_HZ)
    nothing = np.full((len(lost.channels), lost.n_samples), np.nan, dtype=np.float32)
    write_hms(tmp_path / "a.parquet", type(lost).from_array(nothing, lost.channels, RATE_HZ))
    for seed, name in enumerate("bc"):
        write_hms(tmp_path / f"{name}.parquet", recording(610 * RATE_HZ, seed=seed))
    rows = [(f"{name}.parquet", 280, name) for name in "abc"]
    dataset, cache = open_dataset(str(save(manifest(rows), tmp_path / "m.csv")), DataSettings()), tmp_path / "cache"
    whole = prepare(dataset, STANDARD, tmp_path / "whole", context_missing=0.0)
    with pytest.raises(KeyboardInterrupt):
        prepare(dataset, STANDARD, cache, interrupt_after(2, KeyboardInterrupt()), context_missing=0.0)
    prepare(dataset, STANDARD, cache)
    made = prepare(dataset, STANDARD, cache, context_missing=0.0)
    assert made.refused["window_id"].tolist() == ["a.parquet@280"]
    np.testing.assert_array_equal(made.contexts, whole.contexts)


def test_damaged_contexts_are_noticed(eegs, tmp_path):
    made = prepare(eegs, STANDARD, tmp_path / "cache", context_missing=0.0)
    path = tmp_path / "cache" / made.context_fingerprint / "contexts.npy"
    for n_bytes in (path.stat().st_size - 1, 0):
        with path.open("r+b") as file:
            file.truncate(n_bytes)
        with pytest.raises(ReadError, match=r"contexts\.npy: is damaged: .*Remove the folder"):
            prepare(eegs, STANDARD, tmp_path / "cache", context_missing=0.0)
    np.save(path, np.zeros((3, 4, 100, 300), np.float32))  # of four windows
    with pytest.raises(ReadError, match="not contain the contexts of these windows"):
        prepare(eegs, STANDARD, tmp_path / "cache", context_missing=0.0)


def test_the_disk_must_hold_both_arrays(eegs, tmp_path, monkeypatch):
    windows, contexts = 5 * 25 * BLOCK.itemsize, 5 * 4 * 100 * 300 * 4
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, 1.1 * windows))
    with pytest.raises(TableError, match=r"5 windows need 0\.0 GB"):
        prepare(eegs, STANDARD, tmp_path / "cache", context_missing=0.0)
    prepare(eegs, STANDARD, tmp_path / "cache")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, 1.1 * contexts))
    assert prepare(eegs, STANDARD, tmp_path / "cache", context_missing=0.0).contexts is not None


def test_windows_without_a_context_are_counted_and_named_before_anything_is_read(tmp_path, monkeypatch):
    for name, seconds in (("a", 700), ("b", 90), ("c", 599.99)):
        write_hms(tmp_path / f"{name}.parquet", recording(round(seconds * RATE_HZ), seed=1))
    rows = [(f"{name}.parquet", start, name) for name in "abc" for start in (0, 10, 20)]
    dataset = open_dataset(str(save(manifest(rows), tmp_path / "m.csv")), DataSettings())
    fail = lambda *_: pytest.fail("something was read")  # noqa: E731
    with pytest.raises(TableError) as caught:
        prepare(dataset, STANDARD, tmp_path / "cache", fail, context_missing=0.0)
    for words in (
        "6 of 9 windows have no context", "b.parquet@0, b.parquet@10", "b.parquet lasts 90 s",
        "allowed are EEGs of 600 s or more", "data.context_missing", "train_spectrograms/", "data.sim.eeg_s",
    ):  # fmt: skip
        assert words in str(caught.value)
    with pytest.raises(TableError, match=r"3 of 9 .* allowed are EEGs of 300 s"):
        prepare(dataset, STANDARD, tmp_path / "cache", context_missing=0.5)
    made = prepare(dataset, STANDARD, tmp_path / "cache", context_missing=0.85)
    assert np.isfinite(made.contexts[3:6, 0, 0]).sum(axis=1).tolist() == [44, 44, 44]  # at odd seconds of 90


def test_a_simulation_that_is_too_short_is_told(tmp_path):
    with pytest.raises(
        TableError, match=r"2 of 2 windows have no context.*p0e0_0, p1e0_0.*lasts 50 s.*data\.sim\.eeg_s"
    ):
        prepare(SimulatedDataset(SHORT), STANDARD, tmp_path, context_missing=0.0)


# Files in the layout of HMS


@pytest.fixture
def hms(tmp_path) -> Path:
    """Return a folder with a file of contexts for one EEG of 90 s, and none for one of 620 s."""
    folder = tmp_path / "hms"
    for number, seconds in ((1, 90), (2, 620)):
        write_hms(folder / "train_eegs" / f"{number}.parquet", recording(seconds * RATE_HZ, seed=number))
    (folder / "train_spectrograms").mkdir()
    spectrogram_table(310).to_parquet(folder / "train_spectrograms" / "77.parquet")
    table = manifest([(None, None, patient) for patient in (5, 5, 6)]).drop(columns=["file", "start_s"])
    table = table.assign(eeg_id=[1, 1, 2], eeg_sub_id=[0, 1, 0], eeg_label_offset_seconds=[0, 6.0, 300])
    save(
        table.assign(**{SPECTROGRAM_COLUMN: [77, 77, 78], SPECTROGRAM_OFFSET_COLUMN: [0, 7, 0]}), folder / "train.csv"
    )
    return folder


def test_contexts_come_from_files_where_there_are_any_and_else_from_eeg(hms, tmp_path):
    dataset = open_dataset(str(hms), DataSettings())
    made = prepare(dataset, STANDARD, tmp_path / "cache", context_missing=0.0)
    whole = spectrogram_table(310).iloc[:, 1:].to_numpy().T.reshape(4, 100, 310)
    np.testing.assert_array_equal(made.contexts[0], whole[..., :300])
    np.testing.assert_array_equal(made.contexts[1], whole[..., 3:303])  # 7 s lie between two columns
    np.testing.assert_array_equal(made.contexts[2], by_hand(dataset, "2", 300)[0])
    thinned = open_dataset(str(hms), DataSettings(max_windows_per_eeg=1))
    few = prepare(thinned, STANDARD, tmp_path / "cache", context_missing=0.0)
    np.testing.assert_array_equal(few.contexts, made.contexts[[0, 2]])


def test_contexts_are_those_of_the_files_as_they_are(hms, tmp_path):
    first = prepare(open_dataset(str(hms), DataSettings()), STANDARD, tmp_path / "cache", context_missing=0.0)
    spectrogram_table(310, seed=1).to_parquet(hms / "train_spectrograms" / "77.parquet")
    second = prepare(open_dataset(str(hms), DataSettings()), STANDARD, tmp_path / "cache", context_missing=0.0)
    assert first.fingerprint == second.fingerprint  # of the windows
    assert first.context_fingerprint != second.context_fingerprint
    assert not np.array_equal(first.contexts[0], second.contexts[0])
    (hms / "train_spectrograms" / "77.parquet").unlink()
    with pytest.raises(TableError, match=r"2 of 3 windows have no context.*1_0, 1_1"):
        prepare(open_dataset(str(hms), DataSettings()), STANDARD, tmp_path / "cache", context_missing=0.0)


def test_wrong_offsets_and_files_are_told(hms, tmp_path):
    table = pd.read_csv(hms / "train.csv", dtype=object)
    save(table.assign(**{SPECTROGRAM_OFFSET_COLUMN: ["-1", "x", "y"]}), hms / "train.csv")
    with pytest.raises(TableError) as caught:
        open_dataset(str(hms), DataSettings())
    for words in (
        "2 problems",
        f"line 2: {SPECTROGRAM_OFFSET_COLUMN} is '-1'",
        "line 3: ",
        "'x'; allowed are seconds",
    ):
        assert words in str(caught.value)  # that of line 4 has no file and is not used
    save(table.assign(**{SPECTROGRAM_OFFSET_COLUMN: ["0", "22", "0"]}), hms / "train.csv")
    with pytest.raises(
        Exception, match=r"77\.parquet: lasts 620 s, .* start at 22 s; allowed is a start from 0 to 20 s"
    ):
        prepare(open_dataset(str(hms), DataSettings()), STANDARD, tmp_path / "cache", context_missing=0.0)
    for column in (SPECTROGRAM_COLUMN, SPECTROGRAM_OFFSET_COLUMN):
        save(table.drop(columns=column), hms / "train.csv")
        assert open_dataset(str(hms), DataSettings()).contexts == {}
