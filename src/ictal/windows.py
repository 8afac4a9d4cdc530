"""The window that experts vote on: 50 s at 200 Hz, its central 10 s being what the votes concern."""

from typing import Literal

import numpy as np

from ictal.recording import Signal

RATE_HZ = 200
WINDOW_S = 50
CENTRE_S = 10
WINDOW_SAMPLES = WINDOW_S * RATE_HZ
CENTRE_SAMPLES = CENTRE_S * RATE_HZ

assert WINDOW_SAMPLES == 10_000

ShortPolicy = Literal["reflect", "zero", "refuse"]
"""What becomes of a recording shorter than a window, see `cut`."""


def first_sample(start_s: float, n_samples: int) -> int:
    """Return the first sample of a window in a signal of so many at `RATE_HZ`, as `cut` takes it.

    A table's rounding may put the end of a window half a sample past that of its recording.
    """
    return min(round(start_s * RATE_HZ), max(n_samples - WINDOW_SAMPLES, 0))


def samples_needed(seen_s: float) -> int:
    """Return how many samples of the middle of a window must be there for it to be scored.

    They are what the model looks at, and the centre, which the scores concern.
    """
    return max(round(seen_s * RATE_HZ), CENTRE_SAMPLES)


def starts_of(n_samples: int, step: int, needed: int = WINDOW_SAMPLES) -> range:
    """Return the first sample of each window of a signal, so many apart.

    The `needed` samples of its middle lie within the signal; a window itself may begin before it, and end after it.
    """
    unseen = (WINDOW_SAMPLES - needed) // 2
    return range(-unseen, n_samples - needed - unseen + 1, step)


def cut(signal: Signal, start: int, short: ShortPolicy = "reflect") -> tuple[Signal, int]:
    """Cut one window out of a standardised signal.

    A window that lies within the signal is cut as it is. A signal shorter than the window is centred in it,
    so that the middle of the signal is the labelled centre, and what lacks on both sides is made up by the
    policy: 'reflect' continues the signal by its mirror image in time, again and again, which keeps its
    spectrum and rhythm; 'zero' puts zeros.

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
    n_made_up = WINDOW_SAMPLES - n_samples
    before = n_made_up // 2
    sides = ((0, 0), (before, n_made_up - before))
    if short == "zero":
        return np.pad(signal, sides), n_made_up
    return np.pad(signal, sides, mode="symmetric"), n_made_up
