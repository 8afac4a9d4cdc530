"""What a long-running command tells of what happens: lines of JSON."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from ictal.core.atomic_files import writing

Tell = Callable[[str, dict[str, Any]], None]
"""Callback for events: receives the name of an event and its details."""


def ignore_event(event: str, details: dict[str, Any]) -> None:
    """Ignore an event."""


def write_event(file: TextIO, event: str, details: dict[str, Any]) -> None:
    """Write an event with the present time as a line of JSON.

    Raises
    ------
    WriteError
        If it cannot be written.
    """
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    with writing(Path(file.name)):
        file.write(json.dumps({"time": now, "event": event, **details}) + "\n")
        file.flush()
