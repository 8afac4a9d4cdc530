"""Settings that turn recordings into the input of models: band-pass, missing samples, short recordings."""

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from ictal.core.settings import Settings
from ictal.core.windows import RATE_HZ, ShortPolicy

MIN_RATE_HZ = 100
FLAT_S = 1.0
"""An electrode that keeps one value for this long records nothing."""
MARGIN_S = 100
"""How far around a chunk samples are read: a Butterworth band-pass of order 4 from 0.1 Hz decays with a time constant
of 4.2 s, so samples further away contribute a share of e^-24."""
Fill = Literal["linear", "mean", "zero"]
"""What replaces missing samples, see `StandardiseSettings`."""
Marks = npt.NDArray[np.bool_]


class StandardiseSettings(Settings):
    """How recordings become input.

    Attributes
    ----------
    band_hz
        Edges of the band-pass in Hz (at -6 dB, since the filter runs forward and backward), or None.
    order
        Order of the Butterworth filter of one direction.
    notch_hz
        Frequency of a notch filter against mains interference, or None.
    fill
        What replaces missing samples before filtering: 'linear' interpolation in time (if more than 20 s are missing,
        10 s of falling to zero and 10 s of rising from it), the channel's 'mean' in each 50 s, or 'zero'.
    max_missing
        A window is refused if a larger share of the samples of the 19 electrodes is missing or flat.
    max_masked
        At most this many electrodes that are flat, missing or noisy for 10 s are interpolated from the others in
        that time, see `ictal.preprocessing.masking`; 0: none.
    short
        How a recording shorter than what a model sees is extended, see `ictal.core.windows.Geometry`.
    """

    band_hz: tuple[float, float] | None = (0.1, 20.0)
    order: int = Field(4, ge=1, le=10)
    notch_hz: float | None = Field(None, ge=10, lt=RATE_HZ / 2)
    fill: Fill = "linear"
    max_missing: float = Field(0.5, ge=0, le=1)
    max_masked: int = Field(4, ge=0)
    short: ShortPolicy = "reflect"

    @model_validator(mode="after")
    def _band_is_possible(self) -> "StandardiseSettings":
        if self.band_hz and not 0 < self.band_hz[0] < self.band_hz[1] < RATE_HZ / 2:
            raise ValueError(f"band_hz is {self.band_hz}; allowed is 0 < low < high < {RATE_HZ / 2:g} Hz")
        return self
