"""The channels of a recording as a graph, and the potentials of its electrodes.

Every channel of an EEG is a voltage between two points: an electrode and a reference, or two electrodes. So channels
are the edges of a graph, and the voltage between two electrodes is known if a path of channels connects them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ictal.core.channel_labels import (
    CHANNELS,
    ELECTRODES,
    N_CHANNELS,
    SHARED,
    Label,
    find_electrode,
    is_reference,
    read_labels,
)
from ictal.core.montage import Derivation
from ictal.core.recording import Recording

SCALP_KINDS = ("", "eeg")
"""Channel types in a file that can be electrodes."""
HEART_KINDS = ("ecg", "ekg")
Matrix = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]
TRIFLE = 0.1
"""An electrode remains usable without a channel that has a smaller weight than this."""
EKG = CHANNELS.index("EKG")


@dataclass(frozen=True)
class ChannelMapping:
    """How electrodes are formed from the channels of a recording.

    Attributes
    ----------
    kind
        'referential': each electrode against a reference; 'bipolar': the file contains derivations.
    rows
        The channels that are read.
    matrix
        [20, row]: the weights of the channels in each of `montage.CHANNELS`. Voltages are known only between
        electrodes of one group. Zero is the reference of the group or, without a reference, the group's mean.
    ends
        [20, row]: which electrodes are unreliable where a channel is: those formed from it; in a bipolar recording,
        those at its two ends (voltages between others of the group may still be right); and for a channel that
        connects references, the whole group.
    groups
        Electrodes between which voltages are known.
    references
        Reference of each group; '' if the labels name none, and in a bipolar recording.
    interpolated
        Electrodes that are interpolated from others.
    ignored
        Names of the channels that are not read.
    """

    kind: Literal["referential", "bipolar"]
    rows: tuple[int, ...]
    matrix: Matrix
    ends: Marks
    groups: tuple[frozenset[str], ...]
    references: tuple[str, ...] = ()
    interpolated: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def known(self) -> tuple[str, ...]:
        """Electrodes that the recording has, in the order of `ELECTRODES`."""
        return tuple(name for name in ELECTRODES if any(name in group for group in self.groups))

    @property
    def silent(self) -> Marks:
        """Which of `CHANNELS` the recording lacks, [20]; a reference is zero, but not lacking."""
        return np.array([name not in self.known for name in ELECTRODES] + [not self.matrix[EKG].any()])

    @property
    def mixed(self) -> bool:
        """Whether electrodes were recorded against several references that no channel connects."""
        return self.kind == "referential" and len(self.groups) > 1

    @cached_property
    def _chosen(self) -> npt.NDArray[np.intp] | None:
        """The row of each electrode, if each is a channel as it was recorded."""
        plain = ((self.matrix == 0) | (self.matrix == 1)).all() and (self.matrix != 0).sum(axis=1).max(initial=0) <= 1
        return self.matrix.argmax(axis=1) if plain and self.rows else None

    def forms(self, derivation: Derivation) -> bool:
        """Return whether the voltage between two electrodes is known."""
        return any({*derivation} <= group for group in self.groups)

    def apply(self, samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the electrodes [20, time] of the channels that are read, [row, time]; no copy if both are equal."""
        if np.array_equal(self.matrix, np.eye(N_CHANNELS)):
            return samples
        if self._chosen is None:
            electrodes: npt.NDArray[np.float32] = self.matrix.astype(np.float32) @ samples
            return electrodes
        electrodes = samples[self._chosen]
        electrodes[~self.matrix.any(axis=1)] = 0
        return electrodes

    def spread(self, marks: Marks) -> Marks:
        """Return which samples [20, time] of electrodes are unreliable, given those of channels; see `ends`."""
        if not marks.any():
            return np.zeros((N_CHANNELS, marks.shape[1]), dtype=bool)
        return np.stack([marks[rows].any(axis=0) for rows in self.ends])


class Edge(NamedTuple):
    """A channel: the voltage between two points, and its row in the recording."""

    anode: str
    cathode: str
    row: int


@dataclass(frozen=True)
class Channels:
    """The channels of a recording, by kind.

    Attributes
    ----------
    recording
        The recording.
    electrodes
        Channels of an electrode against a reference.
    pairs
        Channels between electrodes.
    joints
        Channels between references: A1-A2, A1-REF.
    heart
        Row of the EKG.
    doubled
        Two channels for one electrode, in words.
    excluded
        Channels with the label of an electrode that the file gives another type: label and type.
    """

    recording: Recording
    electrodes: tuple[Edge, ...]
    pairs: tuple[Edge, ...]
    joints: tuple[Edge, ...]
    heart: int | None
    doubled: tuple[str, ...]
    excluded: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, recording: Recording) -> "Channels":
        """Read labels and types."""
        kinds = recording.kinds or ("",) * len(recording.channels)
        scalp = [row for row, kind in enumerate(kinds) if kind in SCALP_KINDS]
        labels = dict(zip(scalp, read_labels([recording.channels[row] for row in scalp]), strict=True))
        stated = _stated_references(recording, labels)
        edges = [
            Edge(label.electrode, label.against or stated.get(row, ""), row)
            for row, label in labels.items()
            if label and label.electrode != "EKG"
        ]
        references = _references(edges) | {*stated.values()}
        electrodes: dict[str, Edge] = {}
        doubled, joints = [], []
        for edge in sorted(edges, key=lambda edge: not is_reference(edge.cathode)):  # named references first
            if edge.anode in ELECTRODES and edge.cathode in references:
                first = electrodes.setdefault(edge.anode, edge)
                if first is not edge and (is_reference(edge.cathode) or edge.cathode == first.cathode):
                    names = f"{recording.channels[edge.row]} and {recording.channels[first.row]}"
                    doubled.append(f"{names} (both {edge.anode})")
            elif edge.anode in references and edge.cathode:
                joints.append(edge)
        pairs = [edge for edge in edges if edge.row not in stated and not is_reference(edge.cathode)]
        hearts = [row for row, kind in enumerate(kinds) if kind in HEART_KINDS or _is_heart(labels.get(row))]
        others = [row for row in range(len(kinds)) if row not in labels and kinds[row] not in HEART_KINDS]
        named = read_labels([recording.channels[row] for row in others])
        excluded = [
            (recording.channels[row], kinds[row])
            for row, label in zip(others, named, strict=True)
            if label and label.electrode in ELECTRODES
        ]
        return cls(
            recording,
            tuple(electrodes[name] for name in ELECTRODES if name in electrodes),
            tuple(pairs),
            tuple(joints),
            hearts[0] if hearts else None,  # the first of several EKG channels
            tuple(doubled),
            tuple(excluded),
        )

    def referential(self) -> ChannelMapping:
        """Return the mapping of the electrodes that were recorded against references."""
        return self._mapping_of(self.electrodes)

    def bipolar(self) -> ChannelMapping | None:
        """Return the mapping of derivations, or None if they connect no two electrodes."""
        edges: dict[tuple[str, str], Edge] = {}
        for edge in self.pairs:
            if edge[:2] not in edges and edge[1::-1] not in edges:  # CHB-MIT has T8-P8 twice
                edges[edge[:2]] = edge
        groups = [group for group in groups_of(edges.values()) if len(group & {*ELECTRODES}) > 1]
        used = [edge for edge in edges.values() if any(edge.anode in group for group in groups)]
        return self._mapping_of(used) if used else None

    def joined(self) -> ChannelMapping | None:
        """Return the referential mapping with the fewest channels that connect its groups; None if none does."""
        groups = [{*group} for group in groups_of(self.electrodes)]
        used = list(self.electrodes)
        for edge in (*self.joints, *self.pairs):
            touched = [group for group in groups if group & {edge.anode, edge.cathode}]
            if not any({edge.anode, edge.cathode} <= group for group in touched):
                groups = [group for group in groups if group not in touched]
                groups.append({edge.anode, edge.cathode}.union(*touched))
                used.append(edge)
        kept = _without_ends(used)
        return self._mapping_of(kept) if self.electrodes and len(kept) > len(self.electrodes) else None

    def _mapping_of(self, edges: Sequence[Edge]) -> ChannelMapping:
        """Solve for the potentials of the electrodes, by least squares."""
        groups = sorted(groups_of(edges), key=lambda group: min(CHANNELS.index(name) for name in group & {*CHANNELS}))
        nodes = sorted({name for edge in edges for name in edge[:2]})
        incidence = np.zeros((len(edges), len(nodes)))
        for number, edge in enumerate(edges):
            incidence[number, nodes.index(edge.anode)], incidence[number, nodes.index(edge.cathode)] = 1, -1
        # The solution of least norm: the mean of each group is zero.
        potentials = np.linalg.pinv(incidence)
        potentials[abs(potentials) < 1e-9] = 0
        against = Counter(edge.cathode for edge in edges if edge in self.electrodes)
        zeros = [max(group & {*against}, key=lambda name: against[name], default=None) for group in groups]
        rows = [*(edge.row for edge in edges), *([] if self.heart is None else [self.heart])]
        matrix, ends = np.zeros((N_CHANNELS, len(rows))), np.zeros((N_CHANNELS, len(rows)), dtype=bool)
        joints = np.array([not {edge.anode, edge.cathode} & {*ELECTRODES} for edge in edges], dtype=bool)
        for group, zero in zip(groups, zeros, strict=True):
            for name in group & {*ELECTRODES}:
                row, node = CHANNELS.index(name), nodes.index(name)
                of, own = potentials[node], incidence[:, node] != 0
                if zero is not None:
                    of = (of - potentials[nodes.index(zero)]).round(9) + 0.0
                    own = (abs(of) > TRIFLE) | joints & np.array([edge.anode in group for edge in edges], dtype=bool)
                matrix[row, : len(edges)], ends[row, : len(edges)] = of, own
        if self.heart is not None:
            matrix[EKG, -1] = ends[EKG, -1] = 1
        is_referential = {zero is not None for zero in zeros} <= {True}
        return ChannelMapping(
            "referential" if is_referential else "bipolar",
            tuple(rows),
            matrix,
            ends,
            tuple(frozenset(group & {*ELECTRODES}) for group in groups),
            tuple(zero or "" for zero in zeros),
            ignored=tuple(name for row, name in enumerate(self.recording.channels) if row not in rows),
        )


def _stated_references(recording: Recording, labels: Mapping[int, Label | None]) -> dict[int, str]:
    """Return by row the references stated separately from the labels, if electrodes have different ones."""
    stated = {
        row: find_electrode(text) or "".join(filter(str.isalnum, text.upper()))
        for row, text in enumerate(recording.references)
        if (label := labels.get(row)) and label.electrode in ELECTRODES and not label.against
    }
    return stated if len({*stated.values()}) > 1 else {}


def _is_heart(label: Label | None) -> bool:
    return label is not None and label.electrode == "EKG"


def _references(edges: Iterable[Edge]) -> set[str]:
    """Return the references of electrodes: those with a known name, or the one point that all share (CPz)."""
    counts = Counter(edge.cathode for edge in edges if edge.anode in ELECTRODES)
    return {name for name, count in counts.items() if is_reference(name) or SHARED <= count == counts.total()}


def groups_of(edges: Iterable[Edge]) -> list[set[str]]:
    """Return the points that channels connect, a set for each part of the graph."""
    groups: list[set[str]] = []
    for anode, cathode, _ in edges:
        touched = [group for group in groups if group & {anode, cathode}]
        groups = [group for group in groups if group not in touched] + [{anode, cathode}.union(*touched)]
    return groups


def _without_ends(edges: Sequence[Edge]) -> list[Edge]:
    """Leave out channels that lead only to points other than the 19 electrodes."""
    kept = list(edges)
    while True:
        degree = Counter(name for edge in kept for name in edge[:2])
        inner = [
            edge
            for edge in kept
            if (edge.anode in ELECTRODES and edge.cathode not in ELECTRODES)
            or all(name in ELECTRODES or degree[name] > 1 for name in edge[:2])
        ]
        if len(inner) == len(kept):
            return kept
        kept = inner
