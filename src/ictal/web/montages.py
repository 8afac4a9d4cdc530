"""Clinical montages, derived from the channels of a recording."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ictal.core.montage import CHANNELS, ELECTRODES, MONTAGES, TRANSVERSE, Derivation, montage_matrix
from ictal.core.recording import Recording, Signal
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.channel_mapping import widest_mapping

BIPOLAR: dict[str, Mapping[str, tuple[Derivation, ...]]] = {
    "double banana": MONTAGES["double_banana"],
    "transverse": TRANSVERSE,
}
AVERAGE, REFERENTIAL, RECORDED = "average", "referential", "as recorded"
REGIONS = {
    "left": ("Fp1", "F3", "C3", "P3", "F7", "T3", "T5", "O1"),
    "midline": ("Fz", "Cz", "Pz"),
    "right": ("Fp2", "F4", "C4", "P4", "F8", "T4", "T6", "O2"),
}
LEAST = 0.5
"""A montage is offered if at least this share of its traces is available."""


@dataclass(frozen=True)
class Montage:
    """How traces are computed from channels.

    Attributes
    ----------
    names
        Names of the traces, from top to bottom.
    groups
        First trace of each chain, and the one after its last.
    channels
        Indices of the channels that are read.
    matrix
        Weights, [trace, channel].
    average
        Whether the mean of all available traces except the EKG is subtracted from each of them.
    """

    names: tuple[str, ...]
    groups: tuple[tuple[int, int], ...]
    channels: tuple[int, ...]
    matrix: npt.NDArray[np.float32]
    average: bool = False

    def apply(self, samples: Signal) -> Signal:
        """Return traces [trace, time] from channels [channel, time]; NaN where one of their channels is missing."""
        missing = np.isnan(samples)
        some = bool(missing.any())  # usually nothing is missing, which saves four passes over the page
        present = np.where(missing, np.float32(0), samples) if some else samples
        traces: Signal = self.matrix @ present
        if some:
            lost = ((self.matrix != 0).astype(np.float32) @ missing.astype(np.float32)) > 0
            traces[lost] = np.nan
        if self.average:
            scalp = [name != "EKG" for name in self.names]
            count = np.maximum((~lost[scalp]).sum(axis=0), 1) if some else sum(scalp)
            traces[scalp] -= np.nansum(traces[scalp], axis=0) / np.float32(count)
        return traces


def montages_of(recording: Recording) -> dict[str, Montage]:
    """Return the montages in which a recording can be shown, the most common one first.

    Traces with a missing channel are left out; a montage is not offered if more than half of its traces are missing.
    If electrodes have different references, there is no average montage, and 'referential' names each reference.
    'as recorded', with every channel as in the file, is always available.
    """
    mapping = widest_mapping(recording)
    found: dict[str, Montage] = {}
    if mapping is not None:
        for name, chains in BIPOLAR.items():
            formed = {chain: [pair for pair in pairs if mapping.forms(pair)] for chain, pairs in chains.items()}
            if _enough(formed, chains):
                found[name] = _made(mapping, formed)
        if mapping.kind == "referential" and len(mapping.known) >= LEAST * len(ELECTRODES):
            regions = {side: [name for name in names if name in mapping.known] for side, names in REGIONS.items()}
            if not mapping.mixed:
                found[AVERAGE] = _made(mapping, regions, average=True)
            found[REFERENTIAL] = _made(mapping, regions)
    return found | {RECORDED: _recorded(recording)}


def _enough(formed: Mapping[str, Sequence[Derivation]], wanted: Mapping[str, Sequence[Derivation]]) -> bool:
    return sum(map(len, formed.values())) >= LEAST * sum(map(len, wanted.values()))


def _made(
    mapping: ChannelMapping, groups: Mapping[str, Sequence[Derivation | str]], average: bool = False
) -> Montage:
    """Return a montage of derivations or electrodes in groups, with the EKG, if there is one, at the end."""
    parts = [list(part) for part in groups.values() if part]
    if mapping.matrix[CHANNELS.index("EKG")].any():
        parts.append(["EKG"])
    traces = [trace for part in parts for trace in part]
    weights = np.stack([_weights(trace) for trace in traces]) @ mapping.matrix.astype(np.float32)
    weights[abs(weights) < 1e-6] = 0
    return Montage(tuple(_name(trace, mapping) for trace in traces), _groups(parts), mapping.rows, weights, average)


def _name(trace: Derivation | str, mapping: ChannelMapping) -> str:
    """Return the name of a trace; if there are several references, with the reference of the electrode."""
    own = [each for each, group in zip(mapping.references, mapping.groups, strict=True) if trace in group]
    return f"{trace}-{own[0]}" if mapping.mixed and own and own[0] else str(trace)


def _weights(trace: Derivation | str) -> npt.NDArray[np.float32]:
    if isinstance(trace, Derivation):
        return np.asarray(montage_matrix((trace,))[0])
    return np.asarray(np.eye(len(CHANNELS), dtype=np.float32)[CHANNELS.index(trace)])


def _groups(parts: Sequence[Sequence[object]]) -> tuple[tuple[int, int], ...]:
    stops = np.cumsum([len(part) for part in parts]).tolist()
    return tuple(zip([0, *stops[:-1]], stops, strict=True))


def _recorded(recording: Recording) -> Montage:
    n_channels = len(recording.channels)
    rows = tuple(range(n_channels))
    return Montage(recording.channels, ((0, n_channels),), rows, np.eye(n_channels, dtype=np.float32))
