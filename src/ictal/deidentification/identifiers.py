"""Identifiers of one patient, taken from the header of a recording and a list of the user, and found in any text."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from ictal.deidentification.text_patterns import fold, parts_of, personal_pattern, readings, squeeze, words_of
from ictal.deidentification.word_lists import COMMON, NAMES_TOO, PARTICLES, PLACEHOLDERS
from ictal.errors import TableError, reason

PATIENT = re.compile(r"(\S+) ([MFX]) (X|\d{1,2}-[A-Za-z]{3}-\d{4}) (\S+)(?: (.*))?", re.DOTALL)
"""Code, sex, birthdate, name and more (EDF+ 2.1.3.3)."""
RECORDING = re.compile(r"Startdate (\S+) (\S+) (\S+) (\S+)(?: (.*))?", re.DOTALL | re.IGNORECASE)
"""Date, code of the hospital, technician, equipment and more (EDF+ 2.1.3.4)."""
LONG_NAME, LONG_NUMBER, LONG_CODE = 5, 4, 4
"""Characters from which a name or a code is searched within words, and a number is searched at all."""
SHORT_NAME = 3
"""Letters of the shortest word of a file name that is searched for; shorter ones are often abbreviations."""
CUT, SHORTEST_CUT = 15, 4
"""Characters of texts that may be truncated, such as labels of EDF, and of the part of an identifier that counts."""
_DENSE = re.compile(r"[\u2e80-\ud7ff]")
"""Chinese, Japanese and Korean letters; texts may have no blanks between words."""
MOST_PARTS = 4
"""Names with more parts are not searched in every order."""


@dataclass(frozen=True)
class Identifiers:
    """What identifies a patient.

    Attributes
    ----------
    words
        Folded texts that are searched as whole words, and what each is.
    runs
        Folded texts without blanks and punctuation that are searched anywhere, and what each is.
    skipped
        Parts of names, numbers and codes that are too short or too common to be searched for.
    """

    words: Mapping[str, str]
    runs: Mapping[str, str]
    skipped: tuple[str, ...] = ()

    def find(self, text: str | bytes) -> str:
        """Return why a text must not stay, as a phrase; '' if nothing personal was found in it.

        Bytes are searched in several encodings.
        """
        return next(filter(None, (self.known(one) or personal_pattern(one) for one in readings(text))), "")

    def known(self, text: str) -> str:
        """Return which of the known identifiers is in a text, as a phrase; '' if none is."""
        run, words, parts = squeeze(text), words_of(text), parts_of(text)
        found = next((what for one, what in self.runs.items() if one in run), "")
        found = found or next((self.words[part] for part in parts if part in self.words), "")
        return found or (self._truncated(words[-1]) if words and len(text.strip()) >= CUT else "")

    def _truncated(self, word: str) -> str:
        """Return which identifier begins with the last word of a text, since fields and programs truncate texts."""
        if len(word) < SHORTEST_CUT:
            return ""
        return next((what for one, what in self.runs.items() if one.startswith(word)), "")


class _Collector:
    """Collects identifiers from the fields of a header."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}
        self.runs: dict[str, str] = {}
        self.skipped: dict[str, None] = {}

    def add_name(self, text: str, what: str, common: frozenset[str] = frozenset()) -> None:
        """Add each part of a name, and the parts joined in any order."""
        parts = [] if {*parts_of(text)} <= PLACEHOLDERS else parts_of(text)
        parts = [word for word in parts if word not in (PLACEHOLDERS if common else PLACEHOLDERS - NAMES_TOO)]
        names = [word for word in parts if word.isalpha() and len(word) > 1 and word not in PARTICLES | COMMON]
        if len(names) > 1:  # 'Zu' of 'Zu, Li' is a name
            parts = [word for word in parts if word not in PARTICLES]
        left_out = [part for part in parts if part in common or len(part) < 2 or _is_short_number(part)]
        parts = [part for part in parts if part not in left_out]
        self.skipped |= dict.fromkeys(left_out)
        for part in parts:
            if part.isdigit():
                self._add_number(part, what)
            elif len(part) >= LONG_NAME or _DENSE.search(part):
                self.runs.setdefault(part, what)
            else:
                self.words.setdefault(part, what)
        short = [part for part in parts if len(part) < LONG_NAME and not part.isdigit()]
        for size in range(2, len(short) + 1 if len(short) <= MOST_PARTS else 0):
            self.runs |= {"".join(order): what for order in permutations(short, size)}

    def add_code(self, text: str, what: str) -> None:
        """Add a code as a whole, its long numbers, and its longer words."""
        whole = squeeze(text)
        if not whole or whole in PLACEHOLDERS:
            return
        if len(whole) < LONG_CODE:
            self.skipped[whole] = None
        else:
            self.runs.setdefault(whole, what)
        for part in parts_of(text):
            if part.isdigit() and len(part) >= LONG_NUMBER:
                self._add_number(part, what)
            elif part.isalpha() and len(part) >= LONG_CODE and part not in COMMON | PLACEHOLDERS:
                self.words.setdefault(part, what)

    def add_file_name(self, stem: str) -> None:
        """Add the name of the file, unless it consists of common words and short numbers, and names such as Kim."""
        what = "the name of the file"
        if any(part not in COMMON and not _is_short_number(part) for part in parts_of(stem)):
            self.add_code(stem, what)
        words = [part for part in parts_of(stem) if part.isalpha() and part not in COMMON | PLACEHOLDERS | PARTICLES]
        self.words = {word: what for word in words if len(word) == SHORT_NAME} | self.words
        self.skipped |= dict.fromkeys(word for word in words if 1 < len(word) < SHORT_NAME)

    def add_phrase(self, text: str, what: str) -> None:
        """Add words of the user, which are searched as they are."""
        whole = squeeze(text)
        if len(whole) >= LONG_NAME or len(fold(text).split()) > 1:
            self.runs.setdefault(whole, what)
        elif whole:
            self.words.setdefault(whole, what)

    def _add_number(self, digits: str, what: str) -> None:
        for number in {digits, digits.lstrip("0")}:
            if len(number) > LONG_NUMBER:
                self.runs.setdefault(number, what)
            elif len(number) == LONG_NUMBER:  # anywhere, 1234 would be found in 12:34:56
                self.words.setdefault(number, what)


def identifiers_of(patient: str, recording: str, stem: str, also: Iterable[str] = (), whose: str = "") -> Identifiers:
    """Return the identifiers in the header of an EDF file.

    Parameters
    ----------
    patient, recording
        Text of the two fields, with the subfields of EDF+ or free.
    stem
        Name of the file without its suffix.
    also
        Texts of the user.
    whose
        Names and numbers of the patient that the user knows.
    """
    found = _Collector()
    found.add_name(whose, "the patient as you named them")
    found.add_code(whose, "the patient as you named them")
    for phrase in also:
        found.add_phrase(phrase, f"your list: {phrase}")
    if fields := PATIENT.fullmatch(patient.strip()):
        code, _, _, name, rest = fields.groups(default="")
        found.add_name(name, "the name of the patient")
        found.add_code(code, "the code of the patient")
        found.add_name(rest, "the patient field", COMMON)
    else:
        is_name = "," in patient or "^" in patient  # 'Merusu, To' and not 'new to the ward'
        found.add_name(patient, "the patient field", frozenset() if is_name else COMMON)
        found.add_code(patient, "the patient field")
    if fields := RECORDING.fullmatch(recording.strip()):
        _, code, technician, equipment, rest = fields.groups(default="")
        found.add_code(code, "the code of the hospital")
        found.add_name(technician, "the technician", COMMON)
        if len(squeeze(equipment)) > LONG_NAME:
            found.add_phrase(equipment, "the equipment")
        found.add_name(rest, "the recording field", COMMON)
    else:
        found.add_name(recording, "the recording field", COMMON)
    found.add_file_name(stem)
    return Identifiers(found.words, found.runs, tuple(found.skipped))


def read_list(path: Path) -> tuple[str, ...]:
    """Return the texts of a user's list, one per line.

    Raises
    ------
    TableError
        If it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise TableError(f"{path}: cannot be read: {reason(error)}") from error
    return tuple(line.strip() for line in lines if squeeze(line))


def _is_short_number(word: str) -> bool:
    return word.isdigit() and len(word) < LONG_NUMBER
