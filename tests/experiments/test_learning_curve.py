"""The learning curve of an ablation: who is trained on, and that it goes on where it stopped."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ictal.cli import app
from ictal.core.predictions import Predictions
from ictal.errors import RunError
from ictal.experiments.ablation import ablate
from ictal.experiments.learning_curve import curve_arms
from ictal.recipes import load_recipe
from ictal.training.run_folder import RunFolder, Unit
from tests.conftest import TINY
from tests.helpers import undrawn

RECIPE = load_recipe(TINY, ["data.sim.patients=12", "data.sim.eegs_per_patient=1", "data.test_share=0.15"])


@pytest.fixture(scope="module")
def curved(tmp_path_factory, cache):
    folder = tmp_path_factory.mktemp("curve") / "run"
    with undrawn():
        return ablate("sim", RECIPE, ["features", "temporal"], folder, cache=cache, learning_curve=["features"])


def test_fewer_patients_are_among_the_more_and_none_is_of_the_fold_or_the_test():
    patients = np.array([f"p{number // 3}" for number in range(90)], dtype=object)
    folds = np.array([-1, 0, 1, 2, 1])[np.arange(90) // 3 % 5]
    found = {n: Unit("features", 1, 0, n).training_rows(patients, folds) for n in (2, 5, None)}
    assert [len({*patients[rows]}) for rows in found.values()] == [2, 5, 12]
    assert {*found[2]} < {*found[5]} < {*found[None]}
    assert {*folds[found[None]]} == {0, 2}
    assert all(len(rows) % 3 == 0 for rows in found.values())  # whole patients
    other = Unit("features", 1, 1, 5).training_rows(patients, folds)
    assert {*other} != {*found[5]}


def test_the_curve_ends_in_the_figure_of_the_table(curved):
    points = curved.learning_curve.points
    assert [(point.n_patients, point.n_draws) for point in points] == [(2, 3), (5, 1)]
    assert points[-1].kl.value == pytest.approx(curved.comparison.arms[0].cv.value)
    told = json.loads((curved.folder / "ablation.json").read_text())["learning_curve"]
    assert told == json.loads(json.dumps(curved.learning_curve.to_json()))
    table = pd.read_csv(curved.folder / "learning_curve.csv")
    assert table["n_patients"].tolist() == [2, 5]
    report = (curved.folder / "report.html").read_text()
    assert "Would more patients help?" in report
    assert f"{points[0].kl.value:.3f}" in report


def test_units_of_the_curve_stay_out_of_the_table(curved, cache, tmp_path):
    predictions = Predictions.read(curved.folder / "predictions.parquet")
    assert predictions.arms == ["features", "temporal"]
    assert not predictions.frame.duplicated(["window_id", "arm", "fold"]).any()
    with undrawn():
        plain = ablate("sim", RECIPE, ["features", "temporal"], tmp_path / "run", cache=cache)
    assert plain.comparison.to_json() == curved.comparison.to_json()
    assert "Would more patients help?" not in (tmp_path / "run" / "report.html").read_text()
    own = RunFolder(curved.folder).predictions(Unit("features", 0, 2, 2)).frame
    assert {*own["split"]} == {"cv"}


def test_a_curve_that_was_stopped_goes_on(curved, cache, monkeypatch):
    folder = RunFolder(curved.folder)
    again = Unit("features", 1, 1, 2)
    (folder.unit(again) / "done.json").unlink()
    trained = []

    def stop(task, *_):
        trained.append(task.name)
        pytest.fail("stopped")

    monkeypatch.setattr("ictal.training.unit.train_arm", stop)
    with pytest.raises(pytest.fail.Exception):
        ablate("sim", RECIPE, ["features", "temporal"], curved.folder, cache=cache, learning_curve=["features"])
    assert trained == [again.name]
    monkeypatch.undo()
    with undrawn():
        same = ablate(
            "sim", RECIPE, ["features", "temporal"], curved.folder, cache=cache, learning_curve=["features"]
        )
    assert same.learning_curve == curved.learning_curve


def test_the_command_line_prints_the_curve(curved, cache):
    asked = ["ablate", "sim", "--recipe", TINY, "--arms", "features,temporal", "--learning-curve", "features"]
    sizes = [f"--set=data.{key}" for key in ("sim.patients=12", "sim.eegs_per_patient=1", "test_share=0.15")]
    made = CliRunner().invoke(app, [*asked, *sizes, "--out", str(curved.folder), "--cache", str(cache)])
    assert made.exit_code == 0, made.output
    assert "From 2 to 5 training patients the KL of features" in " ".join(made.output.split())


def test_arms_without_a_curve_are_refused_with_those_that_have_one(cache, tmp_path, monkeypatch):
    assert curve_arms(["E", "spatial"], ["temporal", "spatial"]) == ["spatial"]
    monkeypatch.setattr("ictal.experiments.data_source.prepare", lambda *_, **__: pytest.fail("read the EEG"))
    for arm in ("both", "features"):
        with pytest.raises(RunError, match=rf"no learning curve for {arm}; allowed are .*: temporal, spatial"):
            ablate("sim", TINY, ["both"], tmp_path / "run", cache=cache, learning_curve=[arm])
    with pytest.raises(RunError, match=r"no learning curve for fusion-finetuned; allowed .*: temporal, spatial"):
        ablate("sim", TINY, ["fusion-finetuned"], tmp_path / "run", cache=cache, learning_curve=["fusion-finetuned"])
