"""Measure wall time and peak memory of `ictal ablate` on the embedded data set, with an empty cache."""

import resource
import subprocess
import sys
import tempfile
import time

from _machine import machine


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "ictal", "ablate", "sim", "--recipe", "quick"]
        begin = time.perf_counter()
        subprocess.run([*command, "--out", f"{folder}/run", "--cache", f"{folder}/cache"], check=True)
        seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"{machine()}\n{seconds:.0f} s, peak resident memory {peak:.2f} GiB")


if __name__ == "__main__":
    main()
