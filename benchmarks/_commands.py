"""Run commands of ictal in processes of their own, and measure what they cost."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

LOOK_S = 0.2
"""Interval at which memory is measured."""


@dataclass(frozen=True)
class Cost:
    """Wall time and processor time in s, and peak memory in GiB, of a command and all processes that it starts."""

    seconds: float
    cpu_s: float
    gib: float


def watched(
    *arguments: object, source: Path | None = None, cache: Path | None = None, cpus: int | None = None
) -> Cost:
    """Run an ictal command to its end and return its cost.

    Parameters
    ----------
    *arguments
        What follows `ictal` on the command line.
    source
        The folder `src` of another version of ictal; None: the installed one.
    cache
        The user's cache folder; None: the usual one.
    cpus
        How many CPUs the command may use; None: as many as this process. Measuring its memory needs another one.
    """
    command = [sys.executable, "-m", "ictal", *map(str, arguments)]
    before, begun, peak, known = _cpu_of_children(), time.perf_counter(), 0.0, environment(source, cache)

    def limit() -> None:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cpus])

    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=known, preexec_fn=limit if cpus else None
    ) as process:
        while process.poll() is None:
            peak = max(peak, _peak_of(process.pid))
            with suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_S)
        seconds = time.perf_counter() - begun
        if process.returncode:
            said = process.stderr.read().decode() if process.stderr else ""
            raise SystemExit(f"{' '.join(command)} failed: {said}")
    return Cost(seconds, _cpu_of_children() - before, peak / 2**30)


def _peak_of(pid: int) -> int:
    """Return the bytes of a process and its children at their peaks, as Linux keeps them; 0 if it has ended.

    What processes share counts for each. Counting it once would mean to look at every page, which stops the process
    meanwhile: scoring takes a tenth longer.
    """
    total = 0
    with suppress(psutil.NoSuchProcess):
        whole = psutil.Process(pid)
        for process in (whole, *whole.children(recursive=True)):
            with suppress(OSError):
                known = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
                total += 1024 * int(known[1]) if known else 0
    return total


def environment(source: Path | None = None, cache: Path | None = None) -> Mapping[str, str]:
    """Return the environment of a command with another source of ictal, or another cache folder."""
    changed = {"PYTHONPATH": source, "XDG_CACHE_HOME": cache}
    return {**os.environ, **{name: str(path) for name, path in changed.items() if path}}


def _cpu_of_children() -> float:
    spent = os.times()
    return spent.children_user + spent.children_system
