"""Measure de-identification of a day of EEG against a plain copy, and its memory at 1 h and at 24 h.

Both write to the same disk and end when the content is on it. Each round runs both, and the copy first in every other
round. Memory is that of a new process.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from _machine import machine
from ictal.deidentification.deidentify import deidentify
from ictal.deidentification.key_file import create_key
from ictal.io.edf.header import FIELDS

RATE_HZ, N_CHANNELS, NOTE_BYTES = 256, 21, 120
ELECTRODES = "Fp1 F3 C3 P3 F7 T3 T5 O1 Fz Cz Pz Fp2 F4 C4 P4 F8 T4 T6 O2 A1 A2".split()  # noqa: SIM905
NOTES = ("Eyes open", "John moved", "Dr. House called", "Photic 10 Hz", "SMITH seen", "suction", "born 03/14/1962")
"""Every tenth second has one, so that the search for identifiers counts."""


def write_day(path: Path, hours: float) -> None:
    """Write an EDF+C file of records of one second with random samples."""
    n_records, n_signals = round(3600 * hours), N_CHANNELS + 1
    main = ("0", 8), ("MRN-123456 M 14-MAR-1962 Smith^John", 80), ("Startdate 02-MAR-2024 X X X", 80)
    more = ("02.03.24", 8), ("20.00.00", 8), (str(256 * (n_signals + 1)), 8), ("EDF+C", 44), (str(n_records), 8)
    values = {
        "label": [*(f"EEG {name}-REF" for name in ELECTRODES), "EDF Annotations"],
        "dimension": [*["uV"] * N_CHANNELS, ""],
        "physical_min": ["-3276.8"] * n_signals,
        "physical_max": ["3276.7"] * n_signals,
        "digital_min": ["-32768"] * n_signals,
        "digital_max": ["32767"] * n_signals,
        "n_samples": [*[str(RATE_HZ)] * N_CHANNELS, str(NOTE_BYTES // 2)],
    }
    header = "".join(text.ljust(width) for text, width in (*main, *more, ("1", 8), (str(n_signals), 4)))
    for name, width in FIELDS.items():
        header += "".join(text.ljust(width) for text in values.get(name, [""] * n_signals))
    rng = np.random.default_rng(0)
    samples = rng.integers(-3000, 3000, (600, N_CHANNELS * RATE_HZ)).astype("<i2").view(np.uint8)
    with path.open("wb") as file:
        file.write(header.encode())
        for number in range(n_records):
            text = f"+{number}\x14\x14\0"
            if number % 10 == 0:
                text += f"+{number}.5\x14{NOTES[number // 10 % len(NOTES)]}\x14\0"
            file.write(samples[number % len(samples)].tobytes() + text.encode().ljust(NOTE_BYTES, b"\0"))


def seconds(work: Callable[[Path], Path], folder: Path) -> float:
    """Return how long it takes to write a file into a new folder, until it is on disk."""
    out = folder / "written"
    begin = time.perf_counter()
    made = work(out)
    with made.open("rb") as file:
        os.fsync(file.fileno())
    took = time.perf_counter() - begin
    shutil.rmtree(out)
    return took


def copied(day: Path, out: Path) -> Path:
    out.mkdir()
    return shutil.copyfile(day, out / "copy.edf")


def peak_mib(day: Path, key: Path, out: Path) -> float:
    """Return the peak memory of a new process that de-identifies a file."""
    code = "import sys, resource; from ictal.deidentification.deidentify import deidentify; deidentify(*sys.argv[1:])"
    code += "; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    words = [sys.executable, "-c", code, str(day), str(out), str(key)]
    told = subprocess.run(words, check=True, capture_output=True, text=True)
    shutil.rmtree(out)
    return int(told.stdout) / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to write; the disk that is measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        day, hour, key = folder / "day.edf", folder / "hour.edf", folder / "key.csv"
        write_day(day, options.hours)
        write_day(hour, 1)
        create_key(key)
        sides: dict[str, Callable[[Path], Path]] = {
            "copy": lambda out: copied(day, out),
            "de-identification": lambda out: deidentify(day, out, key).out,
        }
        took: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(options.rounds):
            for side in sorted(sides, reverse=bool(number % 2)):
                took[side].append(seconds(sides[side], folder))
        ratios = [ours / theirs for ours, theirs in zip(took["de-identification"], took["copy"], strict=True)]
        memory = {path.stem: peak_mib(path, key, folder / "out") for path in (hour, day)}
        size = day.stat().st_size / 1e9
    print(f"{machine()}; {options.rounds} rounds; {options.hours:g} h, {size:.2f} GB")
    for side, values in took.items():
        median = statistics.median(values)
        print(f"{side}: {median:.2f} s ({min(values):.2f} to {max(values):.2f}), {size * 1000 / median:.0f} MB/s")
    print(f"ratio of times: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    print(f"peak memory: {memory['hour']:.0f} MiB for 1 h, {memory['day']:.0f} MiB for {options.hours:g} h")


if __name__ == "__main__":
    main()
