"""Find periodic discharges: a template in space and time is refined by what it finds."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from ictal.measurement.signal import HZ
from ictal.measurement.tracking import autocorrelation, best_sequence, likely_intervals

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

N_COMPONENTS = 5
"""Spatial components in which discharges are searched."""
SHARP = 8
"""Standard deviation in samples of what is subtracted, so that discharges stand out from slow waves."""
CLIPPED = 18.0
"""Samples that are this many times the usual deviation of their channel hardly count for the components."""
BEFORE, AFTER = 20, 40
"""Samples of a template, 0.2 s before and 0.4 s after the middle of a discharge."""
SHARES = (0.45, 0.55)
"""Largest share of an interval that these fill."""
FEWEST = 3
"""A pattern has at least three cycles: with fewer, its rate cannot be told."""
FAINT = 0.35
"""Discharges at the beginning and end whose score is below this share of the median are left out."""
SLOWEST_HZ = 0.3


@dataclass(frozen=True)
class Search:
    """How discharges are searched.

    Attributes
    ----------
    fastest_hz
        Highest rate.
    blur
        Smoothing of the envelope in which discharges are first searched, samples.
    faster
        Preference for a rate over half of it, as a share of the power explained.
    """

    fastest_hz: float = 4.5
    blur: float = 4.0
    faster: float = 0.0


@dataclass(frozen=True)
class Track:
    """Repeating events.

    Attributes
    ----------
    at
        Sample of each event, [event].
    explained
        Share of the power that is explained by the mean of the other events (leave one out): 1 if all are equal, 0 if
        they have nothing in common.
    """

    at: Indices
    explained: float

    @property
    def rate_hz(self) -> float:
        """The median rate."""
        return float(HZ / np.median(np.diff(self.at)))


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
    first = [found for interval in intervals if (found := _refined(parts, envelope, interval))]
    ordered = sorted(first, key=lambda found: -_merit(found[0], search))[:2]
    again = [better for track, score in ordered if (better := _refined(parts, score, HZ / track.rate_hz))]
    return max((track for track, _ in again or ordered), key=lambda track: _merit(track, search), default=None)


def components(eeg: Floats) -> Floats:
    """Return the components of a signal [electrode, time] with the largest sharp activity, [component, time]."""
    if not np.ptp(eeg) > 0:
        return np.empty((0, eeg.shape[1]))
    sharp = eeg - gaussian_filter1d(eeg, SHARP, axis=1)
    limit = CLIPPED / 0.6745 * np.median(np.abs(sharp), axis=1, keepdims=True)
    sharp = np.clip(sharp, -limit, limit)
    _, vectors = np.linalg.eigh(sharp @ sharp.T)
    return np.asarray(vectors[:, : -N_COMPONENTS - 1 : -1].T @ eeg)


def _envelope(parts: Floats, blur: float) -> Floats:
    sharp = gaussian_filter1d(parts - gaussian_filter1d(parts, SHARP, axis=1), 1.0, axis=1)
    return np.asarray(gaussian_filter1d(np.sqrt((sharp**2).sum(axis=0)), blur))


def _merit(track: Track, search: Search) -> float:
    return track.explained + search.faster * float(np.log2(track.rate_hz))


def _refined(parts: Floats, score: Floats, interval: float) -> tuple[Track, Floats] | None:
    """Return the discharges that resemble those of a first score, and their score, [time]."""
    at = best_sequence(_scaled(score - np.median(score)), interval)
    if len(at) < FEWEST:
        return None
    usual = float(np.median(np.diff(at)))
    before, after = (
        max(5, int(min(most, share * usual))) for most, share in zip((BEFORE, AFTER), SHARES, strict=True)
    )
    inner = at[(at >= before) & (at + after <= parts.shape[1])]
    if len(inner) < 2:
        return None
    template = _cut(parts, inner, before, after).mean(axis=1)
    matched = np.zeros(parts.shape[1])
    matched[before : len(matched) - after + 1] = sum(
        np.correlate(channel, part, "valid") for channel, part in zip(parts, template, strict=True)
    )
    score = _scaled(matched)
    at = best_sequence(score, usual)
    at = at[_clear(score[at])]
    inner = at[(at >= before) & (at + after <= parts.shape[1])]
    if len(inner) < FEWEST:
        return None
    return Track(at, _explained(parts, _cut(parts, inner, before, after))), score


def _scaled(score: Floats) -> Floats:
    return np.asarray(score / np.maximum(score.std(), 1e-12))


def _cut(parts: Floats, at: Indices, before: int, after: int) -> Floats:
    """Return the signal around events, [component, event, time]."""
    return np.asarray(parts[:, at[:, None] + np.arange(-before, after)])


def _clear(scores: Floats) -> slice:
    """Return the events from the first to the last that is not faint."""
    clear = np.flatnonzero(scores >= FAINT * np.median(scores))
    return slice(clear[0], clear[-1] + 1) if len(clear) else slice(0, 0)


def _explained(parts: Floats, events: Floats) -> float:
    """Return the share of power that events [component, event, time] have in common with the mean of the others."""
    total = events.sum(axis=1, keepdims=True)
    common = (events * (total - events)).sum() / (events.shape[1] - 1)
    return float(common / (parts**2).sum())
