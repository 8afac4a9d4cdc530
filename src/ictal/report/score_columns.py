"""Windows over time as equal columns of an image: the mean over the time of each column."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.scoring.quality import SPECTRUM_HZ

Floats = npt.NDArray[np.float64]


def own_times(frame: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return the start and stop of each row's own time, [row]: where two rows overlap, each has half of it.

    Parameters
    ----------
    frame
        Scores, ordered by time.
    """
    starts, stops = (frame[name].to_numpy(dtype=np.float64).copy() for name in ("start_s", "stop_s"))
    overlap = np.flatnonzero(starts[1:] < stops[:-1])
    middle = (starts[overlap + 1] + stops[overlap]) / 2
    starts[overlap + 1] = stops[overlap] = middle
    return starts, stops


def column_means(edges: Floats, frame: pd.DataFrame, values: npt.ArrayLike) -> Floats:
    """Return the mean over each column's time, [column, ...]; NaN where no value is known.

    Parameters
    ----------
    edges
        Of the columns, in seconds, [column + 1].
    frame
        Scores, ordered by time.
    values
        [row, ...]; NaN where unknown, which does not count.
    """
    array = np.asarray(values, dtype=np.float64)
    flat = array.reshape(len(frame), int(np.prod(array.shape[1:])))
    known = np.isfinite(flat)
    starts, stops = own_times(frame)
    seconds = _integrals(edges, starts, stops, known.astype(np.float64))
    sums = _integrals(edges, starts, stops, np.where(known, flat, 0))
    means = np.divide(sums, seconds, out=np.full_like(sums, np.nan), where=seconds > 1e-6)
    return means.reshape(len(edges) - 1, *array.shape[1:])


def _integrals(edges: Floats, starts: Floats, stops: Floats, values: Floats) -> Floats:
    """Integrate values [row, k] that hold from start to stop, over each column, [column, k]."""
    areas = values * (stops - starts)[:, None]
    after = np.cumsum(areas, axis=0)
    totals = np.stack([after - areas, after], axis=1).reshape(-1, values.shape[1])
    if not len(totals):
        return np.zeros((len(edges) - 1, values.shape[1]))
    knots = np.stack([starts, stops], axis=1).ravel()
    return np.diff(np.stack([np.interp(edges, knots, total) for total in totals.T], axis=1), axis=0)


def spectra(frame: pd.DataFrame, side: str) -> Floats:
    """Return the spectra of one side as an array [row, `SPECTRUM_HZ`] in dB; NaN where a row has none."""
    unknown = np.full(len(SPECTRUM_HZ), np.nan)
    rows = [np.asarray(row, dtype=float) if np.ndim(row) == 1 else unknown for row in frame[f"spectrum_{side}"]]
    return np.array(rows).reshape(len(frame), len(SPECTRUM_HZ))
