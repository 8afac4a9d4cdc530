"""Measure several sides in turn, each in its own process, on the same CPUs and with as many threads."""

import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Setup:
    """What all sides receive.

    Attributes
    ----------
    folder
        Contains the data, which all sides read.
    threads
        CPU threads.
    batch
        Windows per training step.
    """

    folder: Path
    threads: int
    batch: int

    def windows(self) -> npt.NDArray[np.float32]:
        """Return the windows cut from the recording, [window, 20, 10000]."""
        return np.load(self.folder / "windows.npy")

    @property
    def n_windows(self) -> int:
        """Number of windows, without loading them."""
        return len(np.load(self.folder / "windows.npy", mmap_mode="r"))


Measure = Callable[[], float]
"""Does a task once, and returns the time per unit in ms."""


def timed(call: Callable[[], object], n_units: float = 1) -> Measure:
    """Return a measure of a call that does this number of units."""

    def run() -> float:
        begun = time.perf_counter()
        call()
        return 1e3 * (time.perf_counter() - begun) / n_units

    return run


def hold_to(threads: int) -> None:
    """Limit this process, and those that it starts, to this number of CPUs and threads."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ |= {"TF_NUM_INTRAOP_THREADS": str(threads), "TF_NUM_INTEROP_THREADS": str(threads)}
    os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def peak_gib() -> float:
    """Return the peak memory of this process.

    On Linux, getrusage would include the memory of the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _serve(connection: Connection, module: str, setup: Setup) -> None:
    makers, name, measure = import_module(module).MEASURES, "", float
    for asked in iter(connection.recv, None):
        if asked != name:
            measure, name = makers[asked](setup), asked
            measure()  # work that is done only once: compiling, filling caches
        connection.send(measure())


class Side:
    """A process that keeps one measure of a module ready, and takes it on request."""

    def __init__(self, module: str, setup: Setup) -> None:
        context = get_context("spawn")
        self.here, there = context.Pipe()
        self.process = context.Process(target=_serve, args=(there, module, setup), daemon=True)
        self.process.start()
        there.close()

    def ask(self, name: str) -> float:
        """Take the measure of this name once, and return it."""
        self.here.send(name)
        return float(self.here.recv())

    def close(self) -> None:
        """End the process."""
        with suppress(BrokenPipeError):
            self.here.send(None)
        self.process.join()


def in_turns(measures: dict[str, tuple[str, str]], setup: Setup, rounds: int) -> dict[str, list[float]]:
    """Return the figures of each side over several rounds, in each of which every side is measured once.

    Parameters
    ----------
    measures
        By label, a module and the name of its measure. Two measures of one module run in two processes.
    """
    sides = {label: Side(module, setup) for label, (module, _) in measures.items()}
    figures: dict[str, list[float]] = {label: [] for label in measures}
    try:
        for _ in range(rounds):
            for label, side in sides.items():
                figures[label].append(side.ask(measures[label][1]))
    finally:
        for side in sides.values():
            side.close()
    return figures


def alone(module: str, name: str, setup: Setup) -> dict[str, float]:
    """Return wall time in s and peak memory in GiB of a new process that takes one measure once."""
    command = [sys.executable, __file__, module, name, setup.folder, setup.threads, setup.batch]
    begun = time.perf_counter()
    done = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)
    return {"s": time.perf_counter() - begun, "gib": float(done.stdout.split()[-1])}


def options_of(parser: Any) -> None:
    """Add the options that all scripts of `make bench` have."""
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="repetitions; figures are their medians")
    parser.add_argument(
        "--folder", type=Path, default=Path("runs/bench"), help="folder for data, models and figures as JSON"
    )
    parser.add_argument("--write", action="store_true", help="also write the figures into docs/side-by-side.md")


if __name__ == "__main__":
    asked, of_it, place, number, windows = sys.argv[1:]
    import_module(asked).MEASURES[of_it](Setup(Path(place), int(number), int(windows)))()
    print(peak_gib())
