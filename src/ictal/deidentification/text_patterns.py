"""Fold text so that spellings of one name agree, and find dates, numbers and titles whatever their value."""

import re
import unicodedata
from collections.abc import Callable
from contextlib import suppress

from ictal.deidentification.word_lists import MONTH_NAMES

_LETTERS = str.maketrans(
    {"ø": "oe", "Ø": "Oe", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "å": "aa", "Å": "Aa", "ł": "l", "Ł": "L"}
    | {"đ": "d", "Đ": "D", "þ": "th", "Þ": "Th", "ð": "d", "Ð": "D", "ı": "i"}
)
"""Letters that Unicode does not take apart into a letter and an accent."""
_TRANSCRIBED = re.compile(r"([aou])e|aa")
"""Müller is also written as Mueller and Muller, Ångström as Aangstroem: all become the shortest form."""
_SEAMS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
"""Borders of words in 'SmithJohn1980'."""
_WORD = re.compile(r"[^\W_]+")

ENCODINGS = ("latin-1", "cp1250", "cp437", "mac_roman")
"""Of texts that are not UTF-8: those of Windows, DOS and Mac OS."""
YEARS = range(1850, 2200)
_MONTH = f"(?:{'|'.join(sorted(MONTH_NAMES, key=len, reverse=True))})"
_NUMERIC_DATE = re.compile(r"(?<!\d)(?=(\d{1,4}) ?([-./,_ ]) ?(\d{1,2}) ?\2 ?(\d{1,4})(?!\d))")
_WORDED_DATE = re.compile(
    rf"(?<!\d)\d{{1,4}}(?:st|nd|rd|th)?[-./,_\s]*(?:of |de )?{_MONTH}(?![^\W\d_])"
    rf"|(?<![^\W\d_]){_MONTH}[-./,_\s]*\d{{1,4}}(?![\d:])"
)
_MONTH_AND_YEAR = re.compile(
    r"(?<![\d.])(?:0?[1-9]|1[0-2])[-./_](?:19|20)\d\d(?!\d)|(?<!\d)(?:19|20)\d\d[-./_](?:0?[1-9]|1[0-2])(?!\d)"
)
_DAY_AND_MONTH = re.compile(r"(?<![\d.])(?:0?[1-9]|[12]\d|3[01])\. ?(?:0?[1-9]|1[0-2])\.(?!\d)")
_LONG_NUMBER = re.compile(r"(?<!\d)(?<!\d[.,])\d{5,}")
_GROUPS = re.compile(r"(?<!\d)(?<!\d[:.,])\d+(?:[-/ ()]{1,2}\d+)+(?!\d|:\d)")
_GROUPED = re.compile(r"(?<![\d.])(?:0\d(?:[. ]\d\d){4}|\d{1,3}(?:\.\d{3}){2,}|\d{3}\.\d{3,4}\.\d{3,4})(?!\d)")
"""Numbers of phones and of identity cards, as in 01 42 34 56 78 and 12.345.678."""
_QUANTITY = re.compile(
    r"(?<![\d.,/-])\d{1,6}(?:[.,]\d{1,3}){0,2}(?:\s?[-/]\s?\d{1,6}(?:[.,]\d{1,3})?){0,7}+\s?"
    r"(?:(?i:(?:[mnu]|mc|[^\0-\x7f]{1,4})[Vg]|k?Hz|k?Ohms?|ml)|I[EU])(?![^\W\d_])"
)
"""Numbers with a unit, as in 1000-1500 mg and 10000 μV, are no dates and identify nobody; μ may be misread."""
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"))
_ADDRESS = re.compile(r"[^\s@]@[^\s@.]++\.[^\s@]|https?://|\bwww\.")
_TITLE = re.compile(
    r"(?<![^\W\d_])(?:(?:(?i:mr|mrs|dr|prof|herr|frau|mme|mlle|miss)|Ms|MS\.)[.\s_,]++"
    r"(?!(?i:in (?:the )?room|at (?:the )?bedside|called|visite?)(?![^\W\d_]))[^\W\d_]"
    r"|(?i:doctor|docteur|nurse|schwester|pfleger|monsieur|madame|sra|dra|dott)[.\s_,]+[A-ZÀ-Þ][a-zß-ÿ])"
)
"""Words such as nurse are titles only before a capital: 'Nurse Jones', and not 'nurse in room'."""
_HEADING = re.compile(
    r"(?<![^\W\d_])(?i:(?:first|last|sur|family|given|patient)?[ _]?name|patient(?:[ _-]?(?:id|no|nr))?|pat[ _.-]?id|"
    r"id|mrn|ssn|dob|d\.o\.b\.|born|birth ?date|date of birth|geb(?:oren|\.)?|phone|telephone|tel|fax|address)"
    r"\.?\s*[:=#]"
    r"|(?<![^\W\d_])(?i:mrn|ssn|dob|born|geboren|geb\.)\s*\d"
)


def fold(text: str) -> str:
    """Return text in lower case, without accents, and with transcribed umlauts in their shortest form.

    Examples
    --------
    >>> fold("Müller"), fold("MUELLER"), fold("Muller")
    ('muller', 'muller', 'muller')
    """
    return _TRANSCRIBED.sub(lambda found: found[1] or "a", _plain(text).casefold())


def words_of(text: str) -> list[str]:
    """Return the folded words of a text."""
    return _WORD.findall(fold(text))


def parts_of(text: str) -> list[str]:
    """Return the folded words of a text, and their parts where case or digits show a border."""
    return list(dict.fromkeys((*words_of(_SEAMS.sub(" ", _plain(text))), *words_of(text))))


def squeeze(text: str) -> str:
    """Return the folded letters and digits of a text alone."""
    return "".join(words_of(text))


def readings(text: str | bytes) -> list[str]:
    """Return what a text may mean: in several encodings, and if UTF-8 had been read as one of them.

    Recorders wrote EDF before UTF-8 was common, and a Latin-1 letter at the end of a text looks like the beginning of
    one in UTF-8.
    """
    data = text if isinstance(text, bytes) else text.encode()
    found = [data.decode(errors="replace")]
    if not data.isascii():
        found += [data.decode(encoding, errors="replace") for encoding in ENCODINGS]
        for encoding in ("latin-1", "cp1252"):
            with suppress(UnicodeError):
                found.append(found[0].encode(encoding).decode())
    return list(dict.fromkeys(found))


def personal_pattern(text: str) -> str:
    """Return what looks personal in a text whatever its value, such as 'a date'; '' if nothing does.

    Times of day, frequencies, and numbers of up to four digits do not count.

    Examples
    --------
    >>> personal_pattern("born 3/14/1962"), personal_pattern("Photic 10 Hz, 12:30:01")
    ('a date', '')
    """
    plain = _QUANTITY.sub(" ", unicodedata.normalize("NFKC", text).translate(_DASHES))
    return next((what for what, is_in in _PATTERNS.items() if is_in(plain)), "")


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", text).translate(_LETTERS))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _has_date(text: str) -> bool:
    if any(_is_date(*found.groups()) for found in _NUMERIC_DATE.finditer(text)):
        return True
    folded = fold(text)
    return any(one.search(folded) for one in (_WORDED_DATE, _MONTH_AND_YEAR, _DAY_AND_MONTH))


def _is_date(first: str, separator: str, second: str, third: str) -> bool:
    if len(first) == 4:
        return int(first) in YEARS and len(third) < 3 and _is_day(second, third)
    years = {4: int(third) in YEARS, 2: separator not in " ,"}
    if years.get(len(third), False) and len(first) < 3 and _is_day(first, second):
        return True
    return len(first) == len(third) == 2 and separator not in " ," and _is_day(second, third)


def _is_day(one: str, other: str) -> bool:
    """Return whether two numbers can be a day and a month, in either order."""
    low, high = sorted((int(one), int(other)))
    return 1 <= low <= 12 and high <= 31


def _has_number(text: str) -> bool:
    if _LONG_NUMBER.search(text) or _GROUPED.search(text):
        return True
    for found in _GROUPS.finditer(text):
        groups = re.findall(r"\d+", found[0])
        plain_list = set(re.findall(r"\D", found[0])) <= {" "} and max(map(len, groups)) < 3
        if sum(map(len, groups)) >= 7 and not plain_list:
            return True
    return False


_PATTERNS: dict[str, Callable[[str], object]] = {
    "a date": _has_date,
    "a long number": _has_number,
    "an address": _ADDRESS.search,
    "a title before a name": _TITLE.search,
    "a heading of personal data": _HEADING.search,
}
