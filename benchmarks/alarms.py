"""Measure the alarms of `ictal watch`: what the rules find, how late, and how often they are wrong.

Nights are watched 10 s at a time, by the default rules and one on burden:

- simulated ones, whose patients are the first of seed 2026, on which nothing was tuned; in their last 20 minutes, the
  electrodes are off, and record nothing or mains hum;
- since clear seizures are rare in these, also the first hours of those patients who have one in them;
- hours that are joined from real clips, one for each patient: two seizures, and between them what is left of the
  clips, again and again. So the false alarms of an hour come from minutes of EEG. They are watched by `simulated`,
  which has seen no patient in training, and by `default`, which was trained on these clips.

Parts: `nights`, `seizures`, `real`; by default all, which takes an hour. Nobody acknowledges an alarm, so repetitions
count. An episode between two patterns, or between a pattern and 'other',
needs no alarm, but makes none false. Intervals are from a bootstrap over patients.

Write the tables into docs/watch.md: python benchmarks/alarms.py --write
"""

import argparse
import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count, islice
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

import ictal
from _machine import SHARED, machine
from _page import filled
from ictal.core.atomic_files import write_text
from ictal.core.recording import Recording, Signal, Source
from ictal.live.alarms import Alarm
from ictal.live.bed import Bed
from ictal.live.journal import claim_journal
from ictal.live.rules import (
    DEFAULT_RULES,
    AnyRule,
    BurdenRule,
    EventRule,
    NewPatternRule,
    NoPredictionRule,
    Rules,
    StaleRule,
)
from ictal.models.hub import find_model
from ictal.scoring.engines import open_engine
from ictal.scoring.events import EVENT_PATTERNS
from ictal.scoring.pipeline import ScoreSettings
from ictal.simulator import simulate_recording
from ictal.simulator.timeline import timeline
from ictal.terminology.terms import STATUS_SHARE

PAGE = Path(__file__).resolve().parents[1] / "docs" / "watch.md"
REAL = SHARED / "seizure"
SEED = 2026
STEP_S, HOUR_S, DAY_S = 10.0, 3600.0, 86400.0
LEAST_S = 30.0
"""Shorter seizures need no alarm."""
OFF_S, HUM_UV = 1200.0, 1000.0
"""For how long electrodes are off, and the mains hum that half of them record."""
NEAR_S = 300.0
"""An alarm on burden is right if the limit is exceeded within this time before or after it."""
FADE_S = 1.0
"""Real clips are cross-faded for so long."""
SEIZURES_S = (900.0, 2400.0)
"""The earliest starts of the seizures of a real hour."""
SEIZURE_HOURS = 2.0
"""How long patients with a clear seizure are watched."""
ROUNDS = 2000

BURDEN = BurdenRule(name="seizure burden", pattern="seizure", above=0.1, hold_off_s=1800)
RULES = Rules(rules=(*(rule for rule in DEFAULT_RULES.rules if not isinstance(rule, StaleRule)), BURDEN))

Span = tuple[float, float]
Spans = Sequence[Span]
Floats = npt.NDArray[np.float64]


@dataclass
class Played:
    """A source of a bed: a recording that has come to `stop_s`."""

    recording: Recording
    stop_s: float = STEP_S
    closed: bool = False
    ended: bool = False
    files: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """Of the recording."""
        return self.recording.name

    def now(self) -> Recording:
        """Return what there is so far."""
        return replace(self.recording, n_samples=round(self.stop_s * self.recording.rate_hz))


def watched(recording: Recording, model: str) -> Bed:
    """Return the bed of a recording that was watched until its end."""
    source, engine = Played(recording), open_engine(find_model(model), threads=1)
    with tempfile.TemporaryDirectory() as folder, claim_journal(Path(folder)) as journal:
        bed = Bed("bed", Path(folder), source, journal, engine, ScoreSettings(), RULES, lambda *_: None)
        while source.stop_s <= recording.duration_s:
            bed.poll()
            assert not bed.problem, bed.problem
            source.stop_s += STEP_S
        return bed


@dataclass(frozen=True)
class Night:
    """When a night has patterns for sure, when it may have them, and when the electrodes are off."""

    end_s: float
    clear: dict[str, Spans]
    possible: dict[str, Spans]
    off: Spans = field(default=())

    def truth(self, rule: AnyRule, pattern: str) -> tuple[Spans, Spans]:
        """Return when a rule should raise an alarm about a pattern, and when an alarm is right."""
        clear, possible = self.clear.get(pattern, ()), self.possible.get(pattern, ())
        match rule:
            case EventRule():
                return [span for span in clear if span[1] - span[0] >= LEAST_S], possible
            case NewPatternRule():
                return [span for span in clear if is_new(span, possible, rule.unseen_h * HOUR_S)], possible
            case NoPredictionRule():
                return [(start_s + rule.for_s, stop_s) for start_s, stop_s in self.off], self.off
        limit = rule.above if isinstance(rule, BurdenRule) else STATUS_SHARE
        near = [(start_s - NEAR_S, stop_s + NEAR_S) for start_s, stop_s in self.above(limit, possible)]
        return self.above(limit, clear), near

    def above(self, limit: float, spans: Spans) -> Spans:
        """Return when spans take more than a share of the 60 minutes before, or of as many as there are."""
        ends_s = np.arange(HOUR_S / 2, self.end_s + 1, STEP_S)
        taken_s = sum((np.clip(ends_s, *span) - np.clip(ends_s - HOUR_S, *span) for span in spans), np.zeros(1))
        high = np.broadcast_to(taken_s > limit * np.minimum(ends_s, HOUR_S), ends_s.shape)
        edges = np.diff(np.concatenate([[0], high, [0]]))
        return [
            (ends_s[first], ends_s[last - 1])
            for first, last in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True)
        ]


def is_new(span: Span, others: Spans, unseen_s: float) -> bool:
    return not any(start_s < span[0] < stop_s + unseen_s for start_s, stop_s in others)


def judged(bed: Bed, night: Night) -> list[dict[str, Any]]:
    """Return a row for each occasion, with the delay of its alarm, and each alarm, with whether it is false."""
    rows = []
    for rule in RULES.rules:
        for pattern in rule.patterns if isinstance(rule, NewPatternRule) else [getattr(rule, "pattern", "seizure")]:
            occasions, right = night.truth(rule, pattern)
            alarms = [alarm for alarm in bed.alarms if alarm.rule == rule.name and alarm.pattern in (pattern, None)]
            told = [told_by(alarm, rule, before, bed) for before, alarm in zip([None, *alarms], alarms, strict=False)]
            for occasion in occasions:
                found = [alarm.at_s for alarm, spans in zip(alarms, told, strict=True) if meet(spans, [occasion])]
                rows.append({"rule": rule.name, "delay_s": min(found, default=math.nan) - occasion[0]})
            rows += [{"rule": rule.name, "false": not meet(spans, right)} for spans in told]
    return rows


def told_by(alarm: Alarm, rule: AnyRule, before: Alarm | None, bed: Bed) -> Spans:
    """Return what an alarm is about: the time of events, also those that were held off; otherwise its moment."""
    if isinstance(rule, NewPatternRule):
        return [(alarm.since_s, alarm.at_s)]
    if not isinstance(rule, EventRule):
        return [(alarm.at_s, alarm.at_s)]
    since_s = before.at_s if before else 0.0
    return [(alarm.since_s, alarm.at_s)] + [
        (event.start_s, event.stop_s)
        for event in bed.events
        if event.pattern == alarm.pattern and event.stop_s is not None
        if event.stop_s - event.start_s >= rule.at_least_s and since_s < event.stop_s and event.start_s < alarm.at_s
    ]


def meet(spans: Spans, others: Spans) -> bool:
    return any(span[0] <= other[1] and span[1] >= other[0] for span in spans for other in others)


@dataclass(frozen=True)
class ElectrodesOff:
    """The samples of a source; from one sample on, those of electrodes that are not connected."""

    source: Source
    first: int
    rate_hz: float
    hum_uv: float

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples, [channel, time], µV."""
        samples = self.source.read(start, stop, rows).copy()
        off = slice(max(self.first - start, 0), None)
        channels = np.reshape(np.arange(len(samples)) if rows is None else rows, (-1, 1))
        times_s = np.arange(start, start + samples.shape[1])[off] / self.rate_hz
        samples[:, off] = self.hum_uv * (1 + channels / 10) * np.sin(2 * np.pi * 50 * times_s + channels)
        return samples


def simulated(group: str, hours: float, patient: int) -> list[dict[str, Any]]:
    """Watch a simulated night."""
    recording, night = simulate_recording(SEED, patient, hours), night_of(patient, hours)
    ((off_s, _),) = night.off
    hum_uv = HUM_UV * (patient % 2)
    source = ElectrodesOff(recording.source, round(off_s * recording.rate_hz), recording.rate_hz, hum_uv)
    rows = judged(watched(replace(recording, source=source), "default"), night)
    return [{"patient": patient, "group": group, "hours": hours} | row for row in rows or [{}]]


def night_of(patient: int, hours: float) -> Night:
    end_s = hours * HOUR_S
    off_s = end_s - OFF_S
    episodes = [(one.kind, (one.onset_s, min(one.end_s, off_s))) for one in timeline(SEED, patient)]
    episodes = [(kind, span) for kind, span in episodes if span[0] < off_s]
    return Night(
        end_s,
        {pattern: [span for kind, span in episodes if {*kind} == {pattern}] for pattern in EVENT_PATTERNS},
        {pattern: [span for kind, span in episodes if pattern in kind] for pattern in EVENT_PATTERNS},
        [(off_s, end_s)],
    )


def with_seizures(number: int, hours: float) -> list[int]:
    """Return the first patients who have a clear seizure in the first hours."""
    rule = next(rule for rule in RULES.rules if isinstance(rule, EventRule))
    have = (patient for patient in count() if night_of(patient, hours).truth(rule, "seizure")[0])
    return list(islice(have, number))


def real(model: str, patient: str) -> list[dict[str, Any]]:
    """Watch an hour of the clips of a patient."""
    labels = pd.read_csv(REAL / "labels.csv")
    seizures, others = [], []
    for row in labels[labels["patient_id"] == patient].itertuples():
        clip = ictal.read(REAL / row.file)
        stop_s = np.nan_to_num(row.seizure_end_s)
        if row.file.endswith("_seizure.edf"):
            seizures.append(clip.read(0, clip.n_samples))
        else:
            others.append(clip.read(round(stop_s * clip.rate_hz), clip.n_samples))
    samples, spans = joined(seizures, others, clip.rate_hz)
    bed = watched(Recording.from_array(samples, clip.channels, clip.rate_hz, patient), model)
    rows = judged(bed, Night(HOUR_S, {"seizure": spans}, {"seizure": spans}))
    group = f"real, {'seizures of children' if spans else 'healthy adults'}, watched by `{model}`"
    return [{"patient": patient, "group": group, "hours": 1.0} | row for row in rows or [{}]]


def joined(seizures: Sequence[Signal], others: Sequence[Signal], rate_hz: float) -> tuple[Signal, Spans]:
    """Return an hour of cross-faded clips, [channel, time], and when the seizures are."""
    fade, size = round(FADE_S * rate_hz), round(HOUR_S * rate_hz)
    rise = np.sin(np.pi / 2 * (np.arange(fade) + 0.5) / fade) ** 2
    total = np.zeros((len(others[0]), size + max(clip.shape[1] for clip in (*seizures, *others))), dtype=np.float32)
    waiting, spans = list(zip(SEIZURES_S, seizures, strict=False)), []
    at = number = 0
    while at < size:
        if waiting and at >= waiting[0][0] * rate_hz:
            clip = waiting.pop(0)[1]
            spans.append((at / rate_hz, (at + clip.shape[1]) / rate_hz))
        else:
            clip, number = others[number % len(others)], number + 1
        gain = np.ones(clip.shape[1])
        gain[:fade], gain[-fade:] = rise, rise[::-1]
        total[:, at : at + clip.shape[1]] += gain * clip
        at += clip.shape[1] - fade
    return total[:, :size], spans


def figures(rows: pd.DataFrame) -> dict[str, Any]:
    """Return the figures of a group."""
    hours = rows.groupby("patient")["hours"].first()
    drawn = np.random.default_rng(0).integers(len(hours), size=(ROUNDS, len(hours)))
    rules = {}
    for rule in RULES.rules:
        own = rows[rows["rule"] == rule.name]
        alarms = own[own["false"].notna()]
        occasions = own[own["false"].isna()]
        found = occasions[occasions["delay_s"].notna()]
        n_found, n_occasions, n_alarms, n_false = (
            part.groupby("patient").size().reindex(hours.index, fill_value=0).to_numpy(dtype=float)
            for part in (found, occasions, alarms, alarms[alarms["false"].eq(True)])
        )
        days = hours.to_numpy() * HOUR_S / DAY_S
        rules[rule.name] = {
            "occasions": len(occasions),
            "found": ratio(n_found, n_occasions, drawn),
            "delay_s": [float(found["delay_s"].quantile(share)) for share in (0.5, 0.9)],
            "alarms": len(alarms),
            "per_day": ratio(n_alarms, days, drawn),
            "false_per_day": ratio(n_false, days, drawn),
        }
    return {"recordings": len(hours), "hours": float(hours.sum()), "rules": rules}


def ratio(number: Floats, of: Floats, drawn: npt.NDArray[np.int64]) -> list[float]:
    """Return the ratio of two sums over patients, and the bounds of its 95 % interval; NaN without any.

    Where a bootstrap would find no spread: for no event at all, the upper bound of a Poisson process; for a share of
    100 %, the lower bound of Clopper and Pearson for as many patients.
    """
    sums = of[drawn].sum(axis=1)
    if not of.sum():
        return [math.nan] * 3
    resampled = number[drawn].sum(axis=1)[sums > 0] / sums[sums > 0]
    low, high = map(float, np.quantile(resampled, [0.025, 0.975]))
    if not number.sum():
        high = -math.log(0.025) / float(of.sum())
    elif np.array_equal(number, of):
        low = 0.025 ** (1 / int((of > 0).sum()))
    return [float(number.sum() / of.sum()), low, high]


def lines_of(found: dict[str, Any]) -> list[str]:
    lines = [
        "| alarms | needed | raised [95 %] | delay: median; 90 % | all a day | false a day [95 %] |",
        "|---|---|---|---|---|---|",
    ]
    for group, own in found.items():
        lines.append(f"| **{group}**: {own['recordings']} of {own['hours'] / own['recordings']:g} h | | | | | |")
        for name, one in own["rules"].items():
            if not one["occasions"] and not one["alarms"] and name != "seizure":
                continue
            raised = "{:.0%} [{:.0%}, {:.0%}]".format(*one["found"]) if one["occasions"] else ""
            delay = "{:.0f} s; {:.0f} s".format(*one["delay_s"]) if not math.isnan(one["delay_s"][0]) else ""
            false = "{:.1f} [{:.1f}, {:.1f}]".format(*one["false_per_day"])
            lines.append(f"| {name} | {one['occasions']} | {raised} | {delay} | {one['per_day'][0]:.1f} | {false} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="nights, seizures, real; default: all")
    parser.add_argument("--nights", type=int, default=24, help="simulated recordings")
    parser.add_argument("--hours", type=float, default=6, help="length of each")
    parser.add_argument("--seizures", type=int, default=24, help="patients with a clear seizure")
    parser.add_argument(
        "--keep", type=Path, default=Path("runs/bench/alarms.json"), help="where to write the figures"
    )
    parser.add_argument("--write", action="store_true", help="write the table into docs/watch.md")
    asked = parser.parse_args()
    found = json.loads(asked.keep.read_text()) if asked.keep.exists() else {}
    clips = pd.read_csv(REAL / "labels.csv")["patient_id"].unique() if REAL.is_dir() else ()
    with_seizure = partial(simulated, "simulated, with a clear seizure", SEIZURE_HOURS)
    parts = {
        "nights": lambda: [(partial(simulated, "simulated", asked.hours), range(asked.nights))],
        "seizures": lambda: [(with_seizure, with_seizures(asked.seizures, SEIZURE_HOURS))],  # takes minutes to find
        "real": lambda: [(partial(real, model), clips) for model in ("simulated", "default")],
    }
    with Pool(2) as pool:
        for watch, patients in (one for part in asked.parts or parts for one in parts[part]()):
            rows = pd.DataFrame([row for night in pool.map(watch, patients, chunksize=1) for row in night])
            found |= {str(group): figures(own) for group, own in rows.groupby("group", sort=False)}
    asked.keep.parent.mkdir(parents=True, exist_ok=True)
    write_text(asked.keep, json.dumps(found, indent=1))
    lines = [f"{machine()}.", "", *lines_of(found)]
    print("\n".join(lines))
    if asked.write:
        write_text(PAGE, filled(PAGE.read_text(encoding="utf-8"), "alarms", lines))


if __name__ == "__main__":
    main()
