"""Play a recording into a file that grows, or into consecutive files, as recorders write them."""

import math
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np

from ictal.core.ahead import one_ahead
from ictal.core.recording import Annotation, Recording, Signal
from ictal.errors import RunError
from ictal.io.edf.annotation_lists import annotation_list
from ictal.io.edf.appending import SAME_S, EdfAppender, text_bytes
from ictal.io.edf.writer import EdfPlan, planned_samples
from ictal.live.schedule import Steps

ROOM = 8
"""Bytes by which an annotation may become longer when its onset is counted from the start of a later file."""


class FilePlayer:
    """A recording that is written as EDF+ or BDF+, record by record, as if it began when the first one is played.

    An annotation is written with the record in which it ends, since a recorder cannot know its duration before; those
    after the last sample are in the last record.

    Parameters
    ----------
    recording, plan
        The recording, and how it is written.
    path
        The file; with `piece_s`, -0001, -0002, ... is added to its name.
    piece_s
        Seconds of the recording, gaps included, after which a new file is begun.

    Attributes
    ----------
    files
        The files that were begun.

    Raises
    ------
    RunError
        If a file of this name exists.
    """

    def __init__(self, recording: Recording, plan: EdfPlan, path: Path, piece_s: float = math.inf) -> None:
        self.files: list[Path] = []
        self._recording, self._plan, self._path, self._piece_s = recording, plan, path, piece_s
        self._file: EdfAppender | None = None
        self._start = datetime.now()
        self._begin_s = 0.0
        self._notes = self._notes_by_record()
        longest = max((sum(map(_room, notes)) for notes in self._notes.values()), default=0)
        self._form = plan.format(text_bytes(longest, plan.bits))
        pieces = [] if math.isinf(piece_s) else path.parent.glob(f"{path.stem}-[0-9]*{path.suffix}")
        for old in (path, *sorted(pieces)):
            if old.exists():
                raise RunError(f"{old}: exists; name another folder")

    def steps(self) -> Steps:
        """Yield one step per record, at its end."""
        number = 0
        with closing(one_ahead(planned_samples(self._recording, self._plan))) as chunks:
            for samples, onsets_s in chunks:
                for record, onset_s in zip(np.split(samples, len(onsets_s), axis=1), onsets_s, strict=True):
                    yield onset_s + self._form.record_s, partial(self._append, record, number, onset_s)
                    number += 1

    def close(self) -> None:
        """Finish the last file."""
        if self._file is not None:
            self._file.close()

    def _append(self, record: Signal, number: int, onset_s: float) -> None:
        if self._file is None or onset_s - self._begin_s >= self._piece_s - SAME_S:
            self._file = self._next_file(onset_s)
        for note in self._notes.get(number, ()):
            self._file.annotate(replace(note, onset_s=note.onset_s - self._begin_s))
        at_s = onset_s - self._begin_s
        if at_s > self._file.end_s + 0.5 / self._recording.rate_hz:
            self._file.jump_to(at_s)
        self._file.append(record)

    def _next_file(self, onset_s: float) -> EdfAppender:
        """Finish the file and begin the next one, at a whole multiple of its duration unless there is a gap."""
        self.close()
        self._begin_s, path = onset_s, self._path
        if not self.files:
            now = datetime.now()
            self._start = (now - timedelta(seconds=onset_s + self._form.record_s)).replace(microsecond=0)
        if not math.isinf(self._piece_s):
            path = path.with_name(f"{path.stem}-{len(self.files) + 1:04}{path.suffix}")
        self.files.append(path)
        return EdfAppender(path, self._form, self._start + timedelta(seconds=onset_s))

    def _notes_by_record(self) -> dict[int, list[Annotation]]:
        """Return annotations, in seconds after the first record, by the number of the record in which they end."""
        records = self._plan.records
        ends_s = records.onsets_s(self._recording.rate_hz) + records.record_s
        found: dict[int, list[Annotation]] = {}
        for note in sorted(self._plan.annotations, key=lambda note: note.onset_s):
            shifted = replace(note, onset_s=note.onset_s - records.runs[0].onset_s)
            number = int(np.searchsorted(ends_s, shifted.onset_s + shifted.duration_s - SAME_S))
            found.setdefault(min(number, len(ends_s) - 1), []).append(shifted)
        return found


def _room(note: Annotation) -> int:
    return len(annotation_list(note)) + ROOM
