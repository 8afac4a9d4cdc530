import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ictal.cli import app
from ictal.core.labels import VOTE_COLUMNS
from ictal.errors import TableError, UnknownNameError, UsageError
from ictal.evaluation import ColumnNames, compare, compare_tables, kl_divergence, read_patients, read_table

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
PREDICTED = [f"{name}_prediction" for name in VOTE_COLUMNS]
KNOWN = ColumnNames()


def table(seed=0, noise=0.3, n_windows=120):
    """Return a table as HMS notebooks write it: 40 EEGs of three windows, 20 patients; noise of what is predicted."""
    truth = np.random.default_rng(99).dirichlet(np.full(6, 0.5), n_windows)
    votes = np.stack([np.random.default_rng(7 + row).multinomial(12, share) for row, share in enumerate(truth)])
    logits = np.log(truth + 0.02) + noise * np.random.default_rng(seed).normal(size=truth.shape)
    predicted = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    frame = pd.DataFrame({"eeg_id": np.arange(n_windows) // 3, "eeg_sub_id": np.arange(n_windows) % 3})
    frame["patient_id"] = frame["eeg_id"] // 2
    return frame.assign(**dict(zip(VOTE_COLUMNS, votes.T, strict=True))).assign(
        **dict(zip(PREDICTED, predicted.T, strict=True))
    )


def read(folder, frame, name="a.csv", names=KNOWN):
    frame.to_csv(folder / name, index=False)
    return read_table(folder / name, names)


@pytest.fixture
def two(tmp_path):
    return {name: read(tmp_path, table(seed, noise)) for name, seed, noise in (("good", 1, 0.2), ("bad", 2, 1.0))}


def test_figures_are_the_means_over_windows_or_over_eegs(two):
    uneven = {name: frame.drop(frame.index[[0, 1, 30]]) for name, frame in two.items()}
    for weight in ("window", "eeg"):
        result = compare_tables(uneven, average=True, weight=weight, n_resamples=200)
        assert [row.name for row in result.tables] == ["good", "bad", "mean"]
        for row, frame in zip(result.tables, uneven.values(), strict=False):
            losses = pd.Series(kl_divergence(*(frame.filter(regex=end) for end in ("_vote$", "_probability$"))))
            expected = losses.mean()
            if weight == "eeg":
                expected = losses.groupby(frame["eeg_id"].to_numpy()).mean().mean()
            assert row.kl.value == row.kl_all == pytest.approx(expected)
            assert (row.n_windows, row.n_patients) == (117, 20)


def test_each_patient_may_weigh_the_same(two):
    uneven = {name: frame.drop(frame.index[[0, 1, 30]]) for name, frame in two.items()}
    result = compare_tables(uneven, weight="patient", n_resamples=200)
    for row, frame in zip(result.tables, uneven.values(), strict=True):
        losses = pd.Series(kl_divergence(*(frame.filter(regex=end) for end in ("_vote$", "_probability$"))))
        assert row.kl.value == pytest.approx(losses.groupby(frame["patient_id"].to_numpy()).mean().mean())
        assert row.kl_all is None
        assert row.evaluation.n_effective == pytest.approx(20)
    assert compare_tables(uneven, n_resamples=200).tables[0].evaluation.n_effective < 20


def test_pairs_are_the_later_minus_the_earlier_with_interval_and_corrected_p(two):
    result = compare_tables(two, average=True, n_resamples=1000)
    assert [(row.a, row.b) for row in result.differences] == [("bad", "good"), ("mean", "good"), ("mean", "bad")]
    kl = {row.name: row.kl.value for row in result.tables}
    for row in result.differences:
        assert row.estimate.value == pytest.approx(kl[row.a] - kl[row.b])
        assert row.estimate.low < row.estimate.value < row.estimate.high
        assert row.p <= row.p_holm <= 3 * row.p + 1e-12
        # an interval of 95 % is 1.96 standard errors wide on both sides; of three pairs each has a level of 1.67 %
        assert row.detectable == pytest.approx(3.24 / 3.92 * (row.estimate.high - row.estimate.low), rel=0.15)
    assert result.differences[0].estimate.low > 0
    assert result.differences[0].p_holm < 0.01


def test_a_table_is_as_good_as_itself(two):
    result = compare_tables({"one": two["good"], "same": two["good"]}, n_resamples=200)
    assert (result.differences[0].estimate.value, result.differences[0].p) == (0, 1)


def test_the_order_of_rows_does_not_matter(two):
    turned = {name: frame.iloc[::-1] for name, frame in two.items()} | {"good": two["good"]}
    assert compare_tables(turned, n_resamples=200).to_json() == compare_tables(two, n_resamples=200).to_json()


def test_votes_may_be_shares_and_columns_may_have_other_names(tmp_path):
    frame = table()
    shares = frame[list(VOTE_COLUMNS)].div(12).set_axis([f"v{i}" for i in range(6)], axis=1)
    renamed = pd.concat([frame[["eeg_id"]].rename(columns={"eeg_id": "record"}), shares], axis=1).assign(
        key=np.arange(len(frame)), who=frame["patient_id"], **{f"p{i}": frame[PREDICTED[i]] for i in range(6)}
    )
    v, p = (tuple(f"{letter}{i}" for i in range(6)) for letter in "vp")
    names = ColumnNames(("key",), "record", "who", v, p)
    one, other = read(tmp_path, frame), read(tmp_path, renamed, "b.csv", names)
    (first,), (second,) = (compare_tables({"t": t}, n_resamples=100).tables for t in (one, other))
    assert first.kl.value == pytest.approx(second.kl.value)


def broken(change):
    frame = table()
    change(frame)
    return frame


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (table().drop(columns="lpd_vote"), "column 'lpd_vote' is missing"),
        (pd.concat([table(), table().iloc[:2]]), r"2 rows repeat a window, for example 0 / 0, 0 / 1"),
        (
            broken(lambda f: f.__setitem__(PREDICTED[0], -0.1)),
            r"120 rows, for example window 0 / 0, have \[-0.1.*from 0 to 1",
        ),
        (broken(lambda f: f.__setitem__(PREDICTED[0], f[PREDICTED[0]] + 0.002)), "120 rows.*sum to 1 within 0.001"),
        (broken(lambda f: f.__setitem__(PREDICTED[0], "x")), "nan.*probabilities from 0 to 1"),
        (
            broken(lambda f: f.loc.__setitem__((3, list(VOTE_COLUMNS)), 0)),
            "1 rows, for example window 1 / 0, have .*at least one",
        ),
    ],
)
def test_a_table_that_breaks_a_rule_is_refused_with_counts_and_examples(tmp_path, frame, message):
    with pytest.raises(TableError, match=message):
        read(tmp_path, frame)


def test_a_file_that_is_no_table_is_refused(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(TableError, match="cannot be read as a table"):
        read_table(tmp_path / "a.parquet", KNOWN)
    with pytest.raises(TableError, match=r"cannot be read as a table: there is no such file$"):
        read_table(tmp_path / "b.csv", KNOWN)


def test_another_order_of_patterns_shows_in_the_votes(two, tmp_path):
    turned = table().rename(columns=dict(zip(VOTE_COLUMNS, [*VOTE_COLUMNS[1:], VOTE_COLUMNS[0]], strict=True)))
    with pytest.raises(
        TableError, match=r"turned and good have different votes for \d+ of 120 windows, for example .* order sei"
    ):
        compare_tables({"good": two["good"], "turned": read(tmp_path, turned)})


def test_windows_that_one_table_lacks_are_refused_or_left_out_and_named(two):
    part = {"good": two["good"], "bad": two["bad"].iloc[5:]}
    with pytest.raises(TableError, match="5 windows of good are not in every table, for example 0 / 0, 0 / 1, 0 / 2"):
        compare_tables(part)
    result = compare_tables(part, allow_partial=True, n_resamples=100)
    assert result.tables[0].n_windows == 115
    assert result.left_out == ("5 windows of good are not in every table, for example 0 / 0, 0 / 1, 0 / 2, ...",)


def test_patients_may_come_from_another_table_and_unknown_ones_are_refused_or_left_out(two, tmp_path):
    bare = {name: frame.drop(columns="patient_id") for name, frame in two.items()}
    with pytest.raises(TableError, match="no table has a column of patients"):
        compare_tables(bare)
    known = table()[["eeg_id", "patient_id"]]
    known[known["eeg_id"] >= 2].to_csv(tmp_path / "patients.csv", index=False)
    patients = read_patients(tmp_path / "patients.csv", KNOWN)
    with pytest.raises(TableError, match="6 windows of 2 EEGs have no known patient, for example EEG 0, 1"):
        compare_tables(bare, patients)
    result = compare_tables(bare, patients, allow_partial=True, n_resamples=100)
    assert (result.tables[0].n_windows, result.tables[0].n_windows_all) == (114, 120)
    assert result.tables[0].kl.value != result.tables[0].kl_all


def test_an_eeg_of_two_patients_is_refused(tmp_path):
    table().assign(patient_id=np.arange(120)).to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(TableError, match="eeg_id '0' has several values of patient_id: 0, 1, 2"):
        read_patients(tmp_path / "p.csv", KNOWN)


def test_nothing_in_common_is_refused(two):
    with pytest.raises(TableError, match="nothing to compare"):
        compare_tables({"good": two["good"].iloc[:5], "bad": two["bad"].iloc[5:]}, allow_partial=True)


def test_unknown_names_are_refused(two):
    with pytest.raises(UnknownNameError, match="unknown weight 'row'; known are: window, eeg, patient"):
        compare_tables(two, weight="row")
    with pytest.raises(TableError, match="columns of votes are a, b; needed are six, in the order seizure, lpd"):
        ColumnNames(votes=("a", "b"))


def run(*arguments):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


def test_the_command_prints_tables_and_a_verdict_and_gives_json(tmp_path):
    for name, seed, noise in (("good", 1, 0.2), ("bad", 2, 1.0), ("same", 3, 0.2)):
        table(seed, noise).to_csv(tmp_path / f"{name}.csv", index=False)
    made = run(
        *(tmp_path / f"{name}.csv" for name in ("good", "bad", "same")), "--average", "--json", tmp_path / "c.json"
    )
    assert made.exit_code == 0, made.output
    said = " ".join(made.output.split())
    assert "120 windows of 20 patients (effective number 20.0); each window has the same weight" in said
    assert "bad − good" in made.output
    assert "good has a lower KL than bad (difference +" in said
    assert "The data do not distinguish same and good" in said
    assert "if either model were trained again, the result may differ." in said
    told = json.loads((tmp_path / "c.json").read_text())
    assert [row["name"] for row in told["tables"]] == ["good", "bad", "same", "mean"]
    assert {"a", "b", "difference", "interval", "p_holm"} <= told["differences"][0].keys()


def test_each_patient_may_weigh_the_same_on_the_command_line(tmp_path):
    table(1).to_csv(tmp_path / "a.csv", index=False)
    table(2).to_csv(tmp_path / "b.csv", index=False)
    made = run(tmp_path / "a.csv", tmp_path / "b.csv", "--weight", "patient", "--json", tmp_path / "c.json")
    assert made.exit_code == 0, made.output
    assert "each patient has the same weight" in " ".join(made.output.split())
    told = json.loads((tmp_path / "c.json").read_text())
    assert told["weight"] == "patient"
    assert told["tables"][0]["kl_all"] is None


def test_tables_of_five_patients_get_a_warning_and_no_verdict(tmp_path):
    for name, seed, noise in (("good", 1, 0.2), ("bad", 2, 1.0)):
        frame = table(seed, noise)
        frame[frame["patient_id"] < 5].to_csv(tmp_path / f"{name}.csv", index=False)
    made = run(tmp_path / "good.csv", tmp_path / "bad.csv")
    said = " ".join(made.output.split())
    assert "Warning: Intervals and tests rest on 5.0 effective patients" in said
    assert "bad against good: 5 effective patients are too few for any verdict" in said
    assert "has a lower KL" not in said


def test_a_measure_that_is_not_defined_is_a_dash(tmp_path):
    for name, seed in (("a", 1), ("b", 2)):
        frame = table(seed)
        frame["other_vote"] += frame["seizure_vote"]
        frame.assign(seizure_vote=0).to_csv(tmp_path / f"{name}.csv", index=False)
    made = run(tmp_path / "a.csv", tmp_path / "b.csv")
    assert made.exit_code == 0, made.output
    assert "nan" not in made.output
    assert "AUROC, Seizure – –" in " ".join(made.output.split())


def test_files_of_one_name_are_told_apart_by_their_paths(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        table(len(folder)).to_csv(tmp_path / folder / "p.csv", index=False)
    made = run(tmp_path / "a" / "p.csv", tmp_path / "b" / "p.csv", "--json", "-")
    assert made.exit_code == 0, made.output
    assert str(tmp_path / "b" / "p.csv") in made.output


@pytest.mark.skipif(not (SHARED / "oof").exists(), reason="the real predictions are not here")
def test_real_predictions_give_the_known_figures():
    tables = {name: read_table(SHARED / "oof" / f"{name}.csv.gz", KNOWN) for name in ("raw_eeg", "spectrogram")}
    patients = read_patients(SHARED / "hms" / "train_votes.csv.gz", KNOWN)
    with pytest.raises(TableError, match="109 windows of 88 EEGs have no known patient"):
        compare_tables(tables, patients, n_resamples=100)
    result = compare_tables(tables, patients, average=True, allow_partial=True, n_resamples=2000)
    assert [round(row.kl_all, 4) for row in result.tables] == [0.5423, 0.5141, 0.4825]
    assert [round(row.kl.value, 4) for row in result.tables] == [0.5420, 0.5138, 0.4823]
    assert {(row.n_windows, row.n_windows_all) for row in result.tables} == {(21_381, 21_490)}
    gap = result.differences[-1]
    assert (gap.a, gap.b, round(gap.estimate.value, 4)) == ("mean", "spectrogram", -0.0315)
    assert gap.estimate.interval == pytest.approx([-0.047, -0.018], abs=0.0015)
    by_eeg = compare_tables(tables, patients, average=True, allow_partial=True, weight="eeg", n_resamples=100)
    assert [round(row.kl_all, 4) for row in by_eeg.tables] == [0.5375, 0.5069, 0.4777]


def test_the_best_weights_are_fitted_on_other_patients(two):
    result = compare_tables({"bad": two["bad"], "good": two["good"]}, average=True, weighted=True, n_resamples=200)
    assert [row.name for row in result.tables] == ["bad", "good", "mean", "weighted"]
    assert len(result.ensemble) == 5
    assert all(sum(weights) == pytest.approx(1) and weights[1] > 0.5 for weights in result.ensemble.values())
    kl = {row.name: row.kl.value for row in result.tables}
    assert kl["weighted"] < kl["mean"]
    one_patient = {"good": two["good"].assign(patient_id="a")}
    with pytest.raises(TableError, match="there is only one"):
        compare_tables(one_patient, weighted=True)
    assert compare_tables(one_patient).tables[0].calibrated == {}


def test_every_measure_has_its_paired_difference(two):
    result = compare_tables({"bad": two["bad"], "good": two["good"]}, n_resamples=300)
    bad, good = (row.evaluation.measures for row in result.tables)
    (pair,) = result.differences
    assert set(pair.measures) == set(good) - {"kl"}
    for name, estimate in pair.measures.items():
        assert estimate.value == pytest.approx(good[name].value - bad[name].value, nan_ok=True)
    assert pair.measures["brier"].high < 0
    told = result.to_json()["differences"][0]["measures"]["auroc"]
    assert told["interval"][0] <= told["difference"] <= told["interval"][1]


def test_files_are_compared_as_their_tables_are(two, tmp_path):
    for name, seed, noise in (("good", 1, 0.2), ("bad", 2, 1.0)):
        table(seed, noise).to_csv(tmp_path / f"{name}.csv", index=False)
    files = [tmp_path / "good.csv", tmp_path / "bad.csv"]
    expected = compare_tables(two, average=True, n_resamples=200)
    assert compare(files, average=True, n_resamples=200).to_json() == expected.to_json()
    named = compare({"one": files[0], "other": str(files[1])}, patients=files[0], n_resamples=200)
    assert [one.name for one in named.tables] == ["one", "other"]
    with pytest.raises(UsageError, match="a file is named twice"):
        compare([files[0], files[0]])


def test_a_notebook_shows_what_the_command_prints(two):
    result = compare_tables({"<good>": two["good"], "bad": two["bad"]}, n_resamples=200)
    html = result._repr_html_()
    assert html.count("<table ") == 3
    assert "&lt;good&gt;" in html
    assert "<good>" not in html
    assert f"{result.tables[1].kl:.4f}" in html
    assert html.count("<tr>") == sum(1 + len(one.rows) for one in result.summary())
