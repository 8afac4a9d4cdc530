"""The process of a reader, ``python -m ictal.io.devices.child MODULE:FUNCTION PATH``; see `ictal.io.devices.guarded`.

It prints the header of the recording, then an answer to each line of its standard input: ``[start, stop, rows]``.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Any

import numpy as np

from ictal.core.child_process import ORPHANED, limit_resources
from ictal.core.recording import Recording
from ictal.core.recording_header import header_of
from ictal.errors import IctalError, naming_extras, reason
from ictal.io.devices.guarded import IDLE, TOO_MUCH

MEMORY = FILE = 1 << 30
"""Limits: bytes of memory besides code and mapped files, and of a file that a reader writes."""
IDLE_S = 30.0
"""The process ends after this time without a request, to release its memory."""
LONGEST_MESSAGE = 300


def main() -> None:
    """Open the recording and answer requests, until idle or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    limit_resources(DATA=MEMORY, FSIZE=FILE, CORE=0)
    name, path = sys.argv[1], Path(sys.argv[2])
    requests = _requests(sys.stdin.buffer)
    opened: list[Recording] = []

    def open_it() -> tuple[dict[str, Any], bytes]:
        module, _, function = name.partition(":")
        with naming_extras(f"reading {path}"):
            opener = getattr(import_module(module), function)
        opened.append(opener(path))
        return header_of(opened[0]), b""

    def read(start: int, stop: int, rows: list[int]) -> tuple[dict[str, Any], bytes]:
        samples = opened[0].read(start, stop, rows) if rows else np.empty((0, stop - start))
        if samples.shape != (len(rows), stop - start):
            raise ValueError(f"{samples.shape} samples instead of {(len(rows), stop - start)}")
        return {"notes": opened[0].all_notes}, np.ascontiguousarray(samples, "<f4").tobytes()

    _send(answers, path, open_it)
    while opened:
        try:
            start, stop, rows = json.loads(requests.get(timeout=IDLE_S))
        except Empty:
            os._exit(IDLE)
        _send(answers, path, partial(read, start, stop, rows))


def _requests(stream: IO[bytes]) -> "SimpleQueue[bytes]":
    """Return the lines of a stream as they come; end the process with the stream, even during a request."""
    lines: SimpleQueue[bytes] = SimpleQueue()

    def listen() -> None:
        for line in stream:
            lines.put(line)
        os._exit(ORPHANED)

    threading.Thread(target=listen, name="requests", daemon=True).start()
    return lines


def _send(answers: IO[bytes], path: Path, work: Callable[[], tuple[dict[str, Any], bytes]]) -> None:
    """Send what a function returns, or its error: a damaged file may break a parser in any way."""
    try:
        answer, content = work()
    except IctalError as error:
        answer, content = {"error": [type(error).__name__, str(error)]}, b""
    except MemoryError:
        answer, content = {"error": ["ReadError", f"{path}: {TOO_MUCH}"]}, b""
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {reason(error)}" if isinstance(error, Exception) else "it gave up"
        words = f"{path}: cannot be read: it is damaged, or its reader is not made for it ({said[:LONGEST_MESSAGE]})"
        answer, content = {"error": ["ReadError", words]}, b""
    answers.write(json.dumps(answer).encode() + b"\n" + content)
    answers.flush()


if __name__ == "__main__":
    main()
