"""Occlusion: how much log p drops when a part of the window is removed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from ictal.core.montage import CHANNELS, ELECTRODES, N_CHANNELS, NEIGHBOURS
from ictal.core.progress import Progress, silent
from ictal.core.recording import Signal
from ictal.core.windows import RATE_HZ, WINDOW_S, WINDOW_SAMPLES
from ictal.explanations.explained import (
    AT_ONCE,
    N_ELECTRODES,
    Explained,
    Floats,
    as_explained,
    checked_window,
    pattern_index,
    rounded,
)

if TYPE_CHECKING:
    from torch import nn

QUIET = 0.1
"""Remaining share of the amplitude in a stretch of time that is removed: 20 dB less, as in a suppressed EEG. Removing
all of it would leave a hole of -100 dB in a spectrogram, which no EEG contains and no network has learned."""


def _means_of_neighbours() -> Signal:
    """Return the matrix [20, 20] that replaces each electrode by the mean of its neighbours along chains and rows."""
    matrix = np.zeros((N_CHANNELS, N_CHANNELS), dtype=np.float32)
    for one, other in NEIGHBOURS:
        here, there = CHANNELS.index(one), CHANNELS.index(other)
        matrix[here, there] = matrix[there, here] = 1
    matrix[CHANNELS.index("EKG"), CHANNELS.index("EKG")] = 1
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))


MEANS_OF_NEIGHBOURS = _means_of_neighbours()


@dataclass(frozen=True)
class Occlusion:
    """How much log p drops when a part of the window is removed; positive where the part supports the pattern.

    Attributes
    ----------
    electrodes, seconds
        Drop without each electrode, [19], and without each second, [50]; nats.
    grid
        Drop without one electrode in one stretch of time, [19, stretch]; None if it was not requested.
    stretch_s
        Length of a stretch, seconds; 0 without a grid.
    """

    electrodes: Floats
    seconds: Floats
    grid: Floats | None
    stretch_s: int

    def to_json(self) -> dict[str, Any]:
        """Return the figures as lists, electrodes by name."""
        grid = None if self.grid is None else dict(zip(ELECTRODES, rounded(self.grid), strict=True))
        electrodes = dict(zip(ELECTRODES, rounded(self.electrodes), strict=True))
        return {
            "electrodes": electrodes,
            "seconds": rounded(self.seconds),
            "stretch_s": self.stretch_s,
            "grid": grid,
        }


def occlude(
    model: "Explained | nn.Module",
    window: Signal,
    pattern: str,
    stretch_s: int | None = 2,
    progress: Progress = silent,
) -> Occlusion:
    """Remove electrodes and seconds one at a time and measure how much log p drops (Zeiler and Fergus 2014).

    The replacement must not look like an artifact. An electrode is replaced by the mean of its neighbours along
    chains and rows, like an interpolated bad channel. In a second, every channel keeps a tenth of its deviation from
    the straight line between the samples before and after it (`QUIET`), so there is no step at either end. For one
    electrode in one stretch of time, the same is done to its difference from the mean of its neighbours. None of this
    depends on the reference.

    Parameters
    ----------
    model, window, pattern
        As in `explain`.
    stretch_s
        Length of the stretches of the grid in whole seconds, which must divide 50 s; None for no grid.
    progress
        Called before every few windows; an exception that it raises ends the computation.

    Returns
    -------
    Occlusion
        Computed from 1 + 19 + 50 windows, and 19 more for each stretch; without those whose change is outside the
        samples that the model uses, since nothing drops there.
    """
    whole, n_cells = checked_window(window), _n_cells(stretch_s)
    changed = chain(_without_parts(whole), _without_cells(whole, stretch_s) if stretch_s else ())
    drops = _drops(model, whole, changed, N_ELECTRODES + WINDOW_S + n_cells, pattern, progress)
    electrodes, seconds, cells = np.split(drops, [N_ELECTRODES, N_ELECTRODES + WINDOW_S])
    grid = None if stretch_s is None else cells.reshape(N_ELECTRODES, -1)
    return Occlusion(electrodes, seconds, grid, stretch_s or 0)


def occlude_cells(
    model: "Explained | nn.Module", window: Signal, pattern: str, stretch_s: int, progress: Progress = silent
) -> Floats:
    """Return only the grid of `occlude`, [19, stretch], nats; for the parameters, see there."""
    whole, n_cells = checked_window(window), _n_cells(stretch_s)
    changed = _without_cells(whole, stretch_s)
    return _drops(model, whole, changed, n_cells, pattern, progress).reshape(N_ELECTRODES, -1)


def _n_cells(stretch_s: int | None) -> int:
    """Return the number of cells of the grid, or raise a `ValueError` if there can be none."""
    if stretch_s is None:
        return 0
    if stretch_s < 1 or WINDOW_S % stretch_s:
        raise ValueError(f"stretch_s is {stretch_s}; allowed are whole seconds that divide {WINDOW_S}")
    return N_ELECTRODES * (WINDOW_S // stretch_s)


def _drops(
    model: "Explained | nn.Module",
    window: Signal,
    changed: Iterable[Signal],
    n_changed: int,
    pattern: str,
    progress: Progress,
) -> Floats:
    """Return how much log p of a pattern drops in each changed window, [changed], nats.

    A window that is the same in the samples that the model uses is not computed again. Only a few windows are in
    memory at once, since all of them would need 0.4 GB.
    """
    explained, column = as_explained(model), pattern_index(pattern)
    seen, drops = window[:, explained.seen], np.zeros(n_changed)
    different = (
        (number, each) for number, each in enumerate(changed) if not np.array_equal(each[:, explained.seen], seen)
    )
    progress("occlusion", 0, n_changed)
    unchanged = explained.log_probabilities(window[None])[0, column]
    while some := list(islice(different, AT_ONCE)):
        numbers, windows = zip(*some, strict=True)
        progress("occlusion", numbers[0], n_changed)
        drops[list(numbers)] = unchanged - explained.log_probabilities(np.stack(windows))[:, column]
    return drops


def _without_parts(window: Signal) -> Iterator[Signal]:
    """Yield the window without each electrode, then without each second."""
    around = MEANS_OF_NEIGHBOURS @ window
    for row in range(N_ELECTRODES):
        yield _with_row(window, row, around[row])
    for start in range(0, WINDOW_SAMPLES, RATE_HZ):
        yield quietened(window, start, start + RATE_HZ)


def _without_cells(window: Signal, stretch_s: int) -> Iterator[Signal]:
    """Yield the window without each stretch of each electrode."""
    around, length = MEANS_OF_NEIGHBOURS @ window, stretch_s * RATE_HZ
    for row in range(N_ELECTRODES):
        own = window[row] - around[row]
        for start in range(0, WINDOW_SAMPLES, length):
            change = quietened(own, start, start + length) - own  # exactly 0 elsewhere
            yield _with_row(window, row, window[row] + change)


def _with_row(window: Signal, row: int, samples: Signal) -> Signal:
    changed = window.copy()
    changed[row] = samples
    return changed


def quietened(signal: Signal, start: int, stop: int) -> Signal:
    """Return a signal [..., time] with its deviation from `bridged` reduced to `QUIET` in `start` to `stop`."""
    line = bridged(signal, start, stop)
    return line + np.float32(QUIET) * (signal - line)


def bridged(signal: Signal, start: int, stop: int) -> Signal:
    """Return a signal [..., time] with samples `start` to `stop` on the line between the samples around them."""
    n_samples = signal.shape[-1]
    before = signal[..., [start - 1 if start else min(stop, n_samples - 1)]]
    after = signal[..., [stop]] if stop < n_samples else before
    share = np.arange(1, stop - start + 1, dtype=np.float32) / (stop - start + 1)
    changed = signal.copy()
    changed[..., start:stop] = before + (after - before) * share
    return changed
