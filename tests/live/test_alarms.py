"""Which alarms are raised: once, held off, repeated, acknowledged, and the same after a restart."""

import json
from dataclasses import asdict, replace
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ictal.live.alarms import Alarm, Bedside, new_alarms
from ictal.live.announcements import LiveEvent
from ictal.live.rules import (
    DEFAULT_RULES,
    BurdenRule,
    EventRule,
    NewPatternRule,
    NoPredictionRule,
    Rules,
    StaleRule,
    StatusRule,
)
from ictal.live.trends import trends_of
from tests.live.test_trends import FLAWS
from tests.scoring.test_events import NAN, scores

BED = Bedside("Bed 3")
NIGHT = Bedside("Bed 3", datetime(2030, 1, 2, 22))


class Night:
    """A recording that grows by rows of 10 s, with what was announced and told."""

    def __init__(self, *rules, events=(), refused=(), bedside=BED):
        self.rules, self.events, self.bedside = Rules(rules=rules), events, bedside
        self.refused, self.known, self.frame = refused, [], scores([])

    def rows(self, at_s):
        if len(self.frame) < at_s / 10:
            starts = np.arange(0, 2 * at_s, 10.0)
            values = [NAN if any(a <= start < b for a, b in self.refused) else 0.0 for start in starts]
            self.frame = scores(values, first_s=0.0).assign(**FLAWS | {"flat": 12})
        return self.frame[: int(at_s / 10)]

    def at(self, at_s, age_s=0.0):
        """Return the new alarms at the end of a row; they are then known."""
        announced = [
            event
            if event.stop_s is not None and event.stop_s + 30 <= at_s
            else replace(event, stop_s=None, until_s=min(event.stop_s or at_s, at_s))
            for event in self.events
            if event.announced_at_s <= at_s
        ]
        trends = trends_of(self.rows(at_s), announced, at_s)
        new = new_alarms(self.rules, trends, announced, self.known, self.bedside, age_s)
        self.known += new
        return new

    def until(self, stop_s, start_s=10):
        """Return the times at which rows raise alarms."""
        return [alarm.at_s for at_s in range(start_s, stop_s + 1, 10) for alarm in self.at(float(at_s))]

    def acknowledge(self):
        self.known[-1] = replace(self.known[-1], acknowledged=True)

    @property
    def words(self):
        return self.known[-1].text.removeprefix("Bed 3: ")


def seizure(start_s, stop_s=None, pattern="seizure"):
    return LiveEvent(pattern, start_s, stop_s, start_s + 20)


def on_seizures(**settings):
    return EventRule(**{"name": "seizure", "pattern": "seizure", "hold_off_s": 120} | settings)


def test_an_event_raises_one_alarm_when_it_is_long_enough():
    night = Night(on_seizures(at_least_s=40, hold_off_s=600), events=[seizure(100, 200), seizure(300, 320, "lpd")])
    assert night.until(500) == [140]
    assert night.known == [Alarm(1, "seizure", "seizure", 100, 140, "Bed 3: seizure since 0:01:40, for 40 s")]


def test_an_event_is_not_told_before_it_is_announced():
    assert Night(on_seizures(at_least_s=0), events=[seizure(100, 200)]).until(150) == [120]


def test_an_event_that_goes_on_is_repeated_until_somebody_acknowledges():
    night = Night(on_seizures(), events=[seizure(100)])
    assert night.until(370) == [120, 240, 360]
    night.acknowledge()
    assert night.until(2000, 380) == []


@pytest.mark.parametrize("which", [0, 1])
def test_any_alarm_of_an_event_can_be_acknowledged(which):
    night = Night(on_seizures(), events=[seizure(100)])
    night.until(250)
    night.known[which] = replace(night.known[which], acknowledged=True)
    assert night.until(2000, 260) == []


def test_the_next_event_is_new_after_an_acknowledgement():
    night = Night(on_seizures(), events=[seizure(100, 140), seizure(400)])
    assert night.until(200) == [120]
    night.acknowledge()
    assert night.until(520, 210) == [420]


def test_events_in_the_hold_off_are_told_once_it_is_over():
    events = [seizure(100, 120), seizure(160, 180), seizure(200, 210), seizure(900, 940)]
    night = Night(on_seizures(hold_off_s=300), events=events)
    assert night.until(800) == [120, 420]
    assert night.words == "2 seizures since 0:02:40, the latest at 0:03:20, for 10 s"
    assert night.until(1500, 810) == [920]
    assert night.words == "seizure since 0:15:00, for 20 s"


def test_an_event_counts_as_long_as_is_certain():
    """20 s that nobody can yet declare over are no 30 s; 20 s more, after a pause, make 60 s of it."""
    night = Night(on_seizures(at_least_s=30, hold_off_s=100))
    over = LiveEvent("seizure", 100, None, 120, until_s=120)
    for at_s in (120.0, 130.0, 140.0, 150.0):
        assert new_alarms(night.rules, trends_of(night.rows(at_s), [over], at_s), [over], [], BED) == []
    longer = replace(over, until_s=160)
    (alarm,) = new_alarms(night.rules, trends_of(night.rows(160.0), [longer], 160.0), [longer], [], BED)
    assert alarm.text == "Bed 3: seizure since 0:01:40, for 1 min"


def test_an_alarm_of_an_earlier_event_does_not_tell_of_one_that_is_not_long_enough_yet():
    rule, first = on_seizures(at_least_s=30, hold_off_s=100), seizure(100, 140)
    before = Alarm(1, "seizure", "seizure", 100, 240, "", acknowledged=True)  # it was held off
    second = LiveEvent("seizure", 200, None, 220, until_s=250)
    events, at_s = [first, second], 350.0
    (alarm,) = new_alarms(Rules(rules=[rule]), trends_of(Night().rows(at_s), events, at_s), events, [before], BED)
    assert (alarm.since_s, alarm.text) == (200, "Bed 3: seizure since 0:03:20, for 50 s")


def test_an_old_event_is_no_news_for_a_new_rule():
    assert Night(on_seizures(), events=[seizure(100, 160)]).until(5000, 1000) == []


def test_each_pattern_and_rule_has_its_own_hold_off():
    rules = [EventRule(name=name, pattern=name, hold_off_s=3600) for name in ("lpd", "gpd")]
    night = Night(*rules, on_seizures(), events=[seizure(100, 150, "lpd"), seizure(110, 160, "gpd")])
    assert [(alarm.number, alarm.rule, alarm.at_s) for t in (120.0, 130.0) for alarm in night.at(t)] == [
        (1, "lpd", 120),
        (2, "gpd", 130),
    ]


def test_a_new_pattern_is_one_that_was_not_seen_for_hours():
    rule = NewPatternRule(name="new", unseen_h=0.5)
    events = [
        seizure(100, 150, "lpd"),
        seizure(1000, 1100, "lpd"),
        seizure(1500, None, "gpd"),
        seizure(3000, None, "lpd"),
    ]
    night = Night(rule, events=events)
    assert night.until(4000) == [120, 1520, 3020]
    assert [alarm.text for alarm in night.known] == [
        "Bed 3: LPDs since 0:01:40, for 20 s, the first of this recording",
        "Bed 3: GPDs since 0:25:00, for 20 s, the first of this recording",
        "Bed 3: LPDs since 0:50:00, for 20 s, not seen in the 30 min before",
    ]


def test_burden_must_stay_above_its_limit():
    rule = BurdenRule(name="burden", pattern="lpd", window="5min", above=0.5, for_s=120, hold_off_s=600)
    night = Night(rule, events=[seizure(1000, 1400, "lpd"), seizure(3000, 3210, "lpd")])
    assert night.until(1700) == [1280]  # above since 1160
    assert night.words == "LPD burden of 93 % in the last 5 min, above 50 % since 0:19:20, for 2 min"
    assert night.until(3400, 1710) == [3280]  # above since 3160, until 3350


def test_burden_of_a_window_that_is_scored_in_part():
    rule = BurdenRule(name="burden", pattern="seizure", above=0.1)
    night = Night(rule, events=[seizure(100)])
    assert night.until(2000) == [1800]
    assert night.words == "seizure burden of 94 % in the last 60 min (30 min scored)"


def test_status_by_length_and_by_share():
    night = Night(StatusRule(name="status", hold_off_s=1800), events=[seizure(100)])
    assert night.until(690) == []
    assert night.until(1000, 700) == [700]
    assert night.words == "criterion of electrographic status epilepticus met: seizure since 0:01:40, for 10 min"
    night.acknowledge()
    assert night.until(8000, 1010) == []
    events = [seizure(100, 600), seizure(2000, 2220)]
    night = Night(StatusRule(name="status", hold_off_s=1800), events=events)
    assert night.until(3000) == [2220]
    assert night.words == (
        "criterion of electrographic status epilepticus met: seizures for 12 min in the last 60 min"
    )


def test_a_second_long_seizure_is_a_new_status():
    night = Night(StatusRule(name="status", hold_off_s=600), events=[seizure(100, 800), seizure(2000, 2700)])
    assert night.until(750) == [700]
    night.acknowledge()
    assert night.until(2800, 760) == [2600]


def test_nobody_can_tell():
    night = Night(NoPredictionRule(name="?", hold_off_s=600), refused=[(1000, 2500)], bedside=NIGHT)
    assert night.until(1700) == [1600]
    assert night.words == "not scorable since 22:16:40, for 10 min (of 19 electrodes on average 12 flat)"
    night.acknowledge()
    assert night.until(3000, 1710) == []


def test_an_acknowledged_condition_reminds_after_an_hour_or_so():
    night = Night(NoPredictionRule(name="?"), refused=[(1000, 99999)])
    assert night.until(1650) == [1600]
    night.acknowledge()
    assert night.until(8200, 1660) == []
    assert night.until(8300, 8210) == [8210]
    assert night.words == "not scorable for at least 2 h (of 19 electrodes on average 12 flat)"


def test_no_data():
    night = Night(StaleRule(name="stale", hold_off_s=60))
    assert night.at(100.0, 29) == []
    (alarm,) = night.at(100.0, 31)
    assert (alarm.at_s, night.words) == (100, "no data for 31 s, scored until 0:01:40")
    assert night.at(100.0, 32) == night.at(100.0, 1e5) == []  # one for each stall
    assert night.at(120.0, 0) == night.at(120.0, 30) == []  # in the hold-off
    assert len(night.at(120.0, 40)) == 1  # the time waited counts, though that of the recording stands still


def test_no_data_from_the_start():
    night = Night(StaleRule(name="stale"))
    night.at(0.0, 30)
    assert night.words == "no data for 30 s, nothing scored yet"


def test_the_day_is_said_if_it_is_another():
    night = Night(on_seizures(), events=[seizure(7000), seizure(8000)], bedside=NIGHT)
    assert night.until(7050) == [7020]
    assert night.words == "seizure since 23:56:40, for 20 s"
    night.events = [seizure(7000, 7100), seizure(8000)]
    night.until(8020, 8020)
    assert night.words == "seizure since 3 Jan 00:13:20, for 20 s"


EVERY_KIND = (
    *DEFAULT_RULES.rules,
    EventRule(name="long", pattern="lpd", at_least_s=60, hold_off_s=50),
    BurdenRule(name="burden", pattern="seizure", window="5min", above=0.3, for_s=30, hold_off_s=100),
    BurdenRule(name="hour", pattern="lpd", above=0.2, scored_share=0.01),
    NewPatternRule(name="newer", unseen_h=0.1),
    NoPredictionRule(name="short", for_s=20, hold_off_s=30),
)


@st.composite
def nights(draw):
    """Return a night with events and rows without a prediction, and the number of its rows."""
    events = []
    for pattern in ("seizure", "lpd"):
        at_s = 0
        for pause, length in draw(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 70)), max_size=6)):
            start_s, stop_s = at_s + 10 * pause, at_s + 10 * (pause + length)
            events.append(seizure(float(start_s), float(stop_s), pattern))
            at_s = stop_s + 30
    pairs = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 100)), max_size=2)
    refused = [(10.0 * start, 10.0 * (start + length)) for start, length in draw(pairs)]
    events.sort(key=lambda event: event.start_s)
    return Night(*EVERY_KIND, events=events, refused=refused), draw(st.integers(10, 150))


def restarted(night):
    """Return the same night to a watcher that knows only what the journal has."""
    lines = [json.dumps(asdict(alarm)) for alarm in night.known]
    fresh = Night(*EVERY_KIND, events=night.events, refused=night.refused)
    fresh.known = [Alarm(**json.loads(line) | {"untold": ()}) for line in lines]
    return fresh


@settings(max_examples=15, deadline=None)
@given(nights(), st.data())
def test_restarts_at_any_row_change_no_alarm(case, data):
    night, n_rows = case
    rows = range(1, n_rows + 1)
    stops = data.draw(st.sets(st.sampled_from(rows), max_size=3))
    acknowledged = data.draw(st.sets(st.sampled_from(rows), max_size=4))
    ages = {
        row: data.draw(st.sampled_from([31.0, 500.0]))
        for row in data.draw(st.sets(st.sampled_from(rows), max_size=3))
    }
    other = restarted(night)
    for row in rows:
        for one in (night, other):
            one.at(10.0 * row)
            one.at(10.0 * row, ages.get(row, 5.0))
            if row in acknowledged and one.known:
                one.acknowledge()
        if row in stops:
            other = restarted(other)
            assert other.at(10.0 * row, ages.get(row, 5.0)) == []  # the last row once more
    assert night.known == other.known


@settings(max_examples=40, deadline=None)
@given(nights())
def test_what_holds_for_all_alarms(case):
    night, n_rows = case
    night.until(10 * n_rows)
    assert [alarm.number for alarm in night.known] == [*range(1, len(night.known) + 1)]
    by_key = {}
    for alarm in night.known:
        by_key.setdefault((alarm.rule, alarm.pattern), []).append(alarm)
        assert alarm.since_s <= alarm.at_s
        assert night.rules.rule(alarm.rule) is not None
    for (rule, _), alarms in by_key.items():
        gaps = np.diff([alarm.at_s for alarm in alarms])
        assert (gaps >= night.rules.rule(rule).hold_off_s).all()
    # Each event that was announced long enough ago was told, itself or with a later one.
    last_s = 10.0 * n_rows
    for pattern, rule in (("seizure", "seizure"), ("lpd", "long")):
        kind = night.rules.rule(rule)
        told = [alarm.at_s for alarm in by_key.get((rule, pattern), ())]
        for event in night.events:
            met_s = max(event.announced_at_s, event.start_s + kind.at_least_s)
            long = event.stop_s - event.start_s >= kind.at_least_s
            if event.pattern == pattern and long and met_s <= last_s - kind.hold_off_s:
                assert any(met_s <= at_s <= met_s + kind.hold_off_s for at_s in told)


@settings(max_examples=40, deadline=None)
@given(nights())
def test_an_acknowledged_event_is_not_told_again(case):
    night, n_rows = case
    starts = []
    for row in range(1, n_rows + 1):
        new = night.at(10.0 * row)
        starts += [alarm.since_s for alarm in new if alarm.rule == "seizure"]
        night.known = [replace(alarm, acknowledged=True) for alarm in night.known]
    assert len(starts) == len({*starts})


def test_a_late_alarm_does_not_stand_for_one_that_calls():
    night = Night(on_seizures(hold_off_s=1800), events=[seizure(100)], bedside=replace(BED, late=True))
    assert night.until(400) == [120]
    night.bedside = BED
    assert night.until(600, 410) == [410]
    assert [alarm.late for alarm in night.known] == [True, False]


def test_an_event_that_is_over_was_told_by_a_late_alarm():
    night = Night(on_seizures(), events=[seizure(100, 200)], bedside=replace(BED, late=True))
    assert night.until(400) == [120]
    night.bedside = BED
    assert night.until(600, 410) == []


def test_data_that_do_not_arrive_are_missed_now_also_while_a_watcher_catches_up():
    night = Night(StaleRule(name="no data"), bedside=replace(BED, late=True))
    (alarm,) = night.at(100.0, age_s=30)
    assert not alarm.late


def test_nobody_is_called_about_a_late_alarm_that_somebody_has_acknowledged():
    night = Night(on_seizures(), events=[seizure(100)], bedside=replace(BED, late=True))
    assert night.until(130) == [120]
    night.acknowledge()
    night.bedside = BED
    assert night.until(600, 140) == []
