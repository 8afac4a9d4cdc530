import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from ictal.core.labels import VOTE_COLUMNS, distribution
from ictal.data import WindowArray
from ictal.evaluation import kl_divergence
from ictal.models.build import build
from ictal.models.model_settings import ModelSettings
from ictal.recipes import Recipe, TrainingSettings
from ictal.recipes.schema import TrainerSettings
from ictal.training.batches import draw_rows
from ictal.training.losses import kl_loss
from ictal.training.task import CHECKPOINT, HISTORY, Task
from ictal.training.trainer import fit

N_EEGS = 12
SETTINGS = TrainingSettings(learning_rates=(0.01, 0.005, 0.002), batch_size=4, precision="32", panel_weight=1)
CPU = TrainerSettings(accelerator="cpu")
MODELS = ModelSettings.model_validate(
    {"temporal": {"wavenet": {"filters": [4], "kernels": [3], "dilations": [2], "hidden": 8}}}
)


@pytest.fixture(scope="module")
def array() -> WindowArray:
    """Two windows of each of twelve EEGs of six patients, noise; as an array would come from disk."""
    rng = np.random.default_rng(0)
    rows = [(f"e{eeg}_{sub}", f"e{eeg}", f"p{eeg // 2}", float(sub)) for eeg in range(N_EEGS) for sub in (0, 1)]
    labels = pd.DataFrame(rows, columns=["window_id", "eeg_id", "patient_id", "start_s"])
    labels[list(VOTE_COLUMNS)] = rng.integers(0, 5, (len(rows), 6)) + np.eye(6, dtype=int)[0]
    signals = (30 * rng.normal(size=(len(rows), 20, 10_000))).astype(np.float32)
    return WindowArray(labels, signals, labels.iloc[:0], "test")


def task(seed: int = 0) -> Task:
    return Task("unit", "temporal", np.arange(16), np.arange(16, 24), seed)


def recipe(settings: TrainingSettings = SETTINGS, trainer: TrainerSettings = CPU, arm: str = "temporal") -> Recipe:
    return Recipe(name="test", training={arm: settings}, trainer=trainer)


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return build("temporal", MODELS)


def test_the_loss_is_the_metric(array):
    votes = array.labels[list(VOTE_COLUMNS)].to_numpy()
    logits = torch.randn(len(votes), 6, generator=torch.Generator().manual_seed(0))
    loss = kl_loss(logits, torch.from_numpy(distribution(votes)).float())
    np.testing.assert_allclose(loss, kl_divergence(votes, logits.softmax(1).numpy()), rtol=1e-5)


def test_an_epoch_takes_one_window_of_each_eeg_and_in_time_all(array):
    rng = np.random.default_rng(0)
    drawn = [draw_rows(array, np.arange(16), rng) for _ in range(30)]
    for rows in drawn:
        assert sorted(array.labels["eeg_id"].iloc[rows]) == sorted({f"e{eeg}" for eeg in range(8)})
    assert set(np.concatenate(drawn)) == set(range(16))
    assert len({tuple(array.labels["eeg_id"].iloc[rows]) for rows in drawn}) > 20  # in another order each time


def test_rates_and_history_follow_the_epochs(array, tmp_path):
    told = []
    fit(
        network(),
        array,
        task(),
        recipe(),
        tmp_path,
        lambda *say: told.append(say),
    )
    history = pd.read_csv(tmp_path / HISTORY)
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["learning_rate"].tolist() == list(SETTINGS.learning_rates)
    assert np.isfinite(history.drop(columns="valid_kl_few")).all(axis=None)  # no panel is small here
    assert told == [("unit", done, 6) for done in range(1, 7)]  # two batches of four EEGs, three epochs


def test_the_validation_kl_is_that_of_the_metric(array, tmp_path):
    trained = fit(network(), array, task(), recipe(), tmp_path)
    with torch.inference_mode():
        probabilities = trained(torch.from_numpy(array.signals[16:])).softmax(1).numpy()
    expected = kl_divergence(array.labels[list(VOTE_COLUMNS)].to_numpy()[16:], probabilities).mean()
    assert pd.read_csv(tmp_path / HISTORY)["valid_kl"].iloc[-1] == pytest.approx(expected, rel=1e-4)


def state(model: nn.Module) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in model.state_dict().values()]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_training_that_broke_off_goes_on_to_the_same_weights(array, tmp_path, error):
    whole = state(fit(network(), array, task(), recipe(), tmp_path / "whole"))

    def break_off(name: str, done: float, total: float) -> None:
        if done == 4:  # in the midst of the second epoch
            raise error

    with pytest.raises(error):
        fit(network(), array, task(), recipe(), tmp_path / "broken", break_off)
    assert (tmp_path / "broken" / CHECKPOINT).is_file()
    told = []
    again = fit(network(), array, task(), recipe(), tmp_path / "broken", lambda *say: told.append(say[1]))
    assert told[0] == 3  # the first epoch is not done again
    assert all(torch.equal(a, b) for a, b in zip(whole, state(again), strict=True))
    pd.testing.assert_frame_equal(
        pd.read_csv(tmp_path / "whole" / HISTORY), pd.read_csv(tmp_path / "broken" / HISTORY)
    )


def test_seeds_give_the_same_and_other_weights(array, tmp_path):
    one, same, other = (
        state(fit(network(), array, task(seed), recipe(), tmp_path / name))
        for name, seed in (("one", 0), ("same", 0), ("other", 1))
    )
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_micro_batches_add_up_to_the_batch(array, tmp_path):
    settings = SETTINGS.model_copy(update={"batch_size": 8, "clip_norm": None})
    whole = state(fit(network(), array, task(), recipe(settings), tmp_path / "whole"))
    micro = settings.model_copy(update={"micro_batch": 2})
    parts = state(fit(network(), array, task(), recipe(micro), tmp_path / "parts"))
    for a, b in zip(whole, parts, strict=True):
        # Adam divides by the gradient's own size, so rounding is seen in steps of the learning rate.
        torch.testing.assert_close(a, b, rtol=0, atol=1e-3)


def test_training_learns_what_can_be_learnt(array, tmp_path):
    labels = array.labels.copy()
    labels[list(VOTE_COLUMNS)] = 0
    labels["seizure_vote"], labels["other_vote"] = np.arange(24) % 4 // 2 * 10, (3 - np.arange(24) % 4) // 2 * 10
    signals = array.signals.copy()
    signals[labels["seizure_vote"].to_numpy() > 0, 0] += 60  # Fp1 stands out, in every derivation that it is in
    clear = WindowArray(labels, signals, array.refused, "clear")
    settings = TrainingSettings(learning_rates=(0.02,) * 12, batch_size=4, precision="32")
    fit(network(), clear, task(), recipe(settings), tmp_path)
    assert pd.read_csv(tmp_path / HISTORY)["valid_kl"].iloc[-1] < 0.2  # log 2 = 0.69 without looking


@pytest.mark.exhaustive
def test_two_processes_train_one_network(array, tmp_path):
    settings = TrainerSettings(accelerator="cpu", devices=2, strategy="ddp_spawn")
    before = network()
    trained = fit(network(), array, task(), recipe(SETTINGS, settings), tmp_path)
    assert len(pd.read_csv(tmp_path / HISTORY)) == 3
    assert not all(torch.equal(a, b) for a, b in zip(state(before), state(trained), strict=True))


def test_batch_normalisation_ends_with_the_statistics_of_the_training_windows(array, tmp_path):
    models = MODELS.model_copy(deep=True).model_dump()
    models["temporal"]["wavenet"]["norm"] = "batch"
    made = build("temporal", ModelSettings.model_validate(models))
    seen = []
    first = next(module for module in made.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm))
    fit(made, array, task(), recipe(), tmp_path)
    first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    # one window of each of the eight EEGs, in two batches of four; which of two is drawn shifts noise a little
    with torch.no_grad():
        made(torch.from_numpy(array.signals[:16]))
    dims = [axis for axis in range(seen[0].ndim) if axis != 1]
    torch.testing.assert_close(first.running_var, seen[0].var(dims), rtol=0.1, atol=1e-3)
    assert first.num_batches_tracked == 2
