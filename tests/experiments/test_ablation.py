import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ictal
from ictal.core.predictions import PROBABILITY_COLUMNS, Predictions
from ictal.data import SimulatedDataset, write_folder
from ictal.errors import FoldError, RecipeError, RunError, TableError, UnknownNameError
from ictal.experiments.ablation import ablate
from ictal.experiments.ablation_plan import AblationSettings
from ictal.experiments.model_evaluation import evaluate_model
from ictal.experiments.train_model import train
from ictal.recipes import load_recipe
from ictal.simulator import SimulationSettings
from tests.conftest import TINY
from tests.helpers import undrawn


def test_every_window_is_predicted_once_by_a_model_that_did_not_see_its_patient(run):
    predictions = Predictions.read(run.folder / "predictions.parquet")
    assert predictions.arms == ["temporal", "spatial", "both", "features"]
    for arm in predictions.arms:
        cv = predictions.select(arm=arm, split="cv").frame
        test = predictions.select(arm=arm, split="test").frame
        assert cv["window_id"].is_unique
        assert len(cv) + test["window_id"].nunique() == 18
        assert (test.groupby("window_id").size() == 2).all()  # each fold's model predicts the test
        assert not {*cv["patient_id"]} & {*test["patient_id"]}
        assert len(cv[["patient_id", "fold"]].drop_duplicates()) == len(set(cv["patient_id"]))


def test_both_is_the_mean_of_the_two(run):
    predictions = Predictions.read(run.folder / "predictions.parquet")
    keys = ["window_id", "fold"]
    temporal, spatial, both = (
        predictions.select(arm=arm).frame.set_index(keys)[list(PROBABILITY_COLUMNS)].sort_index()
        for arm in ("temporal", "spatial", "both")
    )
    np.testing.assert_allclose(both, (temporal + spatial) / 2, atol=1e-12)


def test_the_run_folder_holds_what_made_it_and_what_came_out(run):
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert manifest["ictal_version"] == ictal.__version__
    assert manifest["windows"]["used"] == 18
    assert manifest["patients"] == 9
    assert manifest["test_patients"] == 2
    assert sum(manifest["patients_per_fold"]) == 7
    assert sum(manifest["windows_per_pattern"].values()) == pytest.approx(18, abs=6 * 0.0005)  # of three decimals
    trained = ("temporal", "spatial", "features")
    assert set(manifest["seconds"]) == {f"{arm}-fold{k}-seed0" for arm in trained for k in (0, 1)}
    for unit in (run.folder / "units").iterdir():
        assert {path.name for path in unit.iterdir()} == {
            *("model.safetensors", "card.json", "predictions.parquet", "done.json"),
            "penalties.csv" if unit.name.startswith("features") else "history.csv",
        }
    table = pd.read_csv(run.folder / "ablation.csv")
    assert table["arm"].tolist() == ["temporal", "spatial", "both", "features", "prior", "uniform", "floor"]
    np.testing.assert_allclose(table["test_minus_cv"], table["test_kl"] - table["cv_kl"])
    report = (run.folder / "report.html").read_text()
    assert all(f"{value:.3f}" in report for value in table["cv_kl"])
    shown = run._repr_html_()
    assert all(f"{value:.3f}" in shown for value in table["cv_kl"])
    assert "has the lowest KL in cross-validation" in shown
    assert "floor" in run.comparison._repr_html_()


def test_a_finished_run_is_not_done_again(run, cache, monkeypatch):
    monkeypatch.setattr("ictal.training.unit.train_arm", lambda *_: pytest.fail("trained again"))
    again = ablate("sim", TINY, out=run.folder, cache=cache)
    assert again.comparison.to_json() == run.comparison.to_json()


def test_a_run_on_the_written_folder_gives_the_same_table(run, cache, tmp_path):
    write_folder(SimulatedDataset(SimulationSettings(patients=9, eegs_per_patient=2)), tmp_path / "data")
    with undrawn():
        other = ablate(str(tmp_path / "data"), TINY, ["temporal"], tmp_path / "run", cache=cache)
    # The ids differ, so the folds may: what must agree is what was read.
    assert other.manifest["windows_per_pattern"] == run.manifest["windows_per_pattern"]
    assert other.manifest["windows"] == run.manifest["windows"]


def test_windows_with_missing_samples_are_counted_or_refused_and_said(cache, tmp_path):
    folder = tmp_path / "data"
    # With this seed no EEG lacks samples by itself.
    write_folder(SimulatedDataset(SimulationSettings(patients=9, eegs_per_patient=2, seed=4)), folder)
    for number, share in ((1, 0.1), (2, 0.9)):
        path = folder / "train_eegs" / f"{number}.parquet"
        table = pd.read_parquet(path)
        table.iloc[: int(share * len(table))] = np.nan
        table.to_parquet(path)
    table = pd.read_parquet(folder / "train_eegs" / "3.parquet")
    table["C3"] = 12.0
    table.iloc[:2000].to_parquet(folder / "train_eegs" / "3.parquet")
    with undrawn():
        made = ablate(str(folder), TINY, ["temporal"], tmp_path / "run", cache=cache)
    windows = made.manifest["windows"]
    assert (windows["used"], windows["refused"], windows["refused_ids"]) == (17, 1, ["2_0"])
    assert (windows["with_missing_samples"], windows["with_flat_electrodes"]) == (2, 1)
    assert windows["partly_made_up"] == 1
    report = (made.folder / "report.html").read_text()
    assert "1 windows (more than 50% of the samples missing or flat)" in report


def test_a_run_folder_of_another_recipe_or_data_is_refused(run, cache, tmp_path):
    changed = load_recipe(TINY, ["training.temporal.batch_size=2", "standardise.max_missing=0.4"])
    with pytest.raises(RunError) as caught:
        ablate("sim", changed, out=run.folder, cache=cache)
    for part in ("training.temporal.batch_size: 4 in the folder, 2 now", "max_missing: 0.5 in", "--out", "data:"):
        assert part in str(caught.value)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("not a run")
    with pytest.raises(RunError, match="contains files but no run"):
        ablate("sim", TINY, out=tmp_path / "notes", cache=cache)
    with pytest.raises(RunError, match="is a file"):
        ablate("sim", TINY, out=tmp_path / "notes" / "mine.txt", cache=cache)


def test_what_cannot_be_is_said_before_anything_is_read(monkeypatch, tmp_path):
    monkeypatch.setattr("ictal.experiments.data_source.prepare", lambda *_: pytest.fail("read the EEG"))
    with pytest.raises(UnknownNameError, match=r"unknown arm 'wave'; known are: temporal, spatial, both"):
        ablate("sim", TINY, ["wave"], tmp_path)
    with pytest.raises(RecipeError, match="no recipe 'fast'; known are default, finetune, paper, quick"):
        ablate("sim", "fast", out=tmp_path)
    with pytest.raises(FoldError, match=r"at most 7 folds are possible \(--folds 7\)"):
        ablate("sim", load_recipe(TINY, ["data.folds=8"]), out=tmp_path)
    with pytest.raises(TableError, match=r"'nowhere': no such folder or file"):
        ablate("nowhere", TINY, out=tmp_path)


def test_settings_are_one_object_or_single_keywords(tmp_path):
    asked = AblationSettings(controls=True, learning_curve=["temporal"])
    assert asked == AblationSettings().changed({"controls": True, "learning_curve": ("temporal",)})
    with pytest.raises(RunError, match="controls have no context"):
        ablate("sim", TINY, ["context"], tmp_path, asked.changed({"learning_curve": ()}))
    with pytest.raises(UnknownNameError, match="unknown setting 'control'; known are: augmentations, controls"):
        ablate("sim", TINY, control=True)
    with pytest.raises(UnknownNameError, match="unknown setting 'start'; known are: begin_with"):
        train("sim", "temporal", TINY, tmp_path, start="default")


def test_a_trained_model_is_evaluated_as_its_parts_say(cache, tmp_path):
    folder = train("sim", "both", TINY, tmp_path / "both", cache=cache)
    result, predictions = evaluate_model(folder, "sim", TINY, cache)
    assert result.n_windows == 18
    assert result.n_patients == 9
    model = ictal.load_model(folder)
    assert model.card.arm == "both"
    assert predictions.arms == ["both"]
    again, _ = evaluate_model(folder, "sim", TINY, cache)
    assert again.to_json() == result.to_json()


def test_a_unit_of_a_run_is_a_model(run, cache):
    unit = run.folder / "units" / "temporal-fold0-seed0"
    _, predictions = evaluate_model(unit, "sim", TINY, cache)
    own = Predictions.read(unit / "predictions.parquet").frame.set_index("window_id")
    new = predictions.frame.set_index("window_id").loc[own.index]
    columns = list(PROBABILITY_COLUMNS)
    np.testing.assert_allclose(new[columns], own[columns], atol=1e-6)


def start(out: Path, cache: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "ictal", "ablate", "sim", "--recipe", TINY]
    return subprocess.Popen(
        [*command, "--out", str(out), "--cache", str(cache)],
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, process: subprocess.Popen, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGKILL, "units/spatial-fold0-seed0/last.ckpt"),
        pytest.param(signal.SIGINT, "units/temporal-fold1-seed0/last.ckpt", marks=pytest.mark.slow),
    ],
)
def test_a_run_that_was_stopped_goes_on_to_the_same_table(run, cache, tmp_path, number, moment):
    out = tmp_path / "run"
    process = start(out, cache)
    wait_for((out / moment).exists, process)
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=60)
    if number == signal.SIGINT:
        assert process.returncode == 130, said
        assert "Repeat the same command" in said
        assert "Traceback" not in said
    assert not (out / "report.html").exists()
    done = {path.parent.name: path.stat().st_mtime_ns for path in out.glob("units/*/done.json")}
    assert done  # something was finished, and it is not done again
    for place in (out, out / "units" / "temporal-fold0-seed0"):
        (place / ".torn.json.1.part").write_text("{")  # as a kill in the midst of writing leaves it
    with undrawn():
        ablate("sim", TINY, out=out, cache=cache)
    assert done.items() <= {p.parent.name: p.stat().st_mtime_ns for p in out.glob("units/*/done.json")}.items()
    stopped, whole = (pd.read_parquet(path / "predictions.parquet") for path in (out, run.folder))
    pd.testing.assert_frame_equal(stopped, whole, check_exact=True)
    assert (out / "ablation.csv").read_text() == (run.folder / "ablation.csv").read_text()
    assert not list(out.rglob("*.part"))


def test_two_processes_do_not_work_in_one_folder(run, cache):
    from filelock import FileLock

    with FileLock(run.folder / ".lock"), pytest.raises(RunError, match="another process is using"):
        ablate("sim", TINY, out=run.folder, cache=cache)
