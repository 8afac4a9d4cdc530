"""Predicted and voted shares, and the best temperature, against plain loops."""

import json

import numpy as np
import pytest

from ictal.core.labels import PATTERNS, distribution
from ictal.evaluation import (
    Calibration,
    CalibrationCheck,
    Estimate,
    PatientBootstrap,
    best_temperature,
    fit_calibration,
    mean_shares,
)
from ictal.evaluation.calibration_check import MeanShare, check_calibration
from tests.evaluation.test_calibration_trial import TOO_SOFT, windows


@pytest.mark.parametrize("n_patients", [4, 40])
def test_the_interval_is_that_of_a_fit_in_every_resample(n_patients):
    votes, probabilities, weights, patients = windows(0, Calibration(1.5), n_patients)
    bootstrap = PatientBootstrap(patients, weights, 300)
    codes, counts = bootstrap.draws
    by_fit = [fit_calibration(votes, probabilities, weights * drawn[codes]).temperature for drawn in counts]
    value = fit_calibration(votes, probabilities, weights).temperature
    expected, found = bootstrap.estimate(value, np.array(by_fit)), best_temperature(bootstrap, votes, probabilities)
    assert found.value == expected.value
    # Linear interpolation between nodes that are a factor 1.067 apart is off by at most about 0.067^2 / 8.
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=2e-3)


def test_predictions_that_no_temperature_changes_have_no_interval():
    votes, _, weights, patients = windows(1, Calibration())
    bootstrap = PatientBootstrap(patients, weights, 100)
    flat = check_calibration(bootstrap, votes, np.full(votes.shape, 1 / 6))
    assert flat.temperature.interval is None
    assert "no verdict" in flat.in_words()
    one = PatientBootstrap(np.full(len(votes), "p", dtype=object), weights, 100)
    assert best_temperature(one, votes, windows(1, Calibration())[1]).interval is None


def test_shares_are_means_over_windows_with_their_weights():
    votes, probabilities, weights, patients = windows(2, TOO_SOFT)
    bootstrap = PatientBootstrap(patients, weights, 300)
    for number, (name, share) in enumerate(mean_shares(bootstrap, votes, probabilities).items()):
        assert name == PATTERNS[number]
        assert share.predicted == pytest.approx(np.average(probabilities[:, number], weights=weights))
        assert share.voted == pytest.approx(np.average(distribution(votes)[:, number], weights=weights))
        assert share.difference == bootstrap.mean(probabilities[:, number] - distribution(votes)[:, number])
        assert share.difference.value == pytest.approx(share.predicted - share.voted)


def check(low: float, high: float, *gaps: float) -> CalibrationCheck:
    shares = {
        name: MeanShare(0.2 + gap, 0.2, Estimate(gap, gap - 0.05, gap + 0.05))
        for name, gap in zip(PATTERNS, gaps, strict=False)
    }
    return CalibrationCheck(shares, Estimate((low + high) / 2, low, high))


def test_the_sentences_say_what_the_intervals_show():
    correct = " 'ictal calibrate' can correct this, and shows whether that helps."
    assert (
        check(0.6, 0.8).in_words()
        == f"The model is underconfident: best temperature 0.70 [0.60, 0.80], below 1.{correct}"
    )
    assert "overconfident: best temperature 1.50 [1.20, 1.80], above 1" in check(1.2, 1.8).in_words()
    unclear = "The data do not show under- or overconfidence: best temperature 1.00 [0.80, 1.20]."
    assert check(0.8, 1.2).in_words() == unclear
    assert check(0.8, 1.2, 0.1, 0.04, -0.1, -0.15).in_words() == (
        f"{unclear} Its mean share is too high for seizure (0.30, votes 0.20). "
        f"Its mean share is too low for GPD (0.10, votes 0.20) and LRDA (0.05, votes 0.20).{correct}"
    )


def test_json_has_plain_numbers():
    told = json.loads(json.dumps(check(0.6, 0.8, 0.1).to_json()))
    assert told["best_temperature_interval"] == [0.6, 0.8]
    assert told["shares"]["seizure"]["difference_interval"] == pytest.approx([0.05, 0.15])
