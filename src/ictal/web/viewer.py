"""The viewer without its surface: the recordings, the work behind them, and what is asked of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal import __version__
from ictal.errors import IctalError, UnknownNameError
from ictal.io import open_recording
from ictal.io.edf_file import BDF_MAGIC, EDF_MAGIC, printable
from ictal.labels import PATTERN_TITLES, PATTERNS
from ictal.predictions import PROBABILITY_COLUMNS
from ictal.recording import Recording
from ictal.recordings import check_folder, results_folder
from ictal.report.clock import duration_in_words
from ictal.report.recording_figures import PATTERN_COLOURS
from ictal.scoring.scores import Scores
from ictal.scoring.writers import scores_file
from ictal.shipped import CARD, NOT_A_DEVICE, describe_model, find_model
from ictal.web.agreement import agreement
from ictal.web.kept import Kept
from ictal.web.library import Item, Library, finished, id_of, middle_s, middles_of
from ictal.web.mind import Mind
from ictal.web.overview import overview
from ictal.web.pyramid import Pyramid
from ictal.web.settings import ViewerSettings
from ictal.web.traces import Cuts, Traces, page
from ictal.web.upload import receive, title_of
from ictal.web.votes import FILE, Vote, Votes
from ictal.web.words import window_in_values
from ictal.web.work import Scorer, Worker
from ictal.windows import CENTRE_S, WINDOW_S

DEFAULT_MODEL = "default"
UPLOADS = "uploads"
LONGEST_PAGE_S = 300.0
"""Up to so long a stretch of time is read from the file; of a longer one the minima and maxima are kept."""
FIELD = slice(8, 88)
"""Bytes of an EDF header that name the patient (EDF 1992; EDF+ 2.1.3.3)."""
BLIND = "Vote first: what the model and others say of this window is told afterwards."
PATTERNS_SHOWN = [{"key": name, "title": PATTERN_TITLES[name], "colour": PATTERN_COLOURS[name]} for name in PATTERNS]


class NotYetError(IctalError):
    """What is asked for is not known yet, or will not be."""


class Viewer:
    """Recordings that are shown, and what goes on behind.

    Parameters
    ----------
    out
        Folder of scores, votes and files that were sent.
    model
        Folder or name of the model that scores; None: any finished scores will do, and 'default' makes new ones.
    settings
        What the viewer may do.
    """

    def __init__(self, out: Path, model: str | Path | None = None, settings: ViewerSettings | None = None) -> None:
        check_folder(out)
        self.out, self.settings = out, settings or ViewerSettings()
        self.library, self.votes = Library(), Votes(out / FILE)
        self.workers = {name: Worker(name) for name in ("scoring", "traces", "thinking")}
        self._model = model or DEFAULT_MODEL
        self._scorer = Scorer(self._model, out)
        self._weights = weights_of(model) if model is not None else None
        self._pyramids: dict[str, Pyramid] = {}
        self._minds: dict[str, Mind] = {}
        self._kept_answers = Kept()

    def show(self, path: Path, recording: Recording | None = None, title: str | None = None) -> Item:
        """Add a file, with the scores that it has; without any it is scored, behind the files before it.

        Parameters
        ----------
        path
            Of the file.
        recording
            What was read of it, if it was.
        title
            What people call it, if not as the file.

        Raises
        ------
        IctalError
            If it cannot be read.
        """
        item = Item(id_of(path), path, recording or open_recording(path), title or path.name)
        if self.library.add(item) is not item:
            return self.library[item.id]
        scores = finished(item.recording, self._kept(path), self._weights)
        if scores is not None:
            item.finish(scores)
        else:
            self.workers["scoring"].do(lambda: self._scorer.score(item, self.workers["scoring"]))
        pyramid = self._pyramids[item.id] = Pyramid.of(item.id, item.recording, item.montages)
        if not pyramid.complete and item.recording.span_s > LONGEST_PAGE_S:
            self.workers["traces"].do(lambda: pyramid.build(self.workers["traces"].check))
        return item

    def receive(self, file: IO[bytes], name: str) -> Item:
        """Add a file that was sent, see `ictal.web.upload.receive`."""
        path, recording = receive(file, name, self.out / UPLOADS)
        return self.show(path, recording, title_of(name))

    def stop(self) -> None:
        """End the work in the background."""
        for worker in self.workers.values():
            worker.stop()
        for mind in self._minds.values():
            mind.stop()

    def about(self) -> dict[str, Any]:
        """Return what the program is, and what it may do here."""
        allowed = {"upload": self.settings.upload, "blind": self.settings.blind}
        return {"version": __version__, **allowed, "not_a_device": NOT_A_DEVICE}

    def is_blind(self, rater: str | None) -> bool:
        """Say whether somebody votes without knowing what the model says; who names no rater only reads."""
        return self.settings.blind and rater is not None

    def details(self, item: Item, rater: str | None) -> dict[str, Any]:
        """Return what is known of a recording, as far as somebody may know it."""
        patient = patient_field(item.path) if self.settings.show_patient else None
        return details(item, withheld=self.is_blind(rater)) | {"patient": patient}

    def overview(self, item: Item, span_s: tuple[float, float], width: int, rater: str | None) -> bytes:
        """Return the scores of a stretch of time as columns, JSON; a blind rater sees those of windows voted on."""
        if self.is_blind(rater):
            return _json(overview(self._seen_by(item, rater), *span_s, width))
        frame = item.frame
        return self._kept_answers.get_or(
            (item.id, len(frame), span_s, width), lambda: _json(overview(frame, *span_s, width))
        )

    def _seen_by(self, item: Item, rater: str | None) -> pd.DataFrame:
        """Return the scores without what the model says of windows on which a rater has not voted."""
        frame = item.frame.copy()
        voted = np.isin(middles_of(frame), list(self._voted_times(item, rater)))
        frame.loc[~voted, [*PROBABILITY_COLUMNS, "disagreement"]] = np.nan
        return frame

    def _is_withheld(self, item: Item, number: int, rater: str | None) -> bool:
        """Say whether somebody has to vote on a window before hearing what the model says of it."""
        return self.is_blind(rater) and middle_s(item, number) not in self._voted_times(item, rater)

    def window(self, item: Item, time_s: float, rater: str | None) -> dict[str, Any]:
        """Return what is known of the window whose centre holds a time, as far as somebody may know it."""
        number = window_number(item, time_s)
        told = window_in_values(number, item.frame.iloc[number])
        if self._is_withheld(item, number, rater):
            unknown = dict.fromkeys(("probabilities", "disagreement", "expected"))
            return told | unknown | {"similar": [], "similar_note": BLIND, "withheld": True}
        similar, note = self._similar(item, number)
        return told | {"similar": similar, "similar_note": note, "withheld": False}

    def why(self, item: Item, time_s: float, pattern: str, method: str, rater: str | None) -> dict[str, Any]:
        """Return what in the window whose centre holds a time speaks for a pattern.

        Raises
        ------
        NotYetError
            If the window is not scored, the model is not here, or the rater has to vote first.
        """
        number = window_number(item, time_s)
        if self._is_withheld(item, number, rater):
            raise NotYetError(BLIND)
        if item.frame["reason"].iloc[number]:
            raise NotYetError(f"the model was not asked about this window: {item.frame['reason'].iloc[number]}")
        return self._mind(item).why(item, number, pattern, method)

    def traces(self, item: Item, montage: str | None, span_s: tuple[float, float], cuts: Cuts, width: int) -> Traces:
        """Return the traces of a stretch of time, which ends with the recording at the latest."""
        name = montage or next(iter(item.montages))
        if name not in item.montages:
            raise UnknownNameError("montage", name, item.montages)
        stop_s = min(span_s[1], item.recording.span_s)
        start_s = min(span_s[0], stop_s)
        if stop_s - start_s > LONGEST_PAGE_S:
            return self._pyramids[item.id].traces(name, start_s, stop_s, width)
        return page(item.recording, item.montages[name], start_s, stop_s, cuts, width)

    def vote(self, item: Item, rater: str, time_s: float, pattern: str) -> Vote:
        """Keep what a rater says of the window whose centre holds a time."""
        number = window_number(item, time_s)
        return self.votes.give(item.id, str(item.path.absolute()), middle_s(item, number), rater, pattern)

    def take_back(self, item: Item, rater: str, time_s: float) -> None:
        """Remove a vote.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        if not self.votes.take_back(item.id, middle_s(item, window_number(item, time_s)), self.votes.known(rater)):
            raise UnknownNameError("vote", f"of {rater} at {time_s:g} s", ["others"])

    def agreement(self) -> dict[str, Any]:
        """Return how raters agree with each other and with the model, in the recordings that are shown."""
        ids = {item.id for item in self.library}
        votes = [vote for vote in self.votes.all() if vote.recording in ids]
        wanted = {(vote.recording, vote.time_s) for vote in votes}
        return agreement(votes, {key: values for key, values in self._probabilities() if key in wanted})

    def _probabilities(self) -> Iterator[tuple[tuple[str, float], npt.NDArray[np.float64]]]:
        """Give what the model says of each window, by recording and middle."""
        for item in self.library:
            frame = item.frame
            middles, values = middles_of(frame).tolist(), frame[list(PROBABILITY_COLUMNS)].to_numpy(dtype=np.float64)
            yield from (((item.id, time_s), row) for time_s, row in zip(middles, values, strict=True))

    def _voted_times(self, item: Item, rater: str | None) -> set[float]:
        return {vote.time_s for vote in self.votes.all(item.id, rater)}

    def _similar(self, item: Item, number: int) -> tuple[list[dict[str, Any]], str]:
        """Return similar windows, and how to read them or why there are none."""
        if item.frame["reason"].iloc[number]:
            return [], "There are none: the model was not asked about this window."
        try:
            mind, voted = self._mind(item), self._votes_by_window()
            for recording, time_s in voted:
                self._teach(mind, recording, time_s)
            return mind.similar(item, number, voted)
        except IctalError as error:
            return [], f"There are none: {error}"

    def _teach(self, mind: Mind, recording: str, time_s: float) -> None:
        """Let a model see a window that was voted on, if it made the scores of that recording."""
        item = self.library.get(recording)
        if item is not None and item.scores is not None and _made_by(item.scores)[0] == mind.weights:
            number = item.window(time_s)
            if number is not None:
                mind.learn(item, number, time_s)

    def _votes_by_window(self) -> dict[tuple[str, float], tuple[str, npt.NDArray[np.float64]]]:
        """Return what a window that was voted on is called, and the counts of its votes."""
        found: dict[tuple[str, float], tuple[str, npt.NDArray[np.float64]]] = {}
        for vote in self.votes.all():
            name = f"{Path(vote.file).name} at {duration_in_words(vote.time_s)}"
            counts = found.setdefault((vote.recording, vote.time_s), (name, np.zeros(len(PATTERNS))))[1]
            counts[PATTERNS.index(vote.pattern)] += 1
        return found

    def _mind(self, item: Item) -> Mind:
        """Return the model that made a recording's scores.

        Raises
        ------
        NotYetError
            If the recording is not scored, or the model is not here.
        """
        if item.scores is None:
            raise NotYetError(item.reason or "the recording is not scored to its end yet")
        weights, name = _made_by(item.scores)
        if weights not in self._minds:
            self._minds[weights] = Mind(self._folder_of(weights, name), weights, self.workers["thinking"])
        return self._minds[weights]

    def _folder_of(self, weights: str, name: str) -> Path:
        for model in (self._model, name):
            try:
                if weights_of(model) == weights:
                    return find_model(model)
            except IctalError:
                continue
        raise NotYetError(f"these scores were made by the model '{name}', which is not found; say where by --model")

    def _kept(self, path: Path) -> list[Path]:
        """Return where scores of a file may stand: in the results, beside it, where 'ictal score' puts them."""
        folders = (self.out, path.parent, path.parent / results_folder([path]))
        return [folder / scores_file(path) for folder in folders]


def _json(content: Any) -> bytes:
    return json.dumps(content, allow_nan=False).encode()


def _made_by(scores: Scores) -> tuple[str, str]:
    """Return hash and name of the model that made scores."""
    made = scores.manifest.get("model", {})
    return str(made.get("weights_sha256", "")), str(made.get("name", "unknown"))


def patient_field(path: Path) -> str | None:
    """Return the field of an EDF or BDF header that names the patient; None in other files."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(FIELD.stop)
    if not head.startswith((EDF_MAGIC, BDF_MAGIC)):
        return None
    return printable(head[FIELD].decode("latin-1")).strip() or None


def weights_of(model: str | Path) -> str:
    """Return the SHA-256 of a model's weights, as its card states it; raise as `describe_model` does."""
    card = describe_model(model).folder / CARD
    return str(json.loads(card.read_text(encoding="utf-8")).get("weights_sha256", ""))


def listed_item(item: Item) -> dict[str, Any]:
    """Return a recording as it stands in the list."""
    start = item.recording.start
    return {
        "id": item.id,
        "name": item.title,
        "duration_s": item.recording.span_s,
        "start": start.isoformat() if start else None,
        **{name: getattr(item, name) for name in ("state", "done", "total", "reason")},
    }


def details(item: Item, *, withheld: bool) -> dict[str, Any]:
    """Return all that is known of a recording but its samples and scores; events only to those who may know."""
    recording = item.recording
    settings = item.scores.manifest.get("settings", {}) if item.scores else {}
    return {
        **listed_item(item),
        "rate_hz": recording.rate_hz,
        "montages": list(item.montages),
        "segments": [
            {"start_s": part.onset_s, "stop_s": part.onset_s + (part.stop - part.start) / recording.rate_hz}
            for part in recording.segments
        ],
        "gaps": [{"start_s": gap.start_s, "stop_s": gap.start_s + gap.duration_s} for gap in recording.gaps],
        "annotations": [
            {"start_s": note.onset_s, "duration_s": note.duration_s, "text": note.text}
            for note in recording.annotations
        ],
        "events": [] if withheld else events(item),
        "patterns": PATTERNS_SHOWN,
        "model": item.model,
        "step_s": float(settings.get("step_s", CENTRE_S)),
        "centre_s": float(CENTRE_S),
        "window_s": float(WINDOW_S),
        "notes": list(item.scores.recording.notes if item.scores else recording.notes),
        "withheld": withheld,
    }


def events(item: Item) -> list[dict[str, Any]]:
    """Return the events, numbered from 1 in the order of time."""
    return [
        {
            "number": number,
            "pattern": event.pattern,
            "start_s": event.start_s,
            "stop_s": event.stop_s,
            "peak": event.peak,
        }
        for number, event in enumerate(item.events, 1)
    ]


def window_number(item: Item, time_s: float) -> int:
    """Return the row of the scored window whose centre holds a time.

    Raises
    ------
    NotYetError
        If there is none.
    """
    number = item.window(time_s)
    if number is None:
        why = {"scored": "no window's centre holds it", "failed": item.reason}.get(item.state, "it is not scored yet")
        raise NotYetError(f"nothing is known of {time_s:g} s: {why}")
    return number
