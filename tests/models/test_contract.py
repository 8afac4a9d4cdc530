"""The contract that travels with saved weights, and prediction with them."""

import hashlib
import json

import numpy as np
import pytest
import timm
import torch
from torch import nn

from ictal.core.montage import CHANNELS
from ictal.errors import ModelError, UnknownNameError
from ictal.models.build import build
from ictal.models.checkpoint import load_model, predict, save_model
from tests.models.test_arms import SMALL, spatial
from tests.models.test_checkpoint import card, change_card, change_tensors


@pytest.fixture
def saved(tmp_path):
    save_model(tmp_path, build("temporal", SMALL), card("temporal"))
    return tmp_path


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("electrodes", list(reversed(CHANNELS))),
        ("electrodes", list(CHANNELS[:-1])),
        ("window_s", 10.0),
        ("rate_hz", 256.0),
        ("patterns", ["lpd", "seizure", "gpd", "lrda", "grda", "other"]),
    ],
)
def test_every_clause_of_the_contract_is_checked(saved, key, value):
    change_card(saved, **{key: value})
    with pytest.raises(ModelError, match=rf"card\.json: {key} is .*this version needs"):
        load_model(saved)


def test_a_card_that_is_no_json_or_no_text_is_refused(saved):
    for content in (b"{", b"\xff\xfe"):
        (saved / "card.json").write_bytes(content)
        with pytest.raises(ModelError, match="is not the card of a model"):
            load_model(saved)


def test_tensors_of_another_arm_or_none_at_all_are_refused(saved):
    change_card(saved, arm="spatial")
    with pytest.raises(ModelError, match="does not fit the network of its card"):
        load_model(saved)
    change_card(saved, arm="wave")
    with pytest.raises(UnknownNameError, match="unknown arm 'wave'; known are: temporal"):
        load_model(saved)
    garbage = b"no tensors"
    (saved / "model.safetensors").write_bytes(garbage)
    change_card(saved, arm="temporal", weights_sha256=hashlib.sha256(garbage).hexdigest())
    with pytest.raises(ModelError, match="is not a safetensors file"):
        load_model(saved)


def test_a_rewritten_hash_alone_is_accepted(saved):
    # So that the tests of strictness fail for the reason that they name, and not for the hash.
    change_tensors(saved, lambda tensors: tensors["network.head.2.bias"].zero_())
    assert (load_model(saved).network.network.head[2].bias == 0).all()


def test_the_card_is_text_that_others_can_read(saved):
    content = json.loads((saved / "card.json").read_text())
    assert content["electrodes"] == list(CHANNELS)
    assert (content["rate_hz"], content["window_s"]) == (200, 50)
    assert content["models"]["temporal"]["wavenet"]["filters"] == list(SMALL.temporal.wavenet.filters)
    assert content["standardise"]["band_hz"] == [0.5, 18]
    digest = hashlib.sha256((saved / "model.safetensors").read_bytes()).hexdigest()
    assert content["weights_sha256"] == digest


class Echo(nn.Module):
    """Logits that say which window it was, and a batch size that is remembered."""

    sees_context = False

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.batches, self.modes = [], []

    def panel(self, windows: torch.Tensor, contexts: None) -> tuple[torch.Tensor, None]:
        self.batches.append(len(windows))
        self.modes.append(self.training)
        return self.scale * windows[:, :6, 0], None


def test_rows_are_predicted_in_their_order_in_batches_without_dropout():
    signals = np.random.default_rng(0).normal(size=(7, 20, 3)).astype(np.float32)
    rows = np.array([5, 0, 6, 2, 2])
    network = Echo().train()
    probabilities = predict(network, signals, rows, batch_size=2).probabilities
    exponentials = np.exp(signals[rows, :6, 0].astype(float))
    np.testing.assert_allclose(probabilities, exponentials / exponentials.sum(axis=1, keepdims=True), rtol=1e-6)
    assert probabilities.dtype == np.float64
    assert network.batches == [2, 2, 1]
    assert network.modes == [False, False, False]
    assert network.training  # as it was found
    predict(network.eval(), signals, rows)
    assert not network.training


def test_a_loaded_model_does_not_drop_out(saved):
    assert not load_model(saved).network.training


def test_no_weights_are_fetched_for_parts_that_are_loaded_over(monkeypatch):
    real = timm.create_model

    def offline(name, pretrained=False, **options):
        assert not pretrained
        return real(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    build("both", spatial("require"), initial=False)


def test_dropout_is_that_of_the_settings():
    def made(**values: float) -> nn.Module:
        network = SMALL.spatial.efficientnet.model_copy(update={"drop_rate": 0.0, **values})
        of_arm = SMALL.spatial.model_copy(update={"efficientnet": network})
        return build("spatial", SMALL.model_copy(update={"spatial": of_arm})).network

    assert made(drop_rate=0.3).network.drop_rate == 0.3
    plain, paths = (
        [module for module in made(drop_path_rate=rate).modules() if type(module).__name__ == "DropPath"]
        for rate in (0.0, 0.2)
    )
    assert not plain
    # timm lets the rate rise over the blocks.
    assert max(module.drop_prob for module in paths) == pytest.approx(0.2, rel=0.1)
