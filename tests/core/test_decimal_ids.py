import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.ids import normalize_id_columns
from ictal.core.labels import VOTE_COLUMNS
from ictal.core.predictions import PROBABILITY_COLUMNS, Predictions
from ictal.data.hms import read_hms_folder, read_hms_labels
from ictal.data.manifest import read_manifest
from ictal.errors import TableError
from ictal.evaluation.expert_labels import read_expert_labels
from ictal.evaluation.prediction_tables import ColumnNames, read_patients, read_table

VOTES = dict(zip(VOTE_COLUMNS, (3, 0, 0, 0, 0, 1), strict=True))
PROBABILITIES = dict.fromkeys(PROBABILITY_COLUMNS, 1 / 6)
LOST = r"patient_id: .* are ids that a program has turned into decimal numbers; digits may be lost"


def ids_of(values: list[object], **more: object) -> list[str]:
    return normalize_id_columns(pd.DataFrame({"patient_id": values}, **more), ["patient_id"], "t")[
        "patient_id"
    ].tolist()


@given(st.lists(st.integers(-(2**53) + 1, 2**53 - 1), min_size=1))
def test_what_pandas_makes_of_whole_numbers_is_undone(ids):
    expected = [str(number) for number in ids]
    assert ids_of(ids) == expected
    assert ids_of([float(number) for number in ids] + [np.nan]) == [*expected, ""] or any(
        abs(number) >= 10**16 for number in ids
    )
    assert ids_of([f"{number}.0" for number in ids]) == [*expected]


@pytest.mark.parametrize(
    ("given_ids", "ids"),
    [
        (["1.0", "1", "2.00", ""], ["1", "1", "2", ""]),
        (["1.5", "2.0"], ["1.5", "2.0"]),  # no whole numbers
        (["p1", "2.0"], ["p1", "2.0"]),
        (["1e9", "12"], ["1e9", "12"]),  # may be a hash
        (["007", "010"], ["007", "010"]),
        ([None, "a"], ["", "a"]),
    ],
)
def test_ids_that_are_words_stay(given_ids, ids):
    assert ids_of(given_ids) == ids


@pytest.mark.parametrize("value", ["1.0e9", "1.23457e+09", "1e+09", "9007199254740993.0", 1e16])
def test_ids_that_may_have_lost_digits_are_refused_once(value):
    with pytest.raises(TableError, match=LOST) as caught:
        ids_of([value, value, value] if isinstance(value, float) else [value, value, "7"])
    assert len(str(caught.value).splitlines()) == 2


def test_one_patient_under_two_spellings_among_words_is_refused_once():
    with pytest.raises(TableError, match=r"patient_id: both 1\.0, 2\.0 and 1, 2 occur: .*dtype=str") as caught:
        ids_of(["1", "1.0", "p7", "2.0", "2", "1.0"])
    assert str(caught.value).count("  - ") == 1


def hms(**more: object) -> pd.DataFrame:
    rows = {"eeg_id": [10, 10, 11], "eeg_sub_id": [0, 1, 0], "eeg_label_offset_seconds": [0.0, 6.0, 0.0]}
    return pd.DataFrame(rows | {"patient_id": [1, 1, 2]} | VOTES | more)


def as_float(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    return frame.astype(dict.fromkeys(columns, float))


def test_a_label_table_with_decimal_ids_and_folds_is_that_with_whole_ones(tmp_path):
    columns = ("eeg_id", "eeg_sub_id", "patient_id", "fold")
    hms(fold=[0, 0, 1]).to_csv(tmp_path / "whole.csv", index=False)
    as_float(hms(fold=[0, 0, 1]), *columns).to_csv(tmp_path / "decimal.csv", index=False)
    expected = read_hms_labels(tmp_path / "whole.csv")
    pd.testing.assert_frame_equal(read_hms_labels(tmp_path / "decimal.csv"), expected)
    assert expected["window_id"].tolist() == ["10_0", "10_1", "11_0"]
    held_out = hms(fold=["0.0", "0.0", "test"])  # fillna("test") of a column of floats
    held_out.to_csv(tmp_path / "test.csv", index=False)
    assert read_hms_labels(tmp_path / "test.csv")["fold"].tolist() == ["0", "0", "test"]


def test_the_files_of_a_folder_are_found_by_decimal_ids(tmp_path):
    (tmp_path / "train_spectrograms").mkdir()
    (tmp_path / "train_spectrograms" / "7.parquet").touch()
    table = hms(spectrogram_id=[7.0, 7.0, 8.0], spectrogram_label_offset_seconds=[0, 6, 0])
    as_float(table, "eeg_id").to_csv(tmp_path / "train.csv", index=False)
    data = read_hms_folder(tmp_path)
    assert {path.name for path in data.files.values()} == {"10.parquet", "11.parquet"}
    assert set(data.contexts) == {"10_0", "10_1"}


def test_a_manifest_and_predictions_and_expert_labels_take_decimal_ids(tmp_path):
    frame = pd.DataFrame({"file": ["a.edf", "b.edf"], "start_s": 0, "patient_id": [1.0, 2.0]} | VOTES)
    frame.to_csv(tmp_path / "list.csv", index=False)
    assert read_manifest(tmp_path / "list.csv").labels["patient_id"].tolist() == ["1", "2"]

    keys = {"window_id": [5.0, 6.0], "eeg_id": [10.0, 11.0], "patient_id": [1.0, 2.0]}
    known = {"split": "cv", "fold": [0.0, 1.0], "arm": "a", "seed": 0}
    rows = pd.DataFrame(keys | known | VOTES | PROBABILITIES)
    for name in ("p.csv", "p.parquet"):
        rows.to_csv(tmp_path / name, index=False) if name.endswith("csv") else rows.to_parquet(tmp_path / name)
        table = Predictions.read(tmp_path / name).frame
        assert table[["window_id", "eeg_id", "patient_id"]].to_numpy().tolist() == [
            ["5", "10", "1"],
            ["6", "11", "2"],
        ]
        assert table["fold"].tolist() == [0, 1]

    experts = pd.DataFrame(keys | {"anna": "lpd", "ben": "gpd"} | PROBABILITIES)
    experts.to_csv(tmp_path / "experts.csv", index=False)
    assert read_expert_labels(tmp_path / "experts.csv").patients.tolist() == ["1", "2"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables_with_and_without_decimal_ids_are_compared_on_the_same_windows(tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"

    def written(frame: pd.DataFrame) -> None:
        frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)

    whole = hms(**PROBABILITIES)
    written(whole)
    expected, patients = read_table(path, ColumnNames()), read_patients(path, ColumnNames())
    written(as_float(whole, "eeg_id", "eeg_sub_id", "patient_id"))
    pd.testing.assert_frame_equal(read_table(path, ColumnNames()), expected)
    pd.testing.assert_series_equal(read_patients(path, ColumnNames()), patients)
    assert expected.index.tolist() == ["10 / 0", "10 / 1", "11 / 0"]
    assert patients.to_dict() == {"10": "1", "11": "2"}
    written(whole.assign(patient_id=[1, 1, np.nan]))
    assert read_table(path, ColumnNames())["patient_id"].tolist() == ["1", "1", ""]
    assert read_patients(path, ColumnNames()).to_dict() == {"10": "1"}
