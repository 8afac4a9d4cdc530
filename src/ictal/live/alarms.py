"""Alarms: which rules have something new to tell, judged anew at each row from what was told before.

Nothing is remembered between calls. What was told and acknowledged is in the alarms themselves, so a restart neither
repeats nor loses one.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ictal.live.announcements import LiveEvent
from ictal.live.conditions import Condition, Moment, conditions
from ictal.live.rules import Rules
from ictal.live.trends import Trends
from ictal.report.clock import Clock
from ictal.scoring.events import ROUNDING_S

LATE_S = 300.0
"""Alarms about EEG that is older than this, or that were raised so long ago, call nobody, but are shown and kept."""


@dataclass(frozen=True)
class Alarm:
    """What a rule told.

    Attributes
    ----------
    number
        1, 2, ... for each bed.
    rule
        Name of the rule.
    pattern
        What it concerns; None for the rules that concern none.
    since_s
        Since when: start of the event, or of what the rule waits for. In seconds of the recording, as `at_s`.
    at_s
        End of the row that raised the alarm.
    text
        One sentence, with the name of the bed.
    acknowledged
        Whether somebody has acknowledged it.
    late
        Whether it was raised long after `at_s`, from rows that a watcher caught up with: then it calls nobody.
    raised_at
        When it was raised, by the clock of this machine (Unix time); 0 in journals that do not say it.
    untold
        Actions that are neither done nor given up; none in journals that do not say it.
    """

    number: int
    rule: str
    pattern: str | None
    since_s: float
    at_s: float
    text: str
    acknowledged: bool = False
    late: bool = False
    raised_at: float = 0.0
    untold: tuple[str, ...] = ()

    def without(self, action: str) -> "Alarm":
        """Return the alarm when one of its actions is done or given up."""
        return replace(self, untold=tuple(one for one in self.untold if one != action))


@dataclass(frozen=True)
class Bedside:
    """What alarms need of a bed.

    Attributes
    ----------
    name
        Begins their texts.
    start
        When the recording began, if that is known.
    late
        Whether what is judged is long past, since a watcher is catching up.
    """

    name: str
    start: datetime | None = None
    late: bool = False


def new_alarms(
    rules: Rules,
    trends: Trends,
    events: Sequence[LiveEvent],
    known: Sequence[Alarm],
    bedside: Bedside,
    age_s: float = 0.0,
) -> list[Alarm]:
    """Return the alarms that the last row raises.

    - **Once.** An alarm is raised when the condition of a rule is met: for each event, for each time that burden
      rises above its limit, for each stall.
    - **Hold-off.** After an alarm, its rule is silent about that pattern for `hold_off_s`. Events of that time are
      not lost: one alarm afterwards tells how many there were, and of the latest. A burden that rose and fell in that
      time is not told.
    - **Late alarms** call nobody, so they do not count against an alarm of something that still lasts when the
      watcher has caught up.
    - **Repetition.** While the condition lasts and nobody has acknowledged the alarm, it is raised again after each
      hold-off. A pattern that is new, and data that do not arrive, are told once.
    - **Acknowledgement.** It ends the repetition, for as long as the condition lasts: for an event until it ends,
      otherwise as far as rules look back, half an hour to two hours. Then the alarm reminds. The next event, or the
      next time that the condition is met, is a new alarm. Acknowledgement does not end the hold-off.

    Parameters
    ----------
    rules
        The rules.
    trends
        What is known at the end of the last row. All times are those of the recording, so that a replay at any speed
        raises the same alarms.
    events
        What was announced, ordered by start: at least of the last `unseen_h` of the rules on new patterns.
    known
        The alarms of this bed so far, in order.
    bedside
        The bed.
    age_s
        Seconds by the clock of this machine since data arrived. Call with a new age between rows; only rules on data
        that do not arrive use it. For a recording that is finished, it is 0.

    Returns
    -------
    list of Alarm
        In the order of the rules. Calling again with these among `known` returns none.
    """
    told: dict[tuple[str, str | None], list[Alarm]] = defaultdict(list)
    for alarm in known:
        told[alarm.rule, alarm.pattern].append(alarm)
    told_since = {key: alarms[-1].since_s for key, alarms in told.items()}
    moment = Moment(trends, events, told_since, Clock(bedside.start), age_s)
    due = [
        (rule.name, found)
        for rule in rules.rules
        for found in conditions(rule, moment)
        if _is_due(found, _that_count(found, told[rule.name, found.pattern], bedside), trends.at_s, rule.hold_off_s)
    ]
    return [
        _alarm(number, rule, found, trends.at_s, bedside)
        for number, (rule, found) in enumerate(due, known[-1].number + 1 if known else 1)
    ]


def _alarm(number: int, rule: str, found: Condition, at_s: float, bedside: Bedside) -> Alarm:
    late = bedside.late and not found.waited_s  # data that do not arrive are missed now
    text = f"{bedside.name}: {found.words}"
    return Alarm(number, rule, found.pattern, found.since_s, at_s, text, late=late)


def _that_count(found: Condition, told: Sequence[Alarm], bedside: Bedside) -> Sequence[Alarm]:
    """Return the alarms that count against a new one."""
    if bedside.late or not found.lasts:
        return told
    return [alarm for alarm in told if not alarm.late or alarm.acknowledged]


def _is_due(found: Condition, told: Sequence[Alarm], at_s: float, hold_off_s: float) -> bool:
    """Return whether a condition raises an alarm, given those of its rule and pattern."""
    if not told:
        return True
    if at_s + found.waited_s < told[-1].at_s + hold_off_s - ROUNDING_S:
        return False
    if found.met_s is None:
        of_it = [alarm for alarm in told if alarm.since_s >= found.since_s - ROUNDING_S]
    else:
        of_it = [alarm for alarm in told if alarm.at_s >= found.met_s - ROUNDING_S]
    return not of_it or (found.lasts and not any(alarm.acknowledged for alarm in of_it))
