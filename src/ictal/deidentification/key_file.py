"""The key file: which patient has which code and shift of dates, and which recording has which new name.

It is the only link from the new names back to the patients, so it is kept apart from the new files, readable by its
owner alone. Codes and shifts are random and not derived from anything about the patient (45 CFR 164.514(c)).
"""

import csv
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from filelock import FileLock, Timeout

from ictal.core.atomic_files import atomic_write, writing
from ictal.deidentification.text_patterns import words_of
from ictal.deidentification.word_lists import GENERATIONS, NAMES_TOO, PARTICLES, PLACEHOLDERS
from ictal.errors import IctalError, TableError, UsageError, reason

LETTERS = "BCDFGHJKMNPQRTVWXZ"
"""Letters of codes, without vowels and what is mistaken for digits, so that no code is a word."""
DIGITS = "23456789"
SHIFT_DAYS = range(30, 1096)
"""Days by which the dates of a patient are moved to the past."""
NO_PATIENT = "file "
"""Stands before the path of a file whose patient is unknown."""
ANY_BYTES = "surrogateescape"
"""File names are bytes, not always UTF-8."""
_LONG_NUMBER = re.compile(r"\d{5,}")
"""A number that can belong to one patient alone."""
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_WITHIN = re.compile(r"(?<=\d)[^\w\s]+(?=\d)|(?<=\d)-(?=[A-Za-z]{3}-\d)|(?<=\d-[A-Za-z]{3})-(?=\d)")
"""Punctuation within numbers and birthdates, whose order says which patient it is."""
WAIT_S = 10.0
"""How long a program waits while another one uses the key file."""


@dataclass(frozen=True)
class KeyRow:
    """One recording in the key file.

    Attributes
    ----------
    patient
        Code, birthdate and name of the header, or what the user stated; if neither is known, `NO_PATIENT` and the
        path of the file.
    code
        New code of the patient.
    shift_days
        Days by which all dates of the patient are moved to the past.
    recording, start
        File name and stated start of the recording.
    name
        New name of the recording, without suffix.
    """

    patient: str
    code: str
    shift_days: int
    recording: str
    start: str
    name: str


COLUMNS = tuple(one.name for one in fields(KeyRow))


def create_key(path: str | Path) -> None:
    """Create an empty key file that only its owner can read.

    Raises
    ------
    UsageError
        If there is one already.
    WriteError
        If it cannot be written.
    """
    path = Path(path)
    if path.exists() or path.is_symlink():
        raise UsageError(f"{path}: exists already; leave out --new-key to continue with it")
    _write(path, [], stat.S_IRUSR | stat.S_IWUSR)


def key_warning(path: Path) -> str:
    """Return a warning if others may read a key file; '' otherwise, or where the system does not tell."""
    mode = path.stat().st_mode
    if os.name != "posix" or not mode & (stat.S_IRWXG | stat.S_IRWXO):
        return ""
    return (
        f"the key file {path} can be read or changed by other users of this machine (its mode is "
        f"{stat.filemode(mode)}); 'chmod 600 {path}' prevents that"
    )


def read_key(path: Path) -> list[KeyRow]:
    """Return the rows of a key file.

    Raises
    ------
    UsageError
        If there is no such file.
    TableError
        If it cannot be read.
    """
    if not path.exists():
        raise UsageError(
            f"{path}: there is no such key file. If it is lost, recordings would get other names and dates than "
            "before; only for a first run, --new-key creates one"
        )
    try:
        with path.open(encoding="utf-8-sig", errors=ANY_BYTES, newline="") as file:
            table = csv.DictReader(file)
            columns, rows = tuple(table.fieldnames or ()), list(table)
    except (OSError, UnicodeError, csv.Error) as error:
        raise TableError(f"{path}: cannot be read: {reason(error)}") from error
    if columns != COLUMNS:
        raise TableError(f"{path}: is not a key file; its first line is '{','.join(COLUMNS)}'")
    return [_row(row, path, number) for number, row in enumerate(rows, 2)]


def row_for(path: Path, patient: str, recording: str, start: str) -> KeyRow:
    """Return the row of a recording; a new one is on disk when this returns.

    Raises
    ------
    IctalError
        If another program uses the file for long, or it cannot be read or written.
    """
    path = path.resolve()  # the file that a link leads to, not the link, is replaced
    with _locked(path):
        rows = read_key(path)
        row = find_row(rows, patient, recording, start)
        if row not in rows:
            _write(path, [*rows, row], stat.S_IMODE(path.stat().st_mode))
        return row


def find_row(rows: list[KeyRow], patient: str, recording: str, start: str) -> KeyRow:
    """Return the row of a recording, or a new one with the code and shift of its patient, or new ones."""
    own = [row for row in rows if who(row.patient) == who(patient)]
    for row in own:
        if (row.recording, row.start) == (recording, start):
            return row
    if own and not patient.startswith(NO_PATIENT):
        code, shift_days = own[0].code, own[0].shift_days
    else:
        code, shift_days = _new_code({row.code for row in rows}), secrets.choice(SHIFT_DAYS)
    taken = {row.name for row in rows}
    name = next(name for number in range(1, len(rows) + 2) if (name := f"{code}_{number:02}") not in taken)
    return KeyRow(patient, code, shift_days, recording, start, name)


def similar_to(rows: list[KeyRow], row: KeyRow) -> KeyRow | None:
    """Return a row of another patient who may be the same one: with two equal names, or an equal long number."""
    names, numbers = _names_and_numbers(row.patient)
    for other in rows:
        if other.code != row.code and not other.patient.startswith(NO_PATIENT):
            other_names, other_numbers = _names_and_numbers(other.patient)
            if len(names & other_names) > 1 or numbers & other_numbers:
                return other
    return None


def _names_and_numbers(patient: str) -> tuple[set[str], set[str]]:
    plain = _WITHIN.sub("", patient)
    names = {word for token in plain.split() if not re.search(r"\d", token) for word in words_of(token)}
    return names - PLACEHOLDERS - PARTICLES, {number.lstrip("0") for number in _LONG_NUMBER.findall(plain)}


def who(patient: str) -> tuple[str, ...]:
    """Return what is compared of a patient: words whatever their case, accents, punctuation and order.

    Placeholders such as titles do not count, but for those that tell patients apart beside a name, such as 'Jr'.
    """
    if patient.startswith(NO_PATIENT):
        return (patient,)
    words = words_of(_WITHIN.sub("", patient))
    return () if {*words} <= PLACEHOLDERS else tuple(sorted({*words} - (PLACEHOLDERS - NAMES_TOO - GENERATIONS)))


def names_nobody(patient: str, least: int = 1) -> bool:
    """Return whether a text without its placeholders is shorter than this."""
    return len(" ".join(word for word in who(patient) if word not in PLACEHOLDERS)) < least


def _new_code(taken: set[str]) -> str:
    while True:
        code = "".join(secrets.choice(letters) for letters in (LETTERS, DIGITS) * 3)
        if code not in taken:
            return code


def _row(values: dict[str, str], path: Path, number: int) -> KeyRow:
    if set(values) != set(COLUMNS) or None in values.values() or not re.fullmatch(r"\d+", values["shift_days"]):
        raise TableError(f"{path}: line {number} is damaged: {','.join(map(str, values.values()))}")
    row = KeyRow(**(values | {"shift_days": int(values["shift_days"])}))  # type: ignore[arg-type]
    if not _NAME.fullmatch(row.name) or not _NAME.fullmatch(row.code):
        raise TableError(
            f"{path}: line {number} has the code '{row.code}' and the name '{row.name}'; allowed are letters and "
            "digits, '_' and '-'"
        )
    return row


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    if not path.parent.is_dir():
        read_key(path)  # says that it is missing
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    with writing(path):
        try:
            lock.acquire(WAIT_S)
        except Timeout as error:
            raise IctalError(f"{path}: another program has been using this key file for {WAIT_S:g} s") from error
    try:
        yield
    finally:
        lock.release()


def _write(path: Path, rows: list[KeyRow], mode: int) -> None:
    with atomic_write(path, synced=True) as part:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors=ANY_BYTES, newline="") as file:
            table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            table.writeheader()
            table.writerows(map(asdict, rows))
        part.chmod(mode)
