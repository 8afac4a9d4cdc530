"""The figures of one table, by hand and by plain loops."""

import json

import numpy as np
import pandas as pd
import pytest

from ictal.core.labels import PANELS, PATTERNS, STRATA, VOTE_COLUMNS, distribution, strata
from ictal.core.predictions import COLUMNS, PROBABILITY_COLUMNS, Predictions
from ictal.evaluation import balanced_accuracy, evaluate, kl_divergence
from tests.evaluation.test_arm_comparison import table

N_RESAMPLES = 400


def made(rows) -> Predictions:
    """Return a table from rows of (eeg, patient, votes, probabilities)."""
    content = [
        (f"w{number}", f"e{eeg}", f"p{patient}", "cv", 0, "arm", 0, *votes, *probabilities)
        for number, (eeg, patient, votes, probabilities) in enumerate(rows)
    ]
    return Predictions.make(pd.DataFrame(content, columns=list(COLUMNS)))


@pytest.fixture(scope="module")
def by_hand():
    """Five windows: two of one EEG, a tie of seizure and LPD, a proto pattern, an edge case, few votes and many."""
    sure_of = np.eye(6) * 0.7 + 0.05
    return made(
        [
            (0, 0, (10, 0, 0, 0, 0, 0), sure_of[0]),  # idealized, right
            (0, 0, (10, 0, 0, 0, 0, 0), sure_of[1]),  # the same EEG, wrong
            (1, 0, (5, 5, 0, 0, 0, 0), sure_of[1]),  # edge, a tie, right
            (2, 1, (0, 3, 0, 0, 0, 2), sure_of[1]),  # proto, five votes, right
            (3, 2, (0, 0, 2, 2, 2, 0), sure_of[0]),  # other, six votes, wrong
        ]
    )


def test_groups_by_hand(by_hand):
    result = evaluate(by_hand, N_RESAMPLES)
    kl = kl_divergence(by_hand.votes, by_hand.probabilities)
    assert (result.n_windows, result.n_eegs, result.n_patients) == (5, 4, 3)
    assert result.kl.value == pytest.approx(((kl[0] + kl[1]) / 2 + kl[2] + kl[3] + kl[4]) / 4)
    # Seizure: the two halves of EEG 0 and half of the tie.
    seizure, lpd = result.per_pattern["seizure"], result.per_pattern["lpd"]
    assert (seizure.n_windows, seizure.n_patients) == (3, 1)
    assert seizure.kl.value == pytest.approx((kl[0] / 2 + kl[1] / 2 + kl[2] / 2) / 1.5)
    assert seizure.kl.interval is None  # one patient
    # The tie was called LPD: right for LPD, and wrong for seizure.
    assert seizure.accuracy.value == pytest.approx((1 / 2 + 0 + 0) / 1.5)
    assert (lpd.n_windows, lpd.n_patients, lpd.accuracy.value) == (2, 2, 1)
    assert lpd.accuracy.high == 1
    assert 0.1 < lpd.accuracy.low < 0.5  # two patients, right in both
    assert lpd.kl.value == pytest.approx((kl[2] / 2 + kl[3]) / 1.5)
    gpd, other = result.per_pattern["gpd"], result.per_pattern["other"]
    assert (gpd.n_windows, gpd.kl.value, gpd.accuracy.value) == (1, pytest.approx(kl[4]), 0)
    assert (other.n_windows, other.n_patients, other.kl, other.accuracy) == (0, 0, None, None)
    counts = {name: group.n_windows for name, group in result.per_stratum.items()}
    assert counts == {"idealized": 2, "proto": 1, "edge": 1, "other": 1, "few": 2, "many": 3}
    many = result.per_stratum["many"]
    assert many.kl.value == pytest.approx((kl[0] / 2 + kl[1] / 2 + kl[2]) / 2)
    assert many.accuracy.value == pytest.approx((1 / 2 + 0 + 1 / 2) / 2)
    assert list(result.per_pattern) == list(PATTERNS)
    assert list(result.per_stratum) == [*STRATA, *PANELS]
    # Seizure 1 of 3 thirds right (see above), LPD all, and the three-way tie is wrong for GPD, LRDA and GRDA.
    assert result.balanced_accuracy.value == pytest.approx((1 / 3 + 1 + 0 + 0 + 0) / 5)
    assert result.measures["balanced_accuracy_any"].value == pytest.approx((2 / 3 + 1 + 0 + 0 + 0) / 5)


def test_confusion_weighs_each_eeg_the_same(by_hand):
    result = evaluate(by_hand, N_RESAMPLES)
    # Votes for seizure: half an EEG each in windows 0 and 1, half a vote share in the tie.
    expected = 0.5 * by_hand.probabilities[0] + 0.5 * by_hand.probabilities[1] + 0.5 * by_hand.probabilities[2]
    np.testing.assert_allclose(result.confusion[0], expected / 1.5)
    np.testing.assert_allclose(result.panel_confusion[0], np.array([1 + 0.25, 0.25, 0, 0, 0, 0]) / 1.5)
    shares = distribution(by_hand.votes)
    np.testing.assert_allclose(result.panel_confusion[5], shares[3])  # only window 3 has votes for other


def test_intervals_of_groups_and_balanced_accuracy_are_those_of_plain_resampling():
    predictions = table("arm", 0.3, 20, 0)
    result = evaluate(predictions, 4000)
    votes, probabilities = predictions.votes, predictions.probabilities
    kl, edge = kl_divergence(votes, probabilities), strata(votes) == "edge"
    of_patient = [np.flatnonzero(predictions.patients == name) for name in dict.fromkeys(predictions.patients)]
    rng = np.random.default_rng(1)
    accuracies, kls = [], []
    for _ in range(4000):
        rows = np.concatenate([of_patient[patient] for patient in rng.integers(0, 20, 20)])
        accuracies.append(balanced_accuracy(votes[rows], probabilities[rows], np.ones(len(rows))))
        if edge[rows].any():
            kls.append(kl[rows][edge[rows]].mean())
    # The Monte Carlo error of a 2.5 % quantile of 4,000 draws, twice, is some 4 % of the width.
    for ours, theirs in ((result.balanced_accuracy, accuracies), (result.per_stratum["edge"].kl, kls)):
        low, high = np.quantile(theirs, [0.025, 0.975])
        assert ours.interval == pytest.approx([low, high], abs=0.08 * (high - low))


def test_a_group_that_a_resample_may_lack_has_an_interval():
    rng = np.random.default_rng(0)
    rows = [
        (n, n, (12, 0, 0, 0, 0, 0) if n < 2 else (0, 0, 0, 0, 0, 12), rng.dirichlet(np.ones(6))) for n in range(9)
    ]
    group = evaluate(made(rows), N_RESAMPLES).per_pattern["seizure"]
    kl = kl_divergence(made(rows[:2]).votes, made(rows[:2]).probabilities)
    assert group.n_patients == 2
    assert group.kl.interval == pytest.approx(sorted(kl))


def test_a_constant_has_its_share_of_balanced_accuracy_in_every_resample():
    rows = [(n, n, tuple(12 * np.eye(6, dtype=int)[n % 3]), np.eye(6)[0]) for n in range(60)]
    accuracy = evaluate(made(rows), N_RESAMPLES).balanced_accuracy
    assert accuracy.value == pytest.approx(1 / 3)
    assert accuracy.interval == pytest.approx([1 / 3, 1 / 3])  # 60 patients: no resample lacks a pattern


def test_confidence_reaches_every_interval():
    predictions = table("arm", 0.3, 12, 0)
    wide, narrow = (evaluate(predictions, N_RESAMPLES, confidence=level) for level in (0.95, 0.6))
    pairs = [(wide.kl, narrow.kl), (wide.balanced_accuracy, narrow.balanced_accuracy)]
    pairs += [(wide.per_stratum["many"].kl, narrow.per_stratum["many"].kl)]
    for one, other in pairs:
        assert one.value == other.value
        assert one.low < other.low < other.high < one.high
        assert (one.confidence, other.confidence) == (0.95, 0.6)


def test_json_says_what_the_figures_say():
    result = evaluate(table("arm", 0.3, 12, 0), N_RESAMPLES)
    told = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert (told["kl"], told["kl_interval"]) == (result.kl.value, result.kl.interval)
    assert told["balanced_accuracy"] == result.balanced_accuracy.value
    assert told["best_temperature"] == result.calibration.temperature.value
    assert told["shares"]["lpd"]["predicted"] == result.calibration.shares["lpd"].predicted
    assert told["balanced_accuracy_interval"] == result.balanced_accuracy.interval
    for kind in ("per_pattern", "per_stratum"):
        for name, group in getattr(result, kind).items():
            assert told[kind][name] == {
                "n_windows": group.n_windows,
                "n_patients": group.n_patients,
                "kl": group.kl.value if group.kl else None,
                "kl_interval": group.kl.interval if group.kl else None,
                "accuracy": group.accuracy.value if group.accuracy else None,
                "accuracy_interval": group.accuracy.interval if group.accuracy else None,
            }


def test_probabilities_that_do_not_quite_sum_to_one_are_brought_there():
    votes = np.array([[3, 1, 0, 0, 0, 0]])
    probabilities = np.array([[0.5, 0.3, 0.1, 0.05, 0.05, 0.0]])
    np.testing.assert_allclose(kl_divergence(votes, 7 * probabilities), kl_divergence(votes, probabilities))


def test_a_wrong_certainty_costs_what_it_costs_on_kaggle():
    # Its metric raises 0 to 1e-15: the whole vote there loses log(1e15).
    worst = kl_divergence([[1, 0, 0, 0, 0, 0]], [[0, 1, 0, 0, 0, 0]])
    assert worst[0] == pytest.approx(15 * np.log(10))


def test_columns_are_in_the_order_of_the_patterns():
    assert [name.removesuffix("_vote") for name in VOTE_COLUMNS] == list(PATTERNS)
    assert [name.removesuffix("_probability") for name in PROBABILITY_COLUMNS] == list(PATTERNS)


def test_a_notebook_shows_the_figures(by_hand):
    result = evaluate(by_hand, N_RESAMPLES)
    overall, groups, shares = result.summary()
    assert overall.rows[0] == ("KL", str(result.kl), "5")
    assert overall.rows[5] == ("best temperature", str(result.calibration.temperature), "5")
    assert [row[0] for row in shares.rows] == list(PATTERNS)
    assert [row[0] for row in groups.rows] == [*result.per_pattern, *result.per_stratum]
    html = result._repr_html_()
    assert "<p>5 windows of 4 EEGs of 3 patients</p>" in html
    assert str(result.kl) in html
    assert "best temperature" in html
