"""The input and the interface of every engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ictal.core.recording import Signal
from ictal.core.windows import WINDOW_SAMPLES
from ictal.models.output import ModelOutput
from ictal.scoring.export_contract import Contract

BATCH = 4
"""Windows per run of a network; more no longer fit into the CPU's cache."""


@dataclass(frozen=True)
class WindowBatch:
    """Windows that are scored together.

    Attributes
    ----------
    signal
        [20, time], standardised.
    starts
        First sample of each window in the signal.
    contexts
        [window, 4, 100, 300], for a model that uses the ten minutes around a window.
    """

    signal: Signal
    starts: Sequence[int]
    contexts: Signal | None = None

    def window(self, number: int) -> Signal:
        """Return one window, [20, 10000]."""
        start = self.starts[number]
        return self.signal[:, start : start + WINDOW_SAMPLES]

    @property
    def windows(self) -> Signal:
        """All windows, [window, 20, 10000]."""
        return np.stack([self.window(number) for number in range(len(self.starts))])

    def some(self, numbers: Sequence[int]) -> "WindowBatch":
        """Return some of the windows in their order, with their contexts."""
        starts = [self.starts[number] for number in numbers]
        signal = self.signal[:, starts[0] : starts[-1] + WINDOW_SAMPLES]
        contexts = None if self.contexts is None else self.contexts[list(numbers)]
        return WindowBatch(signal, [start - starts[0] for start in starts], contexts)


class Engine(Protocol):
    """The interface of every engine."""

    contract: Contract

    @property
    def described(self) -> dict[str, Any]:
        """Name, version and precision, for the manifest."""

    def __call__(self, batch: WindowBatch) -> ModelOutput:
        """Return what the model predicts for the windows of a batch."""
