import os
import unicodedata
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.ids import case_variants, normalize_id, normalize_ids
from ictal.core.labels import VOTE_COLUMNS
from ictal.core.predictions import PROBABILITY_COLUMNS, Predictions
from ictal.data import DataSettings, open_dataset
from ictal.data.hms import read_hms_labels
from ictal.data.manifest import read_manifest
from ictal.errors import TableError
from ictal.evaluation.prediction_tables import ColumnNames, read_patients, read_table
from ictal.io.hms import write_hms
from tests.helpers import manifest, recording

SPELLINGS = ["p0 ", " p0", "p0\u00a0", "p0\u2009", "\ufeffp0", "p\u200b0", "p0\t"]
"""One patient as tables have been seen to write it: blanks of all kinds, marks of byte order, joiners."""


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_id_has_one_spelling(spelling):
    assert normalize_id(spelling) == "p0"


def test_composed_and_decomposed_letters_are_one_id_and_inner_blanks_count_once():
    assert normalize_id(unicodedata.normalize("NFD", "Jürgen  Müller")) == unicodedata.normalize(
        "NFC", "Jürgen Müller"
    )


@given(st.text(max_size=12))
def test_the_spelling_is_settled_at_once(text):
    assert normalize_id(normalize_id(text)) == normalize_id(text)


def test_columns_keep_their_index_and_numbers_become_text():
    tidied = normalize_ids(pd.Series([7, " a "], index=[3, 5]))
    assert tidied.to_dict() == {3: "7", 5: "a"}


def test_case_alone_is_no_difference():
    assert case_variants("patient_id", ["P0", "p0", "p1", "ß", "SS"]) == [
        "patient_id is P0, p0, which differ only in upper and lower case; allowed is one spelling",
        "patient_id is SS, ß, which differ only in upper and lower case; allowed is one spelling",
    ]
    assert case_variants("patient_id", ["p0", "p0", "p1"]) == []


# Manifests


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "a").mkdir()
    for number in range(2):
        write_hms(tmp_path / "a" / f"rec{number}.parquet", recording(70 * 200, seed=number))
    return tmp_path


def written(folder: Path, *rows: tuple[object, ...]) -> Path:
    path = folder / "manifest.csv"
    manifest(rows).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("other", ["./a/rec0.parquet", "a//rec0.parquet", "a/../a/rec0.parquet", "a/rec0.parquet "])
def test_a_file_is_one_eeg_however_its_path_is_spelled(folder, other):
    rows = ("a/rec0.parquet", 0, "p0"), (other, 10, "p0")
    data = read_manifest(written(folder, *rows))
    assert data.labels["eeg_id"].unique().tolist() == ["a/rec0.parquet"]
    with pytest.raises(TableError, match=r"lines 2, 3: window_id a/rec0\.parquet@0 found 2 times"):
        read_manifest(written(folder, rows[0], (other, 0, "p0")))
    with pytest.raises(TableError, match=r"eeg_id 'a/rec0\.parquet' has several values of patient_id: p0, p9"):
        read_manifest(written(folder, rows[0], (other, 10, "p9")))


def link(folder: Path, kind: str) -> str:
    target, other = folder / "a" / "rec0.parquet", folder / f"{kind}.parquet"
    if kind == "hard":
        os.link(target, other)
    elif kind == "symbolic":
        other.symlink_to(target)
    elif kind == "folder":
        (folder / "b").symlink_to(folder / "a")
        return "b/rec0.parquet"
    return str(target) if kind == "absolute" else other.name


@pytest.mark.parametrize("kind", ["hard", "symbolic", "folder", "absolute"])
def test_a_file_is_one_eeg_by_whatever_link_it_is_reached(folder, kind):
    other = link(folder, kind)
    data = read_manifest(written(folder, ("a/rec0.parquet", 0, "p0"), (other, 10, "p0"), ("a/rec1.parquet", 0, "p1")))
    assert data.labels["eeg_id"].tolist() == ["a/rec0.parquet", "a/rec0.parquet", "a/rec1.parquet"]
    assert data.recording("a/rec0.parquet").n_samples == 70 * 200


def test_a_name_in_another_unicode_form_is_found_and_is_the_same_eeg(folder):
    name = unicodedata.normalize("NFD", "münster.parquet")
    (folder / "a" / "rec0.parquet").rename(folder / name)
    data = read_manifest(written(folder, (name, 0, "p0"), (unicodedata.normalize("NFC", name), 10, "p0")))
    assert data.labels["eeg_id"].unique().tolist() == [unicodedata.normalize("NFC", name)]
    assert data.recording(unicodedata.normalize("NFC", name)).n_samples == 70 * 200


def test_two_files_that_differ_by_blanks_alone_are_named(folder):
    for number, name in enumerate(("a b.parquet", "a  b.parquet")):
        (folder / "a" / f"rec{number}.parquet").rename(folder / name)
    with pytest.raises(TableError, match=r"file 'a  b\.parquet' differs from another only in blanks"):
        read_manifest(written(folder, ("a b.parquet", 0, "p0"), ("a  b.parquet", 0, "p1")))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_patient_is_one_however_it_is_spelled(folder, spelling):
    data = read_manifest(written(folder, ("a/rec0.parquet", 0, "p0"), ("a/rec1.parquet", 0, spelling)))
    assert data.labels["patient_id"].unique().tolist() == ["p0"]


def test_patients_that_differ_by_case_alone_are_refused(folder):
    with pytest.raises(TableError, match="patient_id is P0, p0, which differ only in upper and lower case"):
        read_manifest(written(folder, ("a/rec0.parquet", 0, "p0"), ("a/rec1.parquet", 0, "P0")))


# Other tables


def test_ids_of_a_competition_table_are_tidied_before_windows_are_named(tmp_path):
    table = manifest([("x", 0, "p0"), ("x", 10, " p0\u00a0")]).drop(columns=["file", "start_s"])
    table = table.assign(eeg_id=["1", "1 "], eeg_sub_id=["0", " 1"], eeg_label_offset_seconds=[0, 10])
    table.to_csv(tmp_path / "train.csv", index=False)
    labels = read_hms_labels(tmp_path / "train.csv")
    assert labels["window_id"].tolist() == ["1_0", "1_1"]
    assert labels["patient_id"].unique().tolist() == ["p0"]


def test_two_ids_of_a_competition_folder_that_are_one_file_are_named(tmp_path):
    (tmp_path / "train_eegs").mkdir()
    write_hms(tmp_path / "train_eegs" / "1.parquet", recording(70 * 200))
    (tmp_path / "train_eegs" / "2.parquet").symlink_to(tmp_path / "train_eegs" / "1.parquet")
    table = manifest([("x", 0, "p0"), ("x", 0, "p1")]).drop(columns=["file", "start_s"])
    table = table.assign(eeg_id=[1, 2], eeg_sub_id=0, eeg_label_offset_seconds=0)
    table.to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(TableError, match="eeg_id 2: the same file as eeg_id 1 under another name"):
        open_dataset(str(tmp_path), DataSettings())


def predictions(*patients: str) -> pd.DataFrame:
    n = len(patients)
    table = pd.DataFrame({"window_id": [f" w{i}" for i in range(n)], "eeg_id": [f"e{i} " for i in range(n)]})
    table = table.assign(patient_id=patients, split="cv", fold=range(n), arm="a", seed=0)
    table[list(VOTE_COLUMNS)] = [3, 0, 1, 0, 0, 0]
    table[list(PROBABILITY_COLUMNS)] = 1 / 6
    return table


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_predictions_that_leak_by_a_spelling_are_refused(spelling):
    with pytest.raises(TableError, match="patient_id 'p0' has several values of fold: 0, 1"):
        Predictions.make(predictions("p0", spelling))


def test_predictions_of_patients_that_differ_by_case_are_refused_and_others_tidied():
    with pytest.raises(TableError, match="patient_id is P0, p0, which differ"):
        Predictions.make(predictions("p0", "P0"))
    made = Predictions.make(predictions("p0", "p1 ")).frame
    assert made[["window_id", "eeg_id", "patient_id"]].to_numpy().tolist() == [["w0", "e0", "p0"], ["w1", "e1", "p1"]]


def test_tables_to_compare_are_tidied(tmp_path):
    predictions("p0 ", "p1").to_csv(tmp_path / "a.csv", index=False)
    table = read_table(tmp_path / "a.csv", ColumnNames(window=("window_id",)))
    assert (table.index.tolist(), table["patient_id"].tolist()) == (["w0", "w1"], ["p0", "p1"])
    pd.DataFrame({"eeg_id": ["e0", "e0 "], "patient_id": ["p0", "p0\u00a0"]}).to_csv(tmp_path / "p.csv", index=False)
    assert read_patients(tmp_path / "p.csv", ColumnNames()).to_dict() == {"e0": "p0"}
