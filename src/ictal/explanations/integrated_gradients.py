"""Integrated gradients of log p between silence and a window."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from ictal.core.montage import ELECTRODES
from ictal.core.recording import Signal
from ictal.core.windows import RATE_HZ, WINDOW_S
from ictal.explanations.base import (
    N_ELECTRODES,
    Floats,
    checked_window,
    device_of,
    evaluating,
    log_probabilities,
    log_softmax,
    pattern_index,
    rounded,
)

GAP_TOLERANCE = 0.05
"""By how much integrated gradients may miss the difference that they share out, in nats (5 % of a probability), or as
a share of it where it is larger than one nat."""
PATH = 12.0
"""Logarithm of how much closer the points of integrated gradients lie at silence than at the window: the 100 dB that
a spectrogram without a limit may show."""


@dataclass(frozen=True)
class Gradients:
    """Integrated gradients of log p between a window of zeros and the window.

    Attributes
    ----------
    attributions
        Share of each sample in the difference, [20, 10000], nats; above zero: it speaks for the pattern.
    silence
        Probability of the pattern in a window of zeros.
    difference
        log p of the window less log p of zeros, which the attributions add up to.
    gap
        By how much they miss it, because the integral is a sum of finitely many steps.
    n_steps
        How many.
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
        """Whether the shares are complete, and of a gain: silence is not more like it than the window."""
        return self.complete and self.difference > 0

    @property
    def grid(self) -> Floats:
        """The sum over each electrode and second, [19, 50], nats."""
        seconds = self.attributions[:N_ELECTRODES].reshape(N_ELECTRODES, WINDOW_S, RATE_HZ)
        return np.asarray(seconds.sum(axis=2))

    @property
    def magnitude(self) -> Floats:
        """How much each electrode and second matters, whether for or against, [19, 50], nats."""
        return np.abs(self.grid)

    def to_json(self) -> dict[str, Any]:
        """Return the grid, electrodes by name, and the check of completeness."""
        numbers = {name: round(getattr(self, name), 6) for name in ("silence", "difference", "gap")}
        grid = dict(zip(ELECTRODES, rounded(self.grid), strict=True))
        return {"grid": grid, **numbers, "n_steps": self.n_steps, "readable": self.readable}


def integrate_gradients(
    network: nn.Module, window: Signal, pattern: str, n_steps: int = 32, most_steps: int = 256, batch_size: int = 8
) -> Gradients:
    """Share the difference in log p between zeros and the window out over its samples (Sundararajan et al. 2017).

    A network on derivations does not see what all electrodes have in common. So that the reference does not
    decide who gets a share, that of a sample is its distance from the electrodes' mean times its gradient, and the
    mean times the mean gradient, which adds up to the same.

    Parameters
    ----------
    network, window, pattern
        As in `explain`.
    n_steps, most_steps
        Of the sum that stands for the integral; they are doubled until the shares add up within `GAP_TOLERANCE`, or
        there would be too many.
    batch_size
        Steps per pass.
    """
    column = pattern_index(pattern)
    ends = log_probabilities(network, iter([checked_window(window), np.zeros_like(window)]), 2)[:, column]
    difference, silence = float(ends[0] - ends[1]), float(np.exp(ends[1]))
    while True:
        gradient = _mean_gradient(network, window, column, n_steps, batch_size)
        attributions = _shares(window.astype(np.float64), gradient)
        gap = float(attributions.sum()) - difference
        found = Gradients(attributions, silence, difference, gap, n_steps)
        if found.complete or 2 * n_steps > most_steps:
            return found
        n_steps *= 2


def _mean_gradient(network: nn.Module, window: Signal, column: int, n_steps: int, batch_size: int) -> Floats:
    """Return the gradient of log p, [20, time], averaged over the straight way alpha * window from zeros.

    Its points are alpha = (exp(kt) - 1) / (exp(k) - 1), k = `PATH`, in the middle of even steps of t, each with the
    weight of its step: a network that sees decibels sees the logarithm of alpha, which changes most near zero.
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
    """Return window * gradient, [20, time], with the electrodes' mean shared out evenly over the electrodes."""
    shares = window * gradient
    common = window[:N_ELECTRODES].mean(axis=0)
    shares[:N_ELECTRODES] -= common * (gradient[:N_ELECTRODES] - gradient[:N_ELECTRODES].mean(axis=0))
    return shares
