"""Burden, longest runs and the amplitudes of the two sides: by hand, and what holds for any series."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.errors import IctalError, TableError
from ictal.scoring.burden import Cover, burden, left_right, longest_events, prevalence_word
from ictal.scoring.events import EVENT_PATTERNS, Event, EventSettings, Span, find_events
from tests.scoring.test_events import NAN, all_settings, recordings, scores


def of(table: pd.DataFrame, pattern: str) -> pd.DataFrame:
    return table[table["pattern"] == pattern].reset_index(drop=True)


def test_burden_by_hand():
    # Scored: 20-80 and 90-120 s, in two minutes of which the second begins at 60 s.
    frame = scores([0.9, 0.9, 0.1, 0.1, 0.1, 0.1, NAN, 0.1, 0.1, 0.1])
    table = of(burden(frame, [Span(20, 40, "seizure"), Span(75, 95, "seizure")], "1min"), "seizure")
    assert table["start_s"].tolist() == [0, 60]
    assert table["stop_s"].tolist() == [60, 120]
    assert table["scored_s"].tolist() == [40, 50]
    assert table["event_s"].tolist() == [20, 10]
    assert table["burden"].tolist() == [0.5, 0.2]
    assert table["prevalence"].tolist() == ["abundant", "frequent"]
    assert table["mean_probability"].tolist() == pytest.approx([0.5, 0.1])


def test_overlapping_rows_are_counted_once():
    table = of(burden(scores([0.9] * 11, step_s=2), [Span(20, 50, "seizure")], "1h"), "seizure")
    assert table["scored_s"].tolist() == [30]
    assert table["burden"].tolist() == [1]


def test_an_interval_without_scores_has_no_burden():
    frame = scores([0.9, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, 0.1])
    table = of(burden(frame, [], "1min"), "seizure")
    assert table["burden"].tolist() == pytest.approx([0, NAN, 0], nan_ok=True)
    assert table["prevalence"].tolist() == ["none", "", "none"]
    assert table["mean_probability"].tolist() == pytest.approx([0.9, NAN, 0.1], nan_ok=True)


def test_every_interval_has_every_pattern_in_order():
    table = burden(scores([0.1] * 20), [], "1min")
    assert table["pattern"].tolist() == list(EVENT_PATTERNS) * 4
    assert table["start_s"].is_monotonic_increasing


@given(recordings(), all_settings(), st.sampled_from(["7s", "1min", "1h"]))
def test_burden_is_a_share_and_its_sums_are_the_scored_time_of_the_events(frame, settings, every):
    events = find_events(frame, settings)
    table = burden(frame, events, every)
    known = table["burden"].dropna()
    assert known.between(0, 1).all()
    assert (table["burden"].isna() == (table["scored_s"] == 0)).all()
    # Reckoned anew by counting half seconds: starts and stops are whole.
    clock = np.arange(0, 3200, 0.5) + 0.25
    rows = frame.dropna()
    scored = np.zeros(len(clock), dtype=bool)
    for start, stop in zip(rows["start_s"], rows["stop_s"], strict=True):
        scored |= (clock > start) & (clock < stop)
    for pattern in EVENT_PATTERNS:
        inside = [((clock > one.start_s) & (clock < one.stop_s) & scored) for one in events if one.pattern == pattern]
        assert of(table, pattern)["event_s"].sum() == pytest.approx(sum(one.sum() for one in inside) / 2, abs=1e-3)
        assert of(table, pattern)["scored_s"].sum() == pytest.approx(scored.sum() / 2, abs=1e-3)


@pytest.mark.parametrize(
    ("share", "word"),
    [
        (1, "continuous"), (0.9, "continuous"), (0.899, "abundant"), (0.5, "abundant"), (0.49, "frequent"),
        (0.1, "frequent"), (0.09, "occasional"), (0.01, "occasional"), (0.009, "rare"), (0, "none"), (NAN, ""),
    ],
)  # fmt: skip
def test_shares_have_the_words_of_the_acns(share, word):
    assert prevalence_word(share) == word


def test_the_longest_run_of_each_pattern():
    lpd, first, second, short = (
        Event(start, stop, pattern, 0.9, 0.8)
        for start, stop, pattern in [(0, 90, "lpd"), (0, 30, "seizure"), (50, 80, "seizure"), (90, 100, "seizure")]
    )
    longest = longest_events([lpd, short, first, second])
    assert list(longest.items()) == [("seizure", first), ("lpd", lpd)]


def test_left_and_right_by_hand():
    frame = scores([0.1] * 5 + [NAN]).assign(left_right=[1.0, 2.0, 0.5, 1.9, NAN, 8.0])
    table = left_right(frame, "1h")
    assert table.to_dict("records") == [
        {
            "start_s": 0,
            "stop_s": 3600,
            "n_windows": 4,
            "ratio": pytest.approx(math.sqrt(1.0 * 1.9)),
            "marked": pytest.approx(0.5),
        }
    ]


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=20))
def test_left_and_right_exchanged(ratios):
    frame = scores([0.1] * len(ratios)).assign(left_right=ratios)
    one, other = left_right(frame, "1min"), left_right(frame.assign(left_right=1 / frame["left_right"]), "1min")
    assert (1 / other["ratio"]).tolist() == pytest.approx(one["ratio"].tolist(), nan_ok=True)
    assert other["marked"].tolist() == pytest.approx(one["marked"].tolist(), nan_ok=True)


def test_a_side_without_amplitude_is_unknown():
    frame = scores([0.1, 0.1, 0.1]).assign(left_right=[0.0, math.inf, 1.0])
    assert left_right(frame)["n_windows"].tolist() == [1]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=8), st.integers(0, 80))
def test_covered_seconds_are_those_counted_one_by_one(spans, time):
    cover = Cover.of([start for start, _ in spans], [start + length for start, length in spans])
    seconds = {second for start, length in spans for second in range(start, start + length)}
    assert cover.before(time) == pytest.approx(len([second for second in seconds if second < time]))
    assert (cover.starts[1:] > cover.stops[:-1]).all()


def test_nothing_scored_gives_empty_tables():
    frame = scores([]).assign(left_right=[])
    assert len(burden(frame, [])) == len(left_right(frame)) == 0
    assert longest_events([]) == {}


@pytest.mark.parametrize(
    ("every", "told"),
    [("bla", "'bla' is not a duration"), ("-1h", "too short"), ("10ms", "too short"), ("NaT", "too short")],
)
def test_intervals_that_cannot_be_are_refused(every, told):
    with pytest.raises(IctalError, match=told):
        burden(scores([0.9]), [], every)


def test_a_table_without_amplitudes_is_refused():
    with pytest.raises(TableError, match="column 'left_right' is missing"):
        left_right(scores([0.9]))


def test_defaults_find_events_that_burden_takes():
    frame = scores([0.1, 0.8, 0.9, 0.8, 0.1, 0.1])
    table = of(burden(frame, find_events(frame, EventSettings())), "seizure")
    assert table["event_s"].tolist() == [30]
    assert table["burden"].tolist() == [0.5]


def test_a_lone_row_beside_a_gap_is_no_burden_and_a_gap_is_no_event_time():
    frame = scores([0.1, 0.1, 0.95, 0.9, 0.9, 0.9])
    frame.loc[3:, ["start_s", "stop_s"]] += 2  # a gap from 50 to 52 s
    found = find_events(frame)
    assert [(event.start_s, event.stop_s) for event in found] == [(52, 82)]
    assert of(burden(frame, found), "seizure")["event_s"].tolist() == [30]
