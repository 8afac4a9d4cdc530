"""Windows of a recording as models are given them: for training, evaluation and explanation alike."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ictal.core.recording import Signal
from ictal.core.windows import RATE_HZ, WINDOW_SAMPLES, Geometry, WindowPosition, pad_window
from ictal.preprocessing.regional_spectrogram import CONTEXT_S, Context, contexts_of
from ictal.preprocessing.runs import Stretch
from ictal.preprocessing.settings import MARGIN_S, StandardiseSettings

CONTEXT_MARGIN_S = 30
"""How far beyond a context's ten minutes its high-pass (0.5 Hz) looks."""
TOGETHER = 1000 * RATE_HZ
"""Windows that begin within so many samples are read together, so that memory has a bound."""
APART = 2 * MARGIN_S * RATE_HZ
"""Windows that begin this far apart are read apart: what lies between would be read for nothing."""


@dataclass(frozen=True)
class ModelWindow:
    """One window, and what is known of it.

    Attributes
    ----------
    window
        [20, 10000], standardised, completed where the recording does not fill it.
    made_up
        How many samples of what the model sees are made up.
    gone, start
        [20, time]: which samples of a piece of the recording are missing or flat; and the sample of it with which the
        window begins, which may be before the piece.
    geometry
        What the model sees of the window.
    """

    window: Signal
    made_up: int
    gone: npt.NDArray[np.bool_]
    start: int
    geometry: Geometry

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """Which samples of what the model sees are missing or flat, [20, time]."""
        first = self.start + self.geometry.unseen
        return self.gone[:, max(0, first) : first + self.geometry.needed]

    @property
    def unrecorded(self) -> npt.NDArray[np.bool_]:
        """Which samples of the window the recording does not hold, [20, 10000]."""
        return np.asarray(pad_window((~self.gone).astype(np.float32), self.start, "zero") == 0)


def model_windows(
    runs: Sequence[Stretch], places: Sequence[WindowPosition], geometry: Geometry, settings: StandardiseSettings
) -> Iterator[ModelWindow]:
    """Give the windows at some places, in their order; neighbours are read together."""
    for run, starts in _together(places):
        stretch = runs[run]
        begin, stop = max(0, starts[0]), min(stretch.n_samples, starts[-1] + WINDOW_SAMPLES)
        piece, _ = stretch.standardised(begin, stop, settings)
        for start in starts:
            window = pad_window(piece.signal, start - begin, geometry.short)
            yield ModelWindow(window, geometry.n_padded(stretch), piece.missing, start - begin, geometry)


def contexts_at(stretch: Stretch, starts: Sequence[int], max_missing: float) -> Context:
    """Return the contexts of neighbouring windows, given by their first samples, [window, 4, 100, 300]."""
    around = (CONTEXT_S // 2 + CONTEXT_MARGIN_S) * RATE_HZ
    begin = max(0, starts[0] - around)
    wide = stretch.resampled(begin, min(stretch.n_samples, starts[-1] + WINDOW_SAMPLES + around))
    return contexts_of(wide.signal, wide.missing, [(start - begin) / RATE_HZ for start in starts], max_missing)


def contexts(runs: Sequence[Stretch], places: Sequence[WindowPosition], max_missing: float) -> Context:
    """Return the contexts of the windows at some places, in their order."""
    return np.concatenate([contexts_at(runs[run], starts, max_missing) for run, starts in _together(places)])


def _together(places: Sequence[WindowPosition]) -> Iterator[tuple[int, list[int]]]:
    """Divide windows into neighbours that are read together: their run, and their first samples in its order."""
    group: list[WindowPosition] = []
    for place in places:
        if group and not _are_neighbours(group, place):
            yield group[0].run, [one.start for one in group]
            group = []
        group.append(place)
    if group:
        yield group[0].run, [one.start for one in group]


def _are_neighbours(group: Sequence[WindowPosition], place: WindowPosition) -> bool:
    first, last = group[0], group[-1]
    ordered = place.run == first.run and place.start >= last.start
    return ordered and place.start - first.start <= TOGETHER and place.start - last.start <= APART
