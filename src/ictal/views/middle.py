"""The middle of a window, where a view looks at no more."""

from torch import Tensor

from ictal.windows import RATE_HZ, WINDOW_S


def samples_seen(seconds: float | None) -> int:
    """Return how many samples of a window a view looks at; None: all of them."""
    return round((seconds or WINDOW_S) * RATE_HZ)


def middle(windows: Tensor, n_samples: int) -> Tensor:
    """Return so many samples of the middle of windows [..., time]; where there are no more, all."""
    begin = max(0, (windows.shape[-1] - n_samples) // 2)
    return windows[..., begin : begin + n_samples]
