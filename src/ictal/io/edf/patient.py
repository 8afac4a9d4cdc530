"""The patient field of EDF and BDF headers, which may contain names: it is shown only where a user asks for it."""

from pathlib import Path

from ictal.io.edf.header import BDF_MAGIC, EDF_MAGIC
from ictal.io.edf.header_fields import printable

FIELD = slice(8, 88)
"""Bytes of the field in the header (EDF 1992; EDF+ 2.1.3.3)."""
SUBFIELDS = ("code", "sex", "birthdate", "name")
"""Subfields of EDF+, in its order."""
UNKNOWN = frozenset({"x"})
"""What stands for a subfield that is not known."""


def patient_field(path: Path) -> str | None:
    """Return the patient field of an EDF or BDF header; None for other files, and where it says nothing."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(FIELD.stop)
    if not head.startswith((EDF_MAGIC, BDF_MAGIC)):
        return None
    field = printable(head[FIELD].decode("latin-1")).strip()
    return None if {*field.casefold().split()} <= UNKNOWN else field


def differing_subfields(one: str, other: str) -> list[str]:
    """Return the names of the subfields that two patient fields state differently, or 'text' if they have none.

    Case and blanks are ignored, and what either leaves unknown.
    """
    words, others = one.casefold().split(), other.casefold().split()
    if {*words} <= UNKNOWN or {*others} <= UNKNOWN:
        return []
    if min(len(words), len(others)) < len(SUBFIELDS):
        return [] if words == others else ["text"]
    pairs = zip(SUBFIELDS, words, others, strict=False)
    return [name for name, word, other in pairs if word != other and not {word, other} & UNKNOWN]
