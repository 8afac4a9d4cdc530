"""The viewer without its user interface: recordings, background work, and the data for each request."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal import __version__
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.progress import Progress, silent
from ictal.core.recording import Recording
from ictal.errors import IctalError, UnknownNameError
from ictal.io import join_recordings, open_recording
from ictal.io.joined import pieces_of
from ictal.io.open import recording_file
from ictal.live.bed import Bed
from ictal.models.hub import NOT_A_DEVICE
from ictal.report.results_folder import check_folder, results_folder
from ictal.scoring.writers import scores_file
from ictal.web.bed_library import BedLibrary
from ictal.web.blinding import BLIND, Blinding
from ictal.web.cache import ResultCache
from ictal.web.details import details, summary_of
from ictal.web.ending import Ending
from ictal.web.event_details import discharges, events_in
from ictal.web.identity import Identity, migrate_votes
from ictal.web.jobs import JobThread, Scorer
from ictal.web.library import (
    Item,
    Library,
    NotYetError,
    content_of,
    find_scores,
    middle_s,
    middles_of,
    score_paths,
    window_number,
)
from ictal.web.model_pool import ModelPool, weights_of
from ictal.web.overview import overview
from ictal.web.panel_agreement import agreement
from ictal.web.patients import Patients
from ictal.web.pyramid import Pyramid
from ictal.web.settings import ViewerSettings
from ictal.web.traces import Filters, Traces, read_page
from ictal.web.upload import UploadParsers, store_upload, title_of
from ictal.web.vote_export import manifest_of
from ictal.web.votes import FILE, Vote, Votes
from ictal.web.window_summary import window_in_values

DEFAULT_MODEL = "default"
UPLOADS = "uploads"
LONGEST_PAGE_S = 300.0
"""Longest time span that is read from the file; longer spans use stored minima and maxima."""


class Viewer:
    """The recordings in the viewer, and the background work on them.

    Parameters
    ----------
    out
        Folder of scores, votes and uploads.
    model
        Folder or name of the model; None: use existing scores of any model, and 'default' for new ones.
    settings
        Settings of the viewer.
    beds
        Beds whose recordings are shown while they grow.
    """

    def __init__(
        self,
        out: Path,
        model: str | Path | None = None,
        settings: ViewerSettings | None = None,
        beds: Sequence[Bed] = (),
    ) -> None:
        check_folder(out)
        self.out, self.settings = out, settings or ViewerSettings()
        self.votes, self.beds, self.ending = Votes(out / FILE), beds, Ending()
        self.patients = Patients(shown=self.settings.show_patient)
        self.workers = {name: JobThread(name) for name in ("scoring", "traces", "models", "hashing")}
        self.library = BedLibrary(beds, self.votes, self.workers["hashing"]) if beds else Library()
        self._scorer = Scorer(model or DEFAULT_MODEL, out)
        self._weights = weights_of(model) if model is not None else None
        self._pyramids: dict[str, Pyramid] = {}
        self._models = ModelPool(model or DEFAULT_MODEL, self.library, self.votes, self.workers["models"])
        self._blind = Blinding(self.votes, wanted=self.settings.blind)
        self._kept_answers, self._parsers = ResultCache(), UploadParsers()

    def show(
        self,
        path: Path,
        recording: Recording | None = None,
        title: str | None = None,
        pieces: Sequence[Path] = (),
    ) -> Item:
        """Add a file with its existing scores, or queue it for scoring.

        Parameters
        ----------
        path
            The file.
        recording
            The recording, if it has been opened already.
        title
            Name for display; None: the file name.
        pieces
            Files to join into one recording; `path` is then only its name.

        Raises
        ------
        IctalError
            If it cannot be read.
        """
        path = path if pieces else recording_file(path)
        identity = Identity(path, self.votes, pieces)  # before opening, so that it belongs to the opened content
        recording = recording or self._opened(path, pieces)
        item = Item(identity.address, path, recording, title or path.name, identity=identity)
        if self.library.add(item) is not item:
            return self.library[item.id]
        self.workers["hashing"].do(item.identify)
        content = item.content_if_quick
        scores = find_scores(item.recording, self._possible_scores(path), self._weights, path, content)
        if scores is not None and content_of(scores) in (None, content):
            item.finish(scores)
        else:
            self.workers["scoring"].do(lambda: self._score(item, search_again=scores is not None))
        pyramid = self._pyramids[item.id] = Pyramid.of(item.id, item.recording, item.montages)
        if not pyramid.complete and item.recording.span_s > LONGEST_PAGE_S:
            self.workers["traces"].do(lambda: pyramid.build(self.workers["traces"].check))
        return item

    def _opened(self, path: Path, pieces: Sequence[Path]) -> Recording:
        accept = self.settings.accept_doubtful
        if pieces:
            return join_recordings(pieces, name=str(path), accept_doubtful=accept)
        return open_recording(path, accept_doubtful=accept)

    def receive(self, file: IO[bytes], name: str) -> tuple[Item, bool]:
        """Add an uploaded file; return its recording, and whether it was there already.

        Raises
        ------
        IctalError
            See `ictal.web.upload.store_upload` and `ictal.web.upload.UploadParsers.parse`.
        """
        path = store_upload(file, name, self.out / UPLOADS)
        there = next((item for item in self.library if item.path == path), None)
        if there is not None:
            return there, True
        return self.show(path, self._parsers.parse(path, name), title_of(name)), False

    def _score(self, item: Item, *, search_again: bool) -> None:
        """Score a recording, unless existing scores turn out to belong to its content."""
        try:
            files = self._possible_scores(item.path) if search_again else []
            scores = find_scores(item.recording, files, self._weights, item.path, item.content) if files else None
        except IctalError as error:
            item.fail(str(error))
            return
        if scores is not None:
            item.finish(scores)
        else:
            self._scorer.score(item, self.workers["scoring"])

    def stop(self) -> None:
        """Stop the background work and its processes."""
        self._parsers.stop()
        for worker in self.workers.values():
            worker.stop()
        self._scorer.stop()
        self._models.stop()

    def about(self) -> dict[str, Any]:
        """Return the version and the settings of the viewer."""
        allowed = {"upload": self.settings.upload, "blind": self.settings.blind, "ward": bool(self.beds)}
        return {"version": __version__, **allowed, "not_a_device": NOT_A_DEVICE}

    def summaries(self) -> list[dict[str, Any]]:
        """Return the list of recordings, with the progress of scoring."""
        return [summary_of(item) for item in self.library]

    def changes(self) -> Iterator[list[dict[str, Any]] | None]:
        """Yield the list of recordings; None if it has not changed since the last time."""
        told: list[dict[str, Any]] | None = None
        while True:
            listed = self.summaries()
            yield None if listed == told else listed
            told = listed

    def details(self, item: Item, rater: str | None) -> dict[str, Any]:
        """Return the details of a recording, as far as the rater may see them."""
        patient = self.patients.field_of(item.files[0])
        return details(item, withheld=self._blind.applies_to(rater)) | {"patient": patient}

    def overview(self, item: Item, span_s: tuple[float, float], width: int, rater: str | None) -> bytes:
        """Return the scores of a time span as columns in JSON; a blinded rater sees those of windows with a vote."""
        if self._blind.applies_to(rater):
            return _json(overview(self._blind.visible_scores(item, rater), *span_s, width))
        frame = item.frame
        return self._kept_answers.get_or(
            (item.id, item.state, len(frame), span_s, width), lambda: _json(overview(frame, *span_s, width))
        )

    def window(self, item: Item, time_s: float, rater: str | None) -> dict[str, Any]:
        """Return what is known about the window at a time, as far as the rater may see it."""
        number = window_number(item, time_s)
        values = window_in_values(number, item.frame.iloc[number])
        events = [] if self._blind.applies_to(rater) else events_in(item, *values["centre"])
        withheld = self._blind.withholds(item, number, rater)
        unknown = dict.fromkeys(("probabilities", "spread", "expected")) if withheld else {}
        return values | unknown | {"events": events, "withheld": withheld}

    def discharges(self, item: Item, span_s: tuple[float, float], rater: str | None) -> list[dict[str, Any]]:
        """Return the times of discharges and waves in a time span, by event; none for a blinded rater."""
        return [] if self._blind.applies_to(rater) else discharges(item, *span_s)

    def similar(
        self, item: Item, time_s: float, rater: str | None, progress: Progress = silent
    ) -> tuple[list[dict[str, Any]], str]:
        """Return windows similar to the one at a time, and a note on how to read them or why there are none."""
        number = window_number(item, time_s)
        withheld = self._blind.withholds(item, number, rater)
        return ([], BLIND) if withheld else self._models.similar(item, number, progress)

    def why(
        self, item: Item, time_s: float, pattern: str, method: str, rater: str | None, progress: Progress = silent
    ) -> dict[str, Any]:
        """Return the evidence for a pattern in the window at a time.

        Raises
        ------
        NotYetError
            If the window is not scored, the model is not available, or the rater must vote first.
        """
        number = window_number(item, time_s)
        self._blind.check(item, number, rater)
        return self._models.why(item, number, pattern, method, progress)

    def traces(
        self, item: Item, montage: str | None, span_s: tuple[float, float], filters: Filters, width: int
    ) -> Traces:
        """Return the traces of a time span, clipped at the end of the recording."""
        item.check()
        name = montage or next(iter(item.montages))
        if name not in item.montages:
            raise UnknownNameError("montage", name, item.montages)
        stop_s = min(span_s[1], item.recording.span_s)
        start_s = min(span_s[0], stop_s)
        if stop_s - start_s > LONGEST_PAGE_S:
            if item.id not in self._pyramids:
                raise NotYetError(f"while it is being recorded, {LONGEST_PAGE_S:g} s are shown at most")
            return self._pyramids[item.id].traces(name, start_s, stop_s, width)
        return read_page(item.recording, item.montages[name], start_s, stop_s, filters, width)

    def vote(self, item: Item, rater: str, time_s: float, pattern: str) -> Vote:
        """Store a rater's vote on the window at a time."""
        number = window_number(item, time_s)
        return self.votes.give(item.content, str(item.path.absolute()), middle_s(item, number), rater, pattern)

    def take_back(self, item: Item, rater: str, time_s: float) -> None:
        """Remove a vote.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        middle = middle_s(item, window_number(item, time_s))
        if not self.votes.take_back(item.content, middle, self.votes.known(rater)):
            raise UnknownNameError("vote", f"of {rater} at {time_s:g} s", ["others"])

    def agreement(self) -> dict[str, Any]:
        """Return the agreement of raters with each other and with the model, in the recordings in the viewer."""
        shown = {item.content for item in self.library}
        votes = [vote for vote in self.votes.all() if vote.recording in shown]
        wanted = {(vote.recording, vote.time_s) for vote in votes}
        return agreement(votes, {key: values for key, values in self._probabilities() if key in wanted})

    def manifest(self) -> pd.DataFrame:
        """Return all votes as a manifest for `ictal ablate`."""
        migrate_votes(self.votes)
        known = {item.identity.known: item for item in self.library if item.identity and item.identity.known}
        paths = {content: item.path.absolute() for content, item in known.items()}
        pieces = {content: pieces_of(item.recording) for content, item in known.items()}
        return manifest_of(self.votes.all(), paths, pieces)

    def _probabilities(self) -> Iterator[tuple[tuple[str, float], npt.NDArray[np.float64]]]:
        """Yield the model's predictions for each window, by recording and middle of the window."""
        for item in self.library:
            frame = item.frame
            middles, values = middles_of(frame).tolist(), frame[list(PROBABILITY_COLUMNS)].to_numpy(dtype=np.float64)
            yield from (((item.content, time_s), row) for time_s, row in zip(middles, values, strict=True))

    def _possible_scores(self, path: Path) -> list[Path]:
        """Return possible paths of a file's scores: in the results, its folder, and the folder of 'ictal score'."""
        folders = (path.parent, path.parent / results_folder([path]))
        return [*score_paths(self.out, path), *(folder / scores_file(path) for folder in folders)]


def _json(content: Any) -> bytes:
    return json.dumps(content, allow_nan=False).encode()
