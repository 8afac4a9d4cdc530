"""A scored recording in sentences: what was found, and what could not be scored."""

import pandas as pd

from ictal.core.labels import PATTERN_TITLES
from ictal.core.predictions import ALWAYS_KNOWN
from ictal.report.clock import HOUR_S, counted, duration_in_words
from ictal.report.day import Day
from ictal.report.score_columns import own_times
from ictal.scoring.burden import burden
from ictal.scoring.quality import N_ELECTRODES, SPOILING

TRUSTED = 0.5
"""The hour with the largest burden is chosen among those of which at least this share was scored."""


def findings_in_words(day: Day) -> list[str]:
    """Describe the events of each pattern in a sentence: their number, durations and busiest hour."""
    sentences = [_finding(day, pattern) for pattern in day.patterns if day.events_of(pattern)]
    absent = [
        PATTERN_TITLES[pattern].replace("Seizure", "seizure")
        for pattern in day.patterns
        if not day.events_of(pattern)
    ]
    if not day.frame[ALWAYS_KNOWN].notna().any():
        return ["Nothing could be scored."]
    if absent:
        sentences.append(f"No events of {_or(absent)}.")
    return sentences


def _finding(day: Day, pattern: str) -> str:
    events = day.events_of(pattern)
    durations = [event.duration_s for event in events]
    if len(events) == 1:
        text = f"1 event of {duration_in_words(durations[0])}, at {day.clock.text(events[0].start_s)}"
    else:
        text = (
            f"{len(events)} events, {duration_in_words(sum(durations))} in total, the longest "
            f"{duration_in_words(max(durations))}, the first at {day.clock.text(events[0].start_s)}"
        )
    return f"{PATTERN_TITLES[pattern]}: {text}{_worst_hour(day, pattern)}."


def _worst_hour(day: Day, pattern: str) -> str:
    table = burden(day.frame, day.events, f"{HOUR_S}s")
    hours = table[(table["pattern"] == pattern) & (table["scored_s"] >= TRUSTED * HOUR_S)]
    if not len(hours):
        return ""
    worst = hours.sort_values("burden", kind="stable", ascending=False)[["start_s", "burden"]].to_numpy(dtype=float)
    start_s, share = worst[0].tolist()
    when = day.clock.span(start_s, min(start_s + HOUR_S, day.span_s))
    return f"; burden at most {percent(share)} in an hour ({when})"


def percent(share: float) -> str:
    """Write a share in whole per cent; a small share is not written as zero."""
    return f"{100 * share:.0f} %" if share == 0 or share >= 0.005 else "< 1 %"


def _or(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def coverage_in_words(day: Day) -> str:
    """State how much of the recording was scored, and why the rest was not."""
    starts, stops = own_times(day.frame)
    seconds, scored = stops - starts, day.frame[ALWAYS_KNOWN].notna().to_numpy()
    gaps = [duration_s for _, duration_s in day.scores.recording.gaps]
    lost = {
        f"in {counted(len(gaps), 'gap')}": sum(gaps),
        f"because of low quality{_spoilt_by(day.frame[~scored])}": seconds[~scored].sum(),
        "at the edges, outside every window's centre": day.span_s - sum(gaps) - seconds.sum(),
    }
    why = [f"{duration_in_words(total)} {words}" for words, total in lost.items() if total >= 1]
    text = f"{duration_in_words(seconds[scored].sum())} of {duration_in_words(day.span_s)} were scored"
    return f"{text}. Not scored: {'; '.join(why)}." if why else f"{text}."


def _spoilt_by(refused: pd.DataFrame) -> str:
    """State how many electrodes had which flaw, on average over the refused windows."""
    means = {flaw: refused[flaw].mean() for flaw in SPOILING}
    what = [f"{mean:.0f} {flaw}" for flaw, mean in means.items() if mean >= 0.5]
    return f" (of {N_ELECTRODES} electrodes on average {', '.join(what)})" if what else ""
