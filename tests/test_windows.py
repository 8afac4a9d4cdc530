import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ictal.windows import CENTRE_S, CENTRE_SAMPLES, RATE_HZ, WINDOW_S, WINDOW_SAMPLES, cut
from tests.helpers import noise

short_lengths = st.integers(1, WINDOW_SAMPLES - 1)


def test_the_window_is_the_one_of_the_data():
    assert (RATE_HZ, WINDOW_S, CENTRE_S, WINDOW_SAMPLES, CENTRE_SAMPLES) == (200, 50, 10, 10_000, 2_000)


@given(st.integers(0, 3000), st.data())
def test_a_window_within_the_signal_is_a_slice_of_it(more, data):
    signal = noise(WINDOW_SAMPLES + more, n_channels=2)
    start = data.draw(st.integers(0, more))
    for policy in ("reflect", "zero", "refuse"):
        window, n_made_up = cut(signal, start, policy)
        np.testing.assert_array_equal(window, signal[:, start : start + WINDOW_SAMPLES])
        assert n_made_up == 0


@given(short_lengths)
@example(1)
@example(CENTRE_SAMPLES)
@example(CENTRE_SAMPLES + 1)
@example(WINDOW_SAMPLES - 1)
def test_a_short_signal_keeps_its_middle_and_is_mirrored_again_and_again(n_samples):
    signal = noise(n_samples, n_channels=2)
    before = signal.copy()
    window, n_made_up = cut(signal, 0, "reflect")
    assert window.shape == (2, WINDOW_SAMPLES)
    assert n_made_up == WINDOW_SAMPLES - n_samples
    begin = n_made_up // 2  # the signal's middle is the window's, within half a sample
    np.testing.assert_array_equal(window[:, begin : begin + n_samples], signal)
    place = (np.arange(WINDOW_SAMPLES) - begin) % (2 * n_samples)  # there and back, each end twice
    np.testing.assert_array_equal(window, signal[:, np.minimum(place, 2 * n_samples - 1 - place)])
    np.testing.assert_array_equal(signal, before)


@given(short_lengths)
def test_a_short_signal_among_zeros(n_samples):
    signal = noise(n_samples, n_channels=2) + 1000
    window, n_made_up = cut(signal, 0, "zero")
    begin = n_made_up // 2
    np.testing.assert_array_equal(window[:, begin : begin + n_samples], signal)
    assert np.count_nonzero(window) == signal.size
    assert window.dtype == signal.dtype


@pytest.mark.parametrize(
    ("n_samples", "start", "policy", "words"),
    [
        (WINDOW_SAMPLES, 1, "reflect", "sample 1 reaches past the signal of 10000"),
        (WINDOW_SAMPLES + 5, 6, "zero", "sample 6 reaches past the signal of 10005"),
        (WINDOW_SAMPLES + 5, -1, "reflect", "sample -1"),
        (WINDOW_SAMPLES - 1, 0, "refuse", "9999 samples is shorter than a window of 10000"),
        (2000, 1, "reflect", "2000 samples is shorter"),
        (0, 0, "reflect", "0 samples is shorter"),
        (0, 0, "zero", "0 samples is shorter"),
    ],
)
def test_a_window_that_cannot_be_cut_is_an_error(n_samples, start, policy, words):
    with pytest.raises(ValueError, match=words):
        cut(noise(n_samples, n_channels=2), start, policy)
