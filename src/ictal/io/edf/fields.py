"""Text, numbers and dates in the fields of an EDF header."""

import math
import re
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

from ictal.errors import ReadError

BLANKS = "\u00a0\u2002\u2003\u2007\u2009\u202f\u3000"
"""Blank characters outside ASCII."""
CLIPPING_YEAR = 85
"""Two-digit years from 85 mean 1985 to 1999, the others 2000 to 2084 (EDF+ 2.1.3.2)."""
FIRST_DAY = date(1900 + CLIPPING_YEAR, 1, 1)
"""The first date that EDF can state."""
_TRIPLE = re.compile(r"(\d{1,2})\D(\d{1,2})\D(\d{1,2})", re.ASCII)
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
# EDF+ 2.1.3.4: the year has four digits here, but only two in the header's date.
_STARTDATE = re.compile(rf"Startdate (\d{{1,2}})-({'|'.join(MONTHS)})-(\d{{4}})(?: |\Z)", re.ASCII | re.IGNORECASE)


def text_of(field: bytes) -> str:
    """Decode a field that should be ASCII: as UTF-8, possibly truncated within a letter, or else as Latin-1."""
    try:
        text = field.decode("utf-8")
    except UnicodeDecodeError as error:
        cut = error.end == len(field) and error.reason == "unexpected end of data"
        text = field[: error.start].decode("utf-8") if cut else field.decode("latin-1")
    return text.strip(" \0\t\r\n")


def printable(text: str) -> str:
    """Return a text of one line with question marks for unprintable characters, which occur in damaged files.

    Other blanks, such as non-breaking ones, become plain blanks.
    """
    return "".join(letter if letter.isprintable() else " " if letter in BLANKS else "?" for letter in text)


def shown(field: bytes) -> str:
    """Return the text of a field for a message."""
    return printable(text_of(field))


def number_in(field: bytes) -> float:
    """Return the number in a field, with a decimal point or comma; NaN if there is none."""
    try:
        number = float(text_of(field).replace(",", ".").replace("_", "?"))
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def whole_number_in(field: bytes, what: str, path: Path) -> int:
    """Return the whole number in a field; raise a `ReadError` that says `what` it should be if there is none."""
    number = number_in(field)
    if not (number >= 0 and number == round(number)):
        raise ReadError(f"{path}: states '{shown(field)}' as {what}; allowed is a whole number")
    return round(number)


def start_of(main: bytes) -> tuple[datetime | None, list[str]]:
    """Return the start that the header states, and notes if it is unknown or doubtful.

    EDF+ states the date twice, and only the recording field has a four-digit year. That date is used if both agree,
    and if the header's date is invalid or 1985-01-01, which means a date out of range.
    """
    written, clock_text = shown(main[168:176]), shown(main[176:184])
    clock = _TRIPLE.fullmatch(clock_text)
    if not clock:
        return None, [f"its start is unknown: date and time are '{written}' and '{clock_text}'"]
    short, long = _short_date(written), _long_date(text_of(main[88:168]))
    notes = []
    if long and not short:
        notes.append(f"its header states '{written}' as date; the date in the recording field is used")
    elif long and short and short != FIRST_DAY and _of_two_digits(short) != _of_two_digits(long):
        notes.append(f"it states two start dates, {short:%Y-%m-%d} and {long:%Y-%m-%d}; the first is used")
        long = None
    day = long or short
    hour, minute, second = map(int, clock.groups())
    with suppress(ValueError):
        if day:
            return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=UTC), notes
    return None, [f"its start is unknown: date and time are '{written}' and '{clock_text}'"]


def _of_two_digits(day: date) -> tuple[int, int, int]:
    return day.year % 100, day.month, day.day


def _short_date(text: str) -> date | None:
    """Return the date in the header, whose year has two digits."""
    if found := _TRIPLE.fullmatch(text):
        day, month, year = map(int, found.groups())
        with suppress(ValueError):
            return date(year + (1900 if year >= CLIPPING_YEAR else 2000), month, day)
    return None


def _long_date(text: str) -> date | None:
    """Return the date in the recording field."""
    if found := _STARTDATE.match(text):
        with suppress(ValueError):
            return date(int(found[3]), MONTHS.index(found[2].upper()) + 1, int(found[1]))
    return None
