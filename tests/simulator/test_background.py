from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal as sp

from ictal.core.windows import RATE_HZ, WINDOW_SAMPLES
from ictal.simulator.background import (
    FASTEST_HZ,
    SENSOR_UV,
    BackgroundTraits,
    State,
    background,
    draw_background,
    draw_state,
)
from ictal.simulator.head import N_SITES, POSITIONS, draw_head
from tests.simulator.helpers import MIRRORED, at, plain_head, power, rms

TRAITS = BackgroundTraits(
    level_uv=12,
    exponent=2,
    fast=0.3,
    alpha=0,
    alpha_hz=10,
    theta=0,
    delta=0,
    delta_hz=1.5,
    beta=0,
    asymmetry=0,
    unevenness=0,
    reach=0.8,
    frontal=0,
)
STEADY = State(drift=0.0)
seeds = st.integers(0, 10_000)


def made(seed=3, state=STEADY, **traits):
    """Return a background, [21, time]; with one seed, traits change nothing but what they say."""
    rng = np.random.default_rng(seed)
    return background(rng, replace(TRAITS, **traits), plain_head(), state, WINDOW_SAMPLES)


def ratio_db(rows, base, low_hz, high_hz):
    return 10 * np.log10(power(rows, low_hz, high_hz) / power(base, low_hz, high_hz))


# The aperiodic activity


@pytest.mark.parametrize("level_uv", [4, 30])
def test_the_level_is_the_rms_of_the_aperiodic_activity_at_the_median_electrode(level_uv):
    eegs = [rms(made(seed, level_uv=level_uv, fast=0.0)) for seed in range(12)]
    # noise with exponent 2 has its variance in some 25 bins between 0.1 and 1 Hz, times 12 EEGs: 1/sqrt(600) each,
    # less over the electrodes; and the electrodes' own differ, so that a median is only near the median's
    assert np.median(np.sqrt(np.square(eegs).mean(axis=0))) == pytest.approx(level_uv, rel=0.15)


@pytest.mark.parametrize("exponent", [1.2, 2.2, 3])
def test_the_background_has_the_slope_of_its_exponent_and_the_amplifiers_noise(exponent):
    eeg = made(exponent=exponent, fast=0.0, level_uv=200)
    frequency, density = sp.periodogram(eeg, RATE_HZ)
    density = density.mean(axis=0)
    band = (frequency >= 1) & (frequency <= 12)
    slope = np.polyfit(np.log(frequency[band]), np.log(density[band]), 1)[0]
    # 550 bins over a spread of log f of 0.65, each with a log error of about 1/sqrt(4): 21 electrodes that share
    # much of their activity count as four
    assert slope == pytest.approx(-exponent, abs=5 * 0.5 / np.sqrt(550) / 0.65)
    # Above the activity there is the amplifier's noise alone, white: its share of the 100 Hz
    noise = power(eeg, FASTEST_HZ + 5, 95)
    expected = SENSOR_UV**2 * (95 - FASTEST_HZ - 5) / 100
    # 1000 bins: 1/sqrt(1000) each, of which the worst of 21 lies within 4.5
    np.testing.assert_allclose(noise, expected, rtol=4.5 / 1000**0.5)


def test_neighbours_are_more_alike_than_far_electrodes_and_reach_is_what_the_whole_cortex_shares():
    shared = plain_head().radial().sum(axis=1)  # the field of a cortex that acts as one
    shared /= np.linalg.norm(shared)
    shares = []
    for reach in (0.1, 3.0):
        eeg = made(5, reach=reach)
        correlation = np.corrcoef(eeg)
        angle = np.arccos(np.clip(POSITIONS @ POSITIONS.T, -1, 1))
        assert correlation[(angle > 0) & (angle < 0.9)].mean() > correlation[angle > 2].mean() + 0.5
        shares.append((shared @ eeg).var() / eeg.var(axis=1).sum())
    assert shares[1] > 1.5 * shares[0]


def test_fast_activity_is_above_the_slow_one_and_more_local():
    quiet, busy = made(fast=0.0), made(fast=1.0)
    assert (ratio_db(busy, quiet, 30, 60) > 10).all()
    assert abs(ratio_db(busy, quiet, 0.3, 1).mean()) < 2
    near = np.arccos(np.clip(POSITIONS @ POSITIONS.T, -1, 1)) < 0.9
    slow, fast = (
        np.corrcoef(sp.sosfiltfilt(sp.butter(4, band, "bandpass", fs=RATE_HZ, output="sos"), busy))[near].mean()
        for band in ((1, 5), (25, 60))
    )
    assert slow > fast + 0.05


# Rhythms


@pytest.mark.parametrize("alpha_hz", [8, 10, 11.5])
def test_alpha_stands_at_its_frequency_over_the_back(alpha_hz):
    quiet, relaxed = made(), made(alpha=1.0, alpha_hz=alpha_hz)
    gained = ratio_db(relaxed, quiet, alpha_hz - 1, alpha_hz + 1)
    assert set(np.argsort(gained)[-4:]) <= set(at("O1", "O2", "P3", "P4", "Pz", "T5", "T6"))
    assert gained[at("O1", "O2")].min() > 15
    # what the front sees is conducted there: a third of the amplitude or less, against as much of its own
    assert gained[at("O1", "O2")].min() > gained[at("Fp1", "Fp2", "F3", "F4", "Fz")].max() + 6
    frequency, density = sp.welch((relaxed - quiet)[at("O1")[0]].astype(float), RATE_HZ, nperseg=2000)
    # a Gaussian spectrum of 0.6 Hz width, in bins of 0.1 Hz
    assert frequency[density.argmax()] == pytest.approx(alpha_hz, abs=1.2)
    assert (density * frequency).sum() / density.sum() == pytest.approx(alpha_hz, abs=0.3)
    assert abs(ratio_db(relaxed, quiet, 20, 60)).max() < 0.1


@pytest.mark.parametrize(
    ("trait", "low_hz", "high_hz"), [("theta", 4, 8), ("delta", 0.8, 2.5), ("beta", 12, 25)], ids=lambda value: value
)
def test_a_rhythm_adds_power_in_its_band(trait, low_hz, high_hz):
    quiet, more = made(), made(**{trait: 1.0})
    gained = ratio_db(more, quiet, low_hz, high_hz)
    # delta adds as much as there is (3 dB at least somewhere), the others stand where there is less
    assert gained.max() > 3
    added = (more - quiet).astype(float)
    assert power(added, low_hz - 1.5, high_hz + 6).sum() > 0.9 * power(added, 0, 100).sum()
    if trait == "beta":
        assert set(np.argsort(power(added, 10, 30))[-4:]) <= set(at("F3", "F4", "Fz", "Fp1", "Fp2", "F7", "F8"))


# Places


@pytest.mark.parametrize("asymmetry", [-0.5, 0.3])
def test_asymmetry_is_the_log_ratio_of_right_to_left(asymmetry):
    quiet, uneven = made(level_uv=1e4), made(level_uv=1e4, asymmetry=asymmetry)
    gain = rms(uneven) / rms(quiet)
    left, right = at("T3", "F7", "T5", "C3"), at("T4", "F8", "T6", "C4")
    np.testing.assert_allclose(np.log(gain[right] / gain[left]), asymmetry, rtol=1e-3)
    np.testing.assert_allclose(gain[list(MIRRORED)] * gain, 1, rtol=1e-3)


def test_frontal_makes_the_front_larger_than_the_back():
    gain = rms(made(level_uv=1e4, frontal=0.6)) / rms(made(level_uv=1e4))
    assert np.log(gain[at("Fp1", "Fp2")].mean() / gain[at("O1", "O2")].mean()) == pytest.approx(0.6, abs=0.1)
    assert gain[at("Cz")] == pytest.approx(1, abs=0.01)


def test_unevenness_is_the_spread_of_log_amplitude_over_the_head():
    spreads = [
        np.log(rms(made(seed, level_uv=1e4, unevenness=0.4)) / rms(made(seed, level_uv=1e4))).std()
        for seed in range(10)
    ]
    # the map is smooth: some four independent regions an EEG, so 40 numbers, whose own mean is taken off
    assert np.mean(spreads) == pytest.approx(0.4, rel=0.3)


# States


def test_gain_and_suppression_lower_amplitude_by_their_factor():
    full = made(level_uv=1e4)
    half = made(level_uv=1e4, state=replace(STEADY, gain=0.5))
    flat = made(level_uv=1e4, state=replace(STEADY, suppression="suppressed", suppressed_gain=0.1))
    np.testing.assert_allclose(rms(half) / rms(full), 0.5, rtol=1e-4)
    np.testing.assert_allclose(rms(flat) / rms(full), 0.1, rtol=1e-4)


def test_burst_suppression_alternates_between_bursts_and_what_lies_between():
    state = replace(STEADY, suppression="bursts", suppressed_gain=0.05, burst_s=2, between_s=4)
    shares, n_bursts = [], 0
    for seed in range(15):
        eeg = made(seed, state, level_uv=1000, exponent=1.2)
        level = np.sqrt(np.convolve((eeg[:19].astype(float) ** 2).mean(axis=0), np.full(100, 0.01), mode="valid"))
        high, low = 1.5 * 1000, 0.05 * 1000
        on = level > np.sqrt(high * low)
        shares.append(on.mean())
        n_bursts += (np.diff(on.astype(int)) == 1).sum()
        assert level.max() / level.min() > 8
    # Share of time a third, of about 15 x 50 / 6.6 = 114 cycles: 5 x 1/3 x 2/3 x sqrt(2/114) = 0.15, and the ramps
    # of 0.3 s and the 0.5 s over which the level is taken count as bursts: up to 0.8 s of each 6.6 s
    assert 1 / 3 - 0.15 < np.mean(shares) < 1 / 3 + 0.15 + 0.8 / 6.6
    assert n_bursts == pytest.approx(15 * 50 / 6.6, rel=0.35)


def test_spindles_come_in_short_runs_about_the_vertex():
    added, per_min = [], 6
    for seed in range(10):
        quiet = made(seed)
        asleep = made(seed, replace(STEADY, spindles_per_min=per_min))
        # the amplifier's noise comes last, and differs after the spindles' draws: look above it
        added.append((asleep - quiet).astype(float))
    total = np.concatenate(added, axis=1)
    share = power(total, 9, 17) / power(total, 0, 60)
    assert share[at("Cz")] > 0.9
    size = power(total, 9, 17)
    assert set(np.argsort(size)[-5:]) <= set(at("Cz", "Fz", "Pz", "C3", "C4", "F3", "F4"))
    band = sp.sosfiltfilt(sp.butter(2, (9, 17), "bandpass", fs=RATE_HZ, output="sos"), total[at("Cz")[0]])
    amplitude = abs(sp.hilbert(band))
    on = amplitude > 4
    # runs of half a second to two (1.25 on average), six a minute: an eighth of the time; half as much is faint
    assert 0.02 < on.mean() < 0.2
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], on, [0]]).astype(int))))[::2] / RATE_HZ
    assert runs.max() < 4.5


def test_drift_lets_the_level_wander():
    steady, moving = made(level_uv=1e4), made(level_uv=1e4, state=State(drift=0.3))
    course = rms(moving[:19].T) / rms(steady[:19].T)
    assert np.log(course).std() > 0.05
    # one course for all electrodes
    np.testing.assert_allclose(moving[:19] / course, steady[:19], atol=50 * SENSOR_UV)


# What is drawn


@given(seeds)
def test_a_patients_background_is_drawn_within_what_is_possible(seed):
    rng = np.random.default_rng(seed)
    traits = draw_background(rng)
    assert traits.level_uv > 0
    assert 1 < traits.exponent < 3.5
    assert 7 <= traits.alpha_hz <= 12
    assert min(traits.alpha, traits.theta, traits.delta, traits.beta, traits.fast, traits.reach) >= 0
    eeg = background(rng, traits, draw_head(rng), draw_state(rng), 2000)
    assert eeg.shape == (N_SITES, 2000)
    assert eeg.dtype == np.float32
    assert np.isfinite(eeg).all()


def test_slowing_takes_alpha_away():
    rng = np.random.default_rng(0)
    drawn = [draw_background(rng) for _ in range(500)]
    # both follow from how slowed a patient is; 500 pairs have a standard error of 0.045
    assert np.corrcoef([t.alpha for t in drawn], [t.delta for t in drawn])[0, 1] < -5 * 0.045


def test_a_state_is_suppressed_as_often_as_it_should_or_as_asked():
    rng = np.random.default_rng(0)
    drawn = [draw_state(rng).suppression for _ in range(2000)]
    for name, share in (("none", 0.9), ("bursts", 0.05), ("suppressed", 0.05)):
        assert drawn.count(name) / 2000 == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / 2000))
        assert draw_state(rng, suppression=name).suppression == name
