"""Filters that run forward and backward as products of matrices: they give what recursions in float64 give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal as sp

from ictal.core.windows import RATE_HZ
from ictal.preprocessing import butterworth
from ictal.preprocessing.filtering import NOTCH_PAD_S, NOTCH_Q, band_pass, notch
from ictal.preprocessing.zero_phase import BLOCK, ForwardFilter, ZeroPhaseFilter

BOUND = 2**-18
"""Largest error, relative to the largest deviation of the extended signal from the mean: see `ZeroPhaseFilter`."""


def drifting(seed: int, n_rows: int, n_samples: int) -> np.ndarray:
    """Return noise of 50 µV with a random walk and an offset, as electrodes have."""
    rng = np.random.default_rng(seed)
    noise, walk, offset = (rng.normal(0, uv, (n_rows, n_samples)) for uv in (50, 5, 2000))
    return (noise + walk.cumsum(axis=1) + offset[:, :1]).astype(np.float32)


def assert_filtered(found: np.ndarray, signal: np.ndarray, sections: np.ndarray, pad: int) -> None:
    """Check what was found against recursions in float64."""
    pad = min(pad, signal.shape[1] - 1)
    expected = sp.sosfiltfilt(sections, signal.astype(np.float64), axis=1, padlen=pad)
    extended = np.pad(signal, ((0, 0), (pad, pad)), mode="reflect", reflect_type="odd")
    largest = abs(extended - signal.mean(axis=1, keepdims=True)).max()
    assert found.dtype == signal.dtype
    np.testing.assert_allclose(found, expected, rtol=0, atol=BOUND * largest + 1e-6)


@given(
    n_rows=st.integers(1, 3),
    n_samples=st.one_of(st.integers(1, 3 * BLOCK), st.integers(2, 20_000)),
    low_hz=st.floats(0.05, 30),
    width=st.floats(1.05, 300),
    order=st.integers(1, 10),
    seed=st.integers(0, 2**20),
)
@settings(max_examples=100, deadline=None)
def test_any_band_pass_is_that_of_scipy_also_at_the_ends(n_rows, n_samples, low_hz, width, order, seed):
    """The signal is continued by one period of the lower edge."""
    band_hz = low_hz, min(low_hz * width, 99.0)
    signal = drifting(seed, n_rows, n_samples)
    sections = sp.butter(order, band_hz, "bandpass", fs=RATE_HZ, output="sos")
    assert_filtered(band_pass(signal, band_hz, order), signal, sections, round(RATE_HZ / low_hz))


@pytest.mark.parametrize("high_hz", [5.8, 5.805, 5.82, 5.828])
@pytest.mark.parametrize("order", [1, 3, 9])
def test_a_band_with_two_poles_that_almost_coincide_is_right(high_hz, order):
    signal = drifting(0, 2, 5000)
    sections = sp.butter(order, (1, high_hz), "bandpass", fs=RATE_HZ, output="sos")
    assert_filtered(band_pass(signal, (1, high_hz), order), signal, sections, RATE_HZ)


@given(st.floats(10, 99), st.integers(1, 20_000), st.integers(0, 2**20))
@settings(max_examples=30, deadline=None)
def test_a_notch_is_that_of_scipy_and_keeps_the_offset(notch_hz, n_samples, seed):
    signal = drifting(seed, 2, n_samples)
    sections = sp.tf2sos(*sp.iirnotch(notch_hz, NOTCH_Q, fs=RATE_HZ))
    assert_filtered(notch(signal, notch_hz), signal, sections, NOTCH_PAD_S * RATE_HZ)


def test_a_constant_is_multiplied_by_the_squared_gain_at_0_hz():
    low_pass = ZeroPhaseFilter.of(*sp.butter(5, 20, fs=RATE_HZ, output="zpk"))
    high_pass = ZeroPhaseFilter.of(*sp.butter(5, 1, "highpass", fs=RATE_HZ, output="zpk"))
    signal = np.full((1, 1000), 1234.5, dtype=np.float32)
    np.testing.assert_allclose(low_pass(signal, 100), signal, rtol=2**-19)
    np.testing.assert_allclose(high_pass(signal, 100), 0, atol=1e-6)


def test_a_signal_need_not_fill_its_blocks():
    sections = sp.butter(4, (0.1, 20), "bandpass", fs=RATE_HZ, output="sos")
    signal = drifting(1, 1, 4 * BLOCK)
    for n_samples in range(2 * BLOCK, 3 * BLOCK):
        part = signal[:, :n_samples]
        assert_filtered(band_pass(part, (0.1, 20), 4), part, sections, 10 * RATE_HZ)


@given(
    n_samples=st.one_of(st.integers(1, 3 * BLOCK), st.integers(2, 20_000)),
    low_hz=st.floats(0.05, 30),
    width=st.floats(1.2, 300),
    order=st.integers(1, 5),
    seed=st.integers(0, 2**20),
)
@settings(max_examples=50, deadline=None)
def test_a_filter_that_runs_forward_is_that_of_scipy(n_samples, low_hz, width, order, seed):
    band_hz = low_hz, min(low_hz * width, 99.0)
    (samples,) = drifting(seed, 1, n_samples)
    expected = sp.sosfilt(sp.butter(order, band_hz, "bandpass", fs=RATE_HZ, output="sos"), samples)
    found = ForwardFilter.of(*butterworth.band_pass(order, band_hz))(samples)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * abs(samples).max())
