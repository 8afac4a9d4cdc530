"""The alarms of a bed for readers: those of one rule about one pattern are one, with the text of the latest."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ictal.core.labels import PATTERN_TITLES
from ictal.live.alarms import Alarm
from ictal.live.bed import Bed
from ictal.live.rules import BurdenRule, NoPredictionRule, StaleRule, StatusRule


def unacknowledged(bed: Bed) -> list[dict[str, Any]]:
    """Return what nobody has acknowledged, as `ictal.web.ward_schemas.ShownAlarm`, by the first alarm of each."""
    found: dict[tuple[str, str | None], list[Alarm]] = defaultdict(list)
    for alarm in bed.alarms:
        if not alarm.acknowledged:
            found[alarm.rule, alarm.pattern].append(alarm)
    return [_shown(bed, alarms) for alarms in found.values()]


def acknowledged(bed: Bed) -> list[str]:
    """Return what goes on after somebody has acknowledged the latest alarm about it: patterns, or names of rules."""
    latest = {(alarm.rule, alarm.pattern): alarm for alarm in bed.alarms}
    names = [
        PATTERN_TITLES[alarm.pattern] if alarm.pattern else alarm.rule
        for alarm in latest.values()
        if alarm.acknowledged and _goes_on(bed, alarm)
    ]
    return [*dict.fromkeys(names)]


def _shown(bed: Bed, alarms: Sequence[Alarm]) -> dict[str, Any]:
    last, rule = alarms[-1], bed.rules.rule(alarms[-1].rule)
    goes_on = _goes_on(bed, last)
    return {
        **{name: getattr(last, name) for name in ("number", "rule", "pattern", "since_s", "text")},
        "raised_s": None if isinstance(rule, StaleRule) else last.at_s,  # recorded time stands still then
        "sounds": rule is not None and rule.sounds and not all(alarm.late for alarm in alarms),
        "times": len(alarms),
        "first_s": alarms[0].at_s,
        "goes_on": goes_on,
        "ended_s": None if goes_on else _ended_s(bed, last),
    }


def _goes_on(bed: Bed, alarm: Alarm) -> bool:
    """Return whether what an alarm is about is still there."""
    trends = bed.trends
    match bed.rules.rule(alarm.rule):
        case StaleRule():
            return bed.state == "stale"
        case NoPredictionRule():
            return trends is not None and trends.without_prediction_s > 0
        case StatusRule():
            return trends is not None and trends.status is not None
        case BurdenRule() as rule:
            return trends is not None and trends.burden(rule.pattern, rule.window) > rule.above
        case _:
            return any(event.stop_s is None for event in bed.events if event.pattern == alarm.pattern)


def _ended_s(bed: Bed, alarm: Alarm) -> float | None:
    """Return when the last event that an alarm may be about has ended; None if it is about none."""
    if isinstance(bed.rules.rule(alarm.rule), BurdenRule):
        return None
    stops = (event.stop_s for event in bed.events if event.pattern == alarm.pattern and event.stop_s is not None)
    return max((stop_s for stop_s in stops if stop_s > alarm.since_s), default=None)
