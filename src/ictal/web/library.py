"""The recordings in the viewer, with the scores known so far."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.core.atomic_files import hash_of
from ictal.core.hashing import same_file
from ictal.core.recording import Recording
from ictal.core.windows import CENTRE_S
from ictal.errors import IctalError, UnknownNameError
from ictal.preprocessing.channel_mapping import reference_notes, widest_mapping
from ictal.scoring.events import Event, find_events
from ictal.scoring.scored_recording import stem_of
from ictal.scoring.scores import COLUMNS, Scores
from ictal.scoring.writers import scores_file
from ictal.terminology.findings import RecordingFinding
from ictal.web.identity import Identity, LiveIdentity
from ictal.web.montages import Montage, montages_of
from ictal.web.page_amplitude import amplitudes_uv

CONTENT = "content"
"""Field of a scores manifest with the content hash of the recording."""
State = Literal["waiting", "scoring", "scored", "failed", "live"]


class NotYetError(IctalError):
    """The requested information is not known yet, or is withheld or unavailable."""


@dataclass
class Item:
    """A recording in the viewer, and what is known about it so far.

    Attributes
    ----------
    id
        Id in requests while the viewer runs; never a path, and not the key of votes.
    path
        The file.
    recording
        The opened recording; samples are read in chunks.
    title
        Name for display.
    state, done, total, reason
        State of scoring, its progress in seconds of the recording, and why it failed; while the recording goes on,
        why nothing new arrives.
    scores
        The scores, once scoring is complete.
    model
        The model that scores it: name, arm, warnings, and how much of a window it sees.
    identity
        The key of votes.
    step_s
        From one window to the next.
    """

    id: str
    path: Path
    recording: Recording
    title: str
    state: State = "waiting"
    done: float = 0.0
    total: float = 0.0
    reason: str = ""
    scores: Scores | None = None
    model: dict[str, Any] | None = None
    identity: Identity | LiveIdentity | None = field(default=None, repr=False)
    step_s: float = float(CENTRE_S)
    _so_far: Callable[[], Scores | None] | None = field(default=None, repr=False)
    _parts: list[pd.DataFrame] = field(default_factory=list, repr=False)
    _findings: RecordingFinding | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def files(self) -> tuple[Path, ...]:
        """The file, or the pieces of a joined recording."""
        return self.identity.files if self.identity else (self.path,)

    @property
    def content(self) -> str:
        """The content hash, see `ictal.web.identity.Identity.content`."""
        assert self.identity is not None  # every recording of a viewer has one
        return self.identity.content()

    @property
    def content_if_quick(self) -> str | None:
        """The content hash, or None if computing it takes long."""
        return self.identity.content_if_quick() if self.identity else None

    def identify(self) -> None:
        """Compute the content hash in advance."""
        with suppress(IctalError):  # the error is raised again when the hash is needed
            _ = self.content

    def check(self) -> None:
        """Raise a `ChangedError` if the files are no longer those that were opened."""
        if self.identity is not None:
            self.identity.check()

    @cached_property
    def montages(self) -> dict[str, Montage]:
        """The montages in which it can be shown."""
        return montages_of(self.recording)

    @cached_property
    def lost(self) -> tuple[str, ...]:
        """Notes on derivations that are impossible because electrodes have different references."""
        return reference_notes(widest_mapping(self.recording))

    @cached_property
    def amplitudes_uv(self) -> tuple[float | None, float | None]:
        """Typical amplitude of its traces and its EKG, see `ictal.web.page_amplitude`; None if unknown."""
        try:
            return amplitudes_uv(self.recording, next(iter(self.montages.values())))
        except IctalError:
            return None, None  # reading the first page reports the reason

    @property
    def known_scores(self) -> Scores | None:
        """The scores; of a recording that goes on, those so far. None while a whole recording is being scored."""
        return self.scores or (self._so_far() if self._so_far else None)

    @property
    def frame(self) -> pd.DataFrame:
        """The windows scored so far, in the order of time."""
        scores = self.known_scores
        if scores is not None:
            return scores.frame
        with self._lock:
            if len(self._parts) > 1:
                self._parts[:] = [pd.concat(self._parts, ignore_index=True)]
            return self._parts[0] if self._parts else pd.DataFrame(columns=list(COLUMNS))

    @property
    def events(self) -> list[Event]:
        """The events in the windows scored so far."""
        gaps = [(gap.start_s, gap.duration_s) for gap in self.recording.gaps]
        return find_events(self.frame, gaps=gaps) if len(self.frame) else []

    @property
    def findings(self) -> RecordingFinding | None:
        """What a report says of it, computed when it is first asked for; None until scoring is complete."""
        if self.scores is None:
            return None
        with self._lock:
            if self._findings is None:
                self._findings = self.scores.findings()
            return self._findings

    def add(self, rows: pd.DataFrame) -> None:
        """Add rows during scoring."""
        with self._lock:
            self._parts.append(rows)

    def grow(self, recording: Recording, done_s: float, scores: Callable[[], Scores | None]) -> None:
        """Replace a recording that is being recorded by what there is now.

        Parameters
        ----------
        recording
            What there is.
        done_s
            How far it is scored.
        scores
            Returns those so far; it is called when somebody looks at them.
        """
        if recording.channels != self.recording.channels:
            for name in ("montages", "lost", "amplitudes_uv"):
                self.__dict__.pop(name, None)
        with self._lock:
            self._so_far, self._findings = scores, None
            self.recording, self.scores, self.state = recording, None, "live"
        self.done, self.total = done_s, recording.span_s

    def set_progress(self, task: str, done: float, total: float) -> None:
        """Store the progress of scoring."""
        if task == "scoring":
            self.done, self.total = done, total

    def finish(self, scores: Scores) -> None:
        """Store the complete scores."""
        self.scores, self.model, self.state = scores, model_of(scores), "scored"
        self.step_s = float(scores.manifest.get("settings", {}).get("step_s", CENTRE_S))
        self.done = self.total = self.recording.duration_s
        with self._lock:
            self._parts.clear()

    def fail(self, reason: str) -> None:
        """Store the reason why there are no scores."""
        self.state, self.reason = "failed", reason

    def window(self, time_s: float) -> int | None:
        """Return the row of the window whose centre contains a time, or None; the nearest one if centres overlap."""
        frame = self.frame
        starts, stops = (frame[name].to_numpy(dtype=float) for name in ("start_s", "stop_s"))
        holds = np.flatnonzero((starts <= time_s) & (time_s < stops))
        if not len(holds):
            return None
        return int(holds[abs((starts + stops)[holds] / 2 - time_s).argmin()])


def window_number(item: Item, time_s: float) -> int:
    """Return the row of the scored window whose centre contains a time.

    Raises
    ------
    NotYetError
        If there is none.
    """
    number = item.window(time_s)
    if number is None:
        why = {"scored": "no window's centre contains it", "failed": item.reason}.get(
            item.state, "it is not scored yet"
        )
        raise NotYetError(f"there is no prediction at {time_s:g} s: {why}")
    return number


def middles_of(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the middle of each window, [window]; votes refer to it."""
    return np.asarray(frame[["start_s", "stop_s"]].to_numpy(dtype=np.float64).mean(axis=1).round(3))


def middle_s(item: Item, number: int) -> float:
    """Return the middle of one window of a recording."""
    return float(middles_of(item.frame)[number])


def model_of(scores: Scores) -> dict[str, Any]:
    """Return the name, arm and warnings of the model that made scores, and how much of a window it sees."""
    made = scores.manifest.get("model", {})
    return {
        "name": made.get("name", "unknown"),
        "arm": made.get("arm", "unknown"),
        "warnings": list(scores.manifest.get("warnings", [])),
        "seen_s": made.get("seen_s"),
    }


class Library:
    """The recordings by id, in the order of addition."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}

    def __iter__(self) -> Iterator[Item]:
        return iter(list(self._items.values()))

    def __getitem__(self, recording_id: str) -> Item:
        """Return a recording.

        Raises
        ------
        UnknownNameError
            If there is none with this id.
        """
        if recording_id not in self._items:
            raise UnknownNameError("recording", recording_id, self._items or ["none"])
        return self._items[recording_id]

    def get(self, recording_id: str) -> Item | None:
        """Return a recording, or None if there is none with this id."""
        return self._items.get(recording_id)

    def of_content(self, content: str) -> Item | None:
        """Return the recording with a content hash, among those whose hash is known."""
        return next((item for item in self if item.identity and item.identity.known == content), None)

    def add(self, item: Item) -> Item:
        """Add a recording and return it, or return the one that already has its id."""
        return self._items.setdefault(item.id, item)


def find_scores(
    recording: Recording,
    candidates: Sequence[Path],
    weights: str | None = None,
    path: Path | None = None,
    content: str | None = None,
) -> Scores | None:
    """Return the first scores among some files that belong to a recording, or None.

    Parameters
    ----------
    recording
        Its channels, start and duration must equal those in the scores.
    candidates
        Files that may not exist.
    weights
        SHA-256 of the weights of the required model; None: any model.
    path
        Path of the recording. Scores that state no content hash, but name another existing file, are not used: files
        of two patients may have the same name.
    content
        Content hash of the recording, which must equal that in the scores; None: not known yet.
    """
    for candidate in candidates:
        try:
            scores = Scores.read(candidate) if candidate.is_file() else None
        except IctalError:
            continue
        if scores is None or not _is_of(scores, recording):
            continue
        stated = content_of(scores)
        if path and stated is None and belong_to_other_file(scores, path):
            continue
        if content and stated not in (None, content):
            continue
        if weights in (None, scores.manifest.get("model", {}).get("weights_sha256")):
            return scores
    return None


def content_of(scores: Scores) -> str | None:
    """Return the content hash of the recording that scores state, or None."""
    stated = scores.manifest.get(CONTENT)
    return None if stated is None else str(stated)


def belong_to_other_file(scores: Scores, path: Path) -> bool:
    """Return whether scores name another file, which still exists."""
    named = Path(scores.recording.name)
    return named.exists() and not same_file(named, path)


def score_paths(folder: Path, path: Path) -> list[Path]:
    """Return the possible paths for the scores of a recording in a folder, the usual one first.

    The other one is used if another recording with the same name has the usual path.
    """
    other = path.with_name(f"{stem_of(path)}-{hash_of(str(path.absolute()))[:8]}{path.suffix}")
    return [folder / scores_file(path), folder / scores_file(other)]


def _is_of(scores: Scores, recording: Recording) -> bool:
    scored = scores.recording
    same_span = abs(scored.span_s - recording.span_s) < 1 / recording.rate_hz
    return scored.channels == recording.channels and scored.start == recording.start and same_span
