from itertools import combinations, pairwise, permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.labels import (
    N_PATTERNS,
    OTHER,
    PATTERN_TITLES,
    PATTERNS,
    STRATA,
    VOTE_COLUMNS,
    check_votes,
    distribution,
    panel_size,
    strata,
    top_patterns,
)
from ictal.core.labels import panels as panels_of
from tests.helpers import panels


def stratum_in_whole_numbers(votes: tuple[int, ...]) -> str:
    """Apply the definition of a stratum by integer arithmetic, without sorting and without tolerance."""
    total = sum(votes)
    if any(10 * count >= 8 * total for count in votes):
        return "idealized"
    for first, second in combinations(range(N_PATTERNS), 2):
        together, smaller = votes[first] + votes[second], min(votes[first], votes[second])
        if 10 * together >= 8 * total and 10 * smaller >= 3 * total:
            return "proto" if OTHER in (first, second) else "edge"
    return "other"


def panels_up_to(n_votes: int) -> list[tuple[int, ...]]:
    """Return every panel of 1 to n votes: bars put between n + 5 places."""
    found = []
    for size in range(1, n_votes + 1):
        for bars in combinations(range(size + N_PATTERNS - 1), N_PATTERNS - 1):
            ends = (-1, *bars, size + N_PATTERNS - 1)
            found.append(tuple(b - a - 1 for a, b in pairwise(ends)))
    return found


def test_the_order_of_the_patterns_is_the_one_of_the_data():
    assert PATTERNS == ("seizure", "lpd", "gpd", "lrda", "grda", "other")
    assert tuple(PATTERN_TITLES) == PATTERNS
    assert PATTERNS[OTHER] == "other"
    assert VOTE_COLUMNS[0] == "seizure_vote"


@given(st.lists(panels, min_size=1, max_size=6))
def test_a_distribution_is_the_votes_over_their_sum(votes):
    shares = distribution(votes)
    np.testing.assert_allclose(shares.sum(axis=-1), 1, rtol=0, atol=1e-15 * N_PATTERNS)
    np.testing.assert_allclose(shares * panel_size(votes)[:, None], votes, rtol=1e-14, atol=0)
    np.testing.assert_array_equal(distribution(np.reshape(votes, (1, -1, 1, N_PATTERNS)))[0, :, 0], shares)


@given(panels, st.integers(1, 50))
def test_a_panel_twice_as_large_with_the_same_shares_is_judged_the_same(votes, factor):
    scaled = factor * np.array([votes])
    np.testing.assert_allclose(distribution(scaled), distribution([votes]), rtol=1e-15)
    assert strata(scaled) == strata([votes])
    np.testing.assert_array_equal(top_patterns(scaled), top_patterns([votes]))
    assert panels_of(scaled) == ("few" if factor * sum(votes) < 10 else "many")


def test_strata_follow_their_definition_for_every_panel_of_up_to_ten_votes():
    every = panels_up_to(10)
    assert len(every) == len(set(every)) == 8007  # (10 + 6 over 6) - 1
    found = strata(every)
    assert [stratum_in_whole_numbers(votes) for votes in every] == found.tolist()
    assert set(found) == set(STRATA)
    assert [("few", "many")[sum(votes) == 10] for votes in every] == panels_of(every).tolist()


@given(st.lists(panels, min_size=1, max_size=40))
def test_strata_follow_their_definition_for_large_panels(votes):
    assert strata(votes).tolist() == [stratum_in_whole_numbers(tuple(panel)) for panel in votes]


@given(panels, st.sampled_from(list(permutations(range(N_PATTERNS - 1)))))
def test_a_stratum_does_not_depend_on_which_named_pattern_it_was(votes, order):
    assert strata([[votes[index] for index in (*order, OTHER)]]) == strata([votes])


@given(panels)
def test_top_patterns_are_all_that_tie_for_most(votes):
    expected = [[count == max(votes) for count in votes]]
    np.testing.assert_array_equal(top_patterns([votes]), expected)
    np.testing.assert_array_equal(top_patterns(distribution([votes])), expected)


@pytest.mark.parametrize(
    "votes", [[[0] * 6], [[1, 0, 0, 0, 0, 0], [0] * 6], [[3, -1, 0, 0, 0, 0]], [[1] * 5], 3, [[1] * 7]]
)
def test_what_is_not_a_panel_has_no_distribution(votes):
    with pytest.raises(ValueError, match="votes"):
        distribution(votes)


@pytest.mark.parametrize("value", ["-1", "1.5", "many", "", "nan", "inf", "1e-3", "3,0", -2, 0.5, None])
def test_a_wrong_vote_is_named_by_line_column_value_and_what_is_allowed(value):
    table = pd.DataFrame([["1", "2", "0", "0", "0", "1"]] * 3, columns=VOTE_COLUMNS, index=[2, 3, 4], dtype=object)
    table.loc[3, "gpd_vote"] = value
    (problem,) = check_votes(table, "line")
    assert problem == f"line 3: gpd_vote is {value}; allowed are whole numbers from 0 to 10000"


def test_every_wrong_vote_and_every_empty_panel_is_listed():
    table = pd.DataFrame(
        [[1] * 6, [0] * 6, [-1, 1, 1, 1, 1, 0.5], [0] * 6], columns=VOTE_COLUMNS, index=[7, 8, 9, 11]
    )
    problems = check_votes(table)
    assert len(problems) == 4
    for row, words in (
        (9, "seizure_vote is -1"),
        (9, "other_vote is 0.5"),
        (8, "at least one"),
        (11, "at least one"),
    ):
        assert sum(problem.startswith(f"row {row}: ") and words in problem for problem in problems) == 1


@given(st.lists(panels, min_size=1, max_size=5))
def test_counts_pass_as_numbers_as_text_and_as_pandas_writes_them_after_a_gap(votes):
    table = pd.DataFrame(votes, columns=VOTE_COLUMNS)
    for form in (table, table.astype(str), table.astype(float).astype(str)):
        assert check_votes(form) == []
