"""Open a file with a reader that runs in a process of its own, with limits on memory and time.

Third-party parsers may crash, hang, or allocate whatever a damaged file says. Their process answers each request with
a line of JSON, which samples in float32 may follow; nothing that it sends is executed.
"""

import json
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ictal.core.child_process import ONE_THREAD
from ictal.core.recording import Recording, Signal
from ictal.core.recording_header import recording_of
from ictal.errors import IctalError, MissingExtraError, ReadError

OPEN_S, READ_S = 60.0, 60.0
"""The longest that opening a file and reading a piece of it may take."""
PIECE_S, PIECE_SAMPLES, PIECE_BYTES = 30.0, 4096, 16 << 20
"""Largest request to the process: seconds (or samples, at low rates), and bytes of samples."""
LONGEST_LINE = 64 << 20
MOST_RUNNING = 8
"""Processes that run at a time: a night may have a hundred pieces."""
IDLE = 0
"""Exit code of a process that ended because it was idle."""
TOO_MUCH = "cannot be read: it is damaged, or needs more memory or time than allowed"
ERRORS: dict[str, type[IctalError]] = {error.__name__: error for error in (ReadError, MissingExtraError)}


def guarded(reader: str, path: Path) -> Recording:
    """Return the recording that a reader opens in another process.

    Parameters
    ----------
    reader
        "module:function" of a function that takes a path and returns a `Recording`.
    path
        The file or folder.

    Raises
    ------
    ReadError
        If the reader fails, or exceeds its memory or time.
    MissingExtraError
        If the reader needs an extra that is not installed.
    """
    process = ReaderProcess(reader, path)
    header = process.open()
    try:
        source = GuardedSource(process, len(header["channels"]), float(header["rate_hz"]))
        return recording_of(header, source)
    except (ReadError, KeyError, TypeError, ValueError) as error:
        raise ReadError(f"{path}: {TOO_MUCH}") from error


@dataclass(frozen=True)
class GuardedSource:
    """Samples that another process reads.

    Attributes
    ----------
    process
        The process; a copy of this source in another process, or after a pause, starts a new one.
    n_channels, rate_hz
        As in the recording.
    """

    process: "ReaderProcess"
    n_channels: int
    rate_hz: float

    @property
    def notes(self) -> tuple[str, ...]:
        """Findings from the samples that were read."""
        return self.process.notes

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop` of the channels `rows` or of all, [channel, time]; piece by piece."""
        chosen = [int(row) for row in (range(self.n_channels) if rows is None else rows)]
        samples = np.empty((len(chosen), max(stop - start, 0)), dtype=np.float32)
        longest = max(PIECE_SAMPLES, min(PIECE_S * self.rate_hz, PIECE_BYTES))
        step = max(1, int(min(longest, PIECE_BYTES // (4 * max(len(chosen), 1)))))
        for first in range(start, stop, step):
            last = min(first + step, stop)
            shape = len(chosen), last - first
            content = self.process.ask([first, last, chosen], 4 * shape[0] * shape[1])
            samples[:, first - start : last - start] = np.frombuffer(content, "<f4").reshape(shape)
        return samples


class ReaderProcess:
    """A process in which a reader opens a file and reads samples on request.

    It starts with the first request. If it is idle, or too many run, it ends, and starts again with the next request.

    Parameters
    ----------
    reader, path
        See `guarded`.
    """

    header: dict[str, Any] | None
    notes: tuple[str, ...]
    _process: "subprocess.Popen[bytes] | None"
    _stop: Callable[[], object]

    def __init__(self, reader: str, path: Path) -> None:
        self.__setstate__((reader, path, None, ()))

    def __getstate__(self) -> tuple[Any, ...]:
        return self.reader, self.path, self.header, self.notes

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.reader, self.path, self.header, self.notes = state
        self._forget()

    @property
    def number(self) -> int | None:
        """The id of the process; None if it does not run."""
        return self._process.pid if self._process else None

    def open(self) -> dict[str, Any]:
        """Return the header of the recording, see `ictal.core.recording_header`.

        Raises
        ------
        ReadError, MissingExtraError
            If it cannot be opened within the limits.
        """
        self.ask([0, 0, []], 0)
        return dict(self.header or {})

    def ask(self, request: list[Any], n_bytes: int) -> bytes:
        """Return samples: from where to where, and of which channels.

        Raises
        ------
        ReadError
            If they cannot be read within the limits.
        """
        if self._owner != os.getpid():  # a fork has the pipes of its parent, and must not use them
            self._forget()
        with self._lock:
            try:
                return self._asked(json.dumps(request).encode() + b"\n", n_bytes)
            except BaseException:  # also Ctrl-C: the rest of this answer would be taken for the next one
                self._end()
                raise

    def _asked(self, request: bytes, n_bytes: int) -> bytes:
        for _ in range(2):
            process = self._started()
            try:
                with _deadline(process, READ_S):
                    _stream(process.stdin).write(request)
                    _stream(process.stdin).flush()
                    answer = self._answer(process)
                    content = _stream(process.stdout).read(n_bytes)
            except OSError:  # it has ended
                answer, content = {}, b""
            if answer and len(content) == n_bytes:
                self.notes = tuple(map(str, answer.get("notes", ())))
                return content
            self._end()
            if process.returncode != IDLE:
                break
        raise ReadError(f"{self.path}: {TOO_MUCH}")

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        _RUNNING.make_room(self)
        command = [sys.executable, "-P", "-m", "ictal.io.devices.child", self.reader, str(self.path)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **ONE_THREAD},
        )
        self._process, self._stop = process, weakref.finalize(self, _stop, process, os.getpid())
        with _deadline(process, OPEN_S):
            header = self._answer(process)
        if not header:
            raise ReadError(f"{self.path}: {TOO_MUCH}")
        if self.header not in (None, header):
            raise ReadError(f"{self.path}: has changed since it was opened")
        self.header = header
        return process

    def _answer(self, process: "subprocess.Popen[bytes]") -> dict[str, Any]:
        """Return what the process answers; empty if it has ended, or sends what it should not."""
        line = _stream(process.stdout).readline(LONGEST_LINE)
        try:
            answer = dict(json.loads(line))
            error = answer.get("error")
            name, message = error or ("", "")
        except (ValueError, TypeError, RecursionError):
            return {}
        if error:
            raise ERRORS.get(name, ReadError)(str(message))
        return answer

    def end_if_idle(self) -> None:
        """End the process, unless it is answering a request."""
        if self._lock.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._lock.release()

    def _forget(self) -> None:
        self._owner, self._lock = os.getpid(), threading.Lock()
        self._process, self._stop = None, lambda: None

    def _end(self) -> None:
        self._stop()
        self._process = None


class _Running:
    """The readers whose processes run, those that started first in front."""

    def __init__(self) -> None:
        self._readers: list[weakref.ref[ReaderProcess]] = []
        self._lock = threading.Lock()

    def make_room(self, starting: ReaderProcess) -> None:
        """End the oldest idle processes, so that one more can run."""
        with self._lock:
            readers = [
                reader for one in self._readers if (reader := one()) and reader.number and reader is not starting
            ]
            self._readers = [weakref.ref(reader) for reader in (*readers, starting)]
        for reader in readers[: max(len(readers) - MOST_RUNNING + 1, 0)]:
            reader.end_if_idle()


_RUNNING = _Running()


def _stop(process: "subprocess.Popen[bytes]", owner: int) -> None:
    """End a process, unless this is a fork of the one that started it."""
    if owner != os.getpid():
        return
    if process.poll() is None:
        process.kill()
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):  # the process is gone, and a request with it
            _stream(pipe).close()
    process.wait()


@contextmanager
def _deadline(process: "subprocess.Popen[bytes]", seconds: float) -> Iterator[None]:
    """Kill a process if the block takes longer; what it reads from the process then ends."""
    timer = threading.Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _stream(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
