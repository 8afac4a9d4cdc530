import pytest
import timm
import torch

from ictal.models.context import ContextNetwork
from ictal.models.efficientnet import EfficientnetSettings
from ictal.views import ContextSettings

SMALL = EfficientnetSettings(network="efficientnet_b0", pretrained="no")


@pytest.fixture(scope="module")
def network() -> ContextNetwork:
    torch.manual_seed(0)
    return ContextNetwork(ContextSettings(width=64), SMALL).eval()


def contexts(n: int) -> torch.Tensor:
    made = torch.randn(n, 4, 100, 300, generator=torch.Generator().manual_seed(1)).mul(2).exp()
    made[..., :40] = torch.nan
    return made


def test_logits_are_the_head_of_the_features(network):
    with torch.inference_mode():
        features, logits = network.features(contexts(3)), network(contexts(3))
        assert features.shape == (3, network.n_features) == (3, 1280)
        assert logits.shape == (3, 6)
        torch.testing.assert_close(logits, network.head(features))
        torch.testing.assert_close(network(contexts(3)[1:2]), logits[1:2], rtol=1e-4, atol=1e-4)


def test_contexts_that_differ_get_other_logits():
    network = ContextNetwork(ContextSettings(width=64), SMALL)  # in training: an untrained one is nearly constant
    with torch.inference_mode():
        one, two = network(contexts(4)), network(contexts(4).flip(1))
    assert (abs(one - two) > 0.01).any()


def test_there_are_as_many_outputs_as_asked_for():
    network = ContextNetwork(ContextSettings(width=64), SMALL, n_outputs=7).eval()
    with torch.inference_mode():
        assert network(contexts(2)).shape == (2, 7)


def test_every_weight_learns(network):
    network.train()
    network(contexts(2)).square().sum().backward()
    assert all(torch.isfinite(weight.grad).all() for weight in network.parameters())
    silent = [name for name, weight in network.named_parameters() if not weight.grad.any()]
    assert not silent
    network.zero_grad()
    network.eval()


def test_no_weights_are_fetched_for_a_network_that_is_loaded_over(monkeypatch):
    real = timm.create_model

    def offline(name, pretrained=False, **options):
        assert not pretrained
        return real(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    ContextNetwork(
        ContextSettings(), EfficientnetSettings(network="efficientnet_b0", pretrained="require"), initial=False
    )


def test_the_graph_with_its_view_can_be_exported(network):
    exported = torch.export.export(network, (contexts(2),))
    with torch.inference_mode():
        torch.testing.assert_close(exported.module()(contexts(2)), network(contexts(2)), rtol=1e-4, atol=1e-4)
