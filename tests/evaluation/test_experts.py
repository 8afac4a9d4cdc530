"""A model among the experts: by hand, against scikit-learn, and on real labels."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from ictal.core.labels import PATTERNS
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.errors import TableError
from ictal.evaluation.expert_labels import ExpertLabels, read_expert_labels
from ictal.evaluation.experts import compare_with_experts

N_RESAMPLES = 200


def made_up(n_windows=200, n_experts=8, seed=0, careless=(), n_patients=None) -> ExpertLabels:
    """Return labels of experts who say the true pattern in 7 of 10 windows, or 3 of 10 where careless."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 6, n_windows)
    skill = np.full(n_experts, 0.7)
    skill[list(careless)] = 0.3
    right = rng.random((n_windows, n_experts)) < skill
    labels = np.where(right, true[:, None], rng.integers(0, 6, (n_windows, n_experts))).astype(np.int8)
    labels[rng.random(labels.shape) < 0.2] = -1
    probabilities = 0.5 * np.eye(6)[true] + 0.5 * rng.dirichlet(np.ones(6), n_windows)
    patients = None
    if n_patients:
        patients = np.array([f"p{code}" for code in rng.integers(0, n_patients, n_windows)], dtype=object)
    return ExpertLabels(tuple(f"e{number}" for number in range(n_experts)), labels, probabilities, patients)


def test_agreement_by_hand():
    labels = np.array(
        [
            [0, 0, 0, 1],
            [1, 1, 5, 1],
            [5, 5, 5, -1],
            [0, 1, 1, 5],
            [0, -1, -1, -1],  # no others
        ],
        dtype=np.int8,
    )
    model = np.eye(6)[[0, 1, 5, 0, 0]]
    found = compare_with_experts(ExpertLabels(("a", "b", "c", "d"), labels, model), 2, N_RESAMPLES)
    first = found.rows[0]
    # Without a: seizure (2 of 3), LPD (2 of 3), other (2 of 2), LPD (2 of 3).
    assert (first.expert, first.n_windows) == ("a", 4)
    assert first.agreeing.value == pytest.approx(3 / 4)
    assert first.vote_share.value == pytest.approx((2 / 3 + 2 / 3 + 1 + 0) / 4)
    assert first.kappa.value == pytest.approx(cohen_kappa_score([0, 1, 5, 0], [0, 1, 5, 1]))
    assert first.model_kappa.value == first.kappa.value
    assert first.difference.value == 0
    second = found.rows[1]
    # Without b: seizure, LPD, other, and a tie of seizure, LPD and other, of which b and the model say one each.
    assert second.agreeing.value == pytest.approx((3 + 1 / 3) / 4)
    assert second.model_agreeing.value == pytest.approx((3 + 1 / 3) / 4)
    last = found.rows[3]
    assert last.n_windows == 3
    assert last.agreeing.value == pytest.approx(1 / 3)
    assert last.model_agreeing.value == pytest.approx(2 / 3)
    assert found.n_better.value == sum(row.difference.value > 0 for row in found.rows)
    assert found.expert.value == pytest.approx(np.median([row.kappa.value for row in found.rows]))
    assert found.model.value == pytest.approx(np.median([row.model_kappa.value for row in found.rows]))


def test_kappas_are_those_of_scikit_learn_on_the_same_panel_and_windows():
    labels = made_up()
    found = compare_with_experts(labels, 3, N_RESAMPLES)
    for number, row in enumerate(found.rows):
        top, own, model, parts = [], [], [], []
        for window, said in enumerate(labels.labels):
            others = np.delete(said, number)
            counts = np.bincount(others[others >= 0], minlength=6)
            if said[number] < 0 or counts.sum() < 3:
                continue
            tied = np.flatnonzero(counts == counts.max())
            top += list(tied)
            own += [said[number]] * len(tied)
            model += [labels.probabilities[window].argmax()] * len(tied)
            parts += [1 / len(tied)] * len(tied)
        assert row.n_windows == pytest.approx(sum(parts))
        assert row.kappa.value == pytest.approx(cohen_kappa_score(top, own, sample_weight=parts))
        assert row.model_kappa.value == pytest.approx(cohen_kappa_score(top, model, sample_weight=parts))
        assert row.difference.value == pytest.approx(row.model_kappa.value - row.kappa.value)
        assert row.kappa.low < row.kappa.value < row.kappa.high


def test_a_model_that_copies_an_expert_is_neither_better_nor_worse_in_that_place():
    labels = made_up()
    copied = replace(labels, probabilities=np.eye(6)[np.where(labels.labels[:, 2] < 0, 0, labels.labels[:, 2])])
    row = compare_with_experts(copied, 3, N_RESAMPLES).rows[2]
    assert row.difference.value == 0
    assert row.difference.interval == [0, 0]
    assert row.model_vote_share == row.vote_share
    assert row.model_agreeing == row.agreeing


def test_a_model_beats_the_careless():
    found = compare_with_experts(made_up(careless=(1, 4, 5)), 3, N_RESAMPLES)
    better = {row.expert for row in found.rows if row.difference.low > 0}
    assert better >= {"e1", "e4", "e5"}
    assert found.n_better.low >= 3
    assert found.n_better.high <= 8


def test_the_least_number_of_others_chooses_windows():
    labels = made_up()
    others = (labels.labels >= 0).sum(axis=1, keepdims=True) - 1
    for least in (1, 5, 7):
        rows = compare_with_experts(labels, least, N_RESAMPLES).rows
        counts = ((others >= least) & (labels.labels >= 0)).sum(axis=0)
        assert [row.n_windows for row in rows] == counts.tolist()


def test_patients_are_resampled_where_they_are_known():
    labels = made_up(n_patients=6)
    known = compare_with_experts(labels, 3, N_RESAMPLES)
    unknown = compare_with_experts(replace(labels, patients=None), 3, N_RESAMPLES)
    assert (known.resampled, unknown.resampled) == ("patients", "windows")
    assert known.model.value == unknown.model.value
    assert known.model.interval != unknown.model.interval
    # Six copies of all windows say no more, where they are of the same patients.
    copies = replace(
        labels,
        labels=np.tile(labels.labels, (6, 1)),
        probabilities=np.tile(labels.probabilities, (6, 1)),
        patients=np.tile(labels.patients, 6),
    )
    assert compare_with_experts(copies, 3, N_RESAMPLES).expert.interval == pytest.approx(known.expert.interval)


def test_experts_without_a_kappa_are_named():
    labels = made_up()
    labels.labels[:, 3] = -1
    found = compare_with_experts(labels, 3, N_RESAMPLES)
    assert found.left_out == ("e3",)
    assert len(found.rows) == 7
    with pytest.raises(TableError, match=r"no expert has a kappa: .* with 8 other votes"):
        compare_with_experts(labels, 8, N_RESAMPLES)
    with pytest.raises(TableError, match="min_others is 0; allowed are whole numbers from 1"):
        compare_with_experts(labels, 0, N_RESAMPLES)


def test_json_says_what_the_figures_say():
    found = compare_with_experts(made_up(), 3, N_RESAMPLES)
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    for name in ("expert", "model", "difference", "n_better", "whole_panel"):
        assert told[name] == {"value": getattr(found, name).value, "interval": getattr(found, name).interval}
    assert [row["expert"] for row in told["experts"]] == [row.expert for row in found.rows]
    assert told["experts"][2]["model_vote_share"]["value"] == found.rows[2].model_vote_share.value
    assert told["resampled"] == "windows"


def test_both_kinds_of_file_are_read_alike(tmp_path):
    labels = made_up(40, 5, n_patients=7)
    # The order of classes that the data set itself has.
    order = [PATTERNS.index(name) for name in ("other", "seizure", "lpd", "gpd", "lrda", "grda")]
    place = np.argsort([*order, 6])  # of -1, the last, too
    np.savez(
        tmp_path / "labels.npz",
        labels=np.where(labels.labels < 0, -1, place[labels.labels]).astype(np.int8),
        model_probability=labels.probabilities[:, order],
        classes=np.array(PATTERNS)[order],
        experts=np.array(labels.experts),
        patients=labels.patients.astype(str),
    )
    frame = pd.DataFrame({"window_id": range(40), "patient_id": labels.patients})
    for number, name in enumerate(labels.experts):
        frame[name] = [PATTERNS[said].upper() if said >= 0 else "" for said in labels.labels[:, number]]
    frame[list(PROBABILITY_COLUMNS)] = labels.probabilities
    frame.to_csv(tmp_path / "labels.csv", index=False)
    frame.replace("", None).to_parquet(tmp_path / "labels.parquet")
    for name in ("labels.npz", "labels.csv", "labels.parquet"):
        read = read_expert_labels(tmp_path / name)
        assert read.experts == labels.experts
        np.testing.assert_array_equal(read.labels, labels.labels)
        np.testing.assert_allclose(read.probabilities, labels.probabilities)
        np.testing.assert_array_equal(read.patients, labels.patients)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": None}, "array 'labels' is missing"),
        ({"p_probability": None}, "one array needs a name that ends in 'probability'; found are: none"),
        ({"other_probability": np.ones((9, 6))}, "found are: p_probability, other_probability"),
        ({"classes": np.array([*PATTERNS[:5], "spike"])}, "classes are seizure, .*, spike; needed are, in any order"),
        ({"labels": np.full((9, 3), 6, np.int8)}, "27 labels are not allowed, for example 6; allowed are -1 to 5"),
        ({"labels": np.zeros(9, np.int8)}, r"labels are int8 of shape \(9,\); needed are integers"),
        ({"labels": np.zeros((9, 1), np.int8)}, "labels of at least two experts are needed; found are: expert 1"),
        ({"p_probability": np.ones((8, 6)) / 6}, r"probabilities have the shape \(8, 6\); needed is \(9, 6\)"),
        ({"p_probability": np.ones((9, 6))}, "9 windows, for example row 0, have probabilities .* sum to 1 within"),
        (
            {"p_probability": np.full((9, 6), np.nan)},
            "9 windows, for example row 0, .* allowed are numbers from 0 to 1",
        ),
        ({"experts": np.array(["a", "b"])}, r"experts have the shape \(2,\); needed is \(3,\)"),
        ({"experts": np.array(["a", "b", "b"])}, "names of experts are duplicated: a, b, b"),
        ({"patients": np.array(["a"] * 8 + [""])}, "1 windows have no patient"),
    ],
)
def test_what_is_wrong_with_arrays_is_said(tmp_path, change, message):
    arrays = {
        "labels": np.zeros((9, 3), np.int8),
        "p_probability": np.full((9, 6), 1 / 6),
        "classes": np.array(PATTERNS),
    } | change
    np.savez(tmp_path / "l.npz", **{name: value for name, value in arrays.items() if value is not None})
    with pytest.raises(TableError, match=message):
        read_expert_labels(tmp_path / "l.npz")


def test_what_is_wrong_with_tables_and_files_is_said(tmp_path):
    path = tmp_path / "l.csv"
    frame = pd.DataFrame({"window_id": ["a", "b", "b"], "one": ["seizure", "", "3"], "two": ["lpd", "gpd", "spike"]})
    frame.to_csv(path, index=False)
    with pytest.raises(TableError, match="column 'seizure_probability' is missing"):
        read_expert_labels(path)
    frame[list(PROBABILITY_COLUMNS)] = 1 / 6
    frame.to_csv(path, index=False)
    with pytest.raises(TableError) as error:
        read_expert_labels(path)
    assert "column 'one', taken for an expert, has 3; allowed are empty and seizure, lpd" in str(error.value)
    assert "column 'two', taken for an expert, has spike" in str(error.value)
    assert "1 windows are duplicated, for example b" in str(error.value)
    for wrong in (tmp_path / "absent.npz", tmp_path / "text.npz"):
        (tmp_path / "text.npz").write_text("no arrays")
        with pytest.raises(TableError, match="cannot be read as expert labels"):
            read_expert_labels(wrong)


def test_sparcnet_among_twenty_experts(shared_data):
    path = shared_data / "iiic" / "expert_labels.npz"
    with np.load(path) as file:
        assert file["classes"].tolist() == list(PATTERNS)
    labels = read_expert_labels(path)
    assert labels.labels.shape == (17870, 20)
    found = compare_with_experts(labels, 3, 20)
    kappas = [row.kappa.value for row in found.rows]
    # Of all 35,740 segments, which this is half of, the literature says 0.507 (0.33-0.69) and 0.556.
    assert found.expert.value == pytest.approx(0.507, abs=0.02)
    assert min(kappas) == pytest.approx(0.33, abs=0.01)
    assert max(kappas) == pytest.approx(0.69, abs=0.01)
    assert found.whole_panel.value == pytest.approx(0.556, abs=0.02)
    assert found.n_better.value == 12


def test_a_file_is_read_and_a_notebook_shows_the_table(tmp_path):
    labels = made_up(60, 5)
    frame = pd.DataFrame(labels.probabilities, columns=list(PROBABILITY_COLUMNS))
    frame.insert(0, "window_id", range(60))
    for number, expert in enumerate(labels.experts):
        frame[expert] = ["" if label < 0 else PATTERNS[label] for label in labels.labels[:, number]]
    frame.to_csv(tmp_path / "labels.csv", index=False)
    result = compare_with_experts(tmp_path / "labels.csv", 3, N_RESAMPLES)
    known = compare_with_experts(replace(labels, patients=None), 3, N_RESAMPLES)
    assert result.expert.value == pytest.approx(known.expert.value)
    assert [row[0] for row in result.summary().rows] == [row.expert for row in result.rows]
    assert f"{result.rows[0].kappa.value:.3f}" in result._repr_html_()
