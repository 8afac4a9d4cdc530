from itertools import pairwise

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from ictal.report.score_columns import column_means, own_times


def rows(starts, centre=10):
    return pd.DataFrame({"start_s": np.array(starts, dtype=float), "stop_s": np.array(starts, dtype=float) + centre})


def test_rows_that_overlap_share_the_time():
    starts, stops = own_times(rows([0, 2, 4, 30]))
    assert starts.tolist() == [0, 6, 8, 30]
    assert stops.tolist() == [6, 8, 14, 40]


def test_a_column_is_the_mean_of_what_it_covers_and_blank_where_nothing_is_known():
    found = column_means(np.array([0.0, 5, 15, 20, 30, 60]), rows([0, 10, 30]), [1.0, 3.0, np.nan])
    np.testing.assert_allclose(found, [1, 2, 3, np.nan, np.nan])
    assert column_means(np.array([0.0, 1, 2]), rows([]), np.zeros((0, 40))).shape == (2, 40)


@given(
    steps=st.lists(st.integers(1, 25), min_size=1, max_size=30),
    n_columns=st.integers(1, 50),
    seed=st.integers(0, 99),
)
def test_columns_agree_with_a_sum_over_small_slices(steps, n_columns, seed):
    frame = rows(np.cumsum(steps))
    rng = np.random.default_rng(seed)
    values = np.where(rng.random((len(frame), 2)) < 0.2, np.nan, rng.normal(size=(len(frame), 2)))
    # Slices of half a second: all borders of rows and columns fall on one of them.
    n_slices = 2 * (int(frame["stop_s"].iloc[-1]) + 1)
    edges = np.sort(rng.choice(np.arange(n_slices + 1), min(n_columns, n_slices) + 1, replace=False)) / 2
    slices = np.full((n_slices, 2), np.nan)
    for start, stop, value in zip(*own_times(frame), values, strict=True):
        slices[round(2 * start) : round(2 * stop)] = value
    for (first, last), found in zip(pairwise(edges), column_means(edges, frame, values), strict=True):
        inside = slices[round(2 * first) : round(2 * last)]
        for column in range(2):
            known = inside[np.isfinite(inside[:, column]), column]
            np.testing.assert_allclose(found[column], known.mean() if len(known) else np.nan, atol=1e-9)
