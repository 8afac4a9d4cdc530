"""Labels of channels in an EDF file: up to 16 ASCII characters, which also state type and reference."""

from collections.abc import Sequence
from dataclasses import replace

from ictal.core.channel_labels import ELECTRODES, read_labels
from ictal.core.recording import Recording
from ictal.errors import WriteError, listed
from ictal.io.edf.header import ANNOTATIONS, FIELDS
from ictal.io.edf.header_fields import ascii_of
from ictal.io.edf.reader import KINDS, STIMULI, kind_of
from ictal.preprocessing.channel_graph import HEART_KINDS, SCALP_KINDS, Channels

LONGEST = FIELDS["label"]
WORDS = {kind: kind.upper() for kind in KINDS} | {"temp": "Temp", "resp": "Resp", "sao2": "SaO2", "ekg": "ECG"}
"""Types as EDF+ spells them at the start of a label."""
NOT_VOLTAGES = (*STIMULI, *map(str.lower, ANNOTATIONS))
"""Labels, in lower case, of signals with codes or texts; readers would not find voltages under them."""
SHOWN = 100
"""Most channels that a note lists."""


def edf_labels(recording: Recording) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the labels of the channels, and a note for each thing that they change or cannot state.

    A label is the name of the channel. It also states the reference, if the recording states several apart from the
    names, and the type, if the name alone would mean another one. What does not fit becomes ASCII and is shortened.

    Raises
    ------
    WriteError
        If a channel could not be recognized by its label.
    """
    names = _with_types(recording, _with_references(recording))
    labels: list[str] = []
    for name in names:
        fits = 0 < len(name) <= LONGEST and ascii_of(name) == name and name.lower() not in NOT_VOLTAGES
        labels.append(name if fits else _unique(ascii_of(name) or "channel", {*labels, *names}))
    read = replace(recording, channels=tuple(labels), kinds=tuple(map(kind_of, labels)), references=())
    _check(recording, read)
    changed = [f"'{old}' is '{new}'" for old, new in zip(recording.channels, labels, strict=True) if old != new]
    after, before = (
        {edge.row for edge in (*one.electrodes, *one.pairs)} for one in map(Channels.of, (read, recording))
    )
    unstated = [f"{labels[row]} ({recording.kinds[row]})" for row in sorted(after - before) if recording.kinds]
    notes = {
        f"channels have other names in EDF: {listed(changed, SHOWN)}": changed,
        f"EDF cannot state why a channel is not used as an electrode: {listed(unstated, SHOWN)}": unstated,
    }
    return tuple(labels), tuple(note for note, applies in notes.items() if applies)


def _with_references(recording: Recording) -> list[str]:
    """Return the names, with their references if the recording states several apart from the names."""
    stated = recording.references or ("",) * len(recording.channels)
    labels = read_labels(recording.channels)
    bare = [label is not None and label.electrode in ELECTRODES and not label.against for label in labels]
    several = len({text for text, is_bare in zip(stated, bare, strict=True) if is_bare}) > 1
    return [
        f"{name}-{text or 'REF'}" if several and is_bare else name
        for name, text, is_bare in zip(recording.channels, stated, bare, strict=True)
    ]


def _with_types(recording: Recording, names: Sequence[str]) -> list[str]:
    """Return the names, with their types in front where the names alone would mean another one."""
    kinds = recording.kinds or ("",) * len(names)
    found = []
    for name, kind, label in zip(names, kinds, read_labels(names), strict=True):
        if kind in HEART_KINDS:
            is_clear = label is not None and label.electrode == "EKG"
        else:
            is_clear = label is None or kind in SCALP_KINDS or kind_of(name) == kind
        found.append(name if is_clear or kind not in WORDS else f"{WORDS[kind]} {name}")
    return found


def _unique(label: str, taken: set[str]) -> str:
    """Return a label of voltages that fits and is not taken: shortened, and with a number if needed."""
    short, number = label[:LONGEST].strip(), 1
    while short in taken or short.lower() in NOT_VOLTAGES:
        number += 1
        short = f"{label[: LONGEST - 1 - len(str(number))].strip()}_{number}"
    return short


def _check(recording: Recording, read: Recording) -> None:
    """Refuse labels by which electrodes, their references, derivations or the heart would not be found again."""
    before, after = Channels.of(recording), Channels.of(read)
    rows = {edge.row for edge in before.electrodes}
    kept = [edge for edge in after.electrodes if edge.row in rows]
    same = [
        {edge[::2] for edge in before.electrodes} == {edge[::2] for edge in kept},
        _partition(before.electrodes) == _partition(kept),
        {*before.pairs} <= {*after.pairs},
        before.heart == after.heart,
    ]
    if after.doubled and not before.doubled:
        raise WriteError(
            f"{recording.name}: EDF cannot state why one of two channels is not used as an electrode: "
            f"{listed(after.doubled)}. Rename or leave out one of them"
        )
    if not all(same):
        names = [
            f"'{old}' as '{new}'" for old, new in zip(recording.channels, read.channels, strict=True) if old != new
        ]
        raise WriteError(
            f"{recording.name}: its channels would not be recognized by the labels that EDF can hold "
            f"({listed(names, SHOWN)}); allowed are {LONGEST} ASCII characters. Rename the channels first"
        )


def _partition(edges: Sequence[tuple[str, str, int]]) -> set[frozenset[int]]:
    """Return the rows of the electrodes that share a reference, for each reference."""
    by_reference: dict[str, set[int]] = {}
    for _, reference, row in edges:
        by_reference.setdefault(reference, set()).add(row)
    return {frozenset(rows) for rows in by_reference.values()}
