import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ictal.core.ids import normalize_id
from ictal.core.labels import N_PATTERNS, VOTE_COLUMNS
from ictal.core.predictions import (
    COLUMNS,
    ID_COLUMNS,
    KEY_COLUMNS,
    MEAN_OF_FOLDS,
    PROBABILITY_COLUMNS,
    Predictions,
    concatenate,
    mean_of,
)
from ictal.errors import TableError

EXACT = {"check_exact": True}
N_FOLDS = 3


def make(seed: int = 0, arms: tuple[str, ...] = ("both",), n_patients: int = 8, seeds: int = 1) -> Predictions:
    """Return what a run leaves: each cv patient predicted by one fold, each test patient by all of them."""
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(n_patients):
        test = patient % 4 == 3
        for eeg in range(rng.integers(1, 4)):
            for window in range(rng.integers(1, 5)):
                ids = (f"{patient}.{eeg}.{window}", f"{patient}.{eeg}", f"p{patient}")
                votes = rng.multinomial(rng.integers(1, 20), np.full(N_PATTERNS, 1 / N_PATTERNS))
                for fold in range(N_FOLDS) if test else [patient % N_FOLDS]:
                    for arm in arms:
                        for number in range(seeds):
                            key = (*ids, "test" if test else "cv", fold, arm, number)
                            rows.append((*key, *votes, *rng.dirichlet(np.ones(N_PATTERNS))))
    return Predictions.make(pd.DataFrame(rows, columns=COLUMNS))


def change(row: int = 0, **values: object) -> pd.DataFrame:
    """Return a good table with some values of one row changed."""
    frame = make().frame.astype(object)
    for column, value in values.items():
        frame.loc[row, column] = value
    return frame


def repeat(**values: object) -> pd.DataFrame:
    """Return a good table whose first row stands twice, the second time with some values changed."""
    frame = make().frame
    return pd.concat([frame, frame.head(1).assign(**values)], ignore_index=True)


SMALL = make()
N_ROWS = len(SMALL)
OF_ONE_PATIENT = {"window_id": "new", "eeg_id": "new"}

# What is wrong, and the parts of its line in the message: place, value, what is allowed.
PROBLEMS = {
    "negative vote": (change(2, lpd_vote=-1), ["row 2", "lpd_vote is -1", "whole numbers from 0"]),
    "fractional vote": (change(1, gpd_vote=0.5), ["row 1", "gpd_vote is 0.5", "whole numbers"]),
    "vote that is text": (change(1, gpd_vote="two"), ["row 1", "gpd_vote is two", "whole numbers"]),
    "no votes": (
        change(3, **dict.fromkeys(VOTE_COLUMNS, 0)),
        ["row 3", "all six votes are 0", "at least one"],
    ),
    "negative probability": (change(4, lpd_probability=-0.25), ["row 4", "-0.25", "from 0 to 1"]),
    "missing probability": (change(4, lpd_probability=None), ["row 4", "nan", "from 0 to 1"]),
    "probability that is text": (change(4, lpd_probability="high"), ["row 4", "nan", "from 0 to 1"]),
    "probabilities that sum to 1.5": (
        change(0, **dict.fromkeys(PROBABILITY_COLUMNS, 0.25)),
        ["row 0", "sum to 1.5", "1 within 0.001"],
    ),
    "unknown split": (
        repeat(split="train", patient_id="new", **OF_ONE_PATIENT),
        ["split is train", "cv, test"],
    ),
    "row that stands twice": (repeat(), ["1 rows repeat a window", "0.0.0 / both / 0 / 0"]),
    "window of two EEGs": (
        repeat(fold=1, split="test", eeg_id="new", patient_id="new"),
        ["window_id '0.0.0'", "0.0, new", "allowed is one"],
    ),
    "EEG of two patients": (repeat(window_id="new", patient_id="new"), ["eeg_id '0.0'", "p0, new", "one"]),
    "patient on both sides of the split": (
        repeat(split="test", **OF_ONE_PATIENT),
        ["patient_id 'p0'", "cv, test"],
    ),
    "patient in two folds": (repeat(fold=2, **OF_ONE_PATIENT), ["patient_id 'p0'", "of fold: 0, 2", "one"]),
    "fold that is no number": (change(0, fold="first"), ["row 0", "fold", "first"]),
    "fractional fold": (change(0, fold=0.5), ["row 0", "fold", "0.5"]),
    "missing seed": (change(0, seed=None), ["row 0", "seed"]),
    "missing patient": (change(0, patient_id=None), ["row 0", "patient_id"]),
    "vote beyond any number": (change(0, lpd_vote=1e30), ["row 0", "lpd_vote is 1e+30"]),
}  # fmt: skip


@pytest.mark.parametrize("what", PROBLEMS)
def test_a_problem_is_told_with_its_row_its_value_and_what_is_allowed(what):
    frame, parts = PROBLEMS[what]
    with pytest.raises(TableError) as caught:
        Predictions.make(frame, "mine.csv")
    lines = str(caught.value).splitlines()
    assert lines[0] == "mine.csv: 1 problem"
    assert [part for part in parts if part not in lines[1]] == []


def test_one_message_lists_all_problems():
    frame = change(2, lpd_vote=-1)
    frame.loc[4, "lpd_probability"] = -0.25
    frame.loc[5, list(PROBABILITY_COLUMNS)] = 0.25
    frame.loc[3, list(VOTE_COLUMNS)] = 0
    frame.loc[6, "split"] = "train"
    frame = pd.concat([frame, frame.head(1), frame.head(1).assign(fold=2, **OF_ONE_PATIENT)], ignore_index=True)
    with pytest.raises(TableError) as caught:
        Predictions.make(frame, "mine.csv")
    for words in (
        *(
            "lpd_vote is -1",
            "row 3: all six votes",
            "row 4: probabilities",
            "row 5: probabilities sum to 1.5",
        ),
        *("split is train", "1 rows repeat", "several values of fold", "several values of split"),
    ):
        assert words in str(caught.value)


def test_missing_columns_are_all_named():
    frame = make().frame.drop(columns=["arm", "lpd_vote", "gpd_probability"])
    with pytest.raises(TableError) as caught:
        Predictions.make(frame, "mine.csv")
    assert str(caught.value).splitlines() == [
        "mine.csv: 3 problems",
        *(f"  - column '{name}' is missing" for name in ("arm", "lpd_vote", "gpd_probability")),
    ]


@settings(max_examples=10)
@given(st.randoms(use_true_random=False))
def test_order_of_columns_other_columns_and_types_of_text_do_not_matter(random):
    table = SMALL
    columns = list(COLUMNS)
    random.shuffle(columns)
    text = table.frame.assign(seconds=1.5)[[*columns, "seconds"]].map(repr).replace(r"^'|'$", "", regex=True)
    pd.testing.assert_frame_equal(Predictions.make(text).frame, table.frame, **EXACT)


# But for whole numbers with '.0', which are numbers without; see tests/test_ids.py.
number_like = st.from_regex(
    r"[0-9]{1,4}|0[0-9]{2,5}|[1-9]e[0-9]|[0-9]\.[0-9]?[1-9]|NA|None|nan|null|True", fullmatch=True
)


@settings(max_examples=25)
@given(
    ids=st.lists(
        (number_like | st.text("aB7 -_é", min_size=1)).map(normalize_id).filter(bool),
        min_size=2,
        max_size=5,
        unique_by=str.casefold,
    )
)
@pytest.mark.parametrize("suffix", ["parquet", "csv", "csv.gz"])
def test_a_table_is_read_as_it_was_written(suffix, ids, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / f"predictions.{suffix}"
    rows = SMALL.frame["patient_id"].isin([f"p{number}" for number in range(len(ids))])
    names = {f"p{number}": name for number, name in enumerate(ids)}
    frame = SMALL.frame[rows].reset_index(drop=True)
    table = Predictions(frame.assign(patient_id=frame["patient_id"].map(names)))
    table.write(path)
    again = Predictions.read(path)
    # CSV: the shortest digits that give the number back, which pandas reads to one unit in the last place
    kept, floats = [*KEY_COLUMNS, *VOTE_COLUMNS], list(PROBABILITY_COLUMNS)
    pd.testing.assert_frame_equal(again.frame[kept], table.frame[kept], **EXACT)
    np.testing.assert_allclose(again.frame[floats], table.frame[floats], rtol=0 if suffix == "parquet" else 2**-52)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "csv.gz"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00\x01", b"a,b\n1,2\n"])
def test_a_file_that_is_no_table_of_predictions_is_named(tmp_path, suffix, content):
    path = tmp_path / f"predictions.{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableError) as caught:
        Predictions.read(path)
    assert str(path) in str(caught.value)


@given(st.integers(0, 999))
def test_every_eeg_weighs_one_shared_evenly_by_its_rows(seed):
    table = make(seed)
    shares = pd.Series(table.weights).groupby(table.frame["eeg_id"].to_numpy())
    np.testing.assert_allclose(shares.sum(), 1, rtol=1e-14)
    np.testing.assert_array_equal(shares.min(), shares.max())


@settings(max_examples=15)
@given(st.integers(0, 999), st.integers(0, 999))
def test_the_average_is_one_row_per_window_arm_and_seed_whatever_the_order_of_the_rows(seed, order):
    table = make(seed, arms=("a", "b"), seeds=2)
    mean = table.average()
    keys = ["window_id", "arm", "seed"]
    expected = table.frame.groupby(keys)[list(PROBABILITY_COLUMNS)].mean()
    found = mean.frame.set_index(keys)
    assert found.index.is_unique
    np.testing.assert_allclose(found.loc[expected.index, list(PROBABILITY_COLUMNS)], expected, rtol=1e-14)
    assert (mean.select(split="test").frame["fold"] == MEAN_OF_FOLDS).all()
    kept = mean.select(split="cv").frame
    pd.testing.assert_frame_equal(kept, table.select(split="cv").frame, **EXACT)
    pd.testing.assert_frame_equal(Predictions.make(mean.frame).average().frame, mean.frame, **EXACT)

    shuffled = Predictions(table.frame.sample(frac=1, random_state=order)).average().frame.set_index(keys)
    pd.testing.assert_frame_equal(shuffled.loc[found.index], found, rtol=1e-14)


def test_the_mean_of_arms_is_a_new_arm_on_the_same_windows():
    table = make(arms=("temporal", "spatial", "both"), seeds=2)
    arms = [table.select(arm=arm) for arm in table.arms]
    assert table.arms == ["temporal", "spatial", "both"]
    shuffled = Predictions(arms[1].frame.sample(frac=1, random_state=0))
    mean = mean_of([arms[0], shuffled, arms[2]], "mean")
    assert mean.arms == ["mean"]
    keys = ["window_id", "fold", "seed"]
    expected = table.frame.groupby(keys)[list(PROBABILITY_COLUMNS)].mean()
    found = mean.frame.set_index(keys)
    np.testing.assert_allclose(found.loc[expected.index, list(PROBABILITY_COLUMNS)], expected, rtol=1e-14)
    others = [*ID_COLUMNS[1:], "split", *VOTE_COLUMNS]
    pd.testing.assert_frame_equal(found[others], arms[0].frame.set_index(keys).loc[found.index, others])
    together = concatenate([table, mean])
    assert together.arms == [*table.arms, "mean"]
    assert len(together) == len(table) + len(mean)


def test_the_mean_of_arms_with_other_windows_says_which_differ():
    one, other = make(arms=("one",)), make(arms=("other",))
    fewer = Predictions(other.frame.iloc[2:])
    for tables in ([one, fewer], [fewer, one]):
        with pytest.raises(TableError, match="differ in 2: ") as caught:
            mean_of(tables, "mean")
        assert "one" in str(caught.value)
        assert "other" in str(caught.value)
        assert str(other.frame["window_id"][1]) in str(caught.value)


def test_tables_that_repeat_each_other_are_not_concatenated():
    with pytest.raises(TableError, match=f"{N_ROWS} rows repeat a window, arm, seed and fold"):
        concatenate([make(), make()])


def test_arrays_are_in_the_order_of_the_rows():
    table = make()
    row = table.frame.iloc[5]
    assert table.votes.shape == table.probabilities.shape == (N_ROWS, N_PATTERNS)
    assert table.votes[5].tolist() == [row[name] for name in VOTE_COLUMNS]
    assert table.probabilities[5].tolist() == [row[name] for name in PROBABILITY_COLUMNS]
    assert table.patients[5] == row["patient_id"]
