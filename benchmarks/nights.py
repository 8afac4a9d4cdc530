"""Compare the frequencies that a report states, event by event, with the timelines of simulated nights.

Unlike findings.py, the model decides what an event is, so unclear patterns and EEG full of artifacts count as well.
An event counts if at least 70 % of it lie in an episode that has its pattern nearly all the time. The frequency is
right if it is within 15 % of the rates between the onset and the end of the event. Constants were chosen on seeds
below 100; the seed here is another. Intervals are from a bootstrap over patients.

Write the table into docs/findings.md: python benchmarks/nights.py --write
"""

import argparse
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import pandas as pd

from _machine import machine
from _page import filled
from ictal.core.atomic_files import write_text
from ictal.scoring.pipeline import score
from ictal.simulator import simulate_recording
from ictal.simulator.timeline import Episode, timeline
from ictal.terminology.findings import EventFinding, RecordingFinding

PAGE = Path(__file__).resolve().parents[1] / "docs" / "findings.md"
WITHIN, STEADY, TOLERANCE = 0.7, 0.9, 0.15
GROUPS = {"LPD, GPD": ("lpd", "gpd"), "LRDA, GRDA": ("lrda", "grda"), "seizure": ("seizure",)}
ROUNDS = 2000

Pair = tuple[EventFinding, Episode]


def paired(found: RecordingFinding, seed: int, patient: int) -> list[Pair]:
    """Return the events of a recording that lie in an episode of the same pattern, with the episode."""
    pairs = []
    for event in found.events:
        episode = max(timeline(seed, patient), key=lambda one: overlap_s(event, one))
        inside = overlap_s(event, episode) >= WITHIN * event.duration_s
        if inside and event.pattern in episode.kind and episode.pattern.prevalence > STEADY:
            pairs.append((event, episode))
    return pairs


def overlap_s(event: EventFinding, episode: Episode) -> float:
    return min(event.stop_s, episode.end_s) - max(event.start_s, episode.onset_s)


def is_right(event: EventFinding, episode: Episode) -> bool:
    """Return whether a frequency was measured, and is near the true ones."""
    rates = [episode.rate_hz(at_s) for at_s in (event.start_s, event.stop_s)]
    if event.frequency is None:
        return False
    return (1 - TOLERANCE) * min(rates) <= event.frequency.typical <= (1 + TOLERANCE) * max(rates)


def night(seed: int, hours: float, patient: int) -> list[dict]:
    found = score(simulate_recording(seed, patient, hours), "default").findings()
    return [
        {
            "patient": patient,
            "pattern": event.pattern,
            "measured": event.frequency is not None,
            "right": is_right(event, episode),
        }
        for event, episode in paired(found, seed, patient)
    ]


def table(rows: pd.DataFrame) -> list[str]:
    lines = ["| events | number | measured | of these, within 15 % [95 % interval] |", "|---|---|---|---|"]
    for name, patterns in GROUPS.items():
        chosen = rows[rows["pattern"].isin(patterns)]
        low, high = interval(chosen[chosen["measured"]])
        lines.append(
            f"| {name} | {len(chosen)} | {chosen['measured'].mean():.0%} | "
            f"{chosen['right'].sum() / chosen['measured'].sum():.0%} [{low:.0%}, {high:.0%}] |"
        )
    return lines


def interval(measured: pd.DataFrame) -> tuple[float, float]:
    """Return the 95 % interval of the share that is right, by a bootstrap over patients."""
    counts = measured.groupby("patient")["right"].agg(["sum", "count"]).to_numpy()
    rng = np.random.default_rng(0)
    drawn = counts[rng.integers(len(counts), size=(ROUNDS, len(counts)))].sum(axis=1)
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=40)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--write", action="store_true", help="Write the table into docs/findings.md.")
    options = parser.parse_args()
    with Pool(2) as pool:
        nights = pool.map(partial(night, options.seed, options.hours), range(options.patients), chunksize=1)
    rows = pd.DataFrame(row for one in nights for row in one)
    lines = [
        *table(rows),
        "",
        f"{options.patients} nights of {options.hours:g} h, seed {options.seed} ({machine()}).",
    ]
    print("\n".join(lines))
    if options.write:
        write_text(PAGE, filled(PAGE.read_text(encoding="utf-8"), "nights", lines))


if __name__ == "__main__":
    main()
