"""Files that are sent: kept under a name of ours, and parsed by a process of their own that may not use much.

What a stranger wrote is only ever parsed there. What comes out is plain numbers in a form of ours, which the server
reads without a parser.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import numpy as np

from ictal.errors import IctalError, ReadError, listed
from ictal.files import fingerprint
from ictal.recording import Annotation, Gap, Recording, Signal

SUFFIXES = (".edf", ".bdf", ".parquet", ".fif", ".gdf")
"""Formats of which a recording is one file."""
GIGABYTE = 1 << 30
MEMORY, DISK, CPU_S, WALL_S = 4 * GIGABYTE, 16 * GIGABYTE, 300, 600
"""What the parser may use: address space, size of what it writes, and time."""
CHUNK = 1 << 20
PIECE_S = 60.0
LONGEST_NAME = 80


@dataclass(frozen=True)
class Converted:
    """Samples that the parser wrote, [time, channel], float32, µV."""

    path: Path
    n_channels: int

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop`, [channel, time], of these channels or all."""
        width = 4 * self.n_channels
        samples = np.fromfile(self.path, "<f4", max(stop - start, 0) * self.n_channels, offset=start * width)
        found = samples.reshape(-1, self.n_channels).T
        return np.ascontiguousarray(found if rows is None else found[list(rows)])


def receive(file: IO[bytes], name: str, folder: Path) -> tuple[Path, Recording]:
    """Keep a file that was sent and parse it.

    Parameters
    ----------
    file
        Its bytes.
    name
        What it was called, of which the suffix is looked at and nothing else reaches the disk.
    folder
        Where it is kept, under the fingerprint of its content.

    Returns
    -------
    path : Path
        Of the file.
    recording : Recording
        Of what the parser made of it.

    Raises
    ------
    IctalError
        If the suffix is not allowed, or the parser failed or wanted too much.
    """
    suffix = next((known for known in SUFFIXES if name.lower().endswith(known)), None)
    if suffix is None:
        raise ReadError(f"'{title_of(name)}': such files are not taken; allowed are {listed(SUFFIXES)}")
    folder.mkdir(parents=True, exist_ok=True)
    arriving = folder / f".{uuid4().hex}{suffix}"
    try:
        with arriving.open("wb") as kept:
            while chunk := file.read(CHUNK):
                kept.write(chunk)
        path = arriving.with_name(f"{fingerprint(arriving)}{suffix}")
        arriving.replace(path)
    finally:
        arriving.unlink(missing_ok=True)
    samples = path.with_suffix(".f32")
    try:
        told = _parsed(path, samples)
    except IctalError as error:
        path.unlink(missing_ok=True)
        samples.unlink(missing_ok=True)
        raise ReadError(f"'{title_of(name)}': {error}") from error
    return path, _recording(told, samples)


def title_of(name: str) -> str:
    """Return the last part of a file's name as it may be shown."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable())[:LONGEST_NAME] or "upload"


def _parsed(path: Path, samples: Path) -> dict[str, Any]:
    """Run the parser in a process of its own; return what it says of the recording."""
    command = [sys.executable, "-m", "ictal.web.parse", str(path), str(samples)]
    few = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    try:
        done = subprocess.run(command, capture_output=True, timeout=WALL_S, check=False, env={**os.environ, **few})
    except subprocess.TimeoutExpired as error:
        raise ReadError(f"takes longer to read than {WALL_S} s, which is all that it may") from error
    if done.returncode == 2:
        raise ReadError(done.stderr.decode("utf-8", "replace").strip().replace(str(path), "the file"))
    if done.returncode != 0:
        raise ReadError("cannot be read: it is damaged, or wants more memory or time than it may")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _recording(told: dict[str, Any], samples: Path) -> Recording:
    start = told["start"]
    return Recording(
        name=told["name"],
        channels=tuple(told["channels"]),
        rate_hz=told["rate_hz"],
        n_samples=told["n_samples"],
        source=Converted(samples, len(told["channels"])),
        start=datetime.fromisoformat(start) if start else None,
        gaps=tuple(Gap(*gap) for gap in told["gaps"]),
        annotations=tuple(Annotation(*note) for note in told["annotations"]),
        limits_uv=tuple((low, high) for low, high in told["limits_uv"]),
        kinds=tuple(told["kinds"]),
        notes=tuple(told["notes"]),
    )
