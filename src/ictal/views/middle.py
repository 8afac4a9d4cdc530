"""The middle of a window, for views that use only that."""

from pydantic import Field
from torch import Tensor

from ictal.core.settings import Settings
from ictal.core.windows import RATE_HZ, WINDOW_S


class MiddleSettings(Settings):
    """How much of a window a view uses.

    Attributes
    ----------
    seconds
        Length of the middle part that is used; None for the whole window. The votes concern the central 10 s, and
        padding of short recordings is farther out.
    """

    seconds: float | None = Field(None, ge=1, le=WINDOW_S)

    @property
    def seen_s(self) -> float:
        """Length of the part that is used, in seconds."""
        return self.seconds or WINDOW_S

    @property
    def n_seen(self) -> int:
        """Length of the part that is used, in samples."""
        return round(self.seen_s * RATE_HZ)


def middle(windows: Tensor, n_samples: int) -> Tensor:
    """Return the middle `n_samples` of windows [..., time], or all if there are no more."""
    begin = max(0, (windows.shape[-1] - n_samples) // 2)
    return windows[..., begin : begin + n_samples]
