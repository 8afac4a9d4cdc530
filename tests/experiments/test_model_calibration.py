"""`ictal calibrate`: what it saves predicts exactly what was judged, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ictal.cli import app
from ictal.errors import RunError, TableError
from ictal.experiments.model_calibration import calibrate_model
from ictal.experiments.model_evaluation import evaluate_model
from ictal.experiments.train_model import train
from ictal.models.calibration import NO_CALIBRATION, CalibrationSettings
from ictal.models.checkpoint import load_model
from ictal.models.hub import NOT_A_DEVICE
from ictal.recipes import load_recipe
from tests.conftest import TINY
from tests.experiments.test_train_model import STILL
from tests.scoring.helpers import SMALL, save

PATIENTS = ["data.sim.patients=20", "data.sim.eegs_per_patient=1", "evaluation.n_resamples=500"]
OWN = SMALL.model_copy(update={"calibration": CalibrationSettings(temperature=1.5)})


@pytest.fixture(scope="module")
def recipe():
    return load_recipe(TINY, PATIENTS)


@pytest.fixture(scope="module", params=["temporal", "both"])
def model(request, tmp_path_factory) -> Path:
    """One network, and a mean of two, with a calibration of their own."""
    return save(tmp_path_factory.mktemp("models") / "mine", request.param, OWN, metrics={"KL on others": 0.4})


@pytest.fixture(scope="module")
def calibrated(model, recipe, cache, tmp_path_factory):
    out = tmp_path_factory.mktemp("calibrated") / "model"
    before = {file.name: file.read_bytes() for file in model.iterdir()}
    trial = calibrate_model(model, "sim", out, recipe, cache)
    assert {file.name: file.read_bytes() for file in model.iterdir()} == before
    return out, trial


def test_the_new_model_predicts_what_was_fitted(model, calibrated, recipe, cache):
    folder, trial = calibrated
    assert (folder / "model.safetensors").read_bytes() == (model / "model.safetensors").read_bytes()
    (_, before), (evaluated, after) = (evaluate_model(one, "sim", recipe, cache) for one in (model, folder))
    np.testing.assert_allclose(after.probabilities, trial.calibration.apply(before.probabilities), atol=1e-6)
    assert abs(after.probabilities - before.probabilities).max() > 0.02
    assert evaluated.kl.value < trial.before.value
    shares = {name: share.predicted for name, share in evaluated.calibration.shares.items()}
    assert shares == pytest.approx({name: after.probabilities[:, n].mean() for n, name in enumerate(shares)})


def test_the_card_says_what_was_fitted_to_what(model, calibrated):
    folder, trial = calibrated
    old, new = load_model(model).card, load_model(folder).card
    (record,) = new.calibrations
    assert (record.model, record.data) == ("mine", "sim (20 simulated patients, seed 0)")
    assert (record.n_windows, record.n_patients) == (trial.n_windows, 20)
    assert (record.kl, list(record.kl_interval)) == (trial.after.value, trial.after.interval)
    assert (record.difference, record.kl_before) == (trial.difference.value, trial.before.value)
    assert len(record.data_fingerprint) == 16
    assert new.calibration.temperature == trial.calibration.temperature
    same = {"calibration": old.calibration, "calibrations": (), "metrics": old.metrics}
    assert new.model_copy(update=same) == old  # with the networks' own calibration
    assert new.metrics == {}  # they were those of the other model
    assert NOT_A_DEVICE in new.warnings


def test_calibrating_again_goes_on_from_the_present_calibration(calibrated, recipe, cache, tmp_path):
    folder, first = calibrated
    second = calibrate_model(folder, "sim", tmp_path / "again", recipe, cache)
    assert abs(np.log(second.calibration.temperature)) < abs(np.log(first.calibration.temperature))
    card = load_model(tmp_path / "again").card
    assert [record.model for record in card.calibrations] == ["mine", "model"]
    product = first.calibration.temperature * second.calibration.temperature
    assert card.calibration.temperature == pytest.approx(product)


def test_training_begins_with_the_weights_without_the_calibration(model, calibrated, cache, tmp_path):
    """At no rate at all, a single network predicts as the model before its calibration."""
    folder, _ = calibrated
    old = load_model(model)
    still = load_recipe(TINY, STILL)
    new = load_model(train("sim", None, still, tmp_path / "model", cache=cache, begin_with=folder))
    assert new.card.calibration == NO_CALIBRATION
    assert new.card.calibrations == ()
    assert new.card.models.calibration == OWN.calibration
    assert new.card.begun_with.name == "model"
    if old.card.arm == "temporal":
        windows = np.random.default_rng(0).normal(0, 20, (3, 20, 10_000)).astype(np.float32)
        np.testing.assert_allclose(new.predict(windows), old.predict(windows), atol=1e-5)


def test_too_few_patients_and_a_folder_with_files_are_refused(model, cache, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(TableError, match="at least 20 patients, these are of 9"):
        calibrate_model(model, "sim", out, TINY, cache)
    assert not out.exists()
    for taken in (model, model / "card.json"):
        with pytest.raises(RunError, match="is not an empty folder; choose a new or empty folder with --out"):
            calibrate_model(model, "sim", taken, TINY, cache)


def test_the_command_prints_figures_and_a_verdict(model, cache, tmp_path):
    out = tmp_path / "model"
    sets = [word for one in PATIENTS for word in ("--set", one)]
    words = ["calibrate", str(model), "sim", "--recipe", TINY, *sets, "--cache", str(cache), "--out", str(out)]
    result = CliRunner().invoke(app, [*words, "--json", "-"], catch_exceptions=False)
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["n_patients"] == 20
    assert told["verdict"] in ("helps", "does not help", "not distinguished")
    for text in (
        "KL calibrated, out of fold",
        "mean share",
        str(out / "card.json"),
        "Fitted: temperature",
    ):
        assert text in result.stderr
