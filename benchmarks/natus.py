"""Measure how fast Natus recordings are opened and read, and how much memory the process of their reader needs."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ictal.core.montage import ELECTRODES
from ictal.io import open_recording

ROOT = Path(__file__).resolve().parents[1]
CASES = {
    "EMU40, 46 channels": (256.0, 600, 40, {"headbox": 17, "n_channels": 46, "discard_bits": 2}),
    "Quantum, 256 channels": (512.0, 40, 256, {}),
    "Quantum, 256 channels, fast": (2048.0, 10, 256, {}),
}
"""Rate, seconds, recorded EEG inputs and options of the encoder of tests/io/devices."""


def peak_mib(process: int) -> float:
    """Return the largest resident memory that a process has had (Linux)."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    sys.path.append(str(ROOT))
    from tests.io.devices.natus_files import Options, write_natus

    rng = np.random.default_rng(0)
    for name, (rate_hz, seconds, n_inputs, options) in CASES.items():
        samples = rng.normal(0, 3, (n_inputs, round(rate_hz * seconds))).cumsum(axis=1)
        names = (*ELECTRODES, *(f"X{number}" for number in range(n_inputs - len(ELECTRODES))))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.erd"
            write_natus(path, samples, names, rate_hz, Options(segment=60_000, **options))
            started = time.perf_counter()
            recording = open_recording(path, accept_doubtful=True)
            opened = time.perf_counter()
            recording.read(rows=range(len(ELECTRODES)))
            read_s = time.perf_counter() - opened
            memory = peak_mib(recording.source.process.number)
        speed = f"read {seconds / read_s:.0f} times as fast as recorded"
        print(f"{name}, {rate_hz:g} Hz: opened in {opened - started:.2f} s, {speed}, {memory:.0f} MiB")


if __name__ == "__main__":
    main()
