import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from ictal.evaluation.ensemble import fit_weights, weigh
from ictal.evaluation.metrics import kl_divergence


def made(seed: int, n_windows: int = 60, n_predictors: int = 3):
    rng = np.random.default_rng(seed)
    truth = rng.dirichlet(np.ones(6), n_windows)
    votes = np.array([rng.multinomial(12, p) for p in truth])
    noise = rng.dirichlet(np.ones(6), (n_predictors, n_windows))
    shares = np.linspace(0.2, 0.9, n_predictors)[:, None, None]
    return votes, shares * truth + (1 - shares) * noise, rng.uniform(0.2, 1, n_windows)


def mean_kl(found, votes, probabilities, weights):
    return np.average(kl_divergence(votes, np.tensordot(found, probabilities, axes=1)), weights=weights)


@given(st.integers(0, 50))
def test_weights_agree_with_a_general_optimiser(seed):
    votes, probabilities, weights = made(seed)
    found = fit_weights(votes, probabilities, weights)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(1)
    other = minimize(
        mean_kl,
        np.full(3, 1 / 3),
        (votes, probabilities, weights),
        bounds=[(0, 1)] * 3,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
    )
    assert mean_kl(found, votes, probabilities, weights) <= other.fun + 1e-5


def test_a_useless_predictor_gets_no_weight():
    votes, probabilities, weights = made(0, 400)
    probabilities[0] = np.roll(votes, 1, axis=1) / votes.sum(axis=1, keepdims=True)
    probabilities[2] = votes / votes.sum(axis=1, keepdims=True)
    assert fit_weights(votes, probabilities, weights)[2] > 0.99


def test_no_group_is_judged_by_weights_that_saw_it():
    votes, probabilities, weights = made(1)
    groups = np.arange(60) % 3
    mean, found = weigh(votes, probabilities, weights, groups)
    changed = votes.copy()
    changed[groups == 1] = changed[groups == 1][:, ::-1]
    again, other = weigh(changed, probabilities, weights, groups)
    np.testing.assert_array_equal(mean[groups == 1], again[groups == 1])
    assert found[0].tolist() != other[0].tolist()
    np.testing.assert_allclose(mean.sum(axis=1), 1)


def test_windows_outside_get_the_weights_of_all_groups():
    votes, probabilities, weights = made(2)
    inside = np.arange(60) < 40
    groups = np.where(inside, np.arange(60) % 2, -1)
    mean, found = weigh(votes, probabilities, weights, groups, inside)
    of_all = fit_weights(votes[inside], probabilities[:, inside], weights[inside])
    np.testing.assert_allclose(mean[~inside], np.tensordot(of_all, probabilities[:, ~inside], axes=1))
    assert set(found) == {0, 1}
