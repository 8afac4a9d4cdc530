"""Text of the header of EDF: fields of ASCII characters and a fixed width."""

import math
import re
import unicodedata
from pathlib import Path

from ictal.errors import ReadError

NUMBER_WIDTH = 8
"""Characters of a number."""
BLANKS = "\u00a0\u2002\u2003\u2007\u2009\u202f\u3000"
"""Blank characters outside ASCII."""


def header_field(text: object, width: int) -> bytes:
    """Return a field: truncated to its width, or filled with blanks."""
    return str(text)[:width].ljust(width).encode("ascii")


def ascii_of(text: str) -> str:
    """Return a text in ASCII without accents (EDF+ 2.1.3.1); '?' replaces other letters."""
    letters = unicodedata.normalize("NFKD", text)
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(re.sub(r"[^ -~]", " ", plain.encode("ascii", "replace").decode()).split())


def number(value: float) -> str:
    """Return the decimal number of at most 8 characters that is closest to a value.

    Raises
    ------
    ValueError
        If the value needs more than 8 characters before the decimal point.
    """
    for decimals in range(NUMBER_WIDTH - 2, -1, -1):
        text = f"{round(value, decimals) + 0.0:.{decimals}f}"  # '+ 0.0' turns -0 into 0
        if len(text) <= NUMBER_WIDTH:
            return text.rstrip("0").rstrip(".") if decimals else text
    raise ValueError(f"{value:g} needs more than {NUMBER_WIDTH} characters")


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
