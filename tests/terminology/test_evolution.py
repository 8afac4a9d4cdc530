"""Evolution and fluctuation by the rules of the terminology (ACNS 2021, C, modifier evolution)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.terminology.evolution import evolution_of, rates_over_time


def cycles(rate_hz, seconds: float) -> np.ndarray:
    """Return the times of cycles whose rate is a function of the time, s."""
    times = [0.0]
    while times[-1] < seconds:
        times.append(times[-1] + 1 / rate_hz(times[-1]))
    return np.array(times)


@given(rate_hz=st.floats(0.7, 6), seconds=st.floats(15, 600))
def test_a_constant_rate_is_static(rate_hz, seconds):
    assert evolution_of(cycles(lambda _: rate_hz, seconds)) == "static"


@pytest.mark.parametrize("seconds", [24, 60, 240])
@pytest.mark.parametrize("begin_hz", [1.5, 3.0])
def test_two_changes_by_half_a_hertz_in_one_direction_are_evolution(seconds, begin_hz):
    assert evolution_of(cycles(lambda s: begin_hz + 2 * s / seconds, seconds)) == "evolving"
    assert evolution_of(cycles(lambda s: begin_hz + 2 - 2 * s / seconds, seconds)) == "evolving"


def test_one_change_is_not_evolution():
    assert evolution_of(cycles(lambda s: 1.5 if s < 30 else 2.2, 60)) == "static"


def test_a_rate_that_goes_to_and_fro_fluctuates():
    assert evolution_of(cycles(lambda s: 1.0 if s % 16 < 8 else 1.6, 32)) == "fluctuating"


def test_changes_more_than_a_minute_apart_are_no_fluctuation():
    assert evolution_of(cycles(lambda s: 1.0 if s % 200 < 100 else 1.6, 800)) == "static"


def test_a_change_of_less_than_half_a_hertz_does_not_count():
    assert evolution_of(cycles(lambda s: 1.0 + 0.45 * s / 60, 60)) == "static"


@pytest.mark.parametrize("times", [[], [1.0], [1.0, 2.0], [1.0, 2.0, 3.0, 4.0]])
def test_a_few_cycles_are_too_short_to_tell(times):
    assert evolution_of(times) is None


@given(jitter=st.floats(0, 0.1), seed=st.integers(0, 100))
def test_intervals_that_merely_vary_are_no_evolution(jitter, seed):
    rng = np.random.default_rng(seed)
    times = np.cumsum(np.exp(rng.normal(0, jitter, 60)))
    assert evolution_of(times) == "static"


def test_a_pause_is_no_interval():
    times = np.concatenate([np.arange(0, 20, 0.5), np.arange(40, 60, 0.5)])
    _, rates = rates_over_time(times)
    np.testing.assert_allclose(rates, 2.0)
