"""Uploads: files are stored under a generated name, and parsed in a separate process with limited resources.

Untrusted files are parsed only there. The result is plain numbers, which the server reads without a parser.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import numpy as np

from ictal.core.child_process import ONE_THREAD, lifeline
from ictal.core.hashing import new_digest
from ictal.core.recording import Recording, Signal
from ictal.core.recording_header import recording_of
from ictal.errors import IctalError, ReadError, WriteError, listed, reason

SUFFIXES = (".edf", ".bdf", ".parquet", ".fif", ".gdf", ".e", ".trc", ".vwr")
"""Formats in which a recording is one file."""
GIGABYTE = 1 << 30
MEMORY, DISK, CPU_S, WALL_S = 4 * GIGABYTE, 16 * GIGABYTE, 300, 600
"""Limits of the parser: address space, size of its output, and time."""
CHUNK = 1 << 20
CHUNK_S = 60.0
LONGEST_NAME = 80


@dataclass(frozen=True)
class ConvertedSource:
    """Samples written by the parser, [time, channel], float32, µV."""

    path: Path
    n_channels: int

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop` of some or all channels, [channel, time]."""
        width = 4 * self.n_channels
        samples = np.fromfile(self.path, "<f4", max(stop - start, 0) * self.n_channels, offset=start * width)
        found = samples.reshape(-1, self.n_channels).T
        return np.ascontiguousarray(found if rows is None else found[list(rows)])


def store_upload(file: IO[bytes], name: str, folder: Path) -> Path:
    """Store an uploaded file under the hash of its content.

    Parameters
    ----------
    file
        The open file.
    name
        Name of the file; only its suffix is used.
    folder
        Folder for uploads. An existing file is not written again, since its content is the same.

    Returns
    -------
    path : Path
        Path of the stored file.

    Raises
    ------
    ReadError
        If the suffix is not allowed.
    WriteError
        If the file cannot be stored.
    """
    suffix = next((known for known in SUFFIXES if name.lower().endswith(known)), None)
    if suffix is None:
        raise ReadError(f"'{title_of(name)}': cannot be uploaded; allowed are {listed(SUFFIXES)}")
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
        raise WriteError(f"'{title_of(name)}': cannot be stored: {reason(error)}") from error
    finally:
        arriving.unlink(missing_ok=True)
    return path


class UploadParsers:
    """Parses uploaded files, each in a separate process."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()

    def parse(self, path: Path, name: str) -> Recording:
        """Return the recording in an uploaded file; a file that cannot be parsed is deleted.

        Parameters
        ----------
        path
            The file, see `store_upload`.
        name
            Its original name.

        Raises
        ------
        ReadError
            If the parser fails or exceeds its limits.
        """
        samples, making = (path.with_name(f"{part}.f32") for part in (path.name, f".{uuid4().hex}"))
        try:
            header = self._parsed(path, making)
            recording = recording_of(header, ConvertedSource(samples, len(header["channels"])))
            making.replace(samples)
        except IctalError as error:
            if not samples.exists():  # otherwise it was parsed before
                path.unlink(missing_ok=True)
            raise ReadError(f"'{title_of(name)}': {error}") from error
        finally:
            making.unlink(missing_ok=True)
        return recording

    def stop(self) -> None:
        """End all running parsers."""
        for process in list(self._running):
            process.kill()

    def _parsed(self, path: Path, samples: Path) -> dict[str, Any]:
        """Run the parser, and return the recording's header as it prints it."""
        command = [sys.executable, "-m", "ictal.web.upload_parser", str(path), str(samples)]
        with (
            lifeline() as ending,
            subprocess.Popen(
                command,
                stdin=ending,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **ONE_THREAD},
            ) as process,
        ):
            self._running.add(process)
            try:
                output, message = process.communicate(timeout=WALL_S)
            except subprocess.TimeoutExpired as error:
                raise ReadError(f"takes longer to read than the limit of {WALL_S} s") from error
            finally:
                process.kill()
                self._running.discard(process)
        if process.returncode == 2:
            raise ReadError(message.decode("utf-8", "replace").strip().replace(str(path), "the file"))
        if process.returncode != 0:
            raise ReadError("cannot be read: it is damaged, or needs more memory or time than allowed")
        found: dict[str, Any] = json.loads(output)
        return found


def title_of(name: str) -> str:
    """Return the last part of a file's name, safe for display."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable())[:LONGEST_NAME] or "upload"
