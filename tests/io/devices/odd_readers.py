"""Readers that behave badly, each in its own way, for the tests of `ictal.io.devices.guarded`."""

import os
import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ictal.core.recording import Annotation, Gap, Recording
from ictal.errors import MissingExtraError, ReadError

RATE_HZ = 100.0


@dataclass
class Counting:
    """Sample k of channel c is 1000 c + k; the file says when to misbehave."""

    path: Path
    n_read: int = 0

    @property
    def notes(self):
        return ("something was found",) if self.n_read else ()

    def read(self, start, stop, rows=None):
        self.n_read += 1
        words = self.path.read_text().split()
        if "die" in words:
            os._exit(7)
        if "hang" in words:
            time.sleep(1000)
        if "garble" in words:
            return np.zeros((1, 1), np.float32)
        if "grow" in words:
            np.ones(1 << 28)
        print("a library that talks")
        rows = range(3) if rows is None else rows
        return np.array([1000 * row + np.arange(start, stop) for row in rows], dtype=np.float32)


def counting(path):
    path.with_suffix(".pid").write_text(str(os.getpid()))
    words = path.read_text().split()
    return Recording(
        name=str(path),
        channels=("Fp1", "Fp2", "Ω"),
        rate_hz=RATE_HZ,
        n_samples=20_000 - ("short" in words),
        source=Counting(path),
        start=datetime(2024, 2, 29, 23, 59, 58, 250, tzinfo=UTC),
        gaps=(Gap(10.0, 2.5),),
        annotations=(Annotation(1.5, 0.0, "Anfall ↑"),),
        limits_uv=((-1.0, 1.0),) * 3,
        kinds=("eeg", "eeg", ""),
        notes=("it was made up",),
        doubts=("nobody knows",),
        references=("A1", "A1", ""),
    )


def refuses(path):
    raise ReadError(f"{path}: is not what it should be")


def lacks(path):
    raise MissingExtraError("reading this needs a package; install it with: pip install 'ictal[vendor]'")


def dies(path):
    os.abort()


def hangs(path):
    time.sleep(1000)


def grows(path):
    return [np.empty(1 << 24) for _ in range(16)]


def breaks(path):
    return {}["Ω\n"]


def leaves(path):
    raise SystemExit(3)


def hasty(path):
    sys.modules["__main__"].IDLE_S = 0.05
    return counting(path)


def lies(path):
    return replace(counting(path), rate_hz=float("nan"))


def prints(path):
    os.write(1, b"not an answer\n")
    return counting(path)
