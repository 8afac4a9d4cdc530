"""Recordings from end to end: score files, write what comes of them, and draw them."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ictal.core.atomic_files import write_text, writing
from ictal.core.montage import N_CHANNELS, Derivation, derivation
from ictal.core.progress import Progress, silent
from ictal.core.recording import Recording, Signal
from ictal.core.windows import CENTRE_S, RATE_HZ, Geometry
from ictal.errors import IctalError, ReadError, UnknownNameError, WriteError
from ictal.io import open_recording
from ictal.preprocessing.channel_mapping import lost_derivations, map_channels
from ictal.preprocessing.model_windows import model_windows
from ictal.preprocessing.runs import Standardised, stretches
from ictal.preprocessing.settings import StandardiseSettings
from ictal.scoring.engine import Engine
from ictal.scoring.pipeline import OnScores, score
from ictal.scoring.scored_recording import stem_of
from ictal.scoring.scores import Scores
from ictal.scoring.writers import WRITERS, summary

__all__ = ["DEFAULT_FORMATS", "FORMATS", "check_formats", "score_file", "signal_of", "summary"]

REPORT = "report"
FORMATS = (*WRITERS, REPORT)
"""What can be written of a recording's scores."""
DEFAULT_FORMATS = tuple(name for name in FORMATS if name != "edf")
"""All but the copy of the recording, which is as large as itself."""


@dataclass(frozen=True)
class Scored:
    """Scores of a recording, and the files that were written of them."""

    scores: Scores
    files: list[Path]


def check_formats(formats: Sequence[str]) -> None:
    """Raise an `UnknownNameError` for a format that there is not."""
    for name in formats:
        if name not in FORMATS:
            raise UnknownNameError("format", name, FORMATS)


def check_folder(folder: Path) -> None:
    """Raise a `WriteError` where no file could be made in a folder, before an hour was spent on scores."""
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise WriteError(f"{folder}: no file can be written there; {there} is {_why_not(there)}")


def _why_not(there: Path) -> str:
    return "a folder in which you may not write" if there.is_dir() else "a file and no folder"


def results_folder(files: Sequence[Path]) -> Path:
    """Return the folder, beside the user, in which the results of recordings are kept unless another is named."""
    return Path(f"ictal_{files[0].stem}" if len(files) == 1 else "ictal")


def check_names(files: Sequence[Path]) -> None:
    """Raise a `WriteError` where the results of two recordings would have the same names."""
    names: dict[str, Path] = {}
    for file in files:
        other = names.setdefault(stem_of(file), file)
        if other is not file:
            raise WriteError(f"{other} and {file}: their results would have the same names; score them one by one")


def score_file(
    path: str | Path,
    engine: Engine,
    out: Path,
    formats: Sequence[str] = DEFAULT_FORMATS,
    *,
    step_s: float = 10,
    interpolate: int = 0,
    progress: Progress = silent,
    on_scores: OnScores | None = None,
    accept_doubtful: bool = False,
) -> Scored:
    """Score a file and write what comes of it.

    Parameters
    ----------
    path
        Of the recording.
    engine
        See `ictal.scoring.engine.open_engine`.
    out
        Folder of the results.
    formats
        Some of `FORMATS`.
    step_s, interpolate, progress, on_scores, accept_doubtful
        See `ictal.scoring.pipeline.score`.

    Raises
    ------
    IctalError
        If the recording cannot be scored, or a file cannot be written.
    """
    check_formats(formats)
    check_folder(out)
    recording = open_recording(path, accept_doubtful=accept_doubtful)
    scores = score(recording, engine, step_s=step_s, interpolate=interpolate, progress=progress, on_scores=on_scores)
    files: list[Path] = []
    refused: list[IctalError] = []
    for number, name in enumerate(formats):
        progress("writing", number, len(formats))
        try:
            files += _write_report(scores, recording, out) if name == REPORT else WRITERS[name](scores, out)
        except WriteError:
            raise
        except IctalError as error:  # what can be written is written, as an EDF cannot hold every recording
            refused.append(error)
    progress("writing", len(formats), len(formats))
    if refused:
        raise refused[0]
    return Scored(scores, files)


def _write_report(scores: Scores, recording: Recording, folder: Path) -> list[Path]:
    from ictal.report.recording_report import render_recording  # matplotlib takes a second

    path = folder / f"{scores.recording.stem}_report.html"
    seen = _Seen(scores, recording)
    page = render_recording(scores, seen.recorded, lost=seen.lost)
    with writing(path):
        write_text(path, page)
    return [path]


def signal_of(scores: Scores, recording: Recording) -> Callable[[float, float], Signal]:
    """Return what gives the samples that a model saw between two times, [20, time] at 200 Hz, finite."""
    return _Seen(scores, recording).signal


def window_of(scores: Scores, recording: Recording, number: int) -> Signal:
    """Return what the model was given of one window of a scored recording, [20, 10000].

    Raises
    ------
    ReadError
        If the recording is not the one that was scored.
    """
    seen, row = _Seen(scores, recording), scores.frame.iloc[number]
    # The window was scored, so that what the model sees of it is there; or the recording is shorter than that.
    completed_s = seen.runs[0].n_samples / RATE_HZ + float(row["made_up_s"]) if row["made_up_s"] else CENTRE_S
    geometry = Geometry(completed_s, seen.settings.short)
    place = geometry.place(seen.runs, float(row["start_s"]))
    if place is None:
        raise ReadError(f"{recording.name}: has no EEG at {row['start_s']:g} s, which was scored; score it anew")
    return next(model_windows(seen.runs, [place], geometry, seen.settings)).window


class _Seen:
    """What a model saw of a recording, piece by piece."""

    def __init__(self, scores: Scores, recording: Recording) -> None:
        chosen = scores.manifest["settings"]
        self.settings = StandardiseSettings.model_validate(chosen["standardise"])
        derivations = [derivation(name) for name in scores.manifest["model"]["derivations"]]
        self.mapping = map_channels(recording, derivations, int(chosen["interpolate"]))
        self.runs = list(stretches(recording, self.mapping, self.settings.fill))

    @property
    def lost(self) -> tuple[Derivation, ...]:
        """Derivations of the double banana that cannot be formed."""
        return lost_derivations(self.mapping)

    def signal(self, start_s: float, stop_s: float) -> Signal:
        """Return the samples between two times."""
        return self._piece(start_s, stop_s).signal

    def recorded(self, start_s: float, stop_s: float) -> Signal:
        """Return the same, but NaN where the recording has nothing and the model saw what was filled in."""
        piece = self._piece(start_s, stop_s)
        return np.where(piece.missing, np.float32(np.nan), piece.signal)

    def _piece(self, start_s: float, stop_s: float) -> Standardised:
        for stretch in self.runs:
            onset_s = stretch.onset_s
            if onset_s <= start_s < onset_s + stretch.n_samples / RATE_HZ:
                start = round((start_s - onset_s) * RATE_HZ)
                stop = min(stretch.n_samples, round((stop_s - onset_s) * RATE_HZ))
                return stretch.standardised(start, stop, self.settings)[0]
        return Standardised(np.zeros((N_CHANNELS, 0), dtype=np.float32), np.zeros((N_CHANNELS, 0), dtype=bool))
