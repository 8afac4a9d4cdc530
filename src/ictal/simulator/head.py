"""The head model: potentials at the electrodes of the 10-20 system from sources on the cortex of a layered sphere."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from platformdirs import user_cache_path

from ictal.core.atomic_files import atomic_write, hash_of
from ictal.core.mne_lock import MNE
from ictal.core.montage import ANGLES, ELECTRODES

Floats = npt.NDArray[np.float64]

SITES = (*ELECTRODES, "A1", "A2")
"""The sites of the forward model: the electrodes, then the ears."""

N_SITES = len(SITES)
EARS = [SITES.index("A1"), SITES.index("A2")]


def _directions(angles: Floats) -> Floats:
    inclination, azimuth = np.deg2rad(angles).T
    return np.stack(
        [np.sin(inclination) * np.cos(azimuth), np.sin(inclination) * np.sin(azimuth), np.cos(inclination)], axis=1
    )


POSITIONS = _directions(np.array([ANGLES[name] for name in SITES], dtype=np.float64))
"""Position of each of `SITES` on the unit sphere: x to the right ear, y to the nose, z to the vertex, [21, 3]."""

HEAD_RADIUS_M = 0.095
LAYERS = (0.90, 0.92, 0.97, 1.0)
"""Radii of brain, fluid, skull and skin, relative to the head (those of MNE's default sphere)."""
CORTEX = 0.84
"""Radius of the sources, relative to the head: about 6 mm below the surface of the brain."""
SKULL_S_PER_M = (0.0018, 0.0042, 0.0100)
"""Conductivities of the skull for which the model is solved; a patient's is between the first and the last. Brain and
skin have 0.33, so the ratios are 33 to 180, the range in the literature (Hoekema et al. 2003; Geddes and Baker
1967)."""
SHIFT_RAD = 0.05
"""Shift of the electrodes for which the model is solved, about 5 mm; other shifts are interpolated linearly."""
N_SOURCES = 320
LOWEST_SOURCE = -0.45
"""Height of the lowest sources, in radii of the cortex: the lower side of the temporal lobes."""


@dataclass(frozen=True, eq=False)
class HeadModel:
    """The head of one patient; equal only to itself, so that results for it can be cached.

    Attributes
    ----------
    gain
        Potential at each site, relative to infinity, of a dipole at each source along x, y and z, [21, source, 3];
        scaled so that a radial dipole below an electrode gives about one.
    """

    gain: Floats

    def field(self, place: Floats, width_rad: float, tilt: Floats) -> Floats:
        """Return the potential of a patch of cortex at each site, [21], scaled to a largest magnitude of one.

        Parameters
        ----------
        place
            Centre of the patch, a unit vector, [3].
        width_rad
            Standard deviation of the patch as an angle from the centre of the head.
        tilt
            Added to the outward direction of the dipoles, [3]: zero for a gyrus, a tangential vector for a sulcus.
        """
        sources = source_positions()
        angle = np.arccos(np.clip(sources @ place, -1, 1))
        moments = np.exp(-((angle / width_rad) ** 2) / 2)[:, None] * (sources + tilt)
        potential = self.gain.reshape(N_SITES, -1) @ moments.ravel()
        return np.asarray(potential / abs(potential).max())

    def radial(self) -> Floats:
        """Return the gain of radial dipoles, [21, source]."""
        return np.asarray(np.einsum("esd,sd->es", self.gain, source_positions()))


@lru_cache(maxsize=1)
def source_positions() -> Floats:
    """Return the directions of the sources, spread evenly over the cortex (a Fibonacci lattice), [source, 3]."""
    index = np.arange(N_SOURCES) + 0.5
    z = 1 - index / N_SOURCES * (1 - LOWEST_SOURCE)
    azimuth = np.pi * (1 + 5**0.5) * index
    ring = np.sqrt(1 - z**2)
    return np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), z], axis=1)


def draw_head(rng: np.random.Generator) -> HeadModel:
    """Draw a patient's head: the conductivity of the skull, and the actual positions of the electrodes."""
    gains = forward_models()
    place = rng.uniform(0, len(SKULL_S_PER_M) - 1)
    low = min(int(place), len(SKULL_S_PER_M) - 2)
    gain = (1 - (place - low)) * gains[low] + (place - low) * gains[low + 1]
    shifts = rng.normal(0, 0.06, (2, N_SITES)) / SHIFT_RAD
    moved = gain[0] + np.einsum("ke,kesd->esd", shifts, gain[1:] - gain[0])
    radial = np.einsum("esd,sd->es", moved, source_positions())
    return HeadModel(moved / np.median(radial.max(axis=1)))


@lru_cache(maxsize=1)
def forward_models() -> Floats:
    """Return the solved models, [conductivity, shift, 21, source, 3]: from the user's cache, or from MNE.

    The shifts are zero, and `SHIFT_RAD` along two perpendicular directions on the scalp. Solving takes seconds, once
    per machine.
    """
    key = hash_of([ANGLES, HEAD_RADIUS_M, LAYERS, CORTEX, SKULL_S_PER_M, SHIFT_RAD, N_SOURCES, LOWEST_SOURCE])
    path: Path = user_cache_path("ictal") / "head" / f"{key}.npy"
    if not path.exists():
        with MNE:
            models = np.stack([_solve(skull) for skull in SKULL_S_PER_M])
        with atomic_write(path) as part, part.open("wb") as file:
            np.save(file, models.astype(np.float32))
    return np.asarray(np.load(path), dtype=np.float64)


def _shifted() -> Floats:
    """Return the positions of the sites without shift and shifted along two directions, [3, 21, 3]."""
    north = np.array([0.013, 0.031, 1.0])  # not quite the vertex, where Cz would have no direction
    along = np.cross(POSITIONS, north)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    moved = POSITIONS + SHIFT_RAD * np.stack([np.zeros_like(along), along, np.cross(POSITIONS, along)])
    return np.asarray(moved / np.linalg.norm(moved, axis=2, keepdims=True))


def _solve(skull_s_per_m: float) -> Floats:
    import mne  # takes a second to import, and is needed once per machine

    places = _shifted().reshape(-1, 3)
    names = [f"{index}" for index in range(len(places))]
    info = mne.create_info(names, 200.0, "eeg", verbose="ERROR")
    info.set_montage(
        mne.channels.make_dig_montage(
            dict(zip(names, places * HEAD_RADIUS_M, strict=True)),
            nasion=(0, HEAD_RADIUS_M, 0),
            lpa=(-HEAD_RADIUS_M, 0, 0),
            rpa=(HEAD_RADIUS_M, 0, 0),
            coord_frame="head",
        )
    )
    sphere = mne.make_sphere_model(
        (0.0, 0.0, 0.0),
        HEAD_RADIUS_M,
        relative_radii=LAYERS,
        sigmas=(0.33, 1.0, skull_s_per_m, 0.33),
        verbose="ERROR",
    )
    directions = source_positions()
    dipoles = {"rr": directions * CORTEX * HEAD_RADIUS_M, "nn": directions}
    sources = mne.setup_volume_source_space(pos=dipoles, sphere=sphere, mindist=0.0, verbose="ERROR")
    forward = mne.make_forward_solution(info, None, sources, sphere, meg=False, mindist=0.0, verbose="ERROR")
    solution = np.asarray(forward["sol"]["data"], dtype=np.float64)
    return solution.reshape(3, N_SITES, N_SOURCES, 3)
