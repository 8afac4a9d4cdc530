"""Measure the commands that a person waits for: time, processor time and peak memory of each.

By default, an hour of EEG is simulated and scored with the model that ships with ictal. With `--against`, the same
commands also run with the sources of another version, in turn, so that ratios are of the same minutes.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import ictal
from _machine import machine
from ictal.io.edf.writer import write_edf
from ictal.simulator import simulate_recording

SOURCES = Path(ictal.__file__).parents[1]
TABLES = "parquet,csv,bids,json"


@dataclass(frozen=True)
class Cost:
    """What one run of a command costs."""

    seconds: float
    cpu_seconds: float
    gib: float


def cost_of(sources: Path, arguments: list[str]) -> Cost:
    """Run `ictal` from these sources."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, "
        "stderr=subprocess.DEVNULL); used = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss)"
    )
    python, environment = sys.executable, {**os.environ, "PYTHONPATH": str(sources)}
    begun = time.perf_counter()
    done = subprocess.run(
        [python, "-c", code, python, "-m", "ictal", *arguments],
        check=True, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    seconds = time.perf_counter() - begun
    cpu_seconds, kib = map(float, done.stdout.split())
    return Cost(seconds, cpu_seconds, kib / 2**20)


def median(costs: list[Cost]) -> Cost:
    """Return the median of each figure."""
    return Cost(*(statistics.median(values) for values in zip(*(vars(cost).values() for cost in costs), strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", nargs="?", type=Path, help="An EDF file; by default, a simulated hour.")
    parser.add_argument("--model", default="default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--against", type=Path, metavar="SRC", help="The folder 'src' of another version.")
    options = parser.parse_args()
    versions = {"this version": SOURCES} | ({"other version": options.against} if options.against else {})
    print(machine())
    with tempfile.TemporaryDirectory() as temporary:
        recording = options.recording or Path(temporary) / "hour.edf"
        if options.recording is None:
            write_edf(recording, simulate_recording(1, 0, 1.0))
        scoring = ["score", str(recording), "--model", options.model, "--out", str(Path(temporary) / "out")]
        commands = {
            "ictal --help": ["--help"],
            "ictal info": ["info", str(recording), "--model", options.model],
            "ictal score": scoring,
            "ictal score without the report": [*scoring, "--formats", TABLES],
        }
        for name, arguments in commands.items():
            costs: dict[str, list[Cost]] = {version: [] for version in versions}
            for number in range(options.rounds + 1):
                for version, sources in versions.items():
                    cost = cost_of(sources, arguments)
                    costs[version] += [cost] if number else []  # the first run fills caches
            for version, found in costs.items():
                middle = median(found)
                print(
                    f"{name}, {version}: {middle.seconds:.2f} s, {middle.cpu_seconds:.2f} s of processor time, "
                    f"{middle.gib:.2f} GiB"
                )


if __name__ == "__main__":
    main()
