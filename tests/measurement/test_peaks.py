"""Peaks are those of SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal as sp

from ictal.measurement.peaks import find_peaks


@given(
    n_samples=st.integers(0, 2000),
    smoothed=st.integers(1, 20),
    height=st.floats(-2, 2),
    distance=st.integers(1, 60),
    seed=st.integers(0, 2**20),
)
@settings(deadline=None)
def test_peaks_are_those_of_scipy(n_samples, smoothed, height, distance, seed):
    noise = np.random.default_rng(seed).standard_normal(n_samples + smoothed)
    values = np.convolve(noise, np.ones(smoothed) / smoothed**0.5, "valid").astype(np.float32)[:n_samples]
    expected, _ = sp.find_peaks(values, height=height, distance=distance)
    np.testing.assert_array_equal(find_peaks(values, height, distance), expected)


@pytest.mark.parametrize("values", [[], [1], [1, 2], [0, 0, 0], [3, 2, 1]])
def test_a_signal_without_peaks_has_none(values):
    assert not len(find_peaks(np.array(values, dtype=np.float32), 0.0, 1))
