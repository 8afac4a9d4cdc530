"""Which channels of a recording give the electrodes, or the derivations, that a model looks at."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from ictal.errors import ElectrodeError, listed
from ictal.montage import CHANNELS, ELECTRODES, N_CHANNELS, Derivation, find_electrode, find_pair
from ictal.recording import Recording

SCALP_KINDS = ("", "eeg", "ecg", "ekg")
"""What a channel may be called by its file, that it can be an electrode or the EKG."""
Matrix = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]
TRIFLE = 0.1
"""An interpolated electrode outlives the loss of another that it takes so little of."""


@dataclass(frozen=True)
class Wiring:
    """How the electrodes of a window are made of the channels of a recording.

    Attributes
    ----------
    kind
        'referential': each electrode against a common reference; 'bipolar': the file holds derivations.
    rows
        The channels that are read.
    matrix
        [20, row]: what each of `ictal.montage.CHANNELS` takes of them. In a bipolar recording, voltages are known
        only between electrodes of one group; the mean of a group is set to zero.
    ends
        [20, row]: which electrodes are not to be trusted while a channel is not: its own, in a bipolar recording both
        (voltages between others of the group may still be right), and an interpolated one of which it is more than
        `TRIFLE`.
    groups
        Electrodes between which voltages are known.
    interpolated
        Electrodes that are made of others.
    ignored
        Names of the channels that are not read.
    """

    kind: Literal["referential", "bipolar"]
    rows: tuple[int, ...]
    matrix: Matrix
    ends: Marks
    groups: tuple[frozenset[str], ...]
    interpolated: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def known(self) -> tuple[str, ...]:
        """Electrodes that are not silent, in the order of `ELECTRODES`."""
        return tuple(name for name in ELECTRODES if any(name in group for group in self.groups))

    def forms(self, derivation: Derivation) -> bool:
        """Say whether the voltage between two electrodes can be had."""
        return any({*derivation} <= group for group in self.groups)

    def apply(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the electrodes [20, time] of the channels that are read, [row, time]."""
        if self.kind == "bipolar" or self.interpolated:
            electrodes: npt.NDArray[np.float32] = self.matrix.astype(np.float32) @ samples
            return electrodes
        electrodes = samples[self.matrix.argmax(axis=1)]
        electrodes[~self.matrix.any(axis=1)] = 0
        return electrodes

    def spread(self, marks: Marks) -> Marks:
        """Return which samples [20, time] of the electrodes are spoilt by marked ones of the channels, see `ends`."""
        if not marks.any():
            return np.zeros((N_CHANNELS, marks.shape[1]), dtype=bool)
        return np.stack([marks[rows].any(axis=0) for rows in self.ends])


def wire(recording: Recording, derivations: Sequence[Derivation] | None = None, interpolate: int = 0) -> Wiring:
    """Find the channels that give what a model looks at.

    Parameters
    ----------
    recording
        Its channels may be electrodes against a common reference, under any known name, or derivations.
    derivations
        That the model looks at; None: all 19 electrodes are wanted.
    interpolate
        So many electrodes that the file lacks may be made of the others, by spherical splines (Perrin et al. 1989).

    Raises
    ------
    ElectrodeError
        If electrodes are named twice, or too many are missing; the message says which, and what the file has.
    """
    electrodes = _electrodes(recording)
    needed = {name for pair in derivations for name in pair} if derivations is not None else {*ELECTRODES}
    missing = [name for name in ELECTRODES if name in needed and name not in electrodes]
    if not missing:
        return _referential(recording, electrodes)
    bipolar = _bipolar(recording)
    lacking = [pair for pair in derivations or () if not bipolar or not bipolar.forms(pair)]
    if bipolar and derivations is not None and not lacking:
        return bipolar
    there = [name for name in ELECTRODES if name in electrodes]
    if len(missing) <= min(interpolate, len(there) - 1):
        return _interpolated(recording, electrodes, missing)
    raise ElectrodeError(_what_is_missing(recording, missing, lacking, bipolar_wiring(recording)))


def has_all_electrodes(wiring: Wiring) -> bool:
    """Say whether all 19 electrodes are channels against one reference: every model then takes them alike."""
    together = any({*ELECTRODES} <= group for group in wiring.groups)
    return together and wiring.kind == "referential" and not wiring.interpolated


def referential_electrodes(recording: Recording) -> tuple[str, ...]:
    """Return the electrodes that have a channel against a common reference."""
    return tuple(name for name in ELECTRODES if name in _electrodes(recording))


def bipolar_wiring(recording: Recording) -> Wiring | None:
    """Return the wiring of a recording's derivations, or None where it rather has electrodes against a reference."""
    found, there = _bipolar(recording), {find_electrode(name) for _, name in _candidates(recording)}
    return found if found and len(found.known) > len(there & {*ELECTRODES}) else None


def _electrodes(recording: Recording) -> dict[str, int]:
    """Return the row of each electrode, and of the EKG where there is one."""
    rows: dict[str, int] = {}
    doubled = []
    for row, name in _candidates(recording):
        electrode = find_electrode(name)
        if electrode in rows and electrode != "EKG":  # of several channels of the heart the first will do
            doubled.append(f"{name} and {recording.channels[rows[electrode]]} (both {electrode})")
        elif electrode:
            rows.setdefault(electrode, row)
    if doubled:
        raise ElectrodeError(f"{recording.name}: two channels for one electrode: {listed(doubled)}")
    return rows


def _candidates(recording: Recording) -> Iterable[tuple[int, str]]:
    kinds = recording.kinds or ("",) * len(recording.channels)
    return (
        (row, name)
        for row, (name, kind) in enumerate(zip(recording.channels, kinds, strict=True))
        if kind in SCALP_KINDS
    )


def _others(recording: Recording, rows: Sequence[int]) -> tuple[str, ...]:
    return tuple(name for row, name in enumerate(recording.channels) if row not in rows)


def _referential(recording: Recording, electrodes: dict[str, int]) -> Wiring:
    names = [name for name in CHANNELS if name in electrodes]
    matrix = np.zeros((N_CHANNELS, len(names)))
    for column, name in enumerate(names):
        matrix[CHANNELS.index(name), column] = 1
    group = frozenset(name for name in names if name in ELECTRODES)
    rows = tuple(electrodes[name] for name in names)
    return Wiring("referential", rows, matrix, matrix != 0, (group,), ignored=_others(recording, rows))


def _interpolated(recording: Recording, electrodes: dict[str, int], missing: Sequence[str]) -> Wiring:
    plain = _referential(recording, electrodes)
    there = [name for name in ELECTRODES if name in electrodes]
    matrix = plain.matrix.copy()
    matrix[[CHANNELS.index(name) for name in missing], : len(there)] = spline_weights(there, missing)
    groups = (plain.groups[0] | {*missing},)
    return replace(plain, matrix=matrix, ends=abs(matrix) > TRIFLE, groups=groups, interpolated=tuple(missing))


def spline_weights(there: Sequence[str], missing: Sequence[str]) -> Matrix:
    """Return what each missing electrode takes of those that are there, [missing, there]: MNE's spherical splines."""
    import mne  # takes a second, and few recordings need it

    info = mne.create_info(list(ELECTRODES), 1.0, "eeg", verbose="ERROR")  # all 19, for the fit of the sphere
    # MNE 1.13 renamed it, and 1.14 forgets the old name.
    places = "colin27_1020" if "colin27_1020" in mne.channels.get_builtin_montages() else "standard_1020"
    info.set_montage(places, verbose="ERROR")
    info["bads"] = [name for name in ELECTRODES if name not in there]
    # The splines are linear, so that what they make of unit vectors is their matrix.
    units = np.array([[name == one for one in there] for name in ELECTRODES], dtype=np.float64)
    raw = mne.io.RawArray(units, info, verbose="ERROR")
    raw.interpolate_bads(method={"eeg": "spline"}, verbose="ERROR")
    return np.asarray(raw.get_data(list(missing)))


def _bipolar(recording: Recording) -> Wiring | None:
    """Return the wiring of derivations: electrodes from voltages between them, by least squares."""
    edges: dict[tuple[str, str], int] = {}
    for row, name in _candidates(recording):
        pair = find_pair(name)
        if pair and pair not in edges and pair[::-1] not in edges:  # CHB-MIT has T8-P8 twice
            edges[pair] = row
    groups = [group for group in _groups(edges) if len(group & {*ELECTRODES}) > 1]
    edges = {pair: row for pair, row in edges.items() if any(pair[0] in group for group in groups)}
    if not edges:
        return None
    nodes = sorted({name for pair in edges for name in pair})
    incidence = np.zeros((len(edges), len(nodes)))
    for number, (anode, cathode) in enumerate(edges):
        incidence[number, nodes.index(anode)], incidence[number, nodes.index(cathode)] = 1, -1
    # The least of all solutions: the mean of each group is zero.
    potentials = np.linalg.pinv(incidence)
    potentials[abs(potentials) < 1e-9] = 0
    heart = next((row for row, name in _candidates(recording) if find_electrode(name) == "EKG"), None)
    rows = [*edges.values(), *([heart] if heart is not None else [])]
    matrix = np.zeros((N_CHANNELS, len(rows)))
    ends = np.zeros(matrix.shape, dtype=bool)
    for node, name in enumerate(nodes):
        if name in ELECTRODES:
            matrix[CHANNELS.index(name), : len(edges)] = potentials[node]
            ends[CHANNELS.index(name), : len(edges)] = incidence[:, node] != 0
    if heart is not None:
        matrix[CHANNELS.index("EKG"), -1] = ends[CHANNELS.index("EKG"), -1] = 1
    found = tuple(frozenset(group & {*ELECTRODES}) for group in groups)
    return Wiring("bipolar", tuple(rows), matrix, ends, found, ignored=_others(recording, rows))


def _groups(pairs: Iterable[tuple[str, str]]) -> list[set[str]]:
    groups: list[set[str]] = []
    for pair in pairs:
        touched = [group for group in groups if group & {*pair}]
        groups = [group for group in groups if group not in touched] + [set(pair).union(*touched)]
    return groups


def _what_is_missing(
    recording: Recording, missing: Sequence[str], lacking: Sequence[Derivation], bipolar: Wiring | None
) -> str:
    has = f"this file has {listed(recording.channels, 30)}"
    if bipolar and lacking:
        return (
            f"{recording.name}: is bipolar, and the derivations {listed(lacking, 20)}, which the model looks at, "
            f"cannot be formed of its channels; {has}"
        )
    wanted = "the model looks at them" if lacking else "needed are the 19 electrodes of the 10-20 system"
    return f"{recording.name}: no channel for {listed(missing, 19)}; {wanted}, and {has}"
