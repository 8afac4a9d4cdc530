"""Trends at the end of a row: they agree with the burden and the status of the finished recording."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.live.announcements import LiveEvent
from ictal.live.trends import HOUR_S, LOOK_BACK_S, WINDOWS_S, trends_of
from ictal.scoring.burden import rolling_burden
from ictal.scoring.events import EVENT_PATTERNS, Span, find_events
from ictal.scoring.findings import status_of
from tests.scoring.test_events import NAN, recordings, scores

FLAWS = {"flat": 0, "missing": 0, "clipped": 0, "implausible": 0}


def live(events) -> list[LiveEvent]:
    return [LiveEvent(one.pattern, one.start_s, one.stop_s, one.stop_s) for one in events]


def spans(events) -> list[Span]:
    return [Span(one.start_s, one.last_s, one.pattern) for one in events]


@st.composite
def seizures_of(draw):
    """Return seizures on whole seconds, disjoint and ordered, of a recording of up to a few hours."""
    lengths = draw(st.lists(st.tuples(st.integers(1, 2000), st.integers(10, 700)), max_size=12))
    at_s, events = 0, []
    for pause_s, length_s in lengths:
        events.append(LiveEvent("seizure", at_s + pause_s, at_s + pause_s + length_s, at_s + pause_s + length_s))
        at_s += pause_s + length_s
    return events


def rows_until(at_s: float):
    """Return touching rows of 10 s that end at a time, which are all scored."""
    n_rows = max(int(at_s // 10), 1)
    return scores(np.zeros(n_rows), first_s=at_s - 10 * n_rows).assign(**FLAWS)


@given(recordings(), st.booleans())
def test_burden_is_the_last_position_of_the_rolling_burden(frame, goes_on):
    frame = frame.assign(**FLAWS)
    at_s = float(frame["stop_s"].max()) if len(frame) else 0.0
    events = live(find_events(frame))
    if goes_on and events:
        last = events.pop()
        events.append(LiveEvent(last.pattern, last.start_s, None, last.announced_at_s, last.stop_s))
    trends = trends_of(frame, events, at_s)
    if not len(frame):
        assert np.isnan([*trends.burden_5min.values(), *trends.burden_60min.values()]).all()
        return
    for window, seconds in WINDOWS_S.items():
        table = rolling_burden(frame, spans(events), f"{seconds:g}s", f"{at_s:g}s")
        assert (table["stop_s"] == at_s).all()
        expected = dict(zip(table["pattern"], table["burden"], strict=True))
        for pattern in EVENT_PATTERNS:
            assert trends.burden(pattern, window) == pytest.approx(expected[pattern], nan_ok=True, abs=1e-9)
        assert trends.scored_s(window) == pytest.approx(table["scored_s"][0])


@given(st.integers(1, 1500), st.data())
def test_earlier_rows_and_events_change_nothing(n_rows, data):
    values = np.where(np.random.default_rng(n_rows).random(n_rows) < 0.1, NAN, 0.0)
    frame = scores(values).assign(**FLAWS | {"flat": 5})
    at_s = float(frame["stop_s"].max())
    events = [event for event in data.draw(seizures_of()) if event.stop_s <= at_s]
    whole = trends_of(frame, events, at_s)
    late_rows = frame[frame["stop_s"] > at_s - LOOK_BACK_S]
    late_events = [event for event in events if event.stop_s > at_s - LOOK_BACK_S]
    assert repr(trends_of(late_rows, late_events, at_s)) == repr(whole)  # NaN equals NaN there


@given(seizures_of())
def test_status_was_met_at_some_row_if_the_finished_recording_has_it(events):
    """Only ends of seizures are looked at: some fullest hour ends with one, since shifting it there loses nothing."""
    end_s = max((event.stop_s for event in events), default=10) + HOUR_S
    times = sorted({event.stop_s for event in events} | {end_s})
    met = [trends_of(rows_until(t), [e for e in events if e.stop_s <= t], t).status for t in times]
    assert any(met) == (status_of(spans(events), end_s) is not None)


@given(seizures_of())
def test_the_status_of_an_hour_is_that_of_the_finished_recording(events):
    events = [event for event in events if event.stop_s <= HOUR_S]
    at_s = max((event.stop_s for event in events), default=10)
    found, expected = trends_of(rows_until(at_s), events, at_s).status, status_of(spans(events), at_s)
    assert (found and found.criterion) == (expected and expected.criterion)
    if found and found.criterion != "10 minutes":
        assert found == expected


def test_status_says_since_when_its_criterion_is_met():
    def at(t, *events):
        trends = trends_of(rows_until(t), [LiveEvent("seizure", *times, times[0] + 20, t) for times in events], t)
        return trends.status and trends.status.criterion, trends.status_since_s

    assert at(690, (100, None)) == (None, None)
    assert at(700, (100, None)) == at(900, (100, None)) == at(4290, (100, 700)) == ("10 minutes", 700)
    assert at(4300, (100, 700)) == (None, None)
    # 500 s and 220 s are a fifth of an hour, as long as all of the first is in it.
    assert at(2210, (100, 600), (2000, None)) == (None, None)
    assert at(2220, (100, 600), (2000, None)) == ("20 % of an hour", 2220)
    assert at(3700, (100, 600), (2000, 2220)) == ("20 % of an hour", 2220)
    assert at(3710, (100, 600), (2000, 2220)) == (None, None)


def test_how_long_burden_has_been_above_a_share():
    frame, events = rows_until(1000), [LiveEvent("seizure", 400, None, 420, 1000)]

    def since(above, window="5min", scored_share=0.5, at_s=1000.0):
        return trends_of(frame, events, at_s).burden_above_since("seizure", window, above, scored_share)

    assert trends_of(frame, events, 1000.0).burden("seizure", "5min") == 1
    assert since(0.5) == 560  # 150 s of 300 s are not above a half
    assert since(0.99) == 700
    assert since(0.3, "60min") is None  # too little is scored
    assert since(0.3, "60min", scored_share=0.1) == 580
    assert since(0.61, "60min", scored_share=0.1) is None


def test_burden_that_fell_and_rose_again_counts_from_the_second_rise():
    events = [LiveEvent("lpd", 100, 300, 120), LiveEvent("lpd", 900, None, 920, 1000)]
    trends = trends_of(rows_until(1000), events, 1000.0)
    assert trends.burden_above_since("lpd", "5min", 0.2, 0.1) == 970
    assert trends.burden_above_since("seizure", "5min", 0.0, 0.1) is None


def test_since_when_nothing_is_scored_and_why():
    frame = scores([0.1, 0.1, NAN, NAN]).assign(**FLAWS | {"flat": [0, 0, 12, 15], "clipped": [0, 0, 1, 2]})
    trends = trends_of(frame, [], 60.0)
    assert trends.without_prediction_s == 20
    assert trends.why == "of 19 electrodes on average 14 flat, 2 clipped"
    fine = trends_of(frame[:2], [], 40.0)
    assert (fine.without_prediction_s, fine.why) == (0, "")
    never = trends_of(frame[2:], [], 60.0)
    assert (never.without_prediction_s, never.why) == (20, trends.why)


def test_a_refused_row_that_overlaps_a_scored_one_counts_from_its_end():
    frame = scores([0.1, 0.1, NAN], step_s=2).assign(**FLAWS | {"missing": 9})
    trends = trends_of(frame, [], 34.0)
    assert trends.without_prediction_s == 2
    assert "9 missing" in trends.why


def test_before_the_first_row():
    trends = trends_of(scores([]).assign(**FLAWS), [], 0.0)
    assert (trends.status, trends.without_prediction_s, trends.why, trends.scored_60min_s) == (None, 0, "", 0)
