"""Measure time and memory of converting a day of EEG of 20 channels at 200 Hz, from the shell command to its end.

One hour is simulated and repeated. EDF is read once, since its digital samples fit; float32 samples of BrainVision
are read twice, because their limits are unknown.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from _machine import machine, memory_of
from _table import markdown
from ictal.core.recording import Recording, Signal
from ictal.io import open_recording
from ictal.io.edf.writer import write_edf
from ictal.simulator import simulate_recording

HEADER = ("from", "to", "GB read", "GB written", "s", "peak MiB", "largest error, steps")
LOOK_S = 0.05
"""Interval at which memory is measured."""


@dataclass(frozen=True)
class Repeated:
    """The samples of a recording, again and again."""

    samples: Signal

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop`."""
        columns = np.arange(start, stop) % self.samples.shape[1]
        return self.samples[:, columns] if rows is None else self.samples[np.ix_(list(rows), columns)]


def write_brainvision(path: Path, recording: Recording) -> None:
    channels = "".join(f"Ch{number}={name},,1,µV\n" for number, name in enumerate(recording.channels, start=1))
    path.write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={path.stem}.eeg\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\n"
        f"NumberOfChannels={len(recording.channels)}\nSamplingInterval={1e6 / recording.rate_hz}\n[Binary Infos]\n"
        f"BinaryFormat=IEEE_FLOAT_32\n[Channel Infos]\n{channels}",
        encoding="utf-8",
    )
    with path.with_suffix(".eeg").open("wb") as file:
        for start in range(0, recording.n_samples, 1_000_000):
            file.write(recording.read(start, min(start + 1_000_000, recording.n_samples)).T.astype("<f4").tobytes())


def measured(source: Path, out: Path) -> tuple[float, float]:
    """Return wall time in s and peak memory in MiB of the command."""
    begun, peak = time.perf_counter(), 0.0
    command = [sys.executable, "-m", "ictal", "convert", str(source), str(out)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, memory_of(process.pid) / 2**20)
            with suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_S)
        seconds = time.perf_counter() - begun
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return seconds, peak


def error_of(source: Path, out: Path) -> float:
    """Return the largest difference between two recordings, in digital steps of the second."""
    old, new = open_recording(source), open_recording(out)
    steps = np.array(new.source.steps_uv)[:, None]  # type: ignore[attr-defined]
    size, worst = 200_000, 0.0
    for start in range(0, new.n_samples, size):
        stop = min(start + size, new.n_samples)
        worst = max(worst, float((np.abs(old.read(start, stop) - new.read(start, stop)) / steps).max()))
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24)
    hours = parser.parse_args().hours
    hour = simulate_recording(1, 0, min(hours, 1.0))
    n_samples = round(hours * 3600 * hour.rate_hz)
    night = Recording("night", hour.channels, hour.rate_hz, n_samples, Repeated(hour.read()), hour.start)
    print(f"{machine()}\n\n{hours:g} h, {len(night.channels)} channels at {night.rate_hz:g} Hz\n")
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_edf(folder / "night.edf", night)
        write_brainvision(folder / "floats.vhdr", night)
        for source, out in (("night.edf", "a.edf"), ("night.edf", "b.bdf"), ("floats.vhdr", "c.edf")):
            seconds, peak = measured(folder / source, folder / out)
            samples = (folder / source).with_suffix(".eeg" if source.endswith("vhdr") else ".edf")
            sizes = (file.stat().st_size / 1e9 for file in (samples, folder / out))
            error = error_of(folder / source, folder / out)
            shown = (*(f"{size:.2f}" for size in sizes), f"{seconds:.1f}", f"{peak:.0f}", f"{error:.3f}")
            rows.append((source, out, *shown))
            (folder / out).unlink()
    print(*markdown(HEADER, rows), sep="\n")


if __name__ == "__main__":
    main()
