"""What `ablate` does with arms beside the study's three; the networks are the smallest, so figures mean nothing."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ictal.cli import app
from ictal.core.labels import PATTERNS
from ictal.core.predictions import PROBABILITY_COLUMNS, Predictions
from ictal.errors import RunError, TableError, UnknownNameError
from ictal.experiments.ablation import ablate
from ictal.experiments.train_model import train
from ictal.experiments.window_explanation import explain_window
from ictal.models.arms import ARMS, WEIGHTED
from ictal.recipes import load_recipe
from ictal.recipes.augmentation import AUGMENTATIONS
from tests.conftest import TINY
from tests.helpers import undrawn

ONE_EPOCH = [f"training.{arm}.learning_rates=[0.001]" for arm in ("temporal", "spatial")]
AVERAGES = [name for name, arm in ARMS.items() if arm.parts]
EVERY = [*ARMS, *(f"{name}{WEIGHTED}" for name in AVERAGES)]
SOME = ["temporal", "spatial", "both", "fusion-finetuned", "features", "both-weighted"]
"""Arms of every kind: networks, one that begins with others, a regression, and averages without and with weights."""


@pytest.fixture(scope="module", params=[SOME, pytest.param(["all"], marks=pytest.mark.slow)], ids=["some", "all"])
def everything(request, tmp_path_factory, cache):
    # With several penalties, inner folds choose one, and these depend on the seed.
    few = ["training.features.penalties=[30]", "evaluation.n_resamples=100"]
    recipe = load_recipe(TINY, [*ONE_EPOCH, "seeds=2", "models.votes=dirichlet", *few])
    with undrawn():
        return ablate("sim", recipe, request.param, tmp_path_factory.mktemp("all") / "run", cache=cache)


def test_arms_of_every_kind_come_in_one_report(everything):
    names = [arm.name for arm in everything.comparison.arms]
    assert names in (SOME, EVERY)
    report = (everything.folder / "report.html").read_text()
    for name in names:
        assert f"<b>{name}</b>" in report
    for words in (
        "has the lowest KL in cross-validation",
        "Compared with single branches",
        "1–9 votes",
        "between 2 seeds",
    ):
        assert words in report
    joint = {"fusion", "fusion-finetuned"} & {*names}
    assert {found.pair.a for found in everything.comparison.interactions} == joint
    told = json.loads((everything.folder / "ablation.json").read_text())
    n_pairs = len(names) * (len(names) - 1) // 2
    assert sum(d["split"] == "cv" for d in told["differences"]) == n_pairs + 2 * len(names)
    for arm in told["arms"]:
        assert arm["variance"]["n_seeds"] == 2
        # A regression has no first weights and no order of windows, so that another seed is no other model.
        assert (arm["variance"]["seed_sd"] > 0) == (arm["name"] != "features")
        predicts = arm["panel_log_likelihood"]["predicted"] is not None
        assert predicts == (not ARMS[arm["name"].removesuffix(WEIGHTED)].parts)


def test_every_seed_and_fold_predicts_each_window_once(everything):
    frame = Predictions.read(everything.folder / "predictions.parquet").frame
    cv = frame[frame["split"] == "cv"]
    assert not cv.duplicated(["window_id", "arm", "seed"]).any()
    assert set(cv["seed"]) == {0, 1}
    units = {path.name for path in (everything.folder / "units").iterdir()}
    trained = [arm.name for arm in everything.comparison.arms if arm.name in ARMS and not ARMS[arm.name].parts]
    assert units == {f"{arm}-fold{fold}-seed{seed}" for arm in trained for fold in (0, 1) for seed in (0, 1)}


def test_what_is_finetuned_begins_with_the_units_of_its_own_fold_and_seed(everything, cache):
    from safetensors.torch import load_file

    def tensors(unit: str) -> dict:
        return load_file(everything.folder / "units" / unit / "model.safetensors")

    joined = tensors("fusion-finetuned-fold1-seed1")
    branch = {key.removeprefix("network.branches.temporal."): v for key, v in joined.items() if "temporal" in key}

    def distance(unit: str) -> float:
        own = {key.removeprefix("network."): value for key, value in tensors(unit).items()}
        return sum(float((own[key] - value).abs().sum()) for key, value in branch.items() if "running" not in key)

    # One step at a rate of 0.0001 has moved it a little; another fold or seed is elsewhere.
    near = distance("temporal-fold1-seed1")
    assert near < 0.2 * min(distance("temporal-fold0-seed1"), distance("temporal-fold1-seed0"))


def test_weighted_averages_lie_between_their_parts(everything):
    frame = Predictions.read(everything.folder / "predictions.parquet").frame
    keys, columns = ["window_id", "fold", "seed"], list(PROBABILITY_COLUMNS)
    parts = [frame[frame["arm"] == arm].set_index(keys)[columns].sort_index() for arm in ("temporal", "spatial")]
    mean = frame[frame["arm"] == "both-weighted"].set_index(keys)[columns].sort_index()
    low, high = np.minimum(*parts), np.maximum(*parts)
    assert ((mean >= low - 1e-9) & (mean <= high + 1e-9)).all(axis=None)
    weights = everything.comparison.ensembles["both-weighted"]
    assert set(weights) == {"fold 0", "fold 1"}
    assert all(sum(row) == pytest.approx(1) for row in weights.values())


def test_a_unit_says_its_own_seed(everything):
    for seed in (0, 1):
        card = json.loads((everything.folder / "units" / f"temporal-fold0-seed{seed}" / "card.json").read_text())
        assert card["seed"] == seed
    assert everything.comparison.arms[0].evaluations["cv"].n_windows < 18  # windows, not rows of both seeds


def test_augmentations_are_compared_with_the_arm_as_it_is(cache, tmp_path):
    recipe = load_recipe(TINY, ["training.temporal.learning_rates=[0.001]", "training.temporal.augment.mirror=0.5"])
    with undrawn():
        made = ablate("sim", recipe, ["temporal"], tmp_path / "run", cache=cache, augmentations=True)
    names = [arm.name for arm in made.comparison.arms]
    assert names[:3] == ["temporal", "temporal+no-mirror", "temporal+swap_neighbours"]
    assert {d.b for d in made.comparison.to_reference("cv")} == {"temporal"}
    assert len(made.comparison.to_reference("cv")) == len(names) - 1 == len(AUGMENTATIONS)
    frame = Predictions.read(made.folder / "predictions.parquet")
    assert not np.array_equal(frame.select(arm=names[0]).probabilities, frame.select(arm=names[1]).probabilities)
    assert len(made.comparison.between("cv")) == len(AUGMENTATIONS)  # not of variants with each other
    with pytest.raises(RunError, match="one arm that has its own network, not for both"):
        ablate("sim", recipe, ["both"], tmp_path / "other", cache=cache, augmentations=True)


def test_controls_stand_in_the_same_report(cache, tmp_path):
    few = ["evaluation.n_resamples=100", "data.sim.patients=6", "data.sim.eegs_per_patient=1"]
    recipe = load_recipe(TINY, ["training.temporal.learning_rates=[0.001]", *few])
    with undrawn():
        made = ablate("sim", recipe, ["temporal"], tmp_path / "run", cache=cache, controls=True)
    assert list(made.controls) == ["temporal", "spatial", "joint", "null"]
    report = (made.folder / "report.html").read_text()
    assert "Can each arm see what it should?" in report
    for control in made.controls.values():
        assert f"{control.arms[0].cv.value:.3f}" in report
    assert json.loads(json.dumps(made.to_json()))["controls"]["joint"]["arms"][0]["name"] == "temporal"


def test_arms_that_cannot_be_are_refused_before_anything_is_read(monkeypatch, cache, tmp_path):
    monkeypatch.setattr("ictal.experiments.data_source.prepare", lambda *_, **__: pytest.fail("read the EEG"))
    with pytest.raises(
        UnknownNameError, match="unknown arm 'temporal-weighted'; known are: both-weighted, KE-weighted"
    ):
        ablate("sim", TINY, ["temporal-weighted"], tmp_path / "run")
    with pytest.raises(UnknownNameError, match="unknown augmentation 'colour'"):
        ablate("sim", TINY, ["temporal+colour"], tmp_path / "run")
    with pytest.raises(TableError, match="EEGs of a control last 50 s and have no context"):
        ablate("sim:joint", TINY, ["context"], tmp_path / "run")
    with pytest.raises(RunError, match="controls have no context, which context, KE need"):
        ablate("sim", TINY, ["context", "KE"], tmp_path / "run", controls=True)


def test_a_model_that_was_finetuned_is_saved_whole(cache, tmp_path):
    folder = train("sim", "fusion-finetuned", load_recipe(TINY, ONE_EPOCH), tmp_path / "model", cache=cache)
    card = json.loads((folder / "card.json").read_text())
    assert card["arm"] == "fusion-finetuned"


def test_a_window_is_explained_from_the_command_line(run, tmp_path):
    unit = run.folder / "units" / "temporal-fold0-seed0"
    asked = f"explain {unit} sim --recipe {TINY} --window p3e1_0 --pattern lpd --check".split()
    made = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "why.svg"), "--json", str(tmp_path / "why.json")])
    assert made.exit_code == 0, made.output
    assert (tmp_path / "why.svg").read_text().startswith("<?xml")
    told = json.loads((tmp_path / "why.json").read_text())
    assert told["pattern"] == "lpd"
    assert -1 <= told["correlation_with_random_weights"] <= 1
    assert "Rank correlation with an explanation under random weights" in made.output
    found = explain_window(unit, "sim", "p3e1_0", methods=("occlusion",), recipe=TINY)
    assert found.missing is not None
    assert found.missing.shape == found.window.shape
    assert np.isfinite(found.recorded[~found.missing]).all()
    with pytest.raises(TableError, match="no window 'p99e0_0'; known are p0e0_0, p0e1_0"):
        explain_window(unit, "sim", "p99e0_0", recipe=TINY)


def test_experts_from_the_command_line(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 6, 80)
    table = pd.DataFrame({"window_id": np.arange(80)})
    for expert in ("ann", "bob", "cem", "dora", "eve"):
        said = np.where(rng.random(80) < 0.75, truth, rng.integers(0, 6, 80))
        table[expert] = np.asarray(PATTERNS)[said]
    table[list(PROBABILITY_COLUMNS)] = 0.7 * np.eye(6)[truth] + 0.05
    table.to_csv(tmp_path / "labels.csv", index=False)
    made = CliRunner().invoke(app, ["experts", str(tmp_path / "labels.csv"), "--json", str(tmp_path / "e.json")])
    assert made.exit_code == 0, made.output
    assert "the model agrees better than the expert in 5 of 5 cases" in made.output
    told = json.loads((tmp_path / "e.json").read_text())
    assert [row["expert"] for row in told["experts"]] == ["ann", "bob", "cem", "dora", "eve"]
    assert told["model"]["value"] > told["expert"]["value"]
    assert told["calibrated_kl"]["temperature"]["value"] < told["kl"]["value"]
