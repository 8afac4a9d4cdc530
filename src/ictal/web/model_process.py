"""Explanations and similar windows from one model, computed on request and cached."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ictal.core.progress import Progress, silent
from ictal.core.recording import Signal
from ictal.core.windows import BEFORE_S
from ictal.explanations.exported_model import open_exported
from ictal.report.results_folder import window_of
from ictal.web.cache import ResultCache
from ictal.web.explainer import Explainer
from ictal.web.jobs import JobThread
from ictal.web.library import Item, middle_s
from ictal.web.similar import (
    SHIPPED_NEIGHBOURS,
    LabelledWindows,
    Neighbours,
    read_neighbours,
    simulated_neighbours,
)
from ictal.web.worker_process import WorkerProcess

READ = (
    "The nearest among simulated windows, whose votes are known, and windows with votes here, by the inputs of the "
    "model's last layer. A small distance is not proof; unrelated windows are about 1.4 apart."
)
Voted = Mapping[tuple[str, float], tuple[str, npt.NDArray[np.float64]]]


class ModelProcess:
    """One model: in this process if it brings graphs for its explanations, or else in another, since torch is large.

    Parameters
    ----------
    folder
        Folder of the model.
    weights
        SHA-256 of its weights.
    worker
        Computes the features of windows with votes in the background.
    """

    def __init__(self, folder: Path, weights: str, worker: JobThread) -> None:
        self.weights, self._worker, self._folder = weights, worker, folder
        exported = open_exported(folder)
        self._helper = Explainer(folder, exported) if exported else WorkerProcess(folder)
        self._brought = exported is not None and SHIPPED_NEIGHBOURS in exported.contract.files
        self._neighbours: Neighbours | None = None
        self._simulated: dict[range, LabelledWindows] = {}
        self._lock = threading.Lock()
        self._answers, self._added = ResultCache(), set[tuple[str, float]]()

    def why(self, item: Item, number: int, pattern: str, method: str, progress: Progress = silent) -> dict[str, Any]:
        """Return the evidence for a pattern in a window, see `ictal.web.explainer.Explainer.why`."""

        def make() -> dict[str, Any]:
            start_s = float(item.frame["start_s"].iloc[number]) - BEFORE_S
            asked = (window_signal(item, number), start_s, pattern, method)
            found: dict[str, Any] = self._helper.ask("why", *asked, progress=progress)
            return found

        return self._answers.get_or((item.id, item.state, number, pattern, method), make)

    def similar(
        self, item: Item, number: int, voted: Voted, progress: Progress = silent
    ) -> tuple[list[dict[str, Any]], str]:
        """Return the most similar windows, and a note on how to read them."""
        neighbours = self._prepared(progress)
        features = self._features(item, number)
        return neighbours.nearest(features, voted, (item.content, middle_s(item, number))), READ

    def add_voted(self, item: Item, number: int, time_s: float) -> None:
        """Add a window with votes, whose middle is `time_s`, to the windows for comparison, in the background."""
        neighbours, key = self._neighbours, (item.content, time_s)
        if neighbours is None or key in self._added:
            return
        self._added.add(key)
        self._worker.do(lambda: neighbours.add(key, self._features(item, number)))

    def stop(self) -> None:
        """End the process that runs the model."""
        self._helper.stop()

    def _prepared(self, progress: Progress) -> Neighbours:
        """Return the simulated windows; what was made before a reader gave up is used by the next."""
        with self._lock:
            if self._neighbours is None:
                self._neighbours = (
                    read_neighbours(self._folder / SHIPPED_NEIGHBOURS)
                    if self._brought
                    else simulated_neighbours(self._some, self.weights, progress=progress)
                )
                self._simulated.clear()
            return self._neighbours

    def _some(self, numbers: range) -> LabelledWindows:
        if numbers not in self._simulated:
            self._simulated[numbers] = self._helper.ask("simulated", numbers)
        return self._simulated[numbers]

    def _features(self, item: Item, number: int) -> Signal:
        def make() -> Signal:
            found: Signal = self._helper.ask("features", [window_signal(item, number)])[0]
            return found

        return self._answers.get_or((item.id, item.state, number), make)


def window_signal(item: Item, number: int) -> Signal:
    """Return the model's input for a window of a scored recording, [20, 10000] at 200 Hz, µV."""
    scores = item.known_scores
    assert scores is not None  # callers have checked this
    return window_of(scores, item.recording, number)
