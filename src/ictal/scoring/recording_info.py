"""Describe a recording before it is scored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ictal.core.montage import CHAINS, ELECTRODES, MONTAGES, Derivation, derivations_of
from ictal.core.recording import Recording
from ictal.core.summary_table import SummaryTable
from ictal.core.windows import CENTRE_S, CENTRE_SAMPLES, RATE_HZ, Geometry
from ictal.errors import ElectrodeError, IctalError
from ictal.io import as_recording
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.channel_mapping import (
    bipolar_mapping,
    map_channels,
    reference_notes,
    referential_electrodes,
    widest_mapping,
)
from ictal.preprocessing.filtering import flat_runs
from ictal.preprocessing.runs import check_unit, rows_of, run_extents
from ictal.preprocessing.settings import FLAT_S, MIN_RATE_HZ
from ictal.scoring.export_contract import Input, read_input

VIEWS: dict[str, tuple[Derivation, ...]] = {
    "8 long derivations (temporal)": derivations_of(MONTAGES["long_chains"]),
    "4 chains (spatial)": derivations_of(CHAINS),
    "double banana (symmetric, volume)": derivations_of(MONTAGES["double_banana"]),
}
"""The views of networks, by name."""
DEFAULT = "default"
"""The model that scores by default."""
FEW = 4
"""No hint suggests interpolating more electrodes than this."""


@dataclass(frozen=True)
class Info:
    """What is known about a recording.

    Attributes
    ----------
    name, start, span_s, duration_s, rate_hz, channels
        Of the file; `duration_s` is without gaps.
    kind
        'referential', 'bipolar', or 'unusable'.
    electrodes, missing, interpolated
        Those against a reference; those of the 19 that the file lacks; those that would be interpolated.
    derivations
        Of a bipolar file: channels that are voltages between electrodes of the 10-20 system.
    ignored
        Channels that are not used.
    views
        For each view, how many of its derivations can be formed, and how many it has.
    amplitude_uv
        Median over the electrodes of their median deviation.
    flat
        Electrodes (in a bipolar file, channels) that are constant in all excerpts that were checked.
    model
        The model that would score it.
    n_windows, window_s
        How many windows a step of 10 s gives, and how much of each the model sees.
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
    model: str
    n_windows: int
    window_s: float
    n_annotations: int
    gaps: tuple[tuple[float, float], ...]
    notes: tuple[str, ...]
    problem: str

    def _repr_html_(self) -> str:
        formed = (f"{name}: {formed} of {of}" for name, (formed, of) in self.views.items())
        known = {
            "start": str(self.start or "unknown"),
            "hours": f"{self.span_s / 3600:.2f}",
            "channels": f"{len(self.channels)} at {self.rate_hz:g} Hz",
            "derivations": ", ".join(self.derivations),
            "electrodes": ", ".join(self.electrodes),
            "missing": ", ".join(self.missing),
            "interpolated": ", ".join(self.interpolated),
            "derivations that can be formed": "\n".join(formed),
            "median amplitude": "" if self.amplitude_uv is None else f"{self.amplitude_uv:.3g} µV",
            "flat": ", ".join(self.flat),
            "gaps": str(len(self.gaps)),
            "annotations": str(self.n_annotations),
            "notes": "\n".join(self.notes),
            f"model '{self.model}'": self.problem or f"can score it: {self.n_windows} windows",
        }
        rows = tuple((name, text) for name, text in known.items() if text)
        return SummaryTable(("recording", self.name), rows, numbers=False).to_html()

    def to_json(self) -> dict[str, Any]:
        """Return the same as plain values."""
        views = {name: {"formed": formed, "of": of} for name, (formed, of) in self.views.items()}
        return {**self.__dict__, "start": self.start.isoformat() if self.start else None, "views": views}


def describe(recording: Recording, contract: Input | None = None, interpolate: int = 0) -> Info:
    """Describe a recording and whether it can be scored.

    Parameters
    ----------
    recording
        Any recording.
    contract
        Of the model that is to score it; None: the default model.
    interpolate
        At most this many missing electrodes are interpolated from the others.
    """
    model = contract or read_input(DEFAULT)
    geometry = model.needs.geometry(model.standardise.short)
    electrodes, found, problem = _mapped(recording, model, interpolate)
    amplitude: float | None = None
    flat: tuple[str, ...] = ()
    if found and recording.n_samples:
        try:
            amplitude, flat = _amplitude(recording, found)
        except IctalError as error:
            problem = problem or _without_name(error, recording)
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
        views={name: (sum(map(found.forms, pairs)) if found else 0, len(pairs)) for name, pairs in VIEWS.items()},
        amplitude_uv=amplitude,
        flat=flat,
        model=model.name,
        n_windows=n_windows(recording, geometry),
        window_s=model.seen_s,
        n_annotations=len(recording.annotations),
        gaps=tuple((gap.start_s, gap.duration_s) for gap in recording.gaps),
        notes=(*recording.all_notes, *reference_notes(found)),
        problem=problem or _too_slow_or_short(recording, geometry),
    )


def info(
    recording: "str | Path | Recording | Any",
    model: str | Path | Input = DEFAULT,
    interpolate: int = 0,
    *,
    accept_doubtful: bool = False,
) -> Info:
    """Describe a recording, and say whether a model can score it, before any scoring.

    Parameters
    ----------
    recording
        A path (see `ictal.read`), a `Recording`, or an `mne.io.Raw`.
    model
        Folder of a model, its name, or its contract.
    interpolate
        How many missing electrodes may be interpolated from the others.
    accept_doubtful
        See `ictal.read`.

    Raises
    ------
    IctalError
        If the file cannot be read, or there is no such model.
    """
    contract = model if isinstance(model, Input) else read_input(model)
    return describe(as_recording(recording, accept_doubtful=accept_doubtful), contract, interpolate)


def _mapped(
    recording: Recording, model: Input, interpolate: int
) -> tuple[tuple[str, ...], ChannelMapping | None, str]:
    """Return the electrodes against a reference, the mapping of the channels, and why it does not suit the model."""
    electrodes: tuple[str, ...] = ()
    try:
        electrodes = referential_electrodes(recording)
        return electrodes, map_channels(recording, model.needs.derivations, interpolate), ""
    except ElectrodeError as error:
        problem = _without_name(error, recording) + _hint(recording, model, interpolate)
    found = (
        bipolar_mapping(recording) or _of_several_references(recording) or _electrodes_alone(recording, electrodes)
    )
    return electrodes, found, problem


def _without_name(error: IctalError, recording: Recording) -> str:
    return str(error).removeprefix(f"{recording.name}: ")


def _electrodes_alone(recording: Recording, electrodes: Sequence[str]) -> ChannelMapping | None:
    """Return the mapping of the electrodes of a recording that lacks some; None for fewer than two."""
    try:
        return (
            map_channels(recording, [Derivation(*pair) for pair in pairwise(electrodes)])
            if len(electrodes) > 1
            else None
        )
    except ElectrodeError:
        return None


def _hint(recording: Recording, model: Input, interpolate: int) -> str:
    """State how many electrodes must be interpolated to make scoring possible; '' if that does not help."""
    for more in range(interpolate + 1, FEW + 1):
        try:
            map_channels(recording, model.needs.derivations, more)
        except ElectrodeError:
            continue
        return f"; with --interpolate {more} it can be scored"
    return ""


def _of_several_references(recording: Recording) -> ChannelMapping | None:
    found = widest_mapping(recording)
    return found if found and found.mixed else None


def _scalp_rows(found: ChannelMapping) -> list[int]:
    """Return the channels from which electrodes are formed."""
    return [found.rows[column] for column in np.flatnonzero(found.matrix[: len(ELECTRODES)].any(axis=0))]


def _amplitude(recording: Recording, found: ChannelMapping) -> tuple[float, tuple[str, ...]]:
    channels = rows_of(recording, found.rows)
    samples = found.apply(channels)
    check_unit(samples, recording.name)
    samples = samples[[ELECTRODES.index(name) for name in found.known]]
    centred = abs(samples - np.median(samples, axis=1, keepdims=True))
    names = [recording.channels[row] for row in found.rows] if found.kind == "bipolar" else found.known
    still = flat_runs(channels if found.kind == "bipolar" else samples, round(FLAT_S * recording.rate_hz)).all(axis=1)
    flat = tuple(names[row] for row in np.flatnonzero(still))
    return float(np.median(np.median(centred, axis=1))), flat


def _too_slow_or_short(recording: Recording, geometry: Geometry) -> str:
    if recording.rate_hz < MIN_RATE_HZ:
        return f"{recording.rate_hz:g} Hz is too slow; at least {MIN_RATE_HZ} Hz are needed"
    return "" if n_windows(recording, geometry) else too_short(recording, geometry)


def n_windows(recording: Recording, geometry: Geometry) -> int:
    """Return how many windows a step of 10 s gives."""
    return sum(len(starts) for starts in geometry.starts(run_extents(recording), CENTRE_SAMPLES))


def too_short(recording: Recording, geometry: Geometry) -> str:
    """Return why a recording has no window."""
    needed_s, n_runs = geometry.needed / RATE_HZ, len(recording.runs)
    in_runs = "" if n_runs == 1 else f" in {n_runs} runs"
    completed = (
        f"; a recording without gaps needs only {CENTRE_S} s"
        if geometry.short != "refuse" and needed_s > CENTRE_S
        else ""
    )
    return f"lasts {recording.duration_s:g} s{in_runs}; needed are {needed_s:g} s without a gap{completed}"
