"""Windows: experts vote on 10 s in the middle of the 50 s that a model gets, at 200 Hz.

A model may use only part of the 50 s. This module alone defines which samples of a recording, which may have gaps, a
model needs to predict which 10 s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from ictal.core.recording import Signal

RATE_HZ = 200
WINDOW_S = 50
CENTRE_S = 10
WINDOW_SAMPLES = WINDOW_S * RATE_HZ
CENTRE_SAMPLES = CENTRE_S * RATE_HZ
BEFORE_S = (WINDOW_S - CENTRE_S) // 2
BEFORE_SAMPLES = BEFORE_S * RATE_HZ
"""Samples from the start of a window to the start of its centre."""
ROUNDED = 0.6
"""Largest error, in samples, of rounded times in tables, with a margin for floating-point error."""

assert WINDOW_SAMPLES == 10_000

ShortPolicy = Literal["reflect", "zero", "refuse"]
"""How to treat a recording that is shorter than what a model sees, see `cut`."""


class Run(Protocol):
    """Samples at `RATE_HZ` without a gap between them."""

    @property
    def onset_s(self) -> float:
        """Time of the first sample, in seconds from the start of the recording, gaps included."""
        ...

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        ...


@dataclass(frozen=True)
class WindowPosition:
    """The position of a window.

    Attributes
    ----------
    run
        Index of the run that contains the part that the model sees.
    start
        First sample of the 50 s in that run. It may be negative, and the window may end after the run, since samples
        that the model does not see may be missing.
    """

    run: int
    start: int


@dataclass(frozen=True)
class Geometry:
    """Which samples a model needs to predict which 10 s.

    A window is identified by the start of its labelled centre, in seconds from the start of the recording, gaps
    included. The model sees `seen_s` around the middle of the centre. This part must be within one run; it is not
    padded at gaps or ends. The exception is a recording of one run that lasts at least 10 s, but less than the model
    sees. It has one window, in the middle of the recording, and is padded on both sides according to `short`.

    Attributes
    ----------
    seen_s
        Duration of the part that the model sees, in the middle of a window.
    short
        How to treat a recording that is shorter; with 'refuse' it has no window.
    """

    seen_s: float = WINDOW_S
    short: ShortPolicy = "reflect"

    @property
    def needed(self) -> int:
        """Number of samples in the middle of a window that must exist: what the model sees, and the centre."""
        return max(round(self.seen_s * RATE_HZ), CENTRE_SAMPLES)

    @property
    def unseen(self) -> int:
        """Number of samples at each end of a window that may be missing."""
        return (WINDOW_SAMPLES - self.needed) // 2

    def starts(self, runs: Sequence[Run], step: int) -> list[Sequence[int]]:
        """Return the first sample of each window of each run, in steps of `step` samples."""
        if self._pads(runs):
            return [[padded_start(runs[0].n_samples)]]
        return [range(-self.unseen, run.n_samples - self.needed - self.unseen + 1, step) for run in runs]

    def place(self, runs: Sequence[Run], centre_s: float) -> WindowPosition | None:
        """Return the position of the window whose centre starts at a time; None if a model cannot use it."""
        if self._pads(runs):
            start = padded_start(runs[0].n_samples)
            off = (centre_s - runs[0].onset_s) * RATE_HZ - (start + BEFORE_SAMPLES)
            return WindowPosition(0, start) if abs(off) <= 1 else None
        for number, run in enumerate(runs):
            first = (centre_s - run.onset_s) * RATE_HZ - BEFORE_SAMPLES + self.unseen
            last = run.n_samples - self.needed
            # Rounded times may place a window half a sample past the end of its run.
            if last >= 0 and -ROUNDED <= first <= last + ROUNDED:
                return WindowPosition(number, min(max(round(first), 0), last) - self.unseen)
        return None

    def n_padded(self, run: Run) -> int:
        """Return the number of samples by which a run is too short for the model."""
        return max(self.needed - run.n_samples, 0)

    def why_not(self, runs: Sequence[Run], centre_s: float) -> str:
        """Return a sentence that says why a window cannot be used."""
        around_s = (self.needed / RATE_HZ - CENTRE_S) / 2
        begin_s, end_s = centre_s - around_s, centre_s + CENTRE_S + around_s
        if self._pads(runs):
            only_s = runs[0].onset_s + (padded_start(runs[0].n_samples) + BEFORE_SAMPLES) / RATE_HZ
            return (
                f"the recording lasts {runs[0].n_samples / RATE_HZ:g} s, and the model sees {self.seen_s:g} s: "
                f"the only 10 s with a prediction start at {only_s:g} s"
            )
        if self.short == "refuse" and len(runs) == 1 and CENTRE_SAMPLES <= runs[0].n_samples < self.needed:
            return (
                f"the recording lasts {runs[0].n_samples / RATE_HZ:g} s, and the model sees {self.seen_s:g} s; "
                "standardise.short is 'refuse', allowed are also 'reflect' and 'zero'"
            )
        spans = [(run.onset_s, run.onset_s + run.n_samples / RATE_HZ) for run in runs]
        first_s, last_s = max(spans, key=lambda span: min(end_s, span[1]) - max(begin_s, span[0]))
        return (
            f"the model sees {self.needed / RATE_HZ:g} s, from {begin_s:g} to {end_s:g} s; the recording has EEG "
            f"without a gap from {first_s:g} to {last_s:g} s"
        )

    def _pads(self, runs: Sequence[Run]) -> bool:
        return len(runs) == 1 and CENTRE_SAMPLES <= runs[0].n_samples < self.needed and self.short != "refuse"


def padded_start(n_samples: int) -> int:
    """Return the first sample of the only window of a recording that is shorter than a window and centred in it."""
    return -((WINDOW_SAMPLES - n_samples) // 2)


def cut(signal: Signal, start: int, short: ShortPolicy = "reflect") -> tuple[Signal, int]:
    """Cut one window out of a standardised signal.

    A signal that is shorter than the window is centred in it, so that the labelled centre is the middle of the
    signal. It is padded on both sides, see `pad_window`.

    Parameters
    ----------
    signal
        [channel, time] at `RATE_HZ`.
    start
        First sample of the window; must be 0 for a signal shorter than the window.
    short
        How to pad a short signal; with 'refuse', it is an error.

    Returns
    -------
    window : ndarray
        [channel, 10000].
    n_padded : int
        How many of its samples per channel are padding.

    Raises
    ------
    ValueError
        If the window ends after the signal, or if `short` is 'refuse' and the signal is too short.
    """
    n_samples = signal.shape[1]
    if n_samples >= WINDOW_SAMPLES:
        if start < 0 or start + WINDOW_SAMPLES > n_samples:
            raise ValueError(f"a window at sample {start} ends after the signal of {n_samples} samples")
        return signal[:, start : start + WINDOW_SAMPLES], 0
    if short == "refuse" or start != 0 or n_samples == 0:
        raise ValueError(f"a signal of {n_samples} samples is shorter than a window of {WINDOW_SAMPLES}")
    return pad_window(signal, padded_start(n_samples), short), WINDOW_SAMPLES - n_samples


def pad_window(signal: Signal, start: int, short: ShortPolicy = "reflect") -> Signal:
    """Return a window [channel, 10000] of a signal [channel, time], padded where the signal does not fill it.

    Parameters
    ----------
    signal
        At `RATE_HZ`, not empty.
    start
        First sample of the window. The window may start before the signal and end after it.
    short
        'reflect' repeats the signal mirrored in time, which keeps its spectrum and rhythm; 'zero' adds zeros. So does
        'refuse', but only outside the part that the model sees.
    """
    n_samples = signal.shape[1]
    if 0 <= start <= n_samples - WINDOW_SAMPLES:
        return signal[:, start : start + WINDOW_SAMPLES]
    at = np.arange(start, start + WINDOW_SAMPLES)
    if short == "reflect":
        place = at % (2 * n_samples)  # there and back, each end twice
        return np.asarray(signal[:, np.minimum(place, 2 * n_samples - 1 - place)])
    there = (at >= 0) & (at < n_samples)
    window = np.zeros((len(signal), WINDOW_SAMPLES), dtype=signal.dtype)
    window[:, there] = signal[:, at[there]]
    return window
