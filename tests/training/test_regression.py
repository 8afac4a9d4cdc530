"""The regression: its optimum, its penalty, and what it makes of data that lack something."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import minimize

from ictal.core.labels import VOTE_COLUMNS
from ictal.data import WindowArray
from ictal.errors import RecipeError, RunError, UnknownNameError
from ictal.experiments.ablation import ablate
from ictal.experiments.model_evaluation import evaluate_model
from ictal.experiments.train_model import train
from ictal.models.build import build_trained
from ictal.models.checkpoint import predict
from ictal.models.features import MOST
from ictal.models.model_settings import ModelSettings
from ictal.recipes import Recipe, load_recipe
from ictal.recipes.regression import RegressionSettings
from ictal.training.feature_fitting import PENALTIES, _log_concentration, fit_features
from ictal.training.regression import Examples, choose_penalty, fit_regression
from ictal.training.task import Task
from tests.conftest import TINY

SETTINGS = RegressionSettings(penalties=(0.1, 10.0, 1000.0), inner_folds=3)


def made(n: int, seed: int = 0, strength: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Return figures, of which the first six each speak for a pattern, and shares of votes."""
    rng = np.random.default_rng(seed)
    figures = rng.normal(size=(n, 9)) * np.geomspace(0.01, 100, 9) + 5
    logits = strength * (figures[:, :6] - 5) / np.geomspace(0.01, 100, 9)[:6]
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return figures, np.stack([rng.multinomial(12, row) for row in shares]) / 12


def examples(figures: np.ndarray, shares: np.ndarray, weights=None, patients=None) -> Examples:
    n = len(figures)
    weights = np.ones(n) if weights is None else weights
    return Examples(
        figures, shares, weights, np.ones(n), np.array(["p"] * n if patients is None else patients, object)
    )


def test_the_fit_is_the_least_penalised_kl():
    figures, shares = made(60)
    weights = np.random.default_rng(1).uniform(0.5, 2, 60)
    found = fit_regression(examples(figures, shares, weights), 5.0, MOST)
    inputs = np.vstack([((figures - found.centre) / found.spread).clip(-MOST, MOST), np.zeros(9)])
    targets, scaled = np.vstack([shares, np.full(6, 1 / 6)]), np.append(60 * weights / weights.sum(), 1)

    def loss(parameters: np.ndarray) -> float:
        matrix, bias = parameters[:54].reshape(6, 9), parameters[54:]
        logits = torch.from_numpy(inputs @ matrix.T + bias)
        cross = -(torch.from_numpy(targets) * logits.log_softmax(1)).sum(1).numpy()
        return float((scaled * cross).sum() + 2.5 * (matrix**2).sum())

    own = loss(np.concatenate([found.weights.ravel(), found.bias]))
    best = minimize(loss, np.zeros(60), method="L-BFGS-B", options={"maxfun": 200_000})
    assert own == pytest.approx(best.fun, rel=1e-4)
    np.testing.assert_allclose(found.centre, np.median(figures, axis=0))


def test_a_strong_penalty_is_chosen_where_there_is_nothing_to_learn_and_a_weak_one_where_there_is():
    rng, patients = np.random.default_rng(0), [f"p{number // 4}" for number in range(120)]
    figures, shares = made(120, strength=4.0)
    learnt, nothing = (
        choose_penalty(examples(figures, of, patients=patients), SETTINGS, MOST, 0.0, np.random.default_rng(0))
        for of in (shares, rng.permutation(shares))
    )
    assert learnt.penalty < nothing.penalty == 1000
    assert min(learnt.kl) < 0.6 * min(nothing.kl)
    assert learnt.kl[SETTINGS.penalties.index(learnt.penalty)] == min(learnt.kl)
    np.testing.assert_allclose(learnt.out_of_fold.sum(axis=1), 1)


def test_no_patient_is_judged_by_a_fit_that_saw_it():
    """Each patient has a figure of its own that gives its votes away; nobody else learns from it."""
    rng = np.random.default_rng(0)
    shares = np.repeat(np.eye(6)[rng.integers(0, 6, 30)], 4, axis=0)
    figures = np.repeat(np.eye(30), 4, axis=0) + 1e-3 * rng.normal(size=(120, 30))
    patients = [f"p{number // 4}" for number in range(120)]
    known = examples(figures, shares, patients=patients)
    settings = RegressionSettings(penalties=(0.01,), inner_folds=5)
    found = choose_penalty(known, settings, MOST, 0.05, np.random.default_rng(0))
    seen = fit_regression(known, 0.01, MOST).probabilities(figures)
    assert (seen * shares).sum(axis=1).mean() > 0.9
    assert (found.out_of_fold * shares).sum(axis=1).mean() < 0.3


def test_data_that_lack_a_pattern_or_a_second_patient_or_move_no_figure():
    figures, shares = made(20)
    shares[:, 2:] = 0
    shares[:, 0] = 1 - shares[:, 1]
    figures[:, 8] = 7.0
    found = fit_regression(examples(figures, shares), 1.0, MOST)
    probabilities = found.probabilities(figures)
    assert np.isfinite(probabilities).all()
    assert probabilities.min() > 0
    assert probabilities[:, 2:].max() < 0.1
    alone = choose_penalty(examples(figures, shares), SETTINGS, MOST, 0.0, np.random.default_rng(0))
    assert (alone.penalty, alone.out_of_fold) == (1000, None)


def windows(n: int) -> WindowArray:
    """Return windows of two kinds: a slow wave on one side, for LRDA, and noise, for other."""
    rng = np.random.default_rng(0)
    signals = rng.normal(0, 10, (n, 20, 10_000)).astype(np.float32)
    wave = 80 * np.sin(2 * np.pi * 1.5 * np.arange(10_000) / 200)
    votes = np.zeros((n, 6), dtype=int)
    for number in range(n):
        signals[number, [1, 2, 4, 5]] += (number % 2) * wave
        votes[number] = (0, 0, 0, 9, 0, 3) if number % 2 else (0, 0, 0, 1, 0, 11)
    labels = pd.DataFrame(votes, columns=VOTE_COLUMNS)
    labels["eeg_id"] = labels["window_id"] = [f"e{number}" for number in range(n)]
    labels["patient_id"] = [f"p{number // 2}" for number in range(n)]
    return WindowArray(labels, signals, labels.iloc[:0], "f")


@pytest.mark.parametrize("votes", ["distribution", "dirichlet"])
def test_the_network_says_what_the_regression_does(votes, tmp_path):
    array, told = windows(24), []
    network = build_trained("features", ModelSettings(votes=votes, lapse=0.06))
    task = Task("unit", "features", np.arange(20), np.arange(20, 24), 0)
    recipe = Recipe(name="test", training={"features": SETTINGS})
    fit_features(network, array, task, recipe, tmp_path, lambda *told_now: told.append(told_now))
    answer = predict(network, array.signals, task.valid)
    assert (answer.probabilities[[1, 3], 3] > 0.5).all()
    assert (answer.probabilities[[0, 2], 5] > 0.7).all()
    assert answer.probabilities.min() >= 0.01 - 1e-6
    assert (answer.concentrations is None) == (votes == "distribution")
    assert votes == "distribution" or len({*answer.concentrations}) == 1
    table = pd.read_csv(tmp_path / PENALTIES)
    assert table["penalty"].tolist() == list(SETTINGS.penalties)
    assert table["chosen"].sum() == 1
    assert table.loc[table["chosen"], "inner_kl"].item() == table["inner_kl"].min()
    assert told[-1] == ("unit", 1, 1)
    again = build_trained("features", ModelSettings(votes=votes, lapse=0.06))
    fit_features(again, array, task, recipe, tmp_path)
    assert all(torch.equal(one, other) for one, other in zip(network.parameters(), again.parameters(), strict=True))


def test_the_concentration_is_that_of_the_panels():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(6), 400)
    votes = np.stack([rng.multinomial(12, rng.dirichlet(8 * row)) for row in probabilities])
    assert np.exp(_log_concentration(probabilities, votes, np.ones(400))) == pytest.approx(8, rel=0.15)


def test_a_recipe_says_penalties_for_a_regression_and_for_nothing_else():
    recipe = load_recipe(TINY)
    assert isinstance(recipe.training["features"], RegressionSettings)
    assert load_recipe(TINY, ["training.features.penalties=[3]"]).training["features"].penalties == (3,)
    for override, words in (
        ("training.features={learning_rates: [0.1]}", "training.features.learning_rates: Extra inputs"),
        ("training.features={inner_folds: 3}", "training.features.penalties: Field required"),
        ("training.spatial={penalties: [1]}", "training.spatial.penalties: Extra inputs"),
        ("training.features.penalties=[]", "training.features.penalties: Tuple should have at least 1 item"),
        ("training.features.penalties=[0]", "training.features.penalties.0: Input should be greater than 0"),
        ("training.features={penalties: [1], stream: {}}", "training.features.stream: Extra inputs"),
    ):
        with pytest.raises(RecipeError) as caught:
            load_recipe(TINY, [override])
        assert words in str(caught.value)


def test_what_a_regression_cannot_do_is_said_at_once(cache, tmp_path, monkeypatch):
    model = train("sim", "features", TINY, tmp_path / "model", cache=cache)
    monkeypatch.setattr("ictal.experiments.data_source.DataSource.open", lambda *_, **__: pytest.fail("read the EEG"))
    with pytest.raises(RecipeError, match=r"fitted to all windows at once.*--arm features and without --from"):
        train("sim", None, TINY, tmp_path / "other", cache=cache, begin_with=model)
    with pytest.raises(UnknownNameError, match=r"unknown arm 'features\+mirror'"):
        ablate("sim", TINY, ["features+mirror"], tmp_path / "run", cache=cache)
    with pytest.raises(RunError, match=r"augmentations .* one arm that has its own network, not for features"):
        ablate("sim", TINY, ["features"], tmp_path / "run", cache=cache, augmentations=True)


def test_a_trained_regression_is_a_model_like_any_other(cache, tmp_path):
    folder = train("sim", "features", TINY, tmp_path / "model", cache=cache)
    assert {path.name for path in folder.glob("*.*")} >= {"model.safetensors", "card.json"}
    result, predictions = evaluate_model(folder, "sim", TINY, cache)
    assert predictions.arms == ["features"]
    assert result.kl.value < result.constant_kl.value  # on the windows that it was fitted to
