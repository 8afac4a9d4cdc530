import numpy as np
import pytest
import timm
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the name that torch users know

from ictal.errors import ModelError, UnknownNameError
from ictal.models.arm_network import parts_of
from ictal.models.arms import ARMS, find_arm, members, trained_arms
from ictal.models.build import build
from ictal.models.efficientnet import EfficientnetSettings, PretrainedWeightsWarning
from ictal.models.model_settings import ModelSettings
from ictal.models.wavenet import WaveBlock, Wavenet, WavenetSettings
from ictal.recipes import load_recipe
from ictal.views import WaveformSettings
from tests.conftest import TINY

SMALL = load_recipe(TINY).models


def windows(n: int) -> torch.Tensor:
    return 40 * torch.randn(n, 20, 10_000, generator=torch.Generator().manual_seed(0))


def contexts(n: int) -> torch.Tensor:
    return torch.rand(n, 4, 100, 300, generator=torch.Generator().manual_seed(1)).mul(8).exp()


def inputs(n: int, scale: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    return scale * windows(n), scale * contexts(n)


def n_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.fixture(params=ARMS, scope="module")
def network(request) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = build(request.param, SMALL)
        made(*inputs(4))  # so that batch normalisation has seen something
    return made


def test_an_arm_turns_windows_into_logits(network):
    network.eval()
    with torch.inference_mode():
        logits = network(*inputs(3))
        assert logits.shape == (3, 6)
        assert torch.isfinite(logits).all()
        assert torch.equal(logits, network(*inputs(3)))
        one = network(*(tensor[1:2] for tensor in inputs(3)))
        torch.testing.assert_close(one, logits[1:2], rtol=1e-4, atol=1e-5)


def test_a_gradient_reaches_every_parameter(network):
    network.train()
    network.zero_grad()
    network(*inputs(4)).log_softmax(1)[:, 2].sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not without


def test_two_windows_are_told_apart(network):
    network.eval()
    with torch.inference_mode():
        loud, quiet = network(*inputs(1, 10.0)), network(*inputs(1))
    assert not torch.equal(loud, quiet)


def test_both_is_the_mean_of_its_parts():
    both = build("both", SMALL).eval()
    with torch.inference_mode():
        parts = [both.networks[name](windows(2)).softmax(1) for name in ("temporal", "spatial")]
        torch.testing.assert_close(both(windows(2)).softmax(1), sum(parts) / 2)


def test_a_mean_has_as_many_networks_of_each_arm_as_it_is_told():
    assert members("SE", 1) == {"symmetric": "symmetric", "spatial": "spatial"}
    assert [*members("SE", {"symmetric": 2})] == ["symmetric-seed0", "symmetric-seed1", "spatial"]
    network = build("SE", SMALL, seeds={"symmetric": 2}).eval()
    with torch.inference_mode():
        parts = [part(windows(2)).softmax(1) for part in parts_of(network)]
        torch.testing.assert_close(network(windows(2)).softmax(1), sum(parts) / 3)


def test_every_arm_can_say_how_far_panels_stray():
    settings = SMALL.model_copy(update={"votes": "dirichlet", "lapse": 0.06})
    for name, arm in ARMS.items():
        if not arm.parts:
            logits, concentration = build(name, settings).eval().panel(*inputs(2))
            assert logits.shape == (2, 6)
            assert (concentration > 0).all()
            assert logits.softmax(1).min() >= 0.01 - 1e-6


def test_names_of_notebooks_are_known():
    assert [find_arm(name).name for name in ("K", "E", "R", "S", "ER", "KER", "SE")] == [
        *("context", "spatial", "temporal", "symmetric", "both", "KER", "SE")
    ]
    assert find_arm("temporal+mirror").name == "temporal+mirror"


def test_an_unknown_arm_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="unknown arm 'wavenet'; known are: temporal, spatial, both"):
        build("wavenet", SMALL)
    with pytest.raises(UnknownNameError, match=r"unknown arm 'both\+mirror'"):
        build("both+mirror", SMALL)
    assert trained_arms(["both", "spatial"]) == ["temporal", "spatial"]


def test_the_reference_has_its_number_of_parameters():
    settings = load_recipe("paper").models
    assert n_parameters(Wavenet(settings.temporal.waveform, settings.temporal.wavenet)) == 315_574
    assert settings.spatial.efficientnet.network == "efficientnet_b2"
    spatial = build("spatial", settings, initial=False).network
    assert n_parameters(spatial.network) == 7_701_282


class LiteralBlock(nn.Module):
    """A wave block as the reference writes it down: nothing fused, one derivation at a time, conv1d."""

    def __init__(self, block: WaveBlock) -> None:
        super().__init__()
        self.block = block

    def forward(self, signal: torch.Tensor) -> torch.Tensor:
        signal = F.conv1d(signal, self.block.enter.weight[:, :, 0], self.block.enter.bias)
        for power, layer in enumerate(self.block.layers):
            n = layer.leave.weight.shape[0]
            weights, biases = layer.gate.weight[:, :, 0].split(n), layer.gate.bias.split(n)
            total = 2**power * (weights[0].shape[2] - 1)
            padded = F.pad(signal, (total // 2, total - total // 2))
            tanh, sigmoid = (
                F.conv1d(padded, weight, bias, dilation=2**power)
                for weight, bias in zip(weights, biases, strict=True)
            )
            gated = torch.tanh(tanh) * torch.sigmoid(sigmoid)
            signal = signal + F.conv1d(gated, layer.leave.weight[:, :, 0], layer.leave.bias)
        return signal


def test_wavenet_is_the_network_that_the_reference_describes():
    settings = WavenetSettings(filters=(4, 8), kernels=(4, 3), dilations=(3, 2), hidden=5)
    network = Wavenet(WaveformSettings(), settings).double().eval()
    batch = windows(2).double()
    with torch.inference_mode():
        traces = network.view(batch)
        features = []
        for first in (0, 2, 4, 6):  # the two derivations of each chain
            means = []
            for row in (first, first + 1):
                signal = traces[:, row : row + 1]
                for block in network.blocks:
                    signal = LiteralBlock(block)(signal)
                means.append(signal.mean(dim=2))
            features.append((means[0] + means[1]) / 2)
        expected = network.head(torch.cat(features, dim=1))
        torch.testing.assert_close(network(batch), expected)


def test_sizes_of_wavenet_must_go_together():
    with pytest.raises(ValueError, match="kernels"):
        WavenetSettings(filters=(8, 16), kernels=(4,), dilations=(2, 2))


def spatial(pretrained: str) -> ModelSettings:
    network = EfficientnetSettings(network="efficientnet_b0", pretrained=pretrained)
    of_arm = SMALL.spatial.model_copy(update={"efficientnet": network})
    return SMALL.model_copy(update={"spatial": of_arm})


def test_without_a_hub_the_recipe_decides(monkeypatch):
    real = timm.create_model

    def offline(name, pretrained=False, **options):
        if pretrained:
            raise OSError("no network")
        return real(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.warns(PretrainedWeightsWarning, match="efficientnet_b0 cannot be loaded.*random weights"):
        build("spatial", spatial("prefer"))
    with pytest.raises(ModelError, match=r"no network.*pretrained to 'prefer' or 'no'"):
        build("spatial", spatial("require"))
    build("spatial", spatial("no"))
    build("spatial", spatial("require"), initial=False)  # to be loaded over: none are asked for


def test_weights_of_the_hub_are_used(monkeypatch):
    real, asked = timm.create_model, []

    def online(name, pretrained=False, **options):
        asked.append((name, pretrained))
        network = real(name, pretrained=False, **options)
        if pretrained:
            nn.init.constant_(network.conv_stem.weight, 0.25)
        return network

    monkeypatch.setattr(timm, "create_model", online)
    network = build("spatial", spatial("require")).network
    assert asked == [("efficientnet_b0", True)]
    assert (network.network.conv_stem.weight == 0.25).all()


def test_an_unknown_network_is_refused():
    network = EfficientnetSettings(network="efficientnet_b99", pretrained="no")
    settings = SMALL.model_copy(update={"spatial": SMALL.spatial.model_copy(update={"efficientnet": network})})
    with pytest.raises(ModelError, match=r"no network 'efficientnet_b99'; known are efficientnet_b0"):
        build("spatial", settings)


def test_a_seed_makes_the_network():
    def made(seed: int) -> np.ndarray:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return build("temporal", SMALL).network.head[0].weight.detach().numpy()

    np.testing.assert_array_equal(made(1), made(1))
    assert not np.array_equal(made(1), made(2))
