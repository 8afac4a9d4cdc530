"""The volume view: time x channel x frequency, with channels arranged as on the scalp."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch users know

from ictal.core.montage import ELECTRODES, MONTAGES, N_CHANNELS, Derivation, derivations_of, montage_matrix
from ictal.views.spectrogram import MelDecibels, SpectrogramSettings, float32_by_window

GRID = (
    (None, "Fp1", None, "Fp2", None),
    ("F7", "F3", "Fz", "F4", "F8"),
    ("T3", "C3", "Cz", "C4", "T4"),
    ("T5", "P3", "Pz", "P4", "T6"),
    (None, "O1", None, "O2", None),
)
"""The 10-20 system from above, nose up: rows from front to back, columns from left to right."""

GRID_SHAPE = (5, 5)


class VolumeSettings(SpectrogramSettings):
    """Settings of the volumes: as for the images of `SpectrogramSettings`, with fewer bands and longer frames.

    Attributes
    ----------
    n_mels, width, frame
        Frequency bands and time frames of the volume, and length of the Hann window in samples, at least one hop.
    layout
        'line': the 18 derivations of the double banana in a row (`line`). 'grid': the 19 electrodes, each relative to
        its neighbours (`neighbours_matrix`), at their places in `GRID`.
    offset_db, scale_db
        With the defaults, the pixels of critical-care EEG have a mean of about zero and a standard deviation of about
        one.
    """

    n_mels: int = Field(32, ge=8)
    width: int = Field(64, ge=8)
    frame: int = Field(256, ge=16)
    offset_db: float = -46.0
    scale_db: float = Field(12.0, gt=0)
    clip: float | None = Field(3.0, gt=0)
    layout: Literal["line", "grid"] = "line"

    @model_validator(mode="after")
    def _frames_touch(self) -> "VolumeSettings":
        if self.frame < self.hop:
            raise ValueError(
                f"frame is {self.frame}; allowed is at least {self.hop}, the distance between frames at width "
                f"{self.width}, so that no sample is skipped"
            )
        return self


def line() -> tuple[Derivation, ...]:
    """Return the 18 derivations in an order in which neighbours are also neighbours on the scalp.

    Down the left side, up the left parasagittal chain, down the midline, up the right parasagittal chain and down
    the right side. Consecutive chains then share an electrode or are adjacent; if all ran from front to back, O1
    would be next to Fp1.
    """
    chains = MONTAGES["double_banana"]
    ways = (("LL", 1), ("LP", -1), ("midline", 1), ("RP", -1), ("RR", 1))
    return derivations_of({name: chains[name][::step] for name, step in ways})


def neighbours_matrix() -> npt.NDArray[np.float32]:
    """Return the matrix [19, 20] that subtracts from each electrode the mean of its neighbours in the grid.

    This is the source derivation of Hjorth (Electroencephalogr. Clin. Neurophysiol. 39, 1975, 526-530). It does not
    depend on the recording's reference, and a bad electrode affects only its neighbours. Neighbours are adjacent in a
    row or column; for Fp1, Fp2, O1 and O2, whose rows have gaps, also diagonally.
    """
    matrix = np.zeros((len(ELECTRODES), N_CHANNELS), dtype=np.float32)
    for electrode, names in neighbours().items():
        matrix[ELECTRODES.index(electrode), ELECTRODES.index(electrode)] = 1
        for name in names:
            matrix[ELECTRODES.index(electrode), ELECTRODES.index(name)] = -1 / len(names)
    return matrix


def neighbours() -> dict[str, tuple[str, ...]]:
    """Return the neighbours of each electrode in `GRID`; see `neighbours_matrix`."""
    places = {name: (row, column) for row, names in enumerate(GRID) for column, name in enumerate(names) if name}
    found = {}
    for name, (row, column) in places.items():
        reach = {(0, 1), (1, 0), (1, 1)} if None in GRID[row] else {(0, 1), (1, 0)}
        found[name] = tuple(
            other for other, place in places.items() if (abs(place[0] - row), abs(place[1] - column)) in reach
        )
    return found


class Volume(nn.Module):
    """Raw windows [batch, 20, 10000] in µV to volumes.

    The layout 'line' gives [batch, 1, time, derivation, frequency]; 'grid' gives [batch, frequency, time, row,
    column], with zeros in the six places without an electrode.
    """

    places: Tensor

    def __init__(self, settings: VolumeSettings) -> None:
        super().__init__()
        self.settings = settings
        on_grid = settings.layout == "grid"
        self.decibels = MelDecibels(neighbours_matrix() if on_grid else montage_matrix(line()), settings)
        # An empty place takes an additional channel of zeros after the last one.
        names = [name for row in GRID for name in row]
        places = torch.tensor([ELECTRODES.index(name) if name else len(ELECTRODES) for name in names])
        self.register_buffer("places", places, persistent=False)
        self.n_channels, *self.shape = (
            (settings.n_mels, settings.width, *GRID_SHAPE)
            if on_grid
            else (1, settings.width, len(line()), settings.n_mels)
        )

    def volumes(self, windows: Tensor) -> Tensor:
        """Return the volumes of all windows at once."""
        pixels: Tensor = self.settings.pixels(self.decibels(windows))
        if self.settings.layout == "line":
            return pixels.transpose(1, 2).unsqueeze(1)
        by_place = F.pad(pixels, (0, 0, 0, 0, 0, 1)).index_select(1, self.places)
        on_grid = by_place.reshape(-1, *GRID_SHAPE, self.settings.width, self.settings.n_mels)
        return on_grid.permute(0, 4, 3, 1, 2)

    def forward(self, windows: Tensor) -> Tensor:
        """Return the volumes, always in float32, also under autocast."""
        return float32_by_window(self.volumes, windows)
