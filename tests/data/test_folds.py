import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ictal.core.labels import N_PATTERNS, VOTE_COLUMNS
from ictal.data import TEST, assign_folds
from ictal.data.hms import read_hms_labels
from ictal.errors import FoldError


def table(n_patients: int, seed: int) -> pd.DataFrame:
    """Return labels of patients with one to four EEGs of one to three windows, in random order."""
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(n_patients):
        preference = rng.dirichlet(np.full(N_PATTERNS, 0.3))
        for eeg in range(rng.integers(1, 5)):
            votes = rng.multinomial(rng.integers(1, 20), preference)
            rows += [(f"p{patient}", f"p{patient}e{eeg}", *votes)] * rng.integers(1, 4)
    labels = pd.DataFrame(rows, columns=["patient_id", "eeg_id", *VOTE_COLUMNS])
    return labels.sample(frac=1, random_state=seed).reset_index(drop=True)


def by_patient(labels: pd.DataFrame, folds: np.ndarray) -> pd.Series:
    """Return the fold of each patient, who has one only."""
    pairs = pd.DataFrame({"patient": labels["patient_id"], "fold": folds}).drop_duplicates()
    assert pairs["patient"].is_unique
    return pairs.set_index("patient")["fold"]


shares = st.sampled_from([0, 0.05, 1 / 6, 0.3])


@given(st.integers(4, 60), st.integers(2, 7), shares, st.integers(0, 999))
def test_folds_and_test_are_a_partition_of_the_patients_into_even_parts(n_patients, n_folds, share, seed):
    n_test = max(1, round(n_patients * share)) if share else 0
    assume(n_patients - n_test >= n_folds)
    labels = table(n_patients, seed)
    fold_of = by_patient(labels, assign_folds(labels, n_folds, share, seed))
    assert len(fold_of) == n_patients
    counts = fold_of.value_counts()
    assert counts.get(TEST, 0) == n_test
    counts = counts.drop(TEST, errors="ignore")
    assert sorted(counts.index) == list(range(n_folds))
    assert counts.max() - counts.min() <= 1


@given(st.integers(10, 40), st.integers(0, 999), st.integers(0, 999))
def test_folds_depend_on_patients_and_seed_and_not_on_the_order_of_rows(n_patients, seed, order):
    labels = table(n_patients, seed)
    folds = assign_folds(labels, 5, 1 / 6, seed)
    np.testing.assert_array_equal(assign_folds(labels.assign(note="x"), 5, 1 / 6, seed), folds)
    shuffled = labels.sample(frac=1, random_state=order)
    again = assign_folds(shuffled.reset_index(drop=True), 5, 1 / 6, seed)
    assert by_patient(shuffled, again).sort_index().equals(by_patient(labels, folds).sort_index())


def test_another_seed_deals_otherwise():
    labels = table(60, 0)
    dealt = {tuple(assign_folds(labels, 5, 1 / 6, seed)) for seed in range(5)}
    assert len(dealt) == 5


@given(st.integers(0, 999), st.integers(2, 5), shares)
def test_folds_are_alike_in_patterns_and_in_numbers_of_eegs(seed, n_folds, share):
    """Patients of one kind stand together when they are dealt out in blocks of which each fold gets one.

    A run of patients covers whole blocks and breaks at most two, so that a fold's count differs from its
    even share by less than 2, and so does the test's, which goes first. What the test leaves of a run is then
    off by less than 2, shared by at least two folds: 1 more; and a last, broken block of all: 1/4 more.
    """
    n_patients = 48
    patterns, sizes = np.arange(n_patients) % 2, 1 + np.arange(n_patients) // 2 % 2
    rows = [
        (f"p{patient}", f"p{patient}e{eeg}", *np.eye(N_PATTERNS, dtype=int)[patterns[patient]])
        for patient in range(n_patients)
        for eeg in range(sizes[patient])
    ]
    labels = pd.DataFrame(rows, columns=["patient_id", "eeg_id", *VOTE_COLUMNS])
    fold_of = by_patient(labels, assign_folds(labels, n_folds, share, seed))
    kinds = pd.Series(2 * patterns + sizes, index=[f"p{patient}" for patient in range(n_patients)])
    counts = pd.crosstab(kinds, fold_of)
    for fold in counts.columns:
        even = counts[fold].sum() / len(counts)
        limit = 2 if fold == TEST else 2.25 if share == 0 else 3.25
        assert (abs(counts[fold] - even) < limit).all()
        assert abs(counts.loc[[3, 4], fold].sum() - 2 * even) < limit + 0.25  # one of the two patterns


def test_every_patient_can_come_into_every_part():
    rows = [
        (f"p{pattern}{size}", f"p{pattern}{size}e{eeg}", *np.eye(N_PATTERNS, dtype=int)[pattern])
        for pattern in range(N_PATTERNS)
        for size in (1, 2)
        for eeg in range(size)
    ]  # twelve patients, each the only one of its kind, so that only chance can move them
    labels = pd.DataFrame(rows, columns=["patient_id", "eeg_id", *VOTE_COLUMNS])
    parts = pd.concat([by_patient(labels, assign_folds(labels, 3, 1 / 4, seed)) for seed in range(60)])
    # each of the four parts has a chance of 1/4, so that all but 0.75^60 = 3e-8 of the pairs are seen
    assert (parts.groupby(level=0).nunique() == 4).all()


def test_folds_of_the_table_are_used_as_they_stand():
    labels = table(6, 0)
    given_folds = labels["patient_id"].map(
        dict(zip([f"p{n}" for n in range(6)], ["0", "1", "test", "2", "0", "1"], strict=True))
    )
    expected = given_folds.replace("test", "-1").astype(int)
    folds = assign_folds(labels.assign(fold=given_folds), 3, 1 / 6, 0)
    np.testing.assert_array_equal(folds, expected)
    assert folds.dtype == np.int64
    for n_folds in (2, 4):
        with pytest.raises(
            FoldError, match=rf"column 'fold' has the folds \[0, 1, 2\], but {n_folds} folds were.*--folds"
        ):
            assign_folds(labels.assign(fold=given_folds), n_folds, 1 / 6, 0)
    with pytest.raises(FoldError, match=r"has the folds \[0, 2\], but 2 .*allowed are all of 0 to 1"):
        assign_folds(labels.assign(fold=given_folds.replace("1", "2")), 2, 1 / 6, 0)


@pytest.mark.parametrize(("n_patients", "share", "possible"), [(4, 0, 4), (6, 1 / 6, 5), (3, 0.4, 2), (12, 0.5, 6)])
def test_too_few_patients_say_how_many_folds_are_possible_and_so_it_is(n_patients, share, possible):
    labels = table(n_patients, 1)
    with pytest.raises(FoldError) as caught:
        assign_folds(labels, possible + 1, share, 0)
    message = str(caught.value)
    assert f"{possible + 1} folds need at least {possible + 1} patients" in message
    assert f"there are {possible} " in message or f"there are {possible};" in message
    assert f"at most {possible} folds are possible (--folds {possible})" in message
    assert (f"{n_patients} patients, {n_patients - possible} of them held out" in message) == (share > 0)
    assert set(assign_folds(labels, possible, share, 0)) == {*range(possible), *([TEST] if share else [])}


@pytest.mark.parametrize(("n_patients", "share"), [(2, 1 / 6), (3, 0.6), (4, 0.95)])
def test_where_the_test_leaves_too_few_the_way_out_is_to_hold_out_nobody(n_patients, share):
    labels = table(n_patients, 1)
    with pytest.raises(FoldError, match=rf"--folds {n_patients} --set data\.test_share=0"):
        assign_folds(labels, 2, share, 0)
    assert set(assign_folds(labels, n_patients, 0, 0)) == set(range(n_patients))


@pytest.mark.parametrize("share", [0, 1 / 6])
def test_one_patient_cannot_be_divided(share):
    with pytest.raises(FoldError, match="no folds are possible with one patient"):
        assign_folds(table(1, 0), 2, share, 0)


def test_the_real_patients_of_the_competition_are_divided_evenly(shared_data):
    labels = read_hms_labels(shared_data / "hms" / "train_votes.csv.gz")
    folds = assign_folds(labels, 5, 1 / 6, 0)
    counts = by_patient(labels, folds).value_counts()
    assert counts.loc[TEST] == round(1945 / 6) == 324
    assert sorted(counts.drop(TEST)) == [324, 324, 324, 324, 325]
    votes = labels[list(VOTE_COLUMNS)].div(labels[list(VOTE_COLUMNS)].sum(axis=1), axis=0)
    per_eeg = (
        votes.groupby(labels["eeg_id"]).mean().groupby(pd.Series(folds, labels["eeg_id"]).groupby(level=0).first())
    )
    np.testing.assert_allclose(
        per_eeg.mean(), np.tile(votes.groupby(labels["eeg_id"]).mean().mean(), (6, 1)), atol=0.06
    )
