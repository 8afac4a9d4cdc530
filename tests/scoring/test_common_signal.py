"""A signal in all electrodes comes from their reference: it must change neither marks, spectra nor probabilities."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ictal.core.montage import CHANNELS, ELECTRODES, MIRROR
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.recording import Recording
from ictal.errors import ReadError
from ictal.io import open_recording
from ictal.models.hub import find_model
from ictal.preprocessing.channel_mapping import widest_mapping
from ictal.preprocessing.runs import PLAUSIBLE_UV, check_unit, recorded_runs
from ictal.scoring.engines import Engine, open_engine
from ictal.scoring.pipeline import score
from ictal.scoring.quality import FLAWS, QualitySettings, measure_quality
from ictal.scoring.scores import AEEG_COLUMNS, SPECTRUM_COLUMNS
from tests.scoring.helpers import Loudness, eeg, recording_of

CZ = ELECTRODES.index("Cz")
N_SAMPLES = 60 * 200
WAVES = st.tuples(st.floats(0.1, 5), st.sampled_from([50.0, 60.0]), st.floats(0, 2000), st.floats(-10_000, 10_000))


def common(wave: tuple[float, float, float, float], seed: int, n_samples: int = N_SAMPLES) -> np.ndarray:
    """Return a slow wave, mains and noise of the same amplitude, and an offset."""
    hertz, mains, amplitude_uv, offset_uv = wave
    seconds = np.arange(n_samples) / 200
    noise = np.random.default_rng(seed).normal(size=n_samples)
    waves = np.sin(2 * np.pi * hertz * seconds) + np.sin(2 * np.pi * mains * seconds)
    return offset_uv + amplitude_uv * (waves + noise)


def spoilt(seed: int) -> np.ndarray:
    """Return EEG of which electrodes have mains, muscle, steps of 5 mV, and nothing at all."""
    samples, rng = eeg(60, seed=seed).astype(np.float64), np.random.default_rng(seed)
    seconds = np.arange(N_SAMPLES) / 200
    bad = rng.permutation(np.arange(5, 19))[:3]
    samples[bad[0]] += rng.uniform(0, 100) * np.sin(2 * np.pi * 50 * seconds)
    samples[bad[1]] += rng.uniform(0, 60) * rng.normal(size=N_SAMPLES)
    samples[bad[2]] += rng.uniform(0, 5000) * (seconds % 2 > 1)
    return samples


def with_common(samples: np.ndarray, signal: np.ndarray) -> np.ndarray:
    return np.concatenate([samples[:19] + signal, samples[19:]])


def frame_of(samples: np.ndarray, engine: Engine | None = None) -> pd.DataFrame:
    return score(recording_of(samples), engine or Loudness()).frame


def assert_same(ours: pd.DataFrame, theirs: pd.DataFrame, largest_uv: float) -> None:
    """Nothing but float32's rounding of the common signal differs, of which a millionth is 2^-20."""
    assert ours[["reason", "usable", *FLAWS]].equals(theirs[["reason", "usable", *FLAWS]])
    assert np.array_equal(np.stack(ours["marks"]), np.stack(theirs["marks"]))
    atol = max(1e-3, largest_uv * 1e-6)
    np.testing.assert_allclose(ours[list(AEEG_COLUMNS)], theirs[list(AEEG_COLUMNS)], rtol=1e-3, atol=atol)
    for name in SPECTRUM_COLUMNS:
        np.testing.assert_allclose(np.stack(ours[name]), np.stack(theirs[name]), atol=0.05)
    np.testing.assert_allclose(ours[list(PROBABILITY_COLUMNS)], theirs[list(PROBABILITY_COLUMNS)], atol=1e-4)


@given(seed=st.integers(0, 1000), wave=WAVES)
@settings(max_examples=25, deadline=None)
def test_a_common_signal_changes_no_mark_no_spectrum_and_no_probability(seed, wave):
    samples = spoilt(seed)
    signal = common(wave, seed)
    assert_same(frame_of(with_common(samples, signal)), frame_of(samples), abs(signal).max())


@pytest.mark.parametrize("reference", ["average", "Cz", "T3"])
def test_a_reference_changes_nothing(reference):
    samples = spoilt(1)
    zero = samples[:19].mean(axis=0) if reference == "average" else samples[ELECTRODES.index(reference)]
    ours = frame_of(with_common(samples, -zero))
    theirs = frame_of(samples)
    if reference == "T3":  # any other electrode that is 0 is taken to be off
        assert set(ours["flat"]) == {1}
        return
    assert_same(ours, theirs, abs(zero).max())


def test_a_bad_reference_electrode_is_seen_whatever_the_reference():
    samples = eeg(60).astype(np.float64)
    samples[CZ] += 100 * np.random.default_rng(0).normal(size=N_SAMPLES)
    for zero in (0, samples[CZ], samples[:19].mean(axis=0)):
        frame = frame_of(with_common(samples, -zero))
        shown = np.stack(frame["marks"])
        assert (shown[:, CZ] == 1 << FLAWS.index("muscle")).all()
        assert not np.delete(shown, CZ, axis=1).any()


@given(wave=WAVES)
@settings(max_examples=10, deadline=None)
def test_what_is_off_changes_no_other_electrode(wave):
    """The channel of an electrode that is off keeps its value, whatever the others' reference does."""
    samples = eeg(60).astype(np.float64)
    off = [ELECTRODES.index(name) for name in ("T4", "F8", "O1")]
    moved = with_common(samples, common(wave, 0))
    for array in (samples, moved):
        array[off[:2]], array[off[2]] = 12.0, np.nan
    marks = [np.stack(frame_of(array)["marks"]) for array in (samples, moved)]
    expected = np.zeros(19, dtype=np.uint8)
    expected[off] = 1, 1, 2
    assert all((of == expected).all() for of in marks)


@pytest.mark.parametrize("uv", [0.0, 7.0])
def test_cz_that_is_0_is_off_only_with_all_others(uv):
    samples = eeg(60)
    samples[CZ] = uv
    assert set(frame_of(samples)["flat"]) == {int(uv != 0)}
    samples[:19] = uv
    frame = frame_of(samples)
    assert set(frame["flat"]) == {19}
    assert set(frame["usable"]) == {0}


def test_electrodes_that_are_all_off_are_flat_also_under_a_common_signal():
    samples = np.zeros((len(CHANNELS), N_SAMPLES)) + np.arange(len(CHANNELS))[:, None]
    frame = frame_of(with_common(samples, common((1.0, 50.0, 30.0, 0.0), 0)))
    assert set(frame["flat"]) == {19}
    assert frame["reason"].str.endswith("of 19 electrodes 19 flat").all()


def test_one_bad_end_of_a_bipolar_chain_is_told_from_its_neighbours():
    """With two neighbours, each electrode of a pair would have only the other one's word."""
    names = ("Fz", "Cz", "Pz", "C3", "C4")
    samples = eeg(60).astype(np.float64)[[ELECTRODES.index(name) for name in names]]
    samples[0] += 100 * np.random.default_rng(0).normal(size=N_SAMPLES)
    recording = Recording.from_array(
        samples[[0, 1, 3, 1]] - samples[[1, 2, 1, 4]], ("Fz-Cz", "Cz-Pz", "C3-Cz", "Cz-C4"), 200
    )
    mapping = widest_mapping(recording)
    assert mapping is not None
    (run,) = recorded_runs(recording, mapping, "linear")
    frames = measure_quality(run.resampled(0, N_SAMPLES), mapping, QualitySettings())
    bad = {ELECTRODES[row] for _, row in np.argwhere(frames.flaws.any(axis=2))}
    assert bad == {"Fz"}


def test_a_reference_that_is_off_is_no_wrong_unit():
    samples = eeg(60).astype(np.float64)
    drift = 3 * PLAUSIBLE_UV * np.sin(np.arange(N_SAMPLES) / 4000)
    check_unit(with_common(samples, drift).astype(np.float32), "a.edf")
    samples[3] *= 1e6
    with pytest.raises(ReadError, match="an electrode varies by"):
        check_unit(with_common(samples, drift).astype(np.float32), "a.edf")


# --- the shipped model ---


def real_segments(shared_data):
    for path in sorted((shared_data / "iiic" / "train_eegs").glob("*.parquet")):
        recording = open_recording(path)
        yield recording.read()[[recording.channels.index(name) for name in CHANNELS]]


@pytest.mark.parametrize("change", ["common", "mirror"])
def test_default_is_moved_neither_by_a_common_signal_nor_by_mirroring(shared_data, change):
    engine = open_engine(find_model("default"), threads=1)
    for samples in real_segments(shared_data):
        signal = common((0.7, 60.0, 100.0, 0.0), 0, samples.shape[1])
        moved = with_common(samples, signal) if change == "common" else samples[list(MIRROR)]
        ours, theirs = (frame_of(array, engine)[list(PROBABILITY_COLUMNS)] for array in (moved, samples))
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
