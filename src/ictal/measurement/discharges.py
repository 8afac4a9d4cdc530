"""Find periodic discharges: a template in space and time is refined by what it finds."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from ictal.measurement.signal import HZ
from ictal.measurement.tracking import autocorrelation, best_sequence, likely_intervals

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

N_COMPONENTS = 4
"""Spatial components in which discharges are searched."""
SHARP = 27
"""Discharges stand out from slow waves after the mean of this many samples, 0.27 s, is subtracted."""
CLIPPED = 18.0
"""Samples that are this many times the usual deviation of their channel hardly count for the components."""
BEFORE, AFTER = 20, 40
"""Samples of a template, 0.2 s before and 0.4 s after the middle of a discharge."""
SHARES = (0.45, 0.55)
"""Largest share of an interval that these fill."""
FEWEST = 3
"""A pattern has at least three cycles: with fewer, its rate cannot be told."""
FAINT, USUAL = 0.5, 0.75
"""Discharges at the beginning and end whose score is below the first share of this quantile are left out: the pattern
may begin or end within the signal."""
CLEARLY = 0.04
"""The second best beginning is not followed up if the first explains this much more of the power."""
SLOWEST_HZ = 0.3


@dataclass(frozen=True)
class Search:
    """How discharges are searched.

    Attributes
    ----------
    fastest_hz
        Highest rate. Discharges of more than 2.5 Hz that last 10 s are a seizure (ACNS 2021), but single intervals of
        slower ones vary.
    blur
        Smoothing of the envelope in which discharges are first searched, samples.
    faster
        Preference for a rate over half of it, as a share of the power explained.
    """

    fastest_hz: float = 3.0
    blur: float = 4.0
    faster: float = 0.02


@dataclass(frozen=True)
class Track:
    """Repeating events.

    Attributes
    ----------
    at
        Sample of each event, [event].
    explained
        Share of the power that is explained by the mean of the other events (leave one out): 1 if all are equal, 0 if
        they have nothing in common. It is the geometric mean of the shares from the first event to the last, and in
        the whole signal: a pattern may begin or end within it, but three similar events are less than twelve.
    """

    at: Indices
    explained: float

    @property
    def rate_hz(self) -> float:
        """The median rate."""
        return HZ / middle(np.diff(self.at))


def find_discharges(eeg: Floats, search: Search = Search(), also_hz: tuple[float, ...] = ()) -> Track | None:
    """Return the discharges of a pattern; None if there are fewer than three.

    Parameters
    ----------
    eeg
        [electrode, time] at `HZ`.
    search
        Which rates are tried.
    also_hz
        Further rates to begin with.
    """
    parts = components(eeg)
    if not parts.size:
        return None
    envelope = _envelope(parts, search.blur)
    n_lags = round(HZ / SLOWEST_HZ) + 5
    both = autocorrelation(parts, n_lags) + autocorrelation(envelope[None] - envelope.mean(), n_lags)
    intervals = [
        *likely_intervals(both, int(HZ / search.fastest_hz), search.blur / 2, 3),
        *(HZ / rate_hz for rate_hz in also_hz),
    ]
    merit = partial(_merit, search=search)
    first = [found for interval in intervals if (found := _refined(parts, envelope, interval))]
    ordered = sorted(first, key=lambda found: -merit(found[0]))[:2]
    if len(ordered) == 2 and merit(ordered[0][0]) - merit(ordered[1][0]) > CLEARLY:
        del ordered[1]
    again = [better for track, score in ordered if (better := _refined(parts, score, HZ / track.rate_hz))]
    return max((track for track, _ in [*again, *ordered]), key=merit, default=None)


def components(eeg: Floats) -> Floats:
    """Return the components of a signal [electrode, time] with the largest sharp activity, [component, time]."""
    if not np.ptp(eeg) > 0:
        return np.empty((0, eeg.shape[1]))
    sharp = eeg - uniform_filter1d(eeg, SHARP, axis=1)
    limit = CLIPPED / 0.6745 * np.median(np.abs(sharp), axis=1, keepdims=True)
    sharp = np.clip(sharp, -limit, limit)
    _, vectors = np.linalg.eigh(sharp @ sharp.T)
    return np.asarray(vectors[:, : -N_COMPONENTS - 1 : -1].T @ eeg)


def _envelope(parts: Floats, blur: float) -> Floats:
    sharp = gaussian_filter1d(parts - uniform_filter1d(parts, SHARP, axis=1), 1.0, axis=1)
    size = gaussian_filter1d(np.sqrt((sharp**2).sum(axis=0)), blur)
    return _scaled(size - np.median(size))


def _merit(track: Track, search: Search) -> float:
    return track.explained + search.faster * float(np.log2(track.rate_hz))


def _refined(parts: Floats, score: Floats, interval: float) -> tuple[Track, Floats] | None:
    """Return the discharges that resemble those of a first score, and the score of each sample, [time]."""
    at = best_sequence(score, interval)
    at = at[clear_part(score[at])]
    if len(at) < FEWEST:
        return None
    usual = middle(np.diff(at))
    before, after = (
        max(5, int(min(most, share * usual))) for most, share in zip((BEFORE, AFTER), SHARES, strict=True)
    )
    events = cut_around(parts, at, before, after)
    if events.shape[1] < 2:
        return None
    template = events.mean(axis=1)
    matched = np.zeros(parts.shape[1])
    matched[before : len(matched) - after + 1] = sum(
        np.correlate(channel, part, "valid") for channel, part in zip(parts, template, strict=True)
    )
    score = _scaled(matched)
    at = best_sequence(score, usual)
    at = at[clear_part(score[at])]
    events = cut_around(parts, at, before, after)
    if events.shape[1] < FEWEST:
        return None
    part = slice(max(at[0] - before, 0), at[-1] + after)
    return Track(at, _common(events) / power_of(parts, part)), score


def middle(values: npt.NDArray[Any]) -> float:
    """Return the median; `numpy.median` takes ten times as long for few values."""
    ordered = np.sort(values)
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _scaled(score: Floats) -> Floats:
    return np.asarray(score / np.maximum(score.std(), 1e-12))


def cut_around(signal: Floats, at: Indices, before: int, after: int) -> Floats:
    """Return a signal [channel, time] around events, [channel, event, time], but not those too close to its ends."""
    inner = at[(at >= before) & (at + after <= signal.shape[1])]
    return np.asarray(signal[:, inner[:, None] + np.arange(-before, after)])


def clear_part(scores: Floats) -> slice:
    """Return the events, by their scores [event], from the first to the last that is not faint."""
    if not len(scores):
        return slice(0, 0)
    clear = np.flatnonzero(scores >= FAINT * np.sort(scores)[int(USUAL * (len(scores) - 1))])
    return slice(clear[0], clear[-1] + 1)


def _common(events: Floats) -> float:
    """Return the power that events [component, event, time] have in common with the mean of the others."""
    total = events.sum(axis=1, keepdims=True)
    return float((events * (total - events)).sum() / (events.shape[1] - 1))


def power_of(signal: Floats, part: slice) -> float:
    """Return the geometric mean of the power of a signal [channel, time] and of that of a part of it."""
    power = (signal**2).sum(axis=0)
    return float(np.sqrt(power.sum() * power[part].sum()))
