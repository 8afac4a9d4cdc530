"""Windows: 10 s that experts vote on, in the middle of the 50 s that a model is given, at 200 Hz.

How much of the 50 s a model sees is its own affair. What it needs for which 10 s of a recording, which may have gaps,
is said here and nowhere else.
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
"""From the start of a window to that of its centre."""
ROUNDED = 0.6
"""Samples by which a time in a table may be off because of its rounding, and a little more for that of the float."""

assert WINDOW_SAMPLES == 10_000

ShortPolicy = Literal["reflect", "zero", "refuse"]
"""What becomes of a recording that is shorter than what a model sees, see `cut`."""


class Run(Protocol):
    """Samples at `RATE_HZ` that follow each other without a gap."""

    @property
    def onset_s(self) -> float:
        """When the first was taken: true seconds from the start of the recording, gaps included."""
        ...

    @property
    def n_samples(self) -> int:
        """How many there are."""
        ...


@dataclass(frozen=True)
class Place:
    """Where a window lies.

    Attributes
    ----------
    run
        Number of the run that holds what the model sees of it.
    start
        First sample of its 50 s in that run. It may be negative, and the window may end after the run: what the model
        does not see need not be there.
    """

    run: int
    start: int


@dataclass(frozen=True)
class Geometry:
    """Which samples a model needs to judge which 10 s.

    A window is named by when its labelled centre begins, in true seconds from the start of the recording. The model
    sees `seen_s` around the middle of that centre, and these must lie within one run: nothing is completed beside a
    gap or an end. The exception is a recording of one run that lasts 10 s or more, but less than the model sees. It
    has one window, whose centre is its middle, and is continued on both sides as `short` says.

    Attributes
    ----------
    seen_s
        How much of the middle of a window the model sees.
    short
        What becomes of a recording that is shorter; with 'refuse' it has no window.
    """

    seen_s: float = WINDOW_S
    short: ShortPolicy = "reflect"

    @property
    def needed(self) -> int:
        """How many samples of the middle of a window must be there: what the model sees, and the centre."""
        return max(round(self.seen_s * RATE_HZ), CENTRE_SAMPLES)

    @property
    def unseen(self) -> int:
        """How many samples at each end of a window need not be there."""
        return (WINDOW_SAMPLES - self.needed) // 2

    def starts(self, runs: Sequence[Run], step: int) -> list[Sequence[int]]:
        """Return the first sample of each window of each run, so many samples apart."""
        if self._completes(runs):
            return [[completed_start(runs[0].n_samples)]]
        return [range(-self.unseen, run.n_samples - self.needed - self.unseen + 1, step) for run in runs]

    def place(self, runs: Sequence[Run], centre_s: float) -> Place | None:
        """Return where the window lies whose centre begins at a time; None where a model cannot be given it."""
        if self._completes(runs):
            start = completed_start(runs[0].n_samples)
            off = (centre_s - runs[0].onset_s) * RATE_HZ - (start + BEFORE_SAMPLES)
            return Place(0, start) if abs(off) <= 1 else None
        for number, run in enumerate(runs):
            first = (centre_s - run.onset_s) * RATE_HZ - BEFORE_SAMPLES + self.unseen
            last = run.n_samples - self.needed
            # The rounding of a table may put a window half a sample past the end of its run.
            if last >= 0 and -ROUNDED <= first <= last + ROUNDED:
                return Place(number, min(max(round(first), 0), last) - self.unseen)
        return None

    def made_up(self, run: Run) -> int:
        """Return how many samples of what the model sees a run lacks."""
        return max(self.needed - run.n_samples, 0)

    def why_not(self, runs: Sequence[Run], centre_s: float) -> str:
        """Say why a window has no place."""
        around_s = (self.needed / RATE_HZ - CENTRE_S) / 2
        begin_s, end_s = centre_s - around_s, centre_s + CENTRE_S + around_s
        if self._completes(runs):
            only_s = runs[0].onset_s + (completed_start(runs[0].n_samples) + BEFORE_SAMPLES) / RATE_HZ
            return (
                f"the recording lasts {runs[0].n_samples / RATE_HZ:g} s, and the model sees {self.seen_s:g} s: "
                f"the only 10 s that can be judged begin at {only_s:g} s"
            )
        if self.short == "refuse" and len(runs) == 1 and CENTRE_SAMPLES <= runs[0].n_samples < self.needed:
            return (
                f"the recording lasts {runs[0].n_samples / RATE_HZ:g} s, which is shorter than the {self.seen_s:g} s "
                "that the model sees; standardise.short is 'refuse', allowed are also 'reflect' and 'zero'"
            )
        spans = [(run.onset_s, run.onset_s + run.n_samples / RATE_HZ) for run in runs]
        first_s, last_s = max(spans, key=lambda span: min(end_s, span[1]) - max(begin_s, span[0]))
        return (
            f"the model sees {self.needed / RATE_HZ:g} s, from {begin_s:g} to {end_s:g} s; the recording has EEG "
            f"without a gap from {first_s:g} to {last_s:g} s"
        )

    def _completes(self, runs: Sequence[Run]) -> bool:
        return len(runs) == 1 and CENTRE_SAMPLES <= runs[0].n_samples < self.needed and self.short != "refuse"


def completed_start(n_samples: int) -> int:
    """Return the first sample of the one window of a recording that is shorter than a window, and centred in it."""
    return -((WINDOW_SAMPLES - n_samples) // 2)


def cut(signal: Signal, start: int, short: ShortPolicy = "reflect") -> tuple[Signal, int]:
    """Cut one window out of a standardised signal.

    A window that lies within the signal is cut as it is. A signal shorter than the window is centred in it, so that
    the middle of the signal is the labelled centre, and completed on both sides by the policy, see `completed`.

    Parameters
    ----------
    signal
        [channel, time] at `RATE_HZ`.
    start
        First sample of the window; must be 0 for a signal shorter than the window.
    short
        The policy; with 'refuse', a short signal is an error.

    Returns
    -------
    window : ndarray
        [channel, 10000].
    n_made_up : int
        How many of its samples per channel the policy made up.

    Raises
    ------
    ValueError
        If the window reaches past the end, or the policy refuses.
    """
    n_samples = signal.shape[1]
    if n_samples >= WINDOW_SAMPLES:
        if start < 0 or start + WINDOW_SAMPLES > n_samples:
            raise ValueError(f"a window at sample {start} reaches past the signal of {n_samples} samples")
        return signal[:, start : start + WINDOW_SAMPLES], 0
    if short == "refuse" or start != 0 or n_samples == 0:
        raise ValueError(f"a signal of {n_samples} samples is shorter than a window of {WINDOW_SAMPLES}")
    return completed(signal, completed_start(n_samples), short), WINDOW_SAMPLES - n_samples


def completed(signal: Signal, start: int, short: ShortPolicy = "reflect") -> Signal:
    """Return a window [channel, 10000] of a signal [channel, time] that need not fill it.

    Parameters
    ----------
    signal
        At `RATE_HZ`, not empty.
    start
        First sample of the window, which may begin before the signal and end after it.
    short
        'reflect' continues the signal by its mirror image in time, again and again, which keeps its spectrum and
        rhythm; 'zero' puts zeros. So does 'refuse', with which nothing that a model sees is made up.
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
