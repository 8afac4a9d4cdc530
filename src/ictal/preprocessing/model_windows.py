"""Windows of a recording as models receive them: for training, evaluation and explanation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ictal.core.recording import Signal
from ictal.core.windows import RATE_HZ, WINDOW_SAMPLES, Geometry, WindowPosition, pad_window
from ictal.preprocessing.regional_spectrogram import CONTEXT_S, Context, contexts_of
from ictal.preprocessing.runs import RecordedRun
from ictal.preprocessing.settings import MARGIN_S, StandardiseSettings

CONTEXT_MARGIN_S = 30
"""How far beyond a context's ten minutes its high-pass (0.5 Hz) reaches."""
TOGETHER = 1000 * RATE_HZ
"""At most this many samples are read at once, so that memory is bounded."""
APART = 2 * MARGIN_S * RATE_HZ
"""Windows that begin further apart than this are read separately, without the samples between them."""


@dataclass(frozen=True)
class ModelWindow:
    """One window, and what is known about it.

    Attributes
    ----------
    signal, gone
        [20, time]: a chunk of the recording, standardised, and which of its samples are missing or flat.
    start
        The sample of the chunk at which the window begins. It may be negative.
    n_padded
        How many samples that the model sees were filled in, since the recording does not have them.
    geometry
        What the model sees of the window.
    """

    signal: Signal
    gone: npt.NDArray[np.bool_]
    start: int
    n_padded: int
    geometry: Geometry

    @property
    def window(self) -> Signal:
        """[20, 10000], completed where the recording does not fill it."""
        return pad_window(self.signal, self.start, self.geometry.short)

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """Which samples that the model sees are missing or flat, [20, time]."""
        first = self.start + self.geometry.unseen
        return self.gone[:, max(0, first) : first + self.geometry.needed]

    @property
    def unrecorded(self) -> npt.NDArray[np.bool_]:
        """Which samples of the window are not in the recording, [20, 10000]."""
        return np.asarray(pad_window((~self.gone).astype(np.float32), self.start, "zero") == 0)


def model_windows(
    runs: Sequence[RecordedRun], places: Sequence[WindowPosition], geometry: Geometry, settings: StandardiseSettings
) -> Iterator[ModelWindow]:
    """Yield the windows at some positions, in their order; neighbours are read together."""
    for neighbours in neighbouring_windows(runs, places, geometry, settings):
        yield from neighbours


def neighbouring_windows(
    runs: Sequence[RecordedRun], places: Sequence[WindowPosition], geometry: Geometry, settings: StandardiseSettings
) -> Iterator[list[ModelWindow]]:
    """Yield the windows at some positions, in their order, in lists of those that are in one chunk."""
    for number, starts in _together(places):
        run = runs[number]
        begin, stop = max(0, starts[0]), min(run.n_samples, starts[-1] + WINDOW_SAMPLES)
        chunk, _ = run.standardised(begin, stop, settings)
        n_padded = geometry.n_padded(run)
        yield [ModelWindow(chunk.signal, chunk.missing, start - begin, n_padded, geometry) for start in starts]


def contexts_at(run: RecordedRun, starts: Sequence[int], max_missing: float) -> Context:
    """Return the contexts of neighbouring windows, given by their first samples, [window, 4, 100, 300]."""
    around = (CONTEXT_S // 2 + CONTEXT_MARGIN_S) * RATE_HZ
    begin = max(0, starts[0] - around)
    wide = run.resampled(begin, min(run.n_samples, starts[-1] + WINDOW_SAMPLES + around))
    return contexts_of(wide.signal, wide.missing, [(start - begin) / RATE_HZ for start in starts], max_missing)


def contexts(runs: Sequence[RecordedRun], places: Sequence[WindowPosition], max_missing: float) -> Context:
    """Return the contexts of the windows at some places, in their order."""
    return np.concatenate([contexts_at(runs[number], starts, max_missing) for number, starts in _together(places)])


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
