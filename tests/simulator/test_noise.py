import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal as sp
from scipy import stats

from ictal.core.windows import RATE_HZ, WINDOW_SAMPLES
from ictal.simulator.noise import (
    band_noise,
    bins,
    coloured_noise,
    envelope,
    shaped_noise,
    sigmoid,
    smooth,
    switch,
    unit,
)
from tests.simulator.helpers import power

seeds = st.integers(0, 10_000)
lengths = st.integers(2_000, 12_000)


@given(seeds, lengths, st.floats(1, 30), st.floats(1, 30))
def test_shaped_noise_has_the_variance_and_the_band_of_its_gain(seed, n_samples, low_hz, width_hz):
    frequency = bins(n_samples, low_hz, low_hz + width_hz)
    rows = shaped_noise(np.random.default_rng(seed), 8, n_samples, low_hz, unit(np.ones(len(frequency))))
    assert rows.dtype == np.float32
    assert rows.shape == (8, n_samples)
    # Variance over 8 rows of len(frequency) bins of two normal numbers each: a chi-square of 16 x bins degrees.
    error = np.sqrt(2 / (16 * len(frequency)))
    assert (rows.astype(float) ** 2).mean() == pytest.approx(1, abs=5 * error + 0.02)
    # A row that is cut from a longer period leaks over the rate over its length, with side lobes beyond.
    leak = 20 * RATE_HZ / n_samples
    assert power(rows, low_hz - leak, low_hz + width_hz + leak).sum() > 0.97 * power(rows, 0, 100).sum()


@given(lengths, st.floats(0.05, 60), st.floats(0, 60))
def test_bins_lie_one_over_the_duration_apart_between_their_limits(n_samples, low_hz, width_hz):
    frequency = bins(n_samples, low_hz, low_hz + width_hz)
    spacing = RATE_HZ / n_samples
    assert frequency[0] == pytest.approx(low_hz, abs=spacing)
    assert frequency[-1] <= min(low_hz + width_hz, RATE_HZ / 2) + spacing
    if len(frequency) > 1:
        # the period is the next length with small prime factors, at most a few percent longer
        assert 0.9 * spacing < np.diff(frequency).mean() <= spacing * (1 + 1e-9)


def test_rows_of_noise_are_normal_and_independent():
    rows = coloured_noise(np.random.default_rng(0), 12, WINDOW_SAMPLES, 0.0, 90)
    # white below 90 Hz: about 9000 independent numbers a row, so correlations have a standard error of 0.0105
    correlation = np.corrcoef(rows) - np.eye(12)
    assert abs(correlation).max() < 5 * 0.0105
    assert stats.kstest(rows[:, ::7].ravel() / rows.std(), "norm").pvalue > 1e-3


def test_a_gain_per_row_gives_each_row_its_own():
    gain = np.array([[1.0], [3.0]]) * np.full(500, 1 / 500**0.5)
    rows = shaped_noise(np.random.default_rng(0), 2, WINDOW_SAMPLES, 5, gain)
    # 500 bins are 1000 degrees of freedom: a standard deviation is known to 1/sqrt(2000)
    np.testing.assert_allclose(rows.std(axis=1), [1, 3], rtol=5 / 2000**0.5)


@pytest.mark.parametrize("exponent", [0.8, 1.6, 2.2, 3])
@pytest.mark.parametrize("high_hz", [15, 70])
def test_coloured_noise_has_the_slope_of_its_exponent_and_ends_at_its_limit(exponent, high_hz):
    rows = coloured_noise(np.random.default_rng(0), 40, WINDOW_SAMPLES, exponent, high_hz)
    # steep noise has its variance in a few bins above 0.1 Hz: about 30 bins x 40 rows x 2, or 3 % standard error
    assert rows.var() == pytest.approx(1, abs=0.15)
    frequency, density = sp.periodogram(rows, RATE_HZ)
    density = density.mean(axis=0)
    band = (frequency >= 1) & (frequency <= 0.9 * high_hz)
    slope = np.polyfit(np.log(frequency[band]), np.log(density[band]), 1)[0]
    # each of over 600 bins has a log error of 1/sqrt(40); over a spread of log f of about 0.6 the slope's is 0.011
    assert slope == pytest.approx(-exponent, abs=5 * 0.011)
    flat = (frequency >= 0.12) & (frequency <= 0.48)
    flatness = density[flat][:9].mean() / density[flat][-9:].mean()
    assert flatness == pytest.approx(1, abs=5 * np.sqrt(2 / (9 * 40)))
    assert power(rows, high_hz + 0.1, 100).sum() < 1e-9 * power(rows, 0, 100).sum()


@pytest.mark.parametrize(("centre_hz", "width_hz"), [(0.8, 0.6), (2, 0.5), (9, 0.6), (18, 3)])
def test_band_noise_has_a_gaussian_spectrum_about_its_centre(centre_hz, width_hz):
    rows = band_noise(np.random.default_rng(0), 60, WINDOW_SAMPLES, centre_hz, width_hz)
    frequency, density = sp.periodogram(rows, RATE_HZ)
    weight = density.mean(axis=0) / density.mean(axis=0).sum()
    low_hz = max(0.2, centre_hz - 3 * width_hz)
    shape = stats.truncnorm((low_hz - centre_hz) / width_hz, 3, loc=centre_hz, scale=width_hz)
    # 60 rows x the bins within one width (at least 25 in 0.5 Hz): 1500 draws of the frequency, and a bin of 0.02 Hz
    assert (weight * frequency).sum() == pytest.approx(shape.mean(), abs=5 * shape.std() / 1500**0.5 + 0.01)
    mean = (weight * frequency).sum()
    spread = np.sqrt((weight * (frequency - mean) ** 2).sum())
    assert spread == pytest.approx(shape.std(), rel=5 / np.sqrt(2 * 1500) + 0.02)
    assert rows.var() == pytest.approx(1, abs=5 / 1500**0.5)


@pytest.mark.parametrize("spread", [0.2, 0.8])
@pytest.mark.parametrize("seconds", [2, 15])
def test_an_envelope_wanders_about_one(spread, seconds):
    rows = envelope(np.random.default_rng(0), WINDOW_SAMPLES, seconds, spread, 300)
    assert (rows > 0).all()
    # at least five knots a row; the standard error of a median is 1.25 times that of a mean
    error = 1.25 * spread / np.sqrt(300 * 5)
    assert np.log(np.median(rows)) == pytest.approx(0, abs=5 * error)
    # at the knots themselves the logarithm has the spread; here at both ends: 600 numbers
    assert np.log(rows[:, [0, -1]]).std() == pytest.approx(spread, rel=5 / np.sqrt(1200))
    # what is two knots away has nothing in common
    half = np.log(rows[:, :: int(2.2 * seconds * RATE_HZ)][:, :2])
    assert abs(np.corrcoef(half.T)[0, 1]) < 5 / np.sqrt(300)


@pytest.mark.parametrize(("on_s", "off_s"), [(1, 1), (1.5, 6), (4, 1)])
def test_a_switch_is_on_for_its_share_of_the_time_in_runs_of_its_mean(on_s, off_s):
    n_samples = 400_000
    level = switch(np.random.default_rng(1), n_samples, on_s, off_s)
    assert level.min() >= -1e-9
    assert level.max() <= 1 + 1e-9
    cycle_s = on_s + off_s
    n_cycles = n_samples / RATE_HZ / (1.1 * cycle_s)
    # The share is that of two sums of n exponentials: its error is share (1 - share) sqrt(2 / n) at most.
    share = on_s / cycle_s
    assert level.mean() == pytest.approx(share, abs=5 * share * (1 - share) * np.sqrt(2 / n_cycles))
    # Runs last 1.1 times the mean that is asked for (a tenth is the least); some are lost within the ramp.
    risen = (np.diff((level > 0.5).astype(int)) == 1).sum()
    assert 0.7 * n_cycles < risen < 1.2 * n_cycles


@given(seeds, st.floats(0.05, 0.95))
def test_a_switch_begins_as_asked_or_by_chance(seed, share):
    rng = np.random.default_rng(seed)
    on = switch(rng, 2000, 50.0, 50.0, 0.05, on=True)
    off = switch(rng, 2000, 50.0, 50.0, 0.05, on=False)
    assert on[0] > 0.5 > off[0]
    begins = [switch(rng, 10, 10 * share, 10 * (1 - share), 0.0)[0] for _ in range(400)]
    assert np.mean(begins) == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / 400))


@given(seeds, st.integers(1, 400), st.integers(1, 60))
def test_smoothing_is_the_running_mean(seed, n_samples, width):
    values = np.random.default_rng(seed).normal(size=n_samples)
    padded = np.pad(values, (width // 2, width - 1 - width // 2), mode="edge")
    expected = np.convolve(padded, np.full(width, 1 / width), mode="valid")
    # cumulated sums of at most 460 numbers of about one: 460 x 30 x 2^-53, over the width
    np.testing.assert_allclose(smooth(values, width), expected, rtol=0, atol=1e-11)


@given(st.floats(-30, 30))
def test_the_sigmoid_is_the_logistic_function(x):
    assert sigmoid(x) == pytest.approx(0.5 * (1 + np.tanh(x / 2)), abs=1e-15)
