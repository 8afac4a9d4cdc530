"""Score a recording: from a file, or what MNE read, to scores over time."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ictal import __version__
from ictal.core.progress import Progress, silent
from ictal.core.recording import Recording
from ictal.core.windows import CENTRE_S, RATE_HZ, WINDOW_S, Geometry
from ictal.errors import ReadError, RecipeError
from ictal.io import open_recording
from ictal.io.mne_reader import from_raw
from ictal.models.hub import find_model
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.channel_mapping import map_channels
from ictal.preprocessing.runs import Stretch, stretches
from ictal.preprocessing.voltage_check import check_unit, sample_of
from ictal.scoring.chunks import ahead, load, plans, score_piece
from ictal.scoring.engine import Engine, EngineName, open_engine
from ictal.scoring.quality import QualitySettings
from ictal.scoring.recording_info import too_short
from ictal.scoring.scores import RecordingInfo, Scores

STEP_UNIT_S = 0.5
"""Steps are multiples of this, so that the frames of every network can be shared."""

OnScores = Callable[[pd.DataFrame], None]
"""Told about each piece's rows as soon as they are there."""


def score(
    recording: "str | Path | Recording | Any",
    model: str | Path | Engine = "default",
    *,
    step_s: float = CENTRE_S,
    engine: EngineName = "auto",
    interpolate: int = 0,
    quality: QualitySettings | None = None,
    threads: int | None = None,
    progress: Progress = silent,
    on_scores: OnScores | None = None,
    accept_doubtful: bool = False,
) -> Scores:
    """Score a whole recording.

    Parameters
    ----------
    recording
        A path (see `ictal.read`), a `Recording`, or an `mne.io.Raw`.
    model
        Folder of a model, its name, or an engine that `open_engine` gave.
    step_s
        Seconds from one window to the next, a multiple of 0.5 from 0.5 to 50. The scores of a window concern 10 s;
        how much the model sees around them is its own affair.
    engine, threads
        See `ictal.scoring.engine.open_engine`.
    interpolate
        So many missing electrodes may be made of the others; it is refused by default.
    quality
        Which windows get no prediction.
    progress
        Told the seconds that are scored.
    on_scores
        Told about rows as they come.
    accept_doubtful
        See `ictal.read`.

    Returns
    -------
    Scores
        For research. Not for diagnosis or treatment.

    Raises
    ------
    IctalError
        If the file cannot be read, lacks what the model looks at, or is too short.
    """
    begun = time.perf_counter()
    _check_step(step_s)
    quality = quality or QualitySettings()
    opened = _opened(recording, accept_doubtful=accept_doubtful)
    running = open_engine(find_model(model), engine, threads) if isinstance(model, str | Path) else model
    contract = running.contract
    mapping = map_channels(opened, contract.looks_at, interpolate)
    pieces = list(stretches(opened, mapping, contract.standardise.fill))
    check_unit(sample_of(opened, mapping), opened.name)
    geometry = contract.needs.geometry(contract.standardise.short)
    planned = plans(pieces, round(step_s * RATE_HZ), geometry)
    if not planned:
        raise ReadError(f"{opened.name}: {too_short(opened, geometry)}")
    total, done, parts, first_s = sum(plan.seconds for plan in planned), 0.0, [], 0.0
    makers = [
        partial(load, plan, contract.standardise, quality, sees_context=contract.sees_context) for plan in planned
    ]
    with ahead(makers) as loaded:
        for number, piece in enumerate(loaded):
            parts.append(score_piece(piece, running))
            first_s = first_s or time.perf_counter() - begun
            done += planned[number].seconds
            progress("scoring", done, total)
            if on_scores:
                on_scores(parts[-1])
    frame = pd.concat(parts, ignore_index=True)
    notes = _notes(mapping, pieces, frame, geometry)
    manifest = _manifest(running, step_s, interpolate, quality)
    manifest["seconds"] = {"first_scores": round(first_s, 2), "all": round(time.perf_counter() - begun, 2)}
    return Scores(frame, RecordingInfo.of(opened, mapping, notes), manifest)


def _check_step(step_s: float) -> None:
    if not STEP_UNIT_S <= step_s <= WINDOW_S or step_s % STEP_UNIT_S:
        raise RecipeError(
            f"the step is {step_s:g} s; allowed are multiples of {STEP_UNIT_S:g} from {STEP_UNIT_S:g} to {WINDOW_S}"
        )


def _opened(recording: Any, *, accept_doubtful: bool) -> Recording:
    if isinstance(recording, str | Path):
        return open_recording(recording, accept_doubtful=accept_doubtful)
    opened = recording if isinstance(recording, Recording) else from_raw(recording)
    return opened.resolve_doubts(accept_doubtful=accept_doubtful)


def _notes(mapping: ChannelMapping, pieces: Sequence[Stretch], frame: pd.DataFrame, geometry: Geometry) -> list[str]:
    """Say what was not scored, or not as it stands in the file."""
    notes = []
    if mapping.interpolated:
        notes.append(f"made of other electrodes by spherical splines: {', '.join(mapping.interpolated)}")
    short = [piece for piece in pieces if geometry.n_padded(piece)]
    if short and len(pieces) > 1:
        seconds = sum(piece.n_samples for piece in short) / RATE_HZ
        notes.append(f"{len(short)} pieces of {seconds:.0f} s in all, between gaps, are too short to be scored")
    made_up = float(frame["made_up_s"].max())
    if made_up:
        notes.append(f"shorter than {geometry.seen_s:g} s: {made_up:g} s of what the model sees are made up")
    refused = int((frame["reason"] != "").sum())
    if refused:
        notes.append(f"{refused} of {len(frame)} windows have no prediction, for lack of quality")
    return notes


def _manifest(engine: Engine, step_s: float, interpolate: int, quality: QualitySettings) -> dict[str, Any]:
    contract = engine.contract
    return {
        "ictal_version": __version__,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": {
            "name": engine.contract.name,
            "arm": contract.arm,
            "weights_sha256": contract.weights_sha256,
            "derivations": list(contract.derivations),
            "seen_s": contract.seen_s,
            "trained_on": contract.data,
        },
        "engine": dict(engine.described),
        "settings": {
            "step_s": step_s,
            "interpolate": interpolate,
            "quality": quality.model_dump(mode="json"),
            "standardise": contract.standardise.model_dump(mode="json"),
        },
        "numpy_version": np.__version__,
        "warnings": list(contract.warnings),
    }
