import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ictal.core.windows import (
    BEFORE_SAMPLES,
    CENTRE_S,
    CENTRE_SAMPLES,
    RATE_HZ,
    WINDOW_S,
    WINDOW_SAMPLES,
    Geometry,
    WindowPosition,
    cut,
    pad_window,
)
from ictal.preprocessing.runs import RunExtent
from tests.helpers import noise

short_lengths = st.integers(1, WINDOW_SAMPLES - 1)


def test_the_window_is_the_one_of_the_data():
    assert (RATE_HZ, WINDOW_S, CENTRE_S, WINDOW_SAMPLES, CENTRE_SAMPLES) == (200, 50, 10, 10_000, 2_000)


@given(st.integers(0, 3000), st.data())
def test_a_window_within_the_signal_is_a_slice_of_it(more, data):
    signal = noise(WINDOW_SAMPLES + more, n_channels=2)
    start = data.draw(st.integers(0, more))
    for policy in ("reflect", "zero", "refuse"):
        window, n_padded = cut(signal, start, policy)
        np.testing.assert_array_equal(window, signal[:, start : start + WINDOW_SAMPLES])
        assert n_padded == 0


@given(short_lengths)
@example(1)
@example(CENTRE_SAMPLES)
@example(CENTRE_SAMPLES + 1)
@example(WINDOW_SAMPLES - 1)
def test_a_short_signal_keeps_its_middle_and_is_mirrored_again_and_again(n_samples):
    signal = noise(n_samples, n_channels=2)
    before = signal.copy()
    window, n_padded = cut(signal, 0, "reflect")
    assert window.shape == (2, WINDOW_SAMPLES)
    assert n_padded == WINDOW_SAMPLES - n_samples
    begin = n_padded // 2  # the signal's middle is the window's, within half a sample
    np.testing.assert_array_equal(window[:, begin : begin + n_samples], signal)
    place = (np.arange(WINDOW_SAMPLES) - begin) % (2 * n_samples)  # there and back, each end twice
    np.testing.assert_array_equal(window, signal[:, np.minimum(place, 2 * n_samples - 1 - place)])
    np.testing.assert_array_equal(signal, before)


@given(short_lengths)
def test_a_short_signal_among_zeros(n_samples):
    signal = noise(n_samples, n_channels=2) + 1000
    window, n_padded = cut(signal, 0, "zero")
    begin = n_padded // 2
    np.testing.assert_array_equal(window[:, begin : begin + n_samples], signal)
    assert np.count_nonzero(window) == signal.size
    assert window.dtype == signal.dtype


@pytest.mark.parametrize(
    ("n_samples", "start", "policy", "words"),
    [
        (WINDOW_SAMPLES, 1, "reflect", "sample 1 ends after the signal of 10000"),
        (WINDOW_SAMPLES + 5, 6, "zero", "sample 6 ends after the signal of 10005"),
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


# What a model needs for which 10 s

recordings = st.lists(st.tuples(st.floats(0.1, 200), st.floats(0.1, 50)), min_size=1, max_size=4)


def runs_of(pieces: list[tuple[float, float]]) -> list[RunExtent]:
    """Return runs of so many seconds, each with a gap after it."""
    runs, onset_s = [], 0.0
    for seconds, gap_s in pieces:
        runs.append(RunExtent(onset_s, round(seconds * RATE_HZ)))
        onset_s += runs[-1].n_samples / RATE_HZ + gap_s
    return runs


@given(recordings, st.sampled_from([10, 10.5, 20, 50]), st.sampled_from(["reflect", "refuse"]))
def test_every_window_that_is_scored_is_found_again_by_its_centre_and_what_is_seen_is_there(pieces, seen_s, short):
    runs, geometry = runs_of(pieces), Geometry(seen_s, short)
    for number, starts in enumerate(geometry.starts(runs, CENTRE_SAMPLES)):
        run = runs[number]
        for start in starts:
            centre_s = run.onset_s + (start + BEFORE_SAMPLES) / RATE_HZ
            # Votes are written down to the millisecond.
            assert geometry.place(runs, round(centre_s, 3)) == WindowPosition(number, start)
            first, last = start + geometry.unseen, start + geometry.unseen + geometry.needed
            assert (first >= 0 and last <= run.n_samples) or geometry.n_padded(run)
            assert 0 <= start + BEFORE_SAMPLES <= run.n_samples - CENTRE_SAMPLES, "the voted 10 s are always there"


@given(recordings, st.floats(0, 900), st.sampled_from([10, 20, 50]))
def test_a_centre_has_a_place_just_where_all_that_is_seen_lies_in_one_run(pieces, centre_s, seen_s):
    runs, geometry = runs_of(pieces), Geometry(seen_s, "refuse")
    around_s, rounded_s = (seen_s - CENTRE_S) / 2, 1 / RATE_HZ
    begin_s, end_s = centre_s - around_s, centre_s + CENTRE_S + around_s
    spans = [(run.onset_s, run.onset_s + run.n_samples / RATE_HZ) for run in runs]
    found = geometry.place(runs, centre_s)
    if any(first_s <= begin_s and end_s <= last_s for first_s, last_s in spans):
        assert found is not None
    if not any(first_s - rounded_s <= begin_s and end_s <= last_s + rounded_s for first_s, last_s in spans):
        assert found is None
        assert geometry.why_not(runs, centre_s)
    if found:
        at_s = runs[found.run].onset_s + (found.start + BEFORE_SAMPLES) / RATE_HZ
        assert abs(at_s - centre_s) <= rounded_s


def test_a_short_recording_has_one_window_its_middle_and_a_short_piece_beside_a_gap_has_none():
    geometry = Geometry(50)
    (clip,) = runs_of([(30, 1)])
    assert geometry.starts([clip], 2000) == [[-2000]]
    assert geometry.place([clip], 10.0) == WindowPosition(0, -2000)
    assert geometry.place([clip], 5.0) is None
    assert "the only 10 s with a prediction start at 10 s" in geometry.why_not([clip], 5.0)
    assert geometry.n_padded(clip) == 4000
    assert [list(starts) for starts in geometry.starts(runs_of([(30, 1), (60, 1)]), 2000)] == [[], [0, 2000]]
    assert list(*Geometry(50, "refuse").starts([clip], 2000)) == []
    assert "standardise.short is 'refuse'" in Geometry(50, "refuse").why_not([clip], 10.0)


def test_what_is_missing_is_said_with_times():
    runs = runs_of([(60, 5), (20, 5)])
    assert Geometry(50).why_not(runs, 5) == (
        "the model sees 50 s, from -15 to 35 s; the recording has EEG without a gap from 0 to 60 s"
    )
    assert "from 65 to 85 s" in Geometry(10).why_not(runs, 80)


@given(st.integers(2000, 12_000), st.integers(-4000, 6000))
def test_a_window_is_completed_by_mirror_images_or_zeros(n_samples, start):
    signal = noise(n_samples, n_channels=2)
    at = np.arange(start, start + WINDOW_SAMPLES)
    there = (at >= 0) & (at < n_samples)
    for policy in ("reflect", "zero", "refuse"):
        window = pad_window(signal, start, policy)
        assert window.shape == (2, WINDOW_SAMPLES)
        np.testing.assert_array_equal(window[:, there], signal[:, at[there]])
    assert not window[:, ~there].any()
    long = np.concatenate([signal, signal[:, ::-1]] * 6, axis=1)  # mirrored again and again
    begin = start + 4 * n_samples
    np.testing.assert_array_equal(pad_window(signal, start), long[:, begin : begin + WINDOW_SAMPLES])
