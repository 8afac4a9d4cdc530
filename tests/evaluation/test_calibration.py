"""Temperature and bias: against autograd, against what was put in, and on real labels."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, minimize_scalar

from ictal.core.labels import distribution
from ictal.errors import TableError
from ictal.evaluation import PatientBootstrap, kl_divergence
from ictal.evaluation.calibration import (
    MOST_BIAS,
    Calibration,
    calibrate_out_of_fold,
    calibrated_kl,
    cross_entropy,
    fit_calibration,
    patient_folds,
)
from ictal.evaluation.expert_labels import read_expert_labels


def made_up(seed: int, n_windows: int = 80):
    rng = np.random.default_rng(seed)
    true = rng.dirichlet(np.full(6, 0.5), n_windows)
    probabilities = 0.7 * true + 0.3 * rng.dirichlet(np.ones(6), n_windows)
    return rng.multinomial(9, true), probabilities, rng.uniform(0.5, 2, n_windows)


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 3))
def test_the_gradient_is_that_of_finite_differences(seed, sharpness):
    votes, probabilities, weights = made_up(seed, 20)
    rest = distribution(votes), np.log(probabilities), weights / weights.sum()
    for n_biases in (0, 5):
        start = np.concatenate([[sharpness], np.random.default_rng(seed).normal(size=n_biases)])
        for penalty in (0.0, 0.1):
            numeric = approx_fprime(start, lambda x, more=(*rest, penalty): cross_entropy(x, *more)[0])
            np.testing.assert_allclose(cross_entropy(start, *rest, penalty)[1], numeric, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_the_temperature_is_that_of_a_search_over_temperatures(seed):
    votes, probabilities, weights = made_up(seed)

    def mean_kl(temperature):
        sharpened = probabilities ** (1 / temperature)
        return np.average(kl_divergence(votes, sharpened / sharpened.sum(1, keepdims=True)), weights=weights)

    best = minimize_scalar(mean_kl, bounds=(0.1, 10), method="bounded", options={"xatol": 1e-9})
    assert fit_calibration(votes, probabilities, weights).temperature == pytest.approx(best.x, rel=1e-4)


def test_temperature_and_bias_are_those_of_pytorch():
    votes, probabilities, weights = made_up(3)
    target, logits, of_window = map(torch.from_numpy, (distribution(votes), np.log(probabilities), weights))
    sharpness, bias = torch.ones(1, dtype=torch.float64), torch.zeros(6, dtype=torch.float64)
    optimiser = torch.optim.LBFGS(
        [sharpness.requires_grad_(), bias.requires_grad_()],
        max_iter=500,
        tolerance_grad=1e-10,
        tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )

    def closure():
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(logits * sharpness + bias, target, reduction="none")
        mean = (loss * of_window).sum() / of_window.sum()
        mean.backward()
        return mean

    optimiser.step(closure)
    found = fit_calibration(votes, probabilities, weights, with_bias=True)
    assert found.temperature == pytest.approx(1 / sharpness.item(), rel=1e-4)
    np.testing.assert_allclose(found.bias, (bias - bias.mean()).detach(), atol=1e-4)


@pytest.mark.parametrize("with_bias", [False, True])
def test_what_was_put_in_is_found(with_bias):
    _, probabilities, weights = made_up(4)
    bias = np.array([0.5, -0.5, 0.3, -0.4, 0.2, -0.1]) if with_bias else np.zeros(6)
    votes = Calibration(1.7, bias).apply(probabilities)  # shares of votes are allowed
    found = fit_calibration(votes, probabilities, weights, with_bias=with_bias)
    assert found.temperature == pytest.approx(1.7, rel=1e-3)
    np.testing.assert_allclose(found.bias, bias, atol=1e-3)
    np.testing.assert_allclose(found.apply(probabilities), votes, atol=1e-4)


def test_with_bias_each_pattern_is_predicted_as_often_as_it_is_voted_for():
    votes, probabilities, weights = made_up(5)
    found = fit_calibration(votes, probabilities, weights, with_bias=True)
    assert found.bias.sum() == pytest.approx(0, abs=1e-9)
    voted, predicted = (
        np.average(shares, axis=0, weights=weights) for shares in (distribution(votes), found.apply(probabilities))
    )
    np.testing.assert_allclose(predicted, voted, atol=1e-5)


def test_no_calibration_changes_nothing_and_a_pattern_without_votes_stays_finite():
    votes, probabilities, weights = made_up(6)
    np.testing.assert_allclose(Calibration().apply(probabilities), probabilities)
    votes[:, 0] = 0
    votes[:, 5] += 1
    found = fit_calibration(votes, probabilities, weights, with_bias=True)
    assert found.bias[0] - found.bias[5] == pytest.approx(-MOST_BIAS)
    assert found.apply(probabilities)[:, 0].max() < 1e-3


def test_a_fold_is_calibrated_by_the_others_only():
    votes, probabilities, weights = made_up(7)
    folds = np.arange(80) % 4
    before = calibrate_out_of_fold(votes, probabilities, weights, folds, with_bias=True)
    own = folds == 2
    changed = votes.copy()
    changed[own] = np.roll(votes[own], 1, axis=1)
    after = calibrate_out_of_fold(changed, probabilities, weights, folds, with_bias=True)
    np.testing.assert_array_equal(after[own], before[own])
    assert (abs(after[~own] - before[~own]).max(axis=1) > 1e-6).all()
    by_hand = fit_calibration(votes[~own], probabilities[~own], weights[~own], with_bias=True)
    np.testing.assert_allclose(before[own], by_hand.apply(probabilities[own]))


def test_kl_after_calibration_has_the_weights_and_patients_of_the_bootstrap():
    votes, probabilities, weights = made_up(8)
    patients = np.array([f"p{n // 4}" for n in range(80)], dtype=object)
    bootstrap = PatientBootstrap(patients, weights, 200)
    folds = patient_folds(patients, 5)
    found = calibrated_kl(bootstrap, votes, probabilities, folds)
    assert list(found) == ["temperature", "temperature and bias"]
    for name, with_bias in (("temperature", False), ("temperature and bias", True)):
        calibrated = calibrate_out_of_fold(votes, probabilities, weights, folds, with_bias=with_bias)
        assert found[name] == bootstrap.mean(kl_divergence(votes, calibrated))
    assert calibrated_kl(bootstrap, votes, probabilities, np.zeros(80)) == {}


def test_patients_are_dealt_to_folds_as_wholes():
    patients = np.array([f"p{code}" for code in np.random.default_rng(0).integers(0, 23, 300)], dtype=object)
    folds = patient_folds(patients, 5)
    of_patient = {name: set(folds[patients == name]) for name in set(patients)}
    assert all(len(found) == 1 for found in of_patient.values())
    sizes = np.bincount([found.pop() for found in of_patient.values()])
    assert sorted(sizes) == [4, 4, 5, 5, 5]
    np.testing.assert_array_equal(folds, patient_folds(patients, 5))
    assert (folds != patient_folds(patients, 5, seed=1)).any()


def test_what_cannot_be_fitted_is_said():
    votes, probabilities, weights = made_up(9)
    with pytest.raises(TableError, match="needs two folds or more, not 1"):
        calibrate_out_of_fold(votes, probabilities, weights, np.zeros(80))
    with pytest.raises(TableError, match="a calibration cannot be fitted: there are no windows"):
        fit_calibration(votes, probabilities, 0 * weights)
    for n_folds in (1, 4):
        with pytest.raises(TableError, match=f"n_folds is {n_folds}; allowed is 2 to the number of patients, 3"):
            patient_folds(["a", "b", "c", "c"], n_folds)


def test_sparcnet_is_too_sure_of_itself_by_the_known_figure(shared_data):
    labels = read_expert_labels(shared_data / "iiic" / "expert_labels.npz")
    votes, probabilities = labels.votes, labels.probabilities
    weights, halves = np.ones(len(votes)), np.random.default_rng(0).integers(0, 2, len(votes))
    assert kl_divergence(votes, probabilities).mean() == pytest.approx(0.505, abs=0.001)
    # Figures of the field: 0.398 with logits divided by about 1.5; the best temperature does a little better.
    assert kl_divergence(votes, Calibration(1.5).apply(probabilities)).mean() == pytest.approx(0.398, abs=0.002)
    calibrated = calibrate_out_of_fold(votes, probabilities, weights, halves)
    assert kl_divergence(votes, calibrated).mean() == pytest.approx(0.394, abs=0.002)
    with_bias = calibrate_out_of_fold(votes, probabilities, weights, halves, with_bias=True)
    assert kl_divergence(votes, with_bias).mean() == pytest.approx(0.361, abs=0.002)
