"""Measure wall time and peak memory of simulating a recording of many hours and writing it as EDF+."""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _machine import machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0)
    hours = parser.parse_args().hours
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "night.edf"
        command = [sys.executable, "-m", "ictal", "simulate", "--hours", f"{hours}", "--seed", "1"]
        begin = time.perf_counter()
        subprocess.run([*command, "--out", str(out)], check=True)
        seconds = time.perf_counter() - begin
        size = out.stat().st_size / 1e6
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"{machine()}\n{hours:g} h, {size:.0f} MB: {seconds:.0f} s, peak resident memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()
