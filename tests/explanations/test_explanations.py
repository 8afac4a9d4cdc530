import copy
import json
import math
import tracemalloc
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from torch import nn

from ictal.core.labels import PATTERNS
from ictal.core.montage import CHANNELS, ELECTRODES
from ictal.core.windows import RATE_HZ, WINDOW_S
from ictal.errors import ModelError, UnknownNameError
from ictal.explanations import occlusion as occlusion_module
from ictal.explanations import sanity as checks
from ictal.explanations.explanation import explain
from ictal.explanations.gradcam import gradcam
from ictal.explanations.integrated_gradients import integrate_gradients
from ictal.explanations.occlusion import QUIET, bridged, occlude, quietened
from ictal.explanations.sanity import sanity
from ictal.models.arm_network import MeanOfArms
from ictal.models.arms import ARMS
from ictal.models.build import build
from ictal.models.checkpoint import Card, save_model
from ictal.models.efficientnet import Efficientnet
from ictal.preprocessing.settings import StandardiseSettings
from ictal.recipes import load_recipe
from tests.conftest import TINY
from tests.helpers import noise

WHERE, WHEN = ELECTRODES.index("C4"), 24
"""The electrode and second that carry the class of the synthetic task."""
ELSEWHERE, OTHER_TIME = ELECTRODES.index("T5"), 7
"""A burst that every window has and that means nothing."""
MODELS = load_recipe(TINY).models
WINDOW = noise(10_000, seed=1) / 3


def burst(window: np.ndarray, row: int, second: int) -> None:
    time = np.arange(RATE_HZ) / RATE_HZ
    window[row, second * RATE_HZ : (second + 1) * RATE_HZ] += 120 * np.sin(2 * np.pi * 8 * time) * np.hanning(RATE_HZ)


def task(seed: int, is_lpd: bool) -> np.ndarray:
    window = noise(10_000, seed) / 6
    burst(window, ELSEWHERE, OTHER_TIME)
    if is_lpd:
        burst(window, WHERE, WHEN)
    return window


class Mosaic(nn.Module):
    """The size of the signal at each electrode and second, and one layer on all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(950, 6)

    def features(self, windows: torch.Tensor) -> torch.Tensor:
        energy = windows[:, :19].reshape(len(windows), 19, WINDOW_S, RATE_HZ).square().mean(dim=3)
        return (energy.flatten(1) + 1).log() - math.log(100)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(windows))


class Constant(nn.Module):
    """A network that ignores its input, but for the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.tensor([0.0, 2.0, 0.0, 0.0, 0.0, 1.0]))

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        return self.logits + 0 * windows.mean(dim=(1, 2))[:, None]


@pytest.fixture(scope="module")
def learned() -> nn.Module:
    """A network that has learned the synthetic task: LPD where the burst is, other where it is not."""
    torch.manual_seed(0)
    network = Mosaic()
    windows = torch.from_numpy(np.stack([task(seed, seed % 2 == 0) for seed in range(64)]))
    labels = torch.tensor([PATTERNS.index("lpd" if seed % 2 == 0 else "other") for seed in range(64)])
    features = network.features(windows)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    for _ in range(100):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network.head(features), labels).backward()
        optimizer.step()
    network.eval()
    fresh = torch.from_numpy(np.stack([task(seed, seed % 2 == 0) for seed in range(100, 116)]))
    assert (network(fresh).argmax(1) == labels[:16]).all()
    return network


@pytest.fixture(scope="module")
def spatial() -> Efficientnet:
    torch.manual_seed(3)
    return Efficientnet(MODELS.spatial.spectrogram, MODELS.spatial.efficientnet).eval()


def peak(grid: np.ndarray) -> tuple[int, int]:
    row, column = np.unravel_index(np.abs(grid).argmax(), grid.shape)
    return int(row), int(column)


def test_occlusion_points_to_the_electrode_and_second_that_carry_the_class(learned):
    found = occlude(learned, task(200, is_lpd=True), "lpd", stretch_s=2)
    assert (found.electrodes.argmax(), found.seconds.argmax()) == (WHERE, WHEN)
    assert peak(found.grid) == (WHERE, WHEN // 2)
    assert found.electrodes[ELSEWHERE] < 0.1 * found.electrodes[WHERE]
    assert found.seconds[OTHER_TIME] < 0.1 * found.seconds[WHEN]


def test_integrated_gradients_point_to_the_electrode_and_second_that_carry_the_class(learned):
    found = integrate_gradients(learned, task(201, is_lpd=True), "lpd")
    assert found.complete
    assert peak(found.grid) == (WHERE, WHEN)
    assert found.grid[WHERE, WHEN] > 0


def test_what_speaks_for_one_pattern_speaks_against_its_rival(learned):
    window = task(202, is_lpd=True)
    assert occlude(learned, window, "other", None).seconds[WHEN] < -1
    assert integrate_gradients(learned, window, "other").grid[WHERE, WHEN] < -1


def test_a_network_that_ignores_its_input_has_nothing_to_explain():
    found = explain(Constant(), WINDOW)
    assert found.pattern == "lpd"
    np.testing.assert_allclose(found.occlusion.electrodes, 0, atol=1e-6)
    np.testing.assert_allclose(found.occlusion.seconds, 0, atol=1e-6)
    np.testing.assert_allclose(found.occlusion.grid, 0, atol=1e-6)
    np.testing.assert_allclose(found.gradients.attributions, 0, atol=1e-9)
    assert (found.gradients.difference, found.gradcam) == (0, None)


class Linear(nn.Module):
    """Logits that are linear in every sample, one of them large enough to stand for log p as it is."""

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.from_numpy(weights.astype(np.float32)))

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        score = (windows * self.weights).sum(dim=(1, 2))
        # With a thousand nats against it, log p of the first pattern is its logit less a constant.
        return torch.stack([score - 1000, *[0 * score] * 4, 0 * score], dim=1)


def test_integrated_gradients_of_a_linear_network_are_weight_times_input():
    weights = np.random.default_rng(0).normal(0, 1e-4, (20, 10_000))
    weights[:19] -= weights[:19].mean(axis=0)  # no use of what all electrodes have in common
    centred = WINDOW.astype(float)
    centred[:19] -= centred[:19].mean(axis=0)
    found = integrate_gradients(Linear(weights), WINDOW, "seizure")
    np.testing.assert_allclose(found.attributions, weights * centred, rtol=1e-3, atol=1e-7)
    assert found.complete


@settings(max_examples=8)
@given(st.integers(0, 1000))
def test_shares_add_up_to_the_difference_also_where_the_network_looks_at_the_reference(seed):
    weights = np.random.default_rng(seed).normal(0, 1e-4, (20, 10_000))
    weights[:19] += np.random.default_rng(seed + 1).normal(0, 3e-4, 10_000)
    found = integrate_gradients(Linear(weights), noise(10_000, seed + 2), "seizure")
    assert abs(found.gap) <= 1e-3  # float32 around 1000 nats
    assert found.attributions.sum() == pytest.approx(found.difference + found.gap)


def test_the_path_is_refined_until_the_shares_add_up_and_not_beyond_the_most():
    class Steps(nn.Module):
        def forward(self, windows: torch.Tensor) -> torch.Tensor:
            size = windows.abs().mean(dim=(1, 2))
            return torch.stack([5 * (0.5 * size).sin(), *[0 * size] * 5], dim=1)

    few = integrate_gradients(Steps(), WINDOW, "seizure", n_steps=3, most_steps=4)
    enough = integrate_gradients(Steps(), WINDOW, "seizure", n_steps=3, most_steps=128)
    assert not few.complete
    assert few.n_steps == 3
    assert enough.complete
    assert 3 < enough.n_steps <= 128
    assert few.difference == enough.difference


@pytest.mark.parametrize("arm", ["temporal", "spatial"])
def test_the_reference_decides_nothing_where_the_network_sees_derivations(arm):
    torch.manual_seed(0)
    network = build(arm, MODELS).eval()
    shifted = WINDOW.copy()
    shifted[:19] += 40 * np.sin(np.arange(10_000) / 30, dtype=np.float32)
    one, other = (occlude(network, window, "gpd", 25) for window in (WINDOW, shifted))
    for name in ("electrodes", "seconds", "grid"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=2e-5)
    if arm == "temporal":
        one, other = (integrate_gradients(network, window, "gpd").grid for window in (WINDOW, shifted))
        np.testing.assert_allclose(one, other, atol=1e-3 * np.abs(one).max())


@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 100))
def test_a_bridge_is_a_straight_line_that_meets_both_sides(start, length, seed):
    signal = np.random.default_rng(seed).normal(size=(3, 70)).astype(np.float32)
    stop = min(start + length, 70)
    changed = bridged(signal, start, stop)
    np.testing.assert_array_equal(np.delete(changed, slice(start, stop), 1), np.delete(signal, slice(start, stop), 1))
    around = changed[:, max(start - 1, 0) : stop + 1]
    np.testing.assert_allclose(np.diff(around, n=2, axis=1), 0, atol=1e-5)
    if start == 0 or stop == 70:
        np.testing.assert_allclose(np.diff(changed[:, start:stop], axis=1), 0, atol=1e-6)


def test_a_quietened_stretch_keeps_a_tenth_and_begins_and_ends_without_a_step():
    wave = 100 * np.sin(np.arange(10_000) / 5, dtype=np.float32)
    signal = wave + np.linspace(0, 500, 10_000, dtype=np.float32)
    changed = quietened(signal, 4000, 6000)
    np.testing.assert_array_equal(changed[:4000], signal[:4000])
    np.testing.assert_array_equal(changed[6000:], signal[6000:])
    assert np.abs(np.diff(changed)).max() <= np.abs(np.diff(signal)).max() + 1e-3
    left, before = (np.diff(samples[4000:6000]).std() for samples in (changed, signal))
    assert left == pytest.approx(QUIET * before, rel=1e-3)


def test_a_steady_slope_is_its_own_bridge_and_its_electrodes_their_neighbours_mean():
    # So a drift common to all electrodes leaves no trace of what was taken away.
    slope = np.tile(np.linspace(-300, 300, 10_000, dtype=np.float32), (20, 1))
    for variant in chain(occlusion_module._without_parts(slope), occlusion_module._without_cells(slope, 10)):
        inner = variant[:, 2000:-2000]
        np.testing.assert_allclose(inner, slope[:, 2000:-2000], atol=2e-3)


def test_neighbours_are_those_along_chains_and_rows():
    def of(name: str) -> set[str]:
        row = occlusion_module.MEANS_OF_NEIGHBOURS[CHANNELS.index(name)]
        assert row.sum() == pytest.approx(1)
        return {CHANNELS[index] for index in np.flatnonzero(row)}

    assert of("Cz") == {"Fz", "Pz", "C3", "C4"}
    assert of("T3") == {"F7", "T5", "C3"}
    assert of("Fp1") == {"F7", "F3", "Fp2"}
    assert of("O2") == {"T6", "P4", "O1"}


def test_grad_cam_of_a_linear_head_on_a_mean_is_the_class_activation_map(spatial):
    # Selvaraju et al. 2017, section 3.1: for such a network Grad-CAM is CAM (Zhou et al. 2016). The gradient of
    # log p is the pattern's weights less the mean weights of all patterns by their probability.
    images = spatial.view(torch.from_numpy(WINDOW)[None])
    with torch.inference_mode():
        features = spatial.network.forward_features(images)[0].double()
        share = spatial(torch.from_numpy(WINDOW)[None]).double().softmax(1)[0]
    weights = spatial.head.weight.detach().double()
    for pattern in ("lpd", "other"):
        column = PATTERNS.index(pattern)
        contrast = weights[column] - share @ weights
        n_cells = features.shape[1] * features.shape[2]
        expected = torch.einsum("f,fhw->hw", contrast, features).relu() / n_cells
        found = gradcam(spatial, WINDOW, pattern)
        np.testing.assert_allclose(found.cells, expected, rtol=1e-3, atol=1e-7)
        assert found.heat.shape == (32, 32)
        assert found.heat.min() >= 0


def test_the_image_that_grad_cam_shows_is_what_the_network_saw_with_its_axes(spatial):
    window = np.zeros((20, 10_000), dtype=np.float32)
    time = np.arange(10_000) / RATE_HZ
    window[CHANNELS.index("F8")] = np.where((time > 30) & (time < 34), 100 * np.sin(2 * np.pi * 11 * time), 0)
    found = gradcam(spatial, window, "lpd")
    settings = spatial.view.settings
    pixels = spatial.view(torch.from_numpy(window)[None])[0].numpy()
    np.testing.assert_allclose((found.images + settings.offset_db) / settings.scale_db, pixels, atol=1e-4)
    chain, band, frame = np.unravel_index(found.images.argmax(), found.images.shape)
    assert chain == 3
    assert found.hertz[band] == pytest.approx(11, abs=1)
    assert 30 <= found.seconds[frame] <= 34


def test_grad_cam_finds_the_efficientnet_inside_any_wrapper(spatial):
    both = build("both", MODELS).eval()
    (inner,) = (part for part in both.modules() if isinstance(part, Efficientnet))
    inner.load_state_dict(spatial.state_dict())
    wrapped, alone = gradcam(both, WINDOW, "grda").cells, gradcam(spatial, WINDOW, "grda").cells
    # The wrapper scales the gradient and turns it a little, but the map stays.
    assert alone.any()
    np.testing.assert_allclose(wrapped / wrapped.max(), alone / alone.max(), atol=0.1)


@pytest.mark.parametrize("name", ARMS)
def test_every_arm_that_looks_at_the_window_can_be_explained(name):
    torch.manual_seed(0)
    network = build(name, MODELS).eval()
    if network.sees_context:
        with pytest.raises(ModelError, match="ten minutes"):
            explain(network, WINDOW)
        return
    found = integrate_gradients(network, WINDOW, "lpd", n_steps=4, most_steps=4)
    assert np.isfinite(found.attributions).all()
    assert found.attributions.any()
    if sum(isinstance(part, Efficientnet) for part in network.modules()) == 1:
        assert (gradcam(network, WINDOW, "lpd").cells >= 0).all()


def test_grad_cam_refuses_networks_without_one_efficientnet(spatial):
    with pytest.raises(ModelError, match="this one has none"):
        gradcam(Mosaic(), WINDOW, "lpd")
    with pytest.raises(ModelError, match="has 2: 0, 1"):
        gradcam(nn.Sequential(spatial, copy.deepcopy(spatial)), WINDOW, "lpd")

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = spatial

        def forward(self, windows: torch.Tensor) -> torch.Tensor:
            return self.network(windows) + self.network(-windows)

    with pytest.raises(ModelError, match="this one has several"):
        gradcam(Twice(), WINDOW, "lpd")
    assert not spatial.network.bn2._forward_hooks


@pytest.mark.parametrize("method", ["occlusion", "gradients"])
def test_explanations_of_a_random_network_differ_from_those_of_the_trained_one(learned, method):
    before = copy.deepcopy(learned.state_dict())
    windows = [task(300, is_lpd=True)]
    result = sanity(learned, windows, "lpd", method, n_steps=2)
    assert result.shares == (0.5, 1.0)
    assert result.differs
    assert result == sanity(learned, windows, "lpd", method, n_steps=2)
    assert result != sanity(learned, windows, "lpd", method, n_steps=2, seed=1)
    for name, tensor in learned.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_a_method_that_does_not_ask_the_network_is_found_out(learned):
    result = sanity(learned, [WINDOW], "lpd", lambda network, window, pattern: window[:, ::100].astype(float))
    assert result.correlations == pytest.approx((1, 1, 1, 1))
    assert not result.differs


def test_the_cascade_goes_from_the_head_down_and_through_averaged_parts_in_step(spatial):
    class Pair(nn.Module):
        sees_context = False

        def __init__(self) -> None:
            super().__init__()
            self.deep, self.head = nn.Linear(2, 2), nn.Linear(2, 2)

    one, other = Pair(), Pair()
    assert checks._layer_groups(one, 2) == [[one.head], [one.deep]]
    assert checks._layer_groups(MeanOfArms({"a": one, "b": other}), 2) == [
        [one.head, other.head],
        [one.deep, other.deep],
    ]
    layers = [layer for step in checks._layer_groups(spatial, 4) for layer in step]
    assert layers[0] is spatial.head
    assert layers[-1] is spatial.network.conv_stem
    weights = {id(parameter) for layer in layers for parameter in layer.parameters(recurse=False)}
    assert weights == {id(parameter) for parameter in spatial.parameters()}


def test_the_correlation_is_spearmans_and_none_with_a_map_that_is_the_same_everywhere():
    one, other = np.random.default_rng(0).normal(size=(2, 5, 7)).round(1)
    assert checks._rank_correlation(one, other) == pytest.approx(spearmanr(abs(one).ravel(), abs(other).ravel())[0])
    assert checks._rank_correlation(one, np.full((5, 7), -2.0)) == 0
    assert checks._rank_correlation(one, np.zeros((5, 7))) == 0


def test_what_no_network_can_see_does_not_make_two_maps_alike():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 10, 50))
    unseen = 1e-8 * rng.normal(size=(2, 90, 50))
    maps = [np.concatenate([seen, rest]) for seen, rest in zip((one, other), unseen, strict=True)]
    assert abs(checks._rank_correlation(*maps)) < 0.15
    assert checks._rank_correlation(*maps) == pytest.approx(checks._rank_correlation(one, other))


def test_a_saved_model_is_explained_by_its_folder(tmp_path):
    spatial = build("spatial", MODELS).eval()
    card = Card(
        arm="spatial", models=MODELS, standardise=StandardiseSettings(), data="none", data_fingerprint="0",
        recipe="tiny", seed=0, ictal_version="0",
    )  # fmt: skip
    save_model(tmp_path, spatial, card)
    found = explain(tmp_path, WINDOW, methods=("gradcam",))
    assert (found.arm, found.occlusion, found.gradients) == ("spatial", None, None)
    assert found.pattern == PATTERNS[found.probabilities.argmax()]
    assert found.probability == found.probabilities.max()
    np.testing.assert_allclose(found.gradcam.cells, gradcam(spatial, WINDOW, found.pattern).cells, rtol=1e-5)
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert set(content) == {"arm", "pattern", "probabilities", "gradcam"}
    assert sum(content["probabilities"].values()) == pytest.approx(1, abs=1e-5)


def test_everything_applies_to_a_network_with_an_efficientnet_and_is_told_in_json(learned):
    content = explain(learned, WINDOW, "gpd").to_json()
    assert set(content) == {"arm", "pattern", "probabilities", "occlusion", "gradients"}
    assert content["pattern"] == "gpd"
    assert set(content["occlusion"]["electrodes"]) == set(ELECTRODES)
    assert len(content["occlusion"]["grid"]["Cz"]) == 25
    assert len(content["gradients"]["grid"]["Cz"]) == 50
    json.dumps(content, allow_nan=False)


def test_a_network_keeps_its_mode_and_is_asked_without_dropout(learned):
    class Dropping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.drop = learned, nn.Dropout(0.9)

        def forward(self, windows: torch.Tensor) -> torch.Tensor:
            return self.inner(self.drop(windows))

    network = Dropping().train()
    found = occlude(network, WINDOW, "lpd", None)
    assert network.training
    np.testing.assert_allclose(found.seconds, occlude(learned, WINDOW, "lpd", None).seconds, atol=1e-6)
    learned.eval()


def test_what_cannot_be_explained_is_said(learned):
    with pytest.raises(UnknownNameError, match="unknown pattern 'lpds'"):
        explain(learned, WINDOW, "lpds")
    with pytest.raises(UnknownNameError, match="unknown method 'saliency'"):
        explain(learned, WINDOW, methods=["saliency"])
    with pytest.raises(UnknownNameError, match="unknown method 'saliency'"):
        sanity(learned, [WINDOW], "lpd", "saliency")
    learned.sees_context = True
    with pytest.raises(ModelError, match="ten minutes"):
        explain(learned, WINDOW)
    del learned.sees_context
    with pytest.raises(ValueError, match="finite"):
        explain(learned, WINDOW[:19])
    with pytest.raises(ValueError, match="finite"):
        explain(learned, np.full_like(WINDOW, np.nan))
    with pytest.raises(ValueError, match="stretch_s is 3"):
        occlude(learned, WINDOW, "lpd", stretch_s=3)


class Counted:
    """A model that counts the windows for which it is asked at once."""

    title, methods, seen = "", ("occlusion", "gradients"), slice(0, 10_000)

    def __init__(self) -> None:
        self.asked: list[int] = []

    def log_probabilities(self, windows: np.ndarray) -> np.ndarray:
        self.asked.append(len(windows))
        return np.log(np.full((len(windows), len(PATTERNS)), 1 / len(PATTERNS)))

    def slopes(self, windows: np.ndarray, column: int) -> tuple[np.ndarray, np.ndarray]:
        return self.log_probabilities(windows)[:, column], np.zeros_like(windows)

    def feature_map(self, window: np.ndarray, column: int) -> None:
        raise ModelError("it has none")

    features = log_probabilities


def test_occlusion_holds_a_few_changed_windows_at_once():
    model = Counted()
    tracemalloc.start()
    try:
        occlude(model, WINDOW, "lpd")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(model.asked) == 1 + 19 + 50 + 19 * 25
    assert peak < 100 * WINDOW.nbytes


@pytest.mark.parametrize("method", [occlude, integrate_gradients])
def test_an_explanation_can_be_stopped_before_the_model_is_asked(method):
    def stop(*_: object) -> None:
        raise InterruptedError

    model = Counted()
    with pytest.raises(InterruptedError):
        method(model, WINDOW, "lpd", progress=stop)
    assert not model.asked
