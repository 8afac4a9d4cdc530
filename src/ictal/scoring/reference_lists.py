"""Reference formats of public data sets: tables of TUSZ, summaries of CHB-MIT, lists of Siena."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ictal.errors import TableError, raise_problems

DAY_S = 86_400
TUSZ_COLUMNS = ("channel", "start_time", "stop_time", "label")
"""Columns of a TUSZ table, of all channels (.csv) or of the recording (.csv_bi)."""
LIST_SUFFIX = ".txt"

_TUSZ_HEAD = re.compile(r"^#\s*(bname|duration)\s*=\s*(\S+)", re.MULTILINE)
_LINE = re.compile(r"\s*([^:]*?)\s*:\s*(.*?)\s*$")
_CLOCK = re.compile(r"(\d{1,2})[:.](\d{2})[:.](\d{2})")
_SECONDS = re.compile(r"(\d+(?:\.\d+)?) ?(?:seconds?|secs?|s)")


@dataclass
class ListedRecording:
    """A recording of a list: its name, clock times in seconds, and seizures in seconds from its start."""

    name: str
    begins_s: float | None = None
    ends_s: float | None = None
    seizures: list[tuple[float, float]] = field(default_factory=list)
    open_s: float | None = None

    @property
    def duration_s(self) -> float | None:
        """Duration by the clock times; times after midnight may be on the next day."""
        if self.begins_s is None or self.ends_s is None or self.ends_s == self.begins_s:
            return None
        return (self.ends_s - self.begins_s) % DAY_S

    def from_start(self, text: str) -> float | None:
        """Return a time in seconds from the start, given seconds or a clock time; None if it is neither."""
        if seconds := _SECONDS.fullmatch(text):
            return float(seconds[1])
        clock = clock_s(text)
        return None if clock is None or self.begins_s is None else (clock - self.begins_s) % DAY_S


def clock_s(text: str) -> float | None:
    """Return a clock time as seconds; CHB-MIT counts hours beyond 24."""
    found = _CLOCK.fullmatch(text)
    return float(int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3])) if found else None


def tusz_head(text: str) -> dict[str, str]:
    """Return 'bname' and 'duration' from the comments at the head of a TUSZ table, if given."""
    return dict(_TUSZ_HEAD.findall(text))


def read_list(path: Path) -> list[ListedRecording]:
    """Read the recordings and seizures of a CHB-MIT summary or a Siena list.

    Both have lines 'key: value'. CHB-MIT gives seconds from the start of a file, Siena clock times.

    Raises
    ------
    TableError
        With all problems: not a text, no file name, a seizure before any, an invalid time, a start without an end.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TableError(f"{path}: cannot be read as text: {error}") from error
    found: dict[str, ListedRecording] = {}
    problems: list[str] = []
    last: ListedRecording | None = None
    for number, key, value in _lines(text):
        if key == "file name":
            last = found.setdefault(value, ListedRecording(value))
        elif key.endswith(("start time", "end time")):
            if last is None:
                problems.append(f"line {number}: '{value}' is before any file name")
            elif not _take(last, key, value):
                problems.append(
                    f"line {number}: '{value}' is not a time; allowed are seconds from the start ('2996 seconds'), "
                    "or clock times (19.58.36) where the start of the registration is given"
                )
    problems += [f"{one.name}: a seizure has a start but no end" for one in found.values() if one.open_s is not None]
    if not found and not problems:
        problems.append("names no file; a list has lines 'File name: ...' and 'Seizure start time: ...'")
    raise_problems(str(path), problems)
    return list(found.values())


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the number, key and value of each line; the key in lower case, without the number of a seizure."""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _LINE.match(line):
            key = re.sub(r"\s*\d+\s*", " ", found[1].lower())
            yield number, " ".join(key.split()), found[2]


def _take(recording: ListedRecording, key: str, value: str) -> bool:
    """Store a time under its key; return whether that was possible."""
    if key.startswith(("file", "registration")):
        clock = clock_s(value)
        if key.endswith("start time"):
            recording.begins_s = clock
        else:
            recording.ends_s = clock
        return clock is not None
    time_s = recording.from_start(value)
    if time_s is None:
        return False
    if key.endswith("start time"):
        recording.open_s = time_s
        return True
    if recording.open_s is None or time_s <= recording.open_s:
        return False
    recording.seizures.append((recording.open_s, time_s))
    recording.open_s = None
    return True
