import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal as sp

from ictal.core.montage import CHAINS, CHANNELS, MIRROR
from ictal.core.windows import RATE_HZ, WINDOW_S
from ictal.io import open_recording
from ictal.preprocessing.regional_spectrogram import (
    CONTEXT_HZ,
    CONTEXT_SHAPE,
    HIGH_PASS_HZ,
    HIGH_PASS_ORDER,
    REGIONS,
    contexts_of,
    regional_spectrogram,
)
from ictal.preprocessing.standardise import resample
from tests.helpers import noise

NOTHING = np.zeros((len(CHANNELS), 1), dtype=bool)


def sine(electrode: str, hertz: float, height_uv: float, seconds: float) -> np.ndarray:
    """Return an EEG in which one electrode alone is not silent."""
    eeg = np.zeros((len(CHANNELS), round(seconds * RATE_HZ)))
    eeg[CHANNELS.index(electrode)] = height_uv * np.sin(2 * np.pi * hertz * np.arange(eeg.shape[1]) / RATE_HZ)
    return eeg


def contexts(eeg: np.ndarray, *starts_s: float, missing: np.ndarray | None = None) -> np.ndarray:
    return contexts_of(eeg, np.zeros(eeg.shape, dtype=bool) if missing is None else missing, starts_s)


def test_the_axes_are_those_of_hms():
    assert CONTEXT_SHAPE == (4, 100, 300)
    assert tuple(REGIONS) == ("LL", "RL", "LP", "RP")
    assert (round(CONTEXT_HZ[0], 2), round(CONTEXT_HZ[-1], 2)) == (0.59, 19.92)


def test_the_spectrogram_of_a_real_eeg_is_the_one_that_hms_ships(shared_data):
    """HMS rounds to 0.01, and its filter below 1 Hz is not known: what ours does to it is 10 % at most above it.

    Left out are two columns at either end of the EEG of 50 s, whose frames reach beyond it or into the filter's edge.
    """
    folder = shared_data / "hms"
    eeg = resample(open_recording(folder / "test_eegs" / "3911565283.parquet"), "linear")
    (ours,) = contexts_of(eeg.signal, eeg.missing, [0.0])
    table = pd.read_parquet(folder / "test_spectrograms" / "853520.parquet")
    theirs = table.to_numpy()[:, 1:].reshape(300, 4, 100).transpose(1, 2, 0)
    there = np.flatnonzero(np.isfinite(ours[0, 0]))
    assert there.tolist() == list(range(138, 162))  # the 24 columns whose 2 s lie within 275 to 325 s
    ours, theirs = ours[..., there[2:-2]], theirs[..., there[2:-2]]
    assert np.corrcoef(np.log(ours).ravel(), np.log(theirs).ravel())[0, 1] > 0.9998
    assert np.median((ours / theirs)[theirs > 1]) == pytest.approx(1, abs=0.002)
    high = CONTEXT_HZ >= 1
    assert (abs(ours - theirs) <= 0.005 + 0.1 * theirs)[:, high].all()


def test_a_column_is_the_mean_of_tapered_periodograms():
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.normal(0, 30, (len(CHANNELS), 8000)), axis=1)
    spectrum[:, : 2 * 40] = 0  # nothing below 2 Hz, of which the high-pass would take something
    eeg = np.fft.irfft(spectrum, axis=1)
    made = regional_spectrogram(eeg)
    assert made.shape == (4, 100, 20)
    frame = eeg[:, 9 * 400 - 200 : 9 * 400 + 600]  # of the column whose own 2 s begin at 18 s
    for row, chain in enumerate(REGIONS.values()):
        densities = []
        for anode, cathode in CHAINS[chain]:
            difference = frame[CHANNELS.index(anode)] - frame[CHANNELS.index(cathode)]
            for taper in sp.windows.dpss(800, 2, 3):
                _, density = sp.periodogram(difference, 200, taper, 1024, detrend=False, return_onesided=False)
                densities.append(density[3:103])
        # float32, and a high-pass that is 1 but for (0.5 / 2) ** 6 = 0.00024 of the amplitude
        np.testing.assert_allclose(made[row, :, 9], np.mean(densities, axis=0), rtol=2e-3, atol=2e-4)


@given(st.sampled_from(("F7", "T4", "C3", "P4")), st.floats(3, 18), st.floats(1, 200))
def test_power_is_density_of_both_sides_in_square_microvolts_per_hertz(electrode, hertz, height_uv):
    made = regional_spectrogram(sine(electrode, hertz, height_uv, 20))
    region = {"F7": "LL", "T4": "RL", "C3": "LP", "P4": "RP"}[electrode]
    power = made[..., 5].sum(axis=1) * RATE_HZ / 1024
    # A sinusoid's mean square is half of its height's; half of that is on this side of 0 Hz; it is seen by two of
    # the four derivations. Within +-1 Hz, twice their half-bandwidth, lies more than 99 % of the tapers' energy.
    expected = height_uv**2 / 2 / 2 * 2 / 4
    row = list(REGIONS).index(region)
    assert power[row] == pytest.approx(expected, rel=0.01)
    assert np.delete(power, row).max() < 1e-6 * expected
    assert CONTEXT_HZ[made[row, :, 5].argmax()] == pytest.approx(hertz, abs=0.5)


@settings(max_examples=15)
@given(st.floats(0, 650), st.floats(1, 699))
def test_a_moment_stands_in_its_column(start_s, at_s):
    eeg = np.zeros((len(CHANNELS), 700 * RATE_HZ))
    at = round(at_s * RATE_HZ)
    eeg[CHANNELS.index("T3"), at : at + 2] = 500
    (made,) = contexts(eeg, start_s)
    begin_s = round(start_s * RATE_HZ) / RATE_HZ + WINDOW_S / 2 - 300
    away_s = abs(begin_s + 1 + 2 * np.arange(300) - (at + 0.5) / RATE_HZ)
    level = made[0, 50]
    # Frames of 4 s see it, most of all those in whose own 2 s it lies.
    np.testing.assert_array_equal(level[away_s < 1] > 1, np.isfinite(level[away_s < 1]))
    assert np.nanmax(level[away_s > 2], initial=0) < 1e-3


def test_columns_beyond_the_recording_are_missing_and_the_others_those_of_the_whole():
    eeg = noise(700 * RATE_HZ).astype(np.float64)
    whole = regional_spectrogram(eeg)
    assert whole.shape == (4, 100, 350)
    early, middle, late = contexts(eeg, 0, 325, 650)
    np.testing.assert_allclose(middle, whole[..., 25:325], rtol=1e-5)  # a product of fewer columns rounds otherwise
    # A first second of 275 s before the recording; 2-s columns that begin at odd seconds.
    assert np.isnan(early[..., :138]).all()
    assert np.isfinite(early[..., 138:]).all()
    assert np.isfinite(late[..., :162]).all()
    assert np.isnan(late[..., 162:]).all()
    (even,) = contexts(eeg, 1)
    np.testing.assert_allclose(even[..., 137:], whole[..., :163], rtol=1e-5)


def test_a_recording_of_ten_minutes_has_every_column():
    (made,) = contexts(noise(600 * RATE_HZ), 275)
    assert np.isfinite(made).all()


@pytest.mark.parametrize(("seconds", "columns"), [(10, slice(148, 152)), (1, slice(0, 0)), (50, slice(138, 162))])
def test_a_short_recording_is_in_the_middle(seconds, columns):
    (made,) = contexts(noise(seconds * RATE_HZ), (seconds - WINDOW_S) / 2)
    there = np.zeros(300, dtype=bool)
    there[columns] = True
    if seconds == 10:
        there[147] = there[152] = False  # 295 to 305 s: columns begin at even seconds
    np.testing.assert_array_equal(np.isfinite(made).all(axis=(0, 1)), there)
    np.testing.assert_array_equal(np.isnan(made).all(axis=(0, 1)), ~there)


def test_where_most_electrodes_of_a_region_lack_samples_its_columns_are_missing():
    eeg = noise(600 * RATE_HZ)
    missing = np.zeros(eeg.shape, dtype=bool)
    missing[:19, 200_00:204_00] = True  # second 100 to 102: one column, of all regions
    for name in ("F7", "T3", "T5"):  # three of the five of LL, to the end
        missing[CHANNELS.index(name), 400 * RATE_HZ :] = True
    missing[CHANNELS.index("F4")] = True  # one of the five of RP
    (made,) = contexts(eeg, 275, missing=missing)
    expected = np.zeros((4, 300), dtype=bool)
    expected[:, 50] = expected[0, 200:] = True
    np.testing.assert_array_equal(np.isnan(made), np.broadcast_to(expected[:, None], made.shape))


def test_a_mirrored_eeg_has_the_regions_of_the_other_side():
    eeg = noise(20 * RATE_HZ)
    np.testing.assert_allclose(
        regional_spectrogram(eeg[list(MIRROR)]), regional_spectrogram(eeg)[[1, 0, 3, 2]], rtol=1e-4
    )


def test_what_is_below_half_a_hertz_is_filtered_as_said():
    row = 2  # 0.98 Hz
    hertz = CONTEXT_HZ[row]
    made = regional_spectrogram(sine("T3", hertz, 100, 60))[0, row, 5:-5]
    ten = regional_spectrogram(sine("T3", CONTEXT_HZ[50], 100, 60))[0, 50, 5:-5]
    gain = 1 / (1 + (HIGH_PASS_HZ / hertz) ** (2 * HIGH_PASS_ORDER))
    # The tapers see both sides of 0 Hz, which are 2 Hz apart here: their leakage from the other is below 2 %.
    assert made.mean() / ten.mean() == pytest.approx(gain**2, rel=0.02)
    eeg = noise(60 * RATE_HZ).astype(np.float64)
    drifting = eeg + 1e4 + 300 * np.sin(2 * np.pi * 0.02 * np.arange(eeg.shape[1]) / RATE_HZ)
    drifting[CHANNELS.index("F7")] += 5000
    inner = slice(6, -6)
    np.testing.assert_allclose(
        regional_spectrogram(drifting)[..., inner], regional_spectrogram(eeg)[..., inner], rtol=0.02, atol=0.05
    )
