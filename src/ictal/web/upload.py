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

from ictal.core.hashing import new_digest
from ictal.core.recording import Annotation, Gap, Recording, Signal
from ictal.errors import IctalError, ReadError, WriteError, listed, reason
from ictal.web.parent_watch import lifeline

SUFFIXES = (".edf", ".bdf", ".parquet", ".fif", ".gdf")
"""Formats of which a recording is one file."""
GIGABYTE = 1 << 30
MEMORY, DISK, CPU_S, WALL_S = 4 * GIGABYTE, 16 * GIGABYTE, 300, 600
"""What the parser may use: address space, size of what it writes, and time."""
CHUNK = 1 << 20
PIECE_S = 60.0
LONGEST_NAME = 80


@dataclass(frozen=True)
class ConvertedSource:
    """Samples that the parser wrote, [time, channel], float32, µV."""

    path: Path
    n_channels: int

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop`, [channel, time], of these channels or all."""
        width = 4 * self.n_channels
        samples = np.fromfile(self.path, "<f4", max(stop - start, 0) * self.n_channels, offset=start * width)
        found = samples.reshape(-1, self.n_channels).T
        return np.ascontiguousarray(found if rows is None else found[list(rows)])


def store_upload(file: IO[bytes], name: str, folder: Path) -> Path:
    """Keep a file that was sent, under the hash of its content.

    Parameters
    ----------
    file
        Its bytes.
    name
        What it was called, of which the suffix is looked at and nothing else reaches the disk.
    folder
        Where it is kept. A file that is there already is never written again: it holds the same bytes.

    Returns
    -------
    path : Path
        Of the file.

    Raises
    ------
    ReadError
        If the suffix is not allowed.
    WriteError
        If the file cannot be kept.
    """
    suffix = next((known for known in SUFFIXES if name.lower().endswith(known)), None)
    if suffix is None:
        raise ReadError(f"'{title_of(name)}': such files are not taken; allowed are {listed(SUFFIXES)}")
    arriving, digest = folder / f".{uuid4().hex}{suffix}", new_digest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with arriving.open("wb") as kept:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                kept.write(chunk)
        path = folder / f"{digest.hexdigest()}{suffix}"
        if not path.exists():
            arriving.replace(path)
    except OSError as error:
        raise WriteError(f"'{title_of(name)}': cannot be kept: {reason(error)}") from error
    finally:
        arriving.unlink(missing_ok=True)
    return path


class UploadParsers:
    """Parses files that were sent, each in a process of its own."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()

    def parse(self, path: Path, name: str) -> Recording:
        """Return what the parser makes of a file that was sent; a file of which it makes nothing is not kept.

        Parameters
        ----------
        path
            See `keep`.
        name
            What it was called.

        Raises
        ------
        ReadError
            If the parser failed or wanted too much.
        """
        samples, making = (path.with_name(f"{part}.f32") for part in (path.name, f".{uuid4().hex}"))
        try:
            told = self._parsed(path, making)
            making.replace(samples)
        except IctalError as error:
            if not samples.exists():  # else it was parsed before
                path.unlink(missing_ok=True)
            raise ReadError(f"'{title_of(name)}': {error}") from error
        finally:
            making.unlink(missing_ok=True)
        return _recording(told, samples)

    def stop(self) -> None:
        """End what is being parsed."""
        for process in list(self._running):
            process.kill()

    def _parsed(self, path: Path, samples: Path) -> dict[str, Any]:
        """Run the parser; return what it says of the recording."""
        command = [sys.executable, "-m", "ictal.web.upload_parser", str(path), str(samples)]
        few = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        with (
            lifeline() as ending,
            subprocess.Popen(
                command, stdin=ending, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **few}
            ) as process,
        ):
            self._running.add(process)
            try:
                said, wrong = process.communicate(timeout=WALL_S)
            except subprocess.TimeoutExpired as error:
                raise ReadError(f"takes longer to read than {WALL_S} s, which is all that it may") from error
            finally:
                process.kill()
                self._running.discard(process)
        if process.returncode == 2:
            raise ReadError(wrong.decode("utf-8", "replace").strip().replace(str(path), "the file"))
        if process.returncode != 0:
            raise ReadError("cannot be read: it is damaged, or wants more memory or time than it may")
        found: dict[str, Any] = json.loads(said)
        return found


def title_of(name: str) -> str:
    """Return the last part of a file's name as it may be shown."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable())[:LONGEST_NAME] or "upload"


def _recording(told: dict[str, Any], samples: Path) -> Recording:
    start = told["start"]
    return Recording(
        name=told["name"],
        channels=tuple(told["channels"]),
        rate_hz=told["rate_hz"],
        n_samples=told["n_samples"],
        source=ConvertedSource(samples, len(told["channels"])),
        start=datetime.fromisoformat(start) if start else None,
        gaps=tuple(Gap(*gap) for gap in told["gaps"]),
        annotations=tuple(Annotation(*note) for note in told["annotations"]),
        limits_uv=tuple((low, high) for low, high in told["limits_uv"]),
        kinds=tuple(told["kinds"]),
        notes=tuple(told["notes"]),
    )
