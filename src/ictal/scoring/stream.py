"""From a recording to rows of scores, a piece at a time: memory does not grow with the recording."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.context import CONTEXT_S, contexts_of
from ictal.labels import N_PATTERNS
from ictal.predictions import PROBABILITY_COLUMNS
from ictal.recording import Signal
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
from ictal.standardise import StandardiseSettings, Stretch
from ictal.windows import (
    CENTRE_S,
    CENTRE_SAMPLES,
    RATE_HZ,
    WINDOW_S,
    WINDOW_SAMPLES,
    ShortPolicy,
    cut,
    samples_needed,
    starts_of,
)

FIRST_WINDOWS, WINDOWS = 8, 96
"""Windows of the first piece, so that first scores come soon, and of every other."""
ALIKE = 4
"""Pieces hold a multiple of so many windows, and begin at whole frames of 2 s with every step of half seconds."""
CONTEXT_MARGIN_S = 30
"""How far beyond a context's ten minutes its high-pass (0.5 Hz) looks."""


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
    seen
        How many samples of the middle of each window the model looks at.
    """

    stretch: Stretch
    starts: tuple[int, ...]
    seen: int = WINDOW_SAMPLES

    @property
    def unseen(self) -> int:
        """Samples at each end of a window that the model does not look at."""
        return (WINDOW_SAMPLES - self.seen) // 2

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


def plans(stretches: Sequence[Stretch], step: int, short: ShortPolicy, seen_s: float = WINDOW_S) -> list[Plan]:
    """Divide the windows of all stretches into pieces, the first of them small.

    What the model looks at of a window, its middle `seen_s`, lies within its stretch. A stretch that is shorter has
    none, unless it is the only one and at least 10 s long: then what it lacks is made up, see `ictal.windows.cut`.
    No piece lasts longer than at a step of 10 s, so that memory has a bound.
    """
    fewer = max(step / CENTRE_SAMPLES, 1)
    needed = samples_needed(seen_s)
    found: list[Plan] = []
    for stretch in stretches:
        starts = list(starts_of(stretch.n_samples, step, needed))
        if not starts and len(stretches) == 1 and stretch.n_samples >= CENTRE_SAMPLES and short != "refuse":
            starts = [0]
        while starts:
            size = max(1, int((WINDOWS if found else FIRST_WINDOWS) / fewer) // ALIKE) * ALIKE
            found.append(Plan(stretch, tuple(starts[:size]), needed))
            starts = starts[size:]
    return found


def load(plan: Plan, settings: StandardiseSettings, quality: QualitySettings, *, sees_context: bool) -> Loaded:
    """Read some windows, standardise them, and look at their quality and, where the model does, at their context."""
    stretch, first = plan.stretch, plan.starts[0]
    offset, end = first + plan.unseen, plan.starts[-1] + WINDOW_SAMPLES - plan.unseen
    # Up to the end of a frame: without it the last window would lack what lies in its last half-second.
    stop = min(-(-end // FRAME) * FRAME, stretch.n_samples)
    standardised, plain = stretch.standardised(offset, stop, settings)
    contexts = _contexts(plan) if sees_context else None
    signal, made_up = standardised.signal, 0
    if plan.unseen:
        signal = np.pad(signal, ((0, 0), (plan.unseen, plan.unseen)))
    elif signal.shape[1] < WINDOW_SAMPLES:
        signal, made_up = cut(signal, 0, settings.short)
    frames = look_at(plain, stretch.wiring, quality)
    envelopes = amplitude_integrated(plain.signal, stretch.wiring)
    starts, onset_s = [start - first for start in plan.starts], stretch.segment.onset_s + offset / RATE_HZ
    rows = [_row(start, plan.seen, onset_s, frames, envelopes, quality) for start in starts]
    return Loaded(signal, starts, contexts, rows=pd.DataFrame(rows).assign(made_up_s=made_up / RATE_HZ))


def _contexts(plan: Plan) -> Signal:
    stretch, around = plan.stretch, (CONTEXT_S // 2 + CONTEXT_MARGIN_S) * RATE_HZ
    begin = max(0, plan.starts[0] - around)
    wide = stretch.resampled(begin, min(stretch.n_samples, plan.starts[-1] + WINDOW_SAMPLES + around))
    starts_s = [(start - begin) / RATE_HZ for start in plan.starts]
    return contexts_of(wide.signal, wide.missing, starts_s)


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
    start: int, seen: int, onset_s: float, frames: Frames, envelopes: dict[str, Signal], quality: QualitySettings
) -> dict[str, object]:
    """Return what is known of a window but for its probabilities; all but quality concern its centre."""
    whole = min(envelopes["left"].shape[0], seen)
    before = max(0, (whole - CENTRE_SAMPLES) // 2)
    centre_s = onset_s + (start + before) / RATE_HZ
    spectrum = frames.spectrum(start + before)
    shares = frames.window(start, whole)
    shown = shares >= quality.shown
    bands = [border for side in ("left", "right") for border in amplitude_band(envelopes[side], start + before)]
    marks = (shown * (1 << np.arange(len(FLAWS)))[:, None]).sum(axis=0)
    return {
        "start_s": centre_s,
        "stop_s": centre_s + CENTRE_S,
        "reason": reason_in_words(frames, start, whole, quality),
        "usable": frames.usable(start, whole),
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
