"""Ridge, choice and nested cross-validation of a calibration."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from ictal.core.labels import distribution
from ictal.errors import TableError
from ictal.evaluation import (
    Calibration,
    CalibrationTrial,
    Estimate,
    PatientBootstrap,
    calibrate_out_of_fold,
    fit_calibration,
    kl_divergence,
    mean_shares,
    try_calibration,
)
from ictal.evaluation.calibration import patient_folds
from ictal.evaluation.calibration_trial import FOLDS, PENALTIES, calibrate_nested, check_patients, choose_penalty


def windows(seed: int, wrong: Calibration, n_patients: int = 40, n_votes: int = 12):
    """Return votes, probabilities of a model that is off by a calibration, weights and patients; 3 windows each."""
    rng = np.random.default_rng(seed)
    n = 3 * n_patients
    true = rng.dirichlet(np.full(6, 0.6), n)
    patients = np.array([f"p{number // 3}" for number in range(n)], dtype=object)
    return rng.multinomial(n_votes, true), wrong.apply(true), rng.uniform(0.5, 1, n), patients


def trial_of(votes, probabilities, weights, patients) -> CalibrationTrial:
    return try_calibration(PatientBootstrap(patients, weights, 500), votes, probabilities)


TOO_SOFT = Calibration(1.8, np.array([0.0, 0.3, -0.8, 0.0, -0.3, 0.8]))


@pytest.mark.parametrize("penalty", [0.002, 0.05])
def test_the_ridge_is_that_of_six_biases_whichever_is_last(penalty):
    votes, probabilities, weights, _ = windows(0, TOO_SOFT)
    shares, logits, mass = distribution(votes), np.log(probabilities), weights / weights.sum()

    def objective(parameters):
        scaled = logits * parameters[0] + parameters[1:]
        logs = scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))
        return -(mass[:, None] * shares * logs).sum() + penalty * (parameters[1:] ** 2).sum()

    expected = minimize(objective, np.r_[1.0, np.zeros(6)], tol=1e-12).x
    found = fit_calibration(votes, probabilities, weights, with_bias=True, penalty=penalty)
    assert found.temperature == pytest.approx(1 / expected[0], rel=1e-4)
    np.testing.assert_allclose(found.bias, expected[1:], atol=1e-4)
    order = np.array([5, 2, 0, 1, 4, 3])
    turned = fit_calibration(votes[:, order], probabilities[:, order], weights, with_bias=True, penalty=penalty)
    np.testing.assert_allclose(turned.bias, found.bias[order], atol=1e-6)


@given(st.integers(0, 1000))
def test_the_stronger_the_penalty_the_smaller_the_biases(seed):
    votes, probabilities, weights, _ = windows(seed, TOO_SOFT, 10)
    fits = [
        fit_calibration(votes, probabilities, weights, with_bias=True, penalty=penalty)
        for penalty in (0.0, 0.001, 0.01, 0.1, 1.0, 1e6)
    ]
    sizes = [float((fit.bias**2).sum()) for fit in fits]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 1e-10
    alone = fit_calibration(votes, probabilities, weights)
    assert fits[-1].temperature == pytest.approx(alone.temperature, rel=1e-4)


def test_a_pattern_without_votes_stays_possible_with_a_penalty():
    votes, probabilities, weights, _ = windows(1, Calibration())
    votes[:, 0] = 0
    votes[:, 5] += 1
    found = fit_calibration(votes, probabilities, weights, with_bias=True, penalty=0.03)
    assert -4 < found.bias[0] < -0.5


@given(st.integers(0, 1000), st.sampled_from([(False, 0.0), (True, 0.0), (True, 0.03)]))
def test_calibrating_again_changes_nothing_but_what_the_penalty_held_back(seed, kind):
    """The penalty is on the change, so a second fit may go on, but less far than the first."""
    with_bias, penalty = kind
    votes, probabilities, weights, _ = windows(seed, TOO_SOFT, 20)
    first = fit_calibration(votes, probabilities, weights, with_bias=with_bias, penalty=penalty)
    known = votes, first.apply(probabilities), weights
    again = fit_calibration(*known, with_bias=with_bias, penalty=penalty)
    if not penalty:
        assert again.temperature == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(again.bias, 0, atol=1e-5)
    assert (again.bias**2).sum() <= (first.bias**2).sum()


@pytest.mark.parametrize("power", [0.5, 2.0])
def test_a_model_whose_probabilities_are_a_power_of_the_true_ones_is_brought_back(power):
    votes, probabilities, weights, patients = windows(2, Calibration(1 / power), 100)
    trial = trial_of(votes, probabilities, weights, patients)
    assert trial.verdict == "helps"
    assert trial.calibration.temperature == pytest.approx(power, rel=0.1)
    assert trial.in_words().startswith("Calibration helps on patients that it was not fitted to (KL -0.")
    assert trial.after.value < trial.before.value
    assert trial.difference.value == pytest.approx(trial.after.value - trial.before.value)


def test_mean_shares_move_towards_the_votes():
    votes, probabilities, weights, patients = windows(3, TOO_SOFT)
    trial = trial_of(votes, probabilities, weights, patients)
    assert trial.penalty in PENALTIES[:-1]

    def off(shares):
        return [abs(share.difference.value) for share in shares.values()]

    before, after = off(trial.shares_before), off(trial.shares_after)
    assert max(after) < 0.3 * max(before)
    bootstrap = PatientBootstrap(patients, weights, 500)
    assert mean_shares(bootstrap, votes, probabilities) == trial.shares_before
    nested = calibrate_nested(votes, probabilities, weights, patients)
    assert mean_shares(bootstrap, votes, nested) == trial.shares_after
    assert bootstrap.mean(kl_divergence(votes, nested)) == trial.after


def test_the_votes_of_a_patient_touch_neither_choice_nor_fit_of_its_own_calibration():
    votes, probabilities, weights, patients = windows(4, TOO_SOFT, 25)
    before = calibrate_nested(votes, probabilities, weights, patients)
    own = patient_folds(patients, FOLDS) == 3
    assert not set(patients[own]) & set(patients[~own])
    changed = votes.copy()
    changed[own] = np.roll(votes[own], 2, axis=1)
    after = calibrate_nested(changed, probabilities, weights, patients)
    np.testing.assert_array_equal(after[own], before[own])
    assert (after[~own] != before[~own]).any(axis=1).all()


def test_the_choice_is_that_of_a_search_over_the_penalties():
    votes, probabilities, weights, patients = windows(5, TOO_SOFT, 30)
    folds = patient_folds(patients, FOLDS, 7)
    losses = {}
    for penalty in PENALTIES:
        kind = {"with_bias": False} if math.isinf(penalty) else {"with_bias": True, "penalty": penalty}
        calibrated = calibrate_out_of_fold(votes, probabilities, weights, folds, **kind)
        losses[penalty] = np.average(kl_divergence(votes, calibrated), weights=weights)
    assert choose_penalty(votes, probabilities, weights, patients, 7) == min(losses, key=losses.__getitem__)


def test_biases_are_not_chosen_for_a_model_that_needs_a_temperature_alone():
    chosen = [
        choose_penalty(*windows(seed, Calibration(2.0), 40, n_votes=400)[:3], windows(seed, Calibration())[3])
        for seed in range(4)
    ]
    assert sum(penalty >= 0.1 for penalty in chosen) >= 3, chosen


def made(low: float, high: float, penalty: float = math.inf) -> CalibrationTrial:
    estimate = Estimate((low + high) / 2, low, high)
    votes, probabilities, weights, patients = windows(6, Calibration(), 20)
    shares = mean_shares(PatientBootstrap(patients, weights, 100), votes, probabilities)
    return CalibrationTrial(Calibration(), penalty, 60, 20, 19.5, estimate, estimate, estimate, shares, shares)


def test_the_verdict_is_that_of_the_interval():
    helps, hurts, tie = made(-0.3, -0.1), made(0.1, 0.3), made(-0.1, 0.3)
    assert [trial.verdict for trial in (helps, hurts, tie)] == ["helps", "does not help", "not distinguished"]
    assert "(KL -0.200, 95 % confidence interval -0.300 to -0.100)" in helps.in_words()
    assert "does not help" in hurts.in_words()
    assert tie.in_words().startswith("The data do not distinguish")
    assert helps.choice_in_words() == "temperature 1.000, no biases"
    assert "penalty 0.01" in made(0.1, 0.2, 0.01).choice_in_words()


def test_json_has_plain_numbers_and_a_notebook_shows_the_verdict():
    trial = made(-0.3, -0.1)
    told = json.loads(json.dumps(trial.to_json(), allow_nan=False))
    assert (told["verdict"], told["penalty"], told["difference_interval"]) == ("helps", None, [-0.3, -0.1])
    assert told["shares_after"].keys() == trial.shares_after.keys()
    assert "Calibration helps" in trial._repr_html_()


def test_too_few_patients_are_refused():
    votes, probabilities, weights, patients = windows(7, Calibration(), 19)
    with pytest.raises(TableError, match=r"at least 20 patients, these are of 19: with fewer"):
        trial_of(votes, probabilities, weights, patients)
    check_patients(20)
