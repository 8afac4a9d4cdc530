import pytest
import torch
from torch import nn

from ictal.models.arms import trained_arms
from ictal.models.build import build, build_trained
from ictal.models.fusion import Fusion, FusionSettings
from tests.models.test_arms import SMALL, windows

HEADS = ("linear", "mlp", "gated", "attention")


def fusion(head: str, **more: object) -> Fusion:
    settings = SMALL.model_copy(update={"fusion": FusionSettings(head=head, **more)})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_trained("fusion", settings).network


@pytest.mark.parametrize("head", HEADS)
def test_every_head_uses_both_branches(head):
    network = fusion(head)
    network.train()
    network(windows(4)).log_softmax(1)[:, 2].sum().backward()
    without = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not without
    assert network.features(windows(2)).shape == (2, network.n_features)


class Told(nn.Module):
    """A branch that sees one number of the window, constant over time or not."""

    bf16_on_cpu = False
    n_features = n_sequence = 2

    def __init__(self, channel: int) -> None:
        super().__init__()
        self.channel, self.head = channel, nn.Linear(2, 6)

    def features(self, windows: torch.Tensor) -> torch.Tensor:
        value = windows[:, self.channel, :1]
        return torch.cat([value, -value], dim=1)

    def sequence(self, windows: torch.Tensor) -> torch.Tensor:
        value = windows[:, self.channel, :8].unsqueeze(2)
        return torch.cat([value, -value], dim=2)


@pytest.mark.parametrize("head", ["mlp", "gated", "attention"])
def test_a_head_learns_what_no_average_of_the_branches_can_tell(head):
    # An exclusive or: each branch alone knows nothing.
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Fusion({"one": Told(0), "other": Told(1)}, FusionSettings(head=head, hidden=16))
        signs = torch.tensor([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
        made = torch.zeros(4, 20, 8)
        made[:, :2] = signs[:, :, None]
        target = (signs.prod(dim=1) > 0).long()
        optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
        for _ in range(150):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(made), target)
            loss.backward()
            optimizer.step()
    assert loss < 0.1


def test_a_linear_head_cannot_tell_an_exclusive_or():
    network = Fusion({"one": Told(0), "other": Told(1)}, FusionSettings(head="linear"))
    signs = torch.tensor([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
    made = torch.zeros(4, 20, 8)
    made[:, :2] = signs[:, :, None]
    logits = network(made)
    torch.testing.assert_close(logits[0] + logits[1], logits[2] + logits[3], rtol=0, atol=1e-5)


def test_branches_begin_as_they_were_trained_alone():
    alone = {name: build_trained(name, SMALL) for name in ("temporal", "spatial")}
    joined = build_trained("fusion-finetuned", SMALL).network
    for name, network in alone.items():
        joined.begin_with(name, network.network)
    joined.eval()
    for name, network in alone.items():
        network.eval()
        torch.testing.assert_close(joined.branches[name].features(windows(2)), network.network.features(windows(2)))
    with pytest.raises(RuntimeError, match="Missing key"):
        joined.begin_with("temporal", alone["spatial"].network)


def test_what_is_finetuned_needs_its_branches_first():
    assert trained_arms(["fusion-finetuned", "both"]) == ["temporal", "spatial", "fusion-finetuned"]


def test_no_imagenet_weights_are_fetched_for_branches_that_come_trained(monkeypatch):
    import timm

    real = timm.create_model

    def offline(name, pretrained=False, **options):
        assert not pretrained
        return real(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    network = SMALL.spatial.efficientnet.model_copy(update={"pretrained": "require"})
    spatial = SMALL.spatial.model_copy(update={"efficientnet": network})
    build("fusion-finetuned", SMALL.model_copy(update={"spatial": spatial}))


def test_each_branch_keeps_the_precision_in_which_it_is_faster():
    network = fusion("linear").eval()
    kinds = {}
    for name, branch in network.branches.items():
        for module in branch.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(lambda m, i, o, name=name: kinds.update({name: o.dtype}))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert network(windows(1)).isfinite().all()
    assert kinds == {"temporal": torch.bfloat16, "spatial": torch.float32}


def test_parts_of_the_window_keep_their_order():
    wavenet = build_trained("temporal", SMALL).network.eval()
    one = torch.zeros(1, 20, 10_000)
    one[:, :, 2_500:3_125] = 50 * torch.randn(1, 20, 625, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        silent = wavenet.sequence(torch.zeros(1, 20, 10_000))
        change = (wavenet.sequence(one) - silent).abs().sum(dim=2)[0]
    assert change.shape == (16,)
    assert change.argmax() == 4  # 2,500 of 10,000 samples is four sixteenths
    torch.testing.assert_close(wavenet.sequence(one).mean(dim=1), wavenet.features(one), rtol=1e-4, atol=1e-5)
