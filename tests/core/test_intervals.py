"""Intervals by formula, against other implementations and worked examples; and that none of them collapses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ictal.core.intervals import bounded_mean, newcombe_auroc, poisson_rate, square_and_add, wilson
from ictal.core.labels import PATTERNS
from ictal.evaluation import PatientBootstrap
from ictal.evaluation.metric_table import measure_table

Z = 1.959963984540054


@given(st.integers(1, 60), st.data())
def test_wilson_is_that_of_scipy(n, data):
    count = data.draw(st.integers(0, n))
    theirs = stats.binomtest(count, n).proportion_ci(0.9, "wilson")
    assert wilson(count / n, n, 0.9) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_wilson_and_differences_of_a_worked_example():
    # Newcombe 1998 (Stat Med 17:873-890), example (a): 56/70 against 48/80 gives 0.0524 to 0.3339 by method 10.
    one, other = wilson(56 / 70, 70), wilson(48 / 80, 80)
    assert square_and_add(56 / 70, one, 48 / 80, other) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    # Its example (h): 10/10 against 0/10 gives 0.6075 to 1.0000, where a bootstrap gives 1 to 1.
    low, high = square_and_add(1.0, wilson(1.0, 10), 0.0, wilson(0.0, 10))
    assert (low, high) == (pytest.approx(0.6075, abs=5e-5), pytest.approx(1))


@pytest.mark.parametrize(("count", "low", "high"), [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (10, 4.7954, 18.3904)])
def test_poisson_rates_are_those_of_the_tables_of_garwood(count, low, high):
    assert poisson_rate(count, 1.0) == pytest.approx((low, high), abs=5e-5)
    assert poisson_rate(count, 4.0) == pytest.approx((low / 4, high / 4), abs=5e-5)


def roots_of_method_5(auroc, m, n):
    """Return where (auroc - x)^2 mn = z^2 x(1 - x)(1 + h(1 - x)/(2 - x) + hx/(1 + x)), as roots of a polynomial.

    h is (m + n)/2 - 1; both sides are multiplied by (2 - x)(1 + x).
    """
    x, h = np.polynomial.Polynomial([0, 1]), (m + n) / 2 - 1
    both = (2 - x) * (1 + x)
    right = Z**2 * x * (1 - x) * (both + h * (1 - x) * (1 + x) + h * x * (2 - x))
    found = (m * n * (auroc - x) ** 2 * both - right).roots()
    return sorted({round(float(root.real), 9) for root in found if abs(root.imag) < 1e-6 and -1e-9 <= root.real <= 1})


@given(st.floats(0.02, 0.98), st.integers(3, 200), st.integers(3, 200))
def test_method_5_of_newcombe_is_the_root_of_its_polynomial(auroc, m, n):
    low, high = newcombe_auroc(auroc, m, n)
    roots = roots_of_method_5(auroc, m, n)
    assert min(abs(root - low) for root in roots) < 1e-5
    assert min(abs(root - high) for root in roots) < 1e-5
    assert 0 < low < auroc < high < 1
    assert newcombe_auroc(1 - auroc, n, m) == pytest.approx((1 - high, 1 - low))


def test_a_perfect_ranking_of_few_has_an_interval():
    assert newcombe_auroc(1.0, 10, 9) == (pytest.approx(0.790, abs=5e-4), 1.0)
    assert newcombe_auroc(0.0, 9, 10) == (0.0, pytest.approx(0.210, abs=5e-4))
    assert newcombe_auroc(1.0, 1, 1)[0] < 0.25
    lows = [newcombe_auroc(1.0, n, n)[0] for n in (2, 5, 20, 100, 1000)]
    assert lows == sorted(lows)
    assert lows[-1] > 0.99


@given(st.integers(2, 40), st.floats(0, 1))
def test_no_values_in_a_range_vary_more_than_those_at_its_ends(n, mean):
    bounded = bounded_mean(mean, n, least=0.0, most=2.0)
    assert bounded.low <= mean <= bounded.high
    assert bounded.high - bounded.low > 0.1 / n


def segments(n_positive=10, n_negative=9, worst=()):
    """Return LPD and GPD segments of as many patients, all ranked and named rightly but for the `worst` ones."""
    top = np.array([1] * n_positive + [2] * n_negative)
    named = top.copy()
    named[list(worst)] = 3 - named[list(worst)]
    votes = np.eye(6, dtype=int)[top] * 9
    patients = np.arange(len(top)).astype(str).astype(object)
    return PatientBootstrap(patients, np.ones(len(top)), 2000), votes, 0.7 * np.eye(6)[named] + 0.05


def test_no_measure_of_a_perfect_table_collapses():
    bootstrap, votes, probabilities = segments()
    told = {name: one.estimate(bootstrap) for name, one in measure_table(bootstrap, votes, probabilities).items()}
    assert told["lateralized_auroc"].interval == pytest.approx(newcombe_auroc(1.0, 10, 9))
    assert told["auroc_lpd"].interval == told["lateralized_auroc"].interval
    for name in ("balanced_accuracy", "balanced_accuracy_any", "kappa", "top2", "auroc", "auprc", "auprc_gpd"):
        assert told[name].value == pytest.approx(1)
        assert 0.5 < told[name].low < 0.95, name
        assert told[name].high == pytest.approx(1)
    # Of 19 right ones, Wilson's lower end; of a kappa, the same with a chance agreement of (10/19)^2 + (9/19)^2.
    low, chance = stats.binomtest(19, 19).proportion_ci(method="wilson").low, (10**2 + 9**2) / 19**2
    assert told["top2"].low == pytest.approx(low)
    assert told["kappa"].low == pytest.approx((low - chance) / (1 - chance))


def test_windows_of_one_patient_do_not_make_a_perfect_ranking_surer():
    bootstrap, votes, probabilities = segments()
    often = PatientBootstrap(np.repeat(bootstrap.patients, 50), np.ones(19 * 50), 500)
    told = measure_table(often, np.repeat(votes, 50, axis=0), np.repeat(probabilities, 50, axis=0))
    assert told["lateralized_auroc"].estimate(often).low == pytest.approx(newcombe_auroc(1.0, 10, 9)[0])


def test_two_perfect_tables_are_not_known_to_be_alike():
    bootstrap, votes, probabilities = segments()
    one, other = (measure_table(bootstrap, votes, table) for table in (probabilities, 0.5 * probabilities + 0.5 / 6))
    low = one["periodic_auroc"].value  # not defined: all are periodic
    assert np.isnan(low)
    for name in ("lateralized_auroc", "top2", "kappa", "balanced_accuracy"):
        difference = (one[name] - other[name]).estimate(bootstrap)
        assert difference.value == 0
        assert difference.low < -0.05
        assert difference.high > 0.05


def test_an_interval_that_stays_within_its_range_is_that_of_the_bootstrap():
    bootstrap, votes, probabilities = segments(60, 60, worst=range(20, 40))
    measured = measure_table(bootstrap, votes, probabilities)
    assert measured["lateralized_auroc"].bounded is None
    assert measured[f"auroc_{PATTERNS[1]}"].estimate(bootstrap).high < 1
