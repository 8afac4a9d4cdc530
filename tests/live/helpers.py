"""What several tests of recordings that grow use."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from ictal.errors import ReadError
from ictal.io.edf.header import EdfFile
from ictal.live.bed import Bed

Found = TypeVar("Found")


def waiting(condition: Callable[[], Found], what: str) -> Found:
    """Return what `condition` returns as soon as that is true."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if found := condition():
            return found
        threading.Event().wait(0.02)
    pytest.fail(f"no {what}")


def records_of(path: Path) -> int:
    """Return the number of complete records; 0 if the file is not there yet."""
    try:
        return EdfFile.open(path).n_records
    except (OSError, ReadError):
        return 0


def catch_up(bed: Bed) -> None:
    """Poll until there is nothing left to score."""
    before = -1
    while len(bed.journal.rows) > before:
        before = len(bed.journal.rows)
        bed.poll()
