"""Text of the header of EDF: fields of ASCII characters and a fixed width."""

import re
import unicodedata

NUMBER_WIDTH = 8
"""Characters of a number."""


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
