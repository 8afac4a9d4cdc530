"""The waveform view: derivations over time."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ictal.core.montage import derivations_of, montage, montage_matrix
from ictal.core.windows import RATE_HZ
from ictal.views.middle import MiddleSettings, middle


class WaveformSettings(MiddleSettings):
    """Settings of the traces.

    Attributes
    ----------
    montage
        'long_chains': the reference's eight derivations; 'double_banana': all 18.
    decimate
        Keep one sample of this many. The band-pass filter of `standardise` must have removed frequencies above half
        of the new rate.
    clip_uv
        Larger voltages are clipped to this, in µV.
    scale_uv
        The voltage that becomes 1.
    seconds
        See `MiddleSettings`.
    """

    montage: Literal["long_chains", "double_banana"] = "long_chains"
    decimate: int = Field(5, ge=1, le=50)
    clip_uv: float = Field(1024.0, gt=0)
    scale_uv: float = Field(32.0, gt=0)

    @property
    def rate_hz(self) -> float:
        """Samples per second after decimation."""
        return RATE_HZ / self.decimate

    @property
    def n_samples(self) -> int:
        """Samples per trace of a window."""
        return self.n_seen // self.decimate


class Waveform(nn.Module):
    """Raw windows [batch, 20, time] in µV to traces [batch, derivation, time / decimate].

    The derivations are differences of electrodes, clipped and divided by one global scale, either of the whole window
    or of its middle.
    """

    matrix: Tensor

    def __init__(self, settings: WaveformSettings) -> None:
        super().__init__()
        self.settings = settings
        self.chain_sizes = tuple(len(chain) for chain in montage(settings.montage).values())
        matrix = torch.from_numpy(montage_matrix(derivations_of(montage(settings.montage))))
        self.register_buffer("matrix", matrix / settings.scale_uv, persistent=False)
        self.limit = settings.clip_uv / settings.scale_uv

    def middle(self, windows: Tensor) -> Tensor:
        """Return the part of windows that is used; applied again, it changes nothing."""
        if self.settings.seconds is None:
            return windows
        return middle(windows, self.settings.n_samples * self.settings.decimate)

    def forward(self, windows: Tensor) -> Tensor:
        """Return the traces, always in float32, also under autocast."""
        # Decimation commutes with the differences; doing it first saves multiplications.
        with torch.autocast(windows.device.type, enabled=False):
            traces = self.matrix @ self.middle(windows)[..., :: self.settings.decimate]
            return traces.clamp(-self.limit, self.limit)
