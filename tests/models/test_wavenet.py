"""What the settings of WaveNet change, beside the literal network of test_arms.py."""

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from ictal.errors import RecipeError
from ictal.models.wavenet import GatedLayer, WaveBlock, Wavenet, WavenetSettings
from ictal.recipes import load_recipe
from ictal.views import WaveformSettings
from tests.conftest import TINY
from tests.models.test_arms import LiteralBlock, windows

SMALL = WavenetSettings(filters=(4, 8), kernels=(4, 3), dilations=(2, 2), hidden=5)


def network(montage: str = "long_chains", **values: object) -> Wavenet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Wavenet(WaveformSettings(montage=montage, decimate=20), SMALL.model_copy(update=values))


def test_each_chain_weighs_its_own_derivations():
    made = network("double_banana").double()
    with torch.inference_mode():
        traces = made.view(windows(1).double())
        means = []
        for row in range(18):
            signal = traces[:, row : row + 1]
            for block in made.blocks:
                signal = LiteralBlock(block)(signal)
            means.append(signal.mean(dim=2))
        # Four chains of four derivations, and the midline of two.
        chains = [sum(means[first:last]) / (last - first) for first, last in ((0, 4), (4, 8), (8, 12), (12, 16))]
        expected = torch.cat([*chains, (means[16] + means[17]) / 2], dim=1)
        torch.testing.assert_close(made.features(windows(1).double()), expected)
    assert made.n_features == 5 * 8


def test_batch_normalisation_follows_each_block():
    kinds = [type(block) for block in network(norm="batch").blocks]
    assert kinds == [WaveBlock, nn.BatchNorm2d, WaveBlock, nn.BatchNorm2d]
    assert [type(block) for block in network().blocks] == [WaveBlock, WaveBlock]
    made = network(norm="batch").train()
    loud = 50 * windows(4)
    made(loud)
    normed = made.blocks[:2](made.view(loud).unsqueeze(1))
    assert normed.mean(dim=(0, 2, 3)).abs().max() < 1e-3
    torch.testing.assert_close(normed.std(dim=(0, 2, 3)), torch.ones(4), rtol=0.01, atol=0)


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (2, 1), (3, 4), (4, 8)])
def test_a_layer_sees_as_far_as_its_kernel_and_dilation(kernel, dilation):
    layer = GatedLayer(2, kernel, dilation, "zero")
    signal = torch.zeros(1, 2, 1, 101, requires_grad=True)
    layer(signal)[0, :, 0, 50].sum().backward()
    seen = signal.grad[0, :, 0].abs().sum(dim=0).nonzero()[:, 0].tolist()
    before = dilation * (kernel - 1) // 2  # 'same': the odd sample is put after
    assert seen == sorted({50, *(50 - before + dilation * step for step in range(kernel))})
    assert layer(signal).shape == signal.shape


def test_only_what_is_learnt_is_saved():
    made = network()
    assert set(made.state_dict()) == {name for name, _ in made.named_parameters()}


def test_mixed_precision_changes_little():
    made = network().eval()
    with torch.inference_mode():
        exact = made(windows(2)).softmax(1)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = made(windows(2)).float().softmax(1)
    # bfloat16 has 8 bits: 0.4 % per rounding, through about ten layers.
    torch.testing.assert_close(mixed, exact, rtol=0, atol=0.04)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kernels": (4, 4, 4)}, "kernels.*4, 4, 4.*allowed are 2 whole numbers from 1"),
        ({"dilations": (2,)}, "dilations.*allowed are 2"),
        ({"kernels": (4, 0)}, "kernels.*from 1"),
        ({"dilations": (0, 2)}, "dilations.*from 1"),
        ({"hidden": 0}, "hidden"),
    ],
)
def test_sizes_that_make_no_network_are_refused(values, message):
    sizes = {"filters": (8, 16), "kernels": (4, 4), "dilations": (2, 2)}
    with pytest.raises(ValidationError, match=rf"(?s){message}"):
        WavenetSettings(**(sizes | values))


@pytest.mark.parametrize("filters", [0, -4])
def test_a_block_needs_at_least_one_filter(filters):
    with pytest.raises(RecipeError, match="filters"):
        load_recipe(TINY, [f"models.temporal.wavenet.filters=[{filters}]"])
