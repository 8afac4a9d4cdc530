"""Pooling over time: over the whole signal, and over its central 10 s, which the votes concern."""

import torch
from torch import Tensor, nn

from ictal.core.windows import CENTRE_S, WINDOW_S


def central(n_frames: int, seconds: float = WINDOW_S) -> slice:
    """Return the smallest slice of `n_frames` equal frames, of `seconds` in total, that covers the central 10 s.

    Examples
    --------
    >>> central(50), central(8), central(8, 10)
    (slice(20, 30, None), slice(3, 5, None), slice(0, 8, None))
    """
    begin = int(n_frames * max(seconds - CENTRE_S, 0) // (2 * seconds))
    return slice(begin, n_frames - begin)


class AttentionPool(nn.Module):
    """[batch, channel, time] to [batch, 2 x channel]: a weighted mean over all times, and one over the central 10 s.

    Each channel has its own weights: a softmax over time of a 1x1 convolution of all channels. An event that fills a
    twentieth of the window is therefore not lost in the rest.

    If the signal is no longer than the central 10 s, the second mean is unweighted; otherwise both would be the same.

    Parameters
    ----------
    n_channels
        Number of channels of the signal.
    seconds
        Length of the signal, which has the same middle as the window.
    """

    def __init__(self, n_channels: int, seconds: float = WINDOW_S) -> None:
        super().__init__()
        self.score = nn.Conv1d(n_channels, n_channels, 1)
        self.seconds = seconds

    def forward(self, signal: Tensor) -> Tensor:
        """Return both means."""
        score = self.score(signal)
        return torch.cat([_weighted(score, signal), self._of_centre(score, signal)], dim=1)

    def _of_centre(self, score: Tensor, signal: Tensor) -> Tensor:
        if self.seconds <= CENTRE_S:
            return signal.mean(dim=-1)
        centre = central(signal.shape[-1], self.seconds)
        return _weighted(score[..., centre], signal[..., centre])


def _weighted(score: Tensor, signal: Tensor) -> Tensor:
    return (score.softmax(dim=-1) * signal).sum(dim=-1)
