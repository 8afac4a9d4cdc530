"""The middle of a window, where a view looks at no more."""

from pydantic import Field
from torch import Tensor

from ictal.core.settings import Settings
from ictal.core.windows import RATE_HZ, WINDOW_S


class MiddleSettings(Settings):
    """How much of a window a view looks at.

    Attributes
    ----------
    seconds
        So much of its middle; None: all of it. The votes concern the central 10 s, and what `windows.cut` added
        for a short recording lies further out.
    """

    seconds: float | None = Field(None, ge=1, le=WINDOW_S)

    @property
    def seen_s(self) -> float:
        """How much of a window is looked at."""
        return self.seconds or WINDOW_S

    @property
    def n_seen(self) -> int:
        """The same in samples."""
        return round(self.seen_s * RATE_HZ)


def middle(windows: Tensor, n_samples: int) -> Tensor:
    """Return so many samples of the middle of windows [..., time]; where there are no more, all."""
    begin = max(0, (windows.shape[-1] - n_samples) // 2)
    return windows[..., begin : begin + n_samples]
