"""`ictal train` on a stream, killed and repeated; calibration; and training that begins with a saved model."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from safetensors.numpy import load_file
from typer.testing import CliRunner

from ictal.cli import app
from ictal.errors import RecipeError, RunError
from ictal.evaluation import calibrate_out_of_fold, fit_calibration, kl_divergence
from ictal.evaluation.calibration import patient_folds
from ictal.experiments import train_model
from ictal.experiments.ablation import ablate
from ictal.experiments.model_evaluation import evaluate_model
from ictal.experiments.train_model import ExportWarning, train
from ictal.models.arms import members
from ictal.models.calibration import CalibrationSettings
from ictal.models.checkpoint import load_model
from ictal.recipes import load_recipe
from ictal.recipes.loading import to_yaml
from ictal.recipes.schema import Recipe
from ictal.scoring.engines import WindowBatch, open_engine
from ictal.scoring.export_contract import read_contract
from tests.conftest import TINY

STREAMED = [
    "training.temporal.stream={windows: 16, lengths_s: [10.0], length_shares: [1.0]}",
    "training.temporal.learning_rates={peak: 0.01, epochs: 3, warm_up: 1}",
    "training.temporal.ema=0.9",
    "models.temporal.waveform.seconds=10",
    "calibration=temperature and bias",
    "trainer.workers=1",
    "trainer.accelerator=cpu",
]
STILL = [f"training.{arm}.learning_rates=[1.0e-12]" for arm in ("temporal", "spatial")]
"""So small a rate that the weights stay as they are."""


@pytest.mark.parametrize(("settings", "recipe"), [({}, "quick"), ({"begin_with": "default"}, "finetune")])
def test_the_default_recipe_is_quick_or_for_fine_tuning_finetune(monkeypatch, tmp_path, settings, recipe):
    def load(name: str) -> Recipe:
        raise RecipeError(f"asked for {name}")

    monkeypatch.setattr(train_model, "load_recipe", load)
    with pytest.raises(RecipeError, match=f"^asked for {recipe}$"):
        train("sim", out=tmp_path / "model", **settings)


def tensors(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "model.safetensors")


def same_weights(one: Path, other: Path) -> bool:
    a, b = tensors(one), tensors(other)
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("recipe") / "streamed.yaml"
    path.write_text(to_yaml(load_recipe(TINY, STREAMED)))
    return str(path)


@pytest.fixture(scope="module")
def streamed(tmp_path_factory, cache, recipe_file) -> Path:
    """A model that was trained on a stream and calibrated; nobody interrupted it."""
    return train("sim", "temporal", recipe_file, tmp_path_factory.mktemp("streamed") / "model", cache=cache)


def test_a_trained_model_is_exported(streamed):
    assert read_contract(streamed) is not None


def test_a_model_that_cannot_be_exported_is_saved_with_a_warning(tmp_path, cache, recipe_file, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no such operator")

    monkeypatch.setattr(torch.onnx, "export", fail)
    recipe = load_recipe(recipe_file, ["seed=5"])
    with pytest.warns(ExportWarning, match="cannot be exported as ONNX: RuntimeError: no such operator"):
        folder = train("sim", "temporal", recipe, tmp_path / "model", cache=cache)
    assert load_model(folder).card.arm == "temporal"
    assert read_contract(folder) is None


def wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.exhaustive)])
def test_a_training_that_was_stopped_goes_on_to_the_same_model(streamed, cache, recipe_file, tmp_path, number):
    out = tmp_path / "model"
    command = [sys.executable, "-m", "ictal", "train", "sim", "--arm", "temporal", "--recipe", recipe_file]
    process = subprocess.Popen(
        [*command, "--out", str(out), "--cache", str(cache)],
        stderr=subprocess.PIPE,
        text=True,
    )
    checkpoint, parent = out / "parts" / "temporal" / "last.ckpt", psutil.Process(process.pid)
    wait_for(lambda: process.poll() is None and checkpoint.exists() and parent.children())
    workers = parent.children(recursive=True)
    os.kill(process.pid, number)
    _, said = process.communicate(timeout=300)
    assert not (out / "card.json").exists()
    gone, left = psutil.wait_procs(workers, timeout=15)
    assert gone
    assert not left, "a worker must not outlive the one that trains"
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "Repeat the same command" in said
        assert "Traceback" not in said
    told = []
    train("sim", "temporal", recipe_file, out, cache=cache, progress=lambda *say: told.append(say))
    assert min(done for name, done, _ in told if name == "temporal") > 4  # the first epoch is not done again
    assert same_weights(out, streamed)
    assert (out / "card.json").read_text() == (streamed / "card.json").read_text()


def test_the_calibration_is_fitted_to_windows_that_the_stream_never_shows(streamed, cache, tmp_path, recipe_file):
    card = load_model(streamed).card
    plain = load_recipe(recipe_file, ["calibration=none"])
    uncalibrated = train("sim", "temporal", plain, tmp_path / "plain", cache=cache)
    assert same_weights(uncalibrated, streamed)
    assert load_model(uncalibrated).card.models.calibration == CalibrationSettings()
    _, before = evaluate_model(uncalibrated, "sim", plain, cache)
    evaluated, after = evaluate_model(streamed, "sim", plain, cache)
    fitted = fit_calibration(before.votes, before.probabilities, before.weights, with_bias=True)
    assert card.models.calibration.temperature == pytest.approx(fitted.temperature, rel=1e-6)
    np.testing.assert_allclose(card.models.calibration.bias, fitted.bias, atol=1e-6)
    np.testing.assert_allclose(after.probabilities, fitted.apply(before.probabilities), atol=1e-5)
    title = "KL on sim (9 simulated patients, seed 0)"
    halves = patient_folds(before.frame["patient_id"], 2, plain.seed)
    known = (before.votes, before.probabilities, before.weights, halves)
    judged = kl_divergence(before.votes, calibrate_out_of_fold(*known, with_bias=True)).mean()
    assert card.metrics[f"{title}, calibrated on the other half of the patients"] == pytest.approx(judged, rel=1e-6)
    assert judged > evaluated.kl.value  # of the fit to all, on what it was fitted to
    uncertain = f"{title}, before calibration"
    values = [card.metrics[name] for name in (f"{uncertain}, 95% from", uncertain, f"{uncertain}, to")]
    assert values == sorted(values)
    assert len({*values}) == 3


def test_the_card_tells_the_stream(streamed):
    card = json.loads((streamed / "card.json").read_text())
    assert card["data"] == "simulated EEG, a stream of 48 windows (seed 0)"
    assert card["models"]["calibration"].keys() == {"temperature", "bias"}
    assert card["begun_with"] is None


@pytest.fixture(scope="module")
def averaged(tmp_path_factory, cache, recipe_file) -> Path:
    """The mean of two networks of other seeds; the first is that of `streamed`."""
    recipe = load_recipe(
        recipe_file, ["seeds=2", "training.temporal.learning_rates={peak: 0.01, epochs: 2, warm_up: 1}"]
    )
    return train("sim", "temporal", recipe, tmp_path_factory.mktemp("averaged") / "model", cache=cache)


def test_several_seeds_make_a_mean_of_networks_that_saw_other_windows(averaged, cache, recipe_file, tmp_path):
    model, parts = load_model(averaged), [load_model(averaged / "parts" / f"temporal-seed{seed}") for seed in (0, 1)]
    assert (model.card.seeds, [part.card.seeds for part in parts]) == (2, [1, 1])
    assert [part.card.seed for part in parts] == [0, 1]
    assert [part.card.data for part in parts] == [
        f"simulated EEG, a stream of 32 windows (seed {seed})" for seed in (0, 1)
    ]
    assert model.card.data == "; ".join(part.card.data for part in parts)
    assert not same_weights(*(averaged / "parts" / f"temporal-seed{seed}" for seed in (0, 1)))
    windows = np.random.default_rng(0).normal(0, 20, (3, 20, 10_000)).astype(np.float32)
    calibration = model.card.models.calibration
    assert calibration != CalibrationSettings()
    for part in parts:
        part.network.calibration = calibration
    mean = np.mean([part.predict(windows) for part in parts], axis=0)
    np.testing.assert_allclose(model.predict(windows), mean, atol=1e-6)


def test_a_mean_of_networks_is_exported_and_fine_tuned_as_one(averaged, cache, tmp_path):
    windows = np.random.default_rng(1).normal(0, 20, (2, 20, 10_000)).astype(np.float32)
    expected = load_model(averaged).predict(windows)
    for window, mean in zip(windows, expected, strict=True):
        answer = open_engine(averaged, "onnxruntime")(WindowBatch(window, [0]))
        np.testing.assert_allclose(answer.probabilities[0], mean, atol=1e-4)
    still = load_recipe(TINY, STILL)
    tuned = load_model(train("sim", None, still, tmp_path / "tuned", cache=cache, begin_with=averaged))
    assert tuned.card.seeds == 2
    assert tuned.network.networks.keys() == {"temporal-seed0", "temporal-seed1"}


def test_training_begins_with_a_saved_model_whose_card_says_how(streamed, cache, tmp_path):
    """At no rate at all weights stay as they are, and so do arm, view, input and calibration."""
    recipe = load_recipe(TINY, [*STILL, "models.lapse=0.3"])
    folder = train("sim", None, recipe, tmp_path / "model", cache=cache, begin_with=streamed)
    ours, theirs = load_model(folder).card, load_model(streamed).card
    assert (ours.arm, ours.models, ours.standardise) == ("temporal", theirs.models, theirs.standardise)
    assert ours.begun_with.model_dump() == {"name": "model", "weights_sha256": theirs.weights_sha256}
    for name, tensor in tensors(folder).items():
        np.testing.assert_allclose(tensor, tensors(streamed)[name], atol=1e-9)
    with pytest.raises(RunError, match=r"initial model: .*model.* in the folder, None now"):
        train("sim", "temporal", recipe.model_copy(update={"models": ours.models}), folder, cache=cache)


def test_the_parts_of_an_average_begin_with_its_parts(cache, tmp_path):
    recipe = load_recipe(TINY, STILL)
    both = train("sim", "both", recipe, tmp_path / "both", cache=cache)
    again = train(
        "sim", "ER", recipe.model_copy(update={"seed": 5}), tmp_path / "again", cache=cache, begin_with=both
    )
    before, after = tensors(both), tensors(again)
    assert before.keys() == after.keys()
    for name in before:
        if "running" not in name and "tracked" not in name:  # batch normalisation settles on drawn windows
            np.testing.assert_allclose(after[name], before[name], atol=1e-9)


def test_what_disagrees_with_the_model_to_begin_with_is_refused_on_the_command_line(streamed, tmp_path):
    def say(*more: str) -> str:
        command = ["train", "sim", "--recipe", TINY, "--from", str(streamed), "--out", str(tmp_path / "no"), *more]
        result = CliRunner().invoke(app, command)
        assert isinstance(result.exception, RecipeError)
        return str(result.exception)

    assert "whose arm is 'temporal', not 'spatial'" in say("--arm", "spatial")
    assert "waveform.seconds: 10.0 in the model, None now" in say("--set", "models.temporal.waveform.seconds=null")
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("data", ["sim:null", "data/hms"])
def test_a_stream_is_for_sim_alone(recipe_file, tmp_path, data):
    for job in (train, ablate):
        arms = "temporal" if job is train else ["temporal"]
        with pytest.raises(RecipeError, match=f"stream of simulated windows.*'{data}' would never.*allowed is 'sim'"):
            job(data, arms, recipe_file, tmp_path) if job is train else job(data, recipe_file, arms, tmp_path)


def test_a_calibration_needs_windows_that_were_not_trained_on(tmp_path):
    recipe = load_recipe(TINY, ["calibration=temperature"])
    with pytest.raises(RecipeError, match=r"all windows are used for training.*allowed without a stream is 'none'"):
        train("sim", "temporal", recipe, tmp_path)
    half = load_recipe(TINY, ["calibration=temperature", "training.temporal.stream={windows: 8}"])
    with pytest.raises(RecipeError, match="all windows are used for training"):
        train("sim", "both", half, tmp_path)


def test_the_recipes_for_the_shipped_model_name_their_arm():
    for name in ("default", "finetune"):
        made: Recipe = load_recipe(name)
        assert [*made.training] == ["symmetric", "spatial"]
        streams = [training.stream for training in made.training.values()]
        assert all(streams) if name == "default" else not any(streams)
    assert members("SE", load_recipe("simulated").seeds) == {
        **{f"symmetric-seed{number}": "symmetric" for number in range(3)},
        "spatial": "spatial",
    }
    seeds = [training.stream.seed for training in load_recipe("simulated").training.values()]
    assert seeds == [0, 3]  # streams 0 to 2 are those of the three symmetric networks


def test_seeds_by_arm_make_a_mean_of_different_networks_that_is_calibrated(cache, tmp_path):
    """The way in which 'default' is made: no arm is named, and the arms have different numbers of networks."""
    content = load_recipe(TINY).model_dump(mode="json")
    small = {"learning_rates": [0.001], "batch_size": 4, "stream": {"windows": 8}}
    content |= {"seeds": {"symmetric": 2}, "calibration": "temperature"}
    content["training"] = {"symmetric": small, "spatial": small}
    recipe = Recipe.model_validate(content)
    model = load_model(train("sim", None, recipe, tmp_path / "model", cache=cache))
    assert (model.card.arm, model.card.seeds) == ("SE", {"symmetric": 2})
    assert [*model.network.networks] == ["symmetric-seed0", "symmetric-seed1", "spatial"]
    assert model.card.models.calibration.temperature != 1
    tuned = load_model(
        train("sim", None, load_recipe(TINY, STILL), tmp_path / "tuned", cache=cache, begin_with=tmp_path / "model")
    )
    assert tuned.card.seeds == {"symmetric": 2}
    with pytest.raises(RecipeError, match=r"an ablation trains all arms from the same seeds; allowed is one number"):
        ablate("sim", recipe, ["symmetric"], tmp_path / "run", cache=cache)
    with pytest.raises(
        RecipeError, match=r"seeds: \['volume'\] are not trained; allowed are \['symmetric', 'spatial'\]"
    ):
        load_recipe("simulated", ["seeds={volume: 2}"])
