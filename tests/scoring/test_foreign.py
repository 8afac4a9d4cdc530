"""Model folders that came from somebody else and were tampered with: refused, or scored by their weights alone."""

import hashlib
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file, save_file

from ictal.core.atomic_files import sha256_of
from ictal.errors import ModelError
from ictal.models.checkpoint import load_model
from ictal.models.hub import describe_model
from ictal.scoring.engines import open_engine
from ictal.scoring.export_contract import exported_folder, read_contract
from tests.scoring.helpers import SMALL, exported, save, windows_of

AGREE = 1e-4
BOMB = "pickles are code"


class Bomb:
    def __reduce__(self):
        return (pytest.fail, (BOMB,))


@pytest.fixture
def model(tmp_path) -> Path:
    """A model whose graphs this user has made already, and a copy of it as somebody else might hand it on."""
    return Path(shutil.copytree(exported(), tmp_path / "foreign"))


def change_card(folder: Path, **values: object) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | values))


def change_tensors(folder: Path, change) -> None:
    """Change the tensors, and the card's hash with them."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
    change_card(folder, weights_sha256=sha256_of(folder / "model.safetensors"))


def is_refused(folder: Path, words: str, *ways) -> None:
    for way in ways or (load_model, open_engine, lambda one: open_engine(one, "torch")):
        with pytest.raises(ModelError, match=words):
            way(folder)


def hand_on_export(folder: Path, of: Path) -> Path:
    """Put the export of a model into a folder, as models were handed on with their graphs before."""
    return Path(shutil.copytree(exported_folder(of), folder / "exported", ignore=lambda *_: [".lock"]))


def change_graph(path: Path) -> None:
    graph = onnx.load(path)
    weights = max(graph.graph.initializer, key=lambda one: len(one.raw_data))
    weights.raw_data = np.zeros(len(weights.raw_data), np.uint8).tobytes()
    onnx.save(graph, path)


def vouch(folder: Path) -> None:
    """Let a contract vouch for the graphs beside it, as only that file did before."""
    contract = json.loads((folder / "contract.json").read_text())
    contract["graphs"] = {name: sha256_of(folder / name) for name in contract["graphs"]}
    (folder / "contract.json").write_text(json.dumps(contract))


def point_outside(path: Path, secret: Path) -> None:
    """Let a graph's largest tensor be read from a file elsewhere."""
    graph = onnx.load(path)
    weights = max(graph.graph.initializer, key=lambda one: len(one.raw_data))
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=f"../../{secret.name}")
    weights.ClearField("raw_data")
    path.write_bytes(graph.SerializeToString())


@pytest.mark.parametrize("tampering", ["graphs of other weights", "edited graph", "graph that reads outside"])
def test_graphs_that_lie_in_a_models_folder_are_never_run(model, tmp_path, tampering):
    expected = load_model(model).predict(np.stack([windows_of(2).window(number) for number in range(2)]))
    other = save(tmp_path / "other", "temporal", SMALL, seed=5)
    open_engine(other)
    graphs = hand_on_export(model, other if "other" in tampering else model)
    if "edited" in tampering:
        for name in graphs.glob("*.onnx"):
            change_graph(name)
    if "outside" in tampering:
        (tmp_path / "secret.bin").write_bytes(bytes(1 << 20))
        for name in graphs.glob("*.onnx"):
            point_outside(name, tmp_path / "secret.bin")
    contract = json.loads((graphs / "contract.json").read_text())
    known, _ = read_contract(model)
    (graphs / "contract.json").write_text(json.dumps(contract | {"weights_sha256": known.weights_sha256}))
    vouch(graphs)
    runs = open_engine(model)
    np.testing.assert_allclose(runs(windows_of(2)).probabilities, expected, atol=AGREE)
    assert read_contract(model)[1] == exported_folder(model)
    assert not exported_folder(model).is_relative_to(model)


def test_other_weights_under_an_old_card_are_refused(model, tmp_path):
    other = save(tmp_path / "other", "temporal", SMALL, seed=5)
    shutil.copy(other / "model.safetensors", model)
    is_refused(model, "is not the file that the card describes", load_model, open_engine, read_contract)


def test_a_card_that_names_another_hash_is_refused(model):
    change_card(model, weights_sha256="0" * 64)
    is_refused(model, "is not the file that the card describes", load_model, open_engine, read_contract)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors: tensors.update(extra=torch.zeros(2)),
        lambda tensors: tensors.pop(next(iter(tensors))),
        lambda tensors: tensors.update({name: torch.zeros(9) for name in list(tensors)[:1]}),
        lambda tensors: tensors.update({name: tensors[name].double() for name in list(tensors)[1:2]}),
    ],
    ids=["extra", "missing", "other shape", "other type"],
)
def test_tensors_that_do_not_fit_are_refused_whatever_the_card_says(model, change):
    change_tensors(model, change)
    is_refused(model, "does not fit the network of its card")


def test_a_card_of_another_network_is_refused(model):
    card = json.loads((model / "card.json").read_text())
    card["models"]["temporal"]["wavenet"]["hidden"] += 1
    change_card(model, models=card["models"])
    is_refused(model, "does not fit the network of its card")
    change_card(model, arm="spatial")
    is_refused(model, "does not fit the network of its card")


@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_a_pickle_under_the_name_of_the_weights_is_refused_and_never_opened(model, kind):
    path = model / "model.safetensors"
    torch.save({"a": Bomb()}, path) if kind == "torch" else path.write_bytes(pickle.dumps(Bomb()))
    change_card(model, weights_sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    is_refused(model, "model.safetensors: is not a safetensors file")


def test_pickles_under_any_other_name_are_never_opened(model):
    expected = open_engine(model)(windows_of(1)).probabilities
    names = ("model.pt", "model.pth", "model.ckpt", "last.ckpt", "pytorch_model.bin", "data.pkl", "card.pkl")
    for name in names:
        (model / name).write_bytes(pickle.dumps(Bomb()))
    assert describe_model(model).card.arm == "temporal"
    load_model(model)
    for engine in ("onnxruntime", "torch"):
        np.testing.assert_allclose(open_engine(model, engine)(windows_of(1)).probabilities, expected, atol=AGREE)


@pytest.mark.parametrize("name", ["card.json", "model.safetensors", "CARD.md"])
def test_links_out_of_the_folder_are_refused_and_links_within_are_not(model, tmp_path, name):
    (model / "CARD.md").write_text("# A model\n")
    content = (model / name).read_bytes()
    (model / "kept").write_bytes(content)
    (model / name).unlink()
    (model / name).symlink_to("kept")
    load_model(model)
    (model / name).unlink()
    (tmp_path / "secret").write_bytes(content)
    (model / name).symlink_to("../secret")
    is_refused(model, f"{name}: is a link out of the model's folder", load_model, open_engine, describe_model)


def test_a_folder_of_exports_that_is_a_link_is_not_written_through(model, tmp_path):
    (tmp_path / "victim").mkdir()
    (model / "exported").symlink_to(tmp_path / "victim")
    change_card(model, summary="edited, so that it is exported anew")
    open_engine(model)
    assert list((tmp_path / "victim").iterdir()) == []
    assert (model / "exported").is_symlink()


@pytest.mark.parametrize("seeds", [0, 101, 1_000_000, "many", {"temporal": 10**9}])
def test_a_card_of_more_networks_than_anybody_averages_is_refused_before_they_are_made(model, seeds):
    change_card(model, seeds=seeds)
    with pytest.raises(ModelError, match=r"card\.json: is not the card of a model: seeds") as caught:
        load_model(model)
    assert "pydantic" not in str(caught.value)
