import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import entropy
from torchmetrics.functional import kl_divergence as kl_of_torchmetrics

from ictal.evaluation import balanced_accuracy, confusion_of_votes, kl_divergence
from ictal.evaluation.metrics import FLOOR
from ictal.labels import distribution

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
    # seizure: 1 of 2; LPD: the half of the tie, right; other: the other half and one more, right
    assert balanced_accuracy(votes, predicted, np.ones(4)) == pytest.approx((0.5 + 1 + 1) / 3)
    # with the first window three times as heavy, 3 of 4 of seizure are right
    assert balanced_accuracy(votes, predicted, [3, 1, 1, 1]) == pytest.approx((0.75 + 1 + 1) / 3)
    # always 'other': wrong on seizure, right on the tie for both of its patterns
    assert balanced_accuracy(votes, np.eye(6)[[5] * 4], np.ones(4)) == pytest.approx((0 + 1 + 1) / 3)


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
