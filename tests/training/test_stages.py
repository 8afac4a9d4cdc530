import math
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from ictal.core.labels import VOTE_COLUMNS, panel_size
from ictal.data import WindowArray
from ictal.errors import RecipeError, UnknownNameError
from ictal.models.build import build
from ictal.recipes import TrainingSettings, load_recipe
from ictal.recipes.schema import TrainerSettings
from ictal.recipes.stages import Stage
from ictal.training.batches import draw_epoch
from ictal.training.lightning_module import ForgettingWarning
from ictal.training.losses import panel_loss
from ictal.training.run_folder import Unit
from ictal.training.task import HISTORY
from ictal.training.trainer import fit
from tests.conftest import TINY
from tests.training.test_loop import MODELS, array, network, recipe, state, task  # noqa: F401 - a fixture

FEW_THEN_MANY = TrainingSettings(
    population="few",
    learning_rates=(0.01, 0.01),
    batch_size=4,
    precision="32",
    then=(Stage(population="many", learning_rates=(0.001,)),),
)


@pytest.fixture
def panels_of_both_kinds(array: WindowArray) -> WindowArray:  # noqa: F811
    """The array with few votes in every second EEG, and many in the others."""
    labels = array.labels.copy()
    many = (labels["eeg_id"].str[1:].astype(int) % 2).to_numpy()
    votes = np.eye(6, dtype=int)[np.arange(len(labels)) % 6] * np.where(many, 12, 3)[:, None]
    labels[list(VOTE_COLUMNS)] = votes
    return WindowArray(labels, array.signals, array.refused, "panels")


def sizes(made: WindowArray, rows: np.ndarray) -> list[int]:
    return panel_size(made.labels[list(VOTE_COLUMNS)].to_numpy()[rows]).tolist()


def test_a_stage_draws_from_its_population_and_mixes_in_the_share_that_it_says(panels_of_both_kinds):
    made, rows, rng = panels_of_both_kinds, np.arange(24), np.random.default_rng(0)
    assert sorted(sizes(made, draw_epoch(made, rows, Stage(), rng))) == [3] * 6 + [12] * 6
    assert sizes(made, draw_epoch(made, rows, Stage(population="few"), rng)) == [3] * 6
    assert sizes(made, draw_epoch(made, rows, Stage(population="many"), rng)) == [12] * 6
    mixed = draw_epoch(made, rows, Stage(population="many", mix=0.25), rng)
    assert sorted(sizes(made, mixed)) == [3] * 2 + [12] * 6
    assert (
        len({tuple(sizes(made, draw_epoch(made, rows, Stage(population="many", mix=0.25), rng))) for _ in range(9)})
        > 3
    )


def test_stages_follow_each_other_with_their_rates_and_windows(panels_of_both_kinds, tmp_path):
    seen = []
    made = panels_of_both_kinds
    trained = network()
    inner = trained.panel
    index = {made.signals[row, 0, 0].item(): row for row in range(24)}
    trained.panel = lambda windows, contexts=None: (
        seen.append([index[value] for value in windows[:, 0, 0].tolist()] if trained.training else None),
        inner(windows, contexts),
    )[1]
    fit(trained, made, task(), recipe(FEW_THEN_MANY), tmp_path)
    history = pd.read_csv(tmp_path / HISTORY)
    assert history["stage"].tolist() == [1, 1, 2]
    assert history["learning_rate"].tolist() == [0.01, 0.01, 0.001]
    assert np.isfinite(history[["valid_kl", "valid_kl_few", "valid_kl_many"]]).all(axis=None)
    of_training = [sizes(made, np.array(rows)) for rows in seen if rows]
    assert of_training == [[3] * 4, [3] * 4, [12] * 4]


def test_a_run_that_broke_off_in_the_second_stage_goes_on_to_the_same_weights(panels_of_both_kinds, tmp_path):
    settings = FEW_THEN_MANY.model_copy(
        update={"then": (Stage(population="many", learning_rates=(0.001, 0.001, 0.001)),)}
    )
    whole = state(fit(network(), panels_of_both_kinds, task(), recipe(settings), tmp_path / "whole"))

    def break_off(name: str, done: float, total: float) -> None:
        if done == 4:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fit(network(), panels_of_both_kinds, task(), recipe(settings), tmp_path / "broken", break_off)
    again = state(fit(network(), panels_of_both_kinds, task(), recipe(settings), tmp_path / "broken"))
    assert all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))


def test_a_stage_without_windows_is_refused_before_training(array, tmp_path):  # noqa: F811
    labels = array.labels.copy()
    labels[list(VOTE_COLUMNS)] = np.eye(6, dtype=int)[0] * 3
    few = WindowArray(labels, array.signals, array.refused, "few")
    with pytest.raises(RecipeError, match="windows with many votes, but none of the 16 training windows has many"):
        fit(network(), few, task(), recipe(FEW_THEN_MANY), tmp_path)
    with pytest.raises(ValueError, match=r"mix is 0\.2; it needs population"):
        Stage(mix=0.2)


@pytest.mark.slow
def test_the_guard_tells_of_a_population_that_was_forgotten(panels_of_both_kinds, tmp_path):
    # What few-vote windows show is the opposite of what many-vote windows show; the second stage unlearns it.
    labels, signals = panels_of_both_kinds.labels.copy(), panels_of_both_kinds.signals.copy()
    many = panel_size(labels[list(VOTE_COLUMNS)].to_numpy()) > 9
    loud = np.arange(len(labels)) % 2 == 0
    signals[loud, 0] += 60
    labels[list(VOTE_COLUMNS)] = 0
    labels.loc[loud != many, "seizure_vote"] = np.where(many, 12, 3)[loud != many]
    labels.loc[loud == many, "other_vote"] = np.where(many, 12, 3)[loud == many]
    made = WindowArray(labels, signals, panels_of_both_kinds.refused, "opposed")
    settings = TrainingSettings(
        population="few",
        learning_rates=(0.02,) * 12,
        batch_size=2,
        precision="32",
        then=(Stage(population="many", learning_rates=(0.02,) * 8),),
    )
    with pytest.warns(
        ForgettingWarning, match=r"unit: stage 2, on windows with many votes, raised the KL of windows with few"
    ):
        fit(network(), made, task(), recipe(settings), tmp_path / "alone")
    mixed = settings.model_copy(update={"then": (Stage(population="many", mix=0.5, learning_rates=(0.02,) * 8),)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ForgettingWarning)
        fit(network(), made, task(), recipe(mixed), tmp_path / "mixed")
    alone, kept = (pd.read_csv(tmp_path / name / HISTORY)["valid_kl_few"].iloc[-1] for name in ("alone", "mixed"))
    assert kept < alone


def test_a_stage_of_the_head_leaves_what_is_below_as_it_is(array, tmp_path):  # noqa: F811
    models = MODELS.model_dump()
    models["temporal"]["wavenet"]["norm"] = "batch"
    made = build("temporal", type(MODELS).model_validate(models))
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    settings = TrainingSettings(learning_rates=(0.01,), batch_size=4, precision="32", trains="head")
    trained = fit(made, array, task(), recipe(settings), tmp_path)
    after = trained.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    below = {name for name in changed if not name.startswith("network.head.")}
    # Batch normalisation takes the statistics of the training windows at the end, whatever was trained.
    assert all("running" in name or "num_batches" in name for name in below)
    assert {name for name in before if name.startswith("network.head.")} <= changed
    assert all(parameter.requires_grad for parameter in trained.parameters())


def test_the_panel_loss_is_the_likelihood_of_the_votes():
    from ictal.evaluation.vote_likelihood import log_likelihood

    rng = np.random.default_rng(0)
    votes, logits = rng.integers(0, 6, (7, 6)), rng.normal(size=(7, 6))
    votes[:, 0] += 1
    concentration = rng.uniform(0.5, 50, 7)
    loss = panel_loss(*(torch.from_numpy(values).float() for values in (logits, concentration, votes)))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    # but for the multinomial coefficient
    n = votes.sum(axis=1)
    orders = [math.lgamma(a + 1) - sum(math.lgamma(v + 1) for v in row) for a, row in zip(n, votes, strict=True)]
    expected = log_likelihood(votes, probabilities, concentration) - orders
    np.testing.assert_allclose(-loss.numpy(), expected, rtol=1e-4)


@pytest.mark.slow
def test_the_dirichlet_head_learns_how_far_panels_stray(array, tmp_path):  # noqa: F811
    # Loud windows: panels of one mind, on any pattern; quiet ones: panels that spread evenly.
    rng = np.random.default_rng(0)
    labels, signals = array.labels.copy(), array.signals.copy()
    loud = np.arange(24) % 2 == 0
    signals[loud, 0] += 60
    votes = np.full((24, 6), 2)
    votes[loud] = 12 * np.eye(6, dtype=int)[rng.integers(0, 6, loud.sum())]
    labels[list(VOTE_COLUMNS)] = votes
    made = WindowArray(labels, signals, array.refused, "panels")
    models = MODELS.model_copy(update={"votes": "dirichlet"})
    settings = TrainingSettings(learning_rates=(0.03,) * 30, batch_size=4, precision="32", likelihood_weight=0.3)
    torch.manual_seed(0)  # of the first weights, which other tests would move
    trained = fit(build("temporal", models), made, task(), recipe(settings), tmp_path)
    with torch.inference_mode():
        logits, concentration = trained.panel(torch.from_numpy(signals))
    assert logits.shape == (24, 6)
    assert concentration[~loud].min() > 5 * concentration[loud].max()


def test_overrides_reach_a_later_stage():
    then = "training.temporal.then=[{population: many, learning_rates: [0.1], mix: 0}]"
    made = load_recipe(TINY, [then, "training.temporal.then.0.mix=0.5"])
    assert made.training["temporal"].then == (Stage(population="many", learning_rates=(0.1,), mix=0.5),)
    with pytest.raises(RecipeError, match=r"no key 'training.temporal.then.1.mix'"):
        load_recipe(TINY, ["training.temporal.then.1.mix=0.5"])


def test_the_name_of_an_arm_says_what_is_changed_in_its_augmentation():
    recipe = load_recipe(TINY, ["training.temporal.augment.mirror=0.3"])
    assert recipe.training_of("temporal+no-mirror").augment.mirror == 0
    assert recipe.training_of("temporal+reverse").augment.reverse == 0.5
    assert recipe.training_of("temporal+reverse").augment.mirror == 0.3
    assert recipe.variants_of("context") == ["context+mirror", "context+reverse", "context+mixup"]
    assert "symmetric+mirror" not in recipe.variants_of("symmetric")
    one, other = Unit("temporal", 1, 2), Unit("temporal+reverse", 1, 2)
    assert one.seed_name == other.seed_name == one.name != other.name
    names = recipe.variants_of("temporal")
    assert names[0] == "temporal+no-mirror"
    assert "temporal+mixup" in names
    with pytest.raises(UnknownNameError, match="unknown augmentation 'colour'; known are: mirror"):
        recipe.training_of("temporal+colour")


def test_a_stage_of_the_head_alone_needs_processes_that_do_not_wait_for_the_rest(array, tmp_path):  # noqa: F811
    settings = TrainingSettings(learning_rates=(0.01,), batch_size=4, trains="head")
    trainer = TrainerSettings(accelerator="cpu", devices=2, strategy="ddp_spawn")
    with pytest.raises(RecipeError, match="allowed is ddp_spawn_find_unused_parameters_true"):
        fit(network(), array, task(), recipe(settings, trainer), tmp_path)


def test_parameters_beside_the_modules_are_held_with_what_is_below_the_head(array, tmp_path):  # noqa: F811
    settings = TrainingSettings(learning_rates=(0.01,), batch_size=4, precision="32", trains="head")
    small = {"volume": {"volume": {"n_mels": 8, "width": 40}, "network": {"widths": [4, 8]}}}
    made = build("volume", type(MODELS).model_validate(small))
    before = made.network.place.detach().clone()
    trained = fit(made, array, replace(task(), arm="volume"), recipe(settings, arm="volume"), tmp_path)
    assert torch.equal(trained.network.place, before)


def test_large_concentrations_have_gradients_that_are_right():
    votes = torch.tensor([[8.0, 5.0, 1.0, 0.0, 0.0, 0.0]])
    for log_concentration in (2.0, 6.0, 9.0):
        gradients = []
        for kind in (torch.float32, torch.float64):
            parameter = torch.tensor([log_concentration], dtype=kind, requires_grad=True)
            panel_loss(torch.zeros(1, 6, dtype=kind), parameter.exp(), votes.to(kind)).sum().backward()
            gradients.append(float(parameter.grad))
        assert gradients[0] == pytest.approx(gradients[1], rel=1e-3, abs=1e-7)
