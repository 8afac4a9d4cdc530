import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import entropy
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    cohen_kappa_score,
    recall_score,
    roc_auc_score,
    top_k_accuracy_score,
)
from torchmetrics.functional import kl_divergence as kl_of_torchmetrics

from ictal.core.labels import PATTERNS, distribution, top_patterns
from ictal.errors import UnknownNameError
from ictal.evaluation import balanced_accuracy, confusion_of_votes, kl_divergence
from ictal.evaluation.binning import equal_mass_bins
from ictal.evaluation.metrics import FLOOR, brier_score, cohen_kappa, correct, top2_correct
from ictal.evaluation.ranking import auprc, auroc, positives
from ictal.evaluation.reliability import expected_calibration_error, reliability_curve

votes_of_panels = arrays(int, (7, 6), elements=st.integers(0, 20)).map(
    lambda votes: votes + (votes.sum(1) == 0)[:, None]
)
predictions = arrays(float, (7, 6), elements=st.floats(0.001, 1)).map(lambda p: p / p.sum(1, keepdims=True))


@given(votes_of_panels, predictions)
def test_kl_is_that_of_scipy_and_torchmetrics(votes, probabilities):
    ours = kl_divergence(votes, probabilities)
    np.testing.assert_allclose(ours, entropy(distribution(votes), probabilities, axis=1), atol=1e-12)
    theirs = kl_of_torchmetrics(
        torch.from_numpy(distribution(votes)), torch.from_numpy(probabilities), reduction="none"
    )
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-6)


@given(votes_of_panels)
def test_kl_is_zero_for_the_votes_and_finite_for_the_worst(votes):
    np.testing.assert_allclose(kl_divergence(votes, distribution(votes)), 0, atol=1e-12)
    worst = np.zeros((7, 6))
    worst[np.arange(7), votes.argmin(axis=1)] = 1
    assert (kl_divergence(votes, worst) <= -np.log(FLOOR) + 1e-6).all()


def test_balanced_accuracy_by_hand():
    votes = np.array([[5, 0, 0, 0, 0, 0], [5, 0, 0, 0, 0, 0], [0, 4, 0, 0, 0, 4], [0, 0, 0, 0, 0, 3]])
    predicted = np.eye(6)[[0, 1, 5, 5]]
    # seizure: 1 of 2; LPD: the half of the tie, which was called other; other: the other half and one more, right
    assert balanced_accuracy(votes, predicted, np.ones(4)) == pytest.approx((0.5 + 0 + 1) / 3)
    # with the first window three times as heavy, 3 of 4 of seizure are right
    assert balanced_accuracy(votes, predicted, [3, 1, 1, 1]) == pytest.approx((0.75 + 0 + 1) / 3)
    # always 'other', as any constant: one of the three patterns
    always = np.eye(6)[[5] * 4]
    assert balanced_accuracy(votes, always, np.ones(4)) == pytest.approx(1 / 3)
    # where either tied pattern is right, the tie is right for both of its patterns
    assert balanced_accuracy(votes, predicted, np.ones(4), any_tied=True) == pytest.approx((0.5 + 1 + 1) / 3)
    assert balanced_accuracy(votes, always, np.ones(4), any_tied=True) == pytest.approx((0 + 1 + 1) / 3)


@given(votes_of_panels, predictions, arrays(float, 7, elements=st.floats(0.1, 5)))
def test_balanced_accuracy_is_that_of_scikit_learn_with_a_row_for_each_pattern_that_ties(
    votes, probabilities, weights
):
    window, top = np.nonzero(top_patterns(votes))
    parts = weights[window] / np.bincount(window)[window]
    recalls = recall_score(
        top,
        probabilities.argmax(1)[window],
        labels=np.unique(top),
        average=None,
        sample_weight=parts,
        zero_division=0,
    )
    assert balanced_accuracy(votes, probabilities, weights) == pytest.approx(recalls.mean(), abs=1e-9)


@given(st.integers(0, 5), st.lists(st.integers(0, 5), min_size=1, max_size=20))
def test_a_constant_has_one_over_the_number_of_patterns(constant, top):
    votes = 3 * np.eye(6, dtype=int)[top]
    expected = 1 / len(set(top)) if constant in top else 0
    probabilities = np.tile(np.eye(6)[constant], (len(top), 1))
    assert balanced_accuracy(votes, probabilities, np.ones(len(top))) == pytest.approx(expected)


@given(votes_of_panels, predictions, arrays(float, 7, elements=st.floats(0.1, 5)))
def test_confusion_keeps_all_probability(votes, probabilities, weights):
    matrix = confusion_of_votes(votes, probabilities, weights)
    voted = votes.sum(axis=0) > 0
    np.testing.assert_allclose(matrix[voted].sum(axis=1), 1)
    assert np.isnan(matrix[~voted]).all()
    total = (distribution(votes) * weights[:, None]).sum(axis=0)
    np.testing.assert_allclose(total[voted] @ matrix[voted], weights @ probabilities)


def test_confusion_by_hand():
    votes = np.array([[1, 1, 0, 0, 0, 0], [0, 3, 0, 0, 0, 0]])
    probabilities = np.array([[1.0, 0, 0, 0, 0, 0], [0, 0, 1.0, 0, 0, 0]])
    matrix = confusion_of_votes(votes, probabilities, [1, 1])
    np.testing.assert_allclose(matrix[0], [1, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(matrix[1], [0.5 / 1.5, 0, 1 / 1.5, 0, 0, 0])


weights_of_windows = arrays(float, 7, elements=st.floats(0.1, 5))
coarse = arrays(int, (40, 6), elements=st.integers(1, 4)).map(lambda p: p / p.sum(1, keepdims=True))  # many ties
panels_of_forty = arrays(int, (40, 6), elements=st.integers(0, 3)).map(lambda v: v + (v.sum(1) == 0)[:, None])


@given(votes_of_panels, predictions, weights_of_windows)
def test_kappa_is_that_of_scikit_learn_with_a_row_for_each_pattern_that_ties(votes, probabilities, weights):
    window, top = np.nonzero(top_patterns(votes))
    predicted = probabilities.argmax(axis=1)[window]
    if len({*top, *predicted}) < 2:  # scikit-learn warns, and so says NaN
        assert np.isnan(cohen_kappa(votes, probabilities, weights))
        return
    parts = weights[window] / np.bincount(window)[window]
    theirs = cohen_kappa_score(top, predicted, sample_weight=parts)
    assert cohen_kappa(votes, probabilities, weights) == pytest.approx(theirs, abs=1e-9)


def test_kappa_of_a_tie_by_hand():
    votes = np.array([[2, 2, 0, 0, 0, 0], [0, 0, 0, 0, 0, 3]])
    # Agreement (1/2 + 1) / 2; by chance 1/4 x 1/2 for seizure and 1/2 x 1/2 for other.
    kappa = cohen_kappa(votes, np.eye(6)[[0, 5]], np.ones(2))
    assert kappa == pytest.approx((3 / 4 - 3 / 8) / (1 - 3 / 8))


@given(arrays(int, 30, elements=st.integers(0, 5)), st.integers(0, 2**32 - 1))
def test_top2_and_brier_of_unanimous_panels_are_those_of_scikit_learn(top, seed):
    rng = np.random.default_rng(seed)
    probabilities, weights = rng.dirichlet(np.ones(6), 30), rng.uniform(0.1, 5, 30)
    votes = 4 * np.eye(6, dtype=int)[top]
    found = top2_correct(votes, probabilities)
    theirs = top_k_accuracy_score(top, probabilities, k=2, labels=range(6), sample_weight=weights)
    assert np.average(found, weights=weights) == pytest.approx(theirs)
    theirs = brier_score_loss(top, probabilities, labels=range(6), sample_weight=weights, scale_by_half=False)
    assert np.average(brier_score(votes, probabilities), weights=weights) == pytest.approx(theirs)


def test_top2_and_brier_of_divided_panels_by_hand():
    votes = np.array([[2, 2, 0, 0, 0, 0], [1, 3, 0, 0, 0, 0]])
    probabilities = np.array([[0.1, 0.2, 0.3, 0.4, 0, 0], [0.3, 0.2, 0.3, 0.2, 0, 0]])
    np.testing.assert_array_equal(top2_correct(votes, probabilities), [0, 0])
    np.testing.assert_array_equal(top2_correct(votes, probabilities[:, ::-1]), [0, 0])
    # One of the two that tie is half of the truth, both are all of it.
    np.testing.assert_array_equal(top2_correct(votes, [[0.5, 0, 0.5, 0, 0, 0], [0.2] * 5 + [0]]), [0.5, 1])
    np.testing.assert_array_equal(top2_correct(votes, [[0.5, 0.5, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]]), [1, 1])
    assert brier_score(votes, probabilities)[0] == pytest.approx(0.4**2 + 0.3**2 + 0.3**2 + 0.4**2)
    np.testing.assert_allclose(brier_score(votes, distribution(votes)), 0)
    assert brier_score(votes[1:], np.eye(6)[[5]])[0] == pytest.approx(1 + 1 / 16 + 9 / 16)


@given(panels_of_forty, coarse, arrays(float, 40, elements=st.floats(0.1, 5)))
def test_rankings_are_those_of_scikit_learn_ties_and_weights_included(votes, probabilities, weights):
    positive = positives(votes)
    ours = auroc(votes, probabilities, weights), auprc(votes, probabilities, weights)
    for pattern in range(6):
        there, scores = positive[:, pattern], probabilities[:, pattern]
        if there.all() or not there.any():
            assert np.isnan([ours[0][pattern], ours[1][pattern]]).all()
            continue
        theirs = roc_auc_score(there, scores, sample_weight=weights)
        assert ours[0][pattern] == pytest.approx(theirs, abs=1e-9)
        theirs = average_precision_score(there, scores, sample_weight=weights)
        assert ours[1][pattern] == pytest.approx(theirs, abs=1e-9)


def test_half_of_the_votes_makes_a_positive():
    marked = positives([[3, 3, 0, 0, 0, 0], [3, 2, 1, 0, 0, 0], [2, 2, 2, 0, 0, 0], [0, 0, 0, 0, 0.25, 0.75]])
    np.testing.assert_array_equal(marked.sum(axis=1), [2, 1, 0, 1])
    assert marked[0, :2].all()
    assert marked[3, 5]


@given(arrays(float, 50, elements=st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.7])), st.integers(1, 6))
def test_bins_keep_ties_together_and_the_order_of_scores(scores, n_bins):
    bins = equal_mass_bins(scores, np.ones(50), n_bins)
    assert set(bins) == set(range(bins.max() + 1))
    assert bins.max() < n_bins
    order = np.argsort(scores, kind="stable")
    assert (np.diff(bins[order]) >= 0).all()
    assert all(len(set(bins[scores == score])) == 1 for score in set(scores))
    if len(set(scores)) <= n_bins:
        assert len(set(bins)) == len(set(scores))


def test_bins_have_equal_mass():
    rng = np.random.default_rng(0)
    scores, masses = rng.normal(size=3000), rng.uniform(1, 3, 3000)
    mass = np.bincount(equal_mass_bins(scores, masses, 15), masses)
    np.testing.assert_allclose(mass, masses.sum() / 15, atol=2 * masses.max())  # each edge is within one window
    np.testing.assert_array_equal(np.bincount(equal_mass_bins(scores, np.ones(3000), 15)), 200)


def test_reliability_of_unanimous_panels_is_that_of_scikit_learn():
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.ones(6), 150)
    votes = 5 * np.eye(6, dtype=int)[rng.integers(0, 6, 150)]
    for number, pattern in enumerate(PATTERNS):
        curve = reliability_curve(votes, probabilities, np.ones(150), pattern, 15)
        observed, confidence = calibration_curve(
            votes[:, number] > 0, probabilities[:, number], n_bins=15, strategy="quantile"
        )
        np.testing.assert_allclose(curve.observed, observed)
        np.testing.assert_allclose(curve.confidence, confidence)
        np.testing.assert_array_equal(curve.n_windows, 10)
    right, sure = calibration_curve(
        correct(votes, probabilities), probabilities.max(axis=1), n_bins=15, strategy="quantile"
    )
    ece = expected_calibration_error(votes, probabilities, np.ones(150))
    assert ece == pytest.approx(abs(right - sure).mean())


def test_calibration_error_of_weighted_windows_by_hand():
    sure = np.array([[0.6, 0.4, 0, 0, 0, 0], [0.6, 0, 0.4, 0, 0, 0], [0.9, 0.1, 0, 0, 0, 0]])
    votes = np.array([[1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0], [2, 2, 0, 0, 0, 0]])
    # One bin of the two scores of 0.6, right with a weight of 1 in 4; one of 0.9, one of two that tie.
    assert expected_calibration_error(votes, sure, [1, 3, 4]) == pytest.approx((4 * 0.35 + 4 * 0.4) / 8)


def test_reliability_of_a_pattern_is_of_its_share_of_votes():
    rng = np.random.default_rng(2)
    votes = rng.integers(1, 9, (90, 6))
    curve = reliability_curve(votes, distribution(votes), np.ones(90), "gpd", 5)
    np.testing.assert_allclose(curve.observed, curve.confidence)  # the votes themselves are calibrated
    assert curve.n_windows.sum() == 90
    with pytest.raises(UnknownNameError, match="unknown pattern 'spike'; known are: seizure, lpd"):
        reliability_curve(votes, distribution(votes), np.ones(90), "spike")
