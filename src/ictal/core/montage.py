"""Electrodes of the 10-20 system and their aliases, derivations, chains, and the left-right mirror."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ictal.core.channel_labels import ALIASES, CHANNELS, ELECTRODES, N_CHANNELS, PREFIX, find_electrode, find_pair
from ictal.errors import ElectrodeError, UnknownNameError

__all__ = [
    "ALIASES",
    "ANGLES",
    "CHAINS",
    "CHANNELS",
    "ELECTRODES",
    "MIRROR",
    "MONTAGES",
    "NEIGHBOURS",
    "N_CHANNELS",
    "ROWS",
    "TRANSVERSE",
    "Derivation",
    "derivation",
    "derivations_of",
    "electrode",
    "find_electrode",
    "find_pair",
    "mirror",
    "montage",
    "montage_matrix",
]


ANGLES = {
    "Fp1": (-92, -72),
    "F3": (-60, -51),
    "C3": (-46, 0),
    "P3": (-60, 51),
    "F7": (-92, -36),
    "T3": (-92, 0),
    "T5": (-92, 36),
    "O1": (-92, 72),
    "Fz": (46, 90),
    "Cz": (0, 0),
    "Pz": (46, -90),
    "Fp2": (92, 72),
    "F4": (60, 51),
    "C4": (46, 0),
    "P4": (60, -51),
    "F8": (92, 36),
    "T4": (92, 0),
    "T6": (92, -36),
    "O2": (92, -72),
    "A1": (-120, 0),
    "A2": (120, 0),
}
"""Inclination from the vertex and azimuth from the right ear of each site, in degrees (the spherical coordinates of
BESA): the 19 electrodes, and both earlobes, which serve as reference."""


class Derivation(NamedTuple):
    """The voltage between two electrodes, written Fp1-F7."""

    anode: str
    cathode: str

    def __str__(self) -> str:
        return f"{self.anode}-{self.cathode}"


def electrode(name: str) -> str:
    """Return the canonical name of an electrode.

    Raises
    ------
    ElectrodeError
        If the name is not one of the 19 electrodes, the EKG or an alias.
    """
    found = find_electrode(name)
    if found is None:
        raise ElectrodeError(
            f"'{name}' is not an electrode; allowed are {', '.join(CHANNELS)} and the aliases "
            f"{', '.join(f'{old} (= {new})' for old, new in ALIASES.items())}"
        )
    return found


def derivation(name: str) -> Derivation:
    """Parse the name of a derivation, such as 'FP1-F7' or 'T7-P7'.

    Raises
    ------
    ElectrodeError
        If the name is not two different electrodes joined by a dash.
    """
    parts = PREFIX.sub("", name.strip()).split("-")
    if len(parts) != 2:
        raise ElectrodeError(f"'{name}' is not a derivation; write two electrodes with a dash, such as Fp1-F7")
    anode, cathode = (electrode(part) for part in parts)
    if anode == cathode:
        raise ElectrodeError(f"'{name}' is not a derivation: {anode} minus itself is zero")
    return Derivation(anode, cathode)


def _chain(names: str) -> tuple[Derivation, ...]:
    electrodes = names.split()
    return tuple(Derivation(a, b) for a, b in pairwise(electrodes))


CHAINS = {
    "LL": _chain("Fp1 F7 T3 T5 O1"),
    "LP": _chain("Fp1 F3 C3 P3 O1"),
    "RP": _chain("Fp2 F4 C4 P4 O2"),
    "RR": _chain("Fp2 F8 T4 T6 O2"),
}
"""The four chains of the double banana: left lateral, left and right parasagittal, right lateral."""

MONTAGES = {
    "double_banana": {**CHAINS, "midline": _chain("Fz Cz Pz")},
    "long_chains": {
        "LL": _chain("Fp1 T3 O1"),
        "LP": _chain("Fp1 C3 O1"),
        "RP": _chain("Fp2 C4 O2"),
        "RR": _chain("Fp2 T4 O2"),
    },
}
"""Montages by name, as chains: all 18 derivations, or the eight long ones of the reference model."""

TRANSVERSE = {
    "frontopolar": _chain("F7 Fp1 Fp2 F8"),
    "frontal": _chain("F7 F3 Fz F4 F8"),
    "central": _chain("T3 C3 Cz C4 T4"),
    "parietal": _chain("T5 P3 Pz P4 T6"),
    "occipital": _chain("T5 O1 O2 T6"),
}
"""The transverse bipolar montage TB-18.1 of the American Clinical Neurophysiology Society (Acharya et al. 2016).
It is for display; no network uses it."""

ROWS = ("Fp1 Fp2", "F7 F3 Fz F4 F8", "T3 C3 Cz C4 T4", "T5 P3 Pz P4 T6", "O1 O2")
"""The electrodes from front to back, each row from left to right."""

NEIGHBOURS = (
    *(tuple(derivation) for chain in MONTAGES["double_banana"].values() for derivation in chain),
    *(pair for row in ROWS for pair in pairwise(row.split())),
)
"""Pairs of neighbouring electrodes on the scalp, along chains and rows."""


def montage(name: str) -> dict[str, tuple[Derivation, ...]]:
    """Return the chains of a montage by its name.

    Raises
    ------
    UnknownNameError
        If there is no such montage.
    """
    if name not in MONTAGES:
        raise UnknownNameError("montage", name, MONTAGES)
    return MONTAGES[name]


def derivations_of(chains: dict[str, tuple[Derivation, ...]]) -> tuple[Derivation, ...]:
    """Return the derivations of all chains in order."""
    return tuple(derivation for chain in chains.values() for derivation in chain)


def montage_matrix(derivations: tuple[Derivation, ...]) -> npt.NDArray[np.float32]:
    """Return the matrix [derivation, 20] that turns electrodes (`CHANNELS`) into derivations."""
    matrix = np.zeros((len(derivations), N_CHANNELS), dtype=np.float32)
    for row, (anode, cathode) in enumerate(derivations):
        matrix[row, CHANNELS.index(anode)] += 1
        matrix[row, CHANNELS.index(cathode)] -= 1
    return matrix


def mirror(name: str) -> str:
    """Return the corresponding electrode of the other side: odd numbers are left, even numbers right.

    Examples
    --------
    >>> mirror("F7"), mirror("O2"), mirror("Cz"), mirror("EKG")
    ('F8', 'O1', 'Cz', 'EKG')
    """
    name = electrode(name)
    if not name[-1].isdigit():
        return name
    number = int(name[-1])
    return f"{name[:-1]}{number + 1 if number % 2 else number - 1}"


MIRROR = tuple(CHANNELS.index(mirror(name)) for name in CHANNELS)
"""Indices into `CHANNELS`: ``window[..., MIRROR, :]`` is the mirrored window."""
