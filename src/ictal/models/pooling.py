"""Means over time that know where the votes belong: the whole window, and its central 10 s."""

import torch
from torch import Tensor, nn

from ictal.windows import CENTRE_S, WINDOW_S


def central(n_frames: int) -> slice:
    """Return the fewest of so many equal frames of a window that cover its central 10 s.

    Examples
    --------
    >>> central(50), central(8)
    (slice(20, 30, None), slice(3, 5, None))
    """
    begin = n_frames * (WINDOW_S - CENTRE_S) // (2 * WINDOW_S)
    return slice(begin, n_frames - begin)


class AttentionPool(nn.Module):
    """[batch, channel, time] to [batch, 2 x channel]: a weighted mean over all times, and one over the central 10 s.

    Each channel has its own weights, a softmax over time of what a 1x1 convolution makes of all channels: an event
    that fills a twentieth of the window need not drown in the rest.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.score = nn.Conv1d(n_channels, n_channels, 1)

    def forward(self, signal: Tensor) -> Tensor:
        """Return both means."""
        score, centre = self.score(signal), central(signal.shape[-1])
        means = [
            (score[..., frames].softmax(dim=-1) * signal[..., frames]).sum(dim=-1) for frames in (slice(None), centre)
        ]
        return torch.cat(means, dim=1)
