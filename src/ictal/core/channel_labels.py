"""Parsing of channel labels: the electrode and its reference."""

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

ELECTRODES = (
    *("Fp1", "F3", "C3", "P3", "F7", "T3", "T5", "O1"),
    *("Fz", "Cz", "Pz"),
    *("Fp2", "F4", "C4", "P4", "F8", "T4", "T6", "O2"),
)
"""The 19 scalp electrodes in the order of the HMS files."""

CHANNELS = (*ELECTRODES, "EKG")
"""The electrode axis of every window: 19 electrodes, then the EKG."""

N_CHANNELS = len(CHANNELS)

ALIASES = {"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6", "ECG": "EKG", "EKG1": "EKG", "ECG1": "EKG"}
"""Names of the modified combinatorial nomenclature, and other names of the EKG channel."""

SHARED = 3
"""An unknown suffix counts as a reference if at least this many electrodes have it."""
CUT = 15
"""Labels of this length or more may be truncated: EDF keeps 16 characters, and trailing blanks are lost."""

_CANONICAL = {name.upper(): name for name in CHANNELS} | {old.upper(): new for old, new in ALIASES.items()}
_TYPE = r"(?:(?:EEG|POL)[\s_:.(\[-]*)?"
_NAME = r"(?:(?!E[CKMO]G|S[AP]O|DC)[A-Y]{1,3}(?:[0-9]{1,2}|Z)|0[12])"
"""An electrode of any system, but not EMG1, SaO2 or DC1. A zero may be a misspelt letter O, see `_with_letters`."""
_LABEL = re.compile(rf"{_TYPE}({_NAME})(?![0-9])(.*)")
_ELECTRODE = re.compile(rf"(?:EEG)?({_NAME})")
_HEART = re.compile(rf"{_TYPE}E[CK]G(?:[0-9]{{1,2}}|[LR])?(?![^\W_])(.*)")
_NUMBER = re.compile(rf"{_TYPE}([0-9]+)")
_REFERENCE = re.compile(
    r"(?:V?REF(?:ERENCE)?[0-9]?|LER?|LM|AR|AVG?|AVE|AVERAGE|CAR|COMM?|COMMON|AA|ORG|[AM][12]|A1A2|A2A1|M1M2|M2M1|CZREF)"
    r"(?:REF(?:ERENCE)?)?"
)
"""Names that always mean a reference, in capitals and without punctuation."""
_COPY = re.compile(r"-(?:0|[1-9][0-9]*)$")
"""Suffix that MNE adds to a label that a file has twice."""
_DASHES = re.compile(r"\s*[‐-―−﹣-]\s*")
_WORD = re.compile(r"[^\W_]+")
_NO_VOLTAGE = {"RATE", "HR", "BPM", "RR", "QRS", "FREQ", "TRIG", "TRIGGER", "EVENT", "MARK", "QUALITY", "RESP"}
"""Words that mark channels derived from the EKG, such as the heart rate."""

PREFIX = re.compile(r"^(?:EEG|POL)[\s_:-]+(?=[A-Z])", re.IGNORECASE)
"""A signal type before the name of an electrode."""


class Label(NamedTuple):
    """The parsed label of a channel.

    Attributes
    ----------
    electrode
        One of `CHANNELS`, or another electrode in capitals.
    against
        The reference: an electrode, written in the same way, or a name in capitals without punctuation; '' if the
        label names none.
    """

    electrode: str
    against: str


def read_labels(names: Sequence[str]) -> tuple[Label | None, ...]:
    """Parse the channel labels of one file; None for channels that are not electrodes.

    Case, blanks, punctuation and a signal type before the electrode are ignored. The meaning of a label may depend on
    the other labels:

    - An unknown suffix is a reference if at least `SHARED` electrodes have it and no better channel.
    - Suffixes with the same beginning are the same if their labels were truncated at 16 characters.
    - '01' and '02' are O1 and O2 if the file names other electrodes, but neither O1, O2 nor other numbers.

    Examples
    --------
    >>> [label and tuple(label) for label in read_labels(["EEG Fp1-A1", "F7_T7", "SaO2 %", "ECG II"])]
    [('Fp1', 'A1'), ('F7', 'T3'), None, ('EKG', '')]
    """
    found = _uncut(names, _with_letters(names, [_parse(name) for name in names]))
    sure = [label if label and _is_clear(label.against) else None for label in found]
    known = {label.electrode for label in sure if label and is_reference(label.against)}
    endings: dict[str, set[str]] = {}
    for label in found:
        if label and label.electrode in ELECTRODES and label.electrode not in known:
            endings.setdefault(label.against, set()).add(label.electrode)
    shared = {ending for ending, electrodes in endings.items() if len(electrodes) >= SHARED}
    return tuple(
        clear or (label if label and label.against in shared and label.electrode not in known else None)
        for clear, label in zip(sure, found, strict=True)
    )


def is_reference(text: str) -> bool:
    """Return whether the second part of a label is empty or a name that always means a reference."""
    return not text or _REFERENCE.fullmatch(text) is not None


def find_electrode(name: str) -> str | None:
    """Return the canonical name of the electrode that a channel records against a reference, or None.

    Examples
    --------
    >>> find_electrode("EEG FP1-REF"), find_electrode("t7"), find_electrode("Fp1-F7"), find_electrode("SaO2")
    ('Fp1', 'T3', None, None)
    """
    label = _parse(name)
    return label.electrode if label and label.electrode in CHANNELS and is_reference(label.against) else None


def find_pair(name: str) -> tuple[str, str] | None:
    """Return the two electrodes of a bipolar channel, or None.

    Electrodes beyond the 19 are allowed, since they may connect two of the 19: T7-FT9, FT9-FT10, FT10-T8.

    Examples
    --------
    >>> find_pair("FP1-F7"), find_pair("EEG T7-FT9"), find_pair("Fp1-REF"), find_pair("T8-P8-1")
    (('Fp1', 'F7'), ('T3', 'FT9'), None, ('T4', 'T6'))
    """
    label = _parse(name)
    if label is None or is_reference(label.against) or not _is_clear(label.against):
        return None
    return None if any(part.startswith("0") for part in label) else (label.electrode, label.against)


def _parse(name: str) -> Label | None:
    """Parse one label without regard to the others."""
    text = _COPY.sub("", _simplified(name))
    heart = _HEART.fullmatch(text)
    if heart:
        return None if _NO_VOLTAGE & {*_WORD.findall(heart[1])} else Label("EKG", "")
    found = _LABEL.fullmatch(text)
    if not found:
        return None
    first, rest = found.groups()
    second = "".join(_WORD.findall(rest))
    pair = _ELECTRODE.fullmatch(second)
    second = pair[1] if pair else second
    if rest[:1].isalnum() and not _is_clear(second):
        return None
    label = Label(_canonical(first), _canonical(second))
    if label.electrode != label.against:
        return label
    return Label(label.electrode, "") if first != second else None  # 'T3/T7' has two names, and 'Cz-Cz' is nothing


def _simplified(name: str) -> str:
    """Return a label in capitals, with plain blanks and dashes, and without invisible characters."""
    text = "".join(letter for letter in unicodedata.normalize("NFKC", name) if unicodedata.category(letter) != "Cf")
    return _DASHES.sub("-", " ".join(text.upper().split())).strip(" .'\"")


def _canonical(text: str) -> str:
    return _CANONICAL.get(text, text)


def _is_clear(against: str) -> bool:
    return is_reference(against) or _ELECTRODE.fullmatch(against.upper()) is not None


def _with_letters(names: Sequence[str], labels: Sequence[Label | None]) -> list[Label | None]:
    """Read zeros as the letter O if the other labels of the file leave no doubt; otherwise leave those labels out."""
    electrodes = {part for label in labels if label for part in label}
    numbers = {found[1] for found in map(_NUMBER.match, map(_simplified, names)) if found}
    is_letter = (
        len(electrodes & {*ELECTRODES}) >= SHARED
        and not electrodes & {"O1", "O2"}
        and not any(len(number) > 1 and number not in ("01", "02") for number in numbers)
    )
    letters = {"01": "O1", "02": "O2"}
    return [
        label
        if label is None or not {*label} & {*letters}
        else (Label(*(letters.get(part, part) for part in label)) if is_letter else None)
        for label in labels
    ]


def _uncut(names: Sequence[str], labels: Sequence[Label | None]) -> list[Label | None]:
    """Replace truncated suffixes by their longest form, unless that is ambiguous."""
    may_be_cut = [len(name.strip()) >= CUT for name in names]
    endings = {
        label.against for label, cut in zip(labels, may_be_cut, strict=True) if label and cut and label.against
    }
    whole = {}
    for ending in endings:
        longer = sorted((other for other in endings if other.startswith(ending)), key=len)
        if all(longer[-1].startswith(other) for other in longer) and not _ELECTRODE.fullmatch(longer[-1].upper()):
            whole[ending] = longer[-1]
    return [
        label._replace(against=whole.get(label.against, label.against)) if label and cut else label
        for label, cut in zip(labels, may_be_cut, strict=True)
    ]
