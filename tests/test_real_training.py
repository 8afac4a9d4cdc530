"""What the training on real EEG makes of votes, and how it chooses."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.labels import VOTE_COLUMNS
from ictal.core.predictions import PROBABILITY_COLUMNS
from tests.helpers import benchmark

real_training = benchmark("real_training")

counts = st.lists(st.integers(0, 20), min_size=6, max_size=6).filter(any)


@given(votes=counts, panels=st.lists(counts, min_size=1, max_size=5))
def test_an_expected_panel_is_a_distribution_between_the_votes_and_what_others_vote(votes, panels):
    shares = real_training.expected_shares(np.array([votes], float), np.array(panels + np.eye(6).tolist(), float))
    np.testing.assert_allclose(shares.sum(), 1)
    own = np.array(votes) / sum(votes)
    least = sum(votes) / (sum(votes) + 1) * own
    assert (shares[0] >= least - 1e-12).all()  # the further expert counts as one vote
    np.testing.assert_allclose((shares[0] - least).sum(), 1 / (sum(votes) + 1))


def test_experts_who_always_agree_add_nothing():
    votes = np.array([[1, 0, 0, 0, 0, 0], [0, 2, 2, 0, 0, 0]], float)
    shares = real_training.expected_shares(votes, 10 * np.eye(6))
    np.testing.assert_allclose(shares, votes / votes.sum(axis=1, keepdims=True))


@given(votes=counts, n_votes=st.integers(1, 40))
def test_whole_votes_are_as_many_as_asked_and_nearly_in_proportion(votes, n_votes):
    shares = np.array([votes]) / sum(votes)
    whole = real_training.whole_votes(shares, n_votes)
    assert whole.sum() == n_votes
    assert (abs(whole - n_votes * shares) < 1).all()


def predictions(segment: float, seizure: float, n: int = 4) -> pd.DataFrame:
    """Return segments whose voted pattern gets the probability `segment`, and clips of seizures with `seizure`."""
    rows = []
    for number in range(n):
        kinds = [("", segment, "a"), ("seizure", seizure, "b"), ("after", 0.5, "b"), ("healthy", 0.4, "c")]
        for kind, probability, patient in kinds:
            rows.append((f"{patient}{number}", f"{patient}{number}", kind, probability))
    frame = pd.DataFrame(rows, columns=["patient_id", "patient", "kind", PROBABILITY_COLUMNS[0]])
    frame[list(PROBABILITY_COLUMNS[1:])] = np.repeat((1 - frame[[PROBABILITY_COLUMNS[0]]].to_numpy()) / 5, 5, axis=1)
    frame[list(VOTE_COLUMNS)] = [3, 0, 0, 0, 0, 0]
    return frame


@pytest.mark.parametrize(
    ("ways", "expected"),
    [
        ({"one": (0.6, 0.9), "other": (0.8, 0.9)}, "other"),  # the lower KL
        ({"one": (0.6, 0.9), "other": (0.8, 0.3)}, "one"),  # the other is worse at seizures
        ({"one": (0.6, 0.3), "other": (0.8, 0.2)}, "other"),  # both are
    ],
)
def test_the_lowest_divergence_is_chosen_among_those_not_worse_at_seizures(ways, expected):
    found = {way: predictions(*values) for way, values in ways.items()}
    before = predictions(0.5, 0.7)
    used = np.ones(len(before), bool)
    assert real_training.choose(found, before, used) == expected
    folds = np.arange(len(before)) // 4 % real_training.N_FOLDS
    frame, chosen = real_training.nested(found, before, folds)
    assert chosen == [expected] * real_training.N_FOLDS
    pd.testing.assert_frame_equal(frame, found[expected])
