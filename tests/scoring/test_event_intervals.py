"""Intervals of event-based figures, against scipy and against brute force; none of them collapses."""

import json

import numpy as np
import pytest
from scipy import stats

from ictal.core.intervals import wilson
from ictal.scoring.event_agreement import EventEvaluation, shown
from ictal.scoring.event_intervals import FIGURES, intervals_of
from ictal.scoring.event_scoring import evaluate_events, pool
from ictal.scoring.reference_events import Reference

DAY_S = 86_400


class Seizure:
    """A span of an event, as `evaluate_events` takes it."""

    pattern = "seizure"

    def __init__(self, start_s: float, stop_s: float) -> None:
        self.start_s, self.stop_s = start_s, stop_s


def evaluated(*recordings: tuple[list[int], list[int]], hours: float = 1.0) -> EventEvaluation:
    """Evaluate recordings whose seizures of the reference, and found ones, begin at these minutes and last 20 s."""
    files = [
        evaluate_events(
            [Seizure(60 * minute, 60 * minute + 20) for minute in found],
            Reference(f"r{number}", tuple(Seizure(60 * minute, 60 * minute + 20) for minute in truth), 3600 * hours),
        )
        for number, (truth, found) in enumerate(recordings)
    ]
    return pool(files)


def test_of_one_recording_they_are_those_of_scipy():
    made = evaluated(([5, 15, 25, 35, 45], [5, 15, 25, 55]))
    assert (made.events.reference, made.events.hits, made.events.false_alarms) == (5, 3, 1)
    ends = made.intervals["events"]
    for interval, count, n in ((ends.sensitivity, 3, 5), (ends.precision, 3, 4)):
        theirs = stats.binomtest(count, n).proportion_ci(method="wilson")
        assert interval == pytest.approx((theirs.low, theirs.high))
    # One false alarm in an hour is 24 a day; of a Poisson count of 1, Garwood's table has 0.0253 to 5.5716.
    assert ends.false_alarms_per_day == pytest.approx((24 * 0.0253, 24 * 5.5716), rel=2e-3)
    # F1 is 6 / 9: three of six events that either side names are of both.
    share = stats.binomtest(3, 6).proportion_ci(method="wilson")
    assert made.events.f1 == pytest.approx(6 / 9)
    assert ends.f1 == pytest.approx((2 * share.low / (1 + share.low), 2 * share.high / (1 + share.high)))


def test_nothing_found_and_everything_found_have_intervals():
    everything, nothing = evaluated(([5, 15, 25], [5, 15, 25])), evaluated(([5, 15, 25], []))
    ends = everything.intervals["events"]
    assert (everything.events.sensitivity, everything.events.false_alarms_per_day) == (1, 0)
    assert ends.sensitivity == ends.precision == pytest.approx((3 / (3 + 1.959964**2), 1))
    assert ends.false_alarms_per_day == pytest.approx((0, 24 * 3.6889), rel=1e-4)
    assert nothing.intervals["events"].sensitivity == pytest.approx((0, 1.959964**2 / (3 + 1.959964**2)))
    assert nothing.intervals["events"].precision is None
    assert evaluated(([], [])).intervals["events"].sensitivity is None


def test_seconds_have_intervals_over_recordings_alone():
    one = evaluated(([5, 15], [5, 30]))
    assert set(one.intervals["samples"].to_json().values()) == {None}
    several = evaluated(([5, 15], [5, 30]), ([5, 15], [5]), ([5], [5, 30]), ([], [7]))
    ends = several.intervals["samples"]
    for name in FIGURES:
        low, high = getattr(ends, name)
        assert low < getattr(several.samples, name) < high


def test_recordings_that_differ_widen_the_interval_and_alike_ones_do_not_narrow_it():
    # Twenty recordings of ten events each: in half of them all are found, in half of them none.
    apart = intervals_of([(10, 10 * (number % 2), 0, 3600) for number in range(20)], of_events=True)
    alike = intervals_of([(10, 5, 0, 3600)] * 20, of_events=True)
    assert alike.sensitivity == pytest.approx(wilson(0.5, 200))
    low, high = apart.sensitivity
    # As 20 coins: the standard error is 0.5 / sqrt(20), and t of 19 degrees of freedom 2.09.
    assert (high - low) / 2 == pytest.approx(2.09 * 0.5 / np.sqrt(19), rel=0.1)


def test_false_alarms_of_one_bad_recording_widen_their_interval():
    rows = [(1.0, 1.0, 0.0, 3600.0)] * 9 + [(1.0, 1.0, 40.0, 3600.0)]
    low, high = intervals_of(rows, of_events=True).false_alarms_per_day
    counted = stats.chi2.ppf([0.025, 0.975], [80, 82]) / 2 / (10 / 24)
    assert low < counted[0] < counted[1] < high
    assert low == pytest.approx(0, abs=1e-9)


def test_they_cover_the_rate_of_events_in_recordings_that_differ():
    rng = np.random.default_rng(0)
    held, repeats = 0, 300
    for _ in range(repeats):
        chances = rng.beta(2, 2, 15)
        n = rng.integers(1, 9, 15)
        rows = [(float(k), float(rng.binomial(k, p)), 0.0, 3600.0) for k, p in zip(n, chances, strict=True)]
        low, high = intervals_of(rows, of_events=True).sensitivity
        held += low <= 0.5 <= high
    assert held / repeats > 0.95 - 4 * np.sqrt(0.05 * 0.95 / repeats)


def test_they_are_told_in_json_and_in_words():
    made = evaluated(([5, 15], [5]), ([5], [5]))
    told = json.loads(json.dumps(made.to_json(), allow_nan=False))["intervals"]
    assert set(told) == {"events", "samples"}
    assert told["events"]["sensitivity"] == list(made.intervals["events"].sensitivity)
    assert shown(0.5, (0.25, 0.75)) == "0.50\n0.25–0.75"
    assert (shown(0.5), shown(None, (0, 1))) == ("0.50", "–")
