"""What the ablation's table does with folds, seeds, references and little data."""

import json

import numpy as np
import pandas as pd
import pytest

from ictal.core.labels import VOTE_COLUMNS, distribution
from ictal.core.predictions import PROBABILITY_COLUMNS, Predictions, concatenate
from ictal.evaluation import Estimate, compare_arms, kl_divergence
from ictal.evaluation.baselines import baseline
from tests import helpers
from tests.evaluation.test_arm_comparison import table

N_RESAMPLES = 500
COLUMNS = list(PROBABILITY_COLUMNS)


def width(estimate: Estimate) -> float:
    return estimate.high - estimate.low


def test_test_and_cross_validation_vary_apart():
    cv = table("arm", 0.3, 40, 0, seed=1).frame
    # The very same figures again as a test: patients, EEGs and windows of other names, in the same order.
    ids = {name: "x" + cv[name] for name in ("window_id", "eeg_id", "patient_id")}
    both = Predictions.make(pd.concat([cv, cv.assign(split="test", **ids)]))
    arm = compare_arms(both, n_resamples=4000).arms[0]
    assert arm.difference.value == pytest.approx(0, abs=1e-12)
    # The variances of independent figures add up.
    assert width(arm.difference) == pytest.approx(np.hypot(width(arm.cv), width(arm.test)), rel=0.1)
    assert arm.difference.low < 0 < arm.difference.high


def test_identical_arms_differ_by_nothing():
    one = table("one", 0.3)
    same = Predictions.make(one.frame.assign(arm="same"))
    comparison = compare_arms(concatenate([one, same]), n_resamples=N_RESAMPLES)
    pairs = [d for d in comparison.differences if d.b == "same"]
    assert [(d.a, d.split) for d in pairs] == [("one", "cv"), ("one", "test")]
    for difference in pairs:
        assert (difference.estimate.value, difference.estimate.interval) == (0, [0, 0])
        assert not difference.decided


@pytest.mark.parametrize(
    ("low", "high", "decided"),
    [(0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.1, False), (0, 0.1, False), (float("nan"), float("nan"), False)],
)
def test_a_difference_is_decided_where_its_interval_excludes_zero(low, high, decided):
    assert helpers.difference("a", "b", "cv", Estimate(0.0, low, high)).decided is decided


def test_options_reach_every_figure():
    predictions = concatenate([table("a", 0.2), table("b", 0.4)])
    comparison = compare_arms(predictions, "a", n_resamples=N_RESAMPLES, seed=0, confidence=0.6)
    wide = compare_arms(predictions, "a", n_resamples=N_RESAMPLES, seed=0, confidence=0.95)
    assert [d.a for d in comparison.differences if d.b == "a"] == ["b", "b"]
    for narrow, other in zip(comparison.arms, wide.arms, strict=True):
        for name in ("cv", "test", "difference"):
            one, two = getattr(narrow, name), getattr(other, name)
            assert one.confidence == 0.6
            assert width(one) < width(two)
        assert narrow.evaluations["cv"].kl == narrow.cv
        assert narrow.evaluations["test"].kl == narrow.test
    assert all(d.estimate.confidence == 0.6 for d in comparison.differences)
    again = compare_arms(predictions, "a", n_resamples=N_RESAMPLES, seed=0, confidence=0.6)
    assert again.to_json() == comparison.to_json()
    other_seed = compare_arms(predictions, "a", n_resamples=N_RESAMPLES, seed=1, confidence=0.6)
    assert other_seed.arms[0].cv.value == comparison.arms[0].cv.value
    assert other_seed.arms[0].cv.interval != comparison.arms[0].cv.interval


def test_copies_of_a_window_within_an_eeg_change_no_figure():
    predictions = table("arm", 0.3)
    frame = predictions.frame
    copies = [frame.assign(window_id=frame["window_id"] + f"_{number}") for number in range(2)]
    of_one = frame["eeg_id"] == "e1_0"
    more = Predictions.make(pd.concat([frame, *(copy[of_one] for copy in copies)]))
    one, other = (compare_arms(t, n_resamples=N_RESAMPLES) for t in (predictions, more))
    assert other.arms[0].evaluations["cv"].n_windows == one.arms[0].evaluations["cv"].n_windows + 2
    for before, after in zip((*one.arms, *one.baselines), (*other.arms, *other.baselines), strict=True):
        assert after.cv.value == pytest.approx(before.cv.value)
        assert after.cv.interval == pytest.approx(before.cv.interval)


def mean_distribution(predictions: Predictions, seen) -> np.ndarray:
    """Return the prior by plain loops: EEGs, then their mean over windows, and one window of one sixth each."""
    frame = predictions.frame[seen]
    of_eegs = [distribution(rows[list(VOTE_COLUMNS)].to_numpy()).mean(axis=0) for _, rows in frame.groupby("eeg_id")]
    total = np.sum([*of_eegs, np.full(6, 1 / 6)], axis=0)
    return total / total.sum()


@pytest.mark.parametrize("test_folds", [(0, 1), (0,)])
def test_the_prior_by_plain_loops(test_folds):
    frame = table("arm", 0.5).frame
    frame = frame[(frame["split"] == "cv") | frame["fold"].isin(test_folds)]
    copy = frame[(frame["eeg_id"] == "e0_0")].assign(window_id="copy", seizure_vote=40)
    predictions = Predictions.make(pd.concat([frame, copy])).average()
    told = baseline(predictions, "prior")
    frame = predictions.frame
    assert set(told.frame["arm"]) == {"prior"}
    cv = (frame["split"] == "cv").to_numpy()
    for fold in (0, 1):
        own = cv & (frame["fold"] == fold).to_numpy()
        expected = mean_distribution(predictions, cv & ~own)
        np.testing.assert_allclose(told.probabilities[own], np.tile(expected, (own.sum(), 1)))
    # Test patients were seen by no fold, so the prior of all cross-validation is theirs.
    expected = mean_distribution(predictions, cv)
    np.testing.assert_allclose(told.probabilities[~cv], np.tile(expected, ((~cv).sum(), 1)))
    np.testing.assert_array_equal(told.votes, predictions.votes)
    np.testing.assert_allclose(baseline(predictions, "uniform").probabilities, 1 / 6)


def test_votes_of_the_test_do_not_move_any_prior():
    predictions = table("arm", 0.5).average()
    frame = predictions.frame.copy()
    frame.loc[frame["split"] == "test", list(VOTE_COLUMNS)] = [99, 0, 0, 0, 0, 0]
    before, after = (baseline(t, "prior").probabilities for t in (predictions, Predictions(frame)))
    np.testing.assert_array_equal(before, after)


def test_the_mean_of_the_folds_is_judged_and_not_the_mean_of_their_kl():
    predictions = table("arm", 0.2)
    frame = predictions.select(split="test").frame
    arm = compare_arms(predictions, n_resamples=N_RESAMPLES).arms[0]
    of_folds = kl_divergence(frame[list(VOTE_COLUMNS)].to_numpy(), frame[COLUMNS].to_numpy()).mean()
    assert arm.test.value < of_folds  # KL is convex
    assert arm.evaluations["test"].n_windows == frame["window_id"].nunique()


@pytest.mark.parametrize("n_test", [0, 1, 2])
def test_json_is_plain_where_patterns_and_patients_are_few(n_test):
    frame = table("arm", 0.5, 6, n_test).frame
    frame[list(VOTE_COLUMNS)] = [0, 0, 0, 0, 0, 7]
    frame.loc[frame["patient_id"] == "p0", list(VOTE_COLUMNS)] = [7, 0, 0, 0, 0, 0]
    comparison = compare_arms(Predictions.make(frame), n_resamples=100)
    told = json.loads(json.dumps(comparison.to_json(), allow_nan=False))
    assert [arm["name"] for arm in told["arms"] + told["baselines"]] == ["arm", "prior", "uniform"]
    seizure, lpd = (told["arms"][0]["per_split"]["cv"]["per_pattern"][name] for name in ("seizure", "lpd"))
    assert (seizure["n_patients"], seizure["kl_interval"]) == (1, None)
    nothing = dict.fromkeys(("kl", "kl_interval", "accuracy", "accuracy_interval"))
    assert lpd == {"n_windows": 0, "n_patients": 0, **nothing}
    assert [d["split"] for d in told["differences"]] == [*["cv"] * 2, *["test"] * 2 * (n_test > 0)]
    intervals = [d["interval"] for d in told["differences"] if d["split"] == "test"]
    assert all((interval is None) == (n_test == 1) for interval in intervals)


def test_json_says_what_the_table_says():
    comparison = compare_arms(concatenate([table("a", 0.2), table("b", 0.4)]), n_resamples=100)
    told = comparison.to_json()
    for arm, content in zip(comparison.arms, told["arms"], strict=True):
        for key, estimate in (("cv_kl", arm.cv), ("test_kl", arm.test), ("test_minus_cv", arm.difference)):
            assert (content[key], content[f"{key}_interval"]) == (estimate.value, estimate.interval)
        assert content["per_split"]["test"] == arm.evaluations["test"].to_json()
    for difference, content in zip(comparison.differences, told["differences"], strict=True):
        assert (content["a"], content["b"], content["split"]) == (difference.a, difference.b, difference.split)
        estimate = difference.estimate
        assert (content["difference"], content["interval"]) == (estimate.value, estimate.interval)
