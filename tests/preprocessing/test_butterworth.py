"""Butterworth filters are those of SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal as sp

from ictal.core.windows import RATE_HZ
from ictal.preprocessing import butterworth

ORDERS = st.integers(1, 10)


def assert_same_filter(found, expected):
    """Check zeros and poles in any order, and the gain; both differ by rounding."""
    assert sorted(found[0].real) == sorted(expected[0].real)
    np.testing.assert_array_equal(found[0].imag, 0)
    poles, others = found[1], np.asarray(expected[1], dtype=complex)
    assert len(poles) == len(others)
    apart = abs(poles[:, None] - others)
    assert max(apart.min(axis=0).max(), apart.min(axis=1).max()) < 1e-8
    assert found[2] == pytest.approx(expected[2], rel=1e-9)


@given(order=ORDERS, low_hz=st.floats(0.05, 50), width=st.floats(1.05, 300))
@settings(deadline=None)
def test_a_band_pass_is_that_of_scipy(order, low_hz, width):
    band_hz = low_hz, min(low_hz * width, 99.0)
    expected = sp.butter(order, band_hz, "bandpass", fs=RATE_HZ, output="zpk")
    assert_same_filter(butterworth.band_pass(order, band_hz), expected)


@given(order=ORDERS, edge_hz=st.floats(0.05, 99))
@settings(deadline=None)
def test_a_low_pass_is_that_of_scipy(order, edge_hz):
    expected = sp.butter(order, edge_hz, "lowpass", fs=RATE_HZ, output="zpk")
    assert_same_filter(butterworth.low_pass(order, edge_hz), expected)


@given(order=ORDERS, band_hz=st.sampled_from([(0.1, 20.0), (0.5, 20.0), (1.0, 5.8), (2.0, 15.0)]))
def test_poles_are_real_or_exact_pairs(order, band_hz):
    """Partial fractions take those with an imaginary part of at least 0."""
    poles = butterworth.band_pass(order, band_hz)[1]
    assert {*poles.tolist()} == {*poles.conj().tolist()}
