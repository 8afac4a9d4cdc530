"""Multinomial logistic regression on hand-made features: the baseline that a network must beat."""

import torch
from torch import Tensor, nn

from ictal.core.labels import N_PATTERNS
from ictal.views.features import FEATURES, Features, FeaturesSettings

MOST = 4.0
"""Features are clipped to this many robust standard deviations from the median."""


class FeatureNetwork(nn.Module):
    """Raw windows [batch, 20, 10000] to logits [batch, n_outputs], one layer above `Features`.

    Each feature is standardised with the median and the robust standard deviation of the training windows, which are
    saved with the weights. `ictal.training.regression` fits all of them.
    """

    bf16_on_cpu = False
    centre: Tensor
    spread: Tensor

    def __init__(self, settings: FeaturesSettings, *, n_outputs: int = N_PATTERNS) -> None:
        super().__init__()
        self.view = Features(settings)
        self.register_buffer("centre", torch.zeros(len(FEATURES)))
        self.register_buffer("spread", torch.ones(len(FEATURES)))
        self.head = nn.Linear(len(FEATURES), n_outputs)

    def standardised(self, figures: Tensor) -> Tensor:
        """Return features [batch, feature] in robust standard deviations from the median."""
        return ((figures - self.centre) / self.spread).clamp(-MOST, MOST)

    def forward(self, windows: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.head(self.standardised(self.view(windows)))
        return logits
