"""Which augmentations a recipe asks for."""

from pydantic import Field

from ictal.core.montage import ELECTRODES
from ictal.core.settings import Settings


class AugmentSettings(Settings):
    """With which probability a training window is changed, and how much.

    Attributes
    ----------
    mirror
        Left and right electrodes change places: LPD stays LPD, on the other side.
    swap_neighbours, swap_any
        Two electrodes that lie beside each other, or any two, change places. The study proposes the second; it moves
        activity to places where no patient has it, and to the other side.
    drop_electrode, most_dropped
        One to `most_dropped` electrodes record nothing.
    shift, shift_s
        The window moves by at most so many seconds about the labelled centre, its end continued by the mirror image.
    reverse
        Time runs backward.
    scale, scale_db
        The voltage is multiplied by up to +-`scale_db`.
    band_stop, band_stop_hz
        A band of this width, anywhere from 0.5 to 20 Hz, is silent.
    mixup, mixup_alpha
        A batch is mixed with itself in another order, votes as well; the share is Beta(alpha, alpha) (Zhang et al.
        2018). Here the probability is a batch's.
    """

    mirror: float = Field(0.0, ge=0, le=1)
    swap_neighbours: float = Field(0.0, ge=0, le=1)
    swap_any: float = Field(0.0, ge=0, le=1)
    drop_electrode: float = Field(0.0, ge=0, le=1)
    most_dropped: int = Field(2, ge=1, le=len(ELECTRODES))
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
    *("mirror", "swap_neighbours", "swap_any", "drop_electrode", "shift", "reverse", "scale", "band_stop"),
    "mixup",
)
"""All augmentations by name, in the order in which they are applied."""
CONTEXT_AUGMENTATIONS = ("mirror", "reverse", "mixup")
"""Those that change contexts as well."""
