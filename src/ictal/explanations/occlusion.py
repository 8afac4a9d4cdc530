"""Occlusion: how much of log p is lost where a part of the window is removed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from torch import nn

from ictal.core.montage import CHANNELS, ELECTRODES, N_CHANNELS, NEIGHBOURS
from ictal.core.recording import Signal
from ictal.core.windows import RATE_HZ, WINDOW_S, WINDOW_SAMPLES
from ictal.explanations.base import N_ELECTRODES, Floats, checked_window, log_probabilities, pattern_index, rounded

QUIET = 0.1
"""What is left of the amplitude where a piece of time is taken away: 20 dB less, as in a suppressed EEG. Nothing at
all would be a hole of -100 dB in a spectrogram, which no EEG has and which a network may take for anything."""


def _means_of_neighbours() -> Signal:
    """Return the matrix [20, 20] that gives each electrode the mean of those next to it along chains and rows."""
    matrix = np.zeros((N_CHANNELS, N_CHANNELS), dtype=np.float32)
    for one, other in NEIGHBOURS:
        here, there = CHANNELS.index(one), CHANNELS.index(other)
        matrix[here, there] = matrix[there, here] = 1
    matrix[CHANNELS.index("EKG"), CHANNELS.index("EKG")] = 1
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))


MEANS_OF_NEIGHBOURS = _means_of_neighbours()


@dataclass(frozen=True)
class Occlusion:
    """How much of log p is lost where a piece of the window is taken away; above zero: the piece speaks for it.

    Attributes
    ----------
    electrodes, seconds
        Without each electrode, [19], and without each second, [50]; nats.
    grid
        Without one electrode for one stretch of time, [19, stretch]; None where it was not asked for.
    stretch_s
        Length of a stretch.
    """

    electrodes: Floats
    seconds: Floats
    grid: Floats | None
    stretch_s: int

    def to_json(self) -> dict[str, Any]:
        """Return the figures, electrodes by name."""
        grid = None if self.grid is None else dict(zip(ELECTRODES, rounded(self.grid), strict=True))
        electrodes = dict(zip(ELECTRODES, rounded(self.electrodes), strict=True))
        return {
            "electrodes": electrodes,
            "seconds": rounded(self.seconds),
            "stretch_s": self.stretch_s,
            "grid": grid,
        }


def occlude(
    network: nn.Module, window: Signal, pattern: str, stretch_s: int | None = 2, batch_size: int = 16
) -> Occlusion:
    """Take electrodes and seconds away one by one and see how much of log p is lost (Zeiler and Fergus 2014).

    Nothing that is put in may look like an artifact. An electrode becomes the mean of its neighbours along chains
    and rows, as an interpolated bad channel does. A second loses, on every channel, nine tenths of what deviates
    from the straight line between the sample before it and the one after it (`QUIET`), so there is no step at
    either end. For one electrode and one stretch of time, the same is done to its difference from the neighbours'
    mean. All of it commutes with a change of reference.

    Parameters
    ----------
    network, window, pattern
        As in `explain`.
    stretch_s
        Length of the stretches of the grid, which must divide 50 s; None for no grid.
    batch_size
        Windows per pass.

    Returns
    -------
    Occlusion
        From 1 + 19 + 50 windows, and 19 more for each stretch.
    """
    grid = None if stretch_s is None else occlude_cells(network, window, pattern, stretch_s, batch_size)
    lost = _lost(network, window, _without_parts, pattern, batch_size)
    electrodes, seconds = np.split(lost, [N_ELECTRODES])
    return Occlusion(electrodes, seconds, grid, stretch_s or 0)


def occlude_cells(network: nn.Module, window: Signal, pattern: str, stretch_s: int, batch_size: int = 16) -> Floats:
    """Return the grid of `occlude` alone, [19, stretch], nats; the parameters are the same."""
    if stretch_s < 1 or WINDOW_S % stretch_s:
        raise ValueError(f"stretch_s is {stretch_s}; allowed are whole seconds that divide {WINDOW_S}")
    cells = _lost(network, window, lambda whole: _without_cells(whole, stretch_s), pattern, batch_size)
    return cells.reshape(N_ELECTRODES, -1)


def _lost(
    network: nn.Module, window: Signal, change: Callable[[Signal], Iterator[Signal]], pattern: str, batch_size: int
) -> Floats:
    """Return how much log p of a pattern is smaller in each changed window, [changed], nats."""
    column, whole = pattern_index(pattern), checked_window(window)
    found = log_probabilities(network, chain([whole], change(whole)), batch_size)[:, column]
    return np.asarray(found[0] - found[1:])


def _without_parts(window: Signal) -> Iterator[Signal]:
    """Give the window without each electrode and without each second."""
    around = MEANS_OF_NEIGHBOURS @ window
    for row in range(N_ELECTRODES):
        yield _with_row(window, row, around[row])
    for start in range(0, WINDOW_SAMPLES, RATE_HZ):
        yield quietened(window, start, start + RATE_HZ)


def _without_cells(window: Signal, stretch_s: int) -> Iterator[Signal]:
    """Give the window without each stretch of each electrode."""
    around, length = MEANS_OF_NEIGHBOURS @ window, stretch_s * RATE_HZ
    for row in range(N_ELECTRODES):
        own = window[row] - around[row]
        for start in range(0, WINDOW_SAMPLES, length):
            yield _with_row(window, row, around[row] + quietened(own, start, start + length))


def _with_row(window: Signal, row: int, samples: Signal) -> Signal:
    changed = window.copy()
    changed[row] = samples
    return changed


def quietened(signal: Signal, start: int, stop: int) -> Signal:
    """Return a signal [..., time] that deviates little from the line of `bridged` in samples `start` to `stop`."""
    line = bridged(signal, start, stop)
    return line + np.float32(QUIET) * (signal - line)


def bridged(signal: Signal, start: int, stop: int) -> Signal:
    """Return a signal [..., time] with samples `start` to `stop` on the line between those before and after."""
    n_samples = signal.shape[-1]
    before = signal[..., [start - 1 if start else min(stop, n_samples - 1)]]
    after = signal[..., [stop]] if stop < n_samples else before
    way = np.arange(1, stop - start + 1, dtype=np.float32) / (stop - start + 1)
    changed = signal.copy()
    changed[..., start:stop] = before + (after - before) * way
    return changed
