"""The graphs that ship with a model explain as its network does, and need no torch."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from ictal.core.labels import PATTERNS
from ictal.errors import ModelError
from ictal.explanations import explain
from ictal.explanations.explained import Explained, open_explained
from ictal.explanations.exported_model import CONTRACT, GRADIENTS, ExportedModel, open_exported
from ictal.explanations.gradcam import gradcam
from ictal.explanations.integrated_gradients import integrate_gradients
from ictal.explanations.occlusion import occlude_cells
from ictal.explanations.torch_model import TorchModel
from ictal.models import hub
from ictal.scoring.export_contract import read_input
from ictal.web.similar import N_SIMULATED, SHIPPED_NEIGHBOURS, read_neighbours, simulated_windows

SHIPPED = sorted(folder.name for folder in hub.SHIPPED.iterdir() if folder.is_dir())
LPD = PATTERNS.index("lpd")


@pytest.fixture(scope="module", params=SHIPPED)
def pair(request) -> tuple[Explained, TorchModel]:
    """A shipped model by its graphs and by its network."""
    folder = hub.SHIPPED / request.param
    return open_explained(folder), TorchModel.open(folder)


@pytest.fixture(scope="module")
def windows() -> np.ndarray:
    return np.stack(simulated_windows(range(3), read_input("default").standardise)[2])


def test_a_shipped_model_brings_graphs_and_any_other_does_not(pair, tmp_path):
    exported, network = pair
    assert isinstance(exported, ExportedModel)
    assert (exported.title, exported.seen, exported.methods) == (network.title, network.seen, network.methods)
    copy = shutil.copytree(exported.folder, tmp_path / "copy")
    assert open_exported(copy) is None  # nothing proves that its graphs are those of its weights


def test_graphs_return_what_the_network_returns(pair, windows):
    exported, network = pair
    np.testing.assert_allclose(exported.log_probabilities(windows), network.log_probabilities(windows), atol=1e-4)
    np.testing.assert_allclose(exported.features(windows), network.features(windows), atol=1e-3)
    for ours, theirs in zip(exported.slopes(windows, LPD), network.slopes(windows, LPD), strict=True):
        apart = [np.linalg.norm(one - other) for one, other in zip(ours, theirs, strict=True)]
        sizes = [np.linalg.norm(other) for other in theirs]
        assert (np.array(apart) <= 0.02 * np.array(sizes)).all()  # a gradient jumps where a unit is about zero
        assert np.median(np.array(apart) / sizes) < 1e-4
    ours, theirs = (model.feature_map(windows[0], LPD) for model in pair)
    for name in ("values", "decibels", "hertz", "seconds"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-3)
    np.testing.assert_allclose(ours.slopes, theirs.slopes, atol=1e-3 * np.abs(theirs.slopes).max())


def test_all_methods_give_the_maps_of_the_network(pair, windows):
    ours, theirs = (occlude_cells(model, windows[1], "lpd", 5) for model in pair)
    np.testing.assert_allclose(ours, theirs, atol=1e-3)
    one, other = (gradcam(model, windows[1], "lpd") for model in pair)
    np.testing.assert_allclose(one.heat, other.heat, atol=1e-3 * other.heat.max())
    one, other = (integrate_gradients(model, windows[1], "lpd") for model in pair)
    assert one.n_steps == other.n_steps
    np.testing.assert_allclose(one.grid, other.grid, atol=0.02 * np.abs(other.grid).max())
    assert one.attributions[:, : pair[0].seen.start].any() == np.False_


def test_what_the_model_does_not_use_is_not_computed_and_nothing_drops_there(pair, windows):
    exported, network = pair
    blind = TorchModel(network.network)
    blind.seen = slice(0, windows.shape[-1])
    some = slice(0, 4)  # electrodes: all would take a while
    pruned, whole = (occlude_cells(model, windows[2], "lpd", 10) for model in (exported, blind))
    np.testing.assert_allclose(pruned[some], whole[some], atol=1e-3)
    assert not pruned[:, [0, 1, 3, 4]].any()


def test_windows_for_comparison_ship_with_the_features_of_the_model(pair):
    exported, network = pair
    kept = read_neighbours(exported.folder / SHIPPED_NEIGHBOURS)
    assert len(kept.names) == len(kept.votes) == N_SIMULATED
    names, votes, made = simulated_windows(range(2), read_input(exported.folder).standardise)
    assert kept.names[:2] == names
    np.testing.assert_allclose(kept.votes[:2], votes)
    np.testing.assert_allclose(kept.features[:2], network.features(np.stack(made)), atol=5e-3)


@pytest.mark.parametrize("name", [GRADIENTS, SHIPPED_NEIGHBOURS])
def test_a_damaged_file_and_other_weights_are_refused(name, tmp_path, monkeypatch):
    folder = shutil.copytree(hub.SHIPPED / "default", tmp_path / "default")
    monkeypatch.setattr(hub, "SHIPPED", tmp_path)
    assert open_exported(folder) is not None
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match=f"{name}: is not the file that {CONTRACT} describes"):
        open_exported(folder)
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"{name}: is missing"):
        open_exported(folder)
    (folder / name).write_bytes(content)
    text = (folder / CONTRACT).read_text()
    sha = hub.read_card(folder, hub.ModelSummary)[1].weights_sha256
    (folder / CONTRACT).write_text(text.replace(sha, sha[::-1]))
    with pytest.raises(ModelError, match="belongs to other weights"):
        open_exported(folder)
    (folder / CONTRACT).write_text(text[:-9])
    with pytest.raises(ModelError, match=f"{CONTRACT}: is damaged"):
        open_exported(folder)


def test_explaining_a_shipped_model_imports_no_torch():
    code = (
        "import sys, numpy as np; from ictal.explanations import explain;"
        "found = explain('default', np.random.default_rng(0).normal(0, 20, (20, 10_000)));"
        "assert found.gradcam and found.occlusion and found.gradients;"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_model_is_explained_by_its_name(windows):
    found = explain("default", windows[0], methods=("gradcam",))
    assert found.arm == "SE"
    assert found.probabilities.sum() == pytest.approx(1)
