"""Electrodes that record nothing, or noise, are interpolated from the others; all else stays as it is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.montage import CHANNELS, ELECTRODES, MIRROR, MONTAGES, derivations_of, montage_matrix
from ictal.core.recording import Recording
from ictal.preprocessing.channel_mapping import map_channels
from ictal.preprocessing.masking import BLOCK, mask_electrodes
from ictal.preprocessing.runs import Standardised, recorded_runs
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.spherical_splines import spline_weights
from ictal.preprocessing.standardise import standardise
from ictal.simulator import simulate_recording

RATE_HZ = 200
BANANA = derivations_of(MONTAGES["double_banana"])
AS_IS = StandardiseSettings(max_masked=0)
MASKING = StandardiseSettings()


def eeg(seconds: float = 40) -> np.ndarray:
    return simulate_recording(5, 0, seconds / 3600).read()


def noisy(samples: np.ndarray, *names: str, uv: float = 200) -> np.ndarray:
    rng, changed = np.random.default_rng(0), samples.copy()
    for name in names:
        changed[CHANNELS.index(name)] += uv * rng.normal(size=samples.shape[1])
    return changed


def prepared(samples: np.ndarray, settings: StandardiseSettings = MASKING) -> Standardised:
    return standardise(Recording.from_array(samples, CHANNELS, RATE_HZ), settings)


def names_of(masked: np.ndarray) -> set[str]:
    return {CHANNELS[row] for row in np.flatnonzero(masked.any(axis=1))}


def test_eeg_without_bad_electrodes_stays_as_it_is():
    plain, masking = prepared(eeg(), AS_IS), prepared(eeg())
    assert not masking.masked.any()
    np.testing.assert_array_equal(masking.signal, plain.signal)


@pytest.mark.parametrize("uv", [0.0, 30.0, np.nan])
def test_an_electrode_that_is_off_is_interpolated_from_the_others(uv):
    samples = eeg()
    samples[CHANNELS.index("F7")] = uv
    found, plain = prepared(samples), prepared(samples, AS_IS).signal
    row, others = ELECTRODES.index("F7"), [name for name in ELECTRODES if name != "F7"]
    assert found.masked[row].all()
    assert names_of(found.masked) == {"F7"}
    expected = spline_weights(others, ["F7"])[0] @ plain[[ELECTRODES.index(name) for name in others]]
    # MNE's two sides differ by up to 0.02 in their weights, and the mean of both is used
    assert np.std(found.signal[row] - expected) < 0.05 * np.std(expected)
    np.testing.assert_array_equal(np.delete(found.signal, row, axis=0), np.delete(plain, row, axis=0))
    assert found.missing[row].all()


def test_the_mirror_image_is_masked_as_the_mirror_image():
    samples = noisy(eeg(), "F7", "Pz")
    samples[CHANNELS.index("O2")] = 0
    plain, swapped = prepared(samples), prepared(samples[list(MIRROR)])
    assert names_of(plain.masked) == {"F7", "Pz", "O2"}
    np.testing.assert_array_equal(swapped.masked, plain.masked[list(MIRROR)])
    np.testing.assert_allclose(swapped.signal, plain.signal[list(MIRROR)], atol=1e-3)


def test_an_electrode_is_masked_only_while_it_is_noisy():
    samples = eeg()
    samples[:, BLOCK : 2 * BLOCK] = noisy(samples, "C4")[:, BLOCK : 2 * BLOCK]
    masked = prepared(samples).masked
    assert names_of(masked) == {"C4"}
    assert np.flatnonzero(masked.any(axis=0)).tolist() == list(range(BLOCK, 2 * BLOCK))


@given(st.floats(0.1, 3), st.floats(0, 500), st.integers(0, 100))
def test_a_signal_in_all_electrodes_passes_through(hertz, uv, seed):
    samples = noisy(eeg(10), "T3")
    samples[CHANNELS.index("Pz")] += 300 * np.random.default_rng(seed).normal(size=samples.shape[1])
    wave = uv * np.sin(2 * np.pi * hertz * np.arange(samples.shape[1]) / RATE_HZ)
    moved = np.concatenate([samples[:19] + wave, samples[19:]])
    ours, theirs = prepared(moved.astype(np.float32)), prepared(samples)
    assert names_of(ours.masked) == names_of(theirs.masked) == {"T3", "Pz"}
    matrix = montage_matrix(BANANA)
    # float32 holds 1000 µV to within 2^-14 µV; sums of 19 such numbers are rounded 19 times
    np.testing.assert_allclose(matrix @ ours.signal, matrix @ theirs.signal, atol=20 * 2**-13)


def test_too_many_bad_electrodes_are_left_as_they_are():
    bad = ("F7", "C4", "O1", "Pz", "T6")
    assert names_of(prepared(noisy(eeg(), *bad)).masked) == set()
    assert names_of(prepared(noisy(eeg(), *bad), MASKING.model_copy(update={"max_masked": 5})).masked) == {*bad}
    assert names_of(prepared(noisy(eeg(), *bad[:4])).masked) == {*bad[:4]}
    assert names_of(prepared(noisy(eeg(), *bad[:4]), AS_IS).masked) == set()


def test_electrodes_that_a_recording_lacks_are_not_made_up():
    samples = noisy(eeg(), "F7")
    rows = [row for row, name in enumerate(CHANNELS) if name not in ("Fz", "Cz", "Pz")]
    recording = Recording.from_array(samples[rows], tuple(CHANNELS[row] for row in rows), RATE_HZ)
    found = standardise(recording, MASKING, map_channels(recording, BANANA[:16]))
    assert names_of(found.masked) == {"F7"}
    assert not found.signal[[ELECTRODES.index(name) for name in ("Fz", "Cz", "Pz")]].any()


@pytest.mark.parametrize("kind", ["bipolar", "mixed"])
def test_only_recordings_with_one_reference_are_masked(kind):
    samples = noisy(eeg(), "F7")
    if kind == "bipolar":
        recording = Recording.from_array(montage_matrix(BANANA) @ samples, tuple(map(str, BANANA)), RATE_HZ)
    else:
        names = tuple(f"{name}-{'A1' if name[-1] in '13579' else 'A2'}" for name in CHANNELS[:19])
        recording = Recording.from_array(samples[:19], names, RATE_HZ)
    mapping = map_channels(recording, BANANA[:8])
    assert not standardise(recording, MASKING, mapping).masked.any()


def test_cz_that_is_the_reference_is_not_masked():
    samples = eeg()
    samples[:19] -= samples[CHANNELS.index("Cz")]
    assert not prepared(samples).masked.any()


@pytest.mark.parametrize("seconds", [10.0, 14.9, 15.1, 47.3])
def test_chunks_are_masked_as_the_whole(seconds):
    samples = noisy(eeg(seconds), "C4")
    samples[CHANNELS.index("T5"), 1000:1700] = 3
    recording = Recording.from_array(samples, CHANNELS, RATE_HZ)
    mapping = map_channels(recording)
    (run,) = recorded_runs(recording, mapping, "linear")
    whole, _ = run.standardised(0, run.n_samples, MASKING)
    assert names_of(whole.masked) == {"C4", "T5"}
    for start in (0, 333, 1500):
        part, _ = run.standardised(start, run.n_samples, MASKING)
        np.testing.assert_array_equal(part.masked, whole.masked[:, start:])
        np.testing.assert_allclose(part.signal, whole.signal[:, start:], atol=1e-3)


@given(st.integers(0, 10 * BLOCK), st.integers(1, 5 * BLOCK))
def test_blocks_do_not_depend_on_where_a_chunk_begins(first, n_samples):
    """A block that is in two chunks as a whole is judged alike in both."""
    signal = np.random.default_rng(0).normal(size=(20, n_samples)).astype(np.float32)
    signal[3] *= 50
    missing = np.zeros(signal.shape, dtype=bool)
    output, masked = mask_electrodes(signal, missing, first, None, 4)
    assert masked[3].all() or n_samples < 3
    assert masked.any(axis=1).sum() <= 1
    np.testing.assert_array_equal(output[~masked], signal[~masked])


def test_a_block_is_replaced_if_a_tenth_is_lost():
    signal = eeg(10)
    for share, expected in ((0.09, set()), (0.11, {"O2"})):
        missing = np.zeros(signal.shape, dtype=bool)
        missing[ELECTRODES.index("O2"), : round(share * signal.shape[1])] = True
        _, masked = mask_electrodes(signal, missing, 0, map_channels(recording_of(signal)), 4)
        assert names_of(masked) == expected


def recording_of(samples: np.ndarray) -> Recording:
    return Recording.from_array(samples, CHANNELS, RATE_HZ)
