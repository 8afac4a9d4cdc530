"""Score a recording: from a file or an MNE object to scores over time.

The steps are: a recording is opened, its channels are mapped to electrodes, and its gapless runs are divided
into chunks of windows. Each chunk is read, standardised, described (quality, spectra) and given to an engine, which
returns probabilities; patterns are measured afterwards. While this is done for one chunk, the next one is with the
engine, and the one after that is read. Memory does not grow with the length of the recording.
"""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field, field_validator

from ictal import __version__
from ictal.core.ahead import one_ahead
from ictal.core.blas import one_blas_thread
from ictal.core.labels import PATTERNS, unknown_patterns
from ictal.core.montage import ELECTRODES
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.progress import Progress, silent
from ictal.core.recording import Recording
from ictal.core.settings import Settings
from ictal.core.windows import (
    BEFORE_SAMPLES,
    CENTRE_S,
    CENTRE_SAMPLES,
    RATE_HZ,
    WINDOW_S,
    WINDOW_SAMPLES,
    Geometry,
    pad_window,
)
from ictal.errors import ReadError, RecipeError, UnknownNameError
from ictal.io import as_recording
from ictal.measurement.background import CONTEXT_S
from ictal.measurement.columns import measured_columns
from ictal.measurement.signal import MeasuredSignal, measured_signal
from ictal.models.hub import find_model
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.channel_mapping import map_channels
from ictal.preprocessing.model_windows import contexts_at
from ictal.preprocessing.runs import RecordedRun, check_unit, recorded_runs, sample_of
from ictal.preprocessing.settings import Marks
from ictal.scoring.background import EVENT_PROBABILITIES, PATTERN_FROM
from ictal.scoring.engines import ENGINES, Engine, EngineName, WindowBatch, open_engine
from ictal.scoring.events import EVENT_PATTERNS
from ictal.scoring.export_contract import ScoringContract
from ictal.scoring.quality import FRAME, QualitySettings
from ictal.scoring.recording_info import too_short
from ictal.scoring.scored_recording import RecordingInfo
from ictal.scoring.scores import COLUMNS, Scores, spread_of
from ictal.scoring.window_rows import describe_windows

STEP_UNIT_S = 0.5
"""Steps are multiples of this, so that the frames of every network can be shared."""
FIRST_WINDOWS, WINDOWS = 8, 96
"""Windows of the first chunk, so that first scores come soon, and of every other."""
ALIGNED_WINDOWS = 4
"""Each chunk has a multiple of this number of windows, so that it begins at a whole frame of 2 s with any step."""

MEASURED_AROUND = CONTEXT_S * RATE_HZ
"""Samples around a chunk that its measurements take into account."""

OnScores = Callable[[pd.DataFrame], None]
"""Called with the rows of each chunk as soon as it is scored."""
Probabilities = npt.NDArray[np.float64]


class ScoreSettings(Settings):
    """How a recording is scored.

    Attributes
    ----------
    step_s
        Seconds from one window to the next, a multiple of 0.5 from 0.5 to 50. The scores of a window always concern
        10 s, even if the model sees more.
    engine, threads
        See `ictal.scoring.engines.open_engine`; they have no effect if an engine is given in place of a model.
    interpolate
        At most this many missing electrodes are interpolated from the others; by default, none.
    mask
        Whether electrodes that are flat or noisy for a while are interpolated in that time, as in training; see
        `StandardiseSettings.max_masked`.
    quality
        Which windows get no prediction; None: the defaults.
    accept_doubtful
        See `ictal.read`.
    """

    step_s: float = Field(float(CENTRE_S), allow_inf_nan=True)
    engine: EngineName = "auto"
    threads: int | None = Field(None, ge=1)
    interpolate: int = Field(0, ge=0)
    mask: bool = True
    quality: QualitySettings = QualitySettings()
    accept_doubtful: bool = False

    @field_validator("step_s")
    @classmethod
    def _step_is_possible(cls, step_s: float) -> float:
        if not STEP_UNIT_S <= step_s <= WINDOW_S or step_s % STEP_UNIT_S:
            allowed = f"multiples of {STEP_UNIT_S:g} from {STEP_UNIT_S:g} to {WINDOW_S}"
            raise RecipeError(f"the step is {step_s:g} s; allowed are {allowed}")
        return step_s

    @field_validator("engine", mode="before")
    @classmethod
    def _engine_is_known(cls, engine: object) -> object:
        if engine not in ENGINES:
            raise UnknownNameError("engine", engine, ENGINES)
        return engine

    @field_validator("quality", mode="before")
    @classmethod
    def _quality_has_defaults(cls, quality: object) -> object:
        return QualitySettings() if quality is None else quality


def score(
    recording: str | Path | Recording | Any,
    model: str | Path | Engine = "default",
    settings: ScoreSettings = ScoreSettings(),  # noqa: B008 (frozen)
    *,
    progress: Progress = silent,
    on_scores: OnScores | None = None,
    **changes: Any,
) -> Scores:
    """Score a whole recording.

    Parameters
    ----------
    recording
        A path (see `ictal.read`), a `Recording`, or an `mne.io.Raw`.
    model
        Folder of a model, its name (also 'hf://OWNER/NAME' on the Hub), or an engine from `open_engine`.
    settings
        How it is scored.
    progress
        Called with the seconds that are scored.
    on_scores
        Called with the rows of each chunk as soon as it is scored.
    **changes
        Single fields of `ScoreSettings` to change, such as `step_s=2`.

    Returns
    -------
    Scores
        For research. Not for diagnosis or treatment.

    Raises
    ------
    IctalError
        If the file cannot be read, lacks what the model needs, or is too short.
    """
    started, settings = time.perf_counter(), settings.changed(changes)
    opened = as_recording(recording, accept_doubtful=settings.accept_doubtful)
    engine, contract = engine_for(model, settings)
    mapping = map_channels(opened, contract.needs.derivations, settings.interpolate)
    runs = recorded_runs(opened, mapping, contract.standardise.fill)
    check_unit(sample_of(opened, mapping), opened.name)
    geometry = Geometry(contract.seen_s, contract.standardise.short)
    chunks = plan_chunks(runs, round(settings.step_s * RATE_HZ), geometry)
    if not chunks:
        raise ReadError(f"{opened.name}: {too_short(opened, geometry)}")
    done_s, parts, masks, first_s = list(accumulate(chunk.seconds for chunk in chunks)), [], [], 0.0
    with closing(_scored(chunks, engine, contract, settings.quality)) as scored:
        for so_far_s, (rows, mask) in zip(done_s, scored, strict=True):
            masks.append(mask)
            parts.append(rows)
            first_s = first_s or time.perf_counter() - started
            progress("scoring", so_far_s, done_s[-1])
            if on_scores:
                on_scores(rows)
    frame, masked = pd.concat(parts, ignore_index=True), np.concatenate(masks)
    notes = [*unknown_patterns(contract.patterns), *_notes(mapping, runs, frame, geometry, masked)]
    info = RecordingInfo.of(opened, mapping, notes)
    seconds = {"first_scores": round(first_s, 2), "all": round(time.perf_counter() - started, 2)}
    return Scores(frame, info, manifest_of(engine, contract, settings) | {"seconds": seconds})


def engine_for(model: str | Path | Engine, settings: ScoreSettings) -> tuple[Engine, ScoringContract]:
    """Return an engine, and its contract with or without masking."""
    if isinstance(model, str | Path):
        model = open_engine(find_model(model), settings.engine, settings.threads)
    engine = model.for_recording()
    if settings.mask:
        return engine, engine.contract
    standardise = engine.contract.standardise.model_copy(update={"max_masked": 0})
    return engine, engine.contract.model_copy(update={"standardise": standardise})


@dataclass(frozen=True)
class ChunkExcerpt:
    """What is read of a recording for a chunk.

    Attributes
    ----------
    batch
        The windows as an engine takes them.
    rows
        Their times, quality and spectra, see `describe_windows`.
    masked
        Which electrodes are masked for a part of what the model sees, [window, electrode].
    signal
        The EEG on which patterns and background are measured, from `measured_from` on.
    measured_from
        Its first sample in the run, at 200 Hz.
    """

    batch: WindowBatch
    rows: pd.DataFrame
    masked: npt.NDArray[np.bool_]
    signal: MeasuredSignal
    measured_from: int


@dataclass(frozen=True)
class Chunk:
    """Consecutive windows of one run, which are read and scored together.

    Attributes
    ----------
    run
        Of the recording.
    starts
        First sample of each window in the run, at 200 Hz. The first may be negative, and the last window may end
        after the run, if the model does not see the missing samples.
    geometry
        What the model sees of each window.
    step
        Samples from one window of the run to the next.
    """

    run: RecordedRun
    starts: tuple[int, ...]
    geometry: Geometry
    step: int

    @property
    def seconds(self) -> float:
        """By how much the windows advance in the recording."""
        return len(self.starts) * self.step / RATE_HZ

    @property
    def offset(self) -> int:
        """First sample of the run that is read."""
        return max(0, self.starts[0] + self.geometry.unseen)

    def read(self, contract: ScoringContract, quality: QualitySettings) -> ChunkExcerpt:
        """Return what the chunk needs of its recording, and describe its windows."""
        geometry, first, settings = self.geometry, self.starts[0], contract.standardise
        # Up to the end of a frame: otherwise the quality of the last window would lack its last half second.
        end = -(-(self.starts[-1] + WINDOW_SAMPLES - geometry.unseen) // FRAME) * FRAME
        stop = min(end, self.run.n_samples)
        standardised, wide = self.run.standardised(self.offset, stop, settings, MEASURED_AROUND)
        measured_from = max(0, self.offset - MEASURED_AROUND)
        plain = wide.cut(self.offset - measured_from, stop - measured_from)
        places, onset_s = [start - self.offset for start in self.starts], self.run.onset_s + self.offset / RATE_HZ
        rows = describe_windows(plain, self.run.mapping, places, onset_s, geometry, quality)
        contexts = contexts_at(self.run, self.starts, settings.max_missing) if contract.sees_context else None
        if geometry.n_padded(self.run):
            signal = pad_window(standardised.signal, first - self.offset, geometry.short)
        else:
            signal = np.pad(standardised.signal, ((0, 0), (geometry.unseen, geometry.unseen)))
        seen = (max(0, start + geometry.unseen - self.offset) for start in self.starts)
        parts = (standardised.masked[: len(ELECTRODES), begin : begin + geometry.needed] for begin in seen)
        masked = np.array([part.any(axis=1) for part in parts])
        batch = WindowBatch(signal, [start - first for start in self.starts], contexts)
        return ChunkExcerpt(batch, rows, masked, measured_signal(wide, self.run.mapping), measured_from)

    def to_measure(self, rows: pd.DataFrame) -> list[str | None]:
        """Return the pattern that is measured in each window, given its rows, see `measured_columns`.

        It is the most probable one. Only windows whose centres do not overlap are measured.
        """
        every = -(-CENTRE_SAMPLES // self.step)
        probabilities = rows[list(EVENT_PROBABILITIES)].to_numpy(dtype=np.float64)
        leading = np.nan_to_num(probabilities, nan=-1.0)
        chosen: list[str | None] = []
        for start, reason, row in zip(self.starts, rows["reason"], leading, strict=True):
            if reason or max(0, start + self.geometry.unseen) // self.step % every:
                chosen.append(None)
            else:
                chosen.append(EVENT_PATTERNS[row.argmax()] if row.max() >= PATTERN_FROM else "")
        return chosen


def plan_chunks(runs: Sequence[RecordedRun], step: int, geometry: Geometry) -> list[Chunk]:
    """Divide the windows of all runs into chunks, the first of them small.

    No chunk lasts longer than at a step of 10 s, so that memory is bounded.
    """
    fewer = max(step / CENTRE_SAMPLES, 1)
    found: list[Chunk] = []
    for run, starts in zip(runs, geometry.starts(runs, step), strict=True):
        while starts:
            wanted = int((WINDOWS if found else FIRST_WINDOWS) / fewer)
            size = max(1, wanted // ALIGNED_WINDOWS) * ALIGNED_WINDOWS
            found.append(Chunk(run, tuple(starts[:size]), geometry, step))
            starts = starts[size:]
    return found


def _scored(
    chunks: Sequence[Chunk], engine: Engine, contract: ScoringContract, quality: QualitySettings
) -> Generator[tuple[pd.DataFrame, Marks], None, None]:
    """Yield the rows of each chunk, and which electrodes are masked in them, [window, electrode]."""
    with (
        one_blas_thread(),  # what is done at once already keeps the CPUs busy
        closing(one_ahead(chunk.read(contract, quality) for chunk in chunks)) as excerpts,
        closing(one_ahead((excerpt, engine(excerpt.batch).probabilities) for excerpt in excerpts)) as predicted,
    ):
        for chunk, (excerpt, found) in zip(chunks, predicted, strict=True):
            yield rows_of_chunk(chunk, excerpt, found, contract), excerpt.masked


def rows_of_chunk(
    chunk: Chunk, excerpt: ChunkExcerpt, found: Probabilities, contract: ScoringContract
) -> pd.DataFrame:
    """Return the rows of the windows of a chunk; those of too low quality get no prediction."""
    rows = excerpt.rows.assign(made_up_s=chunk.geometry.n_padded(chunk.run) / RATE_HZ)
    rows[list(PROBABILITY_COLUMNS)] = np.where((rows["reason"] == "").to_numpy()[:, None], found, np.nan)
    rows[[f"{name}_probability" for name in PATTERNS if name not in contract.patterns]] = np.nan
    rows["spread"] = spread_of(rows)
    starts_s = [(start + BEFORE_SAMPLES - excerpt.measured_from) / RATE_HZ for start in chunk.starts]
    measured = pd.DataFrame(measured_columns(excerpt.signal, starts_s, chunk.to_measure(rows)))
    return pd.concat([rows, measured], axis=1)[list(COLUMNS)]


def _notes(
    mapping: ChannelMapping,
    runs: Sequence[RecordedRun],
    frame: pd.DataFrame,
    geometry: Geometry,
    masked: npt.NDArray[np.bool_],
) -> list[str]:
    """List what was not scored, and what was changed before scoring, given what is masked, [window, electrode]."""
    notes = []
    if mapping.interpolated:
        notes.append(f"interpolated from other electrodes by spherical splines: {', '.join(mapping.interpolated)}")
    short = [run for run in runs if geometry.n_padded(run)]
    if short and len(runs) > 1:
        seconds = sum(run.n_samples for run in short) / RATE_HZ
        plural = "" if len(short) == 1 else "s"
        notes.append(f"too short to be scored: {len(short)} run{plural} between gaps, {seconds:.0f} s in all")
    filled_s = float(frame["made_up_s"].max())
    if filled_s:
        notes.append(f"shorter than {geometry.seen_s:g} s: {filled_s:g} s of the model's input are filled in")
    refused = int((frame["reason"] != "").sum())
    if refused:
        notes.append(f"{refused} of {len(frame)} windows have no prediction because of low quality")
    counts = zip(ELECTRODES, masked.sum(axis=0), strict=True)
    if found := [f"{name} in {n} window{'' if n == 1 else 's'}" for name, n in counts if n]:
        notes.append(f"flat or noisy, and interpolated from the other electrodes: {', '.join(found)}")
    return notes


def manifest_of(engine: Engine, contract: ScoringContract, settings: ScoreSettings) -> dict[str, Any]:
    """Return how scores are made: versions, model and settings."""
    return {
        "ictal_version": __version__,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": {
            "name": contract.name,
            "hub": contract.hub,
            "arm": contract.arm,
            "weights_sha256": contract.weights_sha256,
            "derivations": list(contract.derivations),
            "seen_s": contract.seen_s,
            "patterns": list(contract.patterns),
            "trained_on": contract.data,
        },
        "engine": dict(engine.described),
        "settings": {
            "step_s": settings.step_s,
            "interpolate": settings.interpolate,
            "quality": settings.quality.model_dump(mode="json"),
            "standardise": contract.standardise.model_dump(mode="json"),
        },
        "numpy_version": np.__version__,
        "warnings": list(contract.warnings),
    }
