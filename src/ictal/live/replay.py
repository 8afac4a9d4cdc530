"""Play a recording out as if it were being recorded now."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ictal.core.progress import Progress, silent
from ictal.core.recording import Recording
from ictal.errors import UsageError, require
from ictal.io.convert import plan_conversion
from ictal.io.edf.scales import source_scale
from ictal.io.open import as_recording
from ictal.live.file_player import FilePlayer
from ictal.live.schedule import checked_speed, play


@dataclass(frozen=True)
class Replay:
    """What `replay` has played.

    Attributes
    ----------
    files
        The files that were written; empty for a stream.
    duration_s
        Duration of the recording, gaps included.
    late_s
        By how many seconds of the clock the latest record was late.
    notes
        What the reader of the recording found, and what the files cannot hold, one sentence each.
    """

    files: tuple[Path, ...]
    duration_s: float
    late_s: float
    notes: tuple[str, ...]


def replay(
    recording: str | Path | Recording | Any,
    out: str | Path | None = None,
    *,
    speed: float = 1.0,
    pieces_min: float | None = None,
    lsl: str | None = None,
    progress: Progress = silent,
) -> Replay:
    """Play a recording out in real time or faster, as if it were being recorded now.

    The result is a file in `out` that grows record by record: EDF+, or BDF+ if 16 bits per sample do not hold the
    recording. It has the same samples, gaps and annotations, and starts now. Each annotation is written when it is
    over. The function returns at the end of the recording. If it is interrupted, the files are complete up to then.

    Parameters
    ----------
    recording
        A file or folder that `ictal.read` opens, a `Recording`, or an `mne.io.Raw`.
    out
        Folder for the files; it is created if needed.
    speed
        Seconds of the recording per second.
    pieces_min
        Minutes of the recording after which a new file is begun; None: one file.
    lsl
        Name of a stream of the Lab Streaming Layer to play into, instead of files; needs the extra ``lsl``.
    progress
        Callback with the number of seconds played.

    Returns
    -------
    Replay
        The files, and how late the latest record was.

    Raises
    ------
    UsageError
        If not one of `out` and `lsl` is given, or a value is not allowed.
    ReadError
        If the recording cannot be read.
    MissingExtraError
        If a stream needs the extra ``lsl``.
    RunError
        If a file of this name exists in `out`.
    WriteError
        If a file cannot be written, or cannot hold the recording.

    Examples
    --------
    >>> ictal.replay("night.edf", "ward", speed=60)
    """
    checked_speed(speed)
    _check(out, pieces_min, lsl)
    opened = as_recording(recording)
    if out is None:
        return _play_stream(opened, str(lsl), speed, progress)
    player, notes = _file_player(opened, Path(out), pieces_min, progress)
    late_s = play([player], speed, opened.span_s, progress)
    return Replay(tuple(player.files), opened.span_s, late_s, (*opened.all_notes, *notes))


def _check(out: str | Path | None, pieces_min: float | None, lsl: str | None) -> None:
    """Refuse arguments that cannot be combined."""
    if (out is None) == (lsl is None):
        raise UsageError("give either a folder for files (out) or the name of a stream (lsl)")
    if pieces_min is not None and lsl is not None:
        raise UsageError("pieces are files, and cannot be combined with a stream (lsl)")
    if pieces_min is not None and not pieces_min > 0:
        raise UsageError(f"pieces of {pieces_min:g} minutes are not possible; allowed is more than 0")


def _play_stream(recording: Recording, name: str, speed: float, progress: Progress) -> Replay:
    require("lsl", "playing into a stream")
    from ictal.live.lsl_outlet import LslPlayer

    late_s = play([LslPlayer(recording, name)], speed, recording.span_s, progress)
    return Replay((), recording.span_s, late_s, recording.all_notes)


def _file_player(
    recording: Recording, folder: Path, pieces_min: float | None, progress: Progress
) -> tuple[FilePlayer, tuple[str, ...]]:
    bits = 16 if all(source_scale(recording, row, 16) for row in range(len(recording.channels))) else 24
    plan, notes = plan_conversion(recording, bits, progress)
    path = folder / f"{Path(recording.name).stem or 'recording'}{'.edf' if bits == 16 else '.bdf'}"
    return FilePlayer(recording, plan, path, math.inf if pieces_min is None else 60 * pieces_min), notes
