"""Set named models side by side on one data set: KL with paired intervals, AUROC, seconds per hour of EEG, memory.

Models are names or folders, also of models from elsewhere. The first is the one with which the others are compared.
Each scores an hour of simulated EEG in a process of its own, in several rounds in turn. With --write, the table goes
into docs/peers.md.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import ictal
from _machine import SHARED, machine, memory_of
from _page import DOCS, between
from ictal.core.atomic_files import write_json, write_text
from ictal.core.labels import PATTERNS
from ictal.evaluation import Estimate
from ictal.io.edf.writer import write_edf
from ictal.simulator import simulate_recording
from real_eeg import VOTED, real_windows, write_manifest

PAGE = DOCS / "peers.md"
BEGIN, END = "<!-- FIGURES: made by benchmarks/peers.py -->", "<!-- END OF FIGURES -->"
REAL = "real"
MEGABYTE = 1_000_000
EVERY_S = 0.02
"""Time between two looks at the memory of a process."""


def data_of(name: str, folder: Path) -> str:
    """Return a data set as `ictal.evaluate` takes it; 'real' is the labelled real EEG next to the project."""
    if name != REAL:
        return name
    if not SHARED.is_dir():
        raise SystemExit(f"{SHARED}: is missing; choose another data set with --data")
    return str(write_manifest(real_windows(VOTED), folder / "windows.csv"))


def score_once(model: str, recording: Path) -> tuple[float, float]:
    """Score a recording in a new process; return its seconds, start-up included, and its peak memory in MB."""
    code = f"import ictal; ictal.score({str(recording)!r}, {model!r})"
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code])
    peak, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(EVERY_S):
            peak[0] = max(peak[0], memory_of(process.pid))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        code_of_process = process.wait()
    finally:
        ended.set()
        watching.join()
    if code_of_process:
        raise SystemExit(f"{model}: could not score {recording}")
    return time.perf_counter() - begun, peak[0] / MEGABYTE


def costs(models: Sequence[str], rounds: int, folder: Path) -> dict[str, dict[str, float]]:
    """Return the median seconds and memory of scoring an hour of EEG, by model; each round has all of them."""
    recording = folder / "hour.edf"
    write_edf(recording, simulate_recording(seed=5, patient=0, hours=1.0))
    for model in models:
        score_once(model, recording)  # exports what has to be exported once
    found = [{model: score_once(model, recording) for model in models} for _ in range(rounds)]
    medians = {model: np.median([one[model] for one in found], axis=0).tolist() for model in models}
    return {model: {"seconds_per_hour": seconds, "megabytes": memory} for model, (seconds, memory) in medians.items()}


def figures(models: Sequence[str], data: str, rounds: int, folder: Path) -> dict[str, Any]:
    """Return all figures by model; differences are to the first model, paired by patient."""
    titles = {Path(model).name: model for model in models}
    if len(titles) < len(models):
        raise SystemExit("two models have the same name; copy one to another folder")
    tables = {title: folder / f"{title}.parquet" for title in titles}
    for title, path in tables.items():
        ictal.evaluate(titles[title], data, cache=folder / "cache")[1].write(path)
    compared = ictal.compare(tables, weight="window")
    first = next(iter(titles))
    differences = {one.a if one.b == first else one.b: one for one in compared.differences if first in (one.a, one.b)}
    spent, found = costs(models, rounds, folder), {}
    for table in compared.tables:
        difference = differences.get(table.name)
        # Of the other minus the first, whichever way it was computed.
        sign = 1 if difference is None or difference.b == first else -1
        estimate = difference.estimate if difference else None
        found[table.name] = {
            "kl": [table.kl.value, table.kl.interval],
            "difference": estimate and _signed(estimate, sign),
            "auroc": {name: table.evaluation.measures[f"auroc_{name}"].value for name in PATTERNS},
            "n_windows": table.n_windows,
            "n_patients": table.n_patients,
            **spent[titles[table.name]],
        }
    return found


def _signed(estimate: Estimate, sign: int) -> list[Any]:
    ends = sorted(sign * end for end in estimate.interval) if estimate.interval else None
    return [sign * estimate.value, ends]


def lines_of(found: dict[str, Any], data: str, rounds: int) -> list[str]:
    """Return the table as lines of Markdown."""
    some = next(iter(found.values()))
    about = f"{some['n_windows']} windows of {some['n_patients']} patients of {data}"
    lines = [
        f"{about}. Times include start-up; medians of {rounds}, on {machine()}.",
        "",
        f"| model | KL | minus {next(iter(found))} | mean AUROC | seconds per hour of EEG | peak memory, MB |",
        "|---|---|---|---|---|---|",
    ]
    for name, one in found.items():
        aurocs = [value for value in one["auroc"].values() if not np.isnan(value)]
        mean = f"{np.mean(aurocs):.2f}" if aurocs else "–"
        difference = _cell(one["difference"], "+.3f") if one["difference"] else "–"
        lines.append(
            f"| {name} | {_cell(one['kl'], '.3f')} | {difference} | {mean} "
            f"| {one['seconds_per_hour']:.1f} | {one['megabytes']:.0f} |"
        )
    return lines


def _cell(estimate: Sequence[Any], form: str) -> str:
    value, interval = estimate
    return f"{value:{form}}" + (f" [{interval[0]:{form}}, {interval[1]:{form}}]" if interval else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", help="names or folders of models; the first is the reference")
    parser.add_argument("--data", default=REAL, help="'real', or as for 'ictal evaluate'")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--write", action="store_true", help="update docs/peers.md")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = figures(chosen.models, data_of(chosen.data, folder), chosen.rounds, folder)
    lines = lines_of(found, "real EEG" if chosen.data == REAL else chosen.data, chosen.rounds)
    print("\n".join(lines))
    if chosen.json:
        write_json(chosen.json, json.loads(json.dumps(found)))
    if chosen.write:
        write_text(PAGE, between(PAGE.read_text(encoding="utf-8"), BEGIN, END, ["", *lines, ""]))


if __name__ == "__main__":
    main()
