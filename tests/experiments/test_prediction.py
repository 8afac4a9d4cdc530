"""`ictal predict`: the same as `evaluate` and `score`, with or without votes; submissions are complete or absent."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ictal.cli import app
from ictal.core.labels import VOTE_COLUMNS
from ictal.core.montage import CHANNELS
from ictal.core.predictions import PROBABILITY_COLUMNS, Predictions
from ictal.core.recording import Recording
from ictal.core.windows import RATE_HZ
from ictal.errors import TableError, UsageError
from ictal.evaluation import evaluate
from ictal.evaluation.compare_files import compare
from ictal.experiments.model_evaluation import evaluate_model
from ictal.experiments.prediction import predict
from ictal.io.hms import write_hms
from ictal.recipes import load_recipe
from ictal.scoring.engines import open_engine
from ictal.scoring.pipeline import score
from ictal.simulator import simulate_eeg
from tests.conftest import TINY
from tests.data.helpers import spectrogram_table
from tests.helpers import save as save_table
from tests.scoring.helpers import SMALL, exported, save

EEGS = {"7": 50.0, "11": 64.0, "3": 120.005, "5": 30.0, "9": 10.0}
"""Durations of the test EEGs, in the order of test.csv."""
ORDER = ["3", "5", "11", "9", "7"]
"""The order of the sample."""
COLUMNS = ["eeg_id", *reversed(VOTE_COLUMNS)]


def middle_s(seconds: float) -> float:
    """Return where the central 10 s of a recording begin; of an odd number of samples, the first is left out last."""
    return (round(seconds * RATE_HZ) - 10 * RATE_HZ) // 2 / RATE_HZ


def call(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def write_eeg(path: Path, patient: int, seconds: float) -> None:
    """Write simulated EEG, cut or repeated to its length."""
    samples = simulate_eeg(2, patient, 0).samples
    n_samples = round(seconds * RATE_HZ)
    repeated = np.tile(samples, -(-n_samples // samples.shape[1]))[:, :n_samples]
    write_hms(path, Recording.from_array(np.ascontiguousarray(repeated), CHANNELS, RATE_HZ))


@dataclass(frozen=True)
class Place:
    """A folder in the competition's test layout, and the same windows with votes as a manifest."""

    folder: Path
    manifest: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Place:
    folder = tmp_path_factory.mktemp("hms")
    for patient, (eeg, seconds) in enumerate(EEGS.items()):
        write_eeg(folder / "test_eegs" / f"{eeg}.parquet", patient, seconds)
    table = pd.DataFrame({"spectrogram_id": [100 + int(eeg) for eeg in EEGS], "eeg_id": [*EEGS], "patient_id": 1})
    save_table(table, folder / "test.csv")
    save_table(pd.DataFrame({"eeg_id": ORDER}).assign(**dict.fromkeys(VOTE_COLUMNS, 1 / 6))[COLUMNS],
               folder / "sample_submission.csv")  # fmt: skip
    rows = [(f"test_eegs/{eeg}.parquet", middle_s(seconds), "1") for eeg, seconds in EEGS.items()]
    manifest = pd.DataFrame(rows, columns=["file", "centre_s", "patient_id"])
    votes = np.random.default_rng(0).integers(0, 9, (len(rows), 6)) + 1
    manifest[list(VOTE_COLUMNS)] = votes
    return Place(folder, save_table(manifest, folder / "windows.csv"))


@pytest.fixture
def own(place, tmp_path) -> Path:
    """Return a copy of the folder that a test may change."""
    shutil.copytree(place.folder, tmp_path / "hms")
    return tmp_path / "hms"


@pytest.fixture(scope="module")
def model() -> Path:
    return exported("temporal")


def shares_of(table: Predictions, key: str = "window_id") -> pd.DataFrame:
    return table.frame.set_index(key)[list(PROBABILITY_COLUMNS)]


@pytest.mark.parametrize("arm", ["temporal", "symmetric"])
def test_a_submission_is_the_sample_with_the_predictions_of_the_central_ten_seconds(place, cache, tmp_path, arm):
    model = save(tmp_path / "model", arm, SMALL)
    out = tmp_path / "s.csv"
    found = predict(model, str(place.folder), out, TINY, cache)
    made = pd.read_csv(out, dtype={"eeg_id": str})
    sample = pd.read_csv(place.folder / "sample_submission.csv", dtype={"eeg_id": str})
    assert list(made.columns) == list(sample.columns)
    assert made["eeg_id"].tolist() == ORDER
    votes = made[list(VOTE_COLUMNS)].to_numpy()
    assert (votes >= 0).all()
    np.testing.assert_allclose(votes.sum(axis=1), 1, rtol=0, atol=1e-15)  # a few roundings of float64
    assert found.frame["eeg_id"].tolist() == [*EEGS]
    assert not {*VOTE_COLUMNS} & {*found.frame.columns}
    np.testing.assert_allclose(votes, shares_of(found, "eeg_id").loc[ORDER], rtol=1e-12)
    # the same windows, with votes, as `ictal evaluate` sees them
    _, evaluated = evaluate_model(model, str(place.manifest), TINY, cache)
    by_file = shares_of(evaluated, "eeg_id").loc[[f"test_eegs/{eeg}.parquet" for eeg in EEGS]]
    np.testing.assert_array_equal(by_file, shares_of(found))


def test_a_test_eeg_is_predicted_as_it_is_scored(place, model, cache):
    found = shares_of(predict(model, str(place.folder), recipe=TINY, cache=cache))
    engine = open_engine(model, threads=1)
    for eeg, seconds in EEGS.items():
        frame = score(place.folder / "test_eegs" / f"{eeg}.parquet", engine, step_s=1).frame
        at = abs(frame["start_s"] - middle_s(seconds))
        assert at.min() < 0.01
        (row,) = frame.loc[[at.idxmin()], list(PROBABILITY_COLUMNS)].to_numpy(dtype=float)
        np.testing.assert_allclose(found.loc[eeg], row, atol=1e-4, err_msg=eeg)


def test_votes_are_not_needed_and_kept_where_they_are(place, model, cache, tmp_path):
    with_votes = predict(model, str(place.manifest), recipe=TINY, cache=cache)
    _, evaluated = evaluate_model(model, str(place.manifest), TINY, cache)
    pd.testing.assert_frame_equal(with_votes.frame, evaluated.frame)
    table = pd.read_csv(place.manifest).drop(columns=list(VOTE_COLUMNS))
    bare = save_table(table, place.folder / "bare.csv")
    without = predict(model, str(bare), recipe=TINY, cache=cache)
    pd.testing.assert_frame_equal(without.frame, with_votes.frame.drop(columns=list(VOTE_COLUMNS)))
    for name in ("p.parquet", "p.csv"):
        without.write(tmp_path / name)
        again = Predictions.read(tmp_path / name, with_votes=False)
        pd.testing.assert_frame_equal(again.frame, without.frame)
        for read in (Predictions.read, lambda path: compare([path, path.with_name("other.csv")])):
            with pytest.raises(TableError, match=rf"{name}: has no votes; needed are the columns seizure_vote"):
                read(tmp_path / name)
    with pytest.raises(TableError, match="has no votes"):
        evaluate(without, 100)
    with pytest.raises(TableError, match=r"bare\.csv: has no votes; needed are the columns"):
        evaluate_model(model, str(bare), TINY, cache)


def test_simulated_eeg_and_a_training_folder_are_predicted_as_they_are_evaluated(place, model, cache, tmp_path):
    recipe = load_recipe(TINY, ["data.sim.patients=2", "data.sim.eegs_per_patient=1"])
    _, evaluated = evaluate_model(model, "sim", recipe, cache)
    pd.testing.assert_frame_equal(predict(model, "sim", recipe=recipe, cache=cache).frame, evaluated.frame)
    folder = tmp_path / "data"
    shutil.copytree(place.folder / "test_eegs", folder / "train_eegs")
    columns = {"eeg_id": [7, 11, 11], "eeg_sub_id": [0, 0, 1], "eeg_label_offset_seconds": [0, 2, 14]}
    save_table(pd.DataFrame(columns).assign(patient_id=1), folder / "train.csv")
    found = predict(model, str(folder), recipe=TINY, cache=cache)
    assert found.frame["window_id"].tolist() == ["7_0", "11_0", "11_1"]
    save_table(pd.DataFrame(columns).assign(patient_id=1, **dict.fromkeys(VOTE_COLUMNS, 1)), folder / "train.csv")
    _, evaluated = evaluate_model(model, str(folder), TINY, cache)
    pd.testing.assert_frame_equal(found.frame, evaluated.frame[list(found.frame.columns)])


def test_some_columns_of_votes_are_an_error(place, model, cache):
    table = pd.read_csv(place.manifest).drop(columns=["gpd_vote", "other_vote"])
    path = save_table(table, place.folder / "some.csv")
    with pytest.raises(TableError) as caught:
        predict(model, str(path), recipe=TINY, cache=cache)
    assert [line.partition(";")[0] for line in str(caught.value).splitlines()] == [
        f"{path}: 2 problems", "  - column 'gpd_vote' is missing", "  - column 'other_vote' is missing",
    ]  # fmt: skip


def test_contexts_are_those_of_test_spectrograms(own, cache, tmp_path):
    model = save(tmp_path / "model", "context", SMALL)
    (own / "test_spectrograms").mkdir()
    for number, eeg in enumerate(EEGS):
        path = own / "test_spectrograms" / f"{100 + int(eeg)}.parquet"
        spectrogram_table(300, seed=number).to_parquet(path)
    found = predict(model, str(own), tmp_path / "s.csv", TINY, cache)
    train = tmp_path / "train"
    for kind in ("eegs", "spectrograms"):
        shutil.copytree(own / f"test_{kind}", train / f"train_{kind}")
    table = pd.read_csv(own / "test.csv").iloc[:2].assign(eeg_sub_id=0, eeg_label_offset_seconds=[0, 7])
    table["spectrogram_label_offset_seconds"] = 0
    save_table(table.assign(**dict.fromkeys(VOTE_COLUMNS, 1)), train / "train.csv")
    _, evaluated = evaluate_model(model, str(train), TINY, cache)
    np.testing.assert_array_equal(shares_of(evaluated, "eeg_id"), shares_of(found).iloc[:2])
    spectrogram_table(299).to_parquet(path)
    with pytest.raises(TableError, match=rf"1 problem\n.*eeg_id 9: .*{path.name}: lasts 598 s"):
        predict(model, str(own), tmp_path / "t.csv", TINY, cache)
    path.unlink()
    with pytest.raises(TableError, match=r"1 problem\n.*1 of 5 windows have no context.*: 9\. .*test_spectrograms/"):
        predict(model, str(own), tmp_path / "t.csv", TINY, cache)


# What cannot be submitted


def test_one_error_lists_all_that_is_not_predicted_and_nothing_is_written(own, model, cache, tmp_path):
    eegs = own / "test_eegs"
    (eegs / "7.parquet").unlink()
    (eegs / "11.parquet").write_text("Fp1,F3\n1,2\n")
    write_eeg(eegs / "3.parquet", 0, 9.9)
    flat = simulate_eeg(2, 0, 0).samples
    flat[:12] = 0
    write_hms(eegs / "5.parquet", Recording.from_array(flat, CHANNELS, RATE_HZ))
    volts = Recording.from_array(simulate_eeg(2, 1, 0).samples / 1e6, CHANNELS, RATE_HZ)
    write_hms(eegs / "21.parquet", volts)
    tables = {name: pd.read_csv(own / name, dtype=str) for name in ("test.csv", "sample_submission.csv")}
    added = pd.DataFrame({"eeg_id": ["21"], "patient_id": ["2"], "spectrogram_id": ["1"]})
    save_table(pd.concat([tables["test.csv"], added]), own / "test.csv")
    sample = tables["sample_submission.csv"]
    save_table(pd.concat([sample, sample.head(1).assign(eeg_id="12")]), own / "sample_submission.csv")
    expected = [
        "eeg_id 12: in sample_submission.csv, but not in test.csv",
        "eeg_id 21: in test.csv, but not in sample_submission.csv",
        "7.parquet: there is no such file",
        "11.parquet: is not a Parquet file",
        "eeg_id 3: its central 10 s cannot be used: the model sees 50 s",
        "21.parquet: no electrode varies by more than",
    ]
    for _ in range(2):
        with pytest.raises(TableError) as caught:
            predict(model, str(own), tmp_path / "s.csv", TINY, cache)
        title, *problems = str(caught.value).splitlines()
        assert title == f"{own}: no submission can be made: {len(expected)} problems"
        assert [text for text in expected if sum(text in line for line in problems) != 1] == [], problems
        assert not list(tmp_path.glob("*s.csv*"))
        # of which EEGs too much is missing is known once all can be read
        write_eeg(eegs / "21.parquet", 1, 50)
        expected[-1] = "eeg_id 5: 58% of what the model uses is missing or flat; allowed is 50%"


def test_without_a_submission_what_is_mostly_missing_is_left_out_with_a_warning(own, model, cache):
    flat = simulate_eeg(2, 0, 0).samples
    flat[:12] = 0
    write_hms(own / "test_eegs" / "5.parquet", Recording.from_array(flat, CHANNELS, RATE_HZ))
    with pytest.warns(UserWarning, match="1 of 5 windows are left out.*: 5$"):
        found = predict(model, str(own), recipe=TINY, cache=cache)
    assert found.frame["eeg_id"].tolist() == ["7", "11", "3", "9"]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("test.csv", lambda table: pd.concat([table, table]), "lines 2, 7: eeg_id 7 found 2 times"),
        ("test.csv", lambda table: table.assign(eeg_id=["", *table["eeg_id"][1:]]), "line 2: eeg_id is empty"),
        ("test.csv", lambda table: table.assign(patient_id=[*"abBcd"]), "patient_id is B, b, which differ only in"),
        ("test.csv", lambda table: table.drop(columns="patient_id"), "column 'patient_id' is missing"),
        ("sample_submission.csv", lambda table: pd.concat([table, table]), "lines 2, 7: eeg_id 3 found 2 times"),
        ("sample_submission.csv", lambda table: table.drop(columns="lpd_vote"), "column 'lpd_vote' is missing"),
        ("sample_submission.csv", lambda table: table.assign(x=1), "has the columns x; allowed are eeg_id, seizure_"),
    ],
)
def test_wrong_tables_are_told(own, model, cache, tmp_path, name, change, message):
    save_table(change(pd.read_csv(own / name, dtype=str)), own / name)
    with pytest.raises(TableError, match=message) as caught:
        predict(model, str(own), tmp_path / "s.csv", TINY, cache)
    assert str(caught.value).startswith(str(own / name))
    assert not (tmp_path / "s.csv").exists()


def test_only_a_test_folder_has_submissions(place, own, model, tmp_path):
    (own / "sample_submission.csv").unlink()
    for data, lacking in (
        (own, "sample_submission.csv"),
        (place.manifest, "test.csv and no sample_sub"),
        ("sim", ""),
    ):
        with pytest.raises(TableError, match=rf"'{data}': has no {lacking}.*; a submission needs a folder with test"):
            predict(model, str(data), tmp_path / "s.csv", TINY)
    with pytest.raises(UsageError, match=r"s\.parquet: a submission is a CSV table"):
        predict(model, str(place.folder), tmp_path / "s.parquet", TINY)
    with pytest.raises(UsageError, match="nothing to write: name a file with --out, --submission or both"):
        call("predict", model, place.folder)


def test_the_competition_s_own_folder(shared_data, tmp_path):
    hms = shared_data / "hms"
    files = tmp_path / "p.parquet", tmp_path / "s.csv"
    done = call("predict", "default", hms, "--out", files[0], "--submission", files[1], "--cache", tmp_path / "cache")
    assert done.exit_code == 0, done.output
    made, sample = pd.read_csv(files[1]), pd.read_csv(hms / "sample_submission.csv")
    assert list(made.columns) == list(sample.columns)
    assert made["eeg_id"].tolist() == sample["eeg_id"].tolist()
    scored = score(hms / "test_eegs" / "3911565283.parquet").frame.set_index("start_s")
    expected = scored.loc[20.0, list(PROBABILITY_COLUMNS)].to_numpy(dtype=float)
    np.testing.assert_allclose(made[list(VOTE_COLUMNS)].to_numpy()[0], expected, atol=1e-4)
    np.testing.assert_allclose(
        shares_of(Predictions.read(files[0], with_votes=False)).to_numpy()[0], expected, atol=1e-4
    )
    damaged = tmp_path / "hms"
    shutil.copytree(hms, damaged)
    damaged.chmod(0o755)
    (damaged / "test_eegs").chmod(0o755)
    (damaged / "test_eegs" / "3911565283.parquet").unlink()
    shutil.copyfile(hms / "csv_named_as_parquet.parquet", damaged / "test_eegs" / "3911565283.parquet")
    with pytest.raises(TableError, match=r"eeg_id 3911565283: .*is not a Parquet file despite its suffix"):
        predict("default", str(damaged), tmp_path / "t.csv", cache=tmp_path / "cache")
