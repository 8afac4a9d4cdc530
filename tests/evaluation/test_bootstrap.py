import numpy as np
import pytest
from scipy.stats import bootstrap as bootstrap_of_scipy
from scipy.stats import norm, t

from ictal.core.intervals import expanded_tail
from ictal.evaluation import Estimate, PatientBootstrap


def names(codes) -> np.ndarray:
    return np.array([f"p{code}" for code in codes], dtype=object)


def test_with_one_window_per_patient_it_is_the_bootstrap_of_scipy():
    values = np.random.default_rng(0).gamma(2, size=80)
    ours = PatientBootstrap(names(range(80)), np.ones(80), 10_000).mean(values)
    level = 1 - 2 * norm.cdf(-np.sqrt(80 / 79) * t.ppf(0.975, 79))
    theirs = bootstrap_of_scipy(
        (values,), np.mean, n_resamples=10_000, method="percentile", confidence_level=level, rng=1
    ).confidence_interval
    assert ours.value == pytest.approx(values.mean())
    # Both have a Monte Carlo error of about 2 % of the width at 10,000 resamples.
    width = theirs.high - theirs.low
    assert ours.interval == pytest.approx([theirs.low, theirs.high], abs=0.05 * width)


def test_copies_of_a_window_tell_nothing_new():
    values = np.random.default_rng(1).normal(size=30)
    once = PatientBootstrap(names(range(30)), np.ones(30)).mean(values)
    often = PatientBootstrap(names(np.repeat(range(30), 9)), np.ones(270)).mean(np.repeat(values, 9))
    assert often.interval == pytest.approx(once.interval)
    apart = PatientBootstrap(names(range(270)), np.ones(270)).mean(np.repeat(values, 9))
    assert apart.high - apart.low < 0.5 * (once.high - once.low)  # what ignoring patients would claim


def test_weights_are_those_of_repeated_windows():
    rng = np.random.default_rng(2)
    values, weights, codes = rng.normal(size=60), rng.integers(1, 4, 60), np.arange(60) // 3
    weighted = PatientBootstrap(names(codes), weights.astype(float)).mean(values)
    repeated = PatientBootstrap(names(np.repeat(codes, weights)), np.ones(weights.sum())).mean(
        np.repeat(values, weights)
    )
    assert weighted.value == pytest.approx(repeated.value)
    assert weighted.interval == pytest.approx(repeated.interval)


def test_resamples_are_paired_and_follow_the_seed():
    rng = np.random.default_rng(3)
    values, patients = rng.normal(size=50), names(np.arange(50) // 2)
    one, same = (PatientBootstrap(patients, np.ones(50), seed=0) for _ in range(2))
    np.testing.assert_array_equal(one.means(values), same.means(values))
    assert one.mean(values - values).interval == [0, 0]
    np.testing.assert_allclose(one.means(values + 1), one.means(values) + 1)
    assert not np.array_equal(one.means(values), PatientBootstrap(patients, np.ones(50), seed=1).means(values))


def test_one_patient_has_no_interval():
    estimate = PatientBootstrap(names([0, 0, 0]), np.ones(3)).mean(np.arange(3.0))
    assert estimate.value == 1
    assert estimate.interval is None
    assert str(estimate) == "1.000 [–]"
    shares = np.array([1.0, 1, 0])
    part = PatientBootstrap(names([0, 0, 1]), np.ones(3)).mean(np.array([1.0, 3, 9]), shares)
    assert part.value == 2
    assert part.interval is None


def test_intervals_of_clustered_data_cover_the_truth():
    rng = np.random.default_rng(4)
    hits, repeats = 0, 200
    codes = np.repeat(np.arange(40), 5)
    for seed in range(repeats):
        values = rng.normal(size=40)[codes] + rng.normal(size=200)
        low, high = PatientBootstrap(names(codes), np.ones(200), 400, seed).mean(values).interval
        hits += low <= 0 <= high
    # 95 % nominal; four standard errors of 200 repeats are 6 %
    assert hits / repeats > 0.89


@pytest.mark.parametrize(("n", "tail"), [(5, 0.0010), (10, 0.0086), (20, 0.0159), (40, 0.0203), (1e9, 0.025)])
def test_the_tails_of_the_expanded_percentile_interval_are_those_of_hesterberg(n, tail):
    assert expanded_tail(n, 0.95) == pytest.approx(tail, abs=6e-5)


def test_unequal_patients_count_as_fewer():
    equal = PatientBootstrap(names(np.repeat(range(7), 3)), np.full(21, 2.5))
    assert equal.n_effective == pytest.approx(7)
    unequal = PatientBootstrap(names([0, 0, 0, 0, 1, 2]), np.ones(6))
    assert unequal.n_effective == pytest.approx(6**2 / (4**2 + 1 + 1))
    assert unequal.effective([1, 0, 0, 0, 1, 1]) == pytest.approx(3)
    assert unequal.effective([1, 1, 1, 0, 0, 0]) == pytest.approx(1)
    assert unequal.effective(np.zeros(6)) == 0


def test_intervals_cover_the_truth_where_a_few_patients_have_most_of_the_windows():
    rng = np.random.default_rng(6)
    hits, narrow, repeats = 0, 0, 400
    for seed in range(repeats):
        weights = np.exp(rng.normal(0, 1.2, 20))  # 20 patients who weigh as about 7
        values = rng.standard_t(5, 20)
        bootstrap = PatientBootstrap(names(range(20)), weights, 400, seed)
        low, high = bootstrap.mean(values).interval
        hits += low <= 0 <= high
        low, high = np.quantile(bootstrap.means(values), [0.025, 0.975])
        narrow += low <= 0 <= high
    # Four standard errors of 400 repeats are 4.4 %; plain percentiles do not cover.
    assert hits / repeats > 0.906
    assert narrow / repeats < 0.91


def test_an_estimate_is_written_with_three_digits_or_as_asked():
    estimate = Estimate(0.123456, 0.1, 0.2)
    assert f"{estimate}" == str(estimate) == "0.123 [0.100, 0.200]"
    assert f"{estimate:.4f}" == "0.1235 [0.1000, 0.2000]"
    assert f"{Estimate(1.0, float('nan'), float('nan')):.1f}" == "1.0 [–]"


def test_groups_of_many_patients_tell_as_much_of_the_spread():
    """The mean of 6,000 equal patients has a known standard error; 2,000 random groups give it to a few per cent."""
    values = np.random.default_rng(0).normal(size=6000)
    bootstrap = PatientBootstrap(np.arange(6000).astype(str).astype(object), np.ones(6000), 4000)
    assert bootstrap.draws[1].shape == (4000, 2000)
    assert bootstrap.n_patients() == 6000
    assert bootstrap.n_effective == pytest.approx(6000)
    assert bootstrap.means(values).std() == pytest.approx(values.std() / np.sqrt(6000), rel=0.06)
