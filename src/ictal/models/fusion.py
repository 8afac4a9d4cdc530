"""Fusion: the features of several networks are joined in one head, and all are trained together."""

import math
from collections.abc import Mapping
from typing import Literal, Protocol, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from ictal.core.labels import N_PATTERNS
from ictal.core.settings import Settings


class FusionSettings(Settings):
    """How the branches are joined.

    Attributes
    ----------
    head
        'linear': one layer on the concatenated features, as the study proposes. 'mlp': with one hidden layer before
        it. 'gated': both branches are projected to one width, and a learned gate weights them for each feature
        (Arevalo et al. 2017). 'attention': each branch attends to the other's features over time (cross-attention in
        both directions) before the mean over time.
    hidden
        Width of the hidden layer; unused by 'linear'.
    attention_heads
        Number of attention heads; must divide `hidden`.
    drop_rate
        Dropout of the features before the last layer.
    """

    head: Literal["linear", "mlp", "gated", "attention"] = "mlp"
    hidden: int = Field(64, ge=4)
    attention_heads: int = Field(4, ge=1)
    drop_rate: float = Field(0.0, ge=0, lt=1)


class Branch(Protocol):
    """The interface of a network that can be a branch."""

    n_features: int
    n_sequence: int
    bf16_on_cpu: bool

    def features(self, windows: Tensor) -> Tensor:
        """Return [batch, n_features]."""

    def sequence(self, windows: Tensor) -> Tensor:
        """Return [batch, part of the window, n_sequence]."""


class Meeting(nn.Module):
    """Concatenate the features of the branches: [batch, n_features] each to [batch, n_out]."""

    def __init__(self, widths: list[int], settings: FusionSettings) -> None:
        super().__init__()
        # The scales of the branches' features differ so much that the larger would dominate.
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths)
        self.n_out = sum(widths)
        self.hidden: nn.Module = nn.Identity()
        if settings.head == "mlp":
            self.hidden = nn.Sequential(nn.Linear(self.n_out, settings.hidden), nn.ReLU())
            self.n_out = settings.hidden

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return the vector."""
        joined: Tensor = self.hidden(torch.cat([norm(f) for norm, f in zip(self.norms, features, strict=True)], 1))
        return joined


class Gate(nn.Module):
    """Weight the branches per feature, with weights that sum to one: [batch, n_features] each to [batch, hidden]."""

    def __init__(self, widths: list[int], settings: FusionSettings) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths)
        self.bring = nn.ModuleList(nn.Linear(width, settings.hidden) for width in widths)
        self.shares = nn.Linear(sum(widths), len(widths) * settings.hidden)
        self.n_out = settings.hidden

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return the gated sum."""
        normed = [norm(f) for norm, f in zip(self.norms, features, strict=True)]
        brought = torch.stack([bring(f).tanh() for bring, f in zip(self.bring, normed, strict=True)], dim=1)
        shares = self.shares(torch.cat(normed, dim=1)).reshape(brought.shape).softmax(dim=1)
        summed: Tensor = (shares * brought).sum(dim=1)
        return summed


class CrossAttention(nn.Module):
    """Let each branch attend to the others over time: [batch, part, n_sequence] each to [batch, hidden]."""

    def __init__(self, widths: list[int], settings: FusionSettings) -> None:
        super().__init__()
        hidden = settings.hidden
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in widths)
        self.bring = nn.ModuleList(nn.Linear(width, hidden) for width in widths)
        self.ask = nn.ModuleList(
            nn.MultiheadAttention(hidden, settings.attention_heads, batch_first=True) for _ in widths
        )
        # Attention is linear in its values, and alone could not tell whether two branches agree.
        self.hidden = nn.Sequential(nn.Linear(len(widths) * hidden, hidden), nn.ReLU())
        self.n_out = hidden

    def forward(self, sequences: list[Tensor]) -> Tensor:
        """Return the joined means over time of each branch with what it attended to."""
        brought = [
            bring(norm(s)) + _places(s.shape[1], self.n_out, s)
            for norm, bring, s in zip(self.norms, self.bring, sequences, strict=True)
        ]
        heard = []
        for index, (ask, own) in enumerate(zip(self.ask, brought, strict=True)):
            others = torch.cat([*brought[:index], *brought[index + 1 :]], dim=1)
            heard.append((own + ask(own, others, others, need_weights=False)[0]).mean(dim=1))
        joined: Tensor = self.hidden(torch.cat(heard, dim=1))
        return joined


def _places(n_parts: int, width: int, like: Tensor) -> Tensor:
    """Return a positional encoding, [part, width], that depends on relative time, not on the length of a sequence.

    It follows Vaswani et al. 2017, with periods from twice the window to a sixteenth of it.
    """
    time = (torch.arange(n_parts, device=like.device) + 0.5) / n_parts
    order = torch.arange(width, device=like.device)
    rate = math.pi * 32 ** (2 * (order // 2) / width)
    phase = time[:, None] * rate + (order % 2) * math.pi / 2
    return phase.sin().to(like.dtype)


class Fusion(nn.Module):
    """Raw windows [batch, 20, 10000] to logits [batch, n_outputs], through branches that are joined in one head.

    Parameters
    ----------
    branches
        Networks by name (`Branch`); their own heads are removed.
    settings
        How they are joined.
    n_outputs
        Number of outputs of the head.
    """

    def __init__(
        self, branches: Mapping[str, nn.Module], settings: FusionSettings, *, n_outputs: int = N_PATTERNS
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleDict(branches)
        for module in self.branches.values():
            module.head = nn.Identity()
        self.over_time = settings.head == "attention"
        kind = {"gated": Gate, "attention": CrossAttention}.get(settings.head, Meeting)
        known = [self._branch(name) for name in branches]
        widths = [branch.n_sequence if self.over_time else branch.n_features for branch in known]
        self.meeting = kind(widths, settings)
        self.n_features = cast(int, self.meeting.n_out)
        self.head = nn.Sequential(nn.Dropout(settings.drop_rate), nn.Linear(self.n_features, n_outputs))
        self.bf16_on_cpu = any(branch.bf16_on_cpu for branch in known)

    def _branch(self, name: str) -> Branch:
        return cast(Branch, self.branches[name])

    def begin_with(self, name: str, trained: nn.Module) -> None:
        """Load the weights of a network that was trained alone into a branch, without its head."""
        weights = {key: tensor for key, tensor in trained.state_dict().items() if not key.startswith("head.")}
        self.branches[name].load_state_dict(weights, strict=True)

    def of_branch(self, name: str, windows: Tensor) -> Tensor:
        """Return the features, or their sequence over time, of one branch."""
        branch = self._branch(name)
        device = windows.device.type
        # On a CPU, each branch keeps the precision in which it is faster.
        mixed = torch.is_autocast_enabled(device) and (device != "cpu" or branch.bf16_on_cpu)
        with torch.autocast(device, enabled=mixed):
            found = branch.sequence(windows) if self.over_time else branch.features(windows)
        return found.float()

    def features(self, windows: Tensor) -> Tensor:
        """Return the joined features, [batch, n_features]."""
        found: Tensor = self.meeting([self.of_branch(name, windows) for name in self.branches])
        return found

    def forward(self, windows: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.head(self.features(windows))
        return logits
