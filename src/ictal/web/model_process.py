"""Explanations and similar windows from one model: computed on request, cached, and prepared in the background."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ictal.core.recording import Signal
from ictal.core.windows import BEFORE_S
from ictal.errors import IctalError
from ictal.report.results_folder import window_of
from ictal.web.cache import ResultCache
from ictal.web.jobs import JobThread
from ictal.web.library import Item, middle_s
from ictal.web.similar import LabelledWindows, Neighbours, simulated_neighbours
from ictal.web.worker_process import BusyError, WorkerProcess

PREPARING = "The windows for comparison are being prepared. This takes about a minute, once for each model."
READ = (
    "The nearest among simulated windows, whose votes are known, and windows with votes here, by the inputs of the "
    "model's last layer. A small distance is not proof; unrelated windows are about 1.4 apart."
)
Voted = Mapping[tuple[str, float], tuple[str, npt.NDArray[np.float64]]]


class ModelProcess:
    """One model, loaded in another process on the first request.

    Parameters
    ----------
    folder
        Folder of the model.
    weights
        SHA-256 of its weights.
    worker
        Prepares the windows for `similar` in the background.
    """

    def __init__(self, folder: Path, weights: str, worker: JobThread) -> None:
        self.weights, self._worker, self._helper = weights, worker, WorkerProcess(folder)
        self._neighbours: Neighbours | None = None
        self._note, self._lock = "", threading.Lock()
        self._answers, self._added = ResultCache(), set[tuple[str, float]]()

    def why(self, item: Item, number: int, pattern: str, method: str) -> dict[str, Any]:
        """Return the evidence for a pattern in a window, see `ictal.web.explainer.Explainer.why`."""

        def make() -> dict[str, Any]:
            start_s = float(item.frame["start_s"].iloc[number]) - BEFORE_S
            found: dict[str, Any] = self._helper.ask("why", window_signal(item, number), start_s, pattern, method)
            return found

        return self._answers.get_or((item.id, number, pattern, method), make)

    def similar(self, item: Item, number: int, voted: Voted) -> tuple[list[dict[str, Any]], str]:
        """Return the most similar windows, and a note on how to read them or why there are none."""
        if self._neighbours is None:
            self._prepare()
            return [], self._note
        try:
            features = self._features(item, number, wait=False)
        except BusyError as error:
            return [], f"No similar windows yet: {error}."
        return self._neighbours.nearest(features, voted, (item.content, middle_s(item, number))), READ

    def add_voted(self, item: Item, number: int, time_s: float) -> None:
        """Add a window with votes, whose middle is `time_s`, to the windows for comparison, in the background."""
        neighbours, key = self._neighbours, (item.content, time_s)
        if neighbours is None or key in self._added:
            return
        self._added.add(key)
        self._worker.do(lambda: neighbours.add(key, self._features(item, number, wait=True)))

    def stop(self) -> None:
        """End the process that runs the model."""
        self._helper.stop()

    def _prepare(self) -> None:
        """Make the simulated windows once, in the background."""
        with self._lock:
            begun, self._note = bool(self._note), self._note or PREPARING
        if not begun:
            self._worker.do(self._make)

    def _make(self) -> None:
        def some(numbers: range) -> LabelledWindows:
            self._worker.check()
            found: LabelledWindows = self._helper.ask("simulated", numbers)
            return found

        try:
            self._neighbours = simulated_neighbours(some, self.weights)
        except IctalError as error:
            self._note = f"No similar windows: {error}"

    def _features(self, item: Item, number: int, *, wait: bool) -> Signal:
        def make() -> Signal:
            found: Signal = self._helper.ask("features", [window_signal(item, number)], wait=wait)[0]
            return found

        return self._answers.get_or((item.id, number), make)


def window_signal(item: Item, number: int) -> Signal:
    """Return the model's input for a window of a scored recording, [20, 10000] at 200 Hz, µV."""
    assert item.scores is not None  # callers have checked this
    return window_of(item.scores, item.recording, number)
