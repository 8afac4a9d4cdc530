"""Missing and flat samples: find them, and fill them before the band-pass."""

import numpy as np

from ictal.core.recording import Signal
from ictal.preprocessing.settings import Fill, Marks

FADE_S = 10
"""Within so long of a known sample, 'linear' fills a run of missing ones that is longer than twice this."""


def at_limits(samples: Signal, limits: list[tuple[float, float]]) -> Marks:
    """Mark the samples [channel, time] that are the least or the largest that their channel can hold."""
    clipped = np.zeros(samples.shape, dtype=bool)
    for marks, row, (low, high) in zip(clipped, samples, limits, strict=False):
        step = (high - low) * 2**-17  # half a step of 16 bits
        if low < high and (np.fmin.reduce(row) <= low + step or np.fmax.reduce(row) >= high - step):
            marks[:] = (row <= low + step) | (row >= high - step)
    return clipped


def flat_runs(samples: Signal, least: int) -> Marks:
    """Mark runs of at least so many equal samples, [channel, time]."""
    flat = np.zeros(samples.shape, dtype=bool)
    step = max(1, least // 8)
    for row, values in enumerate(samples):
        if step > 1 and not _may_be_flat(values[::step]):
            continue
        edges = np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1, [len(values)]])
        for run in np.flatnonzero(np.diff(edges) >= least):
            flat[row, edges[run] : edges[run + 1]] = True
    return flat


def _may_be_flat(few: Signal) -> bool:
    """Say whether seven of every eighth of a run are alike, as they are in each that is flat: a look saves a pass."""
    alike = few[1:] == few[:-1]
    same = np.convolve(alike, np.ones(6, dtype=int), "valid") if len(alike) >= 6 else np.ones(1)
    return bool((same >= 6).any()) or len(alike) < 6


def fill_missing(samples: Signal, missing: Marks, how: Fill, rate_hz: float, block: int) -> None:
    """Put values in place of missing samples, see `StandardiseSettings`; blocks begin with the array."""
    samples[missing] = 0
    for row in np.flatnonzero(missing.any(axis=1)):
        values, gone = samples[row], missing[row]
        if how == "mean":
            for start in range(0, len(values), block):
                part, lost = values[start : start + block], gone[start : start + block]
                if lost.any() and not lost.all():
                    part[lost] = part[~lost].mean(dtype=np.float64)
        elif how == "linear":
            _interpolate(values, gone, round(FADE_S * rate_hz))


def _interpolate(values: Signal, gone: Marks, fade: int) -> None:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], gone, [False]]).astype(np.int8)))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        before = float(values[first - 1]) if first else None
        after = float(values[last]) if last < len(values) else None
        length = last - first
        if length <= 2 * fade:
            known = [value for value in (before, after) if value is not None]
            if known:
                values[first:last] = np.linspace(known[0], known[-1], length + 2)[1:-1]
            continue
        fall = np.linspace(1, 0, fade + 2)[1:-1]
        values[first : first + fade] = (before or 0.0) * fall
        values[last - fade : last] = (after or 0.0) * fall[::-1]
