"""Which channels of a recording give the electrodes, or the derivations, that a model needs."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace

import numpy as np

from ictal.core.mne_lock import MNE
from ictal.core.montage import CHANNELS, ELECTRODES, MONTAGES, TRANSVERSE, Derivation, derivations_of
from ictal.core.recording import Recording
from ictal.errors import ElectrodeError, listed
from ictal.preprocessing.channel_graph import TRIFLE, ChannelMapping, Channels, Matrix

__all__ = [
    "ChannelMapping",
    "bipolar_mapping",
    "map_channels",
    "reference_notes",
    "referential_electrodes",
    "spline_weights",
    "widest_mapping",
]

BANANA = derivations_of(MONTAGES["double_banana"])
KNOWN_TO_READERS = (*BANANA, *derivations_of(TRANSVERSE))


def map_channels(
    recording: Recording, derivations: Sequence[Derivation] | None = None, interpolate: int = 0
) -> ChannelMapping:
    """Find the channels that give what a model needs.

    Parameters
    ----------
    recording
        Its channels may be electrodes against references, under any known name, or derivations. Electrodes with
        different references give derivations only between those of one reference, unless a channel (A1-A2, or A1-REF
        and A2-REF) connects the references.
    derivations
        That the model needs; None: all 19 electrodes, and the voltages between any two of them.
    interpolate
        At most this many electrodes that the file lacks, or has against another reference than derivations need, are
        interpolated from others that have one reference, by spherical splines (Perrin et al. 1989).

    Raises
    ------
    ElectrodeError
        If electrodes occur twice, or what the model needs cannot be formed; the message says what is missing, and
        what the file has.
    """
    channels = _checked(recording)
    found = (make() for make in (channels.referential, channels.bipolar, channels.joined))
    mappings = []
    for mapping in found:
        if mapping and _gives(mapping, derivations):
            return mapping
        mappings.append(mapping)
    for mapping in (mappings[0], mappings[2]):
        made = _interpolated(mapping, derivations, interpolate) if mapping else None
        if made:
            return made
    raise ElectrodeError(f"{recording.name}: {_what_is_missing(channels, derivations)}")


def has_all_electrodes(mapping: ChannelMapping) -> bool:
    """Return whether all 19 electrodes are channels against one reference, which suits every model."""
    together = any({*ELECTRODES} <= group for group in mapping.groups)
    return together and mapping.kind == "referential" and not mapping.interpolated


def referential_electrodes(recording: Recording) -> tuple[str, ...]:
    """Return the electrodes that have a channel against a reference."""
    return _checked(recording).referential().known


def bipolar_mapping(recording: Recording) -> ChannelMapping | None:
    """Return the mapping of a recording's derivations, or None if it has more electrodes against a reference."""
    return _rather_bipolar(Channels.of(recording))


def widest_mapping(recording: Recording) -> ChannelMapping | None:
    """Return the mapping that forms most of the derivations that readers use; None if electrodes occur twice."""
    channels = Channels.of(recording)
    if channels.doubled:
        return None
    found = [mapping for mapping in (channels.referential(), channels.bipolar(), channels.joined()) if mapping]
    return max(found, key=lambda mapping: (sum(map(mapping.forms, KNOWN_TO_READERS)), len(mapping.known)))


def lost_derivations(mapping: ChannelMapping) -> tuple[Derivation, ...]:
    """Return the derivations of the double banana that cannot be formed."""
    return tuple(pair for pair in BANANA if not mapping.forms(pair))


def reference_notes(mapping: ChannelMapping | None) -> tuple[str, ...]:
    """State which derivations are lost because electrodes have different references; empty if none are."""
    if mapping is None or not mapping.mixed:
        return ()
    lost = [pair for pair in lost_derivations(mapping) if {*pair} <= {*mapping.known}]
    which = f"the derivations {listed(lost, 20)} cannot be formed" if lost else "the double banana does not need them"
    of = f"its electrodes have different references ({_by_reference(mapping)})"
    return (f"{of}, and voltages between these are not known: {which}",)


def _checked(recording: Recording) -> Channels:
    channels = Channels.of(recording)
    if channels.doubled:
        raise ElectrodeError(f"{recording.name}: two channels for one electrode: {listed(channels.doubled)}")
    return channels


def _gives(mapping: ChannelMapping, derivations: Sequence[Derivation] | None) -> bool:
    if derivations is None:
        return any({*ELECTRODES} <= group for group in mapping.groups)
    return all(map(mapping.forms, derivations))


def _interpolated(
    mapping: ChannelMapping, derivations: Sequence[Derivation] | None, most: int
) -> ChannelMapping | None:
    """Return a mapping in which some electrodes are interpolated from others; None if that does not help.

    An electrode is interpolated from those of one reference: that of the electrodes with which it forms derivations.
    """
    made = _missing(mapping, derivations)
    if len(made) > most or not mapping.groups:
        return None
    groups = list(map(set, mapping.groups))
    left = list(made)
    while left:
        ties = {name: _tied(name, derivations or (), groups) for name in left}
        name = next((name for name in left if ties[name] is not None), left[0])
        (ties[name] or max(groups, key=len)).add(name)
        left.remove(name)
    while len(made) < most and (moves := _moves(derivations or (), groups, made)):
        name, groups = min(moves, key=lambda move: len(_lacking(derivations or (), move[1])))
        made.append(name)
    matrix, ends = mapping.matrix.copy(), mapping.ends.copy()
    for own, whole in zip(mapping.groups, groups, strict=True):
        there, new = ([name for name in ELECTRODES if name in names] for names in (own, whole - own))
        if len(new) >= len(there):
            return None
        if new:
            rows = [CHANNELS.index(name) for name in new]
            matrix[rows] = spline_weights(there, new) @ mapping.matrix[[CHANNELS.index(name) for name in there]]
            ends[rows] = abs(matrix[rows]) > TRIFLE
    names = tuple(name for name in ELECTRODES if name in made)
    found = replace(mapping, matrix=matrix, ends=ends, groups=tuple(map(frozenset, groups)), interpolated=names)
    return found if names and _gives(found, derivations) else None


def _lacking(derivations: Iterable[Derivation], groups: Sequence[Container[str]]) -> list[Derivation]:
    return [
        pair for pair in derivations if not any(pair.anode in group and pair.cathode in group for group in groups)
    ]


def _moves(
    derivations: Sequence[Derivation], groups: Sequence[set[str]], made: Sequence[str]
) -> list[tuple[str, list[set[str]]]]:
    """Return the groups after an electrode that lacks a derivation is interpolated in the group of the other one."""
    return [
        (name, [group | {name} if other in group else group - {name} for group in groups])
        for pair in _lacking(derivations, groups)
        for name, other in (pair, pair[::-1])
        if name not in made
    ]


def _tied(name: str, derivations: Iterable[Derivation], groups: Sequence[set[str]]) -> set[str] | None:
    """Return the first group to which a derivation connects an electrode."""
    ends = {end for pair in derivations if name in pair for end in pair}
    return next((group for group in groups if group & ends), None)


def _missing(mapping: ChannelMapping, derivations: Sequence[Derivation] | None) -> list[str]:
    """Return the electrodes that are needed and missing."""
    needed = {*ELECTRODES} if derivations is None else {name for pair in derivations for name in pair}
    return [name for name in ELECTRODES if name in needed and name not in mapping.known]


def spline_weights(there: Sequence[str], missing: Sequence[str]) -> Matrix:
    """Return the weights of present electrodes in missing ones, [missing, present]: MNE's spherical splines."""
    import mne  # takes a second to import, and few recordings need it

    with MNE:
        info = mne.create_info(list(ELECTRODES), 1.0, "eeg", verbose="ERROR")  # all 19, for the fit of the sphere
        # MNE 1.13 renamed it, and 1.14 drops the old name.
        places = "colin27_1020" if "colin27_1020" in mne.channels.get_builtin_montages() else "standard_1020"
        info.set_montage(places, verbose="ERROR")
        info["bads"] = [name for name in ELECTRODES if name not in there]
        # The splines are linear, so their matrix is what they return for unit vectors.
        units = np.array([[name == one for one in there] for name in ELECTRODES], dtype=np.float64)
        raw = mne.io.RawArray(units, info, verbose="ERROR")
        raw.interpolate_bads(method={"eeg": "spline"}, verbose="ERROR")
        return np.asarray(raw.get_data(list(missing)))


def _rather_bipolar(channels: Channels) -> ChannelMapping | None:
    found = channels.bipolar()
    return found if found and len(found.known) > len(channels.referential().known) else None


def _what_is_missing(channels: Channels, derivations: Sequence[Derivation] | None) -> str:
    referential, bipolar = channels.referential(), _rather_bipolar(channels)
    has = f"this file has {listed(channels.recording.channels, 30)}"
    lacking = [pair for pair in derivations or () if not (bipolar or referential).forms(pair)]
    if bipolar and lacking:
        return (
            f"is bipolar, and the derivations {listed(lacking, 20)}, which the model needs, cannot be formed from "
            f"its channels; {has}"
        )
    missing = _missing(referential, derivations)
    if not missing:
        what = f"{listed(lacking, 20)}, which the model needs, cannot" if lacking else "not all derivations can"
        return (
            f"its electrodes have different references ({_by_reference(referential)}), so {what} be formed; "
            "needed is one reference, or a channel between the references"
        )
    wanted = (
        "; needed are the 19 electrodes of the 10-20 system" if derivations is None else ", which the model needs"
    )
    excluded = [f"{name} (its file calls it '{kind}')" for name, kind in channels.excluded]
    return f"no channel for {listed(missing, 19)}{wanted}; {has}" + (
        f"; not used: {listed(excluded)}" if excluded else ""
    )


def _by_reference(mapping: ChannelMapping) -> str:
    """List the electrodes that were recorded against each reference."""
    made = {*mapping.interpolated}
    return "; ".join(
        f"{reference or 'none named'}: {', '.join(name for name in ELECTRODES if name in group - made)}"
        for group, reference in zip(mapping.groups, mapping.references, strict=True)
    )
