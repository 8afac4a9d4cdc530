"""What can be known of a recording before it is scored."""

from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any

import numpy as np

from ictal.errors import ElectrodeError, IctalError
from ictal.montage import CHAINS, ELECTRODES, MONTAGES, Derivation, derivations_of
from ictal.recording import Recording
from ictal.scoring.contract import Contract
from ictal.standardise import FLAT_S, MIN_RATE_HZ, check_unit, flat_runs, rows_of
from ictal.windows import CENTRE_S, CENTRE_SAMPLES, RATE_HZ, WINDOW_S, samples_needed, starts_of
from ictal.wiring import Wiring, bipolar_wiring, reference_notes, referential_electrodes, widest_wiring, wire

VIEWS: dict[str, tuple[Derivation, ...]] = {
    "8 long derivations (temporal)": derivations_of(MONTAGES["long_chains"]),
    "4 chains (spatial)": derivations_of(CHAINS),
    "double banana (symmetric, volume)": derivations_of(MONTAGES["double_banana"]),
}
"""What networks look at, and which of them."""


@dataclass(frozen=True)
class Info:
    """What is known of a recording.

    Attributes
    ----------
    name, start, span_s, duration_s, rate_hz, channels
        Of the file; `duration_s` is without gaps.
    kind
        'referential', 'bipolar', or 'unusable'.
    electrodes, missing, interpolated
        Those against a reference; those of the 19 that the file lacks; those that would be made of others.
    derivations
        Of a bipolar file: channels that are voltages between electrodes of the 10-20 system.
    ignored
        Channels that are not looked at.
    views
        By view, how many of its derivations can be had, and how many there are.
    amplitude_uv
        Median over the electrodes of their median deviation.
    flat
        Electrodes, of a bipolar file channels, that do not move in any of the stretches looked at.
    n_windows, window_s
        How many windows a step of 10 s gives, and how much of each is looked at: by the model, or 50 s.
    n_annotations, gaps, notes
        Of the file.
    problem
        Why the recording cannot be scored; '' if it can.
    """

    name: str
    start: datetime | None
    span_s: float
    duration_s: float
    rate_hz: float
    channels: tuple[str, ...]
    kind: str
    electrodes: tuple[str, ...]
    missing: tuple[str, ...]
    interpolated: tuple[str, ...]
    derivations: tuple[str, ...]
    ignored: tuple[str, ...]
    views: dict[str, tuple[int, int]]
    amplitude_uv: float | None
    flat: tuple[str, ...]
    n_windows: int
    window_s: float
    n_annotations: int
    gaps: tuple[tuple[float, float], ...]
    notes: tuple[str, ...]
    problem: str

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain values."""
        views = {name: {"formed": formed, "of": of} for name, (formed, of) in self.views.items()}
        return {**self.__dict__, "start": self.start.isoformat() if self.start else None, "views": views}


def describe(recording: Recording, contract: Contract | None = None, interpolate: int = 0) -> Info:
    """Say what a recording holds and whether it can be scored.

    Parameters
    ----------
    recording
        Any.
    contract
        Of the model that is to score it; None: any view will do.
    interpolate
        So many missing electrodes may be made of the others.
    """
    found: Wiring | None = None
    problem, seen_s = "", contract.seen_s if contract else WINDOW_S
    electrodes: tuple[str, ...] = ()
    try:
        electrodes = referential_electrodes(recording)
        found = _wire(recording, contract, interpolate)
    except ElectrodeError as error:
        problem = str(error).removeprefix(f"{recording.name}: ")
        found = bipolar_wiring(recording) or _of_several_references(recording)
    amplitude: float | None = None
    flat: tuple[str, ...] = ()
    if found and recording.n_samples:
        try:
            amplitude, flat = _amplitude(recording, found)
        except IctalError as error:
            problem = problem or str(error).removeprefix(f"{recording.name}: ")
    wanted = {
        name: (sum(found.forms(pair) for pair in pairs) if found else 0, len(pairs)) for name, pairs in VIEWS.items()
    }
    bipolar = found is not None and found.kind == "bipolar"
    names = [recording.channels[row] for row in _scalp_rows(found)] if found else []
    return Info(
        name=recording.name,
        start=recording.start,
        span_s=recording.span_s,
        duration_s=recording.duration_s,
        rate_hz=recording.rate_hz,
        channels=recording.channels,
        kind=found.kind if found else "unusable",
        electrodes=electrodes,
        missing=() if bipolar else tuple(name for name in ELECTRODES if name not in electrodes),
        interpolated=found.interpolated if found else (),
        derivations=tuple(names) if bipolar else (),
        ignored=found.ignored if found else recording.channels,
        views=wanted,
        amplitude_uv=amplitude,
        flat=flat,
        n_windows=(n_windows := _n_windows(recording, seen_s)),
        window_s=seen_s,
        n_annotations=len(recording.annotations),
        gaps=tuple((gap.start_s, gap.duration_s) for gap in recording.gaps),
        notes=(*recording.all_notes, *reference_notes(found)),
        problem=problem or _too_short_or_slow(recording, n_windows, seen_s),
    )


def _wire(recording: Recording, contract: Contract | None, interpolate: int) -> Wiring:
    """Wire for a model; where none is named, for the view that needs most and can be had."""
    if contract is not None:
        return wire(recording, contract.looks_at, interpolate)
    try:
        return wire(recording, None, interpolate)
    except ElectrodeError:
        for derivations in reversed(VIEWS.values()):
            try:
                return wire(recording, derivations, interpolate)
            except ElectrodeError:
                continue
        if bipolar_wiring(recording) is None:
            raise
        raise ElectrodeError("is bipolar, and of no network can all derivations be formed") from None


def _of_several_references(recording: Recording) -> Wiring | None:
    found = widest_wiring(recording)
    return found if found and found.mixed else None


def _scalp_rows(found: Wiring) -> list[int]:
    """Return the channels that electrodes are made of."""
    return [found.rows[column] for column in np.flatnonzero(found.matrix[: len(ELECTRODES)].any(axis=0))]


def _amplitude(recording: Recording, found: Wiring) -> tuple[float, tuple[str, ...]]:
    channels = rows_of(recording, found.rows)
    samples = found.apply(channels)
    check_unit(samples, recording.name)
    samples = samples[[ELECTRODES.index(name) for name in found.known]]
    centred = abs(samples - np.median(samples, axis=1, keepdims=True))
    names = [recording.channels[row] for row in found.rows] if found.kind == "bipolar" else found.known
    still = flat_runs(channels if found.kind == "bipolar" else samples, round(FLAT_S * recording.rate_hz)).all(axis=1)
    flat = tuple(names[row] for row in np.flatnonzero(still))
    return float(np.median(np.median(centred, axis=1))), flat


def _n_windows(recording: Recording, seen_s: float) -> int:
    if not recording.n_samples:
        return 0
    lengths = [ceil((part.stop - part.start) * RATE_HZ / recording.rate_hz) for part in recording.segments]
    found = sum(len(starts_of(length, CENTRE_SAMPLES, samples_needed(seen_s))) for length in lengths)
    return found or int(len(lengths) == 1 and lengths[0] >= CENTRE_SAMPLES)


def _too_short_or_slow(recording: Recording, n_windows: int, seen_s: float) -> str:
    if recording.rate_hz < MIN_RATE_HZ:
        return f"{recording.rate_hz:g} Hz is too slow; needed are {MIN_RATE_HZ} Hz"
    if not n_windows:
        return (
            f"lasts {recording.duration_s:g} s; needed are {seen_s:g} s without a gap, or one piece of {CENTRE_S} s"
        )
    return ""
