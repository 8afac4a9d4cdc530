"""The ONNX export that ships with `default`: complete, small, and equal to the weights beside it in torch."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.recording import Recording
from ictal.explanations.exported_model import FORWARD, GRADIENTS
from ictal.io import open_recording
from ictal.models import hub
from ictal.models.checkpoint import load_model
from ictal.scoring import export_contract as contracts
from ictal.scoring.engines import open_engine
from ictal.scoring.export_contract import exported_folder, read_contract
from ictal.scoring.pipeline import score
from ictal.simulator import simulate_recording
from tests.scoring.helpers import windows_of

DEFAULT = hub.SHIPPED / "default"
AGREE = 1e-4
MOST_BYTES = 2_000_000
"""Of all graphs, which read their weights from `model.safetensors`."""


def test_it_is_found_without_the_cache_and_reads_its_weights_from_the_model():
    found = read_contract(DEFAULT)
    assert found is not None, "made by: python benchmarks/ship.py --export"
    contract, folder = found
    assert folder == DEFAULT
    assert {path.name for path in DEFAULT.glob("*.onnx")} == {*contract.graphs, FORWARD, GRADIENTS}
    assert {file for part in contract.parts for file in part.files} <= {*contract.graphs}
    assert sum((DEFAULT / name).stat().st_size for name in contract.graphs) < MOST_BYTES
    for name in contract.graphs:
        graph = onnx.load(DEFAULT / name, load_external_data=False).graph
        places = {entry.value for one in graph.initializer for entry in one.external_data if entry.key == "location"}
        assert places == {"model.safetensors"}
        assert not any(node.metadata_props for node in graph.node), "paths of the machine that exported it"


def probabilities(recording: Recording, engine: str) -> np.ndarray:
    frame = score(recording, DEFAULT, engine=engine, step_s=5).frame
    return frame[list(PROBABILITY_COLUMNS)].to_numpy(dtype=float)


def test_it_scores_a_simulated_recording_as_torch_does():
    recording = simulate_recording(seed=3, patient=1, hours=0.02)
    expected = probabilities(recording, "torch")
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(probabilities(recording, "onnxruntime"), expected, atol=AGREE)


def test_it_scores_a_real_clip_as_torch_does(shared_data):
    recording = open_recording(
        min((shared_data / "seizure").glob("*_seizure.edf"), key=lambda one: one.stat().st_size)
    )
    expected = probabilities(recording, "torch")
    assert np.isfinite(expected).any()
    np.testing.assert_allclose(probabilities(recording, "onnxruntime"), expected, atol=AGREE)


def test_openvino_reads_it_too():
    pytest.importorskip("openvino")
    batch = windows_of(3)
    exact = open_engine(DEFAULT)(batch).probabilities
    np.testing.assert_allclose(open_engine(DEFAULT, "openvino")(batch).probabilities, exact, atol=0.02)


def test_its_whole_graph_takes_raw_windows_and_gives_probabilities():
    session = onnxruntime.InferenceSession(DEFAULT / "model.onnx", providers=["CPUExecutionProvider"])
    windows = windows_of(2).windows
    (found,) = session.run(None, {"windows": windows})
    np.testing.assert_allclose(found, load_model(DEFAULT).predict(windows), atol=AGREE)


@pytest.fixture
def shipped(tmp_path, monkeypatch) -> Path:
    """A copy of `default` as if it shipped with ictal, with a cache of its own."""
    monkeypatch.setattr(hub, "SHIPPED", tmp_path / "weights")
    monkeypatch.setattr(contracts, "user_cache_path", lambda name: tmp_path / "cache" / name)
    return Path(shutil.copytree(DEFAULT, tmp_path / "weights" / "default"))


def change_card(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text())
    (folder / "card.json").write_text(json.dumps(card | {"summary": "edited"}))


def damage(folder: Path) -> None:
    (folder / "spatial.onnx").write_bytes(b"")


@pytest.mark.parametrize("change", [change_card, damage])
def test_it_is_not_used_with_another_card_or_damaged(shipped, change):
    assert read_contract(shipped) is not None
    change(shipped)
    assert read_contract(shipped) is None
    assert not exported_folder(shipped).is_relative_to(shipped)


def test_the_same_folder_elsewhere_is_not_trusted(shipped, tmp_path):
    elsewhere = Path(shutil.copytree(shipped, tmp_path / "elsewhere"))
    assert read_contract(elsewhere) is None
