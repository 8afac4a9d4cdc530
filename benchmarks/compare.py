"""Measure time and memory of `ictal compare` on two tables of a million windows.

    python benchmarks/compare.py --windows 1000000 --patients 2000 50000

Each comparison runs in its own process, as for a user. Memory is the peak of that process (VmHWM).
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from _machine import machine
from ictal.core.labels import VOTE_COLUMNS
from ictal.core.predictions import PROBABILITY_COLUMNS

WINDOWS_PER_EEG = 10


def write_tables(folder: Path, n_windows: int, n_patients: int, suffix: str) -> list[Path]:
    """Write two tables of simulated predictions on the same windows, with patients of very unequal sizes."""
    rng = np.random.default_rng(0)
    sizes = rng.dirichlet(np.full(n_patients, 0.4))
    eeg = np.arange(n_windows) // WINDOWS_PER_EEG
    patient = rng.choice(n_patients, eeg[-1] + 1, p=sizes)[eeg]
    truth = rng.dirichlet(np.full(6, 0.3), n_windows)
    votes = rng.multinomial(9, truth)
    known = pd.DataFrame({"window_id": [f"w{number}" for number in range(n_windows)]})
    known["eeg_id"], known["patient_id"] = 10**9 + eeg, patient
    known[list(VOTE_COLUMNS)] = votes
    files = []
    for name, noise in (("first", 0.6), ("second", 0.7)):
        logits = np.log(truth + 0.02) + rng.normal(0, noise, truth.shape)
        chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        files.append(folder / f"{name}{suffix}")
        table = known.join(pd.DataFrame(chances, columns=list(PROBABILITY_COLUMNS)))
        if suffix == ".parquet":
            table.to_parquet(files[-1], index=False)
        else:
            table.to_csv(files[-1], index=False)
    return files


MEASURED = """
import sys
from ictal.cli import app
try:
    app(sys.argv[1:], standalone_mode=False)
finally:
    print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)
"""


def used_s() -> float:
    """Return the CPU time of the processes that have ended."""
    of_children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return of_children.ru_utime + of_children.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=1_000_000)
    parser.add_argument("--patients", type=int, nargs="+", default=[2_000, 50_000])
    parser.add_argument("--suffixes", nargs="+", default=[".csv", ".parquet"])
    parser.add_argument("--folder", type=Path, help="folder to keep the tables in for another run")
    options = parser.parse_args()
    print(machine())
    print("| file | windows | patients | seconds | CPU seconds | GB |\n|---|---|---|---|---|---|")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as temporary:
        for suffix in options.suffixes:
            for n_patients in options.patients:
                folder = (options.folder or Path(temporary)) / f"{options.windows}-{n_patients}"
                folder.mkdir(parents=True, exist_ok=True)
                files = [folder / f"{name}{suffix}" for name in ("first", "second")]
                if not all(file.is_file() for file in files):
                    files = write_tables(folder, options.windows, n_patients, suffix)
                begin, used = time.perf_counter(), used_s()
                command = [sys.executable, "-c", MEASURED, "compare", *map(str, files)]
                done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
                seconds = time.perf_counter() - begin
                (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", done.stderr)
                figures = f"{seconds:.1f} | {used_s() - used:.1f} | {int(kilobytes) / 1e6:.2f}"
                print(f"| {suffix} | {options.windows} | {n_patients} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
