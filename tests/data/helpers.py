"""Makers of input that tests of data sets and of their files share."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from ictal.preprocessing.regional_spectrogram import CONTEXT_HZ, REGIONS


def assert_stored(stored: npt.ArrayLike, expected: npt.ArrayLike, largest_uv: float, atol: float = 0) -> None:
    """Assert that windows are as expected, within the error of 16 bits for samples up to `largest_uv`."""
    np.testing.assert_allclose(stored, expected, rtol=0, atol=atol + largest_uv / 65_000)


def spectrogram_table(n_columns: int, seed: int = 0) -> pd.DataFrame:
    """Return a regional spectrogram as HMS has it: a row per 2 s, columns named with two decimals and no zeros."""
    names = [f"{region}_{np.floor(100 * hz + 0.5) / 100:g}" for region in REGIONS for hz in CONTEXT_HZ]
    power = np.random.default_rng(seed).lognormal(-1, 2, (n_columns, len(names))).astype(np.float32)
    made = pd.DataFrame(power, columns=names)
    made.insert(0, "time", 1 + 2 * np.arange(n_columns))
    return made
