"""Verdicts of paired differences: what few patients and few seeds can and cannot decide."""

import numpy as np
import pytest
from scipy import stats

from ictal.evaluation import PatientBootstrap
from ictal.evaluation.differences import paired_differences

N_RESAMPLES = 1000


def compared(losses, patients, weights=None, seeds=None, pairs=(("a", "b"),), n_resamples=N_RESAMPLES):
    weights = np.ones(len(patients)) if weights is None else np.asarray(weights, dtype=float)
    bootstrap = PatientBootstrap(np.asarray(patients, dtype=object), weights, n_resamples)
    return paired_differences(pairs, losses, {name: {} for name in losses}, bootstrap, "cv", seeds)


def clear(n_patients, names="ab"):
    """Return losses in which each name is worse than the next one for every patient."""
    rng = np.random.default_rng(n_patients)
    return {name: rank + rng.uniform(0, 0.1, n_patients) for rank, name in enumerate(reversed(names))}


@pytest.mark.parametrize(("n_patients", "decided"), [(2, False), (5, False), (6, True), (12, True)])
def test_so_few_patients_decide_nothing_however_clear(n_patients, decided):
    (found,) = compared(clear(n_patients), range(n_patients))
    assert found.p == pytest.approx(2 / 2**n_patients)  # all signs are looked at
    assert found.estimate.low > 0
    assert (found.decidable, found.decided) == (decided, decided)
    assert (found.detectable is None) is not decided
    told = found.to_json()
    assert (told["decidable"], told["detectable"] is None) == (decided, not decided)


def test_the_patients_that_a_verdict_needs_grow_with_the_family():
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    for n_patients, decided in ((6, False), (7, True)):  # 3 x 2/2^6 = 0.094, 3 x 2/2^7 = 0.047
        found = compared(clear(n_patients, "abc"), range(n_patients), pairs=pairs)
        assert {one.decided for one in found} == {decided}


def test_patients_who_hardly_weigh_do_not_make_a_verdict():
    losses, weights = clear(30), np.where(np.arange(30) < 4, 1000, 1)
    (found,) = compared(losses, range(30), weights)
    assert found.n_effective == pytest.approx(4026**2 / (4 * 1000**2 + 26))
    assert found.p < 0.001
    assert not found.decidable
    assert not found.decided


def test_what_is_detectable_is_told_by_quantiles_of_t():
    rng = np.random.default_rng(1)
    losses = {"a": rng.normal(0, 1, 8), "b": np.zeros(8)}
    (found,) = compared(losses, range(8), n_resamples=20_000)
    error = losses["a"].std(ddof=1) / np.sqrt(8)
    multiple = stats.t.ppf(0.975, 7) + stats.t.ppf(0.8, 7)
    assert found.detectable == pytest.approx(multiple * error, rel=0.02)
    # With many patients it is Bloom's 2.8.
    many = {"a": rng.normal(0, 1, 900), "b": np.zeros(900)}
    (found,) = compared(many, range(900))
    assert found.detectable == pytest.approx(2.80 * many["a"].std() / 30, rel=0.05)


def test_a_large_family_still_has_p_values_that_are_small_enough():
    names = [f"n{number:02d}" for number in range(40)]
    pairs = [(a, b) for number, a in enumerate(names) for b in names[:number]]  # 780 of them
    rng = np.random.default_rng(0)
    losses = {name: 0.1 * rank + rng.uniform(0, 0.01, 40) for rank, name in enumerate(names)}
    found = compared(losses, range(40), pairs=pairs, n_resamples=50)
    assert all(one.decided for one in found)


def trained(rng, n_patients, n_seeds, of_seed, of_patient=0.0, gap=0.0, of_both=0.05):
    """Return rows [seed, patient] of two arms: the luck of each training, and of each patient in the difference."""
    shape = n_seeds, n_patients
    arms = {
        name: rng.normal(0, of_seed, (n_seeds, 1)) + rng.normal(0, of_both, shape) + level
        for name, level in (("a", gap), ("b", 0.0))
    }
    arms["a"] = arms["a"] + rng.normal(0, of_patient, n_patients)
    seeds = np.repeat(np.arange(n_seeds), n_patients)
    return {name: rows.ravel() for name, rows in arms.items()}, np.tile(np.arange(n_patients), n_seeds), seeds


def test_with_one_seed_a_difference_is_of_the_networks_and_with_three_of_the_arms():
    rng = np.random.default_rng(0)
    for n_seeds, of_arms in ((1, False), (2, False), (3, True), (5, True)):
        losses, patients, seeds = trained(rng, 50, n_seeds, 0.02)
        (found,) = compared(losses, patients, seeds=seeds)
        assert (found.n_seeds, found.of_arms) == (n_seeds, of_arms)


def test_interval_and_p_of_several_seeds_by_hand():
    losses, patients, seeds = trained(np.random.default_rng(3), 40, 4, 0.05, 0.1, 0.1)
    (found,) = compared(losses, patients, seeds=seeds, n_resamples=20_000)
    gap = (losses["a"] - losses["b"]).reshape(4, 40)
    of_patients, of_seeds = gap.mean(axis=0).var(ddof=1) / 40, gap.mean(axis=1).var(ddof=1) / 4
    half = np.hypot(stats.t.ppf(0.975, 39) * of_patients**0.5, stats.t.ppf(0.975, 3) * of_seeds**0.5)
    assert found.estimate.value == pytest.approx(gap.mean())
    assert found.estimate.interval == pytest.approx([gap.mean() - half, gap.mean() + half], rel=0.02)
    # At its own p, the interval just reaches zero.
    ends = [stats.t.isf(found.p / 2, freedom) ** 2 * part for freedom, part in ((39, of_patients), (3, of_seeds))]
    assert np.sqrt(sum(ends)) == pytest.approx(abs(gap.mean()), rel=0.02)


def test_seeds_that_do_not_matter_leave_the_interval_that_of_patients():
    rng = np.random.default_rng(5)
    losses, patients, seeds = trained(rng, 200, 5, 0.0, 0.2, of_both=0.0)
    (several,) = compared(losses, patients, seeds=seeds)
    (one,) = compared({name: values[:200] for name, values in losses.items()}, patients[:200])
    assert several.estimate.interval == pytest.approx(one.estimate.interval, abs=0.003)


@pytest.mark.parametrize("n_seeds", [3, pytest.param(5, marks=pytest.mark.slow)])
def test_the_same_arm_under_other_seeds_is_seldom_declared_different(n_seeds):
    rng, repeats = np.random.default_rng(7), 400
    decided = single = 0
    for _ in range(repeats):
        losses, patients, seeds = trained(rng, 60, n_seeds, 0.02, of_both=0.1)
        (found,) = compared(losses, patients, seeds=seeds, n_resamples=200)
        decided += found.decided
        first = {name: values[:60] for name, values in losses.items()}
        (alone,) = compared(first, patients[:60], n_resamples=200)
        single += alone.decided
    # At most 5 %, and four standard errors of 400 repeats; a single training differs far more often.
    assert decided / repeats < 0.05 + 4 * np.sqrt(0.05 * 0.95 / repeats)
    assert single / repeats > 0.2


def test_a_difference_of_arms_is_found_where_there_is_one():
    rng = np.random.default_rng(8)
    decided = 0
    for _ in range(100):
        losses, patients, seeds = trained(rng, 60, 5, 0.02, 0.05, gap=0.1)
        decided += compared(losses, patients, seeds=seeds, n_resamples=200)[0].decided
    assert decided > 90
