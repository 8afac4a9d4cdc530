"""Measure how many windows of 50 s are simulated per second, on one core and on all, as medians of repeated runs."""

import argparse
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")  # one process per core, each with one thread

from _machine import machine  # noqa: E402
from ictal.simulator import simulate_eeg  # noqa: E402


def simulate(number: int) -> int:
    return simulate_eeg(0, number // 5, number % 5).samples.shape[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(machine())
    for workers in (1, os.cpu_count() or 1):
        rates = []
        with ProcessPoolExecutor(workers) as pool:
            list(pool.map(simulate, range(4 * workers)))  # imports, and solves the model of the head
            for _ in range(options.repeats):
                begin = time.perf_counter()
                list(pool.map(simulate, range(options.windows), chunksize=20))
                rates.append(options.windows / (time.perf_counter() - begin))
        print(f"{workers} worker(s): {statistics.median(rates):.0f} windows/s ({min(rates):.0f} to {max(rates):.0f})")


if __name__ == "__main__":
    main()
