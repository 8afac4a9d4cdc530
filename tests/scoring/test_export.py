import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from ictal.core.atomic_files import sha256_of
from ictal.core.montage import CHAINS, CHANNELS, ELECTRODES, MONTAGES, derivations_of, montage_matrix
from ictal.core.recording import Recording
from ictal.errors import ElectrodeError, ModelError, WriteError
from ictal.models.arms import ARMS
from ictal.models.build import build
from ictal.models.checkpoint import load_model
from ictal.preprocessing.channel_mapping import map_channels
from ictal.scoring import export as exports
from ictal.scoring import export_contract as contracts
from ictal.scoring.engines import open_engine
from ictal.scoring.export import derivations_seen, export_model
from ictal.scoring.export_contract import exported_folder, read_contract
from tests.scoring.helpers import SMALL, exported, network_of, save, windows_of

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
def cache(tmp_path, monkeypatch) -> Path:
    """A cache of this test's own."""
    monkeypatch.setattr(contracts, "user_cache_path", lambda name: tmp_path / "cache" / name)
    return tmp_path / "cache"


@pytest.fixture
def model(tmp_path, request) -> Path:
    """Return a model that may be changed, in a folder of its own, with its export in a cache of its own."""
    known = exported_folder(exported())
    shutil.copytree(exported(), tmp_path / "model")
    request.getfixturevalue("cache")
    shutil.copytree(known, exported_folder(tmp_path / "model"))
    return tmp_path / "model"


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
        map_channels(Recording.from_array(np.zeros((2, 9)), ("EKG", "Resp"), 200), pairs)
    assert np.linalg.matrix_rank(montage_matrix(tuple(pairs))) >= 14


def test_the_contract_tells_the_model_and_its_graphs():
    folder = exported()
    found = read_contract(folder)
    assert found is not None
    told, where = found
    assert where == exported_folder(folder)
    assert {path.name for path in folder.iterdir()} == {"card.json", "model.safetensors"}
    assert {*told.graphs} == {"model.onnx", "temporal-frames.onnx", "temporal-head.onnx"}
    assert {path.name for path in where.glob("[!.]*")} == {*told.graphs, "contract.json"}
    assert told.weights_sha256 == sha256_of(folder / "model.safetensors")
    assert {*told.needs.derivations} == LONG
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
    harm(exported_folder(model) / name)
    assert read_contract(model) is None


@pytest.mark.parametrize("change", [{"metrics": {"kl": 1.0}}, {"warnings": ["x"]}])
def test_an_export_of_another_model_counts_as_none(model, change):
    card = json.loads((model / "card.json").read_text())
    (model / "card.json").write_text(json.dumps(card | change))
    assert read_contract(model) is None


def test_an_export_of_another_version_counts_as_none(model, monkeypatch):
    monkeypatch.setattr(contracts, "__version__", "9.9.9")
    assert read_contract(model) is None


@pytest.mark.parametrize(("content", "words"), [("{", "not the card"), ("[]", "not the card"), (None, "not a saved")])
def test_a_folder_without_a_card_is_no_model(tmp_path, content, words):
    (tmp_path / "model.safetensors").touch()
    if content:
        (tmp_path / "card.json").write_text(content)
    with pytest.raises(ModelError, match=words):
        read_contract(tmp_path)


def test_a_copy_of_a_model_shares_its_export_and_has_its_own_name(model, tmp_path):
    shutil.copytree(model, tmp_path / "copy")
    (one, where), (other, there) = read_contract(model), read_contract(tmp_path / "copy")
    assert where == there
    assert (one.name, other.name) == ("model", "copy")


@pytest.mark.exhaustive
def test_a_damaged_export_is_made_anew_and_a_changed_model_too(tmp_path):
    folder = save(tmp_path / "model", "temporal", SMALL)
    before = open_engine(folder)(windows_of(2)).probabilities
    cut(exported_folder(folder) / "model.onnx")
    np.testing.assert_allclose(open_engine(folder)(windows_of(2)).probabilities, before, atol=1e-6)
    save(folder, "temporal", SMALL, seed=1)
    after = open_engine(folder)(windows_of(2)).probabilities
    assert abs(after - before).max() > 1e-3
    np.testing.assert_allclose(after, open_engine(folder, "torch")(windows_of(2)).probabilities, atol=1e-4)


def test_an_export_that_differs_from_torch_is_refused_and_leaves_nothing(tmp_path, monkeypatch, cache):
    folder = save(tmp_path / "model", "temporal", SMALL)
    monkeypatch.setattr(exports, "AGREE", -1.0)
    with pytest.raises(
        ModelError, match=r"temporal-traces.onnx: the exported graph differs from torch by .*; allowed is -1"
    ):
        export_model(folder)
    assert [path.name for path in exported_folder(folder).iterdir()] == [".lock"]


def test_where_no_export_can_be_written_one_error_says_so(tmp_path, cache):
    folder = save(tmp_path / "model", "temporal", SMALL)
    cache.write_text("a file where the cache should be")
    with pytest.raises(WriteError, match="cannot be written: Not a directory"):
        export_model(folder)


def test_of_many_that_export_at_once_one_does_it(tmp_path, cache, monkeypatch):
    folder, made = save(tmp_path / "model", "temporal", SMALL), []
    real = exports._export_to
    monkeypatch.setattr(exports, "_export_to", lambda *of: made.append(of) or real(*of))
    threads = [threading.Thread(target=export_model, args=[folder]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert read_contract(folder)


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


@pytest.mark.exhaustive
@pytest.mark.parametrize("moment", ["before a graph is checked", "between graph and contract"])
def test_an_export_that_is_killed_leaves_a_folder_that_works(tmp_path, moment, monkeypatch):
    folder = save(tmp_path / "model", "temporal", SMALL, seed=1)
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "home")}
    monkeypatch.setenv("XDG_CACHE_HOME", environment["XDG_CACHE_HOME"])
    code = [sys.executable, "-c", KILLED, folder, moment]
    killed = subprocess.run(code, check=False, capture_output=True, env=environment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert read_contract(folder) is None
    piece = windows_of(2)
    expected = load_model(folder).predict(np.stack([piece.window(0), piece.window(1)]))
    np.testing.assert_allclose(open_engine(folder)(piece).probabilities, expected, atol=1e-4)
    assert not list(exported_folder(folder).glob("*.part"))
    save(folder, "temporal", SMALL)
    assert read_contract(folder) is None
