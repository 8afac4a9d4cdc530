"""Settings of augmentation."""

from pydantic import Field

from ictal.core.montage import ELECTRODES
from ictal.core.settings import Settings

QUIETEST_UV = 20.0
"""Smallest root mean square of the noise of `noisy_electrode`, about that of EEG."""


class AugmentSettings(Settings):
    """How likely each augmentation of a training window is, and how strong.

    Attributes
    ----------
    mirror
        Exchange left and right electrodes: LPD stays LPD, on the other side.
    swap_neighbours, swap_any
        Exchange two adjacent electrodes, or any two. The study behind ictal proposes the second, which
        moves activity to places where it does not occur in patients, and to the other side.
    drop_electrode, most_dropped
        Set one to `most_dropped` electrodes to zero.
    noisy_electrode, noise_uv
        Add noise to one electrode, of a random spectrum between white and 1/f² (in power) in 0.5 to 20 Hz and a root
        mean square up to `noise_uv`.
    electrode_gain, electrode_gain_sd
        Multiply each electrode by its own gain, 1 +- `electrode_gain_sd`.
    shift, shift_s
        Move the window by up to `shift_s` seconds around the labelled centre, and fill its end by reflection.
    reverse
        Reverse time.
    scale, scale_db
        Change the amplitude by up to +-`scale_db`.
    band_stop, band_stop_hz
        Remove a frequency band of this width between 0.5 and 20 Hz.
    mixup, mixup_alpha
        Mix a batch and its votes with the same batch in another order, in proportions drawn from Beta(alpha, alpha)
        (Zhang et al. 2018). This probability is per batch, not per window.
    """

    mirror: float = Field(0.0, ge=0, le=1)
    swap_neighbours: float = Field(0.0, ge=0, le=1)
    swap_any: float = Field(0.0, ge=0, le=1)
    drop_electrode: float = Field(0.0, ge=0, le=1)
    most_dropped: int = Field(2, ge=1, le=len(ELECTRODES))
    noisy_electrode: float = Field(0.0, ge=0, le=1)
    noise_uv: float = Field(300.0, gt=QUIETEST_UV)
    electrode_gain: float = Field(0.0, ge=0, le=1)
    electrode_gain_sd: float = Field(0.1, gt=0, le=1)
    shift: float = Field(0.0, ge=0, le=1)
    shift_s: float = Field(3.0, gt=0, le=20)
    reverse: float = Field(0.0, ge=0, le=1)
    scale: float = Field(0.0, ge=0, le=1)
    scale_db: float = Field(3.0, gt=0, le=40)
    band_stop: float = Field(0.0, ge=0, le=1)
    band_stop_hz: float = Field(2.0, gt=0, le=15)
    mixup: float = Field(0.0, ge=0, le=1)
    mixup_alpha: float = Field(0.4, gt=0)


AUGMENTATIONS = (
    *("mirror", "swap_neighbours", "swap_any", "drop_electrode", "noisy_electrode", "electrode_gain"),
    *("shift", "reverse", "scale", "band_stop", "mixup"),
)
"""All augmentations, in the order in which they are applied."""
CONTEXT_AUGMENTATIONS = ("mirror", "reverse", "mixup")
"""Augmentations that also change contexts."""
