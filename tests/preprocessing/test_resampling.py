"""Time: sample k of a recording at any rate stands for k / 200 s, however long the recording."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ictal.core.montage import CHANNELS
from ictal.core.recording import Gap, Recording
from ictal.core.windows import RATE_HZ
from ictal.preprocessing.channel_mapping import map_channels
from ictal.preprocessing.filtering import EXACT, resampler
from ictal.preprocessing.runs import RecordedRun, recorded_runs

DAY_S = 24 * 3600
RIPPLE = 10 ** (-54 / 20)
"""Of the pass band of a Kaiser window of beta 5, see test_standardise.py."""
HERTZ = (3.0, 17.0)


def course(time_s: np.ndarray) -> np.ndarray:
    """Return waves of amplitude 1 each."""
    return np.sum([np.sin(2 * np.pi * hertz * time_s) for hertz in HERTZ], axis=0)


@dataclass(frozen=True)
class OfTime:
    """Samples that are made when they are asked for, so that a day of them needs no memory."""

    rate_hz: float
    onsets: tuple[tuple[int, float], ...] = ((0, 0.0),)

    def read(self, start, stop, rows=None):
        number = np.arange(start, stop, dtype=np.float64)
        time_s = number / self.rate_hz
        for first, onset_s in self.onsets:
            time_s = np.where(number >= first, onset_s + (number - first) / self.rate_hz, time_s)
        return np.tile(100 * course(time_s), (len(CHANNELS if rows is None else rows), 1)).astype(np.float32)


def of(rate_hz: float, seconds: float) -> RecordedRun:
    recording = Recording("made", CHANNELS, rate_hz, round(seconds * rate_hz), OfTime(rate_hz))
    (run,) = recorded_runs(recording, map_channels(recording), "linear")
    return run


rates = st.one_of(
    st.floats(100, 20_000),
    st.tuples(st.sampled_from([128.0, 200.0, 256.0, 400.0, 500.0, 512.0, 1000.0, 5000.0]), st.floats(-0.5, 0.5))
    .map(sum)
    .filter(lambda rate_hz: rate_hz >= 100),
)


@given(rate_hz=rates)
@example(200.1)
@example(199.9)
@example(399.8)
@example(499.907)
@example(999.4121105232217)
@example(100.0)
@example(19_999.3)
@example(256.0)
def test_times_are_true_at_the_end_of_a_day(rate_hz):
    run = of(rate_hz, DAY_S)
    assert abs(run.n_samples - DAY_S * RATE_HZ) <= 1
    start = run.n_samples - 3 * RATE_HZ
    made = run.resampled(start, start + 2 * RATE_HZ).signal
    expected = 100 * course(np.arange(start, start + 2 * RATE_HZ) / RATE_HZ)
    # Half a sample of 200 Hz would be 27 of 100 at 17 Hz. Two waves ripple, and float32 rounds.
    np.testing.assert_allclose(made, np.tile(expected, (20, 1)), rtol=0, atol=100 * len(HERTZ) * RIPPLE)


@given(rate_hz=rates, cuts=st.lists(st.integers(0, 20 * RATE_HZ), min_size=1, max_size=4))
def test_chunks_are_those_of_the_whole(rate_hz, cuts):
    run = of(rate_hz, 20)  # some hundred blocks
    whole = run.resampled(0, run.n_samples)
    places = sorted({0, *(min(cut, run.n_samples) for cut in cuts), run.n_samples})
    pieces = [run.resampled(*ends).signal for ends in pairwise(places)]
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), whole.signal, rtol=0, atol=1e-3)


@given(rate_hz=rates, seconds=st.floats(10, 200))
def test_marks_lie_where_their_samples_do(rate_hz, seconds):
    found, first = resampler(rate_hz), 7
    n_in = round(seconds * rate_hz)
    marks = np.zeros((1, n_in), dtype=bool)
    marks[0, n_in // 2] = True
    at = np.flatnonzero(found.marks(marks[:, first:], first, 0, found.n_out(n_in))[0])
    assert 1 <= len(at) <= int(np.ceil(RATE_HZ / rate_hz)) + 1
    assert abs(at / RATE_HZ - n_in // 2 / rate_hz).max() <= 1 / RATE_HZ + 1 / rate_hz


@pytest.mark.parametrize("rate_hz", [499.907, 999.4121105232217, 5000.7])
def test_what_the_new_rate_cannot_hold_is_not_folded_into_the_eeg(rate_hz):
    time_s = np.arange(round(20 * rate_hz)) / rate_hz
    wave = np.tile(100 * np.sin(2 * np.pi * 205 * time_s), (len(CHANNELS), 1))
    recording = Recording.from_array(wave, CHANNELS, rate_hz)
    (run,) = recorded_runs(recording, map_channels(recording), "linear")
    inner = run.resampled(RATE_HZ, run.n_samples - RATE_HZ).signal
    assert abs(inner).max() < 1.5 * 100 * RIPPLE


@pytest.mark.parametrize("rate_hz", [128.0, 200.0, 250.5, 256.0, 500.0, 512.0, 1000 / 3, 2048.0, 20_000.0])
def test_simple_ratios_share_one_matrix(rate_hz):
    found = resampler(rate_hz)
    assert found.is_simple
    assert abs(found.n_old / found.n_new * RATE_HZ / rate_hz - 1) < EXACT


@pytest.mark.parametrize("rate_hz", [200.1, 199.9, 399.8, 499.907, 999.4121105232217, 200 * (1 + 1e-6)])
def test_rates_beside_a_simple_ratio_are_not_taken_as_it(rate_hz):
    assert not resampler(rate_hz).is_simple


def test_the_samples_after_a_gap_have_the_times_of_that_gap():
    rate_hz, hour = 200.1, round(3600 * 200.1)
    onset_s = hour / rate_hz + 100.123
    source = OfTime(rate_hz, ((0, 0.0), (hour, onset_s)))
    plain = Recording("made", CHANNELS, rate_hz, 2 * hour, source)
    recording = replace(plain, gaps=(Gap(hour / rate_hz, 100.123),))
    *_, after = recorded_runs(recording, map_channels(recording), "linear")
    start = after.n_samples - 3 * RATE_HZ
    made = after.resampled(start, start + RATE_HZ).signal[0]
    expected = 100 * course(onset_s + np.arange(start, start + RATE_HZ) / RATE_HZ)
    np.testing.assert_allclose(made, expected, rtol=0, atol=100 * len(HERTZ) * RIPPLE)
