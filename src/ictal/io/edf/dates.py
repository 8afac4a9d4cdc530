"""Dates in the header of EDF: two digits for the year in one place, four in another."""

import re
from contextlib import suppress
from datetime import date

CLIPPING_YEAR = 85
"""Two-digit years from 85 mean 1985 to 1999, the others 2000 to 2084 (EDF+ 2.1.3.2)."""
FIRST_DAY = date(1900 + CLIPPING_YEAR, 1, 1)
"""The first date that EDF can state."""
TRIPLE = re.compile(r"(\d{1,2})\D(\d{1,2})\D(\d{1,2})", re.ASCII)
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
# EDF+ 2.1.3.4: the year has four digits here, but only two in the header's date.
_STARTDATE = re.compile(rf"Startdate (\d{{1,2}})-({'|'.join(MONTHS)})-(\d{{4}})(?: |\Z)", re.ASCII | re.IGNORECASE)
UNDATED = "Startdate X"
"""Begin of the recording field if the date is unknown (EDF+ 2.1.3.4)."""


def date_text(day: date | None) -> str:
    """Return a date as EDF+ states it: '02-MAR-2024', or 'X' if it is unknown (EDF+ 2.1.3.3)."""
    return f"{day.day:02}-{MONTHS[day.month - 1]}-{day.year:04}" if day else "X"


def short_date(text: str) -> date | None:
    """Return the date in the header, whose year has two digits."""
    if found := TRIPLE.fullmatch(text):
        day, month, year = map(int, found.groups())
        with suppress(ValueError):
            return date(year + (1900 if year >= CLIPPING_YEAR else 2000), month, day)
    return None


def long_date(text: str) -> date | None:
    """Return the date in the recording field."""
    if found := _STARTDATE.match(text):
        with suppress(ValueError):
            return date(int(found[3]), MONTHS.index(found[2].upper()) + 1, int(found[1]))
    return None
