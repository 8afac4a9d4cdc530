"""The best sequence of events, and the share that they explain."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ictal.measurement.discharges import clear_part, find_discharges, middle
from ictal.measurement.rhythm import DELTA_HZ, SEIZURE_HZ, find_waves
from ictal.measurement.signal import HZ
from ictal.measurement.tracking import LEAST, LONGEST, SHORTEST, SKIPPED, STEADY, autocorrelation, best_sequence


def gain(score: np.ndarray, chosen: tuple[int, ...], interval: float) -> float:
    """Return what `best_sequence` maximises, for some places; minus infinity if an interval is not allowed."""
    total = float(score[list(chosen)].sum())
    for before, after in pairwise(chosen):
        length = (after - before) / interval
        if not SHORTEST <= length <= LONGEST:
            return -np.inf
        total -= min(STEADY * np.log(length) ** 2, STEADY * np.log(length / 2) ** 2 + SKIPPED)
    return total


@settings(max_examples=40)
@given(heights=st.lists(st.floats(0.6, 5), min_size=1, max_size=9), interval=st.floats(6, 30), data=st.data())
def test_no_other_sequence_of_peaks_is_better(heights, interval, data):
    gaps = data.draw(st.lists(st.integers(3, 25), min_size=len(heights), max_size=len(heights)))
    places = np.cumsum(gaps)
    score = np.zeros(places[-1] + 3)
    score[places] = heights
    found = best_sequence(score, interval)
    # Both limits are searched among samples, so an interval on a limit may be in or out.
    best = max(
        gain(score, chosen, interval)
        for size in range(1, len(places) + 1)
        for chosen in combinations(places.tolist(), size)
    )
    assert set(found.tolist()) <= set(places.tolist())
    assert gain(score, tuple(found.tolist()), interval) == pytest.approx(best, abs=1e-6) or found.size == 0


def test_small_peaks_are_no_events():
    score = np.zeros(100)
    score[50] = LEAST / 2
    assert not len(best_sequence(score, 20))


def test_the_autocorrelation_is_that_of_numpy():
    rng = np.random.default_rng(0)
    channels = rng.normal(size=(3, 200))
    direct = sum(np.correlate(row, row, "full")[199:] for row in channels)
    expected = direct / direct[0] * 200 / (200 - np.arange(200))
    np.testing.assert_allclose(autocorrelation(channels, 50), expected[:50], atol=1e-9)


@given(values=st.lists(st.floats(-100, 100), min_size=1, max_size=30))
def test_the_middle_is_the_median(values):
    assert middle(np.array(values)) == pytest.approx(np.median(values))


def test_faint_events_are_left_out_at_the_ends_only():
    assert clear_part(np.array([0.1, 0.2, 3, 0.1, 3, 3, 0.3])) == slice(2, 6)
    assert clear_part(np.empty(0)) == slice(0, 0)


@pytest.mark.parametrize("rate_hz", [0.5, 1.0, 2.0, 3.0])
def test_the_rate_of_pulses_without_noise_is_exact(rate_hz):
    time = np.arange(14 * HZ) / HZ
    pulses = np.exp(-((((time * rate_hz) % 1 - 0.5) / rate_hz / 0.04) ** 2) / 2)
    rng = np.random.default_rng(0)
    eeg = np.outer(rng.normal(size=19), pulses) + 0.01 * rng.normal(size=(19, len(time)))
    found = find_discharges(eeg)
    assert found is not None
    assert found.rate_hz == pytest.approx(rate_hz, rel=0.015), "intervals are whole samples of 10 ms"
    assert found.explained > 0.9


@pytest.mark.parametrize(("band_hz", "rate_hz"), [(DELTA_HZ, 0.8), (DELTA_HZ, 2.3), (SEIZURE_HZ, 5.0)])
def test_the_rate_of_a_sinusoid_is_exact_and_a_wave_is_where_the_largest_electrode_is_most_negative(band_hz, rate_hz):
    time = np.arange(14 * HZ) / HZ
    field = np.array([3.0, *np.linspace(-1, 1, 18)])
    eeg = np.outer(field, np.cos(2 * np.pi * rate_hz * time))
    found = find_waves(eeg, band_hz)
    assert found is not None
    assert found.rate_hz == pytest.approx(rate_hz, rel=0.02)
    inner = found.at[(found.at > HZ) & (found.at < 13 * HZ)]
    assert (eeg[0, inner] < -2.8).all()


def test_noise_and_nothing_have_no_discharges_that_explain_much():
    rng = np.random.default_rng(1)
    found = find_discharges(rng.normal(size=(19, 14 * HZ)))
    assert found is None or found.explained < 0.1
    assert find_discharges(np.zeros((19, 14 * HZ))) is None
    assert find_waves(np.zeros((19, 14 * HZ))) is None
