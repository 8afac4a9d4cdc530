"""Probabilities to events: by hand, and what holds for any series."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.errors import TableError
from ictal.scoring.events import EVENT_PATTERNS, Event, EventSettings, Span, find_events, smooth

PLAIN = EventSettings(smooth_rows=1, min_gap_s=0, min_duration_s=0)
NAN = float("nan")


def scores(values, pattern="seizure", step_s=10.0, first_s=20.0) -> pd.DataFrame:
    """Return rows of 10 s whose probability of a pattern is given, NaN for none; 'other' has the rest."""
    values = np.asarray(values, dtype=float)
    frame = pd.DataFrame({"start_s": first_s + step_s * np.arange(len(values))})
    frame["stop_s"] = frame["start_s"] + 10
    columns = dict.fromkeys(PROBABILITY_COLUMNS, np.where(np.isnan(values), NAN, 0.0))
    return frame.assign(**columns | {"other_probability": 1 - values, f"{pattern}_probability": values})


def times(events) -> list[tuple[float, float]]:
    return [(event.start_s, event.stop_s) for event in events]


def panels(n_rows):
    """Return probabilities of six patterns of so many rows, some of them without a prediction."""
    row = st.one_of(st.none(), st.tuples(*[st.floats(0, 1)] * 6))
    return st.lists(row, min_size=n_rows, max_size=n_rows)


@st.composite
def recordings(draw):
    rows = draw(st.integers(0, 40).flatmap(panels))
    # Steps that overlap, touch and leave time; now and then a gap of a minute.
    lengths = st.sampled_from([2.0, 10.0, 10.0, 10.0, 13.0, 70.0])
    steps = draw(st.lists(lengths, min_size=len(rows), max_size=len(rows)))
    values = np.array([row or (NAN,) * 6 for row in rows], dtype=float).reshape(-1, 6)
    values = values / np.maximum(values.sum(axis=1, keepdims=True), 1e-3)
    frame = pd.DataFrame(values, columns=list(PROBABILITY_COLUMNS))
    frame["start_s"] = 20.0 + np.concatenate([[0.0], np.cumsum(steps)])[: len(rows)]
    return frame.assign(stop_s=frame["start_s"] + 10)


@st.composite
def all_settings(draw):
    off = draw(st.floats(0.05, 0.6))
    return EventSettings(
        smoothing=draw(st.sampled_from(["median", "mean"])),
        smooth_rows=draw(st.sampled_from([1, 3, 5])),
        on=draw(st.floats(off, 0.9)),
        off=off,
        min_gap_s=draw(st.sampled_from([0.0, 10.0, 30.0, 90.0])),
        min_duration_s=draw(st.sampled_from([0.0, 10.0, 25.0])),
        max_unscored_s=draw(st.sampled_from([0.0, 10.0, 100.0])),
    )


def test_an_event_begins_at_on_and_ends_below_off():
    events = find_events(scores([0.4, 0.5, 0.35, 0.3, 0.29, 0.4, 0.1]), PLAIN)
    assert times(events) == [(30, 60)]
    assert events[0].pattern == "seizure"
    assert events[0].peak == 0.5
    assert events[0].mean == pytest.approx((0.5 + 0.35 + 0.3) / 3)


def test_the_median_of_three_drops_a_single_row_and_fills_a_single_dip():
    assert find_events(scores([0.1, 0.1, 0.9, 0.1, 0.1])) == []
    assert times(find_events(scores([0.1, 0.9, 0.9, 0.1, 0.9, 0.9, 0.1, 0.1]))) == [(30, 80)]


def test_the_mean_of_three_by_hand():
    values = smooth(scores([0.3, 0.6, 0.9, 0.0]), EventSettings(smoothing="mean"))["seizure_probability"]
    assert values.to_numpy() == pytest.approx([0.3, 0.6, 0.5, 0.3])


def test_events_that_are_near_are_one_and_short_ones_go_after_that():
    frame = scores([0.9, 0.1, 0.1, 0.9, 0.1, 0.1, 0.1, 0.9])
    settings = EventSettings(smooth_rows=1, min_gap_s=30, min_duration_s=20)
    # 20 s apart: one. 30 s apart is not closer than 30 s, and the last is too short.
    assert times(find_events(frame, settings)) == [(20, 60)]


def test_overlapping_rows_run_from_the_first_start_to_the_last_stop():
    frame = scores([0.1, 0.9, 0.9, 0.1, 0.1], step_s=2)
    assert times(find_events(frame, PLAIN)) == [(22, 34)]


@pytest.mark.parametrize("step_s", [2, 5])
def test_events_whose_rows_overlap_or_touch_are_one_even_without_a_least_gap(step_s):
    assert times(find_events(scores([0.9, 0.1, 0.9], step_s=step_s), PLAIN)) == [(20, 30 + 2 * step_s)]


def test_rows_further_apart_than_they_are_long_are_one_series():
    assert times(find_events(scores([0.9, 0.9, 0.9, 0.1], step_s=60), PLAIN)) == [(20, 150)]


@pytest.mark.parametrize(("n_refused", "expected"), [(1, [(20, 70)]), (2, [(20, 40), (60, 80)])])
def test_one_refused_row_is_bridged_and_two_are_not(n_refused, expected):
    frame = scores([0.9, 0.9, *[NAN] * n_refused, 0.9, 0.9])
    assert times(find_events(frame, EventSettings(min_gap_s=1000))) == expected


def test_smoothing_does_not_cross_a_gap():
    frame = scores([0.9, 0.9, 0.0, 0.0])
    frame.loc[2:, ["start_s", "stop_s"]] += 100
    assert smooth(frame, EventSettings())["seizure_probability"].tolist() == [0.9, 0.9, 0.0, 0.0]


@pytest.mark.parametrize("gap_s", [0.1, 2.0, 9.9])
@pytest.mark.parametrize("step_s", [2.0, 10.0])
def test_no_event_crosses_a_gap_however_short(gap_s, step_s):
    frame = scores([0.9] * 20, step_s=step_s)
    stop_s = frame["stop_s"][9]
    frame.loc[10:, ["start_s", "stop_s"]] += stop_s + gap_s - frame["start_s"][10]
    (one, other) = find_events(frame, EventSettings(max_unscored_s=1000, min_gap_s=1000))
    assert (one.stop_s, other.start_s) == pytest.approx((stop_s, stop_s + gap_s))


def test_a_gap_that_no_row_shows_is_told():
    """Rows of 10 s each minute: the second piece happens to begin a minute after the last row of the first."""
    frame = scores([0.9, 0.9, 0.9, 0.9], step_s=60)
    assert times(find_events(frame)) == [(20, 210)]
    assert times(find_events(frame, gaps=[(95.0, 40.0)])) == [(20, 90), (140, 210)]
    assert times(find_events(frame, gaps=[(500.0, 1.0), (95.0, 40.0), (0.0, 15.0)])) == [(20, 90), (140, 210)]


def with_gap(before, after, gap_s=2.0):
    frame = scores([*before, *after])
    frame.loc[len(before) :, ["start_s", "stop_s"]] += gap_s
    return frame


@pytest.mark.parametrize("smoothing", ["median", "mean"])
@pytest.mark.parametrize(
    "frame",
    [
        scores([0.1, 0.1, 0.1, 0.95]),
        scores([0.95, 0.1, 0.1, 0.1]),
        with_gap([0.1, 0.1, 0.95], [0.1, 0.1]),
        with_gap([0.1, 0.1], [0.95, 0.1, 0.1]),
        with_gap([0.1, 0.1, 0.95], [0.95, 0.1]),
        scores([0.1, 0.1, 0.95, NAN, NAN, 0.95, 0.1]),
    ],
    ids=["last", "first", "before a gap", "after a gap", "both sides of a gap", "beside refused rows"],
)
def test_a_lone_row_at_an_end_makes_no_event(frame, smoothing):
    assert find_events(frame, EventSettings(smoothing=smoothing)) == []
    assert find_events(frame, EventSettings(smooth_rows=1))


@pytest.mark.parametrize("smoothing", ["median", "mean"])
def test_a_recording_of_one_or_two_rows_is_not_smoothed(smoothing):
    settings = EventSettings(smoothing=smoothing)
    assert times(find_events(scores([0.95]), settings)) == [(20, 30)]
    assert times(find_events(scores([0.95, 0.1]), settings)) == [(20, 30)]
    assert find_events(scores([0.4]), settings) == []
    assert (
        find_events(
            scores(
                [0.1, 0.95, 0.1],
            ),
            EventSettings(smoothing="median"),
        )
        == []
    )


def test_two_rows_at_an_end_make_an_event_and_a_cold_last_row_is_not_part_of_it():
    assert times(find_events(scores([0.1, 0.1, 0.9, 0.9]))) == [(40, 60)]
    assert times(find_events(scores([0.9, 0.9, 0.1, 0.1]))) == [(20, 40)]
    assert times(find_events(scores([0.1, 0.9, 0.9, 0.1]))) == [(30, 50)]


def test_other_makes_no_event_and_patterns_may_overlap():
    frame = scores([0.45, 0.45, 0.45])
    frame["lpd_probability"], frame["other_probability"] = 0.55, 0.0
    settings = EventSettings(on=0.4, off=0.4)
    assert [event.pattern for event in find_events(frame, settings)] == ["seizure", "lpd"]
    assert find_events(scores([0.0, 0.0, 0.0])) == []


def test_nothing_scored_has_no_events():
    assert find_events(scores([])) == []
    assert find_events(scores([NAN, NAN])) == []


def test_rows_need_no_order():
    frame = scores([0.1, 0.9, 0.9, 0.1, 0.9])
    assert find_events(frame.iloc[[3, 0, 4, 2, 1]], PLAIN) == find_events(frame, PLAIN)


@given(recordings(), all_settings())
def test_events_are_disjoint_long_enough_and_far_enough_apart(frame, settings):
    track = smooth(frame, settings).set_index("start_s")
    events = find_events(frame, settings)
    assert [event.start_s for event in events] == sorted(event.start_s for event in events)
    for pattern in EVENT_PATTERNS:
        chosen = [event for event in events if event.pattern == pattern]
        assert all(event.duration_s >= settings.min_duration_s for event in chosen)
        assert all(settings.on <= event.peak <= 1 and event.mean <= event.peak + 1e-12 for event in chosen)
        for one, other in pairwise(chosen):
            assert other.start_s > one.stop_s
            if track["series"][one.start_s] == track["series"][other.start_s]:
                assert other.start_s - one.stop_s >= settings.min_gap_s


@given(recordings(), all_settings(), st.floats(0, 1))
def test_a_higher_threshold_never_adds_event_time(frame, settings, share):
    higher = settings.model_copy(update={"on": settings.on + share * (1 - settings.on)})
    wide = find_events(frame, settings)
    for event in find_events(frame, higher):
        around = [one for one in wide if one.pattern == event.pattern and one.start_s <= event.start_s < one.stop_s]
        assert [one.stop_s >= event.stop_s for one in around] == [True]


@given(st.lists(st.sampled_from([0.0, 0.4, 0.9, NAN]), max_size=60), all_settings())
def test_events_of_events_are_the_same_events(values, settings):
    settings = settings.model_copy(update={"smooth_rows": 1, "max_unscored_s": 0.0})
    frame = scores(values)
    once = find_events(frame, settings)
    inside = [any(event.start_s <= start < event.stop_s for event in once) for start in frame["start_s"]]
    # The refused rows stay refused.
    again = scores(np.where(np.isnan(values), NAN, np.where(inside, 1.0, 0.0)))
    assert times(find_events(again, settings)) == times(once)


@given(recordings(), all_settings())
def test_mirrored_in_time_the_smoothed_probabilities_are_mirrored(frame, settings):
    mirrored = frame.assign(start_s=-frame["stop_s"], stop_s=-frame["start_s"])
    columns = list(PROBABILITY_COLUMNS)
    forward, backward = smooth(frame, settings)[columns], smooth(mirrored, settings)[columns]
    # Rows of one start keep their order, which turns around; the strategy makes none.
    assert backward.to_numpy()[::-1] == pytest.approx(forward.to_numpy(), abs=1e-9)


@pytest.mark.parametrize(
    ("seconds", "word"),
    [
        (3600, "very long"), (3599, "long"), (600, "long"), (599, "intermediate"), (60, "intermediate"),
        (59, "brief"), (10, "brief"), (9.9, "very brief"),
    ],
)  # fmt: skip
def test_durations_have_the_words_of_the_acns(seconds, word):
    assert Span(5, 5 + seconds, "lpd").duration_word == word
    assert Event(5, 5 + seconds, "lpd", 0.9, 0.8).duration_word == word


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"smooth_rows": 2}, "smooth_rows is 2; allowed are odd numbers"),
        ({"on": 0.4, "off": 0.5}, "off is 0.5 and on 0.4"),
        ({"on": 0}, "greater than 0"),
        ({"smoothing": "max"}, "'median' or 'mean'"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong, told):
    with pytest.raises(ValidationError, match=told):
        EventSettings(**wrong)


def test_a_table_without_probabilities_is_refused():
    for name in ("grda_probability", "start_s"):
        with pytest.raises(TableError, match=f"column '{name}' is missing"):
            find_events(scores([0.9]).drop(columns=name))
