"""Channels that the pieces of one recording share: electrodes must agree, other channels may be missing in some."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ictal.core.channel_labels import ELECTRODES, read_labels
from ictal.core.recording import Recording
from ictal.errors import listed

SAME_RATE = 1e-9
"""Relative difference of rates that is floating-point error."""
UNKNOWN_LIMITS = (math.nan, math.nan)

Key = tuple[str, str, int]
"""A channel: electrode and reference, or its own name and '', and how many channels before it are the same."""


@dataclass(frozen=True)
class PieceChannels:
    """The channels of all pieces, as in `Recording`, and where each piece has them.

    Attributes
    ----------
    channels, kinds, references, limits_uv
        As in `Recording`.
    rows
        For each piece, the row of each channel.
    notes
        What is left out, or not known.
    problems
        Reasons why the pieces cannot be joined.
    """

    channels: tuple[str, ...]
    kinds: tuple[str, ...]
    references: tuple[str, ...]
    limits_uv: tuple[tuple[float, float], ...]
    rows: tuple[tuple[int, ...], ...]
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def common_channels(pieces: Sequence[Recording], names: Sequence[str]) -> PieceChannels:
    """Compare the channels of pieces, whose order may differ, and return those of the first that all have.

    All pieces must have the same electrodes of the 10-20 system, with the same references and types, and one rate.

    Parameters
    ----------
    pieces
        At least one, in the order of time.
    names
        Their names in messages.
    """
    keys = [_keys(piece) for piece in pieces]
    first, rows = pieces[0], [{key: row for row, key in enumerate(own)} for own in keys]
    shared = [key for key in keys[0] if all(key in own for own in rows)]
    at = tuple(tuple(own[key] for key in shared) for own in rows)
    kinds, mixed = _kinds(pieces, at, names)
    limits, notes = _limits(pieces, at)
    return PieceChannels(
        channels=tuple(first.channels[row] for row in at[0]),
        kinds=kinds,
        references=tuple(first.references[row] for row in at[0]) if first.references else (),
        limits_uv=limits,
        rows=at,
        notes=(*_left_out(pieces, rows, names), *notes),
        problems=(*_rates(pieces, names), *_electrodes(rows, names), *mixed),
    )


def _keys(piece: Recording) -> list[Key]:
    stated = piece.references or ("",) * len(piece.channels)
    found: list[Key] = []
    seen: dict[tuple[str, str], int] = defaultdict(int)
    for name, label, reference in zip(piece.channels, read_labels(piece.channels), stated, strict=True):
        known = (label.electrode, label.against or reference.upper()) if label else (name.strip().casefold(), "")
        found.append((*known, seen[known]))
        seen[known] += 1
    return found


def _is_scalp(key: Key) -> bool:
    """Return whether a channel is one of the 19 electrodes, or a voltage to one of them."""
    return bool({*key[:2]} & {*ELECTRODES})


def _differing(what: str, values: Mapping[str, str]) -> str:
    """Return a sentence that lists pieces by a value in which they differ."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name, value in values.items():
        groups[value].append(name)
    return f"{what} differ: {'; '.join(f'{value} in {listed(own, 3)}' for value, own in groups.items())}"


def _rates(pieces: Sequence[Recording], names: Sequence[str]) -> list[str]:
    rates = {name: piece.rate_hz for name, piece in zip(names, pieces, strict=True)}
    if all(math.isclose(rate_hz, pieces[0].rate_hz, rel_tol=SAME_RATE) for rate_hz in rates.values()):
        return []
    return [_differing("sampling rates", {name: f"{rate_hz:.10g} Hz" for name, rate_hz in rates.items()})]


def _electrodes(rows: Sequence[Mapping[Key, int]], names: Sequence[str]) -> list[str]:
    """Return which piece lacks which electrodes or derivations, and which references differ."""
    problems, owns = (
        [],
        dict(zip(names, (dict(map(_electrode, filter(_is_scalp, own))) for own in rows), strict=True)),
    )
    every = dict.fromkeys(electrode for own in owns.values() for electrode in own)
    for name, own in owns.items():
        if lost := [electrode for electrode in every if electrode not in own]:
            problems.append(f"{name} lacks {listed(lost, 19)}")
    mixed = [name for name in every if len({own[name] for own in owns.values() if name in own}) > 1]
    if mixed:
        values = {name: own[mixed[0]] or "unknown" for name, own in owns.items() if mixed[0] in own}
        problems.append(_differing(f"references of {listed(mixed, 19)}", values))
    return problems


def _electrode(key: Key) -> tuple[str, str]:
    """Return an electrode and its reference, or a derivation and ''."""
    return (f"{key[0]}-{key[1]}", "") if key[1] in ELECTRODES else (key[0], key[1])


def _kinds(
    pieces: Sequence[Recording], rows: Sequence[Sequence[int]], names: Sequence[str]
) -> tuple[tuple[str, ...], list[str]]:
    """Return the type of each channel, and a problem for each channel whose types differ."""
    kinds, problems = [], []
    for place, row in enumerate(rows[0]):
        stated = {
            name: piece.kinds[own[place]]
            for name, piece, own in zip(names, pieces, rows, strict=True)
            if piece.kinds and piece.kinds[own[place]]
        }
        if len({*stated.values()}) > 1:
            problems.append(_differing(f"types of {pieces[0].channels[row]}", stated))
        kinds.append(next(iter(stated.values()), ""))
    return tuple(kinds) if any(kinds) else (), problems


def _limits(
    pieces: Sequence[Recording], rows: Sequence[Sequence[int]]
) -> tuple[tuple[tuple[float, float], ...], list[str]]:
    """Return the limits of each channel, and a note if they are unknown because pieces differ."""
    if not all(piece.limits_uv for piece in pieces):
        return (), []
    limits = [
        {piece.limits_uv[own[place]] for piece, own in zip(pieces, rows, strict=True)}
        for place in range(len(rows[0]))
    ]
    several = [pieces[0].channels[row] for row, own in zip(rows[0], limits, strict=True) if len(own) > 1]
    found = tuple(next(iter(own)) if len(own) == 1 else UNKNOWN_LIMITS for own in limits)
    if not several:
        return found, []
    return found, [f"clipped samples are not marked in {listed(several)}, since the limits of their pieces differ"]


def _left_out(pieces: Sequence[Recording], rows: Sequence[Mapping[Key, int]], names: Sequence[str]) -> list[str]:
    """Return a note on the channels that some pieces lack."""
    named = {key: piece.channels[row] for piece, own in zip(pieces, rows, strict=True) for key, row in own.items()}
    lost = {
        channel: listed((name for name, own in zip(names, rows, strict=True) if key not in own), 3)
        for key, channel in named.items()
        if not all(key in own for own in rows)
    }
    said = listed(f"{channel} (not in {where})" for channel, where in lost.items())
    return [f"left out because some pieces lack them: {said}"] if lost else []
