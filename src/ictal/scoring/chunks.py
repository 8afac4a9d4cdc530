"""From a recording to rows of scores, a piece at a time: memory does not grow with the recording."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.core.labels import N_PATTERNS
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.recording import Signal
from ictal.core.windows import BEFORE_SAMPLES, CENTRE_S, CENTRE_SAMPLES, RATE_HZ, WINDOW_SAMPLES, Geometry, pad_window
from ictal.preprocessing.model_windows import contexts_at
from ictal.preprocessing.runs import Stretch
from ictal.preprocessing.settings import StandardiseSettings
from ictal.scoring.engine import Engine, Piece
from ictal.scoring.quality import (
    FLAWS,
    FRAME,
    Frames,
    QualitySettings,
    amplitude_band,
    amplitude_integrated,
    left_right,
    look_at,
    reason_in_words,
)
from ictal.scoring.scores import AEEG_COLUMNS, COLUMNS, SPECTRUM_COLUMNS, spread_of

FIRST_WINDOWS, WINDOWS = 8, 96
"""Windows of the first piece, so that first scores come soon, and of every other."""
ALIKE = 4
"""Pieces hold a multiple of so many windows, and begin at whole frames of 2 s with every step of half seconds."""


@dataclass(frozen=True)
class Plan:
    """Some windows of one gapless stretch.

    Attributes
    ----------
    stretch
        Of the recording.
    starts
        First sample of each window in the stretch, at 200 Hz; below zero, and with a last one beyond the stretch,
        where the model does not look at what is missing.
    geometry
        What the model looks at of each.
    """

    stretch: Stretch
    starts: tuple[int, ...]
    geometry: Geometry

    @property
    def seconds(self) -> float:
        """How much of the recording the windows move forward."""
        step = self.starts[1] - self.starts[0] if len(self.starts) > 1 else WINDOW_SAMPLES
        return len(self.starts) * step / RATE_HZ


@dataclass(frozen=True)
class Loaded(Piece):
    """The windows of a plan, with everything that is known of them but for what the model says.

    Attributes
    ----------
    rows
        Times, quality and spectra, a row per window.
    """

    rows: pd.DataFrame = field(kw_only=True)


def plans(stretches: Sequence[Stretch], step: int, geometry: Geometry) -> list[Plan]:
    """Divide the windows of all stretches into pieces, the first of them small.

    No piece lasts longer than at a step of 10 s, so that memory has a bound.
    """
    fewer = max(step / CENTRE_SAMPLES, 1)
    found: list[Plan] = []
    for stretch, starts in zip(stretches, geometry.starts(stretches, step), strict=True):
        while starts:
            size = max(1, int((WINDOWS if found else FIRST_WINDOWS) / fewer) // ALIKE) * ALIKE
            found.append(Plan(stretch, tuple(starts[:size]), geometry))
            starts = starts[size:]
    return found


def load(plan: Plan, settings: StandardiseSettings, quality: QualitySettings, *, sees_context: bool) -> Loaded:
    """Read some windows, standardise them, and look at their quality and, where the model does, at their context."""
    stretch, geometry, first = plan.stretch, plan.geometry, plan.starts[0]
    offset, end = max(0, first + geometry.unseen), plan.starts[-1] + WINDOW_SAMPLES - geometry.unseen
    # Up to the end of a frame: without it the last window would lack what lies in its last half-second.
    stop = min(-(-end // FRAME) * FRAME, stretch.n_samples)
    standardised, plain = stretch.standardised(offset, stop, settings)
    contexts = contexts_at(stretch, plan.starts, settings.max_missing) if sees_context else None
    if geometry.n_padded(stretch):
        signal = pad_window(standardised.signal, first - offset, geometry.short)
    else:
        signal = np.pad(standardised.signal, ((0, 0), (geometry.unseen, geometry.unseen)))
    frames = look_at(plain, stretch.mapping, quality)
    envelopes = amplitude_integrated(plain.signal, stretch.mapping)
    onset_s = stretch.onset_s + offset / RATE_HZ
    rows = [_row(start - offset, onset_s, geometry, frames, envelopes, quality) for start in plan.starts]
    known = pd.DataFrame(rows).assign(made_up_s=geometry.n_padded(stretch) / RATE_HZ)
    return Loaded(signal, [start - first for start in plan.starts], contexts, rows=known)


def score_piece(loaded: Loaded, engine: Engine) -> pd.DataFrame:
    """Return the rows of some windows, with what the model says."""
    frame = loaded.rows.copy()
    frame[list(PROBABILITY_COLUMNS)] = _answers(loaded, engine)
    frame["spread"] = spread_of(frame)
    return frame[list(COLUMNS)]


def _answers(loaded: Loaded, engine: Engine) -> npt.NDArray[np.float64]:
    """Ask the engine about the windows that may have a prediction; the others get NaN."""
    asked = [number for number, reason in enumerate(loaded.rows["reason"]) if not reason]
    probabilities = np.full((len(loaded.starts), N_PATTERNS), np.nan)
    if asked:
        probabilities[asked] = engine(loaded.some(asked)).probabilities
    return probabilities


def _row(
    start: int,
    onset_s: float,
    geometry: Geometry,
    frames: Frames,
    envelopes: dict[str, Signal],
    quality: QualitySettings,
) -> dict[str, object]:
    """Return what is known of a window but for its probabilities; all but quality concern its centre.

    `start` is its first sample in the piece that frames and envelopes are of, and `onset_s` when that begins.
    """
    centre, first = start + BEFORE_SAMPLES, max(0, start + geometry.unseen)
    whole = min(envelopes["left"].shape[0] - first, geometry.needed)
    centre_s = onset_s + centre / RATE_HZ
    spectrum = frames.spectrum(centre)
    shares = frames.window(first, whole)
    shown = shares >= quality.shown
    bands = [border for side in ("left", "right") for border in amplitude_band(envelopes[side], centre)]
    marks = (shown * (1 << np.arange(len(FLAWS)))[:, None]).sum(axis=0)
    return {
        "start_s": centre_s,
        "stop_s": centre_s + CENTRE_S,
        "reason": reason_in_words(frames, first, whole, quality),
        "usable": frames.usable(first, whole),
        **{name: int(count) for name, count in zip(FLAWS, shown.sum(axis=1), strict=True)},
        "left_right": left_right(spectrum),
        **dict(zip(SPECTRUM_COLUMNS, spectrum.astype(np.float32), strict=True)),
        **dict(zip(AEEG_COLUMNS, bands, strict=True)),
        "marks": marks.astype(np.uint8),
    }


@contextmanager
def ahead(makers: Sequence[Callable[[], Loaded]]) -> Iterator[Iterator[Loaded]]:
    """Give what makers make, each made in a thread of its own while the one before is used."""
    made: queue.Queue[Loaded | BaseException | None] = queue.Queue(maxsize=1)
    stopped = threading.Event()

    def put(thing: Loaded | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                made.put(thing, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def make() -> None:
        try:
            for maker in makers:
                if not put(maker()):
                    return
            put(None)
        except BaseException as error:
            put(error)

    def give() -> Iterator[Loaded]:
        while (thing := made.get()) is not None:
            if isinstance(thing, BaseException):
                raise thing
            yield thing

    thread = threading.Thread(target=make, name="reading", daemon=True)
    thread.start()
    try:
        yield give()
    finally:
        stopped.set()
        thread.join()
