import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ictal.evaluation import holm, permutation_p
from ictal.evaluation.permutation import least_p


def test_it_is_the_share_of_all_signs_of_few_patients():
    values, patients = np.array([1.0, 2.0, 0.5, 0.5, 4.0]), ["a", "a", "b", "b", "c"]
    # sums 3, 1 and 4: of the eight signs only all plus and all minus reach 8
    assert permutation_p(values, patients, np.ones(5), 20_000) == pytest.approx(
        2 / 8, abs=5 * (3 / 16 / 20_000) ** 0.5
    )


def test_it_agrees_with_another_implementation():
    rng = np.random.default_rng(0)
    values = rng.normal(0.25, 1, 60)
    other = stats.permutation_test((values,), np.sum, permutation_type="samples", n_resamples=20_000, rng=1).pvalue
    assert permutation_p(values, np.arange(60), np.ones(60), 20_000) == pytest.approx(other, abs=0.02)


def test_windows_of_a_patient_are_one_observation():
    values = np.repeat([1.0, -0.2, 0.8, 1.2], 50)
    alone = permutation_p(values, np.repeat(["a", "b", "c", "d"], 50), np.ones(200))
    assert alone > 0.1
    assert permutation_p(values, np.arange(200), np.ones(200)) < 0.001


def test_it_is_even_where_there_is_no_difference():
    rng = np.random.default_rng(3)
    p = [
        permutation_p(
            rng.normal(0, 1, 40) + np.repeat(rng.normal(0, 1, 8), 5), np.repeat(np.arange(8), 5), np.ones(40), 300
        )
        for _ in range(300)
    ]
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_no_difference_at_all_has_a_p_of_one_and_a_p_is_never_zero():
    assert permutation_p(np.zeros(5), list("abcde"), np.ones(5)) == 1
    assert permutation_p(np.ones(100), np.arange(100), np.ones(100), 99) == pytest.approx(0.01)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_agrees_with_a_plain_account_of_its_steps(p_values):
    found, worst = holm(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[index]))
        assert found[index] == pytest.approx(worst)


@pytest.mark.parametrize("n_patients", [3, 8, 13])
def test_of_few_patients_all_signs_are_looked_at(n_patients):
    values = np.random.default_rng(n_patients).normal(0.4, 1, n_patients)
    theirs = stats.permutation_test((values,), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
    found = [permutation_p(values, np.arange(n_patients), np.ones(n_patients), seed=seed) for seed in (0, 1)]
    assert found == [pytest.approx(theirs)] * 2


@pytest.mark.parametrize("n_patients", [1, 2, 5, 6])
def test_no_p_is_smaller_than_the_least_one(n_patients):
    p = permutation_p(np.ones(n_patients), np.arange(n_patients), np.ones(n_patients))
    assert p == pytest.approx(least_p(n_patients)) == pytest.approx(min(1, 2 / 2**n_patients))
