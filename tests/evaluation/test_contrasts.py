"""Lateralized against generalized, periodic against rhythmic, and the best constant: by hand and by scikit-learn."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from ictal.cli.study import _overall
from ictal.core.labels import PATTERNS, VOTE_COLUMNS, distribution
from ictal.data import DataSettings, open_dataset
from ictal.evaluation import CONTRASTS, balanced_accuracy, contrast, evaluate, kl_divergence
from ictal.evaluation.ranking import areas_under
from tests.evaluation.test_evaluate import made

N_RESAMPLES = 300
LATERALIZED, PERIODIC = CONTRASTS
#        seizure LPD GPD LRDA GRDA other
BY_HAND = [
    ((0, 6, 0, 3, 1, 0), [0.1, 0.4, 0.1, 0.2, 0.1, 0.1]),  # lateralized 9:1, periodic 6:4; 0.6:0.2 and 0.5:0.3
    ((0, 0, 5, 1, 0, 6), [0.1, 0.1, 0.3, 0.1, 0.1, 0.3]),  # half of the votes are enough; 0.2:0.4 and 0.4:0.2
    ((0, 0, 5, 1, 0, 7), [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]),  # less than half: left out of both
    ((0, 2, 0, 0, 2, 0), [0.1, 0.3, 0.1, 0.1, 0.2, 0.2]),  # lateralized 2:2 and periodic 2:2: left out of both
    ((1, 0, 4, 4, 0, 0), [0.1, 0.1, 0.2, 0.2, 0.3, 0.1]),  # 4:4 in both, too
    ((0, 0, 0, 1, 8, 1), [0.1, 0.1, 0.3, 0.1, 0.1, 0.3]),  # generalized 1:8, rhythmic 0:9; 0.2:0.4 and 0.4:0.2
    ((0, 1, 0, 7, 0, 1), [0.2, 0.1, 0.3, 0.0, 0.2, 0.2]),  # lateralized 8:0, rhythmic 1:7; 0.1:0.5 and 0.4:0.2
]
VOTES, PROBABILITIES = (np.array(column) for column in zip(*BY_HAND, strict=True))


def test_windows_and_ranks_by_hand():
    lateralized, periodic = (contrast(VOTES, PROBABILITIES, name) for name in CONTRASTS)
    assert np.flatnonzero(lateralized.positive).tolist() == [0, 6]
    assert np.flatnonzero(lateralized.negative).tolist() == [1, 5]
    # Ratios of the lateralized 3 and 1/5, of the generalized 1/2 and 1/2: two of the four pairs are in order.
    np.testing.assert_allclose(lateralized.scores[[0, 6, 1, 5]], np.log([3, 1 / 5, 1 / 2, 1 / 2]))
    assert areas_under(lateralized, np.ones(7))[0] == pytest.approx(2 / 4)
    assert np.flatnonzero(periodic.positive).tolist() == [0, 1]
    assert np.flatnonzero(periodic.negative).tolist() == [5, 6]
    # Ratios of the periodic 5/3 and 2, of the rhythmic 2 and 2: two ties count half.
    assert areas_under(periodic, np.ones(7))[0] == pytest.approx((0 + 0 + 0.5 + 0.5) / 4)
    # Window 1 three times as heavy: (3 x 0.5 + 3 x 0.5) of 2 + 6.
    assert areas_under(periodic, [1, 3, 1, 1, 1, 1, 1])[0] == pytest.approx(3 / 8)


def test_a_probability_of_zero_on_one_side_is_the_highest_score_and_no_warning():
    certain = np.array([[0, 1, 0, 0, 0, 0], [0, 0, 0.5, 0, 0.5, 0], [1, 0, 0, 0, 0, 0]])
    scores = contrast(np.tile([0, 1, 0, 0, 0, 0], (3, 1)), certain, LATERALIZED).scores
    assert np.isfinite(scores).all()
    assert scores[0] > scores[2] == 0 > scores[1]


@given(st.integers(0, 2**32 - 1))
def test_the_area_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    votes = rng.integers(0, 5, (60, 6)) + np.eye(6, dtype=int)[rng.integers(0, 6, 60)]
    probabilities = rng.dirichlet(np.ones(6), 25)[rng.integers(0, 25, 60)]  # some scores tie
    weights = rng.uniform(0.1, 5, 60)
    frame = pd.DataFrame(votes, columns=list(PATTERNS))
    for name, more, fewer in ((LATERALIZED, "lpd lrda", "gpd grda"), (PERIODIC, "lpd gpd", "lrda grda")):
        gap = frame[more.split()].sum(axis=1) - frame[fewer.split()].sum(axis=1)
        four = 2 * frame[["lpd", "gpd", "lrda", "grda"]].sum(axis=1) >= frame.sum(axis=1)
        kept = (four & (gap != 0)).to_numpy()
        theirs = pd.DataFrame(probabilities, columns=list(PATTERNS))
        score = np.log(theirs[more.split()].sum(axis=1) / theirs[fewer.split()].sum(axis=1))
        expected = roc_auc_score(gap[kept] > 0, score[kept], sample_weight=weights[kept])
        ours = contrast(votes, probabilities, name)
        assert areas_under(ours, weights)[0] == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 2**32 - 1))
def test_shares_count_as_votes_do(seed):
    votes = np.random.default_rng(seed).integers(0, 4, (40, 6)) + np.eye(6, dtype=int)[5]
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(6), 40)
    for name in CONTRASTS:
        of_counts, of_shares = (contrast(v, probabilities, name) for v in (votes, distribution(votes)))
        np.testing.assert_array_equal(of_counts.positive, of_shares.positive)
        np.testing.assert_array_equal(of_counts.negative, of_shares.negative)


def evaluated(rows, **more):
    return evaluate(made([(n, n, *row) for n, row in enumerate(rows)]), N_RESAMPLES, **more)


def test_an_evaluation_says_both_with_how_many_windows_they_rest_on():
    result = evaluated(BY_HAND)
    told = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert result.contrasts == {LATERALIZED: (2, 2), PERIODIC: (2, 2)}
    assert (told["lateralized_auroc"], told["periodic_auroc"]) == (pytest.approx(0.5), pytest.approx(0.25))
    assert told["lateralized_auroc_windows"] == [2, 2]
    low, high = told["lateralized_auroc_interval"]
    assert 0 <= low < 0.5 < high <= 1


def test_without_windows_of_one_kind_there_is_no_figure_and_the_counts_say_why():
    # LPD and GRDA: of the four, none is lateralized and rhythmic, but both contrasts have both kinds.
    assert evaluated([BY_HAND[0], BY_HAND[5]]).contrasts == {LATERALIZED: (1, 1), PERIODIC: (1, 1)}
    result = evaluated([BY_HAND[0], BY_HAND[6]])
    said = [list(column.cells)[-2] for column in _overall(result).columns]
    assert said == ["AUROC, lateralized against generalized", "– (none generalized)", "2 : 0"]
    told = result.to_json()
    assert (told["lateralized_auroc"], told["lateralized_auroc_interval"]) == (None, None)
    assert told["lateralized_auroc_windows"] == [2, 0]
    assert told["periodic_auroc_windows"] == [1, 1]
    assert told["periodic_auroc"] == 0
    assert told["periodic_auroc_interval"] is None  # one patient on each side


def test_no_constant_beats_the_best_one_and_the_difference_is_paired():
    rng = np.random.default_rng(0)
    votes = rng.multinomial(9, rng.dirichlet(np.full(6, 0.4)), 40)
    rows = [(tuple(v), p) for v, p in zip(votes, 0.5 * distribution(votes) + 0.5 / 6, strict=True)]
    result = evaluated(rows)
    best = distribution(votes).mean(axis=0)
    losses = kl_divergence(votes, np.tile(best, (40, 1)))
    assert result.constant_kl.value == pytest.approx(losses.mean())
    for other in rng.dirichlet(1 + 300 * best, 50):
        assert kl_divergence(votes, np.tile(other, (40, 1))).mean() > result.constant_kl.value
    difference = result.difference_to_constant
    assert difference.value == pytest.approx(result.kl.value - result.constant_kl.value)
    of_model = kl_divergence(votes, [p for _, p in rows])
    patients = np.random.default_rng(1).integers(0, 40, (4000, 40))
    expected = np.quantile((of_model - losses)[patients].mean(axis=1), [0.025, 0.975])
    assert difference.interval == pytest.approx(expected, abs=0.1 * np.ptp(expected))
    told = result.to_json()
    assert (told["constant_kl"], told["difference_to_constant"]) == (result.constant_kl.value, difference.value)
    assert told["difference_to_constant_interval"] == difference.interval


def test_the_constant_weighs_each_eeg_the_same():
    windows = [(0, 0, (4, 0, 0, 0, 0, 0)), (0, 0, (4, 0, 0, 0, 0, 0)), (1, 1, (0, 0, 0, 0, 0, 4))]
    result = evaluate(made([(*window, np.full(6, 1 / 6)) for window in windows]), N_RESAMPLES)
    assert result.constant_kl.value == pytest.approx(np.log(2))  # the best constant says half and half


def test_the_constants_of_the_real_segments_are_those_of_the_reference(shared_data):
    outline = open_dataset(str(shared_data / "iiic"), DataSettings()).outline
    votes = outline[list(VOTE_COLUMNS)].to_numpy()
    constant = np.tile(distribution(votes).mean(axis=0), (32, 1))
    result = evaluated(list(zip(map(tuple, votes), constant, strict=True)))
    assert result.kl.value == result.constant_kl.value == pytest.approx(1.336, abs=5e-4)
    assert result.difference_to_constant.interval == [0, 0]
    assert result.contrasts == {LATERALIZED: (10, 9), PERIODIC: (9, 10)}
    assert result.measures[LATERALIZED].value == result.measures[PERIODIC].value == 0.5
    constants = [np.tile(one, (32, 1)) for one in np.eye(6)]
    best = max(balanced_accuracy(votes, one, np.ones(32)) for one in constants)
    assert best == pytest.approx(1 / 6)
    assert round(max(balanced_accuracy(votes, one, np.ones(32), any_tied=True) for one in constants), 3) == 0.246
