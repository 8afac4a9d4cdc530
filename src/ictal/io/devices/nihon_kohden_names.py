"""Names of the channels of Nihon Kohden: the .21E file gives a name for the code of each input."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ictal.core.atomic_files import find_sibling
from ictal.errors import listed
from ictal.io.edf.header_fields import printable

_FIRST = (
    *("FP1", "FP2", "F3", "F4", "C3", "C4", "P3", "P4", "O1", "O2", "F7", "F8", "T3", "T4", "T5", "T6", "FZ", "CZ"),
    *("PZ", "E", "PG1", "PG2", "A1", "A2", "T1", "T2"),
)
DEFAULTS = {
    **dict(enumerate(_FIRST)),
    **{code: f"X{code - 25}" for code in range(26, 37)},
    **{code: f"DC{code - 41:02}" for code in range(42, 74)},
    74: "BN1",
    75: "BN2",
    76: "Mark1",
    77: "Mark2",
    255: "Z",
    **{code: f"X{code - 88}/BP{code - 99}" for code in range(100, 104)},
    **{code: f"X{code - 88}" for code in range(104, 254)},
}
"""Names by code where the .21E file gives none, as in nk2edf and MNE-Python."""
MARKS = (76, 77)
"""Codes of inputs that are no signals."""
NOT_EEG = frozenset((*range(42, 74), *MARKS))
"""Codes of inputs for DC voltages."""
SECTIONS = ("[ELECTRODE]", "[REFERENCE]")
_ENTRY = re.compile(r"([0-9]{1,6})\s*=\s*(.*)")


def channel_names(path: Path, codes: Sequence[int]) -> tuple[list[str], list[str], list[str]]:
    """Return the names of channels, notes, and doubts; the name of a channel without an electrode is ''.

    Parameters
    ----------
    path
        The .EEG file.
    codes
        Code of the input of each channel.
    """
    table = find_sibling(path, f"{path.stem}.21E")
    stated = _stated(table) if table is not None else {}
    if not any(stated.values()):
        why = "its channel names are unknown, since its .21E file is missing or unreadable"
        names = [DEFAULTS.get(code, f"input {code}") for code in codes]
        return names, [], [f"{why}; left and right may be swapped"]
    names = [stated.get(code, DEFAULTS.get(code, f"input {code}")) for code in codes]
    missing = [name for code, name in zip(codes, names, strict=True) if code not in stated and code not in NOT_EEG]
    empty = [f"{DEFAULTS.get(code, code)}" for code, name in zip(codes, names, strict=True) if not name]
    found = {
        f"left out because its .21E file gives them no name: {listed(empty)}": empty,
        f"its .21E file does not list these inputs, which have the manufacturer's names: {listed(missing)}": missing,
    }
    return names, [note for note, applies in found.items() if applies], []


def _stated(table: Path) -> Mapping[int, str]:
    """Return the names in a .21E file by code; an input is named as electrode rather than as reference."""
    content = table.read_bytes()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    found: dict[str, dict[int, str]] = {name: {} for name in SECTIONS}
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.upper()
        elif section in found and (entry := _ENTRY.fullmatch(line)):
            found[section].setdefault(int(entry[1]), printable(entry[2]))
    return found["[REFERENCE]"] | found["[ELECTRODE]"]
