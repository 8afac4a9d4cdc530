import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.live.announcements import LiveEvent, new_announcements, rows_that_matter
from ictal.scoring.events import EventSettings, find_events


@st.composite
def live_rows(draw: st.DrawFn) -> tuple[pd.DataFrame, float, EventSettings, list[tuple[float, float]]]:
    """Rows of one or two patterns that come and go, some without a prediction, with gaps between some of them."""
    settings = EventSettings(
        smoothing=draw(st.sampled_from(["median", "mean"])),
        smooth_rows=draw(st.sampled_from([1, 3, 5])),
        min_gap_s=draw(st.sampled_from([0.0, 10.0, 30.0])),
        min_duration_s=draw(st.sampled_from([0.0, 10.0, 40.0])),
        max_unscored_s=draw(st.sampled_from([0.0, 10.0])),
    )
    step_s = draw(st.sampled_from([5.0, 10.0, 20.0]))
    n_rows = draw(st.integers(settings.smooth_rows, 60))
    levels = st.sampled_from([0.0, 0.1, 0.35, 0.6, 0.9])
    values = np.array([[draw(levels), 0.1, 0, 0, 0, 0.1] for _ in range(n_rows)])
    unscored = draw(st.sets(st.integers(0, n_rows - 1), max_size=n_rows // 4))
    values[sorted(unscored)] = np.nan
    pauses = draw(
        st.dictionaries(st.integers(2, max(2, n_rows - 1)), st.sampled_from([3.0, 25.0, 200.0]), max_size=2)
    )
    starts_s, gaps, now_s = [], [], 0.0
    for number in range(n_rows):
        if number in pauses:
            gaps.append((now_s + 10.0 - step_s if step_s < 10 else now_s, pauses[number]))
            now_s += pauses[number] + max(10.0 - step_s, 0)
        starts_s.append(now_s)
        now_s += step_s
    frame = pd.DataFrame(values, columns=list(PROBABILITY_COLUMNS))
    return frame.assign(start_s=starts_s, stop_s=np.array(starts_s) + 10), step_s, settings, gaps


@settings(max_examples=200)
@given(live_rows(), st.data())
def test_what_was_announced_is_what_is_found_in_all_rows(example, data):
    frame, step_s, rules, gaps = example
    known: dict[tuple[str, float], LiveEvent] = {}
    tail, done = frame.iloc[:0], 0
    while done < len(frame):
        more = data.draw(st.integers(1, 5), label="rows of one poll")
        tail = pd.concat([tail, frame.iloc[done : done + more]])
        done += more
        before = [gap for gap in gaps if gap[0] < tail["stop_s"].max()]
        for event in new_announcements(tail, [*known.values()], step_s, rules, before, ended=done >= len(frame)):
            earlier = known.get(event.key)
            assert earlier is None or (earlier.stop_s is None and event.until_s >= earlier.until_s)
            assert earlier is None or event.stop_s is not None or event.until_s > earlier.until_s
            assert event.stop_s in (None, event.until_s)
            known[event.key] = event
        tail = rows_that_matter(tail, step_s, rules)
    expected = [(event.pattern, event.start_s, event.stop_s) for event in find_events(frame, rules, gaps, step_s)]
    assert sorted((event.pattern, event.start_s, event.stop_s) for event in known.values()) == sorted(expected)


@pytest.mark.parametrize(("n_high", "announced"), [(1, False), (2, True)])
def test_an_event_is_announced_with_its_second_row(n_high, announced):
    values = np.full((10 + n_high, 6), 0.02)
    values[-n_high:, 0] = 0.9
    frame = pd.DataFrame(values, columns=list(PROBABILITY_COLUMNS))
    frame = frame.assign(start_s=10.0 * np.arange(len(frame)), stop_s=10.0 * np.arange(len(frame)) + 10)
    found = new_announcements(frame, [], 10.0)
    assert [(event.start_s, event.stop_s) for event in found] == [(100.0, None)] * announced


def test_an_event_ends_when_electrodes_are_off_for_long():
    values = np.full((12, 6), 0.02)
    values[:8, 0], values[8:] = 0.9, np.nan
    frame = pd.DataFrame(values, columns=list(PROBABILITY_COLUMNS))
    frame = frame.assign(start_s=10.0 * np.arange(12), stop_s=10.0 * np.arange(12) + 10)
    assert new_announcements(frame.iloc[:9], [], 10.0)[0].stop_s is None
    assert new_announcements(frame, [], 10.0)[0].stop_s == 80.0


def test_rows_before_a_long_quiet_stretch_no_longer_matter():
    values = np.full((200, 6), 0.02)
    values[:20, 0] = 0.9
    frame = pd.DataFrame(values, columns=list(PROBABILITY_COLUMNS))
    frame = frame.assign(start_s=10.0 * np.arange(200), stop_s=10.0 * np.arange(200) + 10)
    assert len(rows_that_matter(frame, 10.0)) == EventSettings().smooth_rows
    assert len(rows_that_matter(frame.iloc[:25], 10.0)) == 25
