"""Score files and write the results: tables, events, and a report with figures."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import field_validator

from ictal.core.atomic_files import write_text, writing
from ictal.core.montage import N_CHANNELS, derivation
from ictal.core.progress import Progress, silent
from ictal.core.recording import Recording, Signal
from ictal.core.windows import CENTRE_S, RATE_HZ, WINDOW_S, Geometry
from ictal.errors import IctalError, ReadError, UnknownNameError, WriteError
from ictal.io import as_recording
from ictal.io.open import recording_file
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.channel_mapping import lost_derivations, map_channels
from ictal.preprocessing.model_windows import model_windows
from ictal.preprocessing.runs import RecordedRun, recorded_runs
from ictal.preprocessing.settings import MARGIN_S, StandardiseSettings
from ictal.scoring.engines import Engine
from ictal.scoring.pipeline import OnScores, ScoreSettings, score
from ictal.scoring.scored_recording import stem_of
from ictal.scoring.scores import Scores
from ictal.scoring.writers import WRITERS, summary

__all__ = ["DEFAULT_FORMATS", "FORMATS", "ResultsSettings", "check_formats", "score_file", "summary"]

REPORT = "report"
FORMATS = (*WRITERS, REPORT)
"""The formats in which results can be written."""
DEFAULT_FORMATS = tuple(name for name in FORMATS if name != "edf")
"""All but the annotated copy, which is as large as the recording."""
APART = 2 * (MARGIN_S + WINDOW_S) * RATE_HZ
"""Excerpts further apart than this are read separately: neither the filter's margins nor the blocks in which missing
samples are filled overlap."""


@dataclass(frozen=True)
class Scored:
    """Scores of a recording, and the files that were written."""

    scores: Scores
    files: list[Path]


def check_formats(formats: Sequence[str]) -> None:
    """Raise an `UnknownNameError` for an unknown format."""
    for name in formats:
        if name not in FORMATS:
            raise UnknownNameError("format", name, FORMATS)


def check_folder(folder: Path) -> None:
    """Raise a `WriteError` if no file can be written to a folder, before time is spent on scoring."""
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise WriteError(f"{folder}: no file can be written there; {there} is {_why_not(there)}")


def _why_not(there: Path) -> str:
    return "a folder without write permission" if there.is_dir() else "a file, not a folder"


def results_folder(files: Sequence[Path]) -> Path:
    """Return the default folder for the results of recordings, in the current folder."""
    return Path(f"ictal_{files[0].stem}" if len(files) == 1 else "ictal")


def check_names(files: Sequence[Path]) -> None:
    """Raise a `WriteError` if the results of two recordings would have the same names."""
    names: dict[str, Path] = {}
    for file in files:
        other = names.setdefault(_results_name(file), file)
        if other is not file:
            raise WriteError(f"{other} and {file}: their results would have the same names; score them one by one")


def _results_name(file: Path) -> str:
    """Return how the results of a recording begin; those of a folder are named by the recording in it."""
    try:
        return stem_of(recording_file(file))
    except ReadError:  # scoring it will report the reason
        return stem_of(file)


class ResultsSettings(ScoreSettings):
    """How a file is scored, and which formats are written.

    Attributes
    ----------
    formats
        Some of `FORMATS`.
    """

    formats: tuple[str, ...] = DEFAULT_FORMATS

    @field_validator("formats")
    @classmethod
    def _formats_are_known(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        check_formats(formats)
        return formats


def score_file(
    file: str | Path | Recording,
    engine: Engine,
    out: Path,
    settings: ResultsSettings = ResultsSettings(),  # noqa: B008 (frozen)
    *,
    progress: Progress = silent,
    on_scores: OnScores | None = None,
) -> Scored:
    """Score a file and write the results.

    Parameters
    ----------
    file
        Path of the recording, or the opened recording.
    engine
        See `ictal.scoring.engines.open_engine`.
    out
        Folder of the results.
    settings
        How it is scored, and which formats are written.
    progress, on_scores
        See `ictal.scoring.pipeline.score`.

    Raises
    ------
    IctalError
        If the recording cannot be scored, or a file cannot be written.
    """
    check_folder(out)
    recording = as_recording(file, accept_doubtful=settings.accept_doubtful)
    scores = score(recording, engine, settings, progress=progress, on_scores=on_scores)
    files: list[Path] = []
    refused: list[IctalError] = []
    for number, name in enumerate(settings.formats):
        progress("writing", number, len(settings.formats))
        try:
            files += write_report(scores, recording, out) if name == REPORT else WRITERS[name](scores, out)
        except WriteError:
            raise
        except IctalError as error:  # EDF cannot store every recording; the other formats are still written
            refused.append(error)
    progress("writing", len(settings.formats), len(settings.formats))
    if refused:
        raise refused[0]
    return Scored(scores, files)


def write_report(scores: Scores, recording: Recording, folder: Path) -> list[Path]:
    """Write the report of a scored recording: NAME_report.html."""
    from ictal.report.recording_report import render_recording  # matplotlib takes a second

    path = folder / f"{scores.recording.stem}_report.html"
    given = ModelInput.of(scores, recording)
    page = render_recording(scores, given.recorded, lost=lost_derivations(given.mapping))
    with writing(path):
        write_text(path, page)
    return [path]


def window_of(scores: Scores, recording: Recording, number: int) -> Signal:
    """Return the input of the model for one window of a scored recording, [20, 10000].

    Raises
    ------
    ReadError
        If the recording is not the one that was scored.
    """
    given, row = ModelInput.of(scores, recording), scores.frame.iloc[number]
    # The window was scored, so the recording has what the model sees of it, or is shorter than that.
    completed_s = given.runs[0].n_samples / RATE_HZ + float(row["made_up_s"]) if row["made_up_s"] else CENTRE_S
    geometry = Geometry(completed_s, given.settings.short)
    place = geometry.place(given.runs, float(row["start_s"]))
    if place is None:
        at_s = f"{row['start_s']:g} s"
        raise ReadError(f"{recording.name}: has no EEG at {at_s}, which was scored; score the recording again")
    return next(model_windows(given.runs, [place], geometry, given.settings)).window


@dataclass(frozen=True)
class ModelInput:
    """A scored recording as its model received it.

    Attributes
    ----------
    runs
        Its gapless runs.
    mapping
        How its channels became electrodes.
    settings
        How it was standardised.
    """

    runs: Sequence[RecordedRun]
    mapping: ChannelMapping
    settings: StandardiseSettings

    @classmethod
    def of(cls, scores: Scores, recording: Recording) -> "ModelInput":
        """Prepare a recording as the manifest of its scores says."""
        chosen = scores.manifest["settings"]
        settings = StandardiseSettings.model_validate(chosen["standardise"])
        derivations = [derivation(name) for name in scores.manifest["model"]["derivations"]] or None
        mapping = map_channels(recording, derivations, int(chosen["interpolate"]))
        return cls(recorded_runs(recording, mapping, settings.fill), mapping, settings)

    def recorded(self, times: Sequence[tuple[float, float]]) -> list[Signal]:
        """Return the samples between pairs of times, [20, time] each, read in one pass over the recording.

        Samples are NaN where the recording has none, or is bad, and the model received what was filled in.
        """
        excerpts = [np.zeros((N_CHANNELS, 0), dtype=np.float32)] * len(times)
        for run in self.runs:
            within = {number: _within(run, *pair) for number, pair in enumerate(times)}
            spans = {number: span for number, span in within.items() if span[0] < span[1]}
            for numbers in _neighbours(spans):
                first, last = spans[numbers[0]][0], max(spans[number][1] for number in numbers)
                chunk, _ = run.standardised(first, last, self.settings)
                samples = np.where(chunk.missing | chunk.masked, np.float32(np.nan), chunk.signal)
                for number in numbers:
                    start, stop = spans[number]
                    excerpts[number] = samples[:, start - first : stop - first].copy()
        return excerpts


def _within(run: RecordedRun, start_s: float, stop_s: float) -> tuple[int, int]:
    """Return the samples of a run between two times; none if the first time is not in the run."""
    start, stop = (round((time_s - run.onset_s) * RATE_HZ) for time_s in (start_s, stop_s))
    return (start, min(stop, run.n_samples)) if 0 <= start < run.n_samples else (0, 0)


def _neighbours(spans: Mapping[int, tuple[int, int]]) -> list[list[int]]:
    """Group spans that are so near each other that reading them separately would read some samples twice."""
    groups: list[list[int]] = []
    reach = 0
    for number in sorted(spans, key=lambda number: spans[number]):
        start, stop = spans[number]
        if not groups or start - reach >= APART:
            groups.append([])
        groups[-1].append(number)
        reach = max(reach, stop)
    return groups
