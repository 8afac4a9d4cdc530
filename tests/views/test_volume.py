"""Where things are in a volume, and that it is a spectrogram."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.signal import ShortTimeFFT, get_window

from ictal.core.montage import CHAINS, CHANNELS, ELECTRODES, MIRROR, Derivation, derivations_of, montage
from ictal.io import open_recording
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.standardise import standardise
from ictal.simulator.head import POSITIONS, SITES
from ictal.views import Volume, VolumeSettings
from ictal.views.spectrogram import mel_filters
from ictal.views.volume import GRID, line, neighbours, neighbours_matrix

LAYOUTS = ("line", "grid")
PLACES = {name: (row, column) for row, names in enumerate(GRID) for column, name in enumerate(names) if name}
EMPTY = [(row, column) for row, names in enumerate(GRID) for column, name in enumerate(names) if not name]


def windows(n: int, seed: int = 0) -> torch.Tensor:
    return 40 * torch.randn(n, 20, 10_000, generator=torch.Generator().manual_seed(seed))


def position(name: str) -> np.ndarray:
    return POSITIONS[SITES.index(name)]


def distance(one: Derivation, other: Derivation) -> float:
    """Return how far apart the middles of two derivations are, in radii of the head."""
    middles = [(position(pair.anode) + position(pair.cathode)) / 2 for pair in (one, other)]
    return float(np.linalg.norm(middles[0] - middles[1]))


@pytest.mark.parametrize(("layout", "shape"), [("line", (2, 1, 64, 18, 32)), ("grid", (2, 32, 64, 5, 5))])
def test_a_volume_has_the_shape_that_it_says(layout, shape):
    view = Volume(VolumeSettings(layout=layout))
    assert view(windows(2)).shape == shape
    assert (view.n_channels, *view.shape) == shape[1:]


def test_neighbours_in_the_line_are_neighbours_on_the_scalp():
    ours = [distance(one, other) for one, other in pairwise(line())]
    chains = montage("double_banana")
    usual = [distance(one, other) for one, other in pairwise(derivations_of(chains))]
    assert sorted(line()) == sorted(derivations_of(chains))
    # Two derivations of one chain are at most so far apart, and at its turn the next chain is no further.
    within = max(distance(one, other) for chain in chains.values() for one, other in pairwise(chain))
    assert max(ours) <= 1.25 * within
    assert max(usual) > 1.6 * within  # from the end of one chain to the beginning of the next


def test_the_grid_is_the_scalp_from_above():
    assert sorted(PLACES) == sorted(ELECTRODES)
    for name, (row, column) in PLACES.items():
        x, y, _ = position(name)
        others = [(other, place) for other, place in PLACES.items() if other != name]
        assert all(position(other)[1] < y for other, place in others if place[0] > row)
        assert all(position(other)[0] > x for other, place in others if place == (row, column + 1))


def test_neighbours_in_the_grid_are_the_nearest():
    for name, near in neighbours().items():
        gaps = {other: np.linalg.norm(position(other) - position(name)) for other in ELECTRODES if other != name}
        assert 2 <= len(near) <= 4
        nearest = sorted(gaps, key=gaps.get)[: len(near) + 2]
        assert set(near) <= set(nearest), name


def test_an_electrode_stands_against_the_mean_of_its_neighbours():
    matrix = neighbours_matrix()
    of_f7 = {ELECTRODES[index]: value for index, value in enumerate(matrix[ELECTRODES.index("F7")]) if value}
    assert of_f7 == {"F7": 1, "F3": -0.5, "T3": -0.5}
    of_o2 = {CHANNELS[index] for index in np.flatnonzero(matrix[ELECTRODES.index("O2")])}
    assert of_o2 == {"O2", "P4", "Pz", "T6"}
    np.testing.assert_allclose(matrix.sum(axis=1), 0, atol=1e-6)


@settings(max_examples=5)
@given(seed=st.integers(0, 1000), layout=st.sampled_from(LAYOUTS))
def test_the_reference_of_the_recording_does_not_matter(seed, layout):
    view = Volume(VolumeSettings(layout=layout, clip=None))
    batch = windows(1, seed)
    common = windows(1, seed + 1)[:, :1]
    torch.testing.assert_close(view(batch + common), view(batch), rtol=0, atol=0.01)


@settings(max_examples=5)
@given(seed=st.integers(0, 1000))
def test_the_mirror_turns_the_grid_round(seed):
    view = Volume(VolumeSettings(layout="grid"))
    batch = windows(1, seed)
    torch.testing.assert_close(view(batch[:, MIRROR]), view(batch).flip(-1), rtol=0, atol=1e-4)


def test_places_without_an_electrode_are_zero_and_no_other():
    volume = Volume(VolumeSettings(layout="grid", clip=None))(1000 * windows(1))[0]
    assert len(EMPTY) == 6
    for row, column in EMPTY:
        assert not volume[..., row, column].any()
    for row, column in PLACES.values():
        assert volume[..., row, column].min() > 1


@pytest.mark.parametrize("name", ["Fp2", "T3", "Pz", "O1"])
def test_a_rhythm_stands_at_its_time_place_and_frequency(name):
    batch = torch.zeros(1, 20, 10_000)
    time = torch.arange(10_000) / 200
    batch[0, CHANNELS.index(name), 6000:] = 50 * torch.sin(2 * torch.pi * 7 * time[6000:])
    grid = Volume(VolumeSettings(layout="grid", clip=None))(batch)[0]
    frequency, frame, row, column = (int(index) for index in np.unravel_index(int(grid.argmax()), grid.shape))
    assert GRID[row][column] == name
    assert (frequency + 1) * 20 / 33 == pytest.approx(7, abs=0.4)
    assert frame * 156 > 6000 - 128
    of_line = Volume(VolumeSettings(clip=None))(batch)[0, 0]
    held = [name in pair for pair in line()]
    # Elsewhere is silence, which has the least power that there is.
    loud = of_line[50, :, frequency] > of_line[10, :, frequency] + 1
    assert loud.tolist() == held


@pytest.mark.parametrize("number", [21, 32])
def test_a_real_window_agrees_with_the_spectrogram_of_scipy(shared_data, number):
    path = shared_data / "iiic" / "train_eegs" / f"{number}.parquet"
    window = standardise(open_recording(path), StandardiseSettings()).signal[:, :10_000]
    given_settings = VolumeSettings(clip=None)
    volume = Volume(given_settings)(torch.from_numpy(window.copy())[None])[0, 0].numpy()
    transform = ShortTimeFFT(get_window("hann", 256), 156, 200, mfft=1024, phase_shift=None)
    bins = 103  # below 20 Hz
    for row, pair in enumerate(line()):
        signal = window[CHANNELS.index(pair.anode)].astype(float) - window[CHANNELS.index(pair.cathode)]
        # ShortTimeFFT's slice p is centred on sample p * hop, as our frames are, and pads with zeros too.
        power = np.abs(transform.stft(signal, p0=0, p1=64))[:bins] ** 2
        levels = 10 * np.log10(power.T @ mel_filters(32, 1024, 20))
        expected = (levels + given_settings.offset_db) / given_settings.scale_db
        np.testing.assert_allclose(volume[:, row], expected, rtol=0, atol=0.05 / given_settings.scale_db)


def test_pixels_of_real_eeg_are_about_standard(shared_data):
    paths = sorted((shared_data / "iiic" / "train_eegs").glob("*.parquet"))[::4]
    signals = [standardise(open_recording(path), StandardiseSettings()).signal for path in paths]
    batch = torch.from_numpy(np.stack([signal[:, :10_000] for signal in signals if signal.shape[1] >= 10_000]))
    for layout in LAYOUTS:
        pixels = Volume(VolumeSettings(layout=layout)).decibels(batch)
        pixels = VolumeSettings().pixels(pixels)
        assert abs(pixels.mean()) < 0.4
        assert 0.7 < pixels.std() < 1.3


@pytest.mark.parametrize("layout", LAYOUTS)
def test_ten_times_the_voltage_is_twenty_decibels(layout):
    view = Volume(VolumeSettings(layout=layout, scale_db=20, clip=None))
    difference = view(10 * windows(1)) - view(windows(1))
    expected = torch.ones_like(difference)
    if layout == "grid":
        for row, column in EMPTY:
            expected[..., row, column] = 0
    torch.testing.assert_close(difference, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_by_one_or_all_at_once_in_float32(layout):
    view = Volume(VolumeSettings(layout=layout))
    batch = windows(3)
    with torch.autocast("cpu", torch.bfloat16):
        one_by_one = view(batch)
    assert one_by_one.dtype == torch.float32
    torch.testing.assert_close(one_by_one, view.volumes(batch), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"frame": 128}, "frame is 128; allowed is at least 156.*width 64"),
        ({"frame": 2000}, "frame is 2000; allowed is at most n_fft"),
        ({"layout": "ring"}, "'line' or 'grid'"),
    ],
)
def test_settings_that_make_no_volume_are_refused(values, message):
    with pytest.raises(ValidationError, match=rf"(?s){message}"):
        VolumeSettings(**values)


def test_the_line_goes_down_and_up():
    names = [str(pair) for pair in line()]
    assert names[:5] == ["Fp1-F7", "F7-T3", "T3-T5", "T5-O1", "P3-O1"]
    assert names[8:11] == ["Fz-Cz", "Cz-Pz", "P4-O2"]
    assert names[-4:] == [str(pair) for pair in CHAINS["RR"]]
