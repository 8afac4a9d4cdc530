"""Interpolation of electrodes from others by spherical splines (Perrin et al. 1989), as MNE-Python does it.

MNE-Python itself takes half a second to import, and a noisy electrode is found in most recordings; a test compares
the weights.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numpy.polynomial.legendre import legval

Matrix = npt.NDArray[np.float64]

ORDER, N_TERMS = 4, 50
"""Order of the splines (m), and number of terms of their series."""
SMOOTHING = 1e-5
PLACES = {
    "Fp1": (-0.2863916, 0.9433988, -0.1672677),
    "F3": (-0.5448395, 0.7588134, 0.3568643),
    "C3": (-0.7432846, 0.0847268, 0.6635882),
    "P3": (-0.5551364, -0.6156233, 0.5593135),
    "F7": (-0.7606929, 0.6142037, -0.2100002),
    "T3": (-0.9862811, -0.0108616, -0.1647170),
    "T5": (-0.7847897, -0.6182110, -0.0438208),
    "O1": (-0.3018256, -0.9488515, 0.0926400),
    "Fz": (-0.0032467, 0.8041630, 0.5944000),
    "Cz": (-0.0047892, 0.1235821, 0.9923228),
    "Pz": (-0.0078006, -0.6003075, 0.7997312),
    "Fp2": (0.2786059, 0.9456396, -0.1677635),
    "F4": (0.5466794, 0.7649542, 0.3405682),
    "C4": (0.7477326, 0.0876422, 0.6581906),
    "P4": (0.5558160, -0.6127750, 0.5617610),
    "F8": (0.7588148, 0.6156022, -0.2126830),
    "T4": (0.9856475, -0.0064430, -0.1686936),
    "T6": (0.7773805, -0.6274064, -0.0451757),
    "O2": (0.2834759, -0.9544868, 0.0927164),
}
"""Directions to the electrodes on MNE's template head (colin27_1020) from the centre of the sphere that fits all 19:
to the right, to the front, up."""


def spline_weights(there: Sequence[str], missing: Sequence[str]) -> Matrix:
    """Return the weights of present electrodes in missing ones, [missing, present]."""
    present, wanted = (np.array([PLACES[name] for name in names]) for names in (there, missing))
    among = _spline(present @ present.T) + SMOOTHING * np.eye(len(present))
    # The last row and column make the weights of each missing electrode sum to one.
    system = np.pad(among, (0, 1), constant_values=1)
    system[-1, -1] = 0
    target = np.pad(_spline(wanted @ present.T), ((0, 0), (0, 1)), constant_values=1)
    return np.asarray(np.linalg.solve(system, target.T).T[:, :-1])


def _spline(cosine: Matrix) -> Matrix:
    """Return the spline function of the angle between electrodes, given its cosine."""
    n = np.arange(1, N_TERMS + 1)
    return np.asarray(legval(cosine, [0, *((2 * n + 1) / (4 * np.pi * (n * (n + 1)) ** ORDER))]))
