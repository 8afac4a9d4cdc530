import json

import numpy as np
import pandas as pd
import pytest

from ictal.core.labels import TRUE_COLUMNS, VOTE_COLUMNS, distribution
from ictal.core.predictions import PROBABILITY_COLUMNS, Predictions, concatenate
from ictal.evaluation import compare_arms, evaluate, kl_divergence
from ictal.evaluation.baselines import baseline
from ictal.report.verdicts import way_in_words


def table(arm: str, skill: float, n_patients: int = 12, n_test: int = 3, seed: int = 0) -> Predictions:
    """Return predictions that lie between chance and the votes; two EEGs a patient, test rows of two folds."""
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(n_patients):
        for eeg in (0, 1):
            votes = rng.multinomial(12, rng.dirichlet(np.full(6, 0.4)))
            test = patient >= n_patients - n_test
            for fold in (0, 1) if test else (patient % 2,):
                wobble = rng.dirichlet(np.full(6, 5.0))
                probabilities = skill * votes / 12 + (1 - skill) * wobble
                ids = (f"{patient}_{eeg}", f"e{patient}_{eeg}", f"p{patient}")
                rows.append((*ids, "test" if test else "cv", fold, arm, 0, *votes, *probabilities))
    columns = [
        "window_id",
        "eeg_id",
        "patient_id",
        "split",
        "fold",
        "arm",
        "seed",
        *VOTE_COLUMNS,
        *PROBABILITY_COLUMNS,
    ]
    return Predictions.make(pd.DataFrame(rows, columns=columns))


@pytest.fixture(scope="module")
def two():
    return concatenate([table("weak", 0.2), table("strong", 0.9)])


def test_the_table_by_hand(two):
    comparison = compare_arms(two, n_resamples=500)
    weak, strong = comparison.arms
    cv = two.select(arm="weak", split="cv")
    assert weak.cv.value == pytest.approx(kl_divergence(cv.votes, cv.probabilities).mean())
    test = two.select(arm="weak", split="test").frame
    mean = test.groupby("window_id")[list(PROBABILITY_COLUMNS)].mean()
    votes = test.groupby("window_id")[list(VOTE_COLUMNS)].first()
    assert weak.test.value == pytest.approx(kl_divergence(votes, mean).mean())
    assert weak.difference.value == pytest.approx(weak.test.value - weak.cv.value)
    assert weak.difference.low < weak.difference.value < weak.difference.high
    assert [(d.a, d.b, d.split) for d in comparison.differences] == [
        pair
        for split in ("cv", "test")
        for pair in (
            *(("weak", "strong", split), ("weak", "prior", split), ("strong", "prior", split)),
            *(("weak", "uniform", split), ("strong", "uniform", split)),
        )
    ]
    first = comparison.differences[0].estimate
    assert first.value == pytest.approx(weak.cv.value - strong.cv.value)
    assert comparison.differences[0].decided
    assert [arm.name for arm in comparison.baselines] == ["prior", "uniform"]
    uniform = kl_divergence(cv.votes, np.full((len(cv), 6), 1 / 6)).mean()
    assert comparison.baselines[1].cv.value == pytest.approx(uniform)


def test_paired_differences_are_narrower_than_their_arms(two):
    other = table("like strong", 0.89)
    comparison = compare_arms(concatenate([two, other]), "strong", n_resamples=500)
    pair = next(d.estimate for d in comparison.differences if (d.a, d.b, d.split) == ("like strong", "strong", "cv"))
    single = comparison.arms[0].cv
    assert pair.high - pair.low < 0.3 * (single.high - single.low)


def test_an_order_of_rows_changes_nothing(two):
    shuffled = Predictions(two.frame.sample(frac=1, random_state=0).reset_index(drop=True))
    one, other = (compare_arms(t, "strong", n_resamples=200).to_json() for t in (two, shuffled))
    of_one, of_other = ({arm["name"]: arm["cv_kl"] for arm in told["arms"]} for told in (one, other))
    assert of_one == pytest.approx(of_other)
    pairs, of_others = ({(d["a"], d["b"], d["split"]): d["interval"] for d in t["differences"]} for t in (one, other))
    assert {key: pytest.approx(value) for key, value in pairs.items()} == of_others


def test_the_prior_of_a_fold_has_not_seen_the_fold():
    predictions = table("arm", 0.5).average()
    frame = predictions.frame.copy()
    changed = (frame["fold"] == 0) & (frame["split"] == "cv")
    frame.loc[changed, list(VOTE_COLUMNS)] = [50, 0, 0, 0, 0, 0]
    before, after = (baseline(table, "prior").frame for table in (predictions, Predictions(frame)))
    columns = list(PROBABILITY_COLUMNS)
    np.testing.assert_array_equal(before.loc[changed, columns], after.loc[changed, columns])
    others = ~changed
    assert (after.loc[others, columns[0]] > before.loc[others, columns[0]] + 0.1).all()
    # By hand: the distributions of the other fold's EEGs, and one window of one sixth each.
    seen = frame[(frame["fold"] == 0) & (frame["split"] == "cv")]
    total = distribution(seen[list(VOTE_COLUMNS)].to_numpy()).sum(axis=0) + 1 / 6
    of_fold_1 = after.loc[(frame["fold"] == 1) & (frame["split"] == "cv"), columns]
    np.testing.assert_allclose(of_fold_1.iloc[0], total / total.sum())


def test_windows_of_one_eeg_share_its_weight():
    predictions = table("arm", 0.5).select(split="cv")
    copies = predictions.frame[predictions.frame["eeg_id"] == "e0_0"].copy()
    more = [copies.assign(window_id=f"copy{number}") for number in range(4)]
    many = Predictions.make(pd.concat([predictions.frame, *more]))
    one, other = (evaluate(t, n_resamples=200) for t in (predictions, many))
    assert other.kl.value == pytest.approx(one.kl.value)
    assert other.kl.interval == pytest.approx(one.kl.interval)
    assert other.balanced_accuracy.value == pytest.approx(one.balanced_accuracy.value)
    assert (other.n_windows, other.n_eegs) == (one.n_windows + 4, one.n_eegs)


def test_parts_add_up_to_the_whole():
    result = evaluate(table("arm", 0.5).select(split="cv"), n_resamples=200)
    strata = [group for name, group in result.per_stratum.items() if name not in ("few", "many")]
    assert sum(group.n_windows for group in strata) == result.n_windows
    assert sum(group.kl.value * group.n_windows for group in strata if group.kl) / result.n_windows == pytest.approx(
        result.kl.value
    )
    assert result.per_stratum["few"].n_windows == 0
    assert result.per_stratum["few"].kl is None
    assert result.per_stratum["many"].kl == result.kl
    np.testing.assert_allclose(np.nansum(result.panel_confusion, axis=1), 1)


@pytest.mark.parametrize("n_test", [0, 1, 2])
def test_json_is_plain_whatever_is_lacking(n_test):
    told = compare_arms(table("arm", 0.5, 6, n_test), n_resamples=200).to_json()
    text = json.dumps(told, allow_nan=False)
    arm = json.loads(text)["arms"][0]
    assert arm["cv_kl_interval"][0] <= arm["cv_kl"] <= arm["cv_kl_interval"][1]
    assert (arm["test_kl"] is None) == (n_test == 0)
    assert (arm["test_kl_interval"] is None) == (n_test < 2)
    assert (arm["test_minus_cv_interval"] is None) == (n_test < 2)
    assert {"n_windows", "per_pattern", "per_stratum", "balanced_accuracy"} <= set(arm["per_split"]["cv"])


def truth(predictions: Predictions) -> pd.DataFrame:
    """Return made-up distributions behind the votes: the votes' own shares, drawn a little to the middle."""
    frame = predictions.frame.drop_duplicates("window_id").set_index("window_id")
    shares = frame[list(VOTE_COLUMNS)].to_numpy() / 12
    return pd.DataFrame(0.9 * shares + 0.1 / 6, index=frame.index, columns=list(TRUE_COLUMNS))


def test_the_floor_is_a_predictor_that_knows_the_distribution(two):
    comparison = compare_arms(two, n_resamples=500, truth=truth(two))
    shares = truth(two)
    cv = two.select(arm="weak", split="cv")
    expected = kl_divergence(cv.votes, shares.loc[cv.frame["window_id"]]).mean()
    assert comparison.floor.cv.value == pytest.approx(expected)
    assert [arm.name for arm in comparison.rows] == ["weak", "strong", "prior", "uniform", "floor"]
    told = comparison.to_json()
    assert told["floor"]["cv_kl"] == pytest.approx(expected)
    prior = comparison.baselines[0].cv.value
    for arm, way in zip(comparison.arms, comparison.ways, strict=False):
        assert (way.arm, way.split) == (arm.name, "cv")
        assert way.estimate.value == pytest.approx((prior - arm.cv.value) / (prior - expected))
        assert way.estimate.low < way.estimate.value < way.estimate.high
    assert [row["arm"] for row in told["way_to_floor"]] == ["weak", "strong"] * 2


def test_where_nothing_is_known_of_the_votes_there_is_no_floor(two):
    told = compare_arms(two, n_resamples=100).to_json()
    assert told["floor"] is None
    assert told["way_to_floor"] == []


def test_where_the_eeg_says_nothing_there_is_no_way_to_go(two):
    flat = truth(two).assign(**dict.fromkeys(TRUE_COLUMNS, 1 / 6))
    comparison = compare_arms(two, n_resamples=500, truth=flat)
    assert [way.estimate for way in comparison.ways if way.split == "cv"] == [None, None]
    assert "too close to each other" in way_in_words(comparison.ways[0])
