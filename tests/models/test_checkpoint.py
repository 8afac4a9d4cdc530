import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ictal.errors import ModelError
from ictal.models.arms import ARMS
from ictal.models.build import build
from ictal.models.checkpoint import Card, input_of_saved, load_model, save_model
from ictal.models.input_needs import needs_of
from ictal.models.model_settings import ModelSettings
from ictal.preprocessing.settings import StandardiseSettings
from ictal.recipes import load_recipe
from tests.conftest import TINY
from tests.models.test_arms import contexts

SMALL = load_recipe(TINY).models


def card(arm: str) -> Card:
    return Card(
        arm=arm,
        models=SMALL,
        standardise=StandardiseSettings(band_hz=(0.5, 18)),
        data="d",
        data_fingerprint="f",
        recipe="r",
        seed=3,
        ictal_version="0",
    )


def windows() -> np.ndarray:
    return (40 * np.random.default_rng(0).normal(size=(3, 20, 10_000))).astype(np.float32)


@pytest.mark.parametrize("arm", ARMS)
def test_a_loaded_model_predicts_as_the_saved_one(arm, tmp_path):
    network = build(arm, SMALL).eval()
    save_model(tmp_path, network, card(arm))
    loaded = load_model(tmp_path)
    with torch.inference_mode():
        expected = network(torch.from_numpy(windows()), contexts(3)).softmax(1).numpy()
    found = loaded.predict(windows(), batch_size=2, contexts=contexts(3).numpy())
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    n_parameters = sum(parameter.numel() for parameter in network.parameters())
    known = {"weights_sha256": loaded.card.weights_sha256, "n_parameters": n_parameters}
    known |= {name: getattr(loaded.card, name) for name in ("derivations", "seen_s")}
    assert loaded.card == card(arm).model_copy(update=known)
    needs = needs_of(network)
    assert loaded.card.seen_s == needs.seen_s == 50
    assert loaded.card.derivations == tuple(str(pair) for pair in needs.derivations)
    assert input_of_saved(tmp_path) == (loaded.card.derivations, 50)
    assert "Not a medical device" in " ".join(loaded.card.warnings)
    assert loaded.predict(windows()[:0], contexts=contexts(0).numpy()).shape == (0, 6)


def test_a_model_that_needs_contexts_says_so(tmp_path):
    save_model(tmp_path, build("KE", SMALL), card("KE"))
    with pytest.raises(ModelError, match="ten minutes around each window, and no contexts were given"):
        load_model(tmp_path).predict(windows())


@pytest.fixture
def saved(tmp_path) -> Path:
    save_model(tmp_path, build("temporal", SMALL), card("temporal"))
    return tmp_path


def change_card(folder: Path, **values: object) -> None:
    content = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(content | values))


def change_tensors(folder: Path, change) -> None:
    """Change the tensors and the hash with them, so that nothing but strictness can notice."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    change_card(folder, weights_sha256=hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize("name", ["card.json", "model.safetensors"])
def test_both_files_are_needed(saved, name):
    (saved / name).unlink()
    with pytest.raises(ModelError, match=rf"not a saved model: {name} missing"):
        load_model(saved)


def test_whoever_may_read_the_card_may_read_the_weights(saved):
    card, weights = ((saved / name).stat().st_mode & 0o777 for name in ("card.json", "model.safetensors"))
    assert weights == card


def test_altered_tensors_are_noticed(saved):
    path = saved / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="its hash differs"):
        load_model(saved)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors.pop("network.head.2.bias"),
        lambda tensors: tensors.update(extra=torch.zeros(2)),
        lambda tensors: tensors.update({"network.head.2.bias": torch.zeros(7)}),
    ],
    ids=["missing", "extra", "other shape"],
)
def test_every_tensor_must_fit(saved, change):
    change_tensors(saved, change)
    with pytest.raises(ModelError, match="does not fit the network of its card"):
        load_model(saved)


def test_weights_that_are_stored_as_float16_become_float32(saved):
    exact = load_model(saved)
    halves = {
        name: tensor.half() if tensor.dtype == torch.float32 else tensor
        for name, tensor in load_file(saved / "model.safetensors").items()
    }
    save_file(halves, saved / "model.safetensors")
    change_card(saved, weights_sha256=hashlib.sha256((saved / "model.safetensors").read_bytes()).hexdigest())
    loaded = load_model(saved)
    for name, tensor in loaded.network.state_dict().items():
        assert tensor.dtype == exact.network.state_dict()[name].dtype
        # Ten bits after the first: half of the last is 2^-11 of the value.
        torch.testing.assert_close(tensor, exact.network.state_dict()[name], rtol=2**-11, atol=1e-7)
    np.testing.assert_allclose(loaded.predict(windows()), exact.predict(windows()), atol=0.01)


def test_a_model_of_another_contract_is_refused(saved):
    change_card(saved, rate_hz=256)
    with pytest.raises(ModelError, match=r"rate_hz is 256.0; this version needs 200"):
        load_model(saved)


def test_a_card_of_before_there_were_names_and_counts_is_read(saved):
    content = json.loads((saved / "card.json").read_text())
    for key in ("summary", "known_failures", "n_parameters"):
        del content[key]
    (saved / "card.json").write_text(json.dumps(content))
    loaded = load_model(saved).card
    assert (loaded.summary, loaded.known_failures, loaded.n_parameters) == ("", (), None)
    assert loaded.arm == "temporal"


def test_a_symmetric_network_of_version_0_1_judges_electrodes_by_their_voltage(tmp_path):
    small = {"widths": [4, 6], "hemisphere": 8, "both": 8}
    settings = ModelSettings.model_validate({"symmetric": {"symmetric": small}})
    save_model(tmp_path, build("symmetric", settings), card("symmetric").model_copy(update={"models": settings}))
    assert load_model(tmp_path).network.network.trust.quality == "derivations"
    content = json.loads((tmp_path / "card.json").read_text())
    del content["models"]["symmetric"]["symmetric"]["quality"]
    (tmp_path / "card.json").write_text(json.dumps(content))
    assert load_model(tmp_path).network.network.trust.quality == "electrodes"


@pytest.mark.parametrize("values", [{"arms": "x"}, {"arm": 3}, {"models": {"temporal": {"wave": 1}}}])
def test_a_card_that_says_something_else_is_refused(saved, values):
    change_card(saved, **values)
    with pytest.raises(ModelError, match="not the card of a model"):
        load_model(saved)
