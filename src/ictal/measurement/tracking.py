"""Follow repeating events through time: the best sequence of peaks whose intervals vary little."""

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft
from scipy.ndimage import gaussian_filter1d

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

STEADY = 4.0
"""Cost of an interval that differs from the usual one by a factor of e, in standard deviations of the score: one that
is 1.5 times as long costs two thirds of a standard deviation."""
LEAST = 0.5
"""Peaks that are lower than this many standard deviations are no events."""
SKIPPED = 1.0
"""Cost of an interval in which one event is not seen."""
SHORTER = 0.1
"""By how much the autocorrelation at twice a lag must be higher to be preferred."""
SHORTEST, LONGEST = 0.4, 2.6
"""Limits of an interval, relative to the usual one."""


def best_sequence(score: Floats, interval: float) -> Indices:
    """Return the peaks of a score that form the best sequence, by dynamic programming (as beats: Ellis 2007).

    Parameters
    ----------
    score
        [time], how well an event fits at each sample, with unit variance.
    interval
        Usual number of samples between events.
    """
    inner = score[1:-1]
    places = np.flatnonzero((inner >= score[:-2]) & (inner > score[2:]) & (inner > LEAST)) + 1
    if not len(places):
        return places
    first, last = np.searchsorted(places, [places - LONGEST * interval, places - SHORTEST * interval])
    costs = _costs(places / interval, first, last)
    # A place has about five before it: too few for arrays.
    best, before, pair = score[places].tolist(), [-1] * len(places), 0
    for index, (low, high) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        gain = 0.0
        for earlier in range(low, high):
            total = best[earlier] - costs[pair]
            pair += 1
            if total > gain:
                gain, before[index] = total, earlier
        best[index] += gain
    index, chosen = best.index(max(best)), []
    while index >= 0:
        chosen.append(index)
        index = before[index]
    return places[chosen[::-1]]


def _costs(places: Floats, first: Indices, last: Indices) -> list[float]:
    """Return the cost of the interval to each place from each of those from `first` to `last`, one after another.

    Places are in units of the usual interval.
    """
    counts = last - first
    begins = np.cumsum(counts) - counts
    earlier = np.arange(counts.sum()) - np.repeat(begins - first, counts)
    logs = np.log(np.repeat(places, counts) - places[earlier])
    costs: list[float] = np.minimum(STEADY * logs**2, STEADY * (logs - np.log(2)) ** 2 + SKIPPED).tolist()
    return costs


def autocorrelation(channels: Floats, n_lags: int) -> Floats:
    """Return the sum of the autocorrelations of channels [channel, time], from lag 0, relative to lag 0, [lag]."""
    n_samples = channels.shape[1]
    n_lags = min(n_lags, n_samples)
    length = next_fast_len(n_samples + n_lags, real=True)
    spectrum = rfft(channels, length)
    power = (spectrum.real**2 + spectrum.imag**2).sum(axis=0)
    lags = irfft(power, length)[:n_lags]
    return np.asarray(lags / np.maximum(lags[0], 1e-12) * n_samples / (n_samples - np.arange(len(lags))))


def likely_intervals(correlation: Floats, shortest: int, smooth: float, most: int) -> list[int]:
    """Return the lags of the highest peaks of an autocorrelation, at least `shortest`, best first.

    Of regular events, multiples of their interval have peaks of the same height, so shorter lags are preferred.
    """
    smoothed = gaussian_filter1d(correlation, smooth)
    inner = np.arange(max(shortest, 1), len(smoothed) - 1)
    peaks = inner[(smoothed[inner] >= smoothed[inner - 1]) & (smoothed[inner] > smoothed[inner + 1])]
    heights = smoothed[peaks] - SHORTER * np.log2(np.maximum(peaks, 1))
    return [int(lag) for lag in peaks[np.argsort(-heights, kind="stable")][:most]]
