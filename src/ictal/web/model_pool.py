"""The models that made the displayed scores, found by the hash of their weights."""

import threading
from pathlib import Path
from typing import Any

import numpy as np

from ictal.core.labels import PATTERNS
from ictal.core.progress import Progress, silent
from ictal.errors import IctalError
from ictal.models.hub import ModelSummary, find_model, read_card
from ictal.models.hub_fetch import HubName
from ictal.report.clock import duration_in_words
from ictal.scoring.scores import Scores
from ictal.web.jobs import JobThread
from ictal.web.library import Item, Library, NotYetError
from ictal.web.model_process import ModelProcess, Voted
from ictal.web.votes import Votes


class ModelPool:
    """Sends requests about windows to the model that scored the recording.

    Parameters
    ----------
    model
        Folder or name of the model that is tried first.
    library, votes
        Recordings and votes; windows with votes can be found as similar windows.
    worker
        Runs slow preparations in the background.
    """

    def __init__(self, model: str | Path, library: Library, votes: Votes, worker: JobThread) -> None:
        self._model, self._library, self._votes, self._worker = model, library, votes, worker
        self._models: dict[str, ModelProcess] = {}
        self._opening = threading.Lock()

    def why(self, item: Item, number: int, pattern: str, method: str, progress: Progress = silent) -> dict[str, Any]:
        """Return the evidence for a pattern in a window, see `ictal.web.explainer.Explainer.why`.

        Raises
        ------
        NotYetError
            If the window was not scored, or the model is not available.
        """
        if item.frame["reason"].iloc[number]:
            raise NotYetError(f"this window was not scored: {item.frame['reason'].iloc[number]}")
        return self._model_of(item).why(item, number, pattern, method, progress)

    def similar(self, item: Item, number: int, progress: Progress = silent) -> tuple[list[dict[str, Any]], str]:
        """Return similar windows, and a note on how to read them or why there are none."""
        if item.frame["reason"].iloc[number]:
            return [], "No similar windows: this window was not scored."
        try:
            model, voted = self._model_of(item), self._votes_by_window()
            for recording, time_s in voted:
                self._add_voted(model, recording, time_s)
            return model.similar(item, number, voted, progress)
        except IctalError as error:
            return [], f"No similar windows: {error}"

    def stop(self) -> None:
        """End the processes that run models."""
        for model in self._models.values():
            model.stop()

    def _add_voted(self, model: ModelProcess, recording: str, time_s: float) -> None:
        """Add a window with votes to a model's list, if the model made the scores of that recording."""
        item = self._library.of_content(recording)
        if item is not None and item.scores is not None and made_by(item.scores)[0] == model.weights:
            number = item.window(time_s)
            if number is not None:
                model.add_voted(item, number, time_s)

    def _votes_by_window(self) -> Voted:
        """Return the name and the vote counts of each window with votes."""
        found: dict[tuple[str, float], Any] = {}
        for vote in self._votes.all():
            name = f"{Path(vote.file).name} at {duration_in_words(vote.time_s)}"
            counts = found.setdefault((vote.recording, vote.time_s), (name, np.zeros(len(PATTERNS))))[1]
            counts[PATTERNS.index(vote.pattern)] += 1
        return found

    def _model_of(self, item: Item) -> ModelProcess:
        """Return the model that made a recording's scores; raise a `NotYetError` if either is not available."""
        if (scores := item.known_scores) is None:
            raise NotYetError(item.reason or "scoring of the recording is not complete yet")
        weights, name = made_by(scores)
        with self._opening:  # two questions about one window come at the same time
            if weights not in self._models:
                self._models[weights] = ModelProcess(self._folder_of(weights, name), weights, self._worker)
            return self._models[weights]

    def _folder_of(self, weights: str, name: str) -> Path:
        for model in (self._model, name):
            try:
                if HubName.parse(model):  # scores may come from anyone, and must not make ictal fetch anything
                    continue
                if weights_of(model) == weights:
                    return find_model(model)
            except IctalError:
                continue
        raise NotYetError(f"these scores were made by the model '{name}', which was not found; name it with --model")


def made_by(scores: Scores) -> tuple[str, str]:
    """Return the weights hash and name of the model that made scores."""
    made = scores.manifest.get("model", {})
    return str(made.get("weights_sha256", "")), str(made.get("name", "unknown"))


def weights_of(model: str | Path) -> str:
    """Return the SHA-256 of a model's weights from its card; raises the errors of `read_card`."""
    return read_card(model, ModelSummary)[1].weights_sha256
