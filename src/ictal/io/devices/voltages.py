"""Which channels of a file or stream are voltages, by the units that it states: XDF and LSL."""

from collections.abc import Sequence
from pathlib import Path

from ictal.errors import ReadError, listed
from ictal.io.channel_choice import are_scalp
from ictal.io.edf.reader import unit_uv

WORDS_UV = {"nanovolt": 1e-3, "millivolt": 1e3, "volt": 1e6}


def voltages(name: Path | str, labels: Sequence[str], units: Sequence[str]) -> tuple[dict[int, float], list[str]]:
    """Return µV per unit of each channel with a name that is a voltage, by its number, and notes on the others.

    Parameters
    ----------
    name
        Of the file or stream, in messages.
    labels, units
        Of its channels.

    Raises
    ------
    ReadError
        If the unit of an electrode is not a voltage, or no channel is left.
    """
    known = [WORDS_UV.get(word := unit.strip().lower().removesuffix("s")) or unit_uv(word) for unit in units]
    scalp = are_scalp(labels)
    unknown = [row for row, uv in enumerate(known) if scalp[row] and uv is None]
    if unknown:
        raise ReadError(
            f"{name}: the voltages of {listed(labels[row] for row in unknown)} are unknown: their unit is "
            f"'{units[unknown[0]]}'; allowed are uV, mV, V and nV"
        )
    found = {row: uv for row, uv in enumerate(known) if uv is not None and labels[row]}
    others = [label for label, uv in zip(labels, known, strict=True) if label and uv is None]
    unnamed = sum(not label for label in labels)
    notes = {
        f"left out because they are not voltages: {listed(others)}": others,
        f"left out because they have no name: {unnamed} channels": unnamed,
    }
    said = [note for note, applies in notes.items() if applies]
    if not found:
        raise ReadError(f"{name}: no channel can be used; {'; '.join(said)}")
    return found, said
