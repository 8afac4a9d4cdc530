"""The table of real windows: votes, manifests of some patients, and folds in which no patient is split."""

import numpy as np
import pandas as pd
import pytest

from ictal.core.labels import VOTE_COLUMNS
from ictal.data.manifest import read_manifest
from tests.helpers import benchmark


@pytest.fixture(scope="module")
def script():
    return benchmark("real_eeg")


@pytest.fixture(scope="module")
def windows(script, shared_data):
    return script.real_windows()


def labels(n_patients: int = 40, seed: int = 0) -> pd.DataFrame:
    """Return three windows of each patient of two sets."""
    rng = np.random.default_rng(seed)
    names = [f"{name}-{number}" for name in ("iiic", "pages") for number in range(n_patients // 2)]
    frame = pd.DataFrame({"patient_id": np.repeat(names, 3)})
    frame["file"] = frame["patient_id"] + ".edf"
    top = np.repeat(rng.integers(6, size=len(names)), 3)
    return frame.join(pd.DataFrame(np.eye(6, dtype=int)[top], columns=[*VOTE_COLUMNS]))


def test_folds_split_no_patient_and_are_alike_in_sets_and_patterns(script):
    table = labels()
    folds = script.real_folds(table, 5)
    assert ((pd.crosstab(table["patient_id"], folds) > 0).sum(axis=1) == 1).all()
    of_sets = pd.crosstab(folds, script.sets_of(table["patient_id"]))
    assert (of_sets == 12).all(axis=None)
    top = table[[*VOTE_COLUMNS]].to_numpy().argmax(axis=1)
    n_most = pd.crosstab(folds, top).max(axis=0)
    assert (n_most <= 3 * (np.ceil(np.bincount(top) / 3 / 5) + 1)).all()


def test_folds_do_not_depend_on_a_column_of_predictions(script):
    table = labels()
    with_folds = table.assign(fold=0, eeg_id=table["file"])
    np.testing.assert_array_equal(script.real_folds(table, 4), script.real_folds(with_folds, 4))


def test_voted_segments_have_their_votes_and_clips_those_of_their_kind(script, windows):
    of_set = {name: windows[windows["set"] == name] for name in script.SETS}
    assert [len(of_set[name]) for name in script.VOTED] == [32, 35]
    votes = {name: own[[*VOTE_COLUMNS]].to_numpy().sum(axis=1) for name, own in of_set.items()}
    assert (votes["pages"] == 1).all()
    assert votes["iiic"].max() > 20
    assert (votes["seizure"] == 3).all()
    healthy = of_set["seizure"]["patient_id"].str.contains("eegmat")
    assert (of_set["seizure"].loc[healthy, "other_vote"] == 3).all()
    own = script.real_windows(["seizure"], {"seizure": {"seizure": 4, "other": 1}}, step_s=5)
    assert (own["seizure_vote"] == 4).all()
    assert len(own) > 1.8 * (of_set["seizure"]["seizure_vote"] == 3).sum()


def test_a_manifest_has_the_windows_of_the_patients_asked_for(script, windows, tmp_path):
    chosen = ["iiic-1", "pages-1", "seizure-chb01"]
    path = script.write_manifest(windows, tmp_path / "folds" / "train.csv", chosen)
    table = read_manifest(path).labels
    assert {*table["patient_id"]} == {*chosen}
    expected = windows[windows["patient_id"].isin(chosen)]
    np.testing.assert_array_equal(table[[*VOTE_COLUMNS]], expected[[*VOTE_COLUMNS]])
    assert table.groupby("eeg_id")["patient_id"].nunique().max() == 1


def test_predictions_are_of_the_voted_segments_alone(script, windows, tmp_path):
    found = script.real_predictions("default", tmp_path)
    np.testing.assert_array_equal(found.votes, windows[windows["set"] != script.CLIPS][[*VOTE_COLUMNS]])
    assert {*script.sets_of(found.patients)} == {*script.VOTED}
    assert abs(found.probabilities.sum(axis=1) - 1).max() < 1e-6
