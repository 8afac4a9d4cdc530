"""Every measure of a table, and its resampled values against plain loops over the same resamples."""

import json

import numpy as np
import pandas as pd
import pytest

from ictal.core.intervals import expanded_tail
from ictal.core.labels import PANELS, PATTERNS, STRATA, distribution
from ictal.evaluation import PatientBootstrap, balanced_accuracy, evaluate, kl_divergence
from ictal.evaluation.evaluate import evaluate_votes
from ictal.evaluation.metric_table import MEASURES, SCORE_BINS, Measured, measure_table, reliability_estimates
from ictal.evaluation.metrics import brier_score, cohen_kappa, top2_correct
from ictal.evaluation.ranking import CONTRASTS, areas_under, auprc, auroc, contrast, positives
from ictal.evaluation.reliability import expected_calibration_error, reliability_curve
from tests.evaluation.test_evaluate import made

N_RESAMPLES = 300


def made_up(n_windows=90, n_patients=15, n_resamples=N_RESAMPLES, rare=1.0, seed=0):
    """Return a bootstrap, votes and probabilities; seizures are rare where `rare` is small."""
    rng = np.random.default_rng(seed)
    prior = np.array([0.5 * rare, 0.5, 0.5, 0.5, 0.5, 0.5])
    true = rng.dirichlet(prior, n_windows)
    votes = rng.multinomial(9, true)
    probabilities = 0.6 * true + 0.4 * rng.dirichlet(np.ones(6), n_windows)
    patients = np.array([f"p{code}" for code in rng.integers(0, n_patients, n_windows)], dtype=object)
    return PatientBootstrap(patients, rng.uniform(0.5, 2, n_windows), n_resamples), votes, probabilities


def weights_in_resamples(bootstrap) -> np.ndarray:
    """Return the weight of each window in each resample, [resample, window], but for a factor per resample."""
    names, codes = np.unique(bootstrap.patients.astype(str), return_inverse=True)
    means = bootstrap.means(np.eye(len(names))[codes])
    return (means / np.bincount(codes, bootstrap.weights))[:, codes] * bootstrap.weights


def estimates(bootstrap, votes, probabilities):
    measured = measure_table(bootstrap, votes, probabilities)
    return {name: one.estimate(bootstrap) for name, one in measured.items()}


def mean_of(function):
    return lambda votes, probabilities, weights: np.average(function(votes, probabilities), weights=weights)


PLAIN = {
    "kl": mean_of(kl_divergence),
    "balanced_accuracy": balanced_accuracy,
    "balanced_accuracy_any": lambda *table: balanced_accuracy(*table, any_tied=True),
    "kappa": cohen_kappa,
    "top2": mean_of(top2_correct),
    "brier": mean_of(brier_score),
    "ece": expected_calibration_error,
    "auroc": lambda *table: np.nanmean(auroc(*table)),
    "auprc": lambda *table: np.nanmean(auprc(*table)),
    **{f"auroc_{name}": lambda *table, k=k: auroc(*table)[k] for k, name in enumerate(PATTERNS)},
    **{f"auprc_{name}": lambda *table, k=k: auprc(*table)[k] for k, name in enumerate(PATTERNS)},
    **{name: lambda v, p, weights, name=name: areas_under(contrast(v, p, name), weights)[0] for name in CONTRASTS},
}


def test_the_table_of_measures_is_what_is_measured():
    measured = measure_table(*made_up())
    assert list(measured) == list(MEASURES)
    assert set(MEASURES) == set(PLAIN)
    assert all(name == measure.name for name, measure in MEASURES.items())
    assert {name for name, measure in MEASURES.items() if not measure.higher_is_better} == {"kl", "brier", "ece"}
    assert len({measure.title for measure in MEASURES.values()}) == len(MEASURES)


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_a_measure_is_the_plain_function_in_the_table_and_in_every_resample(name):
    bootstrap, votes, probabilities = made_up()
    measured = measure_table(bootstrap, votes, probabilities)[name]
    assert measured.value == pytest.approx(PLAIN[name](votes, probabilities, bootstrap.weights))
    if name == "ece":  # whose bins are those of the table: see below
        return
    rows = [weights > 0 for weights in weights_in_resamples(bootstrap)]
    expected = [
        PLAIN[name](votes[row], probabilities[row], weights[row])
        for row, weights in zip(rows, weights_in_resamples(bootstrap), strict=True)
    ]
    # No more than 256 scores, so that each is a bin of its own and nothing is lost.
    np.testing.assert_allclose(measured.resampled, expected, atol=1e-9)


def test_resampled_calibration_errors_lie_around_the_error():
    bootstrap, votes, probabilities = made_up(900, 60)
    measured = measure_table(bootstrap, votes, probabilities)["ece"]
    bins = reliability_curve(votes, probabilities, bootstrap.weights).bins
    most = votes == votes.max(axis=1, keepdims=True)
    right = np.take_along_axis(most / most.sum(1, keepdims=True), probabilities.argmax(1)[:, None], 1)[:, 0]
    gap = right - probabilities.max(axis=1)
    plain = [
        abs(np.bincount(bins, weights * gap)).sum() / weights.sum() for weights in weights_in_resamples(bootstrap)
    ]
    moved = np.array(plain) - np.mean(plain) + measured.value
    np.testing.assert_allclose(measured.resampled, moved, atol=1e-9)
    assert measured.estimate(bootstrap).low < measured.value < measured.estimate(bootstrap).high


def test_intervals_of_binned_rankings_are_those_of_brute_force():
    bootstrap, votes, probabilities = made_up(3000, 100, rare=0.1)
    assert len(np.unique(probabilities[:, 0])) > 10 * SCORE_BINS
    assert positives(votes)[:, 0].mean() < 0.03
    measured = measure_table(bootstrap, votes, probabilities)
    weights = weights_in_resamples(bootstrap)
    for kind, plain in (("auroc", auroc), ("auprc", auprc)):
        exact = np.array([plain(votes, probabilities, row) for row in weights])
        for number, pattern in enumerate(PATTERNS):
            ours = measured[f"{kind}_{pattern}"]
            tail = expanded_tail(ours.n_effective, 0.95)
            low, high = np.nanquantile(exact[:, number], [tail, 1 - tail])
            found = ours.estimate(bootstrap).interval
            assert high == 1 or found == pytest.approx([low, high], abs=0.02 * (high - low))
            # What binning does to one resample is little beside what resampling does.
            moved = ours.resampled - exact[:, number]
            assert np.sqrt(np.nanmean(moved**2)) < 0.08 * np.nanstd(exact[:, number])


def test_a_constant_ranks_nothing_in_any_resample():
    bootstrap, votes, _ = made_up()
    measured = measure_table(bootstrap, votes, np.full((90, 6), 1 / 6))
    np.testing.assert_allclose(measured["auroc"].resampled, 0.5)
    share = np.average(positives(votes)[:, 1], weights=bootstrap.weights)
    assert measured["auprc_lpd"].value == pytest.approx(share)


def test_a_difference_is_paired():
    bootstrap, votes, probabilities = made_up()
    worse = 0.9 * probabilities + 0.1 / 6
    one, other = (measure_table(bootstrap, votes, table) for table in (probabilities, worse))
    for name in MEASURES:
        difference = one[name] - other[name]
        assert difference.value == pytest.approx(one[name].value - other[name].value)
        np.testing.assert_allclose(difference.resampled, one[name].resampled - other[name].resampled)
        np.testing.assert_array_equal(np.nan_to_num((one[name] - one[name]).resampled), 0)
    apart = one["kl"].estimate(bootstrap)
    paired = (one["kl"] - other["kl"]).estimate(bootstrap)
    assert paired.high - paired.low < 0.5 * (apart.high - apart.low)


def test_counts_and_shares_are_the_same():
    bootstrap, votes, probabilities = made_up()
    of_counts, of_shares = (measure_table(bootstrap, v, probabilities) for v in (votes, distribution(votes)))
    for name in MEASURES:
        np.testing.assert_allclose(of_counts[name].resampled, of_shares[name].resampled, atol=1e-9)


def test_an_evaluation_has_the_measures_and_of_shares_no_panel_sizes():
    bootstrap, votes, probabilities = made_up()
    eegs = pd.Series([f"e{number // 2}" for number in range(90)])
    of_counts = evaluate_votes(bootstrap, votes, probabilities, eegs)
    assert of_counts.measures == estimates(bootstrap, votes, probabilities)
    assert (of_counts.kl, of_counts.balanced_accuracy) == (
        of_counts.measures["kl"],
        of_counts.measures["balanced_accuracy"],
    )
    assert (of_counts.n_windows, of_counts.n_eegs, of_counts.n_patients) == (90, 45, 15)
    assert list(of_counts.per_stratum) == [*STRATA, *PANELS]
    known = measure_table(bootstrap, votes, probabilities[::-1])
    of_shares = evaluate_votes(bootstrap, distribution(votes), probabilities, eegs, known)
    assert list(of_shares.per_stratum) == list(STRATA)
    assert of_shares.measures["kappa"] == known["kappa"].estimate(bootstrap)


def test_a_pattern_that_is_never_or_always_there_is_left_out():
    rows = [(n, n % 5, (9, 0, 0, 0, 0, 0) if n % 2 else (0, 9, 0, 0, 0, 0)) for n in range(20)]
    predicted = np.random.default_rng(0).dirichlet(np.ones(6), 20)
    result = evaluate(made([(*row, p) for row, p in zip(rows, predicted, strict=True)]), N_RESAMPLES)
    figures = result.measures
    assert all(np.isnan(figures[f"{kind}_gpd"].value) for kind in ("auroc", "auprc"))
    assert figures["auroc_gpd"].interval is None
    assert figures["auroc"].value == pytest.approx((figures["auroc_seizure"].value + figures["auroc_lpd"].value) / 2)
    told = json.loads(json.dumps(result.to_json(), allow_nan=False))["measures"]
    assert told["auroc_gpd"] == {"value": None, "interval": None}
    assert told["kappa"] == {"value": figures["kappa"].value, "interval": figures["kappa"].interval}
    assert list(told) == list(MEASURES)


def test_tables_of_one_pattern_one_window_or_one_patient_are_no_error():
    certain = np.tile([1.0, 0, 0, 0, 0, 0], (4, 1))
    bootstrap = PatientBootstrap(np.array(["a", "a", "b", "b"], dtype=object), np.ones(4), 50)
    figures = estimates(bootstrap, 3 * certain, certain)
    undefined = {name for name, figure in figures.items() if np.isnan(figure.value)}
    assert undefined == {"kappa"} | {name for name in MEASURES if "auroc" in name or "auprc" in name}
    # Two patients without an error leave much open: Wilson's interval of 0 of 2, in a range of 0 to 2.
    assert figures["brier"].interval == pytest.approx([0, 2 * 1.959964**2 / (2 + 1.959964**2)])
    assert figures["top2"].interval == pytest.approx([2 / (2 + 1.959964**2), 1])
    alone = PatientBootstrap(np.array(["a"], dtype=object), np.ones(1), 50)
    assert all(f.interval is None for f in estimates(alone, [[1, 0, 0, 0, 0, 2]], [[1 / 6] * 6]).values())


def test_the_ranking_of_a_pattern_that_only_one_patient_has_says_nothing_of_others():
    rng = np.random.default_rng(0)
    votes = np.tile([0, 0, 0, 0, 0, 9], (30, 1))
    votes[:3] = [9, 0, 0, 0, 0, 0]
    patients = np.array([f"p{n // 3}" for n in range(30)], dtype=object)
    bootstrap = PatientBootstrap(patients, np.ones(30), N_RESAMPLES)
    measured = measure_table(bootstrap, votes, rng.dirichlet(np.ones(6), 30))["auroc_seizure"]
    assert measured.n_effective == pytest.approx(1)
    without = np.isnan(measured.resampled)
    # A resample of 10 patients lacks one of them with a chance of 0.9^10 = 0.35; four standard errors are 0.11.
    assert without.mean() == pytest.approx(0.35, abs=0.11)
    assert measured.estimate(bootstrap).interval is None


def test_a_measure_that_no_resample_defines_has_no_interval():
    bootstrap, *_ = made_up(n_resamples=4)
    assert Measured(0.5, np.full(4, np.nan), 9).estimate(bootstrap).interval is None


def test_reliability_has_an_interval_in_each_bin():
    bootstrap, votes, probabilities = made_up(900, 60)
    for pattern in (None, "lpd"):
        curve = reliability_curve(votes, probabilities, bootstrap.weights, pattern, 10)
        estimates = reliability_estimates(bootstrap, votes, probabilities, pattern, 10)
        np.testing.assert_allclose([estimate.value for estimate in estimates], curve.observed)
        assert len(estimates) == 10
        assert all(estimate.low < estimate.value < estimate.high for estimate in estimates)
