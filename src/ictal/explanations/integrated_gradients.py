"""Integrated gradients: the share of each sample in the difference in log p between silence and the window."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ictal.core.montage import ELECTRODES
from ictal.core.progress import Progress, silent
from ictal.core.recording import Signal
from ictal.core.windows import RATE_HZ, WINDOW_S
from ictal.explanations.explained import (
    AT_ONCE,
    N_ELECTRODES,
    Explained,
    Floats,
    as_explained,
    checked_window,
    pattern_index,
    rounded,
)

if TYPE_CHECKING:
    from torch import nn

GAP_TOLERANCE = 0.05
"""Largest allowed error of the sum of attributions: in nats (5 % of a probability), or relative to the difference if
that exceeds one nat."""
PATH = 12.0
"""The path begins at the window divided by exp(`PATH`), 104 dB below it, more than a spectrogram without a limit
spans; what happens between silence and there is part of the gap."""


@dataclass(frozen=True)
class IntegratedGradients:
    """Integrated gradients of log p between a window of zeros and the window.

    Attributes
    ----------
    attributions
        Share of each sample in the difference, [20, 10000], nats; positive where it supports the pattern.
    silence
        Probability of the pattern in the baseline, a window of zeros.
    difference
        log p of the window minus log p of the baseline. The attributions should add up to it.
    gap
        Sum of the attributions minus `difference`: the error of approximating the integral by a sum.
    n_steps
        Number of points of the path where gradients were computed.
    """

    attributions: Floats = field(repr=False)
    silence: float
    difference: float
    gap: float
    n_steps: int

    @property
    def complete(self) -> bool:
        """Whether the gap is within the `tolerance`."""
        return abs(self.gap) <= self.tolerance

    @property
    def tolerance(self) -> float:
        """The largest gap of a complete map, nats; see `GAP_TOLERANCE`."""
        return GAP_TOLERANCE * max(1.0, abs(self.difference))

    @property
    def readable(self) -> bool:
        """Whether the map may be interpreted: it is complete, and the pattern is less probable in silence."""
        return self.complete and self.difference > 0

    @property
    def grid(self) -> Floats:
        """The sum over each electrode and second, [19, 50], nats."""
        seconds = self.attributions[:N_ELECTRODES].reshape(N_ELECTRODES, WINDOW_S, RATE_HZ)
        return np.asarray(seconds.sum(axis=2))

    @property
    def magnitude(self) -> Floats:
        """Size of the effect of each electrode and second, for or against the pattern, [19, 50], nats."""
        return np.abs(self.grid)

    def to_json(self) -> dict[str, Any]:
        """Return the grid by electrode, and the check of completeness."""
        numbers = {name: round(getattr(self, name), 6) for name in ("silence", "difference", "gap")}
        grid = dict(zip(ELECTRODES, rounded(self.grid), strict=True))
        return {"grid": grid, **numbers, "n_steps": self.n_steps, "readable": self.readable}


def integrate_gradients(
    model: "Explained | nn.Module",
    window: Signal,
    pattern: str,
    n_steps: int = 33,
    most_steps: int = 256,
    progress: Progress = silent,
) -> IntegratedGradients:
    """Attribute the difference in log p between zeros and the window to its samples (Sundararajan et al. 2017).

    A network on derivations does not see the mean of all electrodes. The mean's contribution is therefore shared
    evenly among the electrodes, so that attributions do not depend on the reference: a sample gets its deviation from
    the mean times its gradient, plus the mean times the mean gradient. The sum stays the same.

    The path from zeros to the window is divided into intervals, in each of which the gradient is interpolated
    between three points. The sum of an interval's contributions is known exactly: it is the difference of log p
    between its ends. Where they differ most, the intervals are halved.

    Parameters
    ----------
    model, window, pattern
        As in `explain`.
    n_steps
        Points of the path where gradients are computed at first, at least three; an odd number, since they are the
        ends and the middles of intervals.
    most_steps
        Points at most; fewer are used where the shares add up within `GAP_TOLERANCE` before, and the errors of all
        intervals, whatever their signs, within three times that.
    progress
        Called before every few points with the number of those that are done; an exception that it raises ends the
        computation.

    Raises
    ------
    ModelError
        If the model has no known gradients.
    """
    explained, column, whole = as_explained(model), pattern_index(pattern), checked_window(window)
    path = _Path(explained, whole, column, lambda done: progress("integrated gradients", done, most_steps))
    path.divide(max(1, (n_steps - 1) // 2))
    ends = explained.log_probabilities(np.stack([whole, np.zeros_like(whole)]))[:, column]
    difference, silence = float(ends[0] - ends[1]), float(np.exp(ends[1]))
    while True:
        attributions = np.zeros(whole.shape)
        attributions[:, explained.seen] = _shares(path.window, path.mean_slope())
        gap = float(attributions.sum()) - difference
        found = IntegratedGradients(attributions, silence, difference, gap, len(path.slopes))
        exact = found.complete and sum(path.errors.values(), start=0.0) <= 3 * found.tolerance
        n_halved = min((most_steps - len(path.slopes)) // 2, AT_ONCE // 2)
        if exact or n_halved < 1:
            return found
        path.refine(n_halved)


class _Path:
    """Gradients of log p at points of the path alpha * window, and their integral over the intervals between them.

    Points are alpha = exp(`PATH` * (t - 1)) with t from 0 to 1. A network on decibels sees the logarithm of alpha.
    """

    def __init__(self, model: Explained, window: Signal, column: int, tell: Callable[[int], None]) -> None:
        self.model, self.whole, self.column, self.tell = model, window, column, tell
        self.window = window[:, model.seen].astype(np.float64)
        self.slopes: dict[float, Signal] = {}
        self.logs: dict[float, float] = {}
        self.rates: dict[float, float] = {}
        self.errors: dict[tuple[float, float], float] = {}

    def divide(self, n_intervals: int) -> None:
        """Begin with equal intervals."""
        ends = np.linspace(0, 1, n_intervals + 1).tolist()
        self._add([*ends, *(_middle(each) for each in pairwise(ends))])
        self.errors = {each: self._error(each) for each in pairwise(ends)}

    def refine(self, count: int) -> None:
        """Halve the intervals with the largest errors."""
        worst = sorted(self.errors, key=lambda each: -self.errors[each])[:count]
        halves = [half for first, last in worst for half in pairwise((first, _middle((first, last)), last))]
        self._add([_middle(half) for half in halves])
        for each in worst:
            del self.errors[each]
        self.errors |= {half: self._error(half) for half in halves}

    def mean_slope(self) -> Floats:
        """Return the gradient averaged over alpha, [20, time]: over the samples that the model uses."""
        weights = dict.fromkeys(self.slopes, 0.0)
        for first, last in self.errors:
            for place, weight in zip((first, _middle((first, last)), last), _weights((first, last)), strict=True):
                weights[place] += weight
        total = np.zeros(self.window.shape)
        for place, weight in weights.items():
            total += weight * self.slopes[place]
        return total

    def _add(self, places: list[float]) -> None:
        for begin in range(0, len(places), AT_ONCE):
            self.tell(len(self.slopes))
            some = places[begin : begin + AT_ONCE]
            alphas = np.array([_alpha(place) for place in some], dtype=np.float32)
            logs, slopes = self.model.slopes(alphas[:, None, None] * self.whole, self.column)
            self.logs |= zip(some, logs.tolist(), strict=True)
            self.slopes |= zip(some, slopes, strict=True)
            rates = (self.window * slopes).sum(axis=(1, 2))  # a product by BLAS would wait for threads
            self.rates |= zip(some, rates.tolist(), strict=True)

    def _error(self, interval: tuple[float, float]) -> float:
        """Return by how much the sum over an interval misses the difference of log p between its ends."""
        first, last = interval
        rates = [self.rates[place] for place in (first, _middle(interval), last)]
        return abs(float(_weights(interval) @ rates) - (self.logs[last] - self.logs[first]))


def _alpha(place: float) -> float:
    return float(np.exp(PATH * (place - 1)))


def _weights(interval: tuple[float, float]) -> Floats:
    """Return the weights of the gradients at the begin, the middle and the end of an interval, for their integral.

    They are exact for gradients that are quadratic in t, as in Simpson's rule, and so for a linear network. With
    alpha = alpha(middle) * exp(k s), s from -1 to 1, they follow from the integrals of exp(k s) times 1, s and s².
    """
    first, last = interval
    k = PATH * (last - first) / 2
    sinh, cosh = np.sinh(k), np.cosh(k)
    one, linear = 2 * sinh / k, 2 * (k * cosh - sinh) / k**2
    square = 2 * ((k**2 + 2) * sinh - 2 * k * cosh) / k**3
    return _alpha(_middle(interval)) * k * np.array([(square - linear) / 2, one - square, (square + linear) / 2])


def _middle(interval: tuple[float, float]) -> float:
    return sum(interval) / 2


def _shares(window: Floats, gradient: Floats) -> Floats:
    """Return window * gradient, [20, time], with the electrodes' mean shared evenly among the electrodes."""
    shares = window * gradient
    common = window[:N_ELECTRODES].mean(axis=0)
    shares[:N_ELECTRODES] -= common * (gradient[:N_ELECTRODES] - gradient[:N_ELECTRODES].mean(axis=0))
    return shares
