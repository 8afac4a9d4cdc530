"""Measure how an archive is scored: throughput, dispatch, planning, the needs of a million hours, and faults.

Recordings are copies of one simulated hour, because they cost the same. Runs with one and with two workers alternate;
figures are medians. The first recording of each worker, which loads the model, is left out. N workers get N CPUs,
because a worker that finds a second CPU idle reads and measures on it, and is faster than on one.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from _machine import machine
from ictal.archive.run import score_archive
from ictal.distributed import Cluster
from ictal.io.edf.writer import write_edf
from ictal.simulator import simulate_recording

ROOT = Path(__file__).resolve().parents[1]
MILLION = 1_000_000
DAYS = 30
"""Days in which to score a million hours."""
BANDWIDTH_BITS = 1e9
"""Bandwidth of the network to the storage, in bits per second, as in a hospital."""


class Watch:
    """Records when recordings end, and the peak memory of workers."""

    def __init__(self) -> None:
        self.ended: dict[str, list[tuple[float, dict[str, Any]]]] = defaultdict(list)
        self.peak, self.going = 0, True
        threading.Thread(target=self._look, daemon=True).start()

    def __call__(self, event: str, known: dict[str, Any]) -> None:
        """Record the end of a recording."""
        if event == "done":
            self.ended[known["worker"]].append((time.perf_counter(), known))

    def _look(self) -> None:
        while self.going:
            with suppress(psutil.NoSuchProcess):
                children = psutil.Process().children(recursive=True)
                self.peak = max([self.peak, *(child.memory_info().rss for child in children)])
            time.sleep(0.2)


@dataclass(frozen=True)
class Run:
    """Figures of a run: hours of EEG per second, s per hour of EEG, share and s of dispatch, bytes of memory."""

    rate: float
    seconds_per_hour: float
    dispatch: float
    dispatch_s: float
    memory: int


@dataclass(frozen=True)
class Measured:
    """The figures behind planning, per hour of EEG."""

    seconds: float
    bytes_read: float
    bytes_written: float
    memory: int
    dispatch_s: float
    recording_h: float


def measure(source: Path, out: Path, workers: int, model: str) -> Run:
    watch = Watch()
    with processors(workers):
        score_archive(source, out, model, cluster=Cluster(workers=workers), tell=watch)
    watch.going = False
    rates, works, gaps, hours = [], [], [], 0.0
    for rows in watch.ended.values():
        if len(rows) < 2:
            raise SystemExit("too few recordings: each worker needs two or more")
        seconds = rows[-1][0] - rows[0][0]
        later = [known for _, known in rows[1:]]
        rates.append(sum(known["eeg_h"] for known in later) / seconds)
        hours += sum(known["eeg_h"] for known in later)
        works.append(sum(known["duration_s"] for known in later))
        gaps.append(seconds - works[-1])
    n = sum(len(rows) - 1 for rows in watch.ended.values())
    return Run(sum(rates), sum(works) / hours, sum(gaps) / (sum(works) + sum(gaps)), sum(gaps) / n, watch.peak)


@contextmanager
def processors(number: int) -> Iterator[None]:
    """Limit this process, and those that it starts, to this number of CPUs within a block."""
    every = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, every[:number])
    try:
        yield
    finally:
        os.sched_setaffinity(0, every)


def throughput(top: Path, options: argparse.Namespace) -> Measured:
    source = top / "eeg"
    source.mkdir()
    made = simulate_recording(1, 0, options.hours)
    write_edf(source / "r000.edf", made)
    for number in range(1, options.recordings):
        shutil.copyfile(source / "r000.edf", source / f"r{number:03d}.edf")
    runs: dict[int, list[Run]] = {1: [], 2: []}
    for number in range(options.rounds):
        for workers in (1, 2):
            out = top / f"out{workers}-{number}"
            runs[workers].append(measure(source, out, workers, options.model))
            run = runs[workers][-1]
            print(f"round {number}, {workers} workers: {run.rate * 3600:.0f} h/h, dispatch {run.dispatch:.2%}")
    one, two = (statistics.median(run.rate for run in runs[workers]) for workers in (1, 2))
    gains = sorted(more.rate / less.rate for less, more in zip(runs[1], runs[2], strict=True))
    every = [*runs[1], *runs[2]]
    dispatch = statistics.median(run.dispatch for run in every)
    print(
        f"throughput: {one * 3600:.0f} and {two * 3600:.0f} h of EEG per hour; ratio per round "
        f"{statistics.median(gains):.2f} ({gains[0]:.2f} to {gains[-1]:.2f}; at least 1.7)"
    )
    print(f"dispatch: {dispatch:.2%} of the time, recordings of {options.hours:g} h (below 5 % for one hour)")
    written = sum(path.stat().st_size for path in (top / "out1-0").rglob("*") if path.is_file())
    hours = options.recordings * options.hours
    return Measured(
        statistics.median(run.seconds_per_hour for run in runs[1]),
        (source / "r000.edf").stat().st_size / options.hours,
        written / hours,
        max(run.memory for run in every),
        statistics.median(run.dispatch_s for run in every),
        options.hours,
    )


def needs(measured: Measured, hours: float = MILLION, days: float = DAYS) -> dict[str, tuple[str, str]]:
    """Return what this number of hours needs, each with its assumption."""
    core_h = hours * measured.seconds / 3600
    cores, seconds = core_h / (24 * days), days * 86400
    n_files = 3 * hours / measured.recording_h
    read, written = hours * measured.bytes_read, hours * measured.bytes_written
    fed = BANDWIDTH_BITS / 8 / measured.bytes_read * measured.seconds
    served = measured.seconds * measured.recording_h / measured.dispatch_s
    return {
        "core hours": (f"{core_h:,.0f}", f"{measured.seconds:.1f} s of one thread per hour, on this CPU"),
        f"cores for {days:g} days": (f"{cores:,.1f}", "one worker per core, always busy"),
        "memory": (f"{cores * measured.memory / 2**30:,.1f} GiB", f"{measured.memory / 2**20:.0f} MiB per worker"),
        "disk, read": (f"{read / 1e12:,.1f} TB", f"{measured.bytes_read / 1e6:.0f} MB per hour: 20 channels, 200 Hz"),
        "disk, written": (f"{written / 1e9:,.0f} GB", f"{measured.bytes_written / 1e3:.0f} kB per hour"),
        "files, written": (f"{n_files:,.0f}", f"3 per recording of {measured.recording_h:g} h"),
        f"network for {days:g} days": (
            f"{8 * read / seconds / 1e6:,.0f} Mbit/s",
            "every file is read once, at a steady rate",
        ),
        f"most cores at {BANDWIDTH_BITS / 1e9:g} Gbit/s": (
            f"{fed:,.0f}",
            "the network is fully used, by nobody else",
        ),
        "most cores of one run": (f"{served:,.0f}", "recordings are dispatched one at a time: the worst case"),
    }


def print_planning(measured: Measured) -> None:
    print(f"\nFigures of docs/planning.md\n\n{machine()}\n")
    print("| per hour of EEG | measured |\n|---|---|")
    for title, value in (
        ("time of one worker", f"{measured.seconds:.1f} s"),
        ("read", f"{measured.bytes_read / 1e6:.1f} MB"),
        ("written", f"{measured.bytes_written / 1e3:.0f} kB"),
        ("memory of a worker, at most", f"{measured.memory / 2**20:.0f} MiB"),
        ("dispatch, per recording", f"{1e3 * measured.dispatch_s:.0f} ms"),
    ):
        print(f"| {title} | {value} |")
    print(f"\n| {MILLION:,} hours | need | assumption |\n|---|---|---|")
    for title, (value, assumption) in needs(measured).items():
        print(f"| {title} | {value} | {assumption} |")


def planning(top: Path, n: int) -> None:
    """Print time and peak memory of a process that only plans this number of recordings."""
    for number in range(n):
        path = top / "many" / f"p{number % 100}" / f"{number}.edf"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()
    code = (
        "import resource, sys, time; begun = time.perf_counter(); from ictal.archive.source import find_recordings; "
        "n = len(find_recordings(sys.argv[1])); "
        "print(n, time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(top / "many")], check=True, capture_output=True, text=True
    ).stdout.split()
    print(f"planning: {done[0]} recordings in {float(done[1]):.1f} s and {float(done[2]):.0f} MiB (20 s, 500 MiB)")


def faults(top: Path, n: int) -> None:
    """Run the storm of the tests, which checks that the ledger adds up."""
    sys.path.insert(0, str(ROOT))
    from tests.archive.storm import storm

    for title, value in asdict(storm(top / "storm", n)).items():
        print(f"{title}: {value:.0f}")
    print("the ledger adds up")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0, help="length of each recording")
    parser.add_argument("--recordings", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="default")
    parser.add_argument("--entries", type=int, default=10_000, help="number of recordings to plan")
    parser.add_argument(
        "--faults", type=int, metavar="N", help="instead, inject all faults at once into N recordings"
    )
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        if options.faults:
            (top / "storm").mkdir()
            faults(top, options.faults)
            return
        planning(top, options.entries)
        print_planning(throughput(top, options))


if __name__ == "__main__":
    main()
