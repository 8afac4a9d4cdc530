import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ictal.evaluation import PatientBootstrap
from ictal.evaluation.vote_likelihood import fit_concentration, log_likelihood, panel_likelihood
from tests.helpers import panels


@given(panels, st.integers(0, 99), st.floats(0.1, 1000))
def test_the_likelihoods_are_those_of_scipy(votes, seed, concentration):
    p = np.random.default_rng(seed).dirichlet(np.full(6, 2.0))
    votes = np.array([votes])
    n = int(votes.sum())
    expected = stats.multinomial(n, p).logpmf(votes[0])
    assert log_likelihood(votes, p[None])[0] == pytest.approx(expected, rel=1e-6, abs=1e-6)
    expected = stats.dirichlet_multinomial(concentration * p, n).logpmf(votes[0])
    assert log_likelihood(votes, p[None], concentration)[0] == pytest.approx(expected, rel=1e-6, abs=1e-5)


def drawn(n: int, concentrations: np.ndarray, seed: int = 0):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(6, 1.0), n)
    return p, np.array([rng.multinomial(15, rng.dirichlet(a * q)) for a, q in zip(concentrations, p, strict=True)])


def test_the_concentration_that_votes_were_drawn_with_is_found():
    p, votes = drawn(3_000, np.full(3_000, 5.0))
    assert fit_concentration(votes, p, np.ones(3_000)) == pytest.approx(5, rel=0.15)
    p, votes = drawn(500, np.full(500, 1e5))
    assert fit_concentration(votes, p, np.ones(500)) > 200


def test_knowing_the_concentration_of_each_window_gains_and_a_wrong_one_costs():
    n = 800
    true = np.where(np.arange(n) % 2, 1.0, 50.0)
    p, votes = drawn(n, true)
    bootstrap = PatientBootstrap(np.arange(n).astype(object) // 2, np.ones(n), 300)
    found = panel_likelihood(bootstrap, votes, p, np.arange(n) // 2 % 4, true)
    assert found.gain.low > 0
    assert found.predicted.value > found.constant.value > found.multinomial.value
    wrong = panel_likelihood(bootstrap, votes, p, np.arange(n) // 2 % 4, true[::-1])
    assert wrong.gain.high < 0
    assert panel_likelihood(bootstrap, votes, p, np.arange(n) % 4).predicted is None
    assert found.to_json()["gain"][0] == found.gain.value


def test_the_constant_is_fitted_on_other_folds():
    p, votes = drawn(400, np.where(np.arange(400) % 2, 1.0, 50.0))
    folds = np.arange(400) % 2
    bootstrap = PatientBootstrap(np.arange(400).astype(object), np.ones(400), 100)
    found = panel_likelihood(bootstrap, votes, p, folds).constant.value
    crossed = [
        log_likelihood(
            votes[folds == k], p[folds == k], fit_concentration(votes[folds != k], p[folds != k], np.ones(200))
        )
        for k in (0, 1)
    ]
    assert found == pytest.approx(np.mean(crossed))
    of_all = log_likelihood(votes, p, fit_concentration(votes, p, np.ones(400))).mean()
    assert found < of_all - 0.1  # the two folds are unlike, so who fits on the other is worse off
