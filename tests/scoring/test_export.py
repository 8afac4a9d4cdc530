import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ictal.errors import ElectrodeError, ModelError, WriteError
from ictal.models import ARMS, build, load_model
from ictal.montage import CHAINS, CHANNELS, ELECTRODES, MONTAGES, derivations_of, montage_matrix
from ictal.recording import Recording
from ictal.scoring import contract as contracts
from ictal.scoring import export as exports
from ictal.scoring.contract import read_contract, sha256_of
from ictal.scoring.engine import open_engine
from ictal.scoring.export import derivations_seen, export_model
from ictal.wiring import wire
from tests.scoring.helpers import SMALL, exported, network_of, save, windows_of, with_wavenet

LONG, FOUR, ALL = (
    {*derivations_of(chains)} for chains in (MONTAGES["long_chains"], CHAINS, MONTAGES["double_banana"])
)
LOOKS_AT = {
    "temporal": LONG,
    "spatial": FOUR,
    "both": LONG | FOUR,
    "fusion": LONG | FOUR,
    "features": ALL,
    "volume": ALL,
    "symmetric": ALL,
    "context": FOUR,
    "KE": FOUR,
    "KR": FOUR | LONG,
    "KER": FOUR | LONG,
    "SE": ALL,
}


@pytest.fixture
def model(tmp_path) -> Path:
    """Return an exported model that may be changed, in a folder of its own."""
    shutil.copytree(exported(), tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(contracts, "user_cache_path", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache"


@pytest.mark.parametrize("arm", LOOKS_AT)
def test_what_an_arm_looks_at_is_all_that_it_looks_at(arm):
    """Potentials that leave these voltages as they are leave the prediction as it is; others change it."""
    network = network_of(arm, SMALL)
    seen = {*derivations_seen(network)}
    assert seen == LOOKS_AT[arm]
    if ARMS[arm].sees_context or "context" in ARMS[arm].parts:
        return  # made of contexts, of which the network cannot know the electrodes
    windows = torch.from_numpy(np.stack([windows_of(1).window(0)]))
    unseen = torch.randn(1, 20, 10_000, generator=torch.Generator().manual_seed(0))
    involved = [CHANNELS.index(name) for pair in seen for name in pair]
    unseen[:, involved] = 30 * unseen[:, :1]  # one and the same for all that take part
    with torch.inference_mode():
        expected = network(windows)
        torch.testing.assert_close(network(windows + unseen), expected, atol=1e-3, rtol=1e-3)
        windows[:, involved[0]] += 30 * unseen[:, 1]
        assert float((network(windows) - expected).abs().max()) > 0.01


def test_the_volume_on_a_grid_looks_at_voltages_between_neighbours():
    view = SMALL.volume.volume.model_copy(update={"layout": "grid"})
    settings = SMALL.model_copy(update={"volume": SMALL.volume.model_copy(update={"volume": view})})
    seen = derivations_seen(build("volume", settings))
    assert {name for pair in seen for name in pair} == {*ELECTRODES}
    assert np.linalg.matrix_rank(montage_matrix(tuple(seen))) == 18, "all voltages between the 19 electrodes"


def test_contexts_are_of_electrodes_that_a_recording_must_have():
    """Otherwise any file would do, and its contexts would be of nothing."""
    pairs = [*LOOKS_AT["context"]]
    with pytest.raises(ElectrodeError, match="no channel for Fp1"):
        wire(Recording.from_array(np.zeros((2, 9)), ("EKG", "Resp"), 200), pairs)
    assert np.linalg.matrix_rank(montage_matrix(tuple(pairs))) >= 14


def test_the_contract_tells_the_model_and_its_graphs():
    folder = exported()
    found = read_contract(folder)
    assert found is not None
    told, where = found
    assert where == folder / "exported"
    assert {*told.graphs} == {"model.onnx", "temporal-frames.onnx", "temporal-head.onnx"}
    assert {path.name for path in where.iterdir()} == {*told.graphs, "contract.json"}
    assert told.weights_sha256 == sha256_of(folder / "model.safetensors")
    assert {*told.looks_at} == LONG
    assert "Not a medical device" in " ".join(told.warnings)
    assert (told.arm, told.parts[0].every, told.sees_context) == ("temporal", 5, False)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


GRAPHS = ("model.onnx", "temporal-frames.onnx", "temporal-head.onnx")
HARMS = [(harm, name) for harm in (cut, Path.unlink) for name in (*GRAPHS, "contract.json")]


@pytest.mark.parametrize(("harm", "name"), [*HARMS, *((damage, name) for name in GRAPHS)])
def test_an_export_that_is_not_whole_counts_as_none(model, harm, name):
    assert read_contract(model)
    harm(model / "exported" / name)
    assert read_contract(model) is None


@pytest.mark.parametrize("change", [{"weights_sha256": "another"}, {"metrics": {"kl": 1.0}}, {"warnings": ["x"]}])
def test_an_export_of_another_model_counts_as_none(model, change):
    card = json.loads((model / "card.json").read_text())
    (model / "card.json").write_text(json.dumps(card | change))
    assert read_contract(model) is None


def test_an_export_of_another_version_counts_as_none(model, monkeypatch):
    monkeypatch.setattr(contracts, "__version__", "9.9.9")
    assert read_contract(model) is None


@pytest.mark.parametrize(("content", "words"), [("{", "not the card"), ("[]", "not the card"), (None, "not a saved")])
def test_a_folder_without_a_card_is_no_model(tmp_path, content, words):
    if content:
        (tmp_path / "card.json").write_text(content)
    with pytest.raises(ModelError, match=words):
        read_contract(tmp_path)


def test_graphs_of_two_exports_are_never_mixed(model):
    """As when a changed model's export was interrupted, and the old model put back."""
    other = exported("temporal", with_wavenet(SMALL.model_copy(update={"votes": "dirichlet", "lapse": 0.05})))
    shutil.copy(other / "exported" / "model.onnx", model / "exported" / "model.onnx")
    assert read_contract(model) is None


@pytest.mark.slow
def test_a_damaged_export_is_made_anew_and_a_changed_model_too(tmp_path):
    folder = save(tmp_path / "model", "temporal", SMALL)
    before = open_engine(folder)(windows_of(2)).probabilities
    cut(folder / "exported" / "model.onnx")
    np.testing.assert_allclose(open_engine(folder)(windows_of(2)).probabilities, before, atol=1e-6)
    save(folder, "temporal", SMALL, seed=1)
    after = open_engine(folder)(windows_of(2)).probabilities
    assert abs(after - before).max() > 1e-3
    np.testing.assert_allclose(after, open_engine(folder, "torch")(windows_of(2)).probabilities, atol=1e-4)


def test_an_export_that_differs_from_torch_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    folder = save(tmp_path / "model", "temporal", SMALL)
    monkeypatch.setattr(exports, "AGREE", -1.0)
    with pytest.raises(ModelError, match=r"model.onnx: the exported graph differs from torch by .*; allowed is -1"):
        export_model(folder)
    assert list((folder / "exported").iterdir()) == []


def lock(monkeypatch, *folders: Path) -> None:
    """Let folders be such that the user may not write there; root may write everywhere but here."""
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) not in folders and real(path, mode))


def test_a_model_that_nobody_may_change_is_exported_to_the_cache(model, cache, monkeypatch):
    known = read_contract(model)
    assert known is not None
    lock(monkeypatch, model, model / "exported")
    assert read_contract(model) == known, "what stands beside the model will do"
    cut(model / "exported" / "model.onnx")
    assert read_contract(model) is None
    where = contracts.folder_to_export(model, known[0].weights_sha256)
    assert cache in where.parents
    shutil.copytree(exported() / "exported", where)
    assert read_contract(model) == (known[0], where)


def test_where_no_export_can_be_written_one_error_says_so(tmp_path, cache, monkeypatch):
    folder = save(tmp_path / "model", "temporal", SMALL)
    lock(monkeypatch, folder)
    cache.write_text("a file where the cache should be")
    with pytest.raises(WriteError, match="cannot be written: Not a directory"):
        export_model(folder)


KILLED = """
import os, signal, sys
from pathlib import Path
from ictal.scoring import export

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def rename(path, target, real=Path.replace):
    real(path, target)
    if target.suffix == ".onnx":
        die()

if sys.argv[2] == "before a graph is checked":
    export._compare = die
else:
    Path.replace = rename
export.export_model(Path(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before a graph is checked", "between graph and contract"])
def test_an_export_that_is_killed_leaves_a_folder_that_works(tmp_path, moment):
    """Also where an export of another model stood before."""
    folder = save(tmp_path / "model", "temporal", SMALL)
    export_model(folder)
    save(folder, "temporal", SMALL, seed=1)
    killed = subprocess.run([sys.executable, "-c", KILLED, folder, moment], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert read_contract(folder) is None
    piece = windows_of(2)
    expected = load_model(folder).predict(np.stack([piece.window(0), piece.window(1)]))
    np.testing.assert_allclose(open_engine(folder)(piece).probabilities, expected, atol=1e-4)
    save(folder, "temporal", SMALL)
    assert read_contract(folder) is None
