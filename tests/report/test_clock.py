from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.report.clock import MOST_TICKS, Clock, counted, duration_in_words, interval_in_words

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1))
SPANS = st.floats(1, 40 * 86_400)


@given(MOMENTS, SPANS)
def test_ticks_stand_at_round_times_and_are_few(start, span_s):
    places, labels = Clock(start).ticks(span_s)
    assert 0 <= len(places) == len(labels) <= MOST_TICKS
    assert all(0 <= place <= span_s + 1e-6 for place in places)
    moments = [start + timedelta(seconds=place) for place in places]
    for moment, label in zip(moments, labels, strict=True):
        shown = label.split("\n")[0]
        assert f"{moment + timedelta(milliseconds=1):%H:%M:%S}".startswith(shown)
        assert moment.second % 5 == 0 or span_s < 61
    days = [label.split("\n")[1] for label in labels if "\n" in label]
    assert len(days) == len({(moment + timedelta(milliseconds=1)).date() for moment in moments})


@given(SPANS)
def test_without_a_clock_ticks_count_from_the_start(span_s):
    places, labels = Clock(None).ticks(span_s)
    assert places[0] == 0
    assert labels[0] in ("0:00", "0:00:00")
    assert len(set(labels)) == len(labels) <= MOST_TICKS


@given(st.integers(0, 10**6))
def test_a_duration_in_words_is_the_duration_but_for_its_rounding(seconds):
    parts = duration_in_words(seconds).split()
    units = {"s": 1, "min": 60, "h": 3600}
    read = sum(int(value) * units[unit] for value, unit in zip(parts[::2], parts[1::2], strict=True))
    assert abs(read - seconds) <= (0 if seconds < 600 else 30)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (9.6, "10 s"), (130, "2 min 10 s"), (360, "6 min"), (3599, "1 h"), (3900, "1 h 5 min")],
)
def test_durations_are_plain(seconds, words):
    assert duration_in_words(seconds) == words


def test_times_name_the_day_where_it_is_another():
    clock = Clock(datetime(2030, 1, 2, 23, 59))
    assert (clock.text(5), clock.text(90)) == ("23:59:05", "3 Jan 00:00:30")
    assert clock.span(0, 3600) == "23:59–00:59"
    assert clock.span(3600, 7200) == "3 Jan 00:59–01:59"
    assert clock.date() == "2 January 2030, 23:59:00"
    assert (Clock(None).text(3690), Clock(None).span(0, 3600), Clock(None).date()) == ("1:01:30", "0:00–1:00", "")


def test_words_for_counts_and_intervals():
    assert (counted(1, "gap"), counted(0, "gap")) == ("1 gap", "0 gaps")
    assert (interval_in_words(3600), interval_in_words(600)) == ("hour", "10 min")
