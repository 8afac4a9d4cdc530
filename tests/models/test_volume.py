"""The (2+1)D network on both layouts of the volume view."""

import math

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the name that torch users know

from ictal.core.montage import CHANNELS
from ictal.models.volume import FactoredBlock, VolumeNetwork, VolumeNetworkSettings
from ictal.views import VolumeSettings

SMALL = VolumeNetworkSettings(widths=(4, 8, 8), drop_rate=0.0)
VIEWS = {
    "line": VolumeSettings(n_mels=12, width=32, frame=320),
    "grid": VolumeSettings(n_mels=12, width=32, frame=320, layout="grid"),
}


def windows(n: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    size = 40 * torch.randn(n, 20, 1, generator=generator).exp()
    return size * torch.randn(n, 20, 10_000, generator=generator)


@pytest.fixture(params=VIEWS, scope="module")
def network(request) -> VolumeNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = VolumeNetwork(VIEWS[request.param], SMALL, n_outputs=7)
        made(windows(4))  # so that batch normalisation has seen something
    return made


def test_outputs_are_those_asked_for_and_each_window_is_alone(network):
    network.eval()
    batch, order = windows(5), torch.tensor([3, 0, 4, 1, 2])
    with torch.inference_mode():
        logits = network(batch)
        assert logits.shape == (5, 7)
        assert network.features(batch).shape == (5, network.n_features)
        torch.testing.assert_close(network(batch[order]), logits[order], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(network(batch[2:3]), logits[2:3], rtol=1e-4, atol=1e-5)
        assert (logits[0] - logits[1]).abs().max() > 1e-3


@pytest.mark.parametrize("seconds", [None, 10.0])
def test_a_view_of_ten_seconds_is_pooled_over_all_of_them(seconds):
    made = VolumeNetwork(VIEWS["line"].model_copy(update={"seconds": seconds}), SMALL).eval()
    maps = torch.randn(2, SMALL.widths[-1], 10, generator=torch.Generator().manual_seed(0))
    centre = made.pool(maps)[:, SMALL.widths[-1] :]
    assert torch.equal(centre, maps.mean(dim=-1)) == (seconds == 10.0)


def test_a_gradient_reaches_every_parameter(network):
    network.train()
    network.zero_grad()
    network(windows(4)).log_softmax(1)[:, 2].sum().backward()
    assert not [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def test_the_network_is_one_graph_for_any_batch(network):
    network.eval()
    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(network, (windows(2),), dynamic_shapes={"windows": {0: batch}}).module()
    with torch.inference_mode():
        torch.testing.assert_close(exported(windows(5)), network(windows(5)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layout", ["line", "grid"])
def test_the_default_size_is_small(layout):
    made = VolumeNetwork(VolumeSettings(layout=layout), VolumeNetworkSettings())
    assert 300_000 < sum(parameter.numel() for parameter in made.parameters()) < 1_000_000
    assert made.head[1].out_features == 6


@pytest.mark.parametrize("layout", ["line", "grid"])
def test_it_learns_on_which_side_and_at_which_frequency_a_rhythm_is(layout):
    generator = torch.Generator().manual_seed(0)
    batch, target = 10 * torch.randn(16, 20, 10_000, generator=generator), torch.arange(16) % 4
    time = torch.arange(10_000) / 200
    for row, (name, hertz) in enumerate([("C3", 3), ("C4", 3), ("C3", 8), ("C4", 8)] * 4):
        batch[row, CHANNELS.index(name)] += 40 * torch.sin(2 * torch.pi * hertz * time)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = VolumeNetwork(VIEWS[layout], SMALL, n_outputs=4)
    volumes, made.view = made.view(batch), nn.Identity()  # once is enough: no step changes the view
    optimizer = torch.optim.Adam(made.parameters(), 0.01)
    for _ in range(25):
        loss = F.cross_entropy(made(volumes), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5 * math.log(4)


def test_a_block_looks_over_space_then_over_time():
    block = FactoredBlock(2, 3, (2, 1, 2)).eval()
    generator = torch.Generator().manual_seed(0)
    volume = torch.randn(1, 2, 9, 5, 8, generator=generator)
    with torch.inference_mode():
        out = block(volume)
        assert out.shape == (1, 3, 5, 5, 4)
        # The literal way: means of pairs in time and width, then frame by frame, then place by place, unnormed.
        pooled = F.avg_pool3d(volume, (2, 1, 2), ceil_mode=True)
        shrink = (1 + 1e-5) ** -0.5  # of a batch norm that has seen nothing
        frames = [F.conv2d(frame, block.space.weight[:, :, 0], padding=1) for frame in pooled.unbind(2)]
        space = F.relu(shrink * torch.stack(frames, dim=2))
        series = F.conv1d(space.permute(0, 3, 4, 1, 2).flatten(0, 2), block.time.weight[..., 0, 0], padding=1)
        changed = shrink * series.unflatten(0, (1, 5, 4)).permute(0, 3, 4, 1, 2)
        skip = torch.einsum("oi,bithw->bothw", block.skip.weight[:, :, 0, 0, 0], pooled)
        torch.testing.assert_close(out, F.relu(changed + skip), rtol=1e-4, atol=1e-5)


def test_space_is_halved_until_it_is_small(network):
    strides = [block.pool.kernel_size for block in network.blocks]
    on_grid = network.view.settings.layout == "grid"
    assert strides == [(2, 1, 1), (2, 1, 1)] if on_grid else [(2, 2, 2), (2, 2, 2)]
    assert isinstance(network.head[-1], nn.Linear)


@pytest.mark.parametrize("widths", [(), (8,), (8, 0)])
def test_sizes_that_make_no_network_are_refused(widths):
    with pytest.raises(ValidationError, match=r"(?s)widths.*allowed are at least two whole numbers from 1"):
        VolumeNetworkSettings(widths=widths)
