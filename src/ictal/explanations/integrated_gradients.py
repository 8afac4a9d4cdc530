"""Integrated gradients: the share of each sample in the difference in log p between silence and the window."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from ictal.core.montage import ELECTRODES
from ictal.core.recording import Signal
from ictal.core.windows import RATE_HZ, WINDOW_S
from ictal.errors import ModelError
from ictal.explanations.log_probabilities import (
    N_ELECTRODES,
    Floats,
    checked_window,
    evaluating,
    has_gradients,
    log_probabilities,
    log_softmax,
    pattern_index,
    rounded,
)
from ictal.models.checkpoint import device_of

GAP_TOLERANCE = 0.05
"""Largest allowed error of the sum of attributions: in nats (5 % of a probability), or relative to the difference if
that exceeds one nat."""
PATH = 12.0
"""Logarithm of how much denser the steps are near silence than near the window: the 100 dB that a spectrogram without
a limit can span."""


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
        Number of steps of that sum.
    """

    attributions: Floats = field(repr=False)
    silence: float
    difference: float
    gap: float
    n_steps: int

    @property
    def complete(self) -> bool:
        """Whether the gap is within `GAP_TOLERANCE`."""
        return abs(self.gap) <= GAP_TOLERANCE * max(1.0, abs(self.difference))

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
    network: nn.Module, window: Signal, pattern: str, n_steps: int = 32, most_steps: int = 256, batch_size: int = 8
) -> IntegratedGradients:
    """Attribute the difference in log p between zeros and the window to its samples (Sundararajan et al. 2017).

    A network on derivations does not see the mean of all electrodes. The mean's contribution is therefore shared
    evenly among the electrodes, so that attributions do not depend on the reference: a sample gets its deviation from
    the mean times its gradient, plus the mean times the mean gradient. The sum stays the same.

    Parameters
    ----------
    network, window, pattern
        As in `explain`.
    n_steps, most_steps
        Steps of the sum that approximates the integral; they are doubled until the sum of attributions is within
        `GAP_TOLERANCE`, or until doubling would exceed `most_steps`.
    batch_size
        Steps per forward pass.
    """
    if not has_gradients(network):
        raise ModelError("an estimator or a model from elsewhere has no known gradients; use the method 'occlusion'")
    column = pattern_index(pattern)
    ends = log_probabilities(network, iter([checked_window(window), np.zeros_like(window)]), 2)[:, column]
    difference, silence = float(ends[0] - ends[1]), float(np.exp(ends[1]))
    while True:
        gradient = _mean_gradient(network, window, column, n_steps, batch_size)
        attributions = _shares(window.astype(np.float64), gradient)
        gap = float(attributions.sum()) - difference
        found = IntegratedGradients(attributions, silence, difference, gap, n_steps)
        if found.complete or 2 * n_steps > most_steps:
            return found
        n_steps *= 2


def _mean_gradient(network: nn.Module, window: Signal, column: int, n_steps: int, batch_size: int) -> Floats:
    """Return the gradient of log p, [20, time], averaged over the straight path alpha * window from zeros.

    The points are alpha = (exp(kt) - 1) / (exp(k) - 1) with k = `PATH`, at the midpoints of equal steps of t, each
    weighted by its step of alpha. A network on decibels sees the logarithm of alpha, which changes most near zero.
    """
    path = np.expm1(np.linspace(0, PATH, 2 * n_steps + 1)) / np.expm1(PATH)
    alphas, weights = torch.from_numpy(path[1::2]).float(), torch.from_numpy(np.diff(path[::2]))
    whole = torch.from_numpy(checked_window(window)).to(device_of(network))
    total = torch.zeros(whole.shape, dtype=torch.float64)
    with evaluating(network), torch.enable_grad():
        for begin in range(0, n_steps, batch_size):
            alpha, weight = alphas[begin : begin + batch_size], weights[begin : begin + batch_size]
            scaled = (alpha.to(whole)[:, None, None] * whole).requires_grad_()
            score = log_softmax(network(scaled))[:, column].sum()
            (slope,) = torch.autograd.grad(score, scaled)
            total += torch.einsum("b,bct->ct", weight, slope.cpu().double())
    return total.numpy()


def _shares(window: Floats, gradient: Floats) -> Floats:
    """Return window * gradient, [20, time], with the electrodes' mean shared evenly among the electrodes."""
    shares = window * gradient
    common = window[:N_ELECTRODES].mean(axis=0)
    shares[:N_ELECTRODES] -= common * (gradient[:N_ELECTRODES] - gradient[:N_ELECTRODES].mean(axis=0))
    return shares
