"""Training on a stream: the same windows whatever the workers, the average of weights, one cycle, and going on."""

import multiprocessing
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from ictal.core.labels import VOTE_COLUMNS
from ictal.core.windows import cut
from ictal.data.simulated_stream import Stream, StreamSettings
from ictal.distributed import n_processors
from ictal.errors import RecipeError
from ictal.models.build import build
from ictal.models.model_settings import ModelSettings
from ictal.preprocessing.settings import StandardiseSettings
from ictal.recipes import TrainingSettings, load_recipe
from ictal.recipes.loading import MODEL_KEYS, recipe_of_model
from ictal.recipes.schema import TrainerSettings
from ictal.recipes.stages import OneCycle, Stage
from ictal.training.batches import draw_again
from ictal.training.lightning_module import Learner
from ictal.training.stream_loader import StreamLoader
from ictal.training.task import CHECKPOINT, HISTORY
from ictal.training.trainer import fit
from tests.conftest import TINY
from tests.training.test_loop import MODELS, array, network, recipe, state, task  # noqa: F401 - a fixture

SHORT = StreamSettings(windows=16, lengths_s=(10.0, 11.0), length_shares=(0.5, 0.5))
STREAM = Stream(SHORT, StandardiseSettings())
CPU = TrainerSettings(accelerator="cpu", workers=1)
SETTINGS = TrainingSettings(
    learning_rates=OneCycle(peak=0.01, epochs=3, warm_up=1),
    batch_size=8,
    precision="32",
    ema=0.9,
    stream=SHORT,
)


def test_batches_are_bitwise_the_same_whatever_the_number_of_workers():
    loaders = [StreamLoader(STREAM, 1, range(11), 3, workers) for workers in (0, 1, 2)]
    found = [list(loader) for loader in loaders]
    assert [len(batches) for batches in found] == [3, 3, 3] == [len(loader) for loader in loaders]
    for batches in found[1:]:
        for ours, theirs in zip(batches, found[0], strict=True):
            assert torch.equal(ours[0], theirs[0])
            assert torch.equal(ours[2], theirs[2])
    for number in (0, 4, 8):
        signal, target = STREAM.window(1, number)
        windows, contexts, targets, weights = found[0][number // 3]
        assert contexts is None
        np.testing.assert_array_equal(windows[number % 3], cut(signal, 0)[0])
        np.testing.assert_array_equal(targets[number % 3], target)
        assert weights.tolist() == [1, 1, 1]
    assert not multiprocessing.active_children()


def test_too_few_windows_for_a_batch_are_one_batch():
    (batch,) = StreamLoader(STREAM, 0, range(2), 8, 0)
    assert batch[0].shape == (2, 20, 10_000)


@pytest.fixture(scope="module")
def whole(array, tmp_path_factory):  # noqa: F811
    """A training that nobody interrupts: its weights, its folder, and the weights after each step."""
    folder, steps, trained = tmp_path_factory.mktemp("whole"), [], network()
    fitted = fit(trained, array, task(), recipe(SETTINGS, CPU), folder, lambda *_: steps.append(state(trained)))
    return state(fitted), folder, steps


def test_the_weights_are_the_average_over_steps(whole):
    weights, _, steps = whole
    assert len(steps) == 6
    average = steps[0]
    for number, step in enumerate(steps[1:], 1):
        decay = min(0.9, (1 + number) / (10 + number))
        average = [decay * a + (1 - decay) * b for a, b in zip(average, step, strict=True)]
    for ours, expected in zip(weights, average, strict=True):
        torch.testing.assert_close(ours, expected)
    assert not all(torch.equal(ours, last) for ours, last in zip(weights, steps[-1], strict=True))


def test_the_average_is_what_is_judged(whole, array):  # noqa: F811
    _, folder, _ = whole
    trained = network()
    other = TrainingSettings(**{**SETTINGS.model_dump(), "ema": 0})
    fit(trained, array, task(), recipe(other, CPU), folder / "other")
    ours, theirs = (pd.read_csv(place / HISTORY) for place in (folder, folder / "other"))
    assert ours["train_loss"].tolist() == theirs["train_loss"].tolist()
    assert not np.allclose(ours["valid_kl"], theirs["valid_kl"], rtol=1e-6)


@pytest.mark.parametrize(("error", "workers"), [(RuntimeError, 2), (KeyboardInterrupt, 1)])
def test_a_stream_that_broke_off_goes_on_to_the_same_weights(whole, array, tmp_path, error, workers):  # noqa: F811
    def break_off(name: str, done: float, total: float) -> None:
        if done == 3:  # in the midst of the second epoch
            raise error

    trainer = CPU.model_copy(update={"workers": workers})
    with pytest.raises(error):
        fit(network(), array, task(), recipe(SETTINGS, trainer), tmp_path, break_off)
    assert not multiprocessing.active_children()
    assert (tmp_path / CHECKPOINT).is_file()
    told = []
    again = fit(network(), array, task(), recipe(SETTINGS, trainer), tmp_path, lambda *say: told.append(say[1]))
    assert told == [3, 4, 5, 6]
    assert all(torch.equal(a, b) for a, b in zip(state(again), whole[0], strict=True))
    assert (tmp_path / HISTORY).read_text() == (whole[1] / HISTORY).read_text()


def test_real_windows_are_a_share_of_each_batch_and_all_are_used(array, monkeypatch):  # noqa: F811
    settings = SETTINGS.model_copy(update={"real_share": 0.25})
    learner = Learner(network(), array, task(), settings, STREAM, 0)
    monkeypatch.setattr(Learner, "current_epoch", 0)
    monkeypatch.setattr(Learner, "trainer", SimpleNamespace(world_size=1))
    monkeypatch.setattr(Learner, "global_rank", 0)
    batches = list(learner.train_dataloader())
    assert len(batches) == len(learner.train_dataloader()) == 16 // 6
    rows = draw_again(array, task().train, 100, np.random.default_rng(0))
    eegs = array.labels["eeg_id"].to_numpy()[rows]
    n_eegs = len(set(array.labels["eeg_id"].to_numpy()[task().train]))
    assert all(len(set(eegs[at : at + n_eegs])) == n_eegs for at in range(0, 100 - n_eegs, n_eegs))
    for number, (windows, contexts, votes, weights) in enumerate(batches):
        assert contexts is None
        assert len(windows) == len(votes) == len(weights) == 8
        simulated = STREAM.window(0, 6 * number)[0]
        np.testing.assert_array_equal(windows[0], cut(simulated, 0)[0])
        for window, vote in zip(windows[6:], votes[6:], strict=True):
            (row,) = np.flatnonzero((array.signals == window.numpy()).all(axis=(1, 2)))
            assert row in task().train
            np.testing.assert_array_equal(vote, array.labels.loc[row, list(VOTE_COLUMNS)].to_numpy(float))


def test_mixed_training_that_broke_off_goes_on_to_the_same_weights(array, tmp_path):  # noqa: F811
    def break_off(name: str, done: float, total: float) -> None:
        if done == 3:
            raise RuntimeError

    settings = SETTINGS.model_copy(update={"real_share": 0.25})
    whole = fit(network(), array, task(), recipe(settings, CPU), tmp_path / "whole")
    with pytest.raises(RuntimeError):
        fit(network(), array, task(), recipe(settings, CPU), tmp_path / "part", break_off)
    again = fit(network(), array, task(), recipe(settings, CPU), tmp_path / "part")
    assert all(torch.equal(a, b) for a, b in zip(state(again), state(whole), strict=True))
    other = fit(network(), array, task(), recipe(SETTINGS, CPU), tmp_path / "other")
    assert not all(torch.equal(a, b) for a, b in zip(state(other), state(whole), strict=True))


def test_batch_normalisation_of_the_average_settles_on_windows_of_the_stream(array, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr("ictal.training.lightning_module.MAX_BATCH_NORM_WINDOWS", 12)
    models = MODELS.model_dump()
    models["temporal"]["wavenet"]["norm"] = "batch"
    made = build("temporal", ModelSettings.model_validate(models))
    settings = SETTINGS.model_copy(update={"learning_rates": (0.01,), "batch_size": 4})
    fit(made, array, replace(task(), valid=np.empty(0, dtype=np.int64)), recipe(settings, CPU), tmp_path)
    first = next(module for module in made.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm))
    seen = []
    first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    with torch.no_grad():  # the windows of an epoch that is never trained on
        for windows, *_ in StreamLoader(STREAM, 1, range(12), 4, 0):
            made(windows)
    dims = [axis for axis in range(seen[0].ndim) if axis != 1]
    expected = torch.stack([batch.var(dims) for batch in seen]).mean(dim=0)
    torch.testing.assert_close(first.running_var, expected, rtol=1e-3, atol=1e-5)
    assert first.num_batches_tracked == 3


def test_one_cycle_is_that_of_torch_at_every_step(array, tmp_path, monkeypatch):  # noqa: F811
    """A straight line up from a hundredth, half a cosine down to it: LinearLR and CosineAnnealingLR."""
    seen, step = [], torch.optim.Adam.step

    def noted(self, *args, **kwargs):
        seen.append(self.param_groups[0]["lr"])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", noted)
    settings = TrainingSettings(
        learning_rates=OneCycle(peak=0.02, epochs=4, warm_up=1), batch_size=2, precision="32", panel_weight=0
    )
    fit(network(), array, task(), recipe(settings, CPU), tmp_path)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.02)
    schedules = torch.optim.lr_scheduler
    up = schedules.LinearLR(optimizer, 0.01, 1.0, total_iters=4)
    down = schedules.CosineAnnealingLR(optimizer, 12, eta_min=0.0002)
    both = schedules.SequentialLR(optimizer, [up, down], [4])
    expected = []
    for _ in range(16):  # eight EEGs, four steps in each of four epochs
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        both.step()
    np.testing.assert_allclose(seen, expected, rtol=1e-6)


def test_a_stage_that_follows_begins_its_own_cycle():
    settings = TrainingSettings(
        learning_rates=(0.1, 0.2), then=(Stage(learning_rates=OneCycle(peak=1.0, epochs=2, warm_up=1)),)
    )
    assert [number for number, _ in settings.epochs] == [0, 0, 1, 1]
    assert [rate for _, rate in settings.epochs] == pytest.approx([0.1, 0.2, 0.505, 0.505])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rates": {"peak": 0.1, "epochs": 3, "warm_up": 3}}, "warm_up is 3; allowed is less than the 3"),
        ({"learning_rates": {"peak": 0.0, "epochs": 3}}, "peak"),
        ({"learning_rates": {"peak": 0.1}}, "epochs"),
        ({"ema": 1.0}, "ema"),
        ({"real_share": 0.5}, "real_share is 0.5; without a stream"),
        ({"stream": {}, "batch_size": 4, "real_share": 0.1}, "no window of one kind per pass"),
        ({"stream": {}, "population": "few"}, "the population 'few'; with a stream, allowed is 'all'"),
        ({"stream": {}, "then": [{"population": "many"}]}, "the population 'many'"),
    ],
)
def test_settings_that_make_no_training_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        TrainingSettings(**values)


def test_a_stream_has_no_contexts_and_a_recipe_says_so():
    with pytest.raises(RecipeError, match=r"context.*use contexts, which a stream does not have"):
        load_recipe(TINY, ["training.context.stream={windows: 8}"])


def test_a_stream_of_short_eegs_is_not_for_a_recipe_that_refuses_them():
    refusing = ["standardise.short=refuse", "training.temporal.stream={lengths_s: [50], length_shares: [1]}"]
    assert load_recipe(TINY, refusing).training["temporal"].stream
    with pytest.raises(RecipeError, match=r"'refuse', but \['temporal'\] would be trained on a stream"):
        load_recipe(TINY, [refusing[0], "training.temporal.stream={}"])


def test_a_model_s_settings_replace_a_recipe_s_and_what_was_set_by_hand_must_agree():
    recipe, other = load_recipe(TINY), load_recipe("simulated", ["models.lapse=0.02", "seeds=3"])
    known = ("default", {name: getattr(other, name) for name in MODEL_KEYS})
    made = recipe_of_model(recipe, *known, ["models.lapse=0.02", "training.symmetric.batch_size=2", "seeds=3"])
    assert (made.models, made.standardise, made.training) == (other.models, other.standardise, recipe.training)
    assert made.seeds == 3
    for override, words in {
        "models.lapse=0.03": "models.lapse: 0.02 in the model, 0.03 now",
        "standardise.band_hz=[0.1, 20]": "standardise.band_hz",
        "seeds=2": "seeds: 3 in the model, 2 now",
    }.items():
        with pytest.raises(RecipeError, match=f"starts from the model 'default'.*{words}"):
            recipe_of_model(recipe, *known, [override])


def test_there_is_a_worker_per_processor():
    assert 1 <= n_processors() <= multiprocessing.cpu_count()
