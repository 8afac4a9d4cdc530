"""What the rules wait for: which conditions are met at the end of a row, in words."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ictal.core.labels import PATTERN_TITLES
from ictal.live.announcements import LiveEvent
from ictal.live.rules import (
    AnyRule,
    BurdenRule,
    EventRule,
    NewPatternRule,
    NoPredictionRule,
    Rule,
    StaleRule,
    StatusRule,
)
from ictal.live.trends import WINDOWS_S, Trends
from ictal.report.clock import HOUR_S, MINUTE_S, Clock, duration_in_words
from ictal.scoring.events import ROUNDING_S
from ictal.terminology.english import ENGLISH

LATE_S = 600.0
"""An event that has ended is told up to this long after its hold-off: rows may come late."""

NAMES = {**ENGLISH.patterns, "seizure": "seizure"}
RUNS = {name: f"runs of {words}" for name, words in ENGLISH.patterns.items()} | {"seizure": "seizures"}

ToldSince = Mapping[tuple[str, str | None], float]
"""`since_s` of the last alarm of a rule about a pattern; the keys are their names."""


@dataclass(frozen=True)
class Condition:
    """What a rule waits for, and has found. All times are in seconds of the recording.

    Attributes
    ----------
    pattern
        What it concerns; None for the rules that concern none.
    since_s
        Since when it has been there.
    met_s
        When all that the rule asks for was there: an alarm of that moment or later has told of it. None for an event:
        an alarm about it or a later one has told of it.
    lasts
        Whether it goes on.
    words
        A sentence without its subject, the bed.
    waited_s
        Since the last row, if that is part of the condition.
    """

    pattern: str | None
    since_s: float
    met_s: float | None
    lasts: bool
    words: str
    waited_s: float = 0.0


@dataclass(frozen=True)
class Moment:
    """What is known at the end of the last row, what was told before, and the age of the data."""

    trends: Trends
    events: Sequence[LiveEvent]
    told_since: ToldSince
    clock: Clock
    age_s: float

    @property
    def at_s(self) -> float:
        """The end of the last row."""
        return self.trends.at_s

    def when(self, start_s: float, stop_s: float | None = None) -> str:
        """Write since when something goes on, or when it was; and how long."""
        last_s = self.at_s if stop_s is None else stop_s
        return self._when("since" if stop_s is None else "at", start_s, last_s - start_s)

    def when_was(self, event: LiveEvent) -> str:
        """Write since when an event goes on, or when it was; and how long it lasts for certain."""
        return self._when("since" if event.stop_s is None else "at", event.start_s, event.duration_s)

    def _when(self, word: str, start_s: float, duration_s: float) -> str:
        return f"{word} {self.clock.text(start_s)}, for {duration_in_words(duration_s)}"

    def at_least(self, start_s: float) -> str:
        """Write how long something goes on that may have begun before."""
        return f"for at least {duration_in_words(self.at_s - start_s)}"


def conditions(rule: AnyRule, moment: Moment) -> Iterator[Condition]:
    """Give the conditions of a rule that are met, at most one for each pattern."""
    match rule:
        case EventRule():
            yield from _events(rule, rule.pattern, moment)
        case NewPatternRule():
            for pattern in rule.patterns:
                yield from _new_pattern(rule, pattern, moment)
        case BurdenRule():
            yield from _burden(rule, moment)
        case StatusRule():
            yield from _status(moment)
        case NoPredictionRule():
            yield from _no_prediction(rule, moment)
        case StaleRule():
            yield from _stale(rule, moment)


def _events(rule: EventRule, pattern: str, moment: Moment) -> Iterator[Condition]:
    """Give the latest event that is long enough; its words count those of which nothing was told."""
    found = [
        event
        for event in moment.events
        if event.pattern == pattern
        if event.duration_s >= rule.at_least_s - ROUNDING_S
        if _is_present(event, max(event.announced_at_s, event.start_s + rule.at_least_s), rule, moment)
    ]
    if not found:
        return
    event = found[-1]
    told_s = moment.told_since.get((rule.name, pattern), -math.inf)
    new = [event for event in found if event.start_s > told_s + ROUNDING_S]
    words = moment.when_was(event)
    if len(new) > 1:
        words = f"{len(new)} {RUNS[pattern]} since {moment.clock.text(new[0].start_s)}, the latest {words}"
    else:
        words = f"{NAMES[pattern]} {words}"
    yield Condition(pattern, event.start_s, None, event.stop_s is None, words)


def _new_pattern(rule: NewPatternRule, pattern: str, moment: Moment) -> Iterator[Condition]:
    """Give the latest event that has none of its pattern in the hours before."""
    own = [event for event in moment.events if event.pattern == pattern]
    first_s = rule.unseen_h * HOUR_S
    found = [
        (event, number)
        for number, event in enumerate(own)
        if _is_present(event, event.announced_at_s, rule, moment)
        if all(one.stop_s is not None and one.stop_s <= event.start_s - first_s for one in own[:number])
    ]
    if not found:
        return
    event, number = found[-1]
    before = f"not seen in the {duration_in_words(first_s)} before" if number else "the first of this recording"
    words = f"{NAMES[pattern]} {moment.when_was(event)}, {before}"
    yield Condition(pattern, event.start_s, None, False, words)


def _is_present(event: LiveEvent, met_s: float, rule: Rule, moment: Moment) -> bool:
    """Return whether an event goes on, or may have been held off until now."""
    return event.stop_s is None or met_s >= moment.at_s - rule.hold_off_s - LATE_S


def _burden(rule: BurdenRule, moment: Moment) -> Iterator[Condition]:
    trends = moment.trends
    since_s = trends.burden_above_since(rule.pattern, rule.window, rule.above, rule.scored_share)
    if since_s is None or trends.at_s - since_s < rule.for_s - ROUNDING_S:
        return
    title = "seizure" if rule.pattern == "seizure" else PATTERN_TITLES[rule.pattern]
    window_s = WINDOWS_S[rule.window]
    words = f"{title} burden of {_percent(trends.burden(rule.pattern, rule.window))} in {_last(window_s)}"
    scored_s = trends.scored_s(rule.window)
    if scored_s < window_s - ROUNDING_S:
        words += f" ({duration_in_words(scored_s)} scored)"
    if rule.for_s:
        first = since_s <= trends.recent.ends_s[0]
        words += f", above {_percent(rule.above)} {moment.at_least(since_s) if first else moment.when(since_s)}"
    yield Condition(rule.pattern, since_s, since_s + rule.for_s, True, words)


def _status(moment: Moment) -> Iterator[Condition]:
    status, met_s = moment.trends.status, moment.trends.status_since_s
    if status is None or met_s is None:
        return
    if status.criterion == "10 minutes":
        goes_on = status.stop_s >= moment.at_s - ROUNDING_S
        evidence = f"seizure {moment.when(status.start_s, None if goes_on else status.stop_s)}"
    else:
        evidence = f"seizures for {duration_in_words(status.seizure_s)} in {_last(HOUR_S)}"
    yield Condition(
        "seizure", status.start_s, met_s, True, f"criterion of electrographic status epilepticus met: {evidence}"
    )


def _no_prediction(rule: NoPredictionRule, moment: Moment) -> Iterator[Condition]:
    trends = moment.trends
    since_s = trends.at_s - trends.without_prediction_s
    if trends.without_prediction_s < max(rule.for_s, 1) - ROUNDING_S:
        return
    never = not len(trends.recent.scored.starts)
    words = f"not scorable {moment.at_least(since_s) if never else moment.when(since_s)}"
    if trends.why:
        words += f" ({trends.why})"
    yield Condition(None, since_s, since_s + rule.for_s, True, words)


def _stale(rule: StaleRule, moment: Moment) -> Iterator[Condition]:
    if moment.age_s < rule.for_s:
        return
    scored = f"scored until {moment.clock.text(moment.at_s)}" if moment.at_s else "nothing scored yet"
    # The time of the recording stands still, so an alarm of the last row is of this stall.
    words = f"no data for {duration_in_words(moment.age_s)}, {scored}"
    yield Condition(None, moment.at_s, moment.at_s, False, words, waited_s=moment.age_s)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _last(seconds: float) -> str:
    return f"the last {seconds / MINUTE_S:.0f} min"
